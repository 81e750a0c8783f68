package authn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/outbound"
	"github.com/golang-jwt/jwt/v5"
)

// Issuer is an OIDC issuer whose tokens are believed.
type Issuer struct {
	Name       string            `json:"name"`        // in the principal: "oidc:NAME:SUBJECT"
	Issuer     string            `json:"issuer"`      // iss, an https URL
	Audiences  []string          `json:"audiences"`   // a token must be for one of them
	JWKSURL    string            `json:"jwks_url"`    // "": found by OIDC discovery
	Algorithms []string          `json:"algorithms"`  // default RS256, ES256
	Preset     string            `json:"preset"`      // github-actions or kubernetes: which claims to take
	Claims     []string          `json:"claims"`      // further claims that policy may match
	Required   map[string]string `json:"required"`    // claims that must have this value
	CAFile     string            `json:"ca_file"`     // of the issuer's certificate, PEM; "": the system's
	TokenFile  string            `json:"token_file"`  // sent to the issuer's host and to jwks_url, as Kubernetes wants it
	StaleHours int               `json:"stale_hours"` // how long its keys are used while it is away; default 24
	Proxy      string            `json:"proxy"`       // "http://host:port", to reach the issuer; "": none, whatever the environment says
}

// presets are the claims worth matching. Names can be taken over, numbers not.
var presets = map[string][]string{
	"": nil,
	"github-actions": {
		"repository_id",
		"repository_owner_id",
		"repository_visibility",
		"environment",
		"ref",
		"ref_type",
		"event_name",
		"job_workflow_ref",
		"runner_environment",
	},
	"kubernetes": {},
}

// gitHub is the issuer of GitHub Actions, which serves everybody: owners are the
// numeric claims that tell whose a token is.
const gitHub = "https://token.actions.githubusercontent.com"

var owners = []string{"repository_owner_id", "repository_id", "enterprise_id"}

// Time bounds of tokens.
const (
	leeway      = time.Minute
	maxLifetime = 24 * time.Hour
)

// issuer verifies the tokens of one.
type issuer struct {
	cfg    Issuer
	keys   *keySet
	parser *jwt.Parser
	now    func() time.Time
}

var strongAlgorithms = []string{
	"RS256",
	"RS384",
	"RS512",
	"PS256",
	"PS384",
	"PS512",
	"ES256",
	"ES384",
	"ES512",
	"EdDSA",
}

func newIssuer(cfg Issuer, deps Deps, fetches *fetches) (*issuer, error) {
	if len(cfg.Algorithms) == 0 {
		cfg.Algorithms = []string{"RS256", "ES256"}
	}
	var errs []error
	if cfg.Name == "" || strings.ContainsAny(cfg.Name, ":/* ") {
		errs = append(errs, errors.New("name: want one without colons, slashes, stars and spaces"))
	}
	if len(cfg.Audiences) == 0 || slices.Contains(cfg.Audiences, "") {
		errs = append(errs, errors.New("audiences: want at least one: else a token for anyone would do"))
	}
	for _, a := range cfg.Algorithms {
		if !slices.Contains(strongAlgorithms, a) {
			errs = append(errs, fmt.Errorf("algorithms: %q is not supported", a))
		}
	}
	picked, known := presets[cfg.Preset]
	if !known {
		errs = append(errs, fmt.Errorf("preset: want github-actions or kubernetes"))
	}
	cfg.Claims = append(slices.Clone(picked), cfg.Claims...)
	if (cfg.Preset == "github-actions" || cfg.Issuer == gitHub) &&
		!slices.ContainsFunc(owners, func(c string) bool { return cfg.Required[c] != "" }) {
		errs = append(
			errs,
			fmt.Errorf("required: want one of %v: anybody on GitHub can get a token of this issuer, for any audience", owners),
		)
	}
	errs = append(errs, checkURL("issuer", cfg.Issuer))
	if cfg.JWKSURL != "" {
		errs = append(errs, checkURL("jwks_url", cfg.JWKSURL))
	}
	keys, err := newKeySet(cfg, deps, fetches)
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	return &issuer{
		cfg:  cfg,
		keys: keys,
		now:  deps.Now,
		parser: jwt.NewParser(
			jwt.WithValidMethods(cfg.Algorithms),
			jwt.WithIssuer(cfg.Issuer),
			jwt.WithExpirationRequired(),
			jwt.WithIssuedAt(),
			jwt.WithLeeway(leeway),
			jwt.WithTimeFunc(deps.Now),
			jwt.WithJSONNumber(),
		),
	}, nil
}

