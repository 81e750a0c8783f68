package keys

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/big"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// State is where a key stands in its life.
type State string

// The states, in their order.
const (
	// Pending: opened and known to sign, used for no call yet.
	Pending State = "pending"
	// Canary: used for one read in twenty. When Apple refuses it, the call goes
	// on with an active key.
	Canary State = "canary"
	// Active: used.
	Active State = "active"
	// Draining: given to no new call. Calls in flight end with it.
	Draining State = "draining"
	// Retired: not even opened.
	Retired State = "retired"
)

// canaryShare is how many reads come on one that a canary makes.
const canaryShare = 20

// brokenFor is how long a key that Apple refuses is left alone.
const brokenFor = time.Minute

// Audiences of tokens.
const (
	Audience           = "appstoreconnect-v1"
	EnterpriseAudience = "apple-developer-enterprise-v1"
)

// Reasons of refusals.
const (
	ReasonKeyNotAllowed = "KEY_NOT_ALLOWED" // Apple lets no key of the team do this
	ReasonNoKey         = "NO_KEY"          // the team has no key in use
)

// Credential is a key of a team and what its tokens say.
type Credential struct {
	ID       string // Apple's key id
	Key      Key    // nil for a retired key
	Issuer   string // issuer id of a team key; "" for an individual key
	Audience string // default [Audience]
	State    State  // default [Active]
	Roles    []Role // what the key may do; none: everything
	Away     error  // why its custody has not opened it yet; Key is nil then
}

// Observer hears what happens to keys. Its methods must not block.
type Observer interface {
	// Signed tells that a key signed a token, or could not.
	Signed(team, keyID string, err error)
	// Broken tells that Apple refuses a key.
	Broken(team, keyID string)
}

// Ring chooses among the keys of teams and keeps their tokens. It implements
// [asc.TokenSource] and is safe for concurrent use.
type Ring struct {
	now      func() time.Time
	begun    time.Time // all instants that are compared count from here: a step of the clock moves none
	log      *slog.Logger
	observer Observer
	skew     skew

	current atomic.Pointer[map[string]*team]
	names   atomic.Pointer[[]string] // of the teams, sorted
	replace sync.Mutex

	ctx    context.Context // of signing in the background
	stop   context.CancelFunc
	signer sync.WaitGroup
}

// team is the keys of one team, as they were configured together.
type team struct {
	members  []*member // all, as configured
	order    []*member // those to choose among, the narrowest roles first
	canaries []*member
	able     map[kind][]asc.Candidate // of order, by what they may do
	refused  atomic.Int64             // until when one of them may be broken, as Ring.since counts
	reads    atomic.Uint64
}

// member is a key with its place in a team. The source outlives a change of it.
type member struct {
	*source
	state State
	roles []Role
	width int   // of the roles
	away  error // nil: it has been opened
}

// NewRing makes a ring. The observer may be nil. [Ring.Close] ends it.
func NewRing(teams map[string][]Credential, now func() time.Time, log *slog.Logger, observer Observer) *Ring {
	r := &Ring{now: now, begun: now(), log: log, observer: observer}
	r.ctx, r.stop = context.WithCancel(context.Background())
	r.current.Store(&map[string]*team{})
	r.Replace(teams)
	return r
}

// Close waits for signatures in the background.
func (r *Ring) Close() {
	r.stop()
	r.signer.Wait()
}

// Replace puts other keys in place. Keys that stay keep their tokens, and calls
// in flight keep theirs.
func (r *Ring) Replace(teams map[string][]Credential) {
	r.replace.Lock()
	defer r.replace.Unlock()
	old := *r.current.Load()
	next := make(map[string]*team, len(teams))
	for name, list := range teams {
		t := &team{}
		for _, c := range list {
			if c.Audience == "" {
				c.Audience = Audience
			}
			if c.State == "" {
				c.State = Active
			}
			s := newSource(r, name, c)
			if was := old[name]; was != nil {
				s.adopt(was.members)
				t.suspect(s.broken.Load())
			}
			t.members = append(
				t.members,
				&member{source: s, state: c.State, roles: c.Roles, width: width(c.Roles), away: c.Away},
			)
		}
		t.arrange()
		next[name] = t
	}
	names := slices.Sorted(maps.Keys(next))
	r.names.Store(&names)
	r.current.Store(&next)
}

