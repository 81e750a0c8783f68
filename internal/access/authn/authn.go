// Package authn finds out who calls: by client certificate, by a token of a
// configured OIDC issuer, by a static token, or by a token that a tool signed as
// it would for Apple. It is the same for gRPC, REST and the passthrough.
//
// A caller is known only by what it proved. No header but Authorization counts,
// nothing of a refused credential is told to the caller, and no credential is
// logged or kept: of tokens it remembers hashes.
package authn

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	lru "github.com/hashicorp/golang-lru/v2"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// Reasons of refusals.
const (
	ReasonUnauthenticated    = "UNAUTHENTICATED"     // no credential, or one that proves nothing
	ReasonTokenExpired       = "TOKEN_EXPIRED"       // a token that was good
	ReasonCertificateExpired = "CERTIFICATE_EXPIRED" // a certificate that was good when its connection began
	ReasonUnknownIssuer      = "UNKNOWN_ISSUER"      // a token of an issuer that is not configured
	ReasonIssuerUnavailable  = "ISSUER_UNAVAILABLE"  // the issuer's keys cannot be had
)

// Bounds.
const (
	maxTokenBytes = 16 << 10
	verifiedKept  = 10_000 // tokens whose verification is remembered
)

// Config says whom to believe. The zero value believes nobody and asks nobody:
// see [Authenticator.Open].
type Config struct {
	MTLS    *MTLS         `json:"mtls"`
	Issuers []Issuer      `json:"oidc"`
	Tokens  []StaticToken `json:"tokens"`
	Keys    []ToolKey     `json:"keys"`
}

// Open says whether no authentication is configured at all.
func (c Config) Open() bool {
	return c.MTLS == nil && len(c.Issuers) == 0 && len(c.Tokens) == 0 && len(c.Keys) == 0
}

// Deps are what an authenticator needs of others.
type Deps struct {
	Transport http.RoundTripper // to the issuers, in tests; nil: one that is bounded
	Now       func() time.Time  // nil: time.Now
	// Trusts says whether a client certificate is good by the authorities of
	// now, which may be others than when its connection began. It gets what the
	// client sent, its own certificate first, and is asked at each call. nil:
	// the handshake's verdict counts.
	Trusts func(sent []*x509.Certificate) error
}

// Credentials are what a caller brings.
type Credentials struct {
	// Authorization holds all values of the header of this name.
	Authorization []string
	// Certificate is the client's, whose chain TLS has verified; nil: none.
	Certificate *x509.Certificate
	// Sent is all that the client sent in its handshake, Certificate first.
	Sent []*x509.Certificate
}

// FromRequest reads the credentials of an HTTP request.
func FromRequest(r *http.Request) Credentials {
	c := Credentials{Authorization: r.Header.Values("Authorization")}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		c.Certificate, c.Sent = r.TLS.VerifiedChains[0][0], r.TLS.PeerCertificates
	}
	return c
}

// FromPeer reads the credentials of a gRPC call.
func FromPeer(ctx context.Context) Credentials {
	c := Credentials{Authorization: metadata.ValueFromIncomingContext(ctx, "authorization")}
	if p, ok := peer.FromContext(ctx); ok {
		if t, ok := p.AuthInfo.(credentials.TLSInfo); ok && len(t.State.VerifiedChains) > 0 {
			c.Certificate, c.Sent = t.State.VerifiedChains[0][0], t.State.PeerCertificates
		}
	}
	return c
}

// Authenticator finds out who calls. It is safe for concurrent use.
type Authenticator struct {
	deps    Deps
	fetches *fetches
	gate    gate
	current atomic.Pointer[believed]
}

// believed is a configuration in use, with what it remembers.
type believed struct {
	cfg      Config
	issuers  map[string]*issuer // by iss
	tokens   []staticToken
	tools    map[string]toolKey // by kid
	verified *lru.Cache[[sha256.Size]byte, verifiedToken]
}

type verifiedToken struct {
	principal *access.Principal
	expires   time.Time
}

// New makes an authenticator, to be closed.
func New(cfg Config, deps Deps) (*Authenticator, error) {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	a := &Authenticator{deps: deps, fetches: newFetches(), gate: newGate()}
	return a, a.Replace(cfg)
}

// Close ends the requests to issuers that are in flight. No further ones are
// made: tokens whose keys are at hand are still verified.
func (a *Authenticator) Close() { a.fetches.close() }

