package jobs

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"
)

// Times of River. What a killed replica was doing goes on within two minutes.
const (
	runTimeout  = 60 * time.Second // of one run
	rescueAfter = 65 * time.Second // a run that has not ended is another replica's
	retryAfter  = time.Second
	softStop    = 5 * time.Second // for runs to end by themselves
	fetchEvery  = time.Second     // where no notice comes: SQLite, and an insert that was missed
	attempts    = 1 << 14         // an operation ends by its own rules
)

// args is the one job of River's: all else is in our own table.
type args struct {
	ID string `json:"id"` // of the operation
}

// Kind implements [river.JobArgs].
func (args) Kind() string { return "operation" }

// runner is River over one of the databases.
type runner interface {
	insert(ctx context.Context, tx *sql.Tx, id string) (job int64, err error)
	wake(ctx context.Context, tx *sql.Tx, job int64) error
	again(ctx context.Context, job int64) // wake outside a transaction, as well as it goes
	start(ctx context.Context) error
	stop(ctx context.Context) error
}

// newRunner makes River's client of a store. On PostgreSQL jobs are worked by pgx,
// which listens for new ones; they are inserted by database/sql, in the
// transaction that writes our own table.
func newRunner(j *Jobs) (runner, error) {
	cfg := riverConfig(j)
	if pool := j.deps.Store.Pool(); pool != nil {
		works, err := river.NewClient(riverpgxv5.New(pool), cfg)
		if err != nil {
			return nil, err
		}
		inserts, err := river.NewClient(riverdatabasesql.New(j.deps.Store.DB()), &river.Config{Logger: cfg.Logger})
		return &clients[pgx.Tx]{works, inserts}, err
	}
	c, err := river.NewClient(riversqlite.New(j.deps.Store.DB()), cfg)
	return &clients[*sql.Tx]{c, c}, err
}

func riverConfig(j *Jobs) *river.Config {
	workers := river.NewWorkers()
	river.AddWorker(workers, &worker{jobs: j})
	return &river.Config{
		Logger:               slog.New(onlyWarnings{j.deps.Log.Handler()}),
		Queues:               map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: j.deps.Workers}},
		Workers:              workers,
		FetchPollInterval:    fetchEvery,
		FetchOnlyKnownKinds:  true, // a newer replica may have jobs that this one does not know
		JobTimeout:           runTimeout,
		RescueStuckJobsAfter: rescueAfter,
		RetryPolicy:          soon{},
		MaxAttempts:          attempts,
		SoftStopTimeout:      softStop,
	}
}

// clients are River's: one that works, and one that inserts.
type clients[T any] struct {
	works   *river.Client[T]
	inserts *river.Client[*sql.Tx]
}

func (c *clients[T]) insert(ctx context.Context, tx *sql.Tx, id string) (int64, error) {
	res, err := c.inserts.InsertTx(ctx, tx, args{id}, &river.InsertOpts{MaxAttempts: attempts})
	if err != nil {
		return 0, err
	}
	return res.Job.ID, nil
}

// wake makes a job run now that sleeps. One that runs has been told by the
// sequence of wakes; one that is gone needs nothing.
func (c *clients[T]) wake(ctx context.Context, tx *sql.Tx, job int64) error {
	_, err := c.inserts.JobRetryTx(ctx, tx, job)
	if errors.Is(err, rivertype.ErrNotFound) {
		return nil
	}
	return err
}

func (c *clients[T]) again(ctx context.Context, job int64) {
	_, _ = c.inserts.JobRetry(ctx, job) // what fails is looked at after sleepMost
}

func (c *clients[T]) start(ctx context.Context) error { return c.works.Start(ctx) }
func (c *clients[T]) stop(ctx context.Context) error  { return c.works.Stop(ctx) }

// soon is River's retry policy: a run that failed is made again at once. How long
// to wait is decided by the run itself.
type soon struct{}

// NextRetry implements [river.ClientRetryPolicy].
func (soon) NextRetry(*rivertype.JobRow) time.Time { return time.Now().Add(retryAfter) }

// onlyWarnings leaves out what River tells of its daily business.
type onlyWarnings struct{ slog.Handler }

// Enabled implements [slog.Handler].
func (h onlyWarnings) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && h.Handler.Enabled(ctx, l)
}

// nudges are how long after a wake River's jobs are woken once more: one that was
// just ending its run when it was woken goes to sleep after that.
var nudges = []time.Duration{200 * time.Millisecond, time.Second, 4 * time.Second}

// nudge wakes jobs once more, in the background.
func (j *Jobs) nudge(list ...int64) {
	list = slices.DeleteFunc(list, func(job int64) bool { return job == 0 })
	for _, after := range nudges {
		if len(list) == 0 {
			return
		}
		j.nudging.Add(1)
		time.AfterFunc(after, func() {
			defer j.nudging.Done()
			for _, job := range list {
				if j.ended.Load() {
					return
				}
				j.runner.again(context.Background(), job)
			}
		})
	}
}

// Serve runs operations until ctx ends: from when the store is open. Runs that are
// under way get a moment to end.
func (j *Jobs) Serve(ctx context.Context) {
	select {
	case <-j.deps.Store.Ready():
	case <-ctx.Done():
		return
	}
	running := context.WithoutCancel(ctx) // [runner.stop] ends it
	for {
		err := j.runner.start(running)
		if err == nil {
			break
		}
		j.deps.Log.ErrorContext(ctx, "operations cannot be run yet", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(fetchEvery + rand.N(fetchEvery)):
		}
	}
	j.tend(ctx)
	j.ended.Store(true)
	limited, cancel := context.WithTimeout(running, softStop+time.Second)
	defer cancel()
	if err := j.runner.stop(limited); err != nil {
		j.deps.Log.WarnContext(running, "runs of operations were cut off: they are made again", "error", err)
	}
}

// worker runs operations for River.
type worker struct {
	river.WorkerDefaults[args]
	jobs *Jobs
}

// Work implements [river.Worker].
func (w *worker) Work(ctx context.Context, job *river.Job[args]) error {
	wait, again, err := w.jobs.run(ctx, job.Args.ID)
	switch {
	case err != nil:
		return err // of the store: again after retryAfter
	case again:
		return river.JobSnooze(wait)
	}
	return nil
}
