// Package quota keeps each key within what Apple grants: an exact sliding hour,
// and minutes on some endpoints. It lets calls wait, fairly among callers, rather
// than run into a 429, and believes Apple's header over its own books.
//
// This is the ledger of one process. A request is charged before it is sent, as
// though it arrived at its deadline; the charge moves back when an answer comes.
// So what is not known counts as used, and is never forgotten early.
package quota

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// ReasonExhausted is the reason of calls that would wait too long.
const ReasonExhausted = "QUOTA_EXHAUSTED"

// Defaults of [Config].
const (
	DefaultMaxWait      = time.Minute
	DefaultMaxWaitBatch = 15 * time.Minute
	attemptTime         = time.Minute // the longest that an attempt without a deadline takes
)

// Config of a [Manager].
type Config struct {
	HourLimit    int           // before a header tells; 3600 if 0
	MaxWait      time.Duration // of interactive and default calls without a deadline; 1 min if 0
	MaxWaitBatch time.Duration // of batch calls without a deadline; 15 min if 0
}

// Manager admits calls. It implements [asc.Quota] and is safe for concurrent use.
type Manager struct {
	cfg Config
	now func() time.Time

	mu   sync.Mutex
	keys map[keyName]*lane
}

type keyName struct{ team, id string }

// lane is a key with what waits for it.
type lane struct {
	mu    sync.Mutex
	queue *queue
	timer *time.Timer
	now   func() time.Time
}

// New makes a manager.
func New(cfg Config, now func() time.Time) *Manager {
	if cfg.MaxWait <= 0 {
		cfg.MaxWait = DefaultMaxWait
	}
	if cfg.MaxWaitBatch <= 0 {
		cfg.MaxWaitBatch = DefaultMaxWaitBatch
	}
	return &Manager{cfg: cfg, now: now, keys: map[keyName]*lane{}}
}

// Close ends the timers. Nobody may wait any more.
func (m *Manager) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.keys {
		l.mu.Lock()
		if l.timer != nil {
			l.timer.Stop()
		}
		l.mu.Unlock()
	}
}

func (m *Manager) lane(team, id string) *lane {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.keys[keyName{team, id}]
	if l == nil {
		l = &lane{queue: newQueue(m.cfg.HourLimit), now: m.now}
		m.keys[keyName{team, id}] = l
	}
	return l
}

// ParseClass reads the name of a class.
func ParseClass(s string) (Class, bool) {
	switch s {
	case "interactive":
		return Interactive, true
	case "", "default":
		return Default, true
	case "batch":
		return Batch, true
	}
	return Default, false
}

// endpointOf is the class of endpoints that share a minute: the verb and the
// first resource.
func endpointOf(method, template string) endpoint {
	_, rest, _ := strings.Cut(strings.TrimPrefix(template, "/"), "/")
	resource, _, _ := strings.Cut(rest, "/")
	return endpoint{method, resource}
}

type endpoint struct{ verb, resource string }

// Admit implements [asc.Quota]. It waits until the attempt may be made, and not
// at all if that would take longer than the caller has.
func (m *Manager) Admit(ctx context.Context, c asc.Charge) (asc.Permit, error) {
	who := asc.CallerOf(ctx)
	class, _ := ParseClass(who.Priority)
	l, now := m.lane(c.Team, c.KeyID), m.now()
	at := endpointOf(c.Method, c.Template)
	deadline, limited := ctx.Deadline()
	if t := l.atOnce(now, class, at, deadline); t != nil {
		return &permit{l, t}, nil
	}
	patience := m.cfg.MaxWait
	if class == Batch {
		patience = m.cfg.MaxWaitBatch
	}
	limit := now.Add(patience)
	w := &waiter{caller: who.ID, class: class, weight: who.Weight, endpoint: at, since: now, ends: deadline, ready: make(chan struct{})}
	if limited {
		limit = deadline
	}
	if err := l.enter(w, now, limit); err != nil {
		return nil, err
	}
	select {
	case <-w.ready:
		return &permit{l, w.ticket}, nil
	default:
	}
	timer := time.NewTimer(limit.Sub(now))
	defer timer.Stop()
	select {
	case <-w.ready:
		return &permit{l, w.ticket}, nil
	case <-timer.C:
	case <-ctx.Done():
	}
	if l.leave(w) {
		return &permit{l, w.ticket}, nil // it was admitted in this moment
	}
	if err := ctx.Err(); err != nil && context.Cause(ctx) == context.Canceled {
		return nil, fault.New(fault.Canceled, "CANCELLED", "the caller went away").WithCause(err)
	}
	return nil, exhausted(l.predict(class, w.endpoint))
}

func exhausted(wait time.Duration) error {
	f := fault.New(fault.ResourceExhausted, ReasonExhausted, "what Apple grants for an hour is used up, or waited for by others: the wait would be about %v", wait.Round(time.Second))
	f.RetryAfter = max(wait, time.Second)
	return f
}

// atOnce admits a call that nobody is before, nil if it must wait.
func (l *lane) atOnce(now time.Time, class Class, at endpoint, ends time.Time) *ticket {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.queue.waiting > 0 {
		return nil
	}
	if ok, _ := l.queue.ledger.may(now, at, class == Interactive); !ok {
		return nil
	}
	return l.queue.ledger.charge(now, until(now, ends), at)
}

// enter lets a call wait, and admits what may go.
func (l *lane) enter(w *waiter, now, limit time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if wait := l.queue.predict(now, w.class, w.endpoint); now.Add(wait).After(limit) {
		return exhausted(wait)
	}
	if !l.queue.push(w) {
		return exhausted(l.queue.predict(now, w.class, w.endpoint))
	}
	l.admit(now)
	return nil
}

// leave takes a call back. It says true if the call was admitted meanwhile.
func (l *lane) leave(w *waiter) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.ticket != nil {
		return true
	}
	l.queue.remove(w)
	return false
}

func (l *lane) predict(class Class, at endpoint) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queue.predict(l.now(), class, at)
}

// admit lets go what may, and sets the alarm for the rest.
func (l *lane) admit(now time.Time) {
	wake := l.queue.admit(now, func(w *waiter) { close(w.ready) })
	if l.queue.waiting == 0 || wake.IsZero() {
		return
	}
	if l.timer == nil {
		l.timer = time.AfterFunc(wake.Sub(now), l.alarm)
	} else {
		l.timer.Reset(wake.Sub(now))
	}
}

func (l *lane) alarm() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.admit(l.now())
}

// permit is an admitted attempt.
type permit struct {
	lane   *lane
	ticket *ticket
}

// Done implements [asc.Permit].
func (p *permit) Done(writes, status int, header http.Header) {
	p.lane.mu.Lock()
	defer p.lane.mu.Unlock()
	now := p.lane.now()
	p.lane.queue.ledger.settle(now, p.ticket, writes, max(status, 0), header)
	if p.lane.queue.waiting > 0 {
		p.lane.admit(now)
	}
}

// State is the quota of a key.
type State struct {
	Team, KeyID string
	Limit, Used int // of the hour
	Foreign     int // of these, by others
	Waiting     int
	InFlight    int
	BlockedFor  time.Duration
}

// States lists the keys that were used so far.
func (m *Manager) States() (list []State) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	for name, l := range m.keys {
		l.mu.Lock()
		b := l.queue.ledger
		list = append(list, State{Team: name.team, KeyID: name.id, Limit: b.limit, Used: b.used(now), Foreign: b.foreign.used(now),
			Waiting: l.queue.waiting, InFlight: b.inflight, BlockedFor: max(b.blocked.Sub(now), 0)})
		l.mu.Unlock()
	}
	return list
}
