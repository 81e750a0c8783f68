// Package quotatest is the contract of ledgers: each runs it.
package quotatest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/quota"
)

// New makes an empty ledger that goes by some rules. It closes it with the test.
type New func(t testing.TB, rules quota.Rules) quota.Ledger

var builds = quota.Endpoint{Verb: "GET", Resource: "builds"}

// Run runs the contract.
func Run(t *testing.T, make New) {
	for _, c := range []struct {
		name string
		test func(*testing.T, New)
	}{
		{"the first goes alone", firstAlone},
		{"exactly the hour, all of it", exactHour},
		{"what is not settled expires late", expiresLate},
		{"what was never sent is given back", givenBack},
		{"every write counts", everyWrite},
		{"what others use is seen, and released", foreign},
		{"limits are lowered at once, raised after three answers", limits},
		{"a refusal blocks the key", refusalOfTheKey},
		{"after a refusal one goes alone", carefulAfterARefusal},
		{"a refusal while the hour is not used blocks the endpoints", refusalOfEndpoints},
		{"a refusal that tells no time is doubled", refusalDoubles},
		{"minutes are learned, and kept", minutes},
		{"minutes can be seeded", seeds},
		{"callers share by weight", weights},
		{"the class above comes first", classes},
		{"who leaves is not waited for", leaves},
		{"a class that has waited long goes first, once", aged},
		{"some are kept for interactive callers", reserved},
		{"the others are paced", paced},
		{"a team's keys are one pool", pool},
		{"many at once get no more than there is", atOnce},
		{"after a start at the limit it goes on soon", startAtTheLimit},
		{"states tell", states},
		{"a budget is kept, exactly", exactBudget},
		{"a budget is of one caller and one team", budgetOfOne},
		{"a budget that is spent holds up nobody", spentBudget},
		{"a budget is charged as the hour is", budgetCharges},
		{"a budget is of all keys, and of many at once", budgetAtOnce},
	} {
		t.Run(c.name, func(t *testing.T) { t.Parallel(); c.test(t, make) })
	}
}

// bench is a ledger with what a test needs to ask it.
type bench struct {
	t *testing.T
	quota.Ledger
}

func open(t *testing.T, make New, rules quota.Rules) bench { return bench{t, make(t, rules)} }

func keys(ids ...string) (list []asc.Candidate) {
	for _, id := range ids {
		list = append(list, asc.Candidate{KeyID: id})
	}
	return list
}

// ask is an interactive caller's, whom nothing holds up but the windows.
func ask() *quota.Ask {
	return &quota.Ask{
		Team:     "team",
		Keys:     keys("K"),
		Endpoint: builds,
		Caller:   "someone",
		Class:    quota.Interactive,
		Weight:   1,
		Attempt:  100 * time.Millisecond,
	}
}

func (b bench) admit(a *quota.Ask) quota.Answer {
	b.t.Helper()
	answer, err := b.Admit(b.t.Context(), a)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer
}

// must is admit of what must go.
func (b bench) must(a *quota.Ask) quota.Ticket {
	b.t.Helper()
	answer := b.admit(a)
	if !answer.Admitted {
		b.t.Fatalf("not admitted: %+v", answer)
	}
	return answer.Ticket
}

func (b bench) settle(s quota.Settlement) quota.Balance {
	b.t.Helper()
	balance, err := b.Settle(b.t.Context(), &s)
	if err != nil {
		b.t.Fatal(err)
	}
	return balance
}

func hour(limit, remaining int) quota.Limits {
	return quota.Limits{Hour: quota.Pair{Limit: limit, Remaining: remaining, Known: true}}
}

// answered is a settlement of a success.
func answered(t quota.Ticket, l quota.Limits) quota.Settlement {
	return quota.Settlement{Ticket: t, Writes: 1, Status: 200, Limits: l, RetryAfter: -1}
}

// use admits and settles n requests; the header tells what the books do.
func (b bench) use(n, limit int) {
	b.t.Helper()
	for range n {
		t := b.must(ask())
		b.settle(answered(t, hour(limit, limit-t.Used)))
	}
}

