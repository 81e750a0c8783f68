// Package jobs carries out operations: jobs that go on after the call that asked
// for them has returned (AIP-151). An operation is a row of the store; River runs
// it, on whichever replica is free.
//
// It must never do anything that its caller could not do: rights are asked again
// at every run and every inner call. It keeps no truth about Apple: a run reads
// what is there, and a run that was cut off is simply made again.
package jobs

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	operationsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/operations/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/secrets"
	"github.com/asc-gateway/asc-gateway/internal/store"
	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Reasons.
const (
	ReasonReused    = "REQUEST_ID_REUSED"  // the id named another request
	ReasonRunning   = "OPERATION_RUNNING"  // one for the same subject is not done yet
	ReasonNoSuch    = "NO_SUCH_OPERATION"  // or the caller may not see it
	ReasonCancelled = "CANCELLED"          // somebody asked for it
	ReasonNotAsked  = "APPROVAL_NOT_ASKED" // it waits for nobody, or not for the caller
	ReasonSecret    = "SECRET_GONE"        // the secret that its arguments were sealed with
	ReasonTooOld    = "OPERATION_TOO_OLD"  // it has waited for longer than anybody expects
)

// Kind is a kind of operation.
type Kind struct {
	Name   string               // "DistributeBuild"
	Method string               // the RPC that starts it, by its full name: its right is asked again at every run
	New    func() proto.Message // an empty request
	Run    func(ctx context.Context, r *Run) (Step, error)
}

// Run is one run of an operation: reads, and then the writes that they ask for.
type Run struct {
	ID          string
	Request     proto.Message
	App         string                 // as a run before found it, "": not known yet
	AwaitingKey string                 // of the run before
	Plan        *operationsv1.Plan     // what a second person let go, nil: nobody was asked
	Actions     []*operationsv1.Action // of the runs before
	Failures    int                    // of the runs before, one after another
	Created     time.Time
	// Did puts an action on record before the next is begun. Its error ends the run:
	// the operation was cancelled, or is no longer this run's.
	Did func(ctx context.Context, a *operationsv1.Action) error
	// Look is [Jobs.Look], and Seen [Jobs.Seen], within the operation's team.
	Look func(ctx context.Context, key string, every time.Duration) (now bool, again time.Duration, err error)
	Seen func(ctx context.Context, key string) error
}

// Step is how a run ended.
type Step struct {
	Response    proto.Message // not nil: the operation is done
	App         string        // id of the app that it is about, once that is known
	Wait        time.Duration // until the next run
	Awaiting    string        // what is waited for, in words
	AwaitingKey string        // names it among operations: [Jobs.Seen] wakes all that wait for it
	Idle        bool          // it was not this run's turn to look: it says nothing of the failures before
}

// New is a new operation.
type New struct {
	Kind      string
	Team      string
	App       string // id, where it is known
	Subject   string // in words: it is kept as it is
	About     string // what two operations must not be about at once
	Caller    string
	Claims    map[string]string
	Priority  string
	Via       string // the call that asks for it, for audit
	RequestID string // "": nobody named it
	Request   proto.Message
	Approval  []string           // patterns of who must let it go, empty: nobody
	Plan      *operationsv1.Plan // what is to be done, where somebody must let it go
}

// Rights is asked whether an operation may go on. An error of the kind
// PermissionDenied or Unauthenticated ends it; any other only delays it.
type Rights interface {
	// May returns the context of the operation's inner calls, and what counts their
	// requests.
	May(ctx context.Context, op *Operation, method string) (context.Context, *atomic.Int64, error)
}

// Deps are what jobs are made with.
type Deps struct {
	Store   *store.Store
	Secrets *secrets.Secrets
	Rights  Rights
	// Status is what callers see of an error, with all its details.
	Status    func(error) *status.Status
	Tracer    trace.TracerProvider // nil: nobody is told
	Retention time.Duration        // of operations that are done; 0: 30 days
	Workers   int                  // operations that run at once; 0: 8
	Log       *slog.Logger
}

// DefaultRetention is how long operations that are done are kept.
const DefaultRetention = 30 * 24 * time.Hour

// DefaultWorkers is how many operations run at once.
const DefaultWorkers = 8

// Jobs is safe for concurrent use.
type Jobs struct {
	deps    Deps
	kinds   map[string]Kind
	runner  runner
	changed changes
	ran     tally
	ended   atomic.Bool // nothing is nudged any more

	standing atomic.Pointer[Standing] // as last looked at
	overview overview
}

