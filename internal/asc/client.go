// Package asc is the client of Apple's App Store Connect API: it sends one
// request with a token, within the quota, as often as the outcome allows, and
// returns the bytes of the answer or a [fault.Error] that holds all Apple said.
//
// It knows HTTP and Apple's error dialect, not protobuf. It must never follow a
// redirect, send a token anywhere but to its base URL, or repeat a write whose
// outcome is not known.
package asc

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// Defaults of [Config].
const (
	DefaultBaseURL          = "https://api.appstoreconnect.apple.com"
	DefaultAttemptTimeout   = 60 * time.Second
	DefaultCallTimeout      = 3 * time.Minute
	DefaultIdleTimeout      = 30 * time.Second
	DefaultFileTimeout      = time.Hour
	DefaultMaxResponseBytes = 16 << 20
	DefaultMaxFileBytes     = 1 << 30
	DefaultMaxAttempts      = 5
	DefaultUserAgent        = "asc-gateway"
)

// MaxURLBytes is the longest URL sent: Apple answers more than 4,096 bytes
// with a 500.
const MaxURLBytes = 4000

// MaxFilterValues is how many values one parameter of a query may have. A URL
// has room for about as many of Apple's ids.
const MaxFilterValues = 200

// Config of a [Client]. The zero value works against Apple.
type Config struct {
	BaseURL string // https, or http on loopback
	Proxy   string // as [CheckProxy] takes it; "": none

	AttemptTimeout time.Duration // of one attempt, headers and body; of a file, headers only
	CallTimeout    time.Duration // of all attempts of a call and the pauses between them; waits for the quota are not in it
	IdleTimeout    time.Duration // how long Apple may send no byte of a body
	FileTimeout    time.Duration // of reading a file's body

	MaxAttempts      int
	MaxResponseBytes int64 // of a JSON answer, after decompression
	MaxFileBytes     int64 // of a file
	UserAgent        string
}

// Deps are what a client needs of others.
type Deps struct {
	Tokens    TokenSource
	Quota     Quota             // nil: unlimited
	Transport http.RoundTripper // nil: a pooled one of its own
	Logger    *slog.Logger      // nil: none
	Tracing   Tracing
}

// TokenSource gives tokens of a team's keys. It caches them: Token is called for
// every attempt.
type TokenSource interface {
	// Candidates lists the keys that may do what is needed, the preferred ones
	// first: at least one. It must not be changed.
	Candidates(need Need) ([]Candidate, error)
	// Token returns a token of a candidate.
	Token(ctx context.Context, team, keyID string) (Token, error)
	// Renew returns another token of the same key than the one given, which
	// Apple refused.
	Renew(ctx context.Context, refused Token) (Token, error)
	// Report tells what came of a token. It says whether a new token of the same
	// key is worth a try, because Apple's clock turned out to be another.
	Report(token Token, a Answer) (clockCorrected bool)
}

// Need is what a token is for.
type Need struct {
	Team             string
	Method, Template string   // "GET", "/v1/builds/{id}"
	Avoid            []string // ids of keys that just failed
}

// Candidate is a key that may do what is needed. Those of a lower rank are used
// up before those of a higher one.
type Candidate struct {
	KeyID string
	Rank  int
}

// Answer is what Apple made of a token.
type Answer struct {
	Date    time.Time     // of the answer, by Apple's clock; zero: not told
	Took    time.Duration // from the request to the answer's header
	Success bool          // the token was taken
	Status  int           // of the answer, 0: none
	Refused bool          // for good: the same token twice and a fresh one, or a key that never worked
}

// Token is a bearer token. It never prints itself.
type Token struct {
	Team, KeyID string
	Bearer      string
}

// String hides the token.
func (Token) String() string { return "[redacted]" }

// GoString hides the token.
func (Token) GoString() string { return "[redacted]" }

// LogValue hides the token.
func (Token) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// Quota admits attempts, and chooses the key for each. One permit is taken for
// each attempt.
type Quota interface {
	Admit(ctx context.Context, c Charge) (Permit, error)
}

// Charge is what an attempt costs.
type Charge struct {
	Team             string
	Keys             []Candidate // one of them is charged
	Method, Template string
	Front            bool // goes before the caller's other calls: Apple has refused it once
}

// Permit is an admitted attempt.
type Permit interface {
	// KeyID is the key that was charged.
	KeyID() string
	// Done tells how the attempt ended: how often the request was really written
	// (net/http may repeat a GET by itself, and each costs), and what Apple
	// answered; status is 0 and header nil when it did not.
	Done(writes int, status int, header http.Header)
}