func firstAlone(t *testing.T, make New) {
	b := open(t, make, quota.Rules{})
	first := b.must(ask())
	for range 3 {
		if a := b.admit(ask()); a.Admitted || !a.First || a.Wait > time.Second {
			t.Fatalf("got %+v", a)
		}
	}
	if got := b.settle(answered(first, hour(3600, 3000))); got.Limit != 3600 || got.Used != 600 {
		t.Errorf("got %+v", got)
	}
	if second := b.must(ask()); second.Used != 601 {
		t.Errorf("got %+v", second)
	}
}

func exactHour(t *testing.T, make New) {
	const span, limit = 2 * time.Second, 200
	b := open(t, make, quota.Rules{Hour: span})
	var went []time.Time // when the request was surely not yet sent, at the latest
	var arrived []time.Time
	begun := time.Now()
	for time.Since(begun) < 3*span {
		a := b.admit(ask())
		if !a.Admitted {
			time.Sleep(min(max(a.Wait, time.Millisecond), 50*time.Millisecond))
			continue
		}
		went = append(went, time.Now())
		b.settle(answered(a.Ticket, hour(limit, limit-a.Ticket.Used)))
		arrived = append(arrived, time.Now())
	}
	for i := range went {
		n := 0
		for j := i; j < len(went) && arrived[j].Sub(went[i]) < span; j++ {
			n++
		}
		if n > limit {
			t.Fatalf("%d of %d within %v", n, limit, span)
		}
	}
	if len(went) < 2*limit {
		t.Errorf("only %d of %d went", len(went), 3*limit)
	}
}

func expiresLate(t *testing.T, make New) {
	const span = 1500 * time.Millisecond
	b := open(t, make, quota.Rules{Hour: span})
	b.use(5, 10)
	lost := ask()
	lost.Attempt = 40 * time.Millisecond
	for range 5 {
		b.must(lost)
	}
	charged := time.Now()
	time.Sleep(100 * time.Millisecond)
	for range 5 { // the first five expire
		for a := b.admit(ask()); !a.Admitted; a = b.admit(ask()) {
			time.Sleep(5 * time.Millisecond)
		}
	}
	for a := b.admit(ask()); !a.Admitted; a = b.admit(ask()) {
		time.Sleep(2 * time.Millisecond)
	}
	if d := time.Since(charged); d < span {
		t.Errorf("what nobody settled was forgotten after %v", d)
	}
}

func givenBack(t *testing.T, make New) {
	b := open(t, make, quota.Rules{})
	b.use(1, 100)
	x := b.must(ask())
	if got := b.settle(quota.Settlement{Ticket: x, RetryAfter: -1}); got.Used != 1 {
		t.Errorf("got %+v", got)
	}
}

func everyWrite(t *testing.T, make New) {
	b := open(t, make, quota.Rules{})
	b.use(1, 100)
	x := b.must(ask())
	s := answered(x, hour(100, 96))
	s.Writes = 3
	if got := b.settle(s); got.Used != 4 {
		t.Errorf("answered: %+v", got)
	}
	y := b.must(ask())
	if got := b.settle(quota.Settlement{Ticket: y, Writes: 2, RetryAfter: -1}); got.Used != 6 {
		t.Errorf("without an answer: %+v", got)
	}
}

func foreign(t *testing.T, make New) {
	b := open(t, make, quota.Rules{})
	b.use(2, 100)
	x := b.must(ask())
	b.settle(answered(x, hour(100, 47))) // 53 are used, 3 by us
	if s := b.state(); s.Foreign != 50 || s.Used != 53 {
		t.Fatalf("got %+v", s)
	}
	for i := range 3 { // those of others expire: 20 are left
		time.Sleep(2 * time.Millisecond)
		x := b.must(ask())
		b.settle(answered(x, hour(100, 100-24-i)))
	}
	if s := b.state(); s.Foreign > 22 || s.Foreign < 18 {
		t.Errorf("not released: %+v", s)
	}
}

func (b bench) state() quota.State {
	b.t.Helper()
	list, err := b.States(b.t.Context(), "team")
	if err != nil || len(list) != 1 {
		b.t.Fatalf("%v %v", list, err)
	}
	return list[0]
}

