package quotatest

import (
	"math"
	"sync"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/quota"
)

// serve lets callers ask for a while, each as soon as it may, and counts.
func (b bench) serve(d time.Duration, limit int, callers ...*quota.Ask) []int {
	counts := make([]int, len(callers))
	var wg sync.WaitGroup
	end := time.Now().Add(d)
	for i, a := range callers {
		wg.Go(func() {
			for time.Now().Before(end) {
				answer, err := b.Admit(b.t.Context(), a)
				if err != nil {
					b.t.Error(err)
					return
				}
				if !answer.Admitted {
					time.Sleep(min(max(answer.Wait, time.Millisecond), 100*time.Millisecond))
					continue
				}
				counts[i]++
				s := answered(answer.Ticket, hour(limit, max(limit-answer.Ticket.Used, 0)))
				if _, err := b.Settle(b.t.Context(), &s); err != nil {
					b.t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	return counts
}

// other is a paced caller's ask.
func other(name string, class quota.Class, weight int) *quota.Ask {
	a := ask()
	a.Caller, a.Class, a.Weight = name, class, weight
	return a
}

func weights(t *testing.T, make New) {
	const span, limit = 6 * time.Second, 600
	b := open(t, make, quota.Rules{Hour: span})
	b.use(1, limit)
	got := b.serve(
		span,
		limit,
		other("one", quota.Default, 1),
		other("three", quota.Default, 3),
		other("also one", quota.Default, 1),
	)
	t.Logf("weights 1, 3 and 1: %v", got)
	ratio := float64(got[1]) / (float64(got[0]+got[2]) / 2)
	if ratio < 2.4 || ratio > 3.6 || math.Abs(float64(got[0]-got[2])) > 0.25*float64(got[0]) {
		t.Errorf("got %v: ratio %.2f", got, ratio)
	}
}

// full uses a small hour up and returns a ticket whose return makes room for one.
func full(b bench) quota.Ticket {
	b.t.Helper()
	b.use(9, 10)
	return b.must(ask())
}

// back gives a request back.
func (b bench) back(t quota.Ticket) {
	b.settle(quota.Settlement{Ticket: t, RetryAfter: -1})
}

func classes(t *testing.T, make New) {
	b := open(t, make, quota.Rules{})
	x := full(b)
	if b.admit(other("person", quota.Interactive, 1)).Admitted {
		t.Fatal("more than there is")
	}
	b.back(x)
	if a := b.admit(other("robot", quota.Default, 9)); a.Admitted {
		t.Error("a default call goes before an interactive one that waits")
	}
	b.must(other("person", quota.Interactive, 1))
}

func leaves(t *testing.T, make New) {
	b := open(t, make, quota.Rules{})
	b.use(4, 10) // the pace has room for default callers
	for range 5 {
		b.must(ask())
	}
	x := b.must(ask())
	person := other("person", quota.Interactive, 1)
	if b.admit(person).Admitted {
		t.Fatal("more than there is")
	}
	b.back(x)
	b.Leave(t.Context(), person)
	b.must(other("another", quota.Interactive, 1))
}

func aged(t *testing.T, make New) {
	b := open(t, make, quota.Rules{Hour: 18 * time.Second}) // a class ages in 300 ms
	x := full(b)
	person, robot := other("person", quota.Interactive, 1), other("robot", quota.Batch, 1)
	for begun := time.Now(); time.Since(begun) < 200*time.Millisecond; time.Sleep(50 * time.Millisecond) {
		if b.admit(person).Admitted || b.admit(robot).Admitted {
			t.Fatal("more than there is")
		}
	}
	time.Sleep(150 * time.Millisecond)
	b.back(x)
	y := b.must(robot)
	b.back(y)
	if b.admit(robot).Admitted {
		t.Error("twice")
	}
	b.must(person)
}

func reserved(t *testing.T, make New) {
	b := open(t, make, quota.Rules{})
	b.use(145, 150)
	n := 0
	for ; n < 10; n++ {
		if a := b.admit(ask()); !a.Admitted {
			break
		}
		if a := b.admit(other("robot", quota.Default, 1)); a.Admitted && n == 4 {
			t.Error("a default call takes the last one")
		} else if a.Admitted {
			b.back(a.Ticket)
		}
	}
	if n != 5 {
		t.Errorf("%d interactive calls went", n)
	}
}

func paced(t *testing.T, make New) {
	b := open(t, make, quota.Rules{})
	b.use(1, 3600)
	n := 0
	var last quota.Answer
	for ; n < 1000; n++ {
		if last = b.admit(other("robot", quota.Default, 1)); !last.Admitted {
			break
		}
		b.settle(answered(last.Ticket, hour(3600, 3600-last.Ticket.Used)))
	}
	if n < 10 || n > 25 || last.Wait > 1100*time.Millisecond {
		t.Errorf("%d at once, then %+v", n, last)
	}
	b.must(ask())
	if a := b.admit(other("robot", quota.Default, 1)); a.Admitted || a.Wait < time.Second {
		t.Errorf("an interactive call pushes nothing back: %+v", a)
	}
}