// Open makes jobs. Nothing runs until [Jobs.Serve].
func Open(d Deps, kinds ...Kind) (*Jobs, error) {
	if d.Retention <= 0 {
		d.Retention = DefaultRetention
	}
	if d.Workers <= 0 {
		d.Workers = DefaultWorkers
	}
	if d.Tracer == nil {
		d.Tracer = noop.NewTracerProvider()
	}
	j := &Jobs{deps: d, kinds: map[string]Kind{}}
	for _, k := range kinds {
		j.kinds[k.Name] = k
	}
	var err error
	j.runner, err = newRunner(j)
	return j, err
}

// Start begins an operation, or finds the one that an equal request with the same
// id began before.
func (j *Jobs) Start(ctx context.Context, n New) (*longrunningpb.Operation, error) {
	op, err := j.insert(ctx, n)
	if errors.Is(err, store.ErrConflict) { // somebody else was faster: find theirs
		op, err = j.insert(ctx, n)
	}
	if errors.Is(err, store.ErrConflict) {
		return nil, running(n.Subject, "")
	}
	if err != nil {
		return nil, err
	}
	return op.Proto(), nil
}

// Begun finds the operation that an equal request with the same id began before,
// nil if there is none.
func (j *Jobs) Begun(ctx context.Context, n New) (*longrunningpb.Operation, error) {
	requestKey, sum, err := n.names()
	if requestKey == "" || err != nil {
		return nil, err
	}
	var op *Operation
	err = j.deps.Store.Tx(ctx, func(tx *sql.Tx) (err error) {
		op, err = j.named(ctx, tx, requestKey, sum)
		return err
	})
	if op == nil || err != nil {
		return nil, err
	}
	return op.Proto(), nil
}

// names are the key of the request_id, "" where there is none, and the sum of the
// request.
func (n New) names() (requestKey, sum string, err error) {
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(n.Request)
	if n.RequestID != "" {
		requestKey = hashed(n.Team, n.Caller, n.Kind, n.RequestID)
	}
	digest := sha256.Sum256(body)
	return requestKey, hex.EncodeToString(digest[:]), err
}

func (j *Jobs) insert(ctx context.Context, n New) (op *Operation, err error) {
	requestKey, sum, err := n.names()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	op = &Operation{ID: uuid.Must(uuid.NewV7()).String(), Kind: n.Kind, Team: n.Team, App: n.App, Subject: n.Subject,
		Caller: n.Caller, Claims: n.Claims, Priority: n.Priority, Via: n.Via, Approval: n.Approval, Request: n.Request,
		Plan: n.Plan, State: operationsv1.OperationStateEnum_RUNNING, Created: now, Updated: now, Version: 1}
	if len(n.Approval) > 0 {
		op.State = operationsv1.OperationStateEnum_WAITING_FOR_APPROVAL
		op.Awaiting = "approval by " + strings.Join(n.Approval, " or ")
	}
	about := hashed(n.Kind, n.Team, n.About)
	err = j.deps.Store.Tx(ctx, func(tx *sql.Tx) error {
		found, err := j.present(ctx, tx, n, requestKey, sum, about)
		if found != nil || err != nil {
			op = found
			return err
		}
		if err := j.put(ctx, tx, op, requestKey, sum, about); err != nil {
			return err
		}
		if op.State == operationsv1.OperationStateEnum_WAITING_FOR_APPROVAL {
			return nil // [Jobs.Approve] makes the job
		}
		return j.enqueue(ctx, tx, op)
	})
	if err != nil {
		return nil, err
	}
	return op, nil
}

// present finds an operation that a new one would double.
func (j *Jobs) present(ctx context.Context, tx *sql.Tx, n New, requestKey, sum, about string) (*Operation, error) {
	op, err := j.named(ctx, tx, requestKey, sum)
	if op != nil || err != nil {
		return op, err
	}
	var id string
	err = tx.QueryRowContext(ctx, "SELECT id FROM operations WHERE running_key = $1", about).Scan(&id)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	}
	// PostgreSQL shows what was committed between the two: it may be the same request's.
	if op, err := j.named(ctx, tx, requestKey, sum); op != nil || err != nil {
		return op, err
	}
	return nil, running(n.Subject, "operations/"+id)
}

// named finds the operation that an equal request with the same id began, nil if
// there is none.
func (j *Jobs) named(ctx context.Context, tx *sql.Tx, requestKey, sum string) (*Operation, error) {
	if requestKey == "" {
		return nil, nil
	}
	var id, have string
	err := tx.QueryRowContext(ctx, "SELECT id, request_sum FROM operations WHERE request_key = $1", requestKey).
		Scan(&id, &have)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	case have != sum:
		f := fault.Invalid("request_id", "named another request before: operations/%s", id)
		f.Reason = ReasonReused
		return nil, f
	}
	return j.get(ctx, tx, id)
}

