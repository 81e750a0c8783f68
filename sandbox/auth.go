package sandbox

import (
	"crypto/ecdsa"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Audiences of tokens, as Apple names them.
const (
	audience           = "appstoreconnect-v1"
	enterpriseAudience = "apple-developer-enterprise-v1"
)

// maxTokenLife is how far ahead a token may expire.
const maxTokenLife = 20 * time.Minute

// key is a signing key and what was sent with it.
type key struct {
	public       *ecdsa.PublicKey
	issuer       string // of its team, "" for that of the sandbox
	kind         keyKind
	roles        []string // see forbids
	hour, minute window
}

// keyKind is who a key belongs to.
type keyKind int

const (
	anyKey        keyKind = iota // a token says which
	teamKey                      // has an issuer
	individualKey                // has sub "user", and no issuer
)

// RegisterKey makes the sandbox accept tokens signed by a key, be they a team's
// of the sandbox's own issuer or a single user's.
func (s *Sandbox) RegisterKey(kid string, public *ecdsa.PublicKey) {
	s.register(kid, key{public: public})
}

// RegisterTeamKey makes the sandbox accept tokens of a team signed by a key.
func (s *Sandbox) RegisterTeamKey(kid, issuer string, public *ecdsa.PublicKey) {
	s.register(kid, key{public: public, issuer: issuer, kind: teamKey})
}

// RegisterIndividualKey makes the sandbox accept tokens of a single user signed
// by a key. They do not reach provisioning, sales or finance.
func (s *Sandbox) RegisterIndividualKey(kid string, public *ecdsa.PublicKey) {
	s.register(kid, key{public: public, kind: individualKey})
}

func (s *Sandbox) register(kid string, k key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.keys[kid]; old != nil && old.public != nil && old.public.Equal(k.public) {
		// it is a saved one: its windows go on
		k.hour, k.minute = old.hour, old.minute
	}
	s.keys[kid] = &k
	s.change()
}

func unauthorized() *apiError {
	return &apiError{Status: 401, Code: "NOT_AUTHORIZED", Title: "Authentication credentials are missing or invalid.",
		Detail: "Provide a properly configured and signed bearer token, and make sure that it has not expired. " +
			"Learn more about Generating Tokens for API Requests " +
			"https://developer.apple.com/go/?id=api-generating-tokens"}
}

func forbidden(detail string) *apiError {
	return &apiError{
		Status: 403,
		Code:   "FORBIDDEN_ERROR",
		Title:  "This request is forbidden for security reasons",
		Detail: detail,
	}
}

// authenticate checks the bearer token as Apple does.
func (s *Sandbox) authenticate(r *http.Request) (*key, *apiError) {
	if s.cfg.NoAuth {
		if s.keys[""] == nil {
			s.keys[""] = &key{}
		}
		return s.keys[""], nil
	}
	bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return nil, unauthorized()
	}
	k, claims, err := s.parse(bearer)
	if err != nil {
		return nil, unauthorized()
	}
	individual := claims.Issuer == "" && claims.Subject == "user"
	team := claims.Issuer != "" && claims.Issuer == k.issuer || k.issuer == "" && claims.Issuer == s.cfg.Issuer
	if individual && k.kind == teamKey || !individual && (!team || k.kind == individualKey) {
		return nil, unauthorized()
	}
	if individual && teamOnly(r.URL.Path) {
		return nil, forbidden("Individual keys do not reach this resource.")
	}
	if len(claims.Scope) > 0 &&
		!slices.ContainsFunc(claims.Scope, func(entry string) bool { return allows(entry, r) }) {
		return nil, forbidden("The scope of the token does not hold this request.")
	}
	return k, nil
}

// claims of a token.
type claims struct {
	jwt.RegisteredClaims
	Scope []string `json:"scope"`
}

// parse checks signature, audience and times.
func (s *Sandbox) parse(bearer string) (*key, claims, error) {
	var k *key
	var c claims
	now, aud := s.cfg.Now(), audience
	if s.cfg.Enterprise {
		aud = enterpriseAudience
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithAudience(aud),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithTimeFunc(func() time.Time { return now }))
	_, err := parser.ParseWithClaims(bearer, &c, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		if k = s.keys[kid]; kid == "" || k == nil {
			return nil, errors.New("unknown key")
		}
		return k.public, nil
	})
	if err == nil && c.ExpiresAt.Sub(now) > maxTokenLife {
		err = errors.New("expires too late")
	}
	return k, c, err
}

// teamOnly says whether a path is closed to individual keys: provisioning, sales
// and finance.
func teamOnly(path string) bool {
	parts := strings.SplitN(path, "/", 4)
	if len(parts) < 3 {
		return false
	}
	switch parts[2] {
	case "bundleIds",
		"bundleIdCapabilities",
		"certificates",
		"devices",
		"merchantIds",
		"passTypeIds",
		"profiles",
		"salesReports",
		"financeReports":
		return true
	}
	return false
}

// allows says whether an entry of a token's scope, "GET /v1/apps?limit=1", holds
// a request: the method is the same, the path is that or one below, and the
// parameters are among the request's.
func allows(entry string, r *http.Request) bool {
	method, target, _ := strings.Cut(entry, " ")
	u, err := url.Parse(target)
	if err != nil || method != r.Method || r.URL.Path != u.Path && !strings.HasPrefix(r.URL.Path, u.Path+"/") {
		return false
	}
	sent := r.URL.Query()
	for name, values := range u.Query() {
		if !slices.Equal(sent[name], values) {
			return false
		}
	}
	return true
}