// arrange sorts the keys that may be chosen: active ones, else canaries, else
// draining ones, so that a team is never without a key that it has. One that has
// not been opened yet is not among them.
func (t *team) arrange() {
	in := func(s State) (list []*member) {
		for _, m := range t.members {
			if m.state == s && m.away == nil {
				list = append(list, m)
			}
		}
		return list
	}
	t.order, t.canaries = in(Active), in(Canary)
	if len(t.order) == 0 {
		t.order, t.canaries = t.canaries, nil
	}
	if len(t.order) == 0 {
		t.order = in(Draining)
	}
	slices.SortStableFunc(t.order, func(a, b *member) int { return cmp.Compare(a.width, b.width) })
	t.able = map[kind][]asc.Candidate{}
	for k := range mayDo {
		for _, m := range t.order {
			if m.may(k) {
				t.able[k] = append(t.able[k], asc.Candidate{KeyID: m.ID(), Rank: m.width})
			}
		}
	}
}

// Candidates implements [asc.TokenSource]: those with the narrowest roles first.
// Now and then a canary comes before them.
func (r *Ring) Candidates(need asc.Need) ([]asc.Candidate, error) {
	t := (*r.current.Load())[need.Team]
	if t == nil {
		return nil, fault.New(fault.InvalidArgument, fault.ReasonUnknownTeam, "there is no such team")
	}
	k := kindOf(need.Template)
	able := t.able[k]
	now := r.since(r.now())
	if m := t.canary(need.Method); m != nil && m.may(k) && !slices.Contains(need.Avoid, m.ID()) && m.broken.Load() == 0 {
		able = append([]asc.Candidate{{KeyID: m.ID(), Rank: -1}}, able...)
	}
	if t.refused.Load() > now || len(need.Avoid) > 0 {
		able = slices.DeleteFunc(slices.Clone(able), func(c asc.Candidate) bool {
			return slices.Contains(need.Avoid, c.KeyID) || t.member(c.KeyID).broken.Load() > now
		})
	}
	if len(able) == 0 {
		return nil, t.none(need, k, now)
	}
	return able, nil
}

// Token implements [asc.TokenSource]. A cached token costs neither an allocation
// nor a lock. A key that Apple refused is probed by one call a minute.
func (r *Ring) Token(ctx context.Context, teamName, keyID string) (asc.Token, error) {
	t := (*r.current.Load())[teamName]
	if t == nil {
		return asc.Token{}, fault.New(fault.InvalidArgument, fault.ReasonUnknownTeam, "there is no such team")
	}
	m, now := t.member(keyID), r.now()
	switch {
	case m != nil && m.away != nil:
		return asc.Token{}, m.unopened()
	case m == nil || m.key == nil:
		return asc.Token{}, fault.New(fault.FailedPrecondition, ReasonNoKey, "key %s is no longer configured", keyID)
	case !m.usable(now, true):
		return asc.Token{}, refusedKey(teamName, m.broken.Load()-r.since(now))
	}
	t.suspect(m.broken.Load())
	return m.token(ctx, now)
}

// suspect remembers that a member may be broken until then.
func (t *team) suspect(until int64) {
	for {
		known := t.refused.Load()
		if until <= known || t.refused.CompareAndSwap(known, until) {
			return
		}
	}
}

// member finds a key, nil if it is not there.
func (t *team) member(id string) *member {
	for _, m := range t.members {
		if m.id == id {
			return m
		}
	}
	return nil
}

// canary is the one whose turn it is, nil for most reads.
func (t *team) canary(method string) *member {
	if len(t.canaries) == 0 || method != http.MethodGet {
		return nil
	}
	n := t.reads.Add(1)
	if n%canaryShare != 0 {
		return nil
	}
	return t.canaries[n/canaryShare%uint64(len(t.canaries))]
}

// none says why there is no key.
func (t *team) none(need asc.Need, k kind, now int64) error {
	away := slices.IndexFunc(t.members, func(m *member) bool { return m.away != nil && m.may(k) && m.state != Pending })
	switch {
	case len(t.able[k]) == 0 && away >= 0:
		return t.members[away].unopened()
	case len(t.order) == 0:
		return fault.New(fault.FailedPrecondition, ReasonNoKey, "team %s has no key in use", need.Team)
	case len(t.able[k]) == 0:
		return fault.New(
			fault.FailedPrecondition,
			ReasonKeyNotAllowed,
			"no key of team %s may do this: individual keys cannot do provisioning, sales and finance, and "+
				"the roles that keys are declared with are kept",
			need.Team,
		)
	}
	soonest := int64(0)
	for _, c := range t.able[k] {
		if until := t.member(c.KeyID).broken.Load(); until > now && (soonest == 0 || until < soonest) {
			soonest = until
		}
	}
	return refusedKey(need.Team, soonest-now)
}

