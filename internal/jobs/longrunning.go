package jobs

import (
	"context"
	"regexp"
	"strings"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	operationsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/operations/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/types/known/emptypb"
)

// LongRunning implements google.longrunning.Operations over the same operations,
// for clients that know only that (AIP-151). Operations are not deleted: they are
// removed when they are old.
type LongRunning struct {
	longrunningpb.UnimplementedOperationsServer
	*Service
}

// prefix of an operation's name.
const prefix = "operations/"

// idOf is the id in a name, "" if it is no name of an operation.
func idOf(name string) string {
	id, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return ""
	}
	return id
}

// GetOperation implements the RPC.
func (l LongRunning) GetOperation(
	ctx context.Context, req *longrunningpb.GetOperationRequest,
) (*longrunningpb.Operation, error) {
	return l.Service.GetOperation(ctx, &operationsv1.GetOperationRequest{Id: idOf(req.GetName())})
}

// CancelOperation implements the RPC.
func (l LongRunning) CancelOperation(
	ctx context.Context, req *longrunningpb.CancelOperationRequest,
) (*emptypb.Empty, error) {
	_, err := l.Service.CancelOperation(ctx, &operationsv1.CancelOperationRequest{Id: idOf(req.GetName())})
	return &emptypb.Empty{}, err
}

// WaitOperation implements the RPC: it returns when the operation is done, or the
// time is over.
func (l LongRunning) WaitOperation(
	ctx context.Context, req *longrunningpb.WaitOperationRequest,
) (last *longrunningpb.Operation, err error) {
	op, _, err := l.seen(ctx, idOf(req.GetName()))
	if err != nil {
		return nil, err
	}
	last = op.Proto() // even if there is no time to wait
	if d := req.GetTimeout(); d != nil {
		limited, cancel := context.WithTimeout(ctx, d.AsDuration())
		defer cancel()
		ctx = limited
	}
	// Its error says that the time is over: the operation is told as it was last.
	_ = l.watch(ctx, idOf(req.GetName()), func(op *longrunningpb.Operation) error { last = op; return nil })
	return last, nil
}

// condition of a filter: `kind = "DistributeBuild"`.
var condition = regexp.MustCompile(`^(app|kind|state) ?= ?"?([A-Za-z0-9._-]{1,128})"?$`)

// ListOperations implements the RPC. Its filter (AIP-160) takes app, kind and
// state, joined by AND.
func (l LongRunning) ListOperations(
	ctx context.Context, req *longrunningpb.ListOperationsRequest,
) (*longrunningpb.ListOperationsResponse, error) {
	if name := req.GetName(); name != "" && name != "operations" {
		return nil, fault.Invalid("name", `want "operations"`)
	}
	f := filter{size: req.GetPageSize(), token: req.GetPageToken()}
	for part := range strings.SplitSeq(req.GetFilter(), " AND ") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		m := condition.FindStringSubmatch(strings.TrimSpace(part))
		if m == nil {
			return nil, fault.Invalid(
				"filter",
				`want conditions such as kind = "DistributeBuild" AND state = "RUNNING"`,
			)
		}
		switch m[1] {
		case "app":
			f.app = m[2]
		case "kind":
			f.kind = m[2]
		case "state":
			n, ok := operationsv1.OperationStateEnum_OperationState_value[m[2]]
			if !ok {
				return nil, fault.Invalid("filter", "there is no state %s", m[2])
			}
			f.state = operationsv1.OperationStateEnum_OperationState(n)
		}
	}
	list, next, err := l.list(ctx, f)
	return &longrunningpb.ListOperationsResponse{Operations: list, NextPageToken: next}, err
}
