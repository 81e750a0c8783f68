package redisledger

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/quota"
	"github.com/asc-gateway/asc-gateway/internal/quota/redistest"
)

// apple counts exactly, and shares nothing with the ledger.
type apple struct {
	mu       sync.Mutex
	span     time.Duration
	limit    int
	arrivals []time.Time
	refused  int
}

func (a *apple) arrive() (status int, l quota.Limits) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	for len(a.arrivals) > 0 && now.Sub(a.arrivals[0]) >= a.span {
		a.arrivals = a.arrivals[1:]
	}
	if status = 200; len(a.arrivals) >= a.limit {
		status = 429
		a.refused++
	} else {
		a.arrivals = append(a.arrivals, now)
	}
	return status, quota.Limits{Hour: quota.Pair{Limit: a.limit, Remaining: a.limit - len(a.arrivals), Known: true}}
}

func ask(class quota.Class) *quota.Ask {
	return &quota.Ask{Team: "team", Keys: []asc.Candidate{{KeyID: "K"}}, Endpoint: quota.Endpoint{Verb: "GET", Resource: "builds"}, Caller: "c", Class: class, Weight: 1, Attempt: 50 * time.Millisecond}
}

// try asks once, and makes the request if it may.
func (a *apple) try(t testing.TB, l quota.Ledger, class quota.Class) (went bool, took time.Duration) {
	begun := time.Now()
	answer, err := l.Admit(t.Context(), ask(class))
	took = time.Since(begun)
	if err != nil {
		t.Error(err)
		return false, took
	}
	if !answer.Admitted {
		time.Sleep(min(max(answer.Wait, time.Millisecond), 20*time.Millisecond))
		return false, took
	}
	status, limits := a.arrive()
	s := quota.Settlement{Ticket: answer.Ticket, Writes: 1, Status: status, Limits: limits, RetryAfter: -1}
	_, _ = answer.Ticket.Ledger.Settle(t.Context(), &s) // Redis may be away
	return true, took
}

