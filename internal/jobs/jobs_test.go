package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	operationsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/operations/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/secrets"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"github.com/asc-gateway/asc-gateway/internal/store"
	"github.com/asc-gateway/asc-gateway/internal/store/pgtest"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// bench is jobs over a database, with a kind whose runs a test writes.
type bench struct {
	*Jobs
	t     *testing.T
	cfg   store.Config
	store *store.Store
	deny  atomic.Pointer[error] // what Rights says; nil: go on
	runs  atomic.Int64
	stop  func()
	serve func()
}

type runFunc func(ctx context.Context, r *Run) (Step, error)

// open makes jobs that are not served yet.
func open(t *testing.T, cfg store.Config, s *secrets.Secrets, run runFunc) *bench {
	t.Helper()
	db, err := store.Open(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, cfg: cfg, store: db}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { db.Start(ctx) })
	select {
	case <-db.Ready():
	case <-time.After(30 * time.Second):
		t.Fatal(db.Err())
	}
	kind := Kind{Name: "Test", Method: "/test/Start", New: func() proto.Message { return &wrapperspb.StringValue{} },
		Run: func(ctx context.Context, r *Run) (Step, error) { b.runs.Add(1); return run(ctx, r) }}
	b.Jobs, err = Open(
		Deps{Store: db, Secrets: s, Rights: b, Status: service.FullStatus, Log: slog.New(slog.DiscardHandler)},
		kind,
	)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	var once sync.Once
	serving := false
	b.stop = func() {
		once.Do(func() {
			cancel()
			if serving {
				<-served
			}
			running.Wait()
			db.Close()
		})
	}
	t.Cleanup(b.stop)
	b.serve = func() { serving = true; go func() { b.Serve(ctx); close(served) }() }
	return b
}

// May implements [Rights].
func (b *bench) May(ctx context.Context, _ *Operation, _ string) (context.Context, *atomic.Int64, error) {
	if err := b.deny.Load(); err != nil {
		return ctx, nil, *err
	}
	return ctx, new(atomic.Int64), nil
}

// each runs a test over a file and over a real PostgreSQL.
func each(t *testing.T, f func(t *testing.T, cfg store.Config)) {
	pg := pgtest.Start(t)
	t.Run("sqlite", func(t *testing.T) { f(t, store.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "store.db")}) })
	t.Run("postgres", func(t *testing.T) { f(t, store.Config{URL: pg.URL()}) })
}

func (b *bench) begin(about string, change ...func(*New)) *longrunningpb.Operation {
	b.t.Helper()
	n := New{
		Kind:    "Test",
		Team:    "team",
		Subject: about,
		About:   about,
		Caller:  "token:ci",
		Request: wrapperspb.String(about),
	}
	for _, c := range change {
		c(&n)
	}
	op, err := b.Start(b.t.Context(), n)
	if err != nil {
		b.t.Fatal(err)
	}
	return op
}

func id(op *longrunningpb.Operation) string { return strings.TrimPrefix(op.GetName(), prefix) }

