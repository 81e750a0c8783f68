package jobs

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	operationsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/operations/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/store"
)

// Viewer is who asks about operations.
type Viewer struct {
	ID   string   // the principal
	Team string   // of the call: its rights are those for this team
	All  bool     // those of others too
	Apps []string // nil: every app
	// Approves says whether the viewer is one of those who may let an operation go.
	Approves func(patterns []string) bool
}

// sees says whether the viewer may know of an operation: of the team for which it
// was let in. While its app is not known, those who are kept to apps see only their
// own.
func (v Viewer) sees(op *Operation) bool {
	if op.Team != v.Team {
		return false
	}
	if v.Apps != nil && op.App == "" {
		return op.Caller == v.ID
	}
	if v.Apps != nil && !slices.Contains(v.Apps, op.App) {
		return false
	}
	return op.Caller == v.ID || v.All || v.approver(op)
}

// approver says whether the viewer may let an operation go: never its own.
func (v Viewer) approver(op *Operation) bool {
	return op.Caller != v.ID && len(op.Approval) > 0 && v.Approves != nil && v.Approves(op.Approval)
}

// Service implements ascgateway.operations.v1.OperationService.
type Service struct {
	operationsv1.UnimplementedOperationServiceServer
	jobs   *Jobs // nil: there is no store
	viewer func(context.Context) Viewer
}

// NewService serves the operations of jobs, which may be nil.
func NewService(j *Jobs, viewer func(context.Context) Viewer) *Service {
	return &Service{jobs: j, viewer: viewer}
}

// seen reads an operation that the caller may see.
func (s *Service) seen(ctx context.Context, id string) (*Operation, Viewer, error) {
	v := s.viewer(ctx)
	if s.jobs == nil {
		return nil, v, store.NotConfigured()
	}
	if id == "" || len(id) > 64 {
		return nil, v, noSuch()
	}
	op, err := s.jobs.Get(ctx, id)
	if err == nil && !v.sees(op) {
		err = noSuch()
	}
	return op, v, err
}

