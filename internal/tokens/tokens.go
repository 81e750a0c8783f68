// Package tokens gives out Apple's tokens to callers that must talk to Apple
// themselves: ascgateway.tokens.v1.TokenService.
//
// It is off by default. A token stands on record, by its hash, before anyone
// gets it; it is never logged.
package tokens

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	tokensv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/tokens/v1"
	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Reasons of refusals.
const (
	ReasonDisabled = "TOKENS_DISABLED"
	ReasonTooMany  = "TOO_MANY_TOKENS"
)

// Bounds.
const (
	DefaultLifetime = 10 * time.Minute
	MaxLifetime     = 15 * time.Minute
	minLifetime     = 10 * time.Second
	maxScope        = 20
	maxScopeBytes   = 1024
	perMinute       = 10 // tokens of one caller
	callersKept     = 10_000
)

// Config of the service.
type Config struct {
	Enabled     bool
	MaxLifetime time.Duration // [DefaultLifetime] if 0, at most [MaxLifetime]
}

// Minter makes tokens: *keys.Ring has it.
type Minter interface {
	Mint(ctx context.Context, team, keyID string, scope []string, life time.Duration) (*keys.Minted, error)
}

// Grant is a token that is about to be given out.
type Grant struct {
	Team, KeyID, SHA256 string
	Scope               []string
	Expires             time.Time
}

// Recorder puts grants on record. If it cannot, nobody gets the token.
type Recorder func(ctx context.Context, g Grant) error

// Service implements ascgateway.tokens.v1.TokenService.
type Service struct {
	tokensv1.UnimplementedTokenServiceServer
	minter Minter
	record Recorder
	team   func(context.Context) string

	mu       sync.Mutex
	cfg      Config
	limiters *lru.Cache[string, *rate.Limiter]
}

// New makes the service. team tells the team of an admitted call.
func New(cfg Config, minter Minter, record Recorder, team func(context.Context) string) *Service {
	s := &Service{minter: minter, record: record, team: team}
	s.limiters, _ = lru.New[string, *rate.Limiter](callersKept) // the size is positive
	s.Configure(cfg)
	return s
}

// Configure puts another configuration in place.
func (s *Service) Configure(cfg Config) {
	if cfg.MaxLifetime <= 0 {
		cfg.MaxLifetime = DefaultLifetime
	}
	cfg.MaxLifetime = min(cfg.MaxLifetime, MaxLifetime)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg = cfg
}

// MintToken implements the RPC.
func (s *Service) MintToken(ctx context.Context, req *tokensv1.MintTokenRequest) (*tokensv1.MintTokenResponse, error) {
	s.mu.Lock()
	cfg := s.cfg
	s.mu.Unlock()
	if !cfg.Enabled {
		return nil, fault.New(fault.FailedPrecondition, ReasonDisabled, "the gateway gives out no tokens: tokens.enabled is not set")
	}
	life := cfg.MaxLifetime
	if d := req.GetLifetime(); d != nil {
		if life = d.AsDuration(); life < minLifetime || life > cfg.MaxLifetime {
			return nil, fault.Invalid("lifetime", "must be from %v to %v", minLifetime, cfg.MaxLifetime)
		}
	}
	if len(req.GetScope()) > maxScope {
		return nil, fault.Invalid("scope", "has at most %d requests", maxScope)
	}
	for _, text := range req.GetScope() {
		if what := checkScope(text); what != "" {
			return nil, fault.Invalid("scope", "%s", what)
		}
	}
	if !s.allow(access.FromContext(ctx)) {
		f := fault.New(fault.ResourceExhausted, ReasonTooMany, "at most %d tokens a minute", perMinute)
		f.RetryAfter = time.Minute / perMinute
		return nil, f
	}
	m, err := s.minter.Mint(ctx, s.team(ctx), req.GetKeyId(), req.GetScope(), life)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(m.Bearer))
	if err := s.record(ctx, Grant{Team: m.Team, KeyID: m.KeyID, SHA256: hex.EncodeToString(sum[:]), Scope: m.Scope, Expires: m.Expires}); err != nil {
		return nil, err
	}
	return &tokensv1.MintTokenResponse{Token: m.Bearer, KeyId: m.KeyID, IssueTime: timestamppb.New(m.Issued), ExpireTime: timestamppb.New(m.Expires), Scope: m.Scope}, nil
}

func (s *Service) allow(who *access.Principal) bool {
	id := ""
	if who != nil {
		id = who.ID
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.limiters.Get(id)
	if !ok {
		l = rate.NewLimiter(rate.Every(time.Minute/perMinute), perMinute)
		s.limiters.Add(id, l)
	}
	return l.Allow()
}

// checkScope says what is wrong with "GET /v1/apps?filter[platform]=IOS".
func checkScope(s string) string {
	method, target, ok := strings.Cut(s, " ")
	if !ok || !slices.Contains([]string{"GET", "POST", "PATCH", "DELETE"}, method) {
		return "wants a method and a path, such as GET /v1/apps"
	}
	u, err := url.Parse(target)
	if err != nil || len(s) > maxScopeBytes || u.Scheme != "" || u.Host != "" || u.Fragment != "" ||
		!strings.HasPrefix(u.Path, "/v") || strings.Contains(u.Path, "..") || strings.ContainsAny(target, " \t\r\n") {
		return "wants a path of Apple's API, such as /v1/apps?filter[platform]=IOS"
	}
	return ""
}
