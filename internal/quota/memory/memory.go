// Package memory is the ledger of one process. It implements [quota.Ledger], and
// stands in for the shared one while that is away.
package memory

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/quota"
)

// Ledger keeps its counts in memory. It is safe for concurrent use.
type Ledger struct {
	rules  quota.Rules
	now    func() int64 // nanoseconds
	others func() int   // replicas beside this one that the ledger cannot see; nil: none

	mu      sync.Mutex
	keys    map[name]*key
	made    int // keys so far
	budgets map[name]*budget
	sweepAt int // how many budgets there are when those without requests are dropped
}

// name is of a team's key, or of its caller.
type name struct{ team, id string }

// New makes a ledger. Where the clock's times have a monotonic reading, as those
// of time.Now, steps of the wall clock move nothing.
func New(rules quota.Rules, clock func() time.Time) *Ledger {
	rules = rules.Settled()
	// Windows count from a whole span before the beginning on: no stretch is
	// below zero.
	begun := clock().Add(-2 * rules.Hour)
	return &Ledger{
		rules:   rules,
		now:     func() int64 { return int64(clock().Sub(begun)) },
		keys:    map[name]*key{},
		budgets: map[name]*budget{},
		sweepAt: budgetsKept,
	}
}

// Beside makes a ledger for while the shared one is away: it takes only its
// share of what Apple's answers leave, and lets no batch call go.
func Beside(rules quota.Rules, clock func() time.Time, others func() int) *Ledger {
	l := New(rules, clock)
	l.others = others
	return l
}

// Close implements [quota.Ledger].
func (l *Ledger) Close() error { return nil }

func (l *Ledger) key(team, id string) *key {
	k := l.keys[name{team, id}]
	if k == nil {
		k = l.begin(team, id)
	}
	return k
}

// begin opens the books of a key. Tickets name them: those of earlier books are
// not settled here.
func (l *Ledger) begin(team, id string) *key {
	l.made++
	k := newKey(l.rules, strconv.Itoa(l.made))
	if l.others != nil {
		k.since = newHour(l.rules)
	}
	l.keys[name{team, id}] = k
	return k
}

// offer is a candidate with what there is of it.
type offer struct {
	id        string
	key       *key
	rank      int
	remaining int
}

// maxOffers bounds the candidates that are compared.
const maxOffers = 16

// Admit implements [quota.Ledger].
func (l *Ledger) Admit(_ context.Context, a *quota.Ask) (quota.Answer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if a.Hour > 0 {
		if wait := l.room(now, name{a.Team, a.Caller}, a.Hour); wait > 0 {
			return quota.Answer{Spent: true, Wait: wait}, nil
		}
	}
	var room [maxOffers]offer
	offers := l.offers(room[:0], a, now)
	wait := int64(-1)
	out := quota.Answer{}
	for _, o := range offers {
		v := o.key.may(now, a, l.hidden(o.key))
		if v.ok && o.key.classes.turn(now, a.Class, a.Caller, v.aged) {
			for _, other := range offers {
				other.key.classes.leave(a.Class, a.Caller)
			}
			out.Admitted = true
			out.Ticket = o.key.charge(now, a, v, l.pace(o.key))
			out.Ticket.KeyID, out.Ticket.Ledger = o.id, l
			if a.Hour > 0 {
				out.Ticket = l.charged(now, a, out.Ticket)
			}
			return out, nil
		}
		rank := 0
		if v.why != endpoint {
			rank = o.key.classes.enter(now, a.Class, a.Caller)
		}
		out.First = out.First || v.why == first
		w := max(v.at-now, 0) + int64(rank)*l.pace(o.key)
		if wait < 0 || w < wait {
			wait, out.Each = w, time.Duration(l.pace(o.key)*int64(max(o.key.classes.waiting(a.Class), 1)))
		}
	}
	out.Wait = time.Duration(max(wait, 0))
	return out, nil
}

