// Package quota keeps each key within what Apple grants: an exact sliding hour,
// and minutes on some endpoints. It lets calls wait, fairly among callers, rather
// than run into a 429, and believes Apple's header over its own books.
//
// A [Ledger] counts and says whose turn it is; a [Manager] keeps the calls that
// wait. Nothing is queued in the ledger, so that nothing is lost with a replica.
package quota

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// Defaults of [Config].
const (
	DefaultMaxWait      = time.Minute
	DefaultMaxWaitBatch = 15 * time.Minute
	attemptTime         = time.Minute // the longest that an attempt without a deadline takes
)

// Config of a [Manager].
type Config struct {
	MaxWait      time.Duration // of interactive and default calls without a deadline; 1 min if 0
	MaxWaitBatch time.Duration // of batch calls without a deadline; 15 min if 0
	AttemptTime  time.Duration // the longest that an attempt takes; 1 min if 0
}

// Class is how urgent a call is.
type Class int

// The classes, the most urgent first.
const (
	Interactive Class = iota
	Default
	Batch
)

var classNames = [...]string{"interactive", "default", "batch"}

func (c Class) String() string { return classNames[c] }

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
func endpointOf(method, template string) Endpoint {
	_, rest, _ := strings.Cut(strings.TrimPrefix(template, "/"), "/")
	resource, _, _ := strings.Cut(rest, "/")
	return Endpoint{method, resource}
}

// Manager admits calls. It implements [asc.Quota] and is safe for concurrent use.
type Manager struct {
	cfg    Config
	ledger Ledger
	log    *slog.Logger

	ctx    context.Context // of the lines
	stop   context.CancelFunc
	asking sync.WaitGroup

	mu    sync.Mutex
	lines map[lineName]*line
	first atomic.Int32 // lines that await the answer that tells how much is left
}

// New makes a manager. [Manager.Close] ends it, and the ledger.
func New(cfg Config, ledger Ledger, log *slog.Logger) *Manager {
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{{&cfg.MaxWait, DefaultMaxWait}, {&cfg.MaxWaitBatch, DefaultMaxWaitBatch}, {&cfg.AttemptTime, attemptTime}} {
		if *d.value <= 0 {
			*d.value = d.def
		}
	}
	m := &Manager{cfg: cfg, ledger: ledger, log: log, lines: map[lineName]*line{}}
	m.ctx, m.stop = context.WithCancel(context.Background())
	return m
}

// Close ends the lines. Who still waits is answered that the gateway ends.
func (m *Manager) Close() error {
	m.stop()
	m.asking.Wait()
	return m.ledger.Close()
}

// Admit implements [asc.Quota]. It waits until the attempt may be made, and not
// at all if that would take longer than the caller has.
func (m *Manager) Admit(ctx context.Context, c asc.Charge) (asc.Permit, error) {
	who := asc.CallerOf(ctx)
	class, _ := ParseClass(who.Priority)
	ask := Ask{
		Team:     c.Team,
		Keys:     c.Keys,
		Endpoint: endpointOf(c.Method, c.Template),
		Caller:   who.ID,
		Class:    class,
		Weight:   max(who.Weight, 1),
		Hour:     who.Hour,
	}
	now := time.Now()
	until := now.Add(m.patience(class))
	if deadline, ok := ctx.Deadline(); ok {
		until = deadline
	}
	ask.Attempt = min(until.Sub(now), m.cfg.AttemptTime)
	answer := Answer{}
	if !m.waits(ask.line()) { // nobody of the same line: ask at once
		var err error
		switch answer, err = m.ledger.Admit(ctx, &ask); {
		case err != nil:
			return nil, unavailable(ctx, err)
		case answer.Admitted:
			return &permit{m: m, ticket: answer.Ticket}, nil
		case answer.Spent:
			return nil, overspent(ask.Hour, answer.Wait)
		case now.Add(answer.Wait).After(until):
			m.ledger.Leave(ctx, &ask)
			return nil, exhausted(answer.Wait)
		}
	}
	w := &waiter{ask: ask, since: now, until: until, answer: answer, ready: make(chan struct{})}
	if err := m.join(w, c.Front); err != nil {
		return nil, err
	}
	return m.wait(ctx, w)
}

func (m *Manager) patience(c Class) time.Duration {
	if c == Batch {
		return m.cfg.MaxWaitBatch
	}
	return m.cfg.MaxWait
}

