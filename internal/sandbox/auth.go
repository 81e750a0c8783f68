package sandbox

import (
	"crypto/ecdsa"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// key is a signing key and the requests made with it in the last hour.
type key struct {
	public *ecdsa.PublicKey
	sent   []time.Time
}

// RegisterKey makes the sandbox accept tokens signed by a key.
func (s *Sandbox) RegisterKey(kid string, public *ecdsa.PublicKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[kid] = &key{public: public}
}

func unauthorized(detail string) *apiError {
	return &apiError{Status: 401, Code: "NOT_AUTHORIZED", Title: "Authentication credentials are missing or invalid.", Detail: detail}
}

// maxTokenLife is how far ahead a token may expire.
const maxTokenLife = 20 * time.Minute

// authenticate checks the bearer token as Apple does.
func (s *Sandbox) authenticate(r *http.Request) (*key, *apiError) {
	if s.cfg.NoAuth {
		if s.keys["anonymous"] == nil {
			s.keys["anonymous"] = &key{}
		}
		return s.keys["anonymous"], nil
	}
	bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return nil, unauthorized("Provide a properly configured and signed bearer token")
	}
	var k *key
	now := s.cfg.Now()
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithAudience("appstoreconnect-v1"),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithTimeFunc(func() time.Time { return now }))
	claims := jwt.MapClaims{}
	_, err := parser.ParseWithClaims(bearer, claims, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		if k = s.keys[kid]; k == nil || k.public == nil {
			return nil, fmt.Errorf("unknown key")
		}
		return k.public, nil
	})
	if err != nil {
		return nil, unauthorized("The token is not valid")
	}
	exp, _ := claims.GetExpirationTime()
	iss, _ := claims["iss"].(string)
	sub, _ := claims["sub"].(string)
	individual := sub == "user" && iss == ""
	if exp.Sub(now) > maxTokenLife || iss != s.issuer && !individual {
		return nil, unauthorized("The token lives too long or has another issuer")
	}
	if !inScope(claims["scope"], r) {
		return nil, &apiError{Status: 403, Code: "FORBIDDEN_ERROR", Title: "The token's scope does not allow this request"}
	}
	return k, nil
}

// inScope says whether the token's scope, if it has one, allows the request:
// method and path must be those of an entry.
func inScope(scope any, r *http.Request) bool {
	list, ok := scope.([]any)
	if !ok {
		return true
	}
	for _, v := range list {
		entry, _ := v.(string)
		allowed, _, _ := strings.Cut(entry, "?")
		if allowed == r.Method+" "+r.URL.Path {
			return true
		}
	}
	return false
}

// charge counts a request in the exact sliding hour of its key, and says in the
// header what is left.
func (s *Sandbox) charge(rec *reply, k *key) *apiError {
	now := s.cfg.Now()
	hour := time.Duration(float64(time.Hour) / s.cfg.TimeScale)
	for len(k.sent) > 0 && now.Sub(k.sent[0]) >= hour {
		k.sent = k.sent[1:]
	}
	left := s.cfg.HourLimit - len(k.sent)
	if left <= 0 {
		rec.header.Set("X-Rate-Limit", rateHeader(s.cfg.HourLimit, 0))
		return &apiError{Status: 429, Code: "RATE_LIMIT_EXCEEDED", Title: "The request rate limit has been reached.",
			Detail: "We've received too many requests for this API. Please wait and try again or slow down your request rate."}
	}
	k.sent = append(k.sent, now)
	rec.header.Set("X-Rate-Limit", rateHeader(s.cfg.HourLimit, left-1))
	return nil
}

func rateHeader(limit, left int) string {
	return fmt.Sprintf("user-hour-lim:%d;user-hour-rem:%d;", limit, left)
}