func running(subject, name string) error {
	f := fault.New(fault.AlreadyExists, ReasonRunning, "an operation for %s is not done yet: %s", subject, name)
	if name != "" {
		f.Metadata = map[string]string{"operation": name}
	}
	return f
}

// hashed is a key of parts, kept apart by their lengths.
func hashed(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// enqueue makes the job of River's that runs an operation.
func (j *Jobs) enqueue(ctx context.Context, tx *sql.Tx, op *Operation) error {
	job, err := j.runner.insert(ctx, tx, op.ID)
	if err != nil {
		return err
	}
	op.Job = job
	_, err = tx.ExecContext(ctx, "UPDATE operations SET job = $1 WHERE id = $2", job, op.ID)
	return err
}

// Get reads an operation.
func (j *Jobs) Get(ctx context.Context, id string) (*Operation, error) {
	var op *Operation
	err := j.deps.Store.Query(ctx, "SELECT "+columns+" FROM operations WHERE id = $1", []any{id},
		func(scan func(...any) error) (err error) { op, err = j.scan(scan); return err })
	if err == nil && op == nil {
		err = noSuch()
	}
	return op, err
}

func (j *Jobs) get(ctx context.Context, tx *sql.Tx, id string) (*Operation, error) {
	return j.scan(tx.QueryRowContext(ctx, "SELECT "+columns+" FROM operations WHERE id = $1", id).Scan)
}

func noSuch() error {
	return fault.New(fault.NotFound, ReasonNoSuch, "there is no such operation, or it is not yours to see")
}

// Cancel asks an operation to end before its next action.
func (j *Jobs) Cancel(ctx context.Context, id, by string) (*Operation, error) {
	return j.change(ctx, id, func(tx *sql.Tx, op *Operation) error {
		switch {
		case op.Done(), op.CancelledBy != "":
			return errNothing // it has ended, or was asked to
		case op.State == operationsv1.OperationStateEnum_WAITING_FOR_APPROVAL:
			op.CancelledBy = by
			j.end(op, nil, cancelled(by))
			return nil
		}
		op.CancelledBy = by
		return j.wake(ctx, tx, op)
	})
}

func cancelled(by string) error {
	return fault.New(fault.Canceled, ReasonCancelled, "%s asked for it to be cancelled: what was done stays done", by)
}

// Approve lets an operation go. Whether by may do so was decided before.
func (j *Jobs) Approve(ctx context.Context, id, by string) (*Operation, error) {
	return j.change(ctx, id, func(tx *sql.Tx, op *Operation) error {
		if op.State != operationsv1.OperationStateEnum_WAITING_FOR_APPROVAL {
			return fault.New(fault.FailedPrecondition, ReasonNotAsked, "the operation does not wait for an approval")
		}
		if op.sealed != nil { // what would be let go is not known here, and would be lost
			return secretGone()
		}
		op.Approver, op.Awaiting = by, ""
		op.State = operationsv1.OperationStateEnum_RUNNING
		return j.enqueue(ctx, tx, op)
	})
}

func secretGone() error {
	return fault.New(fault.FailedPrecondition, ReasonSecret,
		"what the operation was asked was sealed with a secret that is gone: ask again")
}

// errNothing says that there is nothing to change.
var errNothing = errors.New("jobs: nothing is to be changed")

// change changes an operation from outside its runs.
func (j *Jobs) change(ctx context.Context, id string, do func(*sql.Tx, *Operation) error) (op *Operation, err error) {
	for range 10 {
		err = j.deps.Store.Tx(ctx, func(tx *sql.Tx) error {
			if op, err = j.get(ctx, tx, id); errors.Is(err, sql.ErrNoRows) {
				return noSuch()
			} else if err != nil {
				return err
			}
			if err := do(tx, op); err != nil {
				return err
			}
			return j.save(ctx, tx, op)
		})
		if !errors.Is(err, errStale) {
			break
		}
	}
	if errors.Is(err, errNothing) {
		return op, nil
	}
	if err == nil {
		j.changed.tell(id)
		j.nudge(op.Job)
	}
	return op, err
}

// wake makes an operation run soon that sleeps.
func (j *Jobs) wake(ctx context.Context, tx *sql.Tx, op *Operation) error {
	if _, err := tx.ExecContext(ctx, "UPDATE operations SET wakes = wakes + 1 WHERE id = $1", op.ID); err != nil {
		return err
	}
	return j.runner.wake(ctx, tx, op.Job)
}
