package quota

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/asc"
)

// Bounds of waiting.
const (
	maxWaiting = 1000            // calls in one line
	pollMost   = 2 * time.Second // a line asks again at least so often: less than TagLife
	pollLeast  = 2 * time.Millisecond
)

// lineName is whose calls wait together: first in, first out.
type lineName struct {
	team     string
	class    Class
	caller   string
	endpoint Endpoint
	hour     int // the budget: what one is admitted for serves the next of the line
}

// line is the calls of one caller to one class of endpoints. While there are
// any, a goroutine asks the ledger for the first of them.
type line struct {
	name lineName
	list []*waiter
	each time.Duration // about how much longer each further call waits
	kick chan struct{}
}

// waiter is a call that waits.
type waiter struct {
	ask     Ask
	since   time.Time
	until   time.Time
	ready   chan struct{} // closed when it is admitted or refused
	answer  Answer        // the last one
	refusal error
	done    bool // it is no longer in its line
}

func (a *Ask) line() lineName { return lineName{a.Team, a.Class, a.Caller, a.Endpoint, a.Hour} }

// waits says whether anybody waits in a line.
func (m *Manager) waits(n lineName) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lines[n] != nil
}

// join puts a call into its line. The first one brings the answer that it got,
// and lets the line go on asking.
func (m *Manager) join(w *waiter, front bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	name := w.ask.line()
	if l := m.lines[name]; l != nil {
		return l.add(w, front)
	}
	a := w.answer
	l := &line{name: name, list: []*waiter{w}, each: a.Each, kick: make(chan struct{}, 1)}
	m.lines[name] = l
	m.asking.Go(func() { m.ask(l, a) })
	return nil
}

// add lets a call wait, unless that would take longer than it has.
func (l *line) add(w *waiter, front bool) error {
	wait := time.Duration(len(l.list)) * l.each
	if len(l.list) > 0 {
		wait += l.list[0].answer.Wait
	}
	if front {
		wait = 0
	}
	if len(l.list) >= maxWaiting || time.Now().Add(wait).After(w.until) {
		return exhausted(wait)
	}
	w.answer.Wait = wait
	if front {
		l.list = slices.Insert(l.list, 0, w)
	} else {
		l.list = append(l.list, w)
	}
	return nil
}

// leave takes a call out of its line. It says true if it was admitted meanwhile,
// else about how long it would still have waited.
func (m *Manager) leave(w *waiter) (admitted bool, expected time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if w.done {
		return w.refusal == nil, w.answer.Wait
	}
	if l := m.lines[w.ask.line()]; l != nil {
		if i := slices.Index(l.list, w); i >= 0 {
			l.list = slices.Delete(l.list, i, i+1)
		}
	}
	w.done = true
	return false, w.answer.Wait
}

// ask asks the ledger for the first call of a line, until the line is empty.
func (m *Manager) ask(l *line, last Answer) {
	var ask Ask
	for !last.Spent {
		if !last.Admitted && !m.pause(l, last) {
			break
		}
		w := m.head(l)
		if w == nil {
			break
		}
		ask = w.ask
		ask.Attempt = min(time.Until(w.until), m.cfg.AttemptTime)
		answer, err := m.ledger.Admit(m.ctx, &ask)
		if err != nil {
			m.log.Warn("the ledger of requests cannot be asked", "error", err)
			answer = Answer{Wait: time.Second}
		}
		switch last = answer; {
		case answer.Admitted:
			m.deliver(l, answer)
		case answer.Spent:
			m.refuse(l, overspent(ask.Hour, answer.Wait))
		default:
			m.note(l, w, answer)
		}
	}
	if m.ctx.Err() != nil {
		m.refuse(l, unavailable(context.Background(), m.ctx.Err()))
	}
	if ask.Team != "" && !last.Admitted {
		m.ledger.Leave(context.Background(), &ask)
	}
}

// pause waits until the ledger may be asked again. It says false when the
// manager ends.
func (m *Manager) pause(l *line, a Answer) bool {
	if a.First {
		m.first.Add(1)
		defer m.first.Add(-1)
	}
	timer := time.NewTimer(min(max(a.Wait, pollLeast), pollMost))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.kick:
	case <-m.ctx.Done():
		return false
	}
	return true
}

// head is the call to ask for. A line without any ends.
func (m *Manager) head(l *line) *waiter {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(l.list) == 0 {
		delete(m.lines, l.name)
		return nil
	}
	return l.list[0]
}

// note keeps what the ledger said.
func (m *Manager) note(l *line, w *waiter, a Answer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l.each = a.Each; !w.done {
		w.answer = a
	}
}

// deliver gives an admission to the first call of a line. If that has left, the
// next takes it: it is for the same endpoints. Where nobody is left, it is given
// back.
func (m *Manager) deliver(l *line, a Answer) {
	m.mu.Lock()
	for len(l.list) > 0 {
		w := l.list[0]
		l.list = l.list[1:]
		if !slices.ContainsFunc(w.ask.Keys, func(c asc.Candidate) bool { return c.KeyID == a.Ticket.KeyID }) {
			w.refusal = exhausted(a.Wait) // its key was taken out of use just now
			m.finish(w)
			continue
		}
		w.answer = a
		m.finish(w)
		m.mu.Unlock()
		return
	}
	m.mu.Unlock()
	(&permit{m: m, ticket: a.Ticket}).Done(0, 0, nil)
}

// finish ends a call's wait.
func (m *Manager) finish(w *waiter) {
	w.done = true
	close(w.ready)
}

// refuse ends a line, and the wait of all in it.
func (m *Manager) refuse(l *line, refusal error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, w := range l.list {
		w.refusal = refusal
		m.finish(w)
	}
	l.list = nil
	delete(m.lines, l.name)
}

// kick lets every line ask at once.
func (m *Manager) kick() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.lines {
		select {
		case l.kick <- struct{}{}:
		default:
		}
	}
}

// Waiting is the calls of one caller that wait here.
type Waiting struct {
	Team, Caller string
	Class        Class
	Endpoint     Endpoint
	Calls        int
	Longest      time.Duration // that one of them has waited so far
}

// Waiting lists them by team, class, caller and endpoint.
func (m *Manager) Waiting(team string) (list []Waiting) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for n, l := range m.lines {
		if len(l.list) == 0 || team != "" && n.team != team {
			continue
		}
		w := Waiting{Team: n.team, Caller: n.caller, Class: n.class, Endpoint: n.endpoint, Calls: len(l.list)}
		for _, x := range l.list {
			w.Longest = max(w.Longest, time.Since(x.since))
		}
		list = append(list, w)
	}
	slices.SortFunc(list, func(a, b Waiting) int {
		return cmp.Or(
			cmp.Compare(a.Team, b.Team),
			cmp.Compare(a.Class, b.Class),
			cmp.Compare(a.Caller, b.Caller),
			cmp.Compare(a.Endpoint.String(), b.Endpoint.String()),
		)
	})
	return list
}
