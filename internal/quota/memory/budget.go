package memory

import (
	"context"
	"slices"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/quota"
)

// budget is what a caller has spent within the hour.
type budget struct {
	all   stamps
	since stamps // those that no other ledger keeps
}

// stamps are moments in order. They take as much memory as there are requests,
// since there may be thousands of callers.
type stamps []int64

func (s *stamps) put(at int64, n int) {
	i, _ := slices.BinarySearch(*s, at)
	for range n {
		*s = slices.Insert(*s, i, at)
	}
}

func (s *stamps) take(at int64) {
	if i, ok := slices.BinarySearch(*s, at); ok {
		*s = slices.Delete(*s, i, i+1)
	}
}

// forget drops what was stamped by then.
func (s *stamps) forget(then int64) {
	i, _ := slices.BinarySearch(*s, then+1)
	*s = slices.Delete(*s, 0, i)
}

// spent counts a caller's requests of the last hour.
func (l *Ledger) spent(now int64, of name) int {
	b := l.budgets[of]
	if b == nil {
		return 0
	}
	b.all.forget(now - int64(l.rules.Hour))
	return len(b.all)
}

// room says how long it takes until a caller has spent less than so much.
func (l *Ledger) room(now int64, of name, hour int) time.Duration {
	hour = l.share(hour)
	n := l.spent(now, of)
	if n < hour {
		return 0
	}
	return time.Duration(l.budgets[of].all[n-hour] + int64(l.rules.Hour) - now)
}

// share is this replica's part of a budget.
func (l *Ledger) share(hour int) int {
	if l.others == nil {
		return hour
	}
	return max(hour/(l.others()+1), 1)
}

// charged is a ticket that is charged to its caller's budget too.
func (l *Ledger) charged(now int64, a *quota.Ask, t quota.Ticket) quota.Ticket {
	t.Caller = a.Caller
	b := l.spend(now, name{a.Team, a.Caller}, t.Stamp, 1)
	if l.others != nil {
		b.since.put(t.Stamp, 1)
	}
	return t
}

// spend puts requests into a caller's budget.
func (l *Ledger) spend(now int64, of name, at int64, n int) *budget {
	b := l.budgets[of]
	if b == nil {
		l.sweep(now)
		b = &budget{}
		l.budgets[of] = b
	}
	b.all.forget(now - int64(l.rules.Hour))
	b.all.put(at, n)
	return b
}

// budgetsKept is how many budgets are kept before those without requests are
// looked for.
const budgetsKept = 1000

// sweep drops the budgets of which nothing is spent, once there are twice as many
// as were left the last time.
func (l *Ledger) sweep(now int64) {
	if len(l.budgets) < l.sweepAt {
		return
	}
	for of := range l.budgets {
		if l.spent(now, of) == 0 {
			delete(l.budgets, of)
		}
	}
	l.sweepAt = max(2*len(l.budgets), budgetsKept)
}

// correct follows the outcome of an attempt.
func (l *Ledger) correct(now int64, s *quota.Settlement) {
	b := l.budgets[name{s.Team, s.Caller}]
	if b == nil {
		return
	}
	b.all.settle(now, s)
	if l.others != nil {
		b.since.settle(now, s)
	}
}

func (s *stamps) settle(now int64, x *quota.Settlement) {
	leaves, at, n := landed(now, x)
	if leaves {
		s.take(x.Stamp)
	}
	s.put(at, n)
}

// Budget implements [quota.Ledger].
func (l *Ledger) Budget(_ context.Context, team, caller string, hour int) (quota.Budget, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now, of := l.now(), name{team, caller}
	return quota.Budget{Hour: hour, Spent: l.spent(now, of), Room: l.room(now, of, hour)}, nil
}

// ShadowBudget is [Ledger.Shadow] for a caller's budget.
func (l *Ledger) ShadowBudget(team, caller string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.spend(now, name{team, caller}, now, n)
}

// OwnBudgets is [Ledger.Own] for the budgets of callers.
func (l *Ledger) OwnBudgets(tell func(team, caller string, ages []time.Duration)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for of, b := range l.budgets {
		b.since.forget(now - int64(l.rules.Hour))
		var ages []time.Duration
		for _, at := range b.since {
			ages = append(ages, time.Duration(now-at))
		}
		if b.since = nil; len(ages) > 0 {
			tell(of.team, of.id, ages)
		}
	}
}
