package redisledger

import (
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/quota"
	"github.com/asc-gateway/asc-gateway/internal/quota/redistest"
)

// within is the ask of a caller that has a budget.
func within(hour int) *quota.Ask {
	a := ask(quota.Interactive)
	a.Hour = hour
	return a
}

// spend makes requests of a budget until it is spent, or most have gone.
func spend(t *testing.T, l *Ledger, hour, most int) (n int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); n < most && time.Now().Before(deadline); {
		answer, err := l.Admit(t.Context(), within(hour))
		switch {
		case err != nil:
			t.Fatal(err)
		case answer.Spent:
			return n
		case !answer.Admitted:
			time.Sleep(min(answer.Wait, 20*time.Millisecond))
			continue
		}
		n++
		limits := quota.Limits{Hour: quota.Pair{Limit: 3600, Remaining: 3600 - answer.Ticket.Used, Known: true}}
		s := quota.Settlement{Ticket: answer.Ticket, Writes: 1, Status: 200, Limits: limits, RetryAfter: -1}
		_, _ = answer.Ticket.Ledger.Settle(t.Context(), &s) // Redis may be away
	}
	return n
}

// TestBudgetsWithoutRedis is of the degradation table: while Redis is away a
// caller has its share at each replica, and what it spends there counts
// afterwards.
func TestBudgetsWithoutRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	url := server.URL() // each is a database of its own
	one, two := newLedger(t, url, quota.Rules{}), newLedger(t, url, quota.Rules{})
	for i := 0; one.Replicas() != 2 || two.Replicas() != 2; i++ {
		if one.beat(t.Context()); i == 100 {
			t.Fatalf("%d and %d replicas", one.Replicas(), two.Replicas())
		}
		two.beat(t.Context())
	}
	if n := spend(t, one, 10, 6); n != 6 {
		t.Fatalf("%d went", n)
	}
	if n := spend(t, two, 10, 1); n != 1 {
		t.Fatalf("%d went", n)
	}
	a := &apple{span: time.Hour, limit: 3600}
	server.Stop()
	gone(t, one, a)
	gone(t, two, a)
	if n, m := spend(t, one, 10, 10), spend(t, two, 10, 10); n != 0 || m != 4 {
		t.Errorf("%d and %d went without Redis; the shares are 5, of which 6 and 1 were spent", n, m)
	}
	if b, err := two.Budget(t.Context(), "team", "c", 10); err != nil || b.Spent != 5 || b.Room == 0 {
		t.Errorf("without Redis: %+v %v", b, err)
	}
	server.Continue()
	back(t, one, a)
	back(t, two, a)
	if b, err := one.Budget(t.Context(), "team", "c", 20); err != nil || b.Spent != 11 || b.Room != 0 {
		t.Errorf("afterwards: %+v %v", b, err)
	}
	if n := spend(t, one, 13, 10); n != 2 {
		t.Errorf("%d went afterwards", n)
	}
}

// TestBudgetsThatOthersWrote holds what is believed of a budget in Redis.
func TestBudgetsThatOthersWrote(t *testing.T) {
	t.Parallel()
	l := newLedger(t, redistest.Start(t).URL(), quota.Rules{})
	spend(t, l, 10, 4)
	db, purse := l.shared.db, l.shared.purse("team", "c")
	for _, m := range db.ZRange(t.Context(), purse, 0, -1).Val() { // as a step back of the clock leaves them
		db.ZIncrBy(t.Context(), purse, float64((10 * time.Hour).Microseconds()), m)
	}
	if b, err := l.Budget(t.Context(), "team", "c", 4); err != nil || b.Spent != 4 || b.Room <= 0 || b.Room > time.Hour {
		t.Errorf("stamps far ahead: %+v %v", b, err)
	}
	for name, write := range map[string]func(){
		"a text":  func() { db.Set(t.Context(), purse, "x", 0) },
		"a list":  func() { db.LPush(t.Context(), purse, "x") },
		"a score": func() { db.Do(t.Context(), "ZADD", purse, "+inf", "x") },
	} {
		db.Del(t.Context(), purse)
		write()
		if b, err := l.Budget(t.Context(), "team", "c", 10); err != nil || b.Spent > 1 {
			t.Errorf("%s: %+v %v", name, b, err)
		}
		if n := spend(t, l, 10, 2); n != 2 {
			t.Errorf("%s: %d went", name, n)
		}
	}
}

// TestABudgetIsForgotten holds that nothing stays in Redis of a caller that is
// gone.
func TestABudgetIsForgotten(t *testing.T) {
	t.Parallel()
	l := newLedger(t, redistest.Start(t).URL(), quota.Rules{})
	spend(t, l, 10, 1)
	if d := l.shared.db.TTL(t.Context(), l.shared.purse("team", "c")).Val(); d <= time.Hour || d > 3*time.Hour {
		t.Errorf("it is kept for %v", d)
	}
}