// Call is one request to Apple.
type Call struct {
	Team      string
	Operation string // Apple's operation id, for the log
	Method    string
	Template  string // "/v1/builds/{id}"
	Path      string // escaped, with its ids
	Query     string // encoded, without the question mark
	Body      []byte // a JSON:API document, nil: none
	Accept    string // default application/json

	// Spent is shared by calls that must not take longer together than one of
	// them may; nil: the call is bounded by itself.
	Spent *Spent

	file bool // the answer is read by the caller, at its own pace
	raw  bool // an error of Apple's is an answer like any other
}

// Response is a successful answer.
type Response struct {
	Status   int
	Header   http.Header
	Body     []byte
	Attempts int
}

// RequestID is Apple's name for the request, "" if it gave none.
func (r *Response) RequestID() string { return requestID(r.Header) }

// Client sends requests to Apple. It is safe for concurrent use.
type Client struct {
	cfg    Config
	base   *url.URL
	deps   Deps
	send   http.RoundTripper // follows no redirects
	own    *http.Transport   // nil when the transport was given
	proven provenKeys

	ctx    context.Context // of probes
	stop   context.CancelFunc
	probes sync.WaitGroup
}

// New makes a client.
func New(cfg Config, deps Deps) (*Client, error) {
	setDefaults(&cfg)
	base, err := CheckBaseURL(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	if deps.Tokens == nil {
		return nil, errors.New("asc: no token source")
	}
	if deps.Quota == nil {
		deps.Quota = &unlimited{}
	}
	if deps.Logger == nil {
		deps.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Client{cfg: cfg, base: base, deps: deps}
	if deps.Transport == nil {
		if c.own, err = newTransport(cfg); err != nil {
			return nil, err
		}
		deps.Transport = c.own
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	c.send = tracedTransport(deps.Transport, deps.Tracing)
	return c, nil
}

// Close ends probes and frees idle connections.
func (c *Client) Close() {
	c.stop()
	c.probes.Wait()
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
}

func setDefaults(cfg *Config) {
	setDefault(&cfg.BaseURL, DefaultBaseURL)
	setDefault(&cfg.AttemptTimeout, DefaultAttemptTimeout)
	setDefault(&cfg.CallTimeout, DefaultCallTimeout)
	setDefault(&cfg.IdleTimeout, DefaultIdleTimeout)
	setDefault(&cfg.FileTimeout, DefaultFileTimeout)
	setDefault(&cfg.MaxAttempts, DefaultMaxAttempts)
	setDefault(&cfg.MaxResponseBytes, DefaultMaxResponseBytes)
	setDefault(&cfg.MaxFileBytes, DefaultMaxFileBytes)
	setDefault(&cfg.UserAgent, DefaultUserAgent)
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// unlimited admits everything, and takes the preferred keys in turn.
type unlimited struct{ turn atomic.Uint64 }

// Admit implements [Quota].
func (u *unlimited) Admit(_ context.Context, c Charge) (Permit, error) {
	n := 1
	for n < len(c.Keys) && c.Keys[n].Rank == c.Keys[0].Rank {
		n++
	}
	return free(c.Keys[u.turn.Add(1)%uint64(n)].KeyID), nil
}

// free is a permit that nobody counts.
type free string

// KeyID implements [Permit].
func (f free) KeyID() string { return string(f) }

// Done implements [Permit].
func (free) Done(int, int, http.Header) {}

// Do sends a call and reads its answer, which is JSON; that of a write may be empty.
func (c *Client) Do(ctx context.Context, call *Call) (*Response, error) {
	var out *Response
	attempts, err := c.retry(ctx, call, func(res *http.Response) error {
		body, left, err := readBounded(res, c.cfg.MaxResponseBytes)
		if err == nil && left != "" {
			err = unreadable(left)
		}
		if err != nil {
			return err
		}
		if err := checkJSON(res, body); err != nil {
			return err
		}
		out = &Response{Status: res.StatusCode, Header: res.Header, Body: body}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out.Attempts = attempts
	return out, nil
}

// jitter spreads waits evenly between nothing and d.
func jitter(d time.Duration) time.Duration { return rand.N(d + 1) }

// wait sleeps, unless the caller's deadline comes first: then there is no use
// in beginning.
func wait(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// tooLong is the fault of a URL that Apple would answer with 500.
func tooLong(n int) error {
	return fault.New(fault.InvalidArgument, fault.ReasonURLTooLong,
		"the request needs a URL of %d bytes; Apple takes at most %d: ask for less at once", n, MaxURLBytes)
}