// wait waits for a call's turn.
func (m *Manager) wait(ctx context.Context, w *waiter) (asc.Permit, error) {
	timer := time.NewTimer(time.Until(w.until))
	defer timer.Stop()
	select {
	case <-w.ready:
		if w.refusal != nil {
			return nil, w.refusal
		}
		return m.permitOf(w), nil
	case <-timer.C:
	case <-ctx.Done():
	}
	admitted, expected := m.leave(w)
	switch {
	case admitted: // in this moment
		return m.permitOf(w), nil
	case errors.Is(ctx.Err(), context.Canceled):
		return nil, fault.New(fault.Canceled, "CANCELLED", "the caller went away").WithCause(ctx.Err())
	}
	return nil, exhausted(expected)
}

func (m *Manager) permitOf(w *waiter) *permit {
	return &permit{m: m, ticket: w.answer.Ticket, waited: time.Since(w.since)}
}

func exhausted(wait time.Duration) *fault.Error {
	f := fault.New(
		fault.ResourceExhausted,
		fault.ReasonQuotaExhausted,
		"what Apple grants is used up, or waited for by others: the wait would be about %v",
		max(wait, time.Second).Round(time.Second),
	)
	f.RetryAfter = max(wait, time.Second)
	return f
}

// overspent refuses a call at once: waiting would hold a place for up to an hour.
func overspent(hour int, wait time.Duration) *fault.Error {
	f := fault.New(
		fault.ResourceExhausted,
		fault.ReasonBudgetExhausted,
		"the caller's budget of %d requests an hour is spent: it has room in about %v",
		hour,
		max(wait, time.Second).Round(time.Second),
	)
	f.RetryAfter = max(wait, time.Second)
	return f
}

func unavailable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fault.New(fault.Canceled, "CANCELLED", "the caller went away").WithCause(err)
	}
	return fault.New(fault.Unavailable, "QUOTA_UNAVAILABLE", "the ledger of requests cannot be asked").WithCause(err)
}

// permit is an admitted attempt.
type permit struct {
	m       *Manager
	ticket  Ticket
	waited  time.Duration
	settled atomic.Bool
}

// KeyID implements [asc.Permit].
func (p *permit) KeyID() string { return p.ticket.KeyID }

// Waited is how long the call waited for it.
func (p *permit) Waited() time.Duration { return p.waited }

// Quota is how the key's hour stands.
func (p *permit) Quota() (limit, remaining int) {
	return p.ticket.Limit, max(p.ticket.Limit-p.ticket.Used, 0)
}

// Done implements [asc.Permit].
func (p *permit) Done(writes, status int, header http.Header) {
	if p.settled.Swap(true) {
		return
	}
	s := Settlement{Ticket: p.ticket, Writes: writes, Status: max(status, 0), RetryAfter: -1}
	if status > 0 {
		s.Limits = ParseLimits(header.Values("X-Rate-Limit"))
	}
	if status == http.StatusTooManyRequests {
		if after, ok := asc.RetryAfter(header, time.Now()); ok {
			s.RetryAfter = after
		}
	}
	b, err := p.ticket.Ledger.Settle(context.Background(), &s) // the call that it is for may be over
	if err != nil {                                            // the charge stays where it is and expires late, never early
		p.m.log.Warn("a request was not settled in the ledger", "team", p.ticket.Team, "key", p.ticket.KeyID, "error", err)
	} else {
		p.ticket.Limit, p.ticket.Used = b.Limit, b.Used
	}
	if p.m.first.Load() > 0 {
		p.m.kick()
	}
}

// Now tells how the keys of a team stand ("": of all teams), and who waits here.
func (m *Manager) Now(ctx context.Context, team string) (keys []State, waiting []Waiting, err error) {
	if keys, err = m.ledger.States(ctx, team); err != nil {
		return nil, nil, unavailable(ctx, err)
	}
	return keys, m.Waiting(team), nil
}

// Budget tells how a caller's budget for a team stands, of so many requests an
// hour.
func (m *Manager) Budget(ctx context.Context, team, caller string, hour int) (Budget, error) {
	b, err := m.ledger.Budget(ctx, team, caller, hour)
	if err != nil {
		return b, unavailable(ctx, err)
	}
	return b, nil
}

// Replicas is how many gateways share the keys.
func (m *Manager) Replicas() int {
	if r, ok := m.ledger.(interface{ Replicas() int }); ok {
		return r.Replicas()
	}
	return 1
}
