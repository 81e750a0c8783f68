package quotatest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/quota"
)

// within is the ask of a caller that has a budget.
func within(caller string, hour int) *quota.Ask {
	a := other(caller, quota.Interactive, 1)
	a.Hour = hour
	return a
}

// spend admits and settles n requests of a caller within its budget.
func (b bench) spend(n int, a *quota.Ask) {
	b.t.Helper()
	for range n {
		x := b.must(a)
		b.settle(answered(x, hour(3600, 3600-x.Used)))
	}
}

// budget wants a caller's budget to stand in a way.
func (b bench) budget(a *quota.Ask, spent int, room bool) {
	b.t.Helper()
	got, err := b.Budget(b.t.Context(), a.Team, a.Caller, a.Hour)
	if err != nil || got.Hour != a.Hour || got.Spent != spent || (got.Room == 0) != room {
		b.t.Errorf("%+v %v: want %d spent of %d", got, err, spent, a.Hour)
	}
}

func exactBudget(t *testing.T, make New) {
	const span, most = 1500 * time.Millisecond, 20
	b := open(t, make, quota.Rules{Hour: span})
	b.use(1, 3600)
	a := within("ci", most)
	var went, arrived []time.Time
	for begun := time.Now(); time.Since(begun) < 3*span; {
		answer := b.admit(a)
		if !answer.Admitted {
			if !answer.Spent || answer.Wait <= 0 || answer.Wait > span+a.Attempt {
				t.Fatalf("got %+v", answer)
			}
			time.Sleep(answer.Wait)
			continue
		}
		went = append(went, time.Now())
		b.settle(answered(answer.Ticket, hour(3600, 3600-answer.Ticket.Used)))
		arrived = append(arrived, time.Now())
	}
	for i := range len(went) - most {
		if d := arrived[i+most].Sub(went[i]); d < span {
			t.Fatalf("%d requests within %v", most+1, d)
		}
	}
	if len(went) < 2*most {
		t.Errorf("only %d of %d went", len(went), 3*most)
	}
}

func budgetOfOne(t *testing.T, make New) {
	b := open(t, make, quota.Rules{})
	b.use(1, 3600)
	a := within("ci", 3)
	b.spend(3, a)
	if got := b.admit(a); got.Admitted || !got.Spent || got.Wait < 59*time.Minute || got.Wait > time.Hour {
		t.Errorf("got %+v", got)
	}
	b.budget(a, 3, false)
	b.must(within("another", 3))
	b.must(within("ci", 4)) // another rule's is greater, of the same requests
	b.budget(within("ci", 5), 4, true)
	b.must(other("ci", quota.Interactive, 1)) // nor does what has no budget count
	b.budget(within("ci", 4), 4, false)
	elsewhere := within("ci", 3)
	elsewhere.Team = "another team"
	b.budget(elsewhere, 0, true)
	b.must(elsewhere)
}

// spentBudget has an interactive caller that may not go, and a batch call behind
// it.
func spentBudget(t *testing.T, make New) {
	b := open(t, make, quota.Rules{})
	b.use(1, 3600)
	a := within("ci", 1)
	b.spend(1, a)
	before := b.state()
	for range 3 {
		if b.admit(a).Admitted {
			t.Fatal("more than its budget")
		}
	}
	if after := b.state(); after.Used != before.Used || after.InFlight != before.InFlight {
		t.Errorf("a refusal costs: %+v, then %+v", before, after)
	}
	b.must(other("robot", quota.Batch, 1))
}

func budgetCharges(t *testing.T, make New) {
	b := open(t, make, quota.Rules{})
	b.use(1, 3600)
	a := within("ci", 9)
	b.back(b.must(a)) // it was never sent
	b.budget(a, 0, true)
	x := b.must(a)
	b.budget(a, 1, true) // in flight
	s := answered(x, hour(3600, 3590))
	s.Writes = 3
	b.settle(s)
	b.budget(a, 3, true)
	b.settle(quota.Settlement{Ticket: b.must(a), Writes: 2, RetryAfter: -1}) // no answer
	b.budget(a, 5, true)
	b.settle(refused(b.must(a), hour(3600, 3000), time.Second))
	b.budget(a, 6, true)
}

func budgetAtOnce(t *testing.T, make New) {
	b := open(t, make, quota.Rules{})
	for _, id := range []string{"A", "B"} {
		a := ask()
		a.Keys = keys(id)
		b.settle(answered(b.must(a), hour(3600, 3599)))
	}
	var n atomic.Int64
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			a := within("ci", 15)
			a.Keys = keys("A", "B")
			a.Endpoint.Resource = fmt.Sprint("resource", i%3)
			if answer, err := b.Admit(t.Context(), a); err != nil {
				t.Error(err)
			} else if answer.Admitted {
				n.Add(1)
			}
		})
	}
	wg.Wait()
	if n.Load() != 15 {
		t.Errorf("%d of 15 went", n.Load())
	}
}