// offers are the candidates in the order in which they are tried.
func (l *Ledger) offers(list []offer, a *quota.Ask, now int64) []offer {
	for _, c := range a.Keys {
		if len(list) == maxOffers {
			break
		}
		k := l.key(a.Team, c.KeyID)
		o := offer{c.KeyID, k, c.Rank, k.limit - k.used(now)}
		list = append(list, o)
		i := len(list) - 1
		for ; i > 0 && (list[i-1].rank > o.rank || list[i-1].rank == o.rank && list[i-1].remaining < o.remaining); i-- {
			list[i] = list[i-1]
		}
		list[i] = o
	}
	return list
}

// hidden is how many requests of others may be under way that no answer has told
// of: each replica is taken to do as this one does.
func (l *Ledger) hidden(k *key) int {
	if l.others == nil {
		return 0
	}
	return l.others()*(k.inflight+1) + reserve(k.limit)
}

// pace is the interval between paced requests.
func (l *Ledger) pace(k *key) int64 {
	p := int64(
		l.rules.Hour,
	) / int64(
		k.limit,
	) // any faster leaves gaps in the log an hour later, in which interactive calls wait
	if l.others != nil {
		p *= int64(l.others() + 1)
	}
	return p
}

// Settle implements [quota.Ledger].
func (l *Ledger) Settle(_ context.Context, s *quota.Settlement) (quota.Balance, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k, now := l.key(s.Team, s.KeyID), l.now()
	if k.books == s.ID {
		k.settle(now, s)
		if s.Caller != "" {
			l.correct(now, s)
		}
	}
	return quota.Balance{Limit: k.limit, Used: k.used(now)}, nil
}

// Leave implements [quota.Ledger].
func (l *Ledger) Leave(_ context.Context, a *quota.Ask) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range a.Keys {
		l.key(a.Team, c.KeyID).classes.leave(a.Class, a.Caller)
	}
}

// States implements [quota.Ledger].
func (l *Ledger) States(_ context.Context, team string) (list []quota.State, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for n, k := range l.keys {
		if team != "" && n.team != team {
			continue
		}
		s := quota.State{
			Team:       n.team,
			KeyID:      n.id,
			Balance:    quota.Balance{Limit: k.limit, Used: k.used(now)},
			Foreign:    k.foreign.used(now),
			InFlight:   k.inflight,
			BlockedFor: time.Duration(max(k.blocked-now, 0)),
		}
		for at, m := range k.minutes {
			s.Endpoints = append(
				s.Endpoints,
				quota.EndpointState{
					Endpoint:   at,
					Balance:    quota.Balance{Limit: m.limit, Used: m.window.used(now)},
					BlockedFor: time.Duration(max(m.blocked-now, 0)),
				},
			)
		}
		list = append(list, s)
	}
	return list, nil
}

// Shadow notes requests that another ledger keeps: they are this replica's own,
// and as they expire, it may send as many while that ledger is away.
func (l *Ledger) Shadow(team, id string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.key(team, id).hour.add(now, now, n)
}

// Believe starts a key from what was known of it elsewhere: what is not this
// replica's own is others'.
func (l *Ledger) Believe(team, id string, b quota.Balance) {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := l.key(team, id).hour
	k, now := l.begin(team, id), l.now()
	k.hour = own
	k.limit, k.sensed, k.heard = max(b.Limit, quota.MinLimit), true, now
	k.foreign.add(now, now, max(b.Used-own.used(now), 0))
}

// Own tells how long ago the requests were stamped that this ledger has admitted
// since it was last asked, and forgets that it has: another keeps them now. It is
// for ledgers made by [Beside].
func (l *Ledger) Own(tell func(team, id string, ages []time.Duration)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for n, k := range l.keys {
		var ages []time.Duration
		k.since.each(now, func(stamp int64, count int) {
			for range count {
				ages = append(ages, time.Duration(now-stamp))
			}
		})
		if len(ages) > 0 {
			own := k.hour
			l.begin(n.team, n.id).hour = own
			tell(n.team, n.id, ages)
		}
	}
}
