package jobs

import (
	"context"
	"database/sql"
	"errors"
	"runtime/debug"
	"time"

	operationsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/operations/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Times of runs.
const (
	leaseTime    = runTimeout + 2*time.Second // nobody else works on an operation for so long
	busyWait     = 2 * time.Second            // until another run's lease is looked at again
	strangerWait = 5 * time.Second            // for a replica that knows the kind
	failFirst    = 2 * time.Second
	failMost     = 2 * time.Minute
	sleepMost    = 5 * time.Minute    // an operation that sleeps is looked at: a wake may be lost
	oldest       = 7 * 24 * time.Hour // an operation that is not done by then never will be
	actionsMost  = 2000               // on record
)

// scope names these spans' instrumentation.
const scope = "github.com/asc-gateway/asc-gateway/internal/jobs"

// run makes one run of an operation. again says that there is another one to
// come, after wait. Its error is the store's.
func (j *Jobs) run(ctx context.Context, id string) (wait time.Duration, again bool, err error) {
	lease := uuid.NewString()
	op, free, err := j.claim(ctx, id, lease)
	switch {
	case err != nil:
		return 0, false, err
	case !free:
		return busyWait, op == nil, nil
	}
	defer j.release(ctx, id, lease)
	if _, known := j.kinds[op.Kind]; !known {
		return strangerWait, true, nil // a newer replica knows it
	}
	if left := time.Until(op.Next); left > 0 && left < oldest && op.Wakes == op.WakesSeen {
		return min(left, sleepMost), true, nil // it sleeps on
	}
	op.WakesSeen = op.Wakes
	step, err := j.attempt(ctx, op, lease)
	if errors.Is(err, errStale) {
		return 0, true, nil // it was changed from outside: look again
	}
	if err != nil && fault.As(err).Reason == reasonStore {
		return 0, false, err
	}
	wait = j.settle(op, step, err)
	err = j.keep(ctx, op, lease)
	if errors.Is(err, errStale) && op.Response != nil {
		// It is done, whatever was asked for in the meantime.
		if now, gerr := j.Get(ctx, id); gerr == nil {
			op.Version = now.Version
			err = j.keep(ctx, op, lease)
		}
	}
	switch {
	case errors.Is(err, errStale):
		return 0, true, nil
	case err != nil:
		return 0, false, err
	}
	j.changed.tell(id)
	j.ran.add(op)
	if op.Done() {
		return 0, false, nil
	}
	if now, err := j.Get(ctx, id); err == nil && now.Wakes != op.WakesSeen {
		wait = 0 // what it waits for came while it ran
	}
	return min(wait, sleepMost), true, nil
}

// reasonStore marks errors of the store within a run: the run is made again.
const reasonStore = "STORE_WITHIN_RUN"

// claim takes an operation for this run. op is nil and free false if another run
// has it; op is not nil and free false if it has ended.
//
// A lease in the row does what an advisory lock would, and one thing more: a
// paused process keeps its lock for as long as its connection lives, but no lease.
func (j *Jobs) claim(ctx context.Context, id, lease string) (op *Operation, free bool, err error) {
	err = j.deps.Store.Tx(ctx, func(tx *sql.Tx) error {
		now := time.Now()
		// A lease that ends later than one can was given by a clock that was set back.
		res, err := tx.ExecContext(
			ctx,
			`UPDATE operations SET lease = $1, lease_until = $2 WHERE id = $3 AND ended_at = 0
			AND (lease = '' OR lease_until < $4 OR lease_until > $5)`,
			lease,
			micros(now.Add(leaseTime)),
			id,
			micros(now),
			micros(now.Add(leaseTime+time.Second)),
		)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		found, err := j.get(ctx, tx, id)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			op = &Operation{ID: id} // it was removed: as if it had ended
			return nil
		case err != nil:
			return err
		}
		if free = n > 0; free || found.Done() {
			op = found
		}
		return nil
	})
	return op, free, err
}

// release gives an operation back. If that fails the lease ends by itself.
func (j *Jobs) release(ctx context.Context, id, lease string) {
	_, _ = j.deps.Store.Exec(context.WithoutCancel(ctx),
		"UPDATE operations SET lease = '', lease_until = 0 WHERE id = $1 AND lease = $2", id, lease)
}

// keep saves what a run has found, if the operation is still this run's.
func (j *Jobs) keep(ctx context.Context, op *Operation, lease string) error {
	ctx = context.WithoutCancel(ctx)
	return j.deps.Store.Tx(ctx, func(tx *sql.Tx) error {
		var holder string
		if err := tx.QueryRowContext(ctx, "SELECT lease FROM operations WHERE id = $1", op.ID).Scan(&holder); err != nil {
			return err
		}
		if holder != lease {
			return errStale
		}
		return j.save(ctx, tx, op)
	})
}

