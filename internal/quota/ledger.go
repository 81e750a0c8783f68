package quota

import (
	"context"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/asc"
)

// Ledger counts the use of keys and says whose turn it is. There is one for a
// process (package memory) and one for many replicas (package redisledger); both
// keep the contract of package quotatest. No method takes long, whatever the
// context says.
//
// What a ledger promises: a request is charged before it is sent, as though it
// arrived at its deadline; the charge moves back when an answer comes. So what
// is not known counts as used, and is never forgotten early.
type Ledger interface {
	// Admit charges one of the keys for one attempt, or says when to ask again.
	Admit(ctx context.Context, a *Ask) (Answer, error)
	// Settle corrects a charge by what came of the attempt.
	Settle(ctx context.Context, s *Settlement) (Balance, error)
	// Leave tells that a caller asks no more: others need not wait for it.
	Leave(ctx context.Context, a *Ask)
	// States lists the keys of a team, or of all teams that were used here ("").
	States(ctx context.Context, team string) ([]State, error)
	// Budget tells how a caller's budget stands, of so many requests an hour.
	Budget(ctx context.Context, team, caller string, hour int) (Budget, error)
	// Close frees what the ledger holds.
	Close() error
}

// Endpoint is the class of endpoints that share a minute.
type Endpoint struct {
	Verb     string // "GET"
	Resource string // the first resource of the path: "builds"
}

func (e Endpoint) String() string { return e.Verb + " " + e.Resource }

// Ask is the wish to make one attempt.
type Ask struct {
	Team     string
	Keys     []asc.Candidate // one of them will do; lower ranks first, then the most remaining
	Endpoint Endpoint
	Caller   string
	Class    Class
	Weight   int           // the caller's share among those of its class; at least 1
	Hour     int           // the caller's budget: requests for the team within an hour; 0: none
	Attempt  time.Duration // the longest that the attempt may take
}

// Answer to an [Ask].
type Answer struct {
	Admitted bool
	Ticket   Ticket        // of an admitted attempt
	Wait     time.Duration // else: when to ask again
	Each     time.Duration // else: about how much longer each further call of the caller waits
	First    bool          // else: an answer in flight is awaited, which tells how much is left
	Spent    bool          // else: the caller's budget is spent, and Wait tells when it has room
}

// Ticket is an admitted attempt. Times are of the ledger's own clock.
type Ticket struct {
	Team, KeyID string
	Endpoint    Endpoint
	ID          string // the ledger's own
	Sent, Stamp int64  // when it was admitted; as when it is charged
	Limit, Used int    // of the hour, this attempt included
	Caller      string // whose budget is charged; "": nobody's
	Ledger      Ledger // that keeps it
}

// Settlement is what came of an attempt.
type Settlement struct {
	Ticket
	Writes     int // how often it was really written to the network
	Status     int // 0: no answer came
	Limits     Limits
	RetryAfter time.Duration // of a 429; below zero: not told
}

// Balance is how a key's hour stands.
type Balance struct{ Limit, Used int }

// Remaining is how many requests are left.
func (b Balance) Remaining() int { return max(b.Limit-b.Used, 0) }

// Budget is how a caller's budget stands: the requests for a team that count
// against it.
type Budget struct {
	Hour, Spent int
	Room        time.Duration // until it has room; 0: it has
}

// State is the quota of a key.
type State struct {
	Team, KeyID string
	Balance
	Foreign    int // of the used ones, by others, as Apple told
	InFlight   int
	BlockedFor time.Duration // after a 429
	Endpoints  []EndpointState
}

// EndpointState is the minute of a class of endpoints.
type EndpointState struct {
	Endpoint
	Balance                  // Limit 0: not known
	BlockedFor time.Duration // after a 429
}

// Rules are what ledgers go by.
type Rules struct {
	Hour      time.Duration // the span of Apple's hour; an hour, but for tests
	HourLimit int           // until an answer tells; 3600 if 0
	Minutes   map[Endpoint]int
}

// Facts and choices about Apple's windows. Those in time are for a whole hour.
const (
	DefaultHourLimit = 3600
	MinLimit         = 10  // what a header may tell at least
	Agreeing         = 3   // answers that must agree before more is believed to be left
	ReserveShare     = 170 // one in so many is kept for interactive callers: with one in a hundred the others could never use 99 %
	BurstShare       = 180 // one in so many may come at once before pacing begins
	BurstLeast       = 10
	maxAhead         = 2 * time.Minute  // the longest that an attempt counts as under way
	blockLeast       = time.Second      // after a 429
	blockMost        = 2 * time.Minute  // a Retry-After beyond it is not believed
	probeEvery       = 10 * time.Second // between probes of what others have left; after a 429 that tells no time, doubled each time
	probeFirst       = time.Minute      // the first where nothing was left, doubled each time
	probeMost        = 10 * time.Minute
	agingAfter       = time.Minute     // how long a class that waits lets others pass: then one of its calls goes first
	slack            = 5 * time.Second // how late an answer may come, for what has certainly not expired
	// TagLife is how long a caller that stopped asking is still waited for; not
	// scaled, as polling is not.
	TagLife = 3 * time.Second
	// FirstPoll is when to ask again while the first answer is awaited.
	FirstPoll = 100 * time.Millisecond
)

// Settled fills in what is not set.
func (r Rules) Settled() Rules {
	if r.Hour <= 0 {
		r.Hour = time.Hour
	}
	if r.HourLimit <= 0 {
		r.HourLimit = DefaultHourLimit
	}
	return r
}

func (r Rules) scaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) * float64(r.Hour) / float64(time.Hour))
}

// Minute and the others are the constants above, scaled as the hour is.
func (r Rules) Minute() time.Duration     { return r.Hour / 60 }
func (r Rules) MaxAhead() time.Duration   { return r.scaled(maxAhead) }
func (r Rules) BlockLeast() time.Duration { return r.scaled(blockLeast) }
func (r Rules) BlockMost() time.Duration  { return r.scaled(blockMost) }
func (r Rules) ProbeEvery() time.Duration { return r.scaled(probeEvery) }
func (r Rules) ProbeFirst() time.Duration { return r.scaled(probeFirst) }
func (r Rules) ProbeMost() time.Duration  { return r.scaled(probeMost) }
func (r Rules) AgingAfter() time.Duration { return r.scaled(agingAfter) }
func (r Rules) Slack() time.Duration      { return r.scaled(slack) }
