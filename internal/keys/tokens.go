package keys

import (
	"context"
	"crypto/ecdsa"
	"math/big"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/golang-jwt/jwt/v5"
)

// Apple refuses tokens that live longer than 20 minutes by its own clock, or
// were issued in its future: hence less than that, and a minute back.
const (
	lifetime  = 15 * time.Minute
	issueBack = 60 * time.Second
	refreshAt = lifetime * 2 / 3
)

// Audiences of tokens.
const (
	Audience           = "appstoreconnect-v1"
	EnterpriseAudience = "apple-developer-enterprise-v1"
)

// Credential is a key and what its tokens say.
type Credential struct {
	Key      Key
	Issuer   string // issuer id of a team key; "" for an individual key
	Audience string // default [Audience]
}

// Tokens makes and caches the tokens of teams. It is safe for concurrent use.
type Tokens struct {
	teams map[string]*source
	now   func() time.Time
}

// NewTokens makes a token source. Each team has one credential.
func NewTokens(teams map[string]Credential, now func() time.Time) *Tokens {
	t := &Tokens{teams: make(map[string]*source, len(teams)), now: now}
	for name, c := range teams {
		if c.Audience == "" {
			c.Audience = Audience
		}
		t.teams[name] = &source{team: name, credential: c}
	}
	return t
}

// source is one team's cached token.
type source struct {
	team       string
	credential Credential
	current    atomic.Pointer[minted]
	minting    sync.Mutex
}

type minted struct {
	token   asc.Token
	refresh time.Time
	expires time.Time
}

// Token implements [asc.TokenSource]. A cached token costs neither an
// allocation nor a lock.
func (t *Tokens) Token(ctx context.Context, team string) (asc.Token, error) {
	s := t.teams[team]
	if s == nil {
		return asc.Token{}, fault.New(fault.InvalidArgument, fault.ReasonUnknownTeam, "no such team")
	}
	now := t.now()
	if m := s.current.Load(); m != nil && now.Before(m.refresh) {
		return m.token, nil
	}
	return s.mint(ctx, t.now, "")
}

// Renew implements [asc.TokenSource].
func (t *Tokens) Renew(ctx context.Context, refused asc.Token) (asc.Token, error) {
	s := t.teams[refused.Team]
	if s == nil {
		return asc.Token{}, fault.New(fault.InvalidArgument, fault.ReasonUnknownTeam, "no such team")
	}
	return s.mint(ctx, t.now, refused.Bearer)
}

// mint signs one token, however many callers wait for it. While the key cannot
// sign, the token at hand is used until it expires.
func (s *source) mint(ctx context.Context, clock func() time.Time, refused string) (asc.Token, error) {
	m := s.current.Load()
	usable := m != nil && refused == "" && clock().Before(m.expires)
	if !usable {
		s.minting.Lock()
	} else if !s.minting.TryLock() {
		return m.token, nil // someone refreshes it, and it is still good
	}
	defer s.minting.Unlock()
	now := clock()
	m = s.current.Load()
	if m != nil && now.Before(m.refresh) && m.token.Bearer != refused {
		return m.token, nil
	}
	bearer, err := s.sign(ctx, now)
	if err != nil {
		if m != nil && now.Before(m.expires) && m.token.Bearer != refused {
			return m.token, nil
		}
		return asc.Token{}, err
	}
	m = &minted{token: asc.Token{Team: s.team, KeyID: s.credential.Key.ID(), Bearer: bearer},
		refresh: now.Add(refreshAt), expires: now.Add(lifetime - issueBack)}
	s.current.Store(m)
	return m.token, nil
}

func (s *source) sign(ctx context.Context, now time.Time) (string, error) {
	claims := jwt.MapClaims{"iat": now.Add(-issueBack).Unix(), "exp": now.Add(lifetime - issueBack).Unix(), "aud": s.credential.Audience}
	if s.credential.Issuer != "" {
		claims["iss"] = s.credential.Issuer
	} else {
		claims["sub"] = "user"
	}
	token := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	token.Header["kid"] = s.credential.Key.ID()
	text, err := token.SigningString()
	if err != nil {
		return "", err
	}
	sig, err := sign(ctx, s.credential.Key, text)
	if err != nil {
		return "", err
	}
	return text + "." + token.EncodeSegment(sig), nil
}

func verify(pub *ecdsa.PublicKey, digest [32]byte, sig [64]byte) bool {
	return ecdsa.Verify(pub, digest[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
}
