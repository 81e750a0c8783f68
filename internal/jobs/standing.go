package jobs

import (
	"context"
	"errors"
	"sync"
	"time"

	operationsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/operations/v1"
)

// Times of looks at how operations stand.
const (
	standEvery = 15 * time.Second
	standAgain = 2 * time.Second // while the store cannot be used
	standMost  = 2 * time.Second // for one look
)

// Standing is how operations stand, and the store that they are in.
type Standing struct {
	Err    error // why the store cannot be used, nil: it can
	Size   int64 // of the store, bytes
	Counts map[operationsv1.OperationStateEnum_OperationState]int64
}

// Standing is how operations stood at the last look. It asks nobody, so that
// neither a probe nor a scrape waits for the store.
func (j *Jobs) Standing() Standing {
	if s := j.standing.Load(); s != nil {
		return *s
	}
	return Standing{Err: j.deps.Store.Err()}
}

// Observe looks again and again, until ctx ends.
func (j *Jobs) Observe(ctx context.Context) {
	select {
	case <-j.deps.Store.Ready():
	case <-ctx.Done():
		return
	}
	for {
		s := j.stand(ctx)
		if ctx.Err() != nil {
			return
		}
		j.tellStore(ctx, s.Err)
		j.standing.Store(&s)
		every := standEvery
		if s.Err != nil {
			every = standAgain
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(every):
		}
	}
}

// tellStore logs that the store went away, and that it is back.
func (j *Jobs) tellStore(ctx context.Context, err error) {
	before := j.standing.Load()
	was := before == nil || before.Err == nil
	switch {
	case was && err != nil:
		j.deps.Log.ErrorContext(ctx, "the store cannot be used", "error", err, "cause", errors.Unwrap(err))
	case !was && err == nil:
		j.deps.Log.InfoContext(ctx, "the store can be used again")
	}
}

// stand looks once. It writes too: a store that is full can be read.
func (j *Jobs) stand(ctx context.Context) (s Standing) {
	ctx, cancel := context.WithTimeout(ctx, standMost)
	defer cancel()
	_, s.Err = j.deps.Store.Exec(ctx, `INSERT INTO waits (key, looked_at, waiting) VALUES ('', $1, 0)
		ON CONFLICT (key) DO UPDATE SET looked_at = $1`, micros(time.Now()))
	if s.Err == nil {
		s.Counts, s.Err = j.Counts(ctx)
	}
	if s.Err == nil {
		s.Size, s.Err = j.deps.Store.Size(ctx)
	}
	return s
}

// Bounds of an [Overview].
const (
	newestMost   = 10
	overviewKept = 2 * time.Second
)

// Overview is what there is, for a page.
type Overview struct {
	Counts map[operationsv1.OperationStateEnum_OperationState]int64
	Newest []Brief // of all teams, the newest first
}

// Brief is an operation without what it was asked.
type Brief struct {
	Kind, Subject, Awaiting string
	State                   operationsv1.OperationStateEnum_OperationState
	Created                 time.Time
}

// overview is one as it was read at a time.
type overview struct {
	mu  sync.Mutex
	at  time.Time
	now Overview
	err error
}

// Overview reads what there is. However many ask, the store is asked every so
// often.
func (j *Jobs) Overview(ctx context.Context) (Overview, error) {
	o := &j.overview
	o.mu.Lock()
	defer o.mu.Unlock()
	if time.Since(o.at) < overviewKept {
		return o.now, o.err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), standMost) // others see it too
	defer cancel()
	o.now = Overview{}
	if o.now.Counts, o.err = j.Counts(ctx); o.err == nil {
		o.now.Newest, o.err = j.newest(ctx)
	}
	o.at = time.Now()
	return o.now, o.err
}

func (j *Jobs) newest(ctx context.Context) (list []Brief, err error) {
	err = j.deps.Store.Query(ctx, `SELECT kind, subject, awaiting, state, created_at FROM operations
		ORDER BY created_at DESC, id DESC LIMIT $1`, []any{newestMost}, func(scan func(...any) error) error {
		var b Brief
		var state int32
		var created int64
		err := scan(&b.Kind, &b.Subject, &b.Awaiting, &state, &created)
		b.State, b.Created = operationsv1.OperationStateEnum_OperationState(state), ofMicros(created)
		list = append(list, b)
		return err
	})
	return list, err
}