// GetOperation implements the RPC.
func (s *Service) GetOperation(
	ctx context.Context, req *operationsv1.GetOperationRequest,
) (*longrunningpb.Operation, error) {
	op, _, err := s.seen(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	return op.Proto(), nil
}

// CancelOperation implements the RPC.
func (s *Service) CancelOperation(
	ctx context.Context, req *operationsv1.CancelOperationRequest,
) (*longrunningpb.Operation, error) {
	_, v, err := s.seen(ctx, req.GetId())
	if err != nil {
		return nil, err
	}
	op, err := s.jobs.Cancel(ctx, req.GetId(), v.ID)
	if err != nil {
		return nil, err
	}
	return op.Proto(), nil
}

// ApproveOperation implements the RPC.
func (s *Service) ApproveOperation(
	ctx context.Context, req *operationsv1.ApproveOperationRequest,
) (*longrunningpb.Operation, error) {
	op, v, err := s.seen(ctx, req.GetId())
	switch {
	case err != nil:
		return nil, err
	case len(op.Approval) == 0:
		return nil, fault.New(fault.FailedPrecondition, ReasonNotAsked, "the operation does not wait for an approval")
	case !v.approver(op):
		return nil, fault.New(
			fault.PermissionDenied,
			ReasonNotAsked,
			"a second person must approve, one of: %s; who asked for the operation cannot",
			strings.Join(op.Approval, ", "),
		)
	}
	if op, err = s.jobs.Approve(ctx, req.GetId(), v.ID); err != nil {
		return nil, err
	}
	return op.Proto(), nil
}

// lookEvery is how often a watch looks at what another replica may have changed.
const lookEvery = time.Second

// WatchOperation implements the RPC.
func (s *Service) WatchOperation(
	req *operationsv1.WatchOperationRequest, stream operationsv1.OperationService_WatchOperationServer,
) error {
	return s.watch(stream.Context(), req.GetId(), stream.Send)
}

// watch sends an operation now and after each change, until it is done.
func (s *Service) watch(ctx context.Context, id string, send func(*longrunningpb.Operation) error) error {
	if _, _, err := s.seen(ctx, id); err != nil {
		return err
	}
	changed, end := s.jobs.changed.watch(id)
	defer end()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	version := int64(0)
	for {
		op, _, err := s.seen(ctx, id)
		if err != nil {
			return err
		}
		if op.Version != version {
			version = op.Version
			if err := send(op.Proto()); err != nil {
				return err
			}
		}
		if op.Done() {
			return nil
		}
		select {
		case <-ctx.Done():
			return fault.New(fault.Canceled, "CANCELLED", "the watch ended before the operation").WithCause(ctx.Err())
		case <-changed:
		case <-tick.C:
		}
	}
}

// pages of operations.
const (
	defaultPage = 50
	maxPage     = 200
)

// filter is what operations are listed by.
type filter struct {
	app, kind string
	state     operationsv1.OperationStateEnum_OperationState
	size      int32
	token     string
}

// ListOperations implements the RPC.
func (s *Service) ListOperations(
	ctx context.Context, req *operationsv1.ListOperationsRequest,
) (*operationsv1.ListOperationsResponse, error) {
	list, next, err := s.list(ctx, filter{app: req.GetApp(), kind: req.GetKind(), state: req.GetState(),
		size: req.GetPageSize(), token: req.GetPageToken()})
	return &operationsv1.ListOperationsResponse{Operations: list, NextPageToken: next}, err
}

// list reads a page of what the caller may see, the newest first.
func (s *Service) list(ctx context.Context, f filter) (out []*longrunningpb.Operation, next string, err error) {
	v := s.viewer(ctx)
	if s.jobs == nil {
		return nil, "", store.NotConfigured()
	}
	switch {
	case f.size < 0 || f.size > maxPage:
		return nil, "", fault.Invalid("page_size", "must be from 0 to %d", maxPage)
	case f.size == 0:
		f.size = defaultPage
	}
	before, id, err := readToken(f.token)
	if err != nil {
		return nil, "", err
	}
	for {
		ops, err := s.jobs.page(ctx, v.Team, f, before, id)
		if err != nil {
			return nil, "", err
		}
		for _, op := range ops {
			before, id = micros(op.Created), op.ID
			if !v.sees(op) {
				continue
			}
			if len(out) == int(f.size) {
				return out, next, nil
			}
			op.Actions = nil
			out, next = append(out, op.Proto()), writeToken(before, id)
		}
		if len(ops) < maxPage {
			return out, "", nil
		}
	}
}

// page reads operations of a team, from behind a place in their order.
func (j *Jobs) page(ctx context.Context, team string, f filter, before int64, id string) (ops []*Operation, err error) {
	query, args := "SELECT "+columns+" FROM operations WHERE team = $1", []any{team}
	add := func(condition string, value ...any) {
		for _, x := range value {
			args = append(args, x)
			condition = strings.Replace(condition, "?", "$"+strconv.Itoa(len(args)), 1)
		}
		query += " AND " + condition
	}
	if f.app != "" {
		add("app = ?", f.app)
	}
	if f.kind != "" {
		add("kind = ?", f.kind)
	}
	if f.state != 0 {
		add("state = ?", int32(f.state))
	}
	if id != "" {
		add("(created_at < ? OR created_at = ? AND id < ?)", before, before, id)
	}
	query += fmt.Sprintf(" ORDER BY created_at DESC, id DESC LIMIT %d", maxPage)
	err = j.deps.Store.Query(ctx, query, args, func(scan func(...any) error) error {
		op, err := j.scan(scan)
		ops = append(ops, op)
		return err
	})
	return ops, err
}

// A page token is a place in the order. It widens nothing: what the caller may see
// is decided for every operation.
func writeToken(created int64, id string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(created, 10) + " " + id))
}

func readToken(token string) (created int64, id string, err error) {
	if token == "" {
		return 0, "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	at, id, ok := strings.Cut(string(b), " ")
	if err == nil && ok {
		created, err = strconv.ParseInt(at, 10, 64)
	}
	if err != nil || !ok || id == "" || len(token) > 200 {
		f := fault.Invalid("page_token", "is none that the gateway gave out")
		f.Reason = fault.ReasonInvalidPageToken
		return 0, "", f
	}
	return created, id, nil
}