func (b *bench) get(id string) *Operation {
	b.t.Helper()
	op, err := b.Get(b.t.Context(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	return op
}

// until waits for a state.
func (b *bench) until(id string, ok func(*Operation) bool) *Operation {
	b.t.Helper()
	for begun := time.Now(); time.Since(begun) < 30*time.Second; time.Sleep(20 * time.Millisecond) {
		if op := b.get(id); ok(op) {
			return op
		}
	}
	b.t.Fatalf("it stays %+v", b.get(id))
	return nil
}

func done(op *Operation) bool { return op.Done() }

func waiting(op *Operation) bool {
	return op.State == operationsv1.OperationStateEnum_WAITING
}

func did(name string) *operationsv1.Action {
	return &operationsv1.Action{Name: name, Outcome: operationsv1.OutcomeEnum_DONE}
}

// TestAnOperation runs, waits, and ends; what it did is on record, and nothing of
// what it was asked can be read in the database.
func TestAnOperation(t *testing.T) {
	each(t, func(t *testing.T, cfg store.Config) {
		s := secrets.New()
		b := open(t, cfg, s, func(ctx context.Context, r *Run) (Step, error) {
			text := r.Request.(*wrapperspb.StringValue).GetValue()
			if len(r.Actions) == 0 {
				return Step{
						App:      "15",
						Wait:     100 * time.Millisecond,
						Awaiting: "a moment",
					}, r.Did(
						ctx,
						did("first "+text),
					)
			}
			return Step{Response: wrapperspb.String("made " + text)}, r.Did(ctx, did("second"))
		})
		b.serve()
		op := b.until(id(b.begin("tester@example.com", func(n *New) { n.Subject = "a thing" })), done)
		if got := op.Proto().GetResponse(); got == nil ||
			!strings.Contains(string(got.GetValue()), "made tester@example.com") {
			t.Errorf("%v", op.Proto())
		}
		if len(op.Actions) != 2 || op.App != "15" || op.State != operationsv1.OperationStateEnum_SUCCEEDED {
			t.Errorf("%v", op.Proto())
		}
		var arguments, progress, outcome []byte
		err := b.store.Query(t.Context(), "SELECT arguments, progress, outcome FROM operations", nil,
			func(scan func(...any) error) error { return scan(&arguments, &progress, &outcome) })
		if err != nil || strings.Contains(string(slices.Concat(arguments, progress, outcome)), "tester@") ||
			len(outcome) == 0 {
			t.Errorf("%v: an address can be read in the database", err)
		}
		b.Runs(func(kind, outcome string, n int64) {
			if want := map[string]int64{"waiting": 1, "done": 1}[outcome]; kind != "Test" || n != want {
				t.Errorf("%s %s: %d", kind, outcome, n)
			}
		})
	})
}

// TestNames: an equal request with the same id joins, another one does not; two
// operations are not about the same at once.
func TestNames(t *testing.T) {
	each(t, func(t *testing.T, cfg store.Config) {
		var go_ atomic.Bool
		b := open(t, cfg, secrets.New(), func(context.Context, *Run) (Step, error) {
			if go_.Load() {
				return Step{Response: wrapperspb.String("")}, nil
			}
			return Step{Wait: 50 * time.Millisecond, Awaiting: "the test"}, nil
		})
		named := func(n *New) { n.RequestID = "r1" }
		var all sync.WaitGroup
		names := make([]string, 10)
		for i := range names {
			all.Go(func() { names[i] = b.begin("x", named).GetName() })
		}
		all.Wait()
		if slices.Sort(names); names[0] != names[9] {
			t.Errorf("ten equal requests began %v", names)
		}
		_, err := b.Start(t.Context(), New{Kind: "Test", Team: "team", About: "y", Caller: "token:ci", RequestID: "r1",
			Request: wrapperspb.String("other")})
		if fault.As(err).Reason != ReasonReused {
			t.Errorf("another request with the id: %v", err)
		}
		_, err = b.Start(
			t.Context(),
			New{Kind: "Test", Team: "team", About: "x", Caller: "token:other", Request: wrapperspb.String("x")},
		)
		if f := fault.As(err); f.Reason != ReasonRunning || f.Metadata["operation"] != names[0] {
			t.Errorf("another for the same: %v", err)
		}
		go_.Store(true)
		b.serve()
		b.until(strings.TrimPrefix(names[0], prefix), done)
		if again := b.begin("x", named).GetName(); again != names[0] {
			t.Errorf("an id that was done names %s now", again)
		}
		if second := b.begin("x").GetName(); second == names[0] {
			t.Error("one that is done keeps others away")
		}
	})
}

// TestCancel ends an operation before its next action, and says what was done.
func TestCancel(t *testing.T) {
	each(t, func(t *testing.T, cfg store.Config) {
		begun, on := make(chan struct{}), make(chan struct{})
		b := open(t, cfg, secrets.New(), func(ctx context.Context, r *Run) (Step, error) {
			if r.Request.(*wrapperspb.StringValue).GetValue() == "sleeps" {
				return Step{Wait: time.Hour, Awaiting: "nothing"}, nil
			}
			if err := r.Did(ctx, did("one")); err != nil {
				return Step{}, err
			}
			close(begun)
			<-on
			if err := r.Did(ctx, did("two")); err != nil {
				return Step{}, err
			}
			return Step{}, errors.New("it goes on")
		})
		b.serve()
		works, sleeps := id(b.begin("works")), id(b.begin("sleeps"))
		<-begun
		b.until(sleeps, waiting)
		for _, x := range []string{works, sleeps} {
			if _, err := b.Cancel(t.Context(), x, "token:boss"); err != nil {
				t.Fatal(err)
			}
		}
		close(on)
		for x, actions := range map[string]int{works: 2, sleeps: 0} {
			op := b.until(x, done)
			if op.State != operationsv1.OperationStateEnum_CANCELLED || len(op.Actions) != actions ||
				op.CancelledBy != "token:boss" || op.Error.GetCode() != 1 {
				t.Errorf("%v", op.Proto())
			}
		}
		before := b.get(works)
		op, err := b.Cancel(t.Context(), works, "token:late")
		if err != nil || op.CancelledBy != "token:boss" || !b.get(works).Updated.Equal(before.Updated) {
			t.Errorf("%v %v", op.Proto(), err)
		}
	})
}

// TestFailures: what a wait can help waits as long as it was told, all else ends.
func TestFailures(t *testing.T) {
	each(t, func(t *testing.T, cfg store.Config) {
		quota := fault.New(fault.ResourceExhausted, fault.ReasonQuotaExhausted, "the hour is used")
		quota.RetryAfter = 40 * time.Minute
		errs := map[string]error{
			"quota": quota, "away": fault.New(fault.Unavailable, "AWAY", "away"),
			"unknown": fault.New(fault.Unknown, fault.ReasonOutcomeUnknown, "?"),
			"wrong":   fault.Invalid("x", "is wrong"), "bug": errors.New("a bug"),
		}
		b := open(t, cfg, secrets.New(), func(_ context.Context, r *Run) (Step, error) {
			return Step{}, errs[r.Request.(*wrapperspb.StringValue).GetValue()]
		})
		b.serve()
		for name, want := range map[string]time.Duration{"quota": 40 * time.Minute, "away": failFirst, "unknown": failFirst} {
			op := b.until(id(b.begin(name)), waiting)
			if d := time.Until(op.Next); d > want || d < want-10*time.Second || op.Awaiting == "" {
				t.Errorf("%s: next in %v: %s", name, d, op.Awaiting)
			}
		}
		for name, code := range map[string]int32{"wrong": 3, "bug": 13} {
			if op := b.until(id(b.begin(name)), done); op.Error.GetCode() != code || op.Failures != 1 {
				t.Errorf("%s: %v", name, op.Proto())
			}
		}
	})
}

// TestARightThatIsTakenAway stops an operation at its next run, with the reason.
func TestARightThatIsTakenAway(t *testing.T) {
	each(t, func(t *testing.T, cfg store.Config) {
		b := open(t, cfg, secrets.New(), func(context.Context, *Run) (Step, error) {
			return Step{Wait: 100 * time.Millisecond, Awaiting: "more"}, nil
		})
		b.serve()
		x := id(b.begin("x"))
		b.until(x, waiting)
		err := error(fault.New(fault.PermissionDenied, "POLICY_DENIED", "token:ci may not call it"))
		b.deny.Store(&err)
		if op := b.until(x, done); op.Error.GetCode() != 7 || !strings.Contains(op.Error.GetMessage(), "token:ci") {
			t.Errorf("%v", op.Proto())
		}
	})
}

// TestApproval: an operation waits for a second person.
func TestApproval(t *testing.T) {
	each(t, func(t *testing.T, cfg store.Config) {
		b := open(t, cfg, secrets.New(), func(_ context.Context, r *Run) (Step, error) {
			return Step{Response: wrapperspb.String(r.Plan.GetEtag())}, nil
		})
		b.serve()
		held := func(n *New) { n.Approval = []string{"token:boss"}; n.Plan = &operationsv1.Plan{Etag: "e"} }
		x := id(b.begin("x", held))
		time.Sleep(1500 * time.Millisecond)
		op := b.get(x)
		if b.runs.Load() != 0 || op.State != operationsv1.OperationStateEnum_WAITING_FOR_APPROVAL {
			t.Fatalf("it ran: %v", op.Proto())
		}
		md := &operationsv1.OperationMetadata{}
		if err := op.Proto().GetMetadata().UnmarshalTo(md); err != nil || md.GetPlan().GetEtag() != "e" {
			t.Errorf("who approves sees no plan: %v", md)
		}
		if _, err := b.Approve(t.Context(), x, "token:boss"); err != nil {
			t.Fatal(err)
		}
		if op := b.until(x, done); op.Approver != "token:boss" || op.Response == nil {
			t.Errorf("%v", op.Proto())
		}
		if _, err := b.Approve(t.Context(), x, "token:boss"); fault.As(err).Reason != ReasonNotAsked {
			t.Errorf("approved twice: %v", err)
		}
		y := id(b.begin("y", held))
		if _, err := b.Cancel(t.Context(), y, "token:ci"); err != nil || !b.get(y).Done() {
			t.Errorf("cancelled before it was approved: %v", err)
		}
	})
}

// TestAPausedRunner: a run that was paused for longer than its lease changes
// nothing when it goes on.
func TestAPausedRunner(t *testing.T) {
	each(t, func(t *testing.T, cfg store.Config) {
		paused, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		b := open(t, cfg, secrets.New(), func(ctx context.Context, r *Run) (Step, error) {
			if err := r.Did(ctx, did("a")); err != nil || len(r.Actions) > 0 {
				return Step{Response: wrapperspb.String("second")}, err
			}
			close(paused)
			<-goOn
			err := r.Did(ctx, did("late"))
			ended <- err
			return Step{Response: wrapperspb.String("first")}, err
		})
		x := id(b.begin("x"))
		go func() { _, _, _ = b.run(context.Background(), x) }()
		<-paused
		if _, err := b.store.Exec(t.Context(), "UPDATE operations SET lease_until = 1"); err != nil {
			t.Fatal(err)
		}
		if wait, again, err := b.run(t.Context(), x); err != nil || again {
			t.Fatal(wait, again, err)
		}
		close(goOn)
		if err := <-ended; err == nil {
			t.Error("the paused run could go on")
		}
		op := b.until(x, done)
		if string(op.Response.GetValue()) == "" || !strings.Contains(string(op.Response.GetValue()), "second") ||
			len(op.Actions) != 2 {
			t.Errorf("%v", op.Proto())
		}
	})
}

// TestClocks: a lease that a clock gave which was set back holds nobody up.
func TestClocks(t *testing.T) {
	each(t, func(t *testing.T, cfg store.Config) {
		b := open(t, cfg, secrets.New(), func(context.Context, *Run) (Step, error) {
			return Step{Response: wrapperspb.String("")}, nil
		})
		x := id(b.begin("x"))
		for until, free := range map[time.Duration]bool{30 * time.Second: false, -time.Second: true, 26 * time.Hour: true} {
			_, err := b.store.Exec(t.Context(), "UPDATE operations SET lease = 'other', lease_until = $1",
				time.Now().Add(until).UnixMicro())
			if err != nil {
				t.Fatal(err)
			}
			if _, got, err := b.claim(t.Context(), x, "mine"); err != nil || got != free {
				t.Errorf("a lease until %v from now: free %v, %v", until, got, err)
			}
		}
	})
}

// TestAnOlderReplica leaves alone what only a newer one knows.
func TestAnOlderReplica(t *testing.T) {
	each(t, func(t *testing.T, cfg store.Config) {
		b := open(
			t,
			cfg,
			secrets.New(),
			func(context.Context, *Run) (Step, error) { return Step{}, errors.New("never") },
		)
		x := id(b.begin("x", func(n *New) { n.Kind = "OfTheFuture" }))
		wait, again, err := b.run(t.Context(), x)
		if err != nil || !again || wait <= 0 || b.runs.Load() != 0 {
			t.Fatal(wait, again, err)
		}
		if op := b.get(x); op.Done() || op.Version != 1 {
			t.Errorf("%v", op.Proto())
		}
	})
}

// TestTheSecretIsGone ends an operation that nobody can read any more.
func TestTheSecretIsGone(t *testing.T) {
	each(t, func(t *testing.T, cfg store.Config) {
		before := open(t, cfg, secrets.New(), nil)
		x := id(before.begin("x"))
		before.stop()
		b := open(t, cfg, secrets.New(), nil)
		b.serve()
		if op := b.until(x, done); !strings.Contains(op.Error.GetMessage(), "secret") {
			t.Errorf("%v", op.Proto())
		}
	})
}

// TestOneLooksForAll: of fifty operations that wait for one thing, one looks.
func TestOneLooksForAll(t *testing.T) {
	each(t, func(t *testing.T, cfg store.Config) {
		var looks atomic.Int64
		var there atomic.Bool
		const every = 500 * time.Millisecond
		b := open(t, cfg, secrets.New(), func(ctx context.Context, r *Run) (Step, error) {
			now, again, err := r.Look(ctx, "k", every)
			if err != nil || !now {
				return Step{Wait: again, Awaiting: "it", AwaitingKey: "k"}, err
			}
			looks.Add(1)
			if !there.Load() {
				return Step{Wait: every, Awaiting: "it", AwaitingKey: "k"}, nil
			}
			return Step{Response: wrapperspb.String("")}, r.Seen(ctx, "k")
		})
		var ids []string
		for i := range 50 {
			ids = append(ids, id(b.begin(fmt.Sprint(i))))
		}
		b.serve()
		time.Sleep(3 * time.Second)
		if n := looks.Load(); n < 2 || n > 8 {
			t.Errorf("%d looks in 3 s, one every %v is enough", n, every)
		}
		there.Store(true)
		begun := time.Now()
		for _, x := range ids {
			b.until(x, done)
		}
		t.Logf("all were woken within %v", time.Since(begun))
	})
}

// TestPrune removes what ended long ago, and nothing else.
func TestPrune(t *testing.T) {
	each(t, func(t *testing.T, cfg store.Config) {
		b := open(t, cfg, secrets.New(), func(_ context.Context, r *Run) (Step, error) {
			if r.Request.(*wrapperspb.StringValue).GetValue() == "waits" {
				return Step{Wait: time.Hour, Awaiting: "it"}, nil
			}
			return Step{Response: wrapperspb.String("")}, nil
		})
		b.serve()
		ended, waits := id(b.begin("ends")), id(b.begin("waits"))
		b.until(ended, done)
		b.until(waits, waiting)
		for at, want := range map[time.Time]int64{time.Now(): 0, time.Now().Add(DefaultRetention + time.Hour): 1} {
			if n, err := b.Prune(t.Context(), at); err != nil || n > want {
				t.Errorf("%d, %v", n, err)
			}
		}
		if _, err := b.Get(t.Context(), ended); fault.As(err).Reason != ReasonNoSuch {
			t.Errorf("it is still there: %v", err)
		}
		counts, err := b.Counts(t.Context())
		if err != nil || len(counts) != 1 || counts[operationsv1.OperationStateEnum_WAITING] != 1 {
			t.Errorf("%v %v", counts, err)
		}
	})
}
