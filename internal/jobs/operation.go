package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	operationsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/operations/v1"
	"github.com/asc-gateway/asc-gateway/internal/secrets"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Operation is a row of the table operations.
type Operation struct {
	ID, Kind, Team, App, Subject, Caller string
	Claims                               map[string]string
	Priority                             string
	Via                                  string
	State                                operationsv1.OperationStateEnum_OperationState
	Request                              proto.Message // nil: its secret is gone, or its kind is not known here
	Actions                              []*operationsv1.Action
	Plan                                 *operationsv1.Plan
	Response                             *anypb.Any
	Error                                *spb.Status
	Requests                             int64
	Awaiting, AwaitingKey                string
	Failures                             int // of the last runs, one after another
	Approval                             []string
	Approver, CancelledBy                string
	Version, Wakes, WakesSeen, Job       int64
	Next, Created, Updated, Ended        time.Time

	sealed error // why Request is nil
}

// Done says whether the operation has ended.
func (op *Operation) Done() bool { return !op.Ended.IsZero() }

// end ends an operation, well or with an error.
func (j *Jobs) end(op *Operation, response proto.Message, err error) {
	op.Ended, op.Awaiting, op.AwaitingKey, op.Next = time.Now(), "", "", time.Time{}
	if err == nil {
		op.State = operationsv1.OperationStateEnum_SUCCEEDED
		op.Response, err = anypb.New(response)
	}
	if err == nil {
		return
	}
	op.State, op.Response = operationsv1.OperationStateEnum_FAILED, nil
	op.Error = j.deps.Status(err).Proto()
	if op.CancelledBy != "" {
		op.State = operationsv1.OperationStateEnum_CANCELLED
	}
}

// Proto is the operation as callers see it.
func (op *Operation) Proto() *longrunningpb.Operation {
	md := &operationsv1.OperationMetadata{
		Kind:        op.Kind,
		State:       op.State,
		Subject:     op.Subject,
		Team:        op.Team,
		App:         op.App,
		Caller:      op.Caller,
		Approver:    op.Approver,
		CreateTime:  at(op.Created),
		UpdateTime:  at(op.Updated),
		EndTime:     at(op.Ended),
		Awaiting:    op.Awaiting,
		NextTime:    at(op.Next),
		Requests:    int32(op.Requests),
		Actions:     op.Actions,
		CancelledBy: op.CancelledBy,
		Plan:        op.Plan,
	}
	if op.State != operationsv1.OperationStateEnum_WAITING_FOR_APPROVAL {
		md.Plan = nil
	}
	out := &longrunningpb.Operation{Name: "operations/" + op.ID, Done: op.Done()}
	out.Metadata, _ = anypb.New(md) // it always marshals
	switch {
	case op.Error != nil:
		out.Result = &longrunningpb.Operation_Error{Error: op.Error}
	case op.Response != nil:
		out.Result = &longrunningpb.Operation_Response{Response: op.Response}
	}
	return out
}