// Replace puts another configuration in place, unless it is wrong. The keys of
// issuers that stay are kept.
func (a *Authenticator) Replace(cfg Config) error {
	b := &believed{cfg: cfg, issuers: map[string]*issuer{}}
	b.verified, _ = lru.New[[sha256.Size]byte, verifiedToken](verifiedKept) // the size is positive
	var errs []error
	if cfg.MTLS != nil {
		errs = append(errs, cfg.MTLS.check())
	}
	old := a.current.Load()
	names := map[string]bool{}
	for i, c := range cfg.Issuers {
		s, err := newIssuer(c, a.deps, a.fetches)
		if err != nil {
			errs = append(errs, fmt.Errorf("oidc[%d]: %w", i, err))
			continue
		}
		if b.issuers[c.Issuer] != nil || names[c.Name] {
			errs = append(errs, fmt.Errorf("oidc[%d]: the name or the issuer stands twice", i))
		}
		names[c.Name] = true
		if old != nil && old.issuers[c.Issuer] != nil {
			s.keys.adopt(old.issuers[c.Issuer].keys)
		}
		b.issuers[c.Issuer] = s
	}
	tokens, err := readTokens(cfg.Tokens)
	errs = append(errs, err)
	b.tools, err = readToolKeys(cfg.Keys)
	if err = errors.Join(append(errs, err)...); err != nil {
		return err
	}
	b.tokens = tokens
	a.current.Store(b)
	return nil
}

// Open says whether anyone may call without a credential: then every face must
// listen on loopback only.
func (a *Authenticator) Open() bool { return a.current.Load().cfg.Open() }

var anonymous = &access.Principal{ID: access.Anonymous}

// Configured says whether a principal could still prove who it is: of one that is
// known by a static token, a tool's key or an issuer, that this is still
// configured.
func (a *Authenticator) Configured(id string) bool {
	b := a.current.Load()
	scheme, name, _ := strings.Cut(id, ":")
	switch {
	case b.cfg.Open():
		return id == access.Anonymous
	case scheme == "token":
		return slices.ContainsFunc(b.tokens, func(t staticToken) bool { return t.principal.ID == id })
	case scheme == "key":
		return slices.ContainsFunc(b.cfg.Keys, func(k ToolKey) bool { return k.Name == name })
	case scheme == "oidc":
		name, _, _ = strings.Cut(name, ":")
		return slices.ContainsFunc(b.cfg.Issuers, func(c Issuer) bool { return c.Name == name })
	case scheme == "spiffe" || scheme == "dns":
		return b.cfg.MTLS != nil
	}
	return false
}

// Authenticate says who brings these credentials. A token that is brought must
// be good, and names the caller even if there is a certificate too. It waits for
// the keys of an issuer where they are not at hand.
func (a *Authenticator) Authenticate(ctx context.Context, c Credentials) (*access.Principal, error) {
	return a.identify(ctx, c, patient{a.gate})
}

// Known is [Authenticator.Authenticate] as far as it can be answered at once:
// without the network, without a file, and without waiting for anybody. ok says
// whether it could; if not, only Authenticate can tell. Keys of an issuer that
// are not at hand are asked for in the background.
func (a *Authenticator) Known(ctx context.Context, c Credentials) (p *access.Principal, ok bool, err error) {
	p, err = a.identify(ctx, c, hasty{a.gate})
	if errors.Is(err, errNotAtHand) {
		return nil, false, nil
	}
	return p, true, err
}

func (a *Authenticator) identify(ctx context.Context, c Credentials, how lookup) (*access.Principal, error) {
	b := a.current.Load()
	switch {
	case b.cfg.Open():
		return anonymous, nil
	case len(c.Authorization) > 1:
		return nil, refused(errors.New("several Authorization headers"))
	case len(c.Authorization) == 1:
		return a.bearer(ctx, b, c.Authorization[0], how)
	case c.Certificate != nil && b.cfg.MTLS != nil:
		if a.deps.Trusts != nil {
			if err := a.deps.Trusts(c.Sent); err != nil && a.deps.Now().After(c.Certificate.NotAfter) {
				return nil, fault.New(fault.Unauthenticated, ReasonCertificateExpired, "the certificate has expired").WithCause(err)
			} else if err != nil {
				return nil, refused(err)
			}
		}
		return b.cfg.MTLS.principal(c.Certificate)
	}
	return nil, fault.New(
		fault.Unauthenticated,
		ReasonUnauthenticated,
		"the call brings no credential: a client certificate or a bearer token is needed",
	)
}

// bearer verifies a token, or remembers that it has.
func (a *Authenticator) bearer(ctx context.Context, b *believed, header string, how lookup) (*access.Principal, error) {
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" || len(token) > maxTokenBytes ||
		strings.ContainsAny(token, " \t\r\n") {
		return nil, refused(errors.New("no bearer token"))
	}
	sum, now := sha256.Sum256([]byte(token)), a.deps.Now()
	if v, ok := b.verified.Get(sum); ok && now.Before(v.expires) {
		return v.principal, nil
	}
	if strings.HasPrefix(token, tokenPrefix) {
		return b.static(sum, now)
	}
	p, expires, ofTool, err := b.tool(ctx, token, a.deps.Now, how)
	if !ofTool {
		p, expires, err = b.oidc(ctx, token, how)
	}
	if err != nil {
		return nil, err
	}
	b.verified.Add(sum, verifiedToken{p, expires})
	return p, nil
}

// refused is the same to the caller, whatever was wrong.
func refused(cause error) error {
	return fault.New(fault.Unauthenticated, ReasonUnauthenticated, "the credential is not valid here").WithCause(cause)
}