// attempt asks for rights and makes the run.
func (j *Jobs) attempt(ctx context.Context, op *Operation, lease string) (Step, error) {
	kind := j.kinds[op.Kind]
	switch {
	case op.CancelledBy != "":
		return Step{}, cancelled(op.CancelledBy)
	case op.sealed != nil:
		j.deps.Log.ErrorContext(ctx, "an operation cannot be read", "operation", op.ID, "error", op.sealed)
		return Step{}, secretGone()
	case time.Since(op.Created) > oldest:
		return Step{}, tooOld(op)
	}
	ctx, span := j.deps.Tracer.Tracer(scope).Start(ctx, "operation "+kind.Name, trace.WithAttributes(
		attribute.String("ascgateway.operation", op.ID), attribute.String("ascgateway.team", op.Team),
		attribute.String("enduser.id", op.Caller)))
	defer span.End()
	inside, requests, err := j.deps.Rights.May(ctx, op, kind.Method)
	if err != nil {
		return Step{}, err
	}
	counted := int64(0)
	count := func() int64 { n := requests.Load() - counted; counted += n; return n }
	defer func() { op.Requests += count() }()
	r := &Run{
		ID:          op.ID,
		Request:     op.Request,
		App:         op.App,
		AwaitingKey: op.AwaitingKey,
		Plan:        op.Plan,
		Actions:     op.Actions,
		Failures:    op.Failures,
		Created:     op.Created,
	}
	r.Look = func(ctx context.Context, key string, every time.Duration) (bool, time.Duration, error) {
		return j.Look(ctx, op.Team, key, every)
	}
	r.Seen = func(ctx context.Context, key string) error { return j.Seen(ctx, op.Team, key) }
	r.Did = func(ctx context.Context, a *operationsv1.Action) error {
		spent := count()
		op.Requests += spent
		a.Requests, a.Time = int32(spent), timestamppb.Now()
		if len(op.Actions) < actionsMost {
			op.Actions = append(op.Actions, a)
		}
		return j.checkpoint(ctx, op, lease)
	}
	return j.guarded(inside, kind, r)
}

func tooOld(op *Operation) error {
	return fault.New(fault.DeadlineExceeded, ReasonTooOld, "it was not done within %v; it waited for: %s",
		oldest, op.Awaiting)
}

// guarded makes a run, and an error of its panic: it would panic again and again.
func (j *Jobs) guarded(ctx context.Context, kind Kind, r *Run) (step Step, err error) {
	defer func() {
		if p := recover(); p != nil {
			j.deps.Log.ErrorContext(ctx, "a run of an operation panicked", "operation", r.ID, "panic", p,
				"stack", string(debug.Stack()))
			step, err = Step{}, fault.New(fault.Internal, "PANIC", "the run failed: the log says why")
		}
	}()
	return kind.Run(ctx, r)
}

// checkpoint puts what was done on record, and asks whether to go on.
func (j *Jobs) checkpoint(ctx context.Context, op *Operation, lease string) error {
	err := j.keep(ctx, op, lease)
	switch {
	case err == nil:
		j.changed.tell(op.ID)
		return nil
	case !errors.Is(err, errStale):
		f := fault.New(fault.Unavailable, reasonStore, "the store does not answer")
		return f.WithCause(err)
	}
	now, gerr := j.Get(ctx, op.ID)
	if gerr != nil || now.CancelledBy == "" {
		return errStale
	}
	// Only the request to cancel came in between: what was done must not be lost.
	op.Version, op.CancelledBy = now.Version, now.CancelledBy
	if j.keep(ctx, op, lease) != nil {
		return errStale
	}
	return cancelled(op.CancelledBy)
}

// settle notes how a run ended, and says how long to wait.
func (j *Jobs) settle(op *Operation, step Step, err error) time.Duration {
	if step.App != "" {
		op.App = step.App
	}
	if err != nil {
		return j.failed(op, err)
	}
	if !step.Idle {
		op.Failures = 0
	}
	if step.Response != nil {
		j.end(op, step.Response, nil)
		return 0
	}
	op.State = operationsv1.OperationStateEnum_RUNNING
	op.Awaiting, op.AwaitingKey, op.Next = step.Awaiting, step.AwaitingKey, time.Time{}
	if step.Awaiting != "" {
		op.State = operationsv1.OperationStateEnum_WAITING
	}
	if step.Wait > 0 {
		op.Next = time.Now().Add(step.Wait)
	}
	return step.Wait
}

// failed ends an operation, or lets it wait where that helps.
func (j *Jobs) failed(op *Operation, err error) time.Duration {
	st := j.deps.Status(err)
	op.Failures++
	wait := min(failFirst<<min(op.Failures-1, 10), failMost)
	why := ""
	switch st.Code() {
	case codes.ResourceExhausted:
		why = "the quota: " + st.Message()
	case codes.Unavailable, codes.DeadlineExceeded, codes.Aborted:
		why = "the next try: " + st.Message()
	case codes.Unknown:
		why = "the next look: the outcome of a write is not known" // reading settles it
	}
	if why == "" || fault.As(err).Reason == ReasonTooOld {
		j.end(op, nil, err)
		return 0
	}
	for _, d := range st.Details() {
		if retry, ok := d.(*errdetails.RetryInfo); ok && retry.GetRetryDelay() != nil {
			wait = max(min(retry.GetRetryDelay().AsDuration(), time.Hour), time.Second)
		}
	}
	// AwaitingKey stays: the next run goes on where this one could not.
	op.State, op.Awaiting, op.Next = operationsv1.OperationStateEnum_WAITING, why, time.Now().Add(wait)
	return wait
}
