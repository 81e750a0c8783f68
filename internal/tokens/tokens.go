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

// May says whether the caller of a context may make a request by itself: a verb,
// and a path with its query. Its error is what the caller is told.
type May func(ctx context.Context, team, verb, target string) error

// Service implements ascgateway.tokens.v1.TokenService.
type Service struct {
	tokensv1.UnimplementedTokenServiceServer
	minter Minter
	record Recorder
	team   func(context.Context) string
	may    May

	mu       sync.Mutex
	cfg      Config
	limiters *lru.Cache[string, *rate.Limiter]
}

// New makes the service. team tells the team of an admitted call; may is asked
// for every request of a token's scope.
func New(cfg Config, minter Minter, record Recorder, team func(context.Context) string, may May) *Service {
	s := &Service{minter: minter, record: record, team: team, may: may}
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
		return nil, fault.New(
			fault.FailedPrecondition,
			ReasonDisabled,
			"the gateway gives out no tokens: tokens.enabled is not set",
		)
	}
	life := cfg.MaxLifetime
	if d := req.GetLifetime(); d != nil {
		if life = d.AsDuration(); life < minLifetime || life > cfg.MaxLifetime {
			return nil, fault.Invalid("lifetime", "must be from %v to %v", minLifetime, cfg.MaxLifetime)
		}
	}
	team := s.team(ctx)
	if err := s.checkScope(ctx, team, req.GetScope()); err != nil {
		return nil, err
	}
	if !s.allow(access.FromContext(ctx)) {
		f := fault.New(fault.ResourceExhausted, ReasonTooMany, "at most %d tokens a minute", perMinute)
		f.RetryAfter = time.Minute / perMinute
		return nil, f
	}
	m, err := s.minter.Mint(ctx, team, req.GetKeyId(), req.GetScope(), life)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(m.Bearer))
	grant := Grant{Team: m.Team, KeyID: m.KeyID, SHA256: hex.EncodeToString(sum[:]), Scope: m.Scope, Expires: m.Expires}
	if err := s.record(ctx, grant); err != nil {
		return nil, err
	}
	return &tokensv1.MintTokenResponse{Token: m.Bearer, KeyId: m.KeyID, Scope: m.Scope,
		IssueTime: timestamppb.New(m.Issued), ExpireTime: timestamppb.New(m.Expires)}, nil
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

// checkScope refuses a scope that is empty, that cannot be read in one way only,
// or that holds a request which the caller may not make. Without a scope, a token
// would be good for whatever the key may do.
func (s *Service) checkScope(ctx context.Context, team string, scope []string) error {
	if len(scope) == 0 || len(scope) > maxScope {
		return fault.Invalid("scope", "wants the requests that the token is for, at most %d, such as GET /v1/apps", maxScope)
	}
	for _, text := range scope {
		verb, target, _ := strings.Cut(text, " ")
		if len(text) > maxScopeBytes || !slices.Contains(verbs, verb) || !strings.HasPrefix(target, "/v") {
			return fault.Invalid("scope", "wants a method and a path, such as GET /v1/apps?filter[platform]=IOS")
		}
		if err := s.may(ctx, team, verb, target); err != nil {
			return err
		}
	}
	return nil
}

// verbs of Apple's.
var verbs = []string{"GET", "POST", "PATCH", "DELETE"}
