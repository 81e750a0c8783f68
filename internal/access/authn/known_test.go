package authn

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

func open(t testing.TB, cfg Config, deps Deps) *Authenticator {
	t.Helper()
	a, err := New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

// issued is a token of an issuer, each with another id.
func issued(t testing.TB, issuer, kid string, c *clock, id int) Credentials {
	return bearer(sign(t, jwt.SigningMethodES256, kid, ecKey(), claimsOf(issuer, "g", c.Now().Add(time.Hour), id)))
}

func claimsOf(issuer, audience string, expires time.Time, id int) jwt.MapClaims {
	return jwt.MapClaims{"iss": issuer, "sub": "s", "aud": audience, "exp": expires.Unix(), "jti": id}
}

// of is a configuration of one issuer.
func of(issuer, tokenFile string) Config {
	return Config{Issuers: []Issuer{{Name: "idp", Issuer: issuer, Audiences: []string{"g"}, TokenFile: tokenFile}}}
}

// TestKnownAsksNobody holds what is answered at once. The issuer answers nothing
// until it is let: what waits for it would hang.
func TestKnownAsksNobody(t *testing.T) {
	c, release := newClock(), make(chan struct{})
	var gets atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		gets.Add(1)
		select {
		case <-release:
			_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public("ec", ecKey())}})
		case <-r.Context().Done():
		}
	}))
	defer s.Close()
	static, sum := NewToken()
	_, toolKey, err := NewToolKey("fastlane")
	if err != nil {
		t.Fatal(err)
	}
	cfg := of(s.URL, "")
	cfg.MTLS, cfg.Tokens, cfg.Keys = &MTLS{}, []StaticToken{{Name: "ci", SHA256: sum}}, []ToolKey{toolKey}
	cfg.Issuers[0].JWKSURL = s.URL + "/keys"
	a := open(t, cfg, Deps{Now: c.Now})
	spiffe := Credentials{Certificate: &x509.Certificate{URIs: []*url.URL{uri("spiffe://example.org/x")}}}
	check := func(name string, cred Credentials, wantOK bool, want string) {
		t.Helper()
		who, ok, err := a.Known(t.Context(), cred)
		got := ""
		if who != nil {
			got = who.ID
		} else if err != nil {
			got = fault.As(err).Reason
		}
		if ok != wantOK || got != want {
			t.Errorf("%s: got %v %q (%v), want %v %q", name, ok, got, err, wantOK, want)
		}
	}
	check("a static token", bearer(static), true, "token:ci")
	check("another static token", bearer(static[:len(static)-1]+"!"), true, ReasonUnauthenticated)
	check("a certificate", spiffe, true, "spiffe://example.org/x")
	check("nothing", Credentials{}, true, ReasonUnauthenticated)
	check("no token", bearer("x"), true, ReasonUnauthenticated)
	check("another issuer", issued(t, "https://other.example", "ec", c, 0), true, ReasonUnknownIssuer)
	check("an issuer that was not asked yet", issued(t, s.URL, "ec", c, 1), false, "")
	check("an issuer that is being asked", issued(t, s.URL, "ec", c, 2), false, "")
	close(release)
	first := issued(t, s.URL, "ec", c, 3)
	if _, err := a.Authenticate(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	check("a token that is remembered", first, true, "oidc:idp:s")
	check("a token whose key is at hand", issued(t, s.URL, "ec", c, 4), true, "oidc:idp:s")
	check("a key id that the issuer did not have just now", issued(t, s.URL, "other", c, 5), true, ReasonUnauthenticated)
	c.advance(retryAfter)
	check("a key id that it may have by now", issued(t, s.URL, "other", c, 6), false, "")
	_, err = a.Authenticate(t.Context(), issued(t, s.URL, "other", c, 7))
	if fault.As(err).Reason != ReasonUnauthenticated {
		t.Error(err)
	}
	c.advance(freshFor)
	check("keys to be refreshed", issued(t, s.URL, "ec", c, 8), true, "oidc:idp:s")
	_, _ = a.Authenticate(t.Context(), issued(t, s.URL, "other", c, 8)) // waits for the refresh
	a.Close()
	if n := gets.Load(); n != 3 {
		t.Errorf("the issuer was asked %d times", n)
	}
	check("after the end", issued(t, s.URL, "ec", c, 9), true, "oidc:idp:s")
	c.advance(defaultStale)
	check("after the end, without keys", issued(t, s.URL, "ec", c, 10), true, ReasonIssuerUnavailable)
}

// TestKnownAndAuthenticateAgree holds that both say the same of one credential.
func TestKnownAndAuthenticateAgree(t *testing.T) {
	p, c := newProvider(t), newClock()
	p.set(nil, public("ec", ecKey()))
	a := open(t, of(p.URL, ""), Deps{Now: c.Now})
	if _, err := a.Authenticate(t.Context(), issued(t, p.URL, "ec", c, 0)); err != nil {
		t.Fatal(err)
	}
	past, later := c.Now().Add(-time.Hour), c.Now().Add(time.Hour)
	es256, none := jwt.SigningMethodES256, jwt.SigningMethodNone
	for name, cred := range map[string]Credentials{
		"good":             issued(t, p.URL, "ec", c, 1),
		"expired":          bearer(sign(t, es256, "ec", ecKey(), claimsOf(p.URL, "g", past, 2))),
		"another audience": bearer(sign(t, es256, "ec", ecKey(), claimsOf(p.URL, "x", later, 3))),
		"alg none":         bearer(sign(t, none, "ec", jwt.UnsafeAllowNoneSignatureType, claimsOf(p.URL, "g", later, 4))),
		"garbage":          bearer("a.b.c"),
		"nothing":          {},
	} {
		who, ok, err := a.Known(t.Context(), cred)
		again, err2 := a.Authenticate(t.Context(), cred)
		if !ok || idOf(who) != idOf(again) || fmt.Sprint(err) != fmt.Sprint(err2) {
			t.Errorf("%s: %v %v %v, then %v %v", name, idOf(who), ok, err, idOf(again), err2)
		}
	}
}

func idOf(p *access.Principal) string {
	if p == nil {
		return ""
	}
	return p.ID
}
