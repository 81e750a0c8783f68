package quota

import (
	"cmp"
	"slices"
	"time"
)

// Class is how urgent a call is.
type Class int

// The classes, the most urgent first.
const (
	Interactive Class = iota
	Default
	Batch
	classes
)

// agingAfter is how long the head of the batch queue lets others pass.
const agingAfter = 2 * time.Minute

// maxWaiting bounds the calls of one caller that wait for one key.
const maxWaiting = 1000

// waiter is a call that waits for admission.
type waiter struct {
	caller   string
	class    Class
	weight   int
	endpoint endpoint
	since    time.Time
	ends     time.Time // the caller's deadline; zero: none
	ticket   *ticket   // once it is admitted
	ready    chan struct{}
}

// until is when an attempt that begins now has ended at the latest; ends is the
// caller's deadline, zero: none.
func until(now, ends time.Time) time.Time {
	if end := now.Add(attemptTime); ends.IsZero() || ends.After(end) {
		return end
	}
	return ends
}

// caller is a backlogged caller: start-time fair queueing serves the one whose
// next call has the lowest start tag.
type caller struct {
	name   string
	finish float64
	list   []*waiter
}

// queue orders the calls that wait for one key.
type queue struct {
	ledger  *ledger
	virtual [classes]float64
	callers [classes]map[string]*caller
	waiting int
}

func newQueue(limit int) *queue {
	q := &queue{ledger: newLedger(limit)}
	for i := range q.callers {
		q.callers[i] = map[string]*caller{}
	}
	return q
}

// push lets a call wait. It says false if the caller has too many waiting.
func (q *queue) push(w *waiter) bool {
	c := q.callers[w.class][w.caller]
	if c == nil {
		c = &caller{name: w.caller, finish: q.virtual[w.class]}
		q.callers[w.class][w.caller] = c
	}
	if len(c.list) >= maxWaiting {
		return false
	}
	c.list = append(c.list, w)
	q.waiting++
	return true
}

// remove takes a call back that waits no longer.
func (q *queue) remove(w *waiter) {
	c := q.callers[w.class][w.caller]
	if c == nil {
		return
	}
	if i := slices.Index(c.list, w); i >= 0 {
		c.list = slices.Delete(c.list, i, i+1)
		q.waiting--
	}
	q.forget(w.class, c)
}

// forget drops a caller that has nothing waiting and no debt.
func (q *queue) forget(class Class, c *caller) {
	if len(c.list) == 0 && c.finish <= q.virtual[class] {
		delete(q.callers[class], c.name)
	}
}

// admit lets go what may go now. It tells when to ask again: zero, if only the
// end of an attempt in flight can change anything.
func (q *queue) admit(now time.Time, each func(*waiter)) (wake time.Time) {
	for {
		w, at := q.next(now)
		if w == nil {
			return at
		}
		w.ticket = q.ledger.charge(now, until(now, w.ends), w.endpoint)
		each(w)
	}
}

// next takes the call that is to go now, if there is one.
func (q *queue) next(now time.Time) (w *waiter, wake time.Time) {
	for _, class := range q.order(now) {
		backlogged := make([]*caller, 0, len(q.callers[class]))
		for _, c := range q.callers[class] {
			if len(c.list) > 0 {
				backlogged = append(backlogged, c)
			} else if c.finish <= q.virtual[class] {
				delete(q.callers[class], c.name)
			}
		}
		slices.SortFunc(backlogged, func(a, b *caller) int {
			return cmp.Or(cmp.Compare(max(a.finish, q.virtual[class]), max(b.finish, q.virtual[class])), a.list[0].since.Compare(b.list[0].since), cmp.Compare(a.name, b.name))
		})
		for _, c := range backlogged {
			ok, at := q.ledger.may(now, c.list[0].endpoint, class == Interactive)
			if !ok {
				if !at.IsZero() && (wake.IsZero() || at.Before(wake)) {
					wake = at
				}
				continue
			}
			w := c.list[0]
			c.list = c.list[1:]
			q.waiting--
			start := max(c.finish, q.virtual[class])
			q.virtual[class] = start
			c.finish = start + 1/float64(max(w.weight, 1))
			return w, now
		}
	}
	return nil, wake
}

// order is that of the classes: batch calls that have waited long go before the
// default ones.
func (q *queue) order(now time.Time) []Class {
	for _, c := range q.callers[Batch] {
		if len(c.list) > 0 && now.Sub(c.list[0].since) > agingAfter {
			return []Class{Interactive, Batch, Default}
		}
	}
	return []Class{Interactive, Default, Batch}
}

// predict is about how long a call of a class would wait now.
func (q *queue) predict(now time.Time, class Class, at endpoint) time.Duration {
	ahead := 0
	for i := Interactive; i <= class; i++ {
		for _, c := range q.callers[i] {
			ahead += len(c.list)
		}
	}
	_, free := q.ledger.may(now, at, class == Interactive)
	wait := time.Duration(ahead) * q.ledger.interval()
	if free.After(now) {
		wait += free.Sub(now)
	}
	return wait
}