// load lets each replica ask for a while, and counts.
func (a *apple) load(t testing.TB, d time.Duration, class quota.Class, ledgers ...*Ledger) (went []int, slowest time.Duration) {
	went = make([]int, len(ledgers))
	var mu sync.Mutex
	var wg sync.WaitGroup
	end := time.Now().Add(d)
	for i, l := range ledgers {
		wg.Go(func() {
			for time.Now().Before(end) {
				ok, took := a.try(t, l, class)
				mu.Lock()
				if slowest = max(slowest, took); ok {
					went[i]++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return went, slowest
}

const span = 4 * time.Second

func fleet(t *testing.T, server *redistest.Server, n int) (list []*Ledger) {
	url := server.URL()
	for range n {
		list = append(list, newLedger(t, url, quota.Rules{Hour: span}))
	}
	for _, l := range list { // heartbeats: a replica learns of those that came later
		l.beat(t.Context())
	}
	return list
}

// TestRedisDown is the row of the degradation table: the process is killed, and
// comes back empty.
func TestRedisDown(t *testing.T) {
	for _, c := range []struct {
		name       string
		break_, up func(*redistest.Server)
	}{
		{"kill -9", (*redistest.Server).Kill, (*redistest.Server).Run},
		{"SIGSTOP", (*redistest.Server).Stop, (*redistest.Server).Continue},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			replicas := fleet(t, server, 4)
			if n := replicas[0].Replicas(); n != 4 {
				t.Fatalf("%d replicas", n)
			}
			a := &apple{span: span, limit: 400}
			before, _ := a.load(t, time.Second, quota.Default, replicas...)
			c.break_(server)
			during, slowest := a.load(t, 2*time.Second, quota.Interactive, replicas...)
			if slowest > 250*time.Millisecond {
				t.Errorf("a call waited %v for Redis", slowest)
			}
			for _, l := range replicas {
				if !l.Away() {
					t.Error("nobody noticed")
				}
			}
			if went, _ := a.try(t, replicas[0], quota.Batch); went {
				t.Error("a batch call went without Redis")
			}
			c.up(server)
			deadline := time.Now().Add(15 * time.Second)
			for _, l := range replicas {
				for l.Away() && time.Now().Before(deadline) {
					a.try(t, l, quota.Default)
				}
				if l.Away() {
					t.Error("Redis is back, and not used")
				}
			}
			after, _ := a.load(t, span, quota.Default, replicas...)
			t.Logf("before %v, without Redis %v (slowest answer %v), after %v; refused %d", before, during, slowest, after, a.refused)
			for i, n := range during {
				if n == 0 {
					t.Errorf("replica %d: interactive calls stop without Redis", i)
				}
			}
			if a.refused > 6*len(replicas) { // half an hour without Redis, the hour used up: now and then each looks whether anything is left
				t.Errorf("Apple refused %d requests", a.refused)
			}
			if s, err := replicas[0].States(t.Context(), "team"); err != nil || len(s) != 1 || s[0].Limit != 400 {
				t.Errorf("%+v %v", s, err)
			}
		})
	}
}

// TestInteractiveCallsGoOn while Redis is away and the hour is full: each replica
// may use what expires of its own.
func TestInteractiveCallsGoOn(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	replicas := fleet(t, server, 2)
	a := &apple{span: span, limit: 200}
	a.load(t, span+span/2, quota.Default, replicas...) // full, evenly
	server.Stop()
	defer server.Continue()
	refused := a.refused
	during, _ := a.load(t, span/2, quota.Interactive, replicas...)
	t.Logf("in half an hour of 200: %v, refused %d", during, a.refused-refused)
	for i, n := range during {
		if n < 20 {
			t.Errorf("replica %d sent only %d of about 50", i, n)
		}
	}
	if n := a.refused - refused; n > 8 {
		t.Errorf("Apple refused %d requests", n)
	}
}

// TestFlushAll loses the books while Redis goes on.
func TestFlushAll(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	replicas := fleet(t, server, 4)
	a := &apple{span: span, limit: 400}
	a.load(t, 2*time.Second, quota.Interactive, replicas...)
	if err := replicas[0].shared.db.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	refusedBefore := a.refused
	went, _ := a.load(t, 2*span, quota.Interactive, replicas...)
	t.Logf("after FLUSHALL %v, refused %d", went, a.refused-refusedBefore)
	if n := a.refused - refusedBefore; n > 8 { // in two hours
		t.Errorf("Apple refused %d requests", n)
	}
	total := 0
	for _, n := range went {
		total += n
	}
	if total < 400 {
		t.Errorf("only %d in two hours of 400", total)
	}
}

// TestClientPause makes Redis slow for a moment: nobody waits long, and it is
// used again.
func TestClientPause(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	l := fleet(t, server, 1)[0]
	a := &apple{span: span, limit: 400}
	a.load(t, 300*time.Millisecond, quota.Default, l)
	if err := l.shared.db.Do(t.Context(), "CLIENT", "PAUSE", "500", "ALL").Err(); err != nil {
		t.Fatal(err)
	}
	_, slowest := a.load(t, 400*time.Millisecond, quota.Default, l)
	deadline := time.Now().Add(10 * time.Second)
	for l.Away() && time.Now().Before(deadline) {
		a.try(t, l, quota.Default)
	}
	if l.Away() || slowest > 250*time.Millisecond || a.refused > 1 {
		t.Errorf("away %v, slowest %v, refused %d", l.Away(), slowest, a.refused)
	}
}

// TestRedisClockStep moves Redis' clock: what lies far ahead is not believed, and
// nobody is locked out. faketime would need Redis to be started under it; here
// the books are moved instead, which is the same.
func TestRedisClockStep(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	for _, step := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(fmt.Sprint(step), func(t *testing.T) {
			l := newLedger(t, server.URL(), quota.Rules{Hour: span})
			a := &apple{span: span, limit: 100}
			a.load(t, time.Second, quota.Default, l)
			db := l.shared.db
			list := l.shared.names(nil, "team", "K", quota.Endpoint{Verb: "GET", Resource: "builds"})
			for _, set := range []string{list[0], list[1], list[2]} {
				for _, m := range db.ZRangeWithScores(t.Context(), set, 0, -1).Val() {
					db.ZIncrBy(t.Context(), set, -float64(step.Microseconds()), m.Member.(string))
				}
			}
			for _, field := range []string{"due", "heard", "blocked"} {
				db.HIncrByFloat(t.Context(), list[3], field, -float64(step.Microseconds()))
			}
			went, _ := a.load(t, 2*span, quota.Default, l)
			t.Logf("in two hours of 100: %v, refused %d", went, a.refused)
			if went[0] < 100 || a.refused > 5 {
				t.Errorf("in two hours of 100: %v, refused %d", went, a.refused)
			}
		})
	}
}

// TestACrashMidCall leaves charges behind that nobody settles: they expire.
func TestACrashMidCall(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	replicas := fleet(t, server, 2)
	a := &apple{span: span, limit: 100}
	a.try(t, replicas[0], quota.Interactive)
	for range 40 {
		if answer, err := replicas[0].Admit(context.Background(), ask(quota.Interactive)); err != nil || !answer.Admitted {
			t.Fatal(answer, err)
		}
	}
	s, err := replicas[1].States(t.Context(), "team")
	if err == nil && len(s) == 0 {
		a.try(t, replicas[1], quota.Interactive)
		s, err = replicas[1].States(t.Context(), "team")
	}
	if err != nil || s[0].Used < 40 {
		t.Fatalf("%+v %v", s, err)
	}
	time.Sleep(span + 200*time.Millisecond)
	if s, err = replicas[1].States(t.Context(), "team"); err != nil || s[0].Used > 1 || s[0].InFlight != 0 {
		t.Errorf("they stay: %+v %v", s, err)
	}
}

// The goal: one round trip.
func BenchmarkDecisionInRedis(b *testing.B) {
	server := redistest.Start(b)
	l := newLedger(b, server.URL(), quota.Rules{HourLimit: 2_000_000_000})
	a := ask(quota.Interactive)
	answer, err := l.Admit(b.Context(), a)
	if err != nil {
		b.Fatal(err)
	}
	_, _ = l.Settle(b.Context(), &quota.Settlement{Ticket: answer.Ticket, Writes: 1, Status: 200, RetryAfter: -1})
	b.Run("PING", func(b *testing.B) {
		for b.Loop() {
			if err := l.shared.db.Ping(b.Context()).Err(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("admit and settle", func(b *testing.B) {
		for b.Loop() {
			answer, err := l.Admit(b.Context(), a)
			if err != nil || !answer.Admitted {
				b.Fatal(answer, err)
			}
			if _, err := l.Settle(b.Context(), &quota.Settlement{Ticket: answer.Ticket, Writes: 1, Status: 200, RetryAfter: -1}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