// checkURL wants https, or http on loopback.
func checkURL(field, s string) error {
	if err := outbound.CheckURL(s); err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	return nil
}

// oidc verifies a token of any of the issuers.
func (b *believed) oidc(ctx context.Context, token string, how lookup) (*access.Principal, time.Time, error) {
	claimed := jwt.MapClaims{}
	t, _, err := jwt.NewParser(jwt.WithJSONNumber()).ParseUnverified(token, claimed)
	if err != nil {
		return nil, time.Time{}, refused(err)
	}
	iss, _ := claimed["iss"].(string)
	s := b.issuers[iss]
	if s == nil {
		return nil, time.Time{}, fault.New(
			fault.Unauthenticated,
			ReasonUnknownIssuer,
			"the token is of no issuer that is believed here",
		)
	}
	kid, _ := t.Header["kid"].(string)
	alg := t.Method.Alg()
	if _, critical := t.Header["crit"]; critical || !slices.Contains(s.cfg.Algorithms, alg) {
		return nil, time.Time{}, refused(errors.New("an algorithm or an extension that is not taken"))
	}
	key, err := how.key(ctx, s.keys, kid, alg)
	if err != nil {
		return nil, time.Time{}, unless(err)
	}
	leave, err := how.verifying(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer leave()
	return s.verify(token, key)
}

// unless is a refusal, unless the error says more.
func unless(err error) error {
	var f *fault.Error
	if errors.As(err, &f) || errors.Is(err, errNotAtHand) {
		return err
	}
	return refused(err)
}

// verify checks signature, times, audience and required claims.
func (s *issuer) verify(token string, key any) (*access.Principal, time.Time, error) {
	claims := jwt.MapClaims{}
	_, err := s.parser.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return key, nil })
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return nil, time.Time{}, fault.New(fault.Unauthenticated, ReasonTokenExpired, "the token has expired")
	case err != nil:
		return nil, time.Time{}, refused(err)
	}
	if err := s.fits(claims); err != nil {
		return nil, time.Time{}, refused(err)
	}
	expires, err := claims.GetExpirationTime()
	if err != nil || expires.After(s.now().Add(maxLifetime+leeway)) {
		return nil, time.Time{}, refused(errors.New("lives too long"))
	}
	p := &access.Principal{ID: "oidc:" + s.cfg.Name + ":" + claims["sub"].(string)} // fits has seen it
	for _, name := range s.cfg.Claims {
		if v, ok := text(claims[name]); ok {
			if p.Claims == nil {
				p.Claims = map[string]string{}
			}
			p.Claims[name] = v
		}
	}
	return p, expires.Time, nil
}

// fits checks audience, subject and required claims.
func (s *issuer) fits(claims jwt.MapClaims) error {
	audience, err := claims.GetAudience()
	if err != nil || !slices.ContainsFunc(audience, func(a string) bool { return slices.Contains(s.cfg.Audiences, a) }) {
		return errors.New("another audience")
	}
	subject, _ := claims["sub"].(string)
	odd := func(r rune) bool { return r <= ' ' || r == 0x7f }
	if subject == "" || len(subject) > 1024 || strings.ContainsFunc(subject, odd) {
		return errors.New("no usable subject")
	}
	for name, want := range s.cfg.Required {
		if have, ok := text(claims[name]); !ok || have != want {
			return fmt.Errorf("claim %s", name)
		}
	}
	return nil
}

// text is a claim that is a string, a number or a boolean.
func text(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, len(v) <= 1024
	case interface{ String() string }: // json.Number
		return v.String(), true
	case bool:
		return fmt.Sprint(v), true
	}
	return "", false
}

func trimmed(b []byte) []byte { return bytes.TrimSpace(b) }