func at(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// columns are what [Jobs.scan] reads, in its order.
const columns = `id, kind, team, app, subject, caller, claims, priority, via, state, arguments, progress, outcome,
	requests, awaiting, awaiting_key, failures, approval, approver, cancelled_by, version, wakes, wakes_seen, job, next_at,
	created_at, updated_at, ended_at`

// progress is what the column of this name holds, sealed.
type progress struct {
	Actions [][]byte `json:"actions,omitempty"`
	Plan    []byte   `json:"plan,omitempty"`
}

// scan reads a row.
func (j *Jobs) scan(scan func(...any) error) (*Operation, error) {
	op := &Operation{}
	var approval string
	var state int32
	var claims, arguments, prog, outcome []byte
	var next, created, updated, ended int64
	err := scan(&op.ID, &op.Kind, &op.Team, &op.App, &op.Subject, &op.Caller, &claims, &op.Priority, &op.Via, &state,
		&arguments, &prog, &outcome, &op.Requests, &op.Awaiting, &op.AwaitingKey, &op.Failures, &approval, &op.Approver,
		&op.CancelledBy, &op.Version, &op.Wakes, &op.WakesSeen, &op.Job, &next, &created, &updated, &ended)
	if err != nil {
		return nil, err
	}
	op.State = operationsv1.OperationStateEnum_OperationState(state)
	op.Next, op.Created, op.Updated, op.Ended = ofMicros(next), ofMicros(created), ofMicros(updated), ofMicros(ended)
	if err := json.Unmarshal([]byte(approval), &op.Approval); err != nil {
		return nil, fmt.Errorf("operation %s: %w", op.ID, err)
	}
	op.sealed = errors.Join(j.openClaims(op, claims), j.open(op, arguments, prog, outcome))
	return op, nil
}

// open unseals what is sealed of a row, as far as it can. Its error says that a
// secret is gone.
func (j *Jobs) open(op *Operation, arguments, prog, outcome []byte) error {
	return errors.Join(j.openArguments(op, arguments), j.openProgress(op, prog), j.openOutcome(op, outcome))
}

func (j *Jobs) openClaims(op *Operation, sealed []byte) error {
	b, err := j.unseal(op.ID, "claims", sealed)
	if err != nil || len(b) == 0 {
		return err
	}
	return json.Unmarshal(b, &op.Claims)
}

func (j *Jobs) openArguments(op *Operation, sealed []byte) error {
	kind, ok := j.kinds[op.Kind]
	if !ok {
		return nil
	}
	b, err := j.unseal(op.ID, "arguments", sealed)
	if err != nil {
		return err
	}
	op.Request = kind.New()
	return proto.Unmarshal(b, op.Request)
}

func (j *Jobs) openProgress(op *Operation, prog []byte) error {
	b, err := j.unseal(op.ID, "progress", prog)
	if err != nil {
		return err
	}
	var p progress
	if len(b) > 0 {
		if err := json.Unmarshal(b, &p); err != nil {
			return err
		}
	}
	for _, text := range p.Actions {
		a := &operationsv1.Action{}
		if err := proto.Unmarshal(text, a); err != nil {
			return err
		}
		op.Actions = append(op.Actions, a)
	}
	if len(p.Plan) == 0 {
		return nil
	}
	op.Plan = &operationsv1.Plan{}
	return proto.Unmarshal(p.Plan, op.Plan)
}

func (j *Jobs) openOutcome(op *Operation, sealed []byte) error {
	b, err := j.unseal(op.ID, "outcome", sealed)
	if err != nil || len(b) == 0 {
		return err
	}
	kept := &longrunningpb.Operation{}
	if err := proto.Unmarshal(b, kept); err != nil {
		return err
	}
	op.Response, op.Error = kept.GetResponse(), kept.GetError()
	return nil
}

func (j *Jobs) seal(id, column string, data []byte) []byte {
	return j.deps.Secrets.Seal(secrets.Operations, id+"/"+column, data)
}

func (j *Jobs) unseal(id, column string, sealed []byte) ([]byte, error) {
	if len(sealed) == 0 {
		return nil, nil
	}
	return j.deps.Secrets.Unseal(secrets.Operations, id+"/"+column, sealed)
}

// sealedParts are the columns that are sealed.
func (j *Jobs) sealedParts(op *Operation) (prog, outcome []byte, err error) {
	var p progress
	for _, a := range op.Actions {
		b, err := proto.Marshal(a)
		if err != nil {
			return nil, nil, err
		}
		p.Actions = append(p.Actions, b)
	}
	if op.Plan != nil {
		if p.Plan, err = proto.Marshal(op.Plan); err != nil {
			return nil, nil, err
		}
	}
	text, err := json.Marshal(p)
	if err != nil {
		return nil, nil, err
	}
	prog = j.seal(op.ID, "progress", text)
	if op.Response == nil && op.Error == nil {
		return prog, nil, nil
	}
	kept := &longrunningpb.Operation{}
	if op.Error != nil {
		kept.Result = &longrunningpb.Operation_Error{Error: op.Error}
	} else {
		kept.Result = &longrunningpb.Operation_Response{Response: op.Response}
	}
	b, err := proto.Marshal(kept)
	return prog, j.seal(op.ID, "outcome", b), err
}

// put inserts a row. requestKey may be empty.
func (j *Jobs) put(ctx context.Context, tx *sql.Tx, op *Operation, requestKey, sum, about string) error {
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(op.Request)
	if err != nil {
		return err
	}
	prog, _, err := j.sealedParts(op)
	if err != nil {
		return err
	}
	claims, _ := json.Marshal(op.Claims)     // a map of strings
	approval, _ := json.Marshal(op.Approval) // a list of strings
	_, err = tx.ExecContext(ctx, `INSERT INTO operations (id, kind, team, app, subject, caller, claims, priority, via,
		request_key, request_sum, running_key, state, arguments, progress, awaiting, approval, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)`,
		op.ID, op.Kind, op.Team, op.App, op.Subject, op.Caller, j.seal(op.ID, "claims", claims), op.Priority, op.Via,
		sql.NullString{String: requestKey, Valid: requestKey != ""}, sum, about, int32(op.State),
		j.seal(op.ID, "arguments", body), prog, op.Awaiting, string(approval), micros(op.Created), micros(op.Updated))
	return err
}

// errStale says that an operation was changed since it was read.
var errStale = errors.New("jobs: the operation was changed in the meantime")

// save writes what may change of a row, unless it was changed since it was read.
func (j *Jobs) save(ctx context.Context, tx *sql.Tx, op *Operation) error {
	prog, outcome, err := j.sealedParts(op)
	if err != nil {
		return err
	}
	op.Updated = time.Now()
	about := ""
	if op.Done() {
		about = ", running_key = NULL"
	}
	res, err := tx.ExecContext(
		ctx,
		`UPDATE operations SET app = $1, subject = $2, state = $3, progress = $4, outcome = $5,
		requests = $6, awaiting = $7, awaiting_key = $8, failures = $9, approver = $10, cancelled_by = $11,
		next_at = $12, updated_at = $13, ended_at = $14, wakes_seen = $15, version = version + 1`+about+`
		WHERE id = $16 AND version = $17`,
		op.App,
		op.Subject,
		int32(op.State),
		prog,
		outcome,
		op.Requests,
		op.Awaiting,
		op.AwaitingKey,
		op.Failures,
		op.Approver,
		op.CancelledBy,
		micros(op.Next),
		micros(op.Updated),
		micros(op.Ended),
		op.WakesSeen,
		op.ID,
		op.Version,
	)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err != nil {
		return err
	}
	if n == 0 {
		return errStale
	}
	op.Version++
	return nil
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func ofMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n)
}
