package keys

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/golang-jwt/jwt/v5"
	"go.opentelemetry.io/otel/trace"
)

// Apple refuses tokens that live longer than 20 minutes by its own clock, or
// were issued in its future: hence less than that, and a minute back.
const (
	lifetime  = 15 * time.Minute
	issueBack = 60 * time.Second
	refreshAt = lifetime * 2 / 3
	jitterMax = lifetime / 15 // replicas that started together refresh apart
)

// Bounds of signing.
const (
	signTimeout  = 10 * time.Second
	retryFirst   = time.Second // after a failure, doubled each time
	retryMost    = 30 * time.Second
	maxScope     = 20
	maxScopeText = 1024
)

// source is one key's cached token.
type source struct {
	ring     *Ring
	team     string
	id       string
	key      Key
	issuer   string
	audience string

	current atomic.Pointer[minted]
	broken  atomic.Int64 // until when Apple's refusal is believed, as Ring.since counts; 0: not refused
	failed  atomic.Pointer[failure]

	mu      sync.Mutex
	signing *signing // in flight; nil: none
}

// minted is a token at hand.
type minted struct {
	token   asc.Token
	refresh time.Time
	expires time.Time
}

// failure is why the last signature failed.
type failure struct {
	err   error
	times int
	next  time.Time // when to try again
}

// signing is a signature that callers wait for.
type signing struct {
	done chan struct{}
	got  *minted
	err  error
}

func newSource(r *Ring, team string, c Credential) *source {
	return &source{ring: r, team: team, id: c.ID, key: c.Key, issuer: c.Issuer, audience: c.Audience}
}

// adopt takes over the token of the same key among old members.
func (s *source) adopt(old []*member) {
	for _, o := range old {
		if o.id != s.id || o.issuer != s.issuer || o.audience != s.audience || o.key == nil || s.key == nil ||
			!o.key.Public().Equal(s.key.Public()) {
			continue
		}
		s.current.Store(o.current.Load())
		s.broken.Store(o.broken.Load())
	}
}

// ID is Apple's key id.
func (s *source) ID() string { return s.id }

func (s *source) kind() string {
	switch {
	case s.audience == EnterpriseAudience:
		return "enterprise"
	case s.issuer == "":
		return "individual"
	}
	return "team"
}

// usable says whether the key may be tried. One that Apple refused is probed by
// one call a minute.
func (s *source) usable(now time.Time, probe bool) bool {
	until := s.broken.Load()
	if until == 0 {
		return true
	}
	if !probe || until > s.ring.since(now) {
		return false
	}
	return s.broken.CompareAndSwap(until, s.ring.since(now.Add(brokenFor)))
}

// token returns the token at hand. Nobody waits for a new one while it is good.
func (s *source) token(ctx context.Context, now time.Time) (asc.Token, error) {
	m := s.current.Load()
	if m != nil && now.Before(m.refresh) {
		return m.token, nil
	}
	if m != nil && now.Before(m.expires) {
		s.sign(now, m.token.Bearer) // in the background
		return m.token, nil
	}
	return s.wait(ctx, now, "")
}

// renew returns another token than the one refused.
func (s *source) renew(ctx context.Context, refused string) (asc.Token, error) {
	now := s.ring.now()
	if m := s.current.Load(); m != nil && m.token.Bearer != refused && now.Before(m.expires) {
		return m.token, nil
	}
	return s.wait(ctx, now, refused)
}

// wait waits for a signature. A caller that goes away fails nobody else.
func (s *source) wait(ctx context.Context, now time.Time, refused string) (asc.Token, error) {
	g, err := s.sign(now, refused)
	if err != nil {
		return asc.Token{}, err
	}
	trace.SpanFromContext(ctx).AddEvent("token.mint")
	select {
	case <-g.done:
		if g.err != nil {
			return asc.Token{}, g.err
		}
		return g.got.token, nil
	case <-ctx.Done():
		return asc.Token{}, asc.Ended(ctx) // that says nothing of the key
	}
}