func refusedKey(team string, left int64) error {
	f := fault.New(
		fault.FailedPrecondition,
		fault.ReasonUpstreamCredentials,
		"Apple refuses the gateway's key of team %s: it must be replaced",
		team,
	)
	f.RetryAfter = max(time.Duration(left), time.Second)
	return f
}

// Renew implements [asc.TokenSource].
func (r *Ring) Renew(ctx context.Context, refused asc.Token) (asc.Token, error) {
	if s := r.find(refused); s != nil {
		return s.renew(ctx, refused.Bearer)
	}
	return asc.Token{}, fault.New(fault.FailedPrecondition, ReasonNoKey, "the key is no longer configured")
}

// Report implements [asc.TokenSource].
func (r *Ring) Report(token asc.Token, a asc.Answer) (clockCorrected bool) {
	s := r.find(token)
	if !a.Date.IsZero() {
		clockCorrected = r.skew.sample(a.Date, r.now(), a.Took, a.Status == http.StatusUnauthorized, r.log)
	}
	switch {
	case s == nil:
	case a.Refused:
		s.broken.Store(r.since(r.now().Add(brokenFor)))
		(*r.current.Load())[token.Team].suspect(s.broken.Load())
		r.log.Error("Apple refuses a key", "team", token.Team, "key", token.KeyID, "again_in", brokenFor)
		if r.observer != nil {
			r.observer.Broken(token.Team, token.KeyID)
		}
	case a.Success && s.broken.Load() != 0:
		s.broken.Store(0)
	}
	return clockCorrected
}

// since counts from the ring's beginning, in nanoseconds, never 0.
func (r *Ring) since(t time.Time) int64 { return int64(t.Sub(r.begun)) + 1 }

// Skew is how far Apple's clock is ahead of ours.
func (r *Ring) Skew() time.Duration { return r.skew.get() }

func (r *Ring) find(t asc.Token) *source {
	if team := (*r.current.Load())[t.Team]; team != nil {
		for _, m := range team.members {
			if m.ID() == t.KeyID {
				return m.source
			}
		}
	}
	return nil
}

// Status lists all keys, sorted by team.
func (r *Ring) Status() (list []Status) {
	now := r.now()
	for name, t := range *r.current.Load() {
		for _, m := range t.members {
			s := Status{
				Team:   name,
				ID:     m.ID(),
				State:  m.state,
				Kind:   m.kind(),
				Roles:  m.roles,
				Broken: m.broken.Load() > m.ring.since(now),
			}
			if c := m.current.Load(); c != nil {
				s.Expires = c.expires
			}
			if f := m.failed.Load(); f != nil {
				s.Failing = f.err
			}
			if m.away != nil {
				s.Away, s.Failing = true, m.away
			}
			list = append(list, s)
		}
	}
	slices.SortStableFunc(list, func(a, b Status) int { return cmp.Compare(a.Team, b.Team) })
	return list
}

// Teams lists the names of the teams, sorted. The list must not be changed.
func (r *Ring) Teams() (names []string) {
	if list := r.names.Load(); list != nil {
		names = *list
	}
	return names
}

// SelfTest signs with a key and verifies.
func SelfTest(ctx context.Context, k Key) error {
	_, err := sign(ctx, k, "self-test")
	return err
}

func verify(pub *ecdsa.PublicKey, digest [32]byte, sig [64]byte) bool {
	return ecdsa.Verify(pub, digest[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
}

// ParseState reads a state; "" is [Active].
func ParseState(s string) (State, error) {
	switch st := State(s); st {
	case "":
		return Active, nil
	case Pending, Canary, Active, Draining, Retired:
		return st, nil
	}
	return "", fmt.Errorf("state: want %s, %s, %s, %s or %s", Pending, Canary, Active, Draining, Retired)
}

var errGone = errors.New("keys: the ring is closed")