func limits(t *testing.T, make New) {
	b := open(t, make, quota.Rules{})
	for _, step := range []struct{ told, want int }{{3600, 3600}, {3500, 3500}, {3600, 3500}, {3600, 3500}, {3600, 3600}, {20, 20}} {
		x := b.must(ask())
		if got := b.settle(answered(x, hour(step.told, step.told-x.Used))); got.Limit != step.want {
			t.Errorf("told %d: %d, want %d", step.told, got.Limit, step.want)
		}
	}
}

func pool(t *testing.T, make New) {
	b := open(t, make, quota.Rules{})
	for _, id := range []string{"A", "B", "C"} {
		a := ask()
		a.Keys = keys(id)
		x := b.must(a)
		b.settle(answered(x, hour(100, map[string]int{"A": 50, "B": 60, "C": 90}[id])))
	}
	a := ask()
	a.Keys = append(keys("A", "B"), asc.Candidate{KeyID: "C", Rank: 1})
	count := map[string]int{}
	for range 120 {
		x := b.must(a)
		count[x.KeyID]++
		b.settle(answered(x, quota.Limits{}))
	}
	if count["A"] != 50 || count["B"] != 60 || count["C"] != 10 {
		t.Errorf("the most remaining first, and lower ranks before higher ones: %v", count)
	}
	a.Keys = keys("C")
	b.settle(refused(b.must(a), quota.Limits{}, time.Minute))
	a.Keys = keys("C", "D")
	if d := b.must(a); d.KeyID != "D" {
		t.Errorf("a blocked key is used: %+v", d)
	}
}

func atOnce(t *testing.T, make New) {
	b := open(t, make, quota.Rules{})
	b.use(1, 50)
	var mu sync.Mutex
	n := 0
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			a := ask()
			a.Caller = fmt.Sprint("caller", i)
			if answer, err := b.Admit(t.Context(), a); err != nil {
				t.Error(err)
			} else if answer.Admitted {
				mu.Lock()
				n++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if n > 49 || n < 1 {
		t.Errorf("%d of 49 went", n)
	}
}

// startAtTheLimit is a gateway that starts while its predecessor's requests still
// count: they expire, as the answers of probes tell.
func startAtTheLimit(t *testing.T, make New) {
	const span, limit = 20 * time.Second, 500
	b := open(t, make, quota.Rules{Hour: span})
	first := time.Now()
	var own []time.Time
	left := func() int { // the predecessor's expire evenly within the span
		n := int(float64(limit-4) * max(1-float64(time.Since(first))/float64(span), 0))
		for _, at := range own {
			if time.Since(at) < span {
				n++
			}
		}
		return max(limit-n, 0)
	}
	robot := other("robot", quota.Default, 1)
	for time.Since(first) < span/5 {
		a := b.admit(robot)
		if !a.Admitted {
			time.Sleep(min(max(a.Wait, time.Millisecond), 10*time.Millisecond))
			continue
		}
		own = append(own, time.Now())
		b.settle(answered(a.Ticket, hour(limit, left())))
	}
	if len(own) < limit/5/2 {
		t.Errorf("%d in a fifth of the hour, of about %d that expired", len(own), limit/5)
	}
	t.Logf("%d in a fifth of the hour, of about %d that expired", len(own), limit/5)
}

func states(t *testing.T, make New) {
	b := open(t, make, quota.Rules{})
	x := b.must(ask())
	l := hour(3500, 3400)
	l.Minute = quota.Pair{Limit: 150, Remaining: 149, Known: true}
	b.settle(answered(x, l))
	b.must(ask())
	s := b.state()
	if s.Team != "team" || s.KeyID != "K" || s.Limit != 3500 || s.Used != 101 || s.Foreign != 99 || s.InFlight != 1 ||
		s.Remaining() != 3399 {
		t.Errorf("got %+v", s)
	}
	if len(s.Endpoints) != 1 || s.Endpoints[0].Endpoint != builds || s.Endpoints[0].Limit != 150 ||
		s.Endpoints[0].Used != 2 {
		t.Errorf("got %+v", s.Endpoints)
	}
	if none, err := b.States(t.Context(), "nobody"); err != nil || len(none) != 0 {
		t.Errorf("got %v %v", none, err)
	}
}