// sign begins a signature, unless one is in flight, a token other than old is at
// hand, or the key has failed just now.
func (s *source) sign(now time.Time, old string) (*signing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.signing != nil {
		return s.signing, nil
	}
	if m := s.current.Load(); m != nil && now.Before(m.refresh) && m.token.Bearer != old {
		g := &signing{done: make(chan struct{}), got: m}
		close(g.done)
		return g, nil
	}
	if f := s.failed.Load(); f != nil && now.Before(f.next) {
		return nil, s.unusable(f.err, f.next.Sub(now))
	}
	if s.key == nil || s.ring.ctx.Err() != nil {
		return nil, s.unusable(errGone, 0)
	}
	g := &signing{done: make(chan struct{})}
	s.signing = g
	s.ring.signer.Go(func() {
		g.got, g.err = s.mint(s.ring.now())
		s.mu.Lock()
		s.signing = nil
		s.mu.Unlock()
		close(g.done)
	})
	return g, nil
}

func (s *source) unusable(cause error, after time.Duration) error {
	f := fault.New(fault.Unavailable, fault.ReasonKeyUnusable, "key %s does not sign", s.id).WithCause(cause)
	f.RetryAfter = max(after, retryFirst)
	return f
}

// mint signs a token and keeps it.
func (s *source) mint(now time.Time) (*minted, error) {
	ctx, cancel := context.WithTimeout(s.ring.ctx, signTimeout)
	defer cancel()
	bearer, err := s.jwt(ctx, now, lifetime, nil)
	if s.ring.observer != nil {
		s.ring.observer.Signed(s.team, s.id, err)
	}
	if err != nil {
		times := 0
		if f := s.failed.Load(); f != nil {
			times = f.times + 1
		}
		pause := min(retryFirst<<min(times, 6), retryMost)
		s.failed.Store(&failure{err: err, times: times, next: now.Add(pause)})
		s.ring.log.Warn("a key does not sign", "team", s.team, "key", s.id, "again_in", pause, "error", err)
		return nil, s.unusable(err, pause)
	}
	s.failed.Store(nil)
	m := &minted{token: asc.Token{Team: s.team, KeyID: s.id, Bearer: bearer},
		refresh: now.Add(refreshAt - rand.N(jitterMax)), expires: now.Add(lifetime - issueBack)}
	s.current.Store(m)
	return m, nil
}

// jwt signs a token that lives for a while from now on, by Apple's clock.
func (s *source) jwt(ctx context.Context, now time.Time, life time.Duration, scope []string) (string, error) {
	apple := now.Add(s.ring.skew.correction())
	claims := jwt.MapClaims{
		"iat": apple.Add(-issueBack).Unix(),
		"exp": apple.Add(life - issueBack).Unix(),
		"aud": s.audience,
	}
	if s.issuer != "" {
		claims["iss"] = s.issuer
	} else {
		claims["sub"] = "user"
	}
	if len(scope) > 0 {
		claims["scope"] = scope
	}
	token := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	token.Header["kid"] = s.id
	text, err := token.SigningString()
	if err != nil {
		return "", err
	}
	sig, err := sign(ctx, s.key, text)
	if err != nil {
		return "", err
	}
	return text + "." + token.EncodeSegment(sig), nil
}

// Minted is a token that was made to be given away.
type Minted struct {
	asc.Token
	Issued, Expires time.Time
	Scope           []string
}

// Mint makes a token to be given away, narrowed to a scope (none: all that the
// key may do), which lives for as long as asked. It is not cached. keyID "" lets
// the ring choose.
func (r *Ring) Mint(ctx context.Context, team, keyID string, scope []string, life time.Duration) (*Minted, error) {
	t := (*r.current.Load())[team]
	if t == nil {
		return nil, fault.New(fault.InvalidArgument, fault.ReasonUnknownTeam, "there is no such team")
	}
	for _, m := range t.order {
		if keyID != "" && m.id != keyID || !m.usable(r.now(), false) {
			continue
		}
		now := r.now()
		bearer, err := m.jwt(ctx, now, life+issueBack, scope)
		if err != nil && ctx.Err() != nil {
			return nil, asc.Ended(ctx) // that says nothing of the key
		}
		if r.observer != nil {
			r.observer.Signed(team, m.id, err)
		}
		if err != nil {
			return nil, m.unusable(err, retryFirst)
		}
		return &Minted{
			Token:   asc.Token{Team: team, KeyID: m.id, Bearer: bearer},
			Issued:  now,
			Expires: now.Add(life),
			Scope:   scope,
		}, nil
	}
	return nil, fault.New(fault.FailedPrecondition, ReasonNoKey, "team %s has no such key in use", team)
}
