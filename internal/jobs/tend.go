package jobs

import (
	"context"
	"database/sql"
	"sync"
	"time"

	operationsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/operations/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/grpc/codes"
)

// tendEvery is how often what is old is removed.
const tendEvery = 10 * time.Minute

// waitsKept is how long it is known who looked last.
const waitsKept = 24 * time.Hour

// tend removes what is old, until ctx ends.
func (j *Jobs) tend(ctx context.Context) {
	tick := time.NewTicker(tendEvery)
	defer tick.Stop()
	for {
		if n, err := j.Prune(ctx, time.Now()); err != nil && ctx.Err() == nil {
			j.deps.Log.WarnContext(ctx, "old operations were not removed", "error", err)
		} else if n > 0 {
			j.deps.Log.InfoContext(ctx, "old operations were removed", "count", n)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Prune removes operations that ended longer ago than they are kept, and says how
// many.
func (j *Jobs) Prune(ctx context.Context, now time.Time) (int64, error) {
	if err := j.unapproved(ctx, now); err != nil {
		return 0, err
	}
	n, err := j.deps.Store.Exec(ctx, "DELETE FROM operations WHERE ended_at > 0 AND ended_at < $1",
		micros(now.Add(-j.deps.Retention)))
	if err != nil {
		return 0, err
	}
	_, err = j.deps.Store.Exec(ctx, "DELETE FROM waits WHERE looked_at < $1", micros(now.Add(-waitsKept)))
	return n, err
}

// unapproved ends operations that nobody has let go for longer than any may take:
// no run of theirs does.
func (j *Jobs) unapproved(ctx context.Context, now time.Time) error {
	waiting := operationsv1.OperationStateEnum_WAITING_FOR_APPROVAL
	var ids []string
	err := j.deps.Store.Query(ctx, "SELECT id FROM operations WHERE state = $1 AND created_at < $2 LIMIT 1000",
		[]any{int32(waiting), micros(now.Add(-oldest))}, func(scan func(...any) error) error {
			ids = append(ids, "")
			return scan(&ids[len(ids)-1])
		})
	if err != nil {
		return err
	}
	for _, id := range ids {
		_, err := j.change(ctx, id, func(_ *sql.Tx, op *Operation) error {
			if op.State != waiting {
				return errNothing
			}
			j.end(op, nil, tooOld(op))
			return nil
		})
		if err != nil && fault.As(err).Reason != ReasonNoSuch {
			return err
		}
	}
	return nil
}

// Counts are how many operations there are in each state.
func (j *Jobs) Counts(ctx context.Context) (map[operationsv1.OperationStateEnum_OperationState]int64, error) {
	out := map[operationsv1.OperationStateEnum_OperationState]int64{}
	err := j.deps.Store.Query(ctx, "SELECT state, count(*) FROM operations GROUP BY state", nil,
		func(scan func(...any) error) error {
			var state int32
			var n int64
			err := scan(&state, &n)
			out[operationsv1.OperationStateEnum_OperationState(state)] = n
			return err
		})
	return out, err
}

// Runs counts the runs at this replica, by kind of operation and outcome: "done",
// "waiting", or the name of a gRPC code.
func (j *Jobs) Runs(report func(kind, outcome string, n int64)) {
	j.ran.mu.Lock()
	defer j.ran.mu.Unlock()
	for k, n := range j.ran.counts {
		report(k[0], k[1], n)
	}
}

// tally counts runs by kind and outcome.
type tally struct {
	mu     sync.Mutex
	counts map[[2]string]int64
}

func (t *tally) add(op *Operation) {
	outcome := "waiting"
	switch {
	case op.Error != nil:
		outcome = codes.Code(op.Error.GetCode()).String()
	case op.Done():
		outcome = "done"
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts == nil {
		t.counts = map[[2]string]int64{}
	}
	t.counts[[2]string{op.Kind, outcome}]++
}

// changes tells those who watch at this replica. What changes at another replica
// is found by looking.
type changes struct {
	mu       sync.Mutex
	watchers map[string]map[chan struct{}]struct{} // by operation
}

// watch returns a channel that is sent to after a change, and what ends that.
func (c *changes) watch(id string) (<-chan struct{}, func()) {
	ch := make(chan struct{}, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.watchers == nil {
		c.watchers = map[string]map[chan struct{}]struct{}{}
	}
	if c.watchers[id] == nil {
		c.watchers[id] = map[chan struct{}]struct{}{}
	}
	c.watchers[id][ch] = struct{}{}
	return ch, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.watchers[id], ch)
		if len(c.watchers[id]) == 0 {
			delete(c.watchers, id)
		}
	}
}

// tell wakes those who watch an operation.
func (c *changes) tell(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for ch := range c.watchers[id] {
		select {
		case ch <- struct{}{}:
		default: // it has been told already
		}
	}
}
