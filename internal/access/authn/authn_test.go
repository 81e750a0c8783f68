package authn

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/outbound"
	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// provider is an OIDC issuer.
type provider struct {
	*httptest.Server
	mu   sync.Mutex
	keys []jose.JSONWebKey
	fail func(http.ResponseWriter) // answers instead
	gets atomic.Int32
}

func newProvider(t testing.TB) *provider {
	p := &provider{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.fail != nil {
			p.fail(w)
			return
		}
		switch r.URL.Path {
		case discoveryPath:
			fmt.Fprintf(w, `{"issuer": %q, "jwks_uri": "%s/keys"}`, p.URL, p.URL)
		case "/keys":
			p.gets.Add(1)
			_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: p.keys})
		}
	}))
	t.Cleanup(func() { p.Close(); http.DefaultTransport.(*http.Transport).CloseIdleConnections() })
	return p
}

func (p *provider) set(fail func(http.ResponseWriter), keys ...jose.JSONWebKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fail, p.keys = fail, keys
}

func public(kid string, key crypto.Signer) jose.JSONWebKey {
	return jose.JSONWebKey{Key: key.Public(), KeyID: kid, Use: "sig"}
}

func sign(t testing.TB, method jwt.SigningMethod, kid string, key any, claims jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	if kid != "" {
		token.Header["kid"] = kid
	}
	s, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

type clock struct{ now atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.now.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	return c
}
func (c *clock) Now() time.Time          { return time.Unix(0, c.now.Load()) }
func (c *clock) advance(d time.Duration) { c.now.Add(int64(d)) }

func bearer(token string) Credentials { return Credentials{Authorization: []string{"Bearer " + token}} }

var (
	rsaKey  = sync.OnceValue(func() *rsa.PrivateKey { k, _ := rsa.GenerateKey(rand.Reader, 2048); return k })
	weakKey = sync.OnceValue(func() *rsa.PrivateKey { k, _ := rsa.GenerateKey(rand.Reader, 1024); return k })
	ecKey   = sync.OnceValue(func() *ecdsa.PrivateKey { k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader); return k })
)

func TestTokensOfIssuers(t *testing.T) {
	p, c := newProvider(t), newClock()
	p.set(nil, public("rsa", rsaKey()), public("ec", ecKey()), public("weak", weakKey()))
	a, err := New(Config{Issuers: []Issuer{{Name: "ci", Issuer: p.URL, Audiences: []string{"gateway"}, Preset: "github-actions", Claims: []string{"team"}, Required: map[string]string{"kind": "job", "repository_owner_id": "42"}}}}, Deps{Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	now := c.Now()
	claims := func(change ...any) jwt.MapClaims {
		m := jwt.MapClaims{"iss": p.URL, "sub": "repo:acme/app", "aud": "gateway", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "kind": "job", "repository_owner_id": 42, "repository_id": 123456789012345678, "repository": "acme/app"}
		for i := 0; i < len(change); i += 2 {
			if m[change[i].(string)] = change[i+1]; change[i+1] == nil {
				delete(m, change[i].(string))
			}
		}
		return m
	}
	pub, _ := x509.MarshalPKIXPublicKey(rsaKey().Public())
	spki := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub})
	good := sign(t, jwt.SigningMethodES256, "ec", ecKey(), claims())
	crit := jwt.NewWithClaims(jwt.SigningMethodES256, claims())
	crit.Header["kid"], crit.Header["crit"] = "ec", []string{"b64"}
	critical, _ := crit.SignedString(ecKey())
	for _, x := range []struct{ name, token, want string }{
		{"ES256", good, ""},
		{"RS256", sign(t, jwt.SigningMethodRS256, "rsa", rsaKey(), claims()), ""},
		{"an audience of several", sign(t, jwt.SigningMethodES256, "ec", ecKey(), claims("aud", []string{"other", "gateway"})), ""},
		{"within the leeway", sign(t, jwt.SigningMethodES256, "ec", ecKey(), claims("exp", now.Add(-30*time.Second).Unix())), ""},
		{"expired", sign(t, jwt.SigningMethodES256, "ec", ecKey(), claims("exp", now.Add(-2*time.Minute).Unix())), ReasonTokenExpired},
		{"no expiry", sign(t, jwt.SigningMethodES256, "ec", ecKey(), claims("exp", nil)), ReasonUnauthenticated},
		{"lives too long", sign(t, jwt.SigningMethodES256, "ec", ecKey(), claims("exp", now.Add(48*time.Hour).Unix())), ReasonUnauthenticated},
		{"not yet valid", sign(t, jwt.SigningMethodES256, "ec", ecKey(), claims("nbf", now.Add(2*time.Minute).Unix())), ReasonUnauthenticated},
		{"from the future", sign(t, jwt.SigningMethodES256, "ec", ecKey(), claims("iat", now.Add(2*time.Minute).Unix())), ReasonUnauthenticated},
		{"another audience", sign(t, jwt.SigningMethodES256, "ec", ecKey(), claims("aud", "other")), ReasonUnauthenticated},
		{"no audience", sign(t, jwt.SigningMethodES256, "ec", ecKey(), claims("aud", nil)), ReasonUnauthenticated},
		{"another issuer", sign(t, jwt.SigningMethodES256, "ec", ecKey(), claims("iss", "https://evil.example")), ReasonUnknownIssuer},
		{"no subject", sign(t, jwt.SigningMethodES256, "ec", ecKey(), claims("sub", nil)), ReasonUnauthenticated},
		{"a subject with a line break", sign(t, jwt.SigningMethodES256, "ec", ecKey(), claims("sub", "a\nb")), ReasonUnauthenticated},
		{"a required claim is another", sign(t, jwt.SigningMethodES256, "ec", ecKey(), claims("kind", "x")), ReasonUnauthenticated},
		{"another owner's", sign(t, jwt.SigningMethodES256, "ec", ecKey(), claims("repository_owner_id", 43)), ReasonUnauthenticated},
		{"alg none", sign(t, jwt.SigningMethodNone, "ec", jwt.UnsafeAllowNoneSignatureType, claims()), ReasonUnauthenticated},
		{"HS256 with the public key", sign(t, jwt.SigningMethodHS256, "rsa", spki, claims()), ReasonUnauthenticated},
		{"an algorithm that is not configured", sign(t, jwt.SigningMethodRS512, "rsa", rsaKey(), claims()), ReasonUnauthenticated},
		{"a weak key", sign(t, jwt.SigningMethodRS256, "weak", weakKey(), claims()), ReasonUnauthenticated},
		{"another key's id", sign(t, jwt.SigningMethodRS256, "ec", rsaKey(), claims()), ReasonUnauthenticated},
		{"an unknown key", sign(t, jwt.SigningMethodES256, "who", ecKey(), claims()), ReasonUnauthenticated},
		{"a critical extension", critical, ReasonUnauthenticated},
		{"a changed signature", good[:len(good)-8] + "AAAAAAAA", ReasonUnauthenticated},
		{"oversize", good + strings.Repeat("A", maxTokenBytes), ReasonUnauthenticated},
		{"garbage", "abc", ReasonUnauthenticated}, {"empty", "", ReasonUnauthenticated},
	} {
		t.Run(x.name, func(t *testing.T) {
			for range 2 {
				who, err := a.Authenticate(t.Context(), bearer(x.token))
				if x.want == "" {
					if err != nil || who.ID != "oidc:ci:repo:acme/app" || who.Claims["repository_id"] != "123456789012345678" || who.Claims["repository"] != "" {
						t.Errorf("got %+v, %v", who, err)
					}
					continue
				}
				if f := fault.As(err); f.Reason != x.want || f.Kind != fault.Unauthenticated || len(x.token) > 40 && strings.Contains(err.Error(), x.token) {
					t.Errorf("got %v, want %s", err, x.want)
				}
			}
		})
	}
	if n := p.gets.Load(); n != 1 {
		t.Errorf("the issuer was asked %d times", n)
	}
	c.advance(2 * time.Hour)
	if _, err := a.Authenticate(t.Context(), bearer(good)); fault.As(err).Reason != ReasonTokenExpired {
		t.Errorf("what was verified once stays valid: %v", err)
	}
}

// TestTheIssuerIsAway is the row "JWKS down" of the degradation table.
func TestTheIssuerIsAway(t *testing.T) {
	p, c := newProvider(t), newClock()
	p.set(nil, public("ec", ecKey()))
	a, err := New(Config{Issuers: []Issuer{{Name: "ci", Issuer: p.URL, Audiences: []string{"g"}, JWKSURL: p.URL + "/keys"}}}, Deps{Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	try := func() error {
		n++ // another token each time, so that none is remembered
		_, err := a.Authenticate(t.Context(), bearer(sign(t, jwt.SigningMethodES256, "ec", ecKey(), jwt.MapClaims{"iss": p.URL, "sub": "s", "aud": "g", "exp": c.Now().Add(time.Hour).Unix(), "jti": n})))
		return err
	}
	if err := try(); err != nil {
		t.Fatal(err)
	}
	for name, fail := range map[string]func(http.ResponseWriter){
		"500": func(w http.ResponseWriter) { w.WriteHeader(500) },
		"a redirect": func(w http.ResponseWriter) {
			w.Header().Set("Location", "https://evil.example/keys")
			w.WriteHeader(302)
		},
		"garbage": func(w http.ResponseWriter) { fmt.Fprint(w, "<html>") },
		"too much": func(w http.ResponseWriter) {
			fmt.Fprint(w, `{"keys": ["`+strings.Repeat("x", outbound.MaxBodyBytes)+`"]}`)
		},
		"no keys":       func(w http.ResponseWriter) { fmt.Fprint(w, `{"keys": []}`) },
		"too many keys": func(w http.ResponseWriter) { fmt.Fprint(w, `{"keys": [`+strings.Repeat(`{},`, maxKeys)+`{}]}`) },
	} {
		p.set(fail)
		c.advance(time.Hour)
		for range 3 {
			if err := try(); err != nil {
				t.Errorf("%s: its keys are not served stale: %v", name, err)
			}
		}
	}
	p.set(func(w http.ResponseWriter) { w.WriteHeader(500) })
	c.advance(defaultStale)
	var last error
	for range 3 {
		last = try()
	}
	if f := fault.As(last); f.Reason != ReasonIssuerUnavailable || f.Kind != fault.Unavailable {
		t.Errorf("keys are used for ever: %v", last)
	}
	p.set(nil, public("ec", ecKey()))
	c.advance(retryAfter)
	if err := try(); err != nil {
		t.Errorf("it does not recover: %v", err)
	}
}

func TestKeysRotateAtTheIssuer(t *testing.T) {
	p, c := newProvider(t), newClock()
	old, next := ecKey(), func() *ecdsa.PrivateKey { k, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader); return k }()
	p.set(nil, public("old", old))
	a, err := New(Config{Issuers: []Issuer{{Name: "ci", Issuer: p.URL, Audiences: []string{"g"}}}}, Deps{Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	try := func(kid string, key *ecdsa.PrivateKey) error {
		_, err := a.Authenticate(t.Context(), bearer(sign(t, jwt.SigningMethodES256, kid, key, jwt.MapClaims{"iss": p.URL, "sub": "s", "aud": "g", "exp": c.Now().Add(time.Hour).Unix()})))
		return err
	}
	if err := try("old", old); err != nil {
		t.Fatal(err)
	}
	p.set(nil, public("next", next))
	if err := try("next", next); err == nil {
		t.Error("the issuer is asked as often as a caller likes")
	}
	c.advance(retryAfter)
	if err := try("next", next); err != nil {
		t.Error(err)
	}
	if err := try("old", old); err == nil && p.gets.Load() > 2 {
		t.Error("a key that is gone is believed after its token is forgotten")
	}
}

func TestStaticTokens(t *testing.T) {
	c := newClock()
	token, sum := NewToken()
	late, lateSum := NewToken()
	file := filepath.Join(t.TempDir(), "sub", "token")
	if created, err := FirstToken(file); err != nil || !created {
		t.Fatal(err)
	}
	if created, err := FirstToken(file); err != nil || created {
		t.Errorf("the first token is made twice: %v", err)
	}
	if info, _ := os.Stat(file); info.Mode().Perm() != 0o600 {
		t.Error(info.Mode())
	}
	first, _ := os.ReadFile(file)
	a, err := New(Config{Tokens: []StaticToken{{Name: "ci", SHA256: sum}, {Name: "late", SHA256: lateSum, Expires: "2026-01-01"}, {Name: "first", File: file}}}, Deps{Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{token: "token:ci", late: "token:late", strings.TrimSpace(string(first)): "token:first"} {
		if who, err := a.Authenticate(t.Context(), bearer(text)); err != nil || who.ID != want {
			t.Errorf("%s: %v %v", want, who, err)
		}
	}
	c.advance(24 * time.Hour)
	if _, err := a.Authenticate(t.Context(), bearer(late)); fault.As(err).Reason != ReasonTokenExpired {
		t.Errorf("got %v", err)
	}
	for name, cred := range map[string]Credentials{
		"another token":            bearer(token[:len(token)-1] + "x"),
		"none":                     {},
		"two headers":              {Authorization: []string{"Bearer " + token, "Bearer " + token}},
		"another scheme":           {Authorization: []string{"Basic " + token}},
		"a certificate, no mTLS":   {Certificate: &x509.Certificate{DNSNames: []string{"a.example"}}},
		"no scheme":                {Authorization: []string{token}},
		"two tokens in one header": bearer(token + " " + token),
	} {
		if _, err := a.Authenticate(t.Context(), cred); fault.As(err).Kind != fault.Unauthenticated {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := a.Replace(Config{Tokens: []StaticToken{{Name: "ci", SHA256: "short"}}}); err == nil {
		t.Error("a wrong configuration is taken")
	}
	if _, err := a.Authenticate(t.Context(), bearer(token)); err != nil {
		t.Errorf("the last good configuration is gone: %v", err)
	}
	if err := a.Replace(Config{Tokens: []StaticToken{{Name: "other", SHA256: lateSum}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Authenticate(t.Context(), bearer(token)); err == nil {
		t.Error("a token that was removed is believed")
	}
}

// TestToolKeys holds what tokens of tools are believed.
func TestToolKeys(t *testing.T) {
	c := newClock()
	p8, key, err := NewToolKey("fastlane")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(p8)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	private := parsed.(*ecdsa.PrivateKey)
	a, err := New(Config{Keys: []ToolKey{key}}, Deps{Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	claims := func(life time.Duration, audience any) jwt.MapClaims {
		return jwt.MapClaims{"iss": "any", "iat": c.Now().Unix(), "exp": c.Now().Add(life).Unix(), "aud": audience}
	}
	for _, x := range []struct{ name, token, want string }{
		{"as Apple wants it", sign(t, jwt.SigningMethodES256, key.KeyID, private, claims(20*time.Minute, "appstoreconnect-v1")), ""},
		{"an individual key's", sign(t, jwt.SigningMethodES256, key.KeyID, private, jwt.MapClaims{"sub": "user", "exp": c.Now().Add(time.Minute).Unix(), "aud": "appstoreconnect-v1"}), ""},
		{"another key", sign(t, jwt.SigningMethodES256, key.KeyID, ecKey(), claims(time.Minute, "appstoreconnect-v1")), ReasonUnauthenticated},
		{"another id", sign(t, jwt.SigningMethodES256, "GWOTHER", private, claims(time.Minute, "appstoreconnect-v1")), ReasonUnknownIssuer},
		{"another audience", sign(t, jwt.SigningMethodES256, key.KeyID, private, claims(time.Minute, "other")), ReasonUnauthenticated},
		{"no audience", sign(t, jwt.SigningMethodES256, key.KeyID, private, claims(time.Minute, nil)), ReasonUnauthenticated},
		{"an hour", sign(t, jwt.SigningMethodES256, key.KeyID, private, claims(time.Hour, "appstoreconnect-v1")), ReasonUnauthenticated},
		{"expired", sign(t, jwt.SigningMethodES256, key.KeyID, private, claims(-2*time.Minute, "appstoreconnect-v1")), ReasonTokenExpired},
		{"no expiry", sign(t, jwt.SigningMethodES256, key.KeyID, private, jwt.MapClaims{"iss": "any", "aud": "appstoreconnect-v1"}), ReasonUnauthenticated},
		{"alg none", sign(t, jwt.SigningMethodNone, key.KeyID, jwt.UnsafeAllowNoneSignatureType, claims(time.Minute, "appstoreconnect-v1")), ReasonUnauthenticated},
		{"HS256 with the public key", sign(t, jwt.SigningMethodHS256, key.KeyID, []byte(key.PublicKey), claims(time.Minute, "appstoreconnect-v1")), ReasonUnauthenticated},
	} {
		t.Run(x.name, func(t *testing.T) {
			for range 2 {
				who, err := a.Authenticate(t.Context(), bearer(x.token))
				if x.want == "" && (err != nil || who.ID != "key:fastlane") || x.want != "" && fault.As(err).Reason != x.want {
					t.Errorf("got %v, %v", who, err)
				}
			}
		})
	}
	for name, k := range map[string]ToolKey{"no key": {Name: "a", KeyID: "K", PublicKey: "x"}, "no name": {KeyID: "K", PublicKey: key.PublicKey}} {
		if err := a.Replace(Config{Keys: []ToolKey{k}}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestWithoutConfigurationEveryoneIsAnonymous(t *testing.T) {
	a, err := New(Config{}, Deps{})
	if err != nil || !a.Open() {
		t.Fatal(err)
	}
	for _, c := range []Credentials{{}, bearer("anything")} {
		if who, err := a.Authenticate(t.Context(), c); err != nil || who.ID != access.Anonymous {
			t.Errorf("%v %v", who, err)
		}
	}
}

func uri(s string) *url.URL { u, _ := url.Parse(s); return u }

func TestCertificates(t *testing.T) {
	a, err := New(Config{MTLS: &MTLS{TrustDomains: []string{"example.org"}, DNSNames: []string{"*.ci.example.com"}}}, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		cert x509.Certificate
		want string
	}{
		{"SPIFFE", x509.Certificate{URIs: []*url.URL{uri("spiffe://example.org/ns/ci/sa/x")}}, "spiffe://example.org/ns/ci/sa/x"},
		{"SPIFFE before DNS", x509.Certificate{URIs: []*url.URL{uri("spiffe://example.org/x")}, DNSNames: []string{"a.ci.example.com"}}, "spiffe://example.org/x"},
		{"another trust domain", x509.Certificate{URIs: []*url.URL{uri("spiffe://evil.org/x")}, DNSNames: []string{"a.ci.example.com"}}, ""},
		{"two URIs", x509.Certificate{URIs: []*url.URL{uri("spiffe://example.org/x"), uri("spiffe://example.org/y")}}, ""},
		{"a SPIFFE id with a port", x509.Certificate{URIs: []*url.URL{uri("spiffe://example.org:80/x")}}, ""},
		{"a SPIFFE id with a query", x509.Certificate{URIs: []*url.URL{uri("spiffe://example.org/x?y")}}, ""},
		{"a SPIFFE id with dots", x509.Certificate{URIs: []*url.URL{uri("spiffe://example.org/a/../b")}}, ""},
		{"DNS", x509.Certificate{DNSNames: []string{"other.example", "A.ci.example.com"}}, "dns:a.ci.example.com"},
		{"a deeper DNS name", x509.Certificate{DNSNames: []string{"b.a.ci.example.com"}}, ""},
		{"a wildcard", x509.Certificate{DNSNames: []string{"*.ci.example.com"}}, ""},
		{"nothing", x509.Certificate{}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			who, err := a.Authenticate(t.Context(), Credentials{Certificate: &c.cert})
			if c.want == "" && fault.As(err).Kind != fault.Unauthenticated || c.want != "" && (err != nil || who.ID != c.want) {
				t.Errorf("got %v, %v", who, err)
			}
		})
	}
	if _, err := a.Authenticate(t.Context(), Credentials{Authorization: []string{"Bearer x"}, Certificate: &x509.Certificate{URIs: []*url.URL{uri("spiffe://example.org/x")}}}); err == nil {
		t.Error("a bad token beside a good certificate is ignored")
	}
}

// TestOpenSSLCertificate reads an identity from a certificate that openssl made,
// over a real connection, beside headers that claim another.
func TestOpenSSLCertificate(t *testing.T) {
	dir := t.TempDir()
	sh := func(args ...string) {
		t.Helper()
		cmd := exec.Command("openssl", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("openssl %v: %v\n%s", args, err, out)
		}
	}
	ec := []string{"-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"}
	sh(append([]string{"req", "-x509", "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2"}, ec...)...)
	sh(append([]string{"req", "-x509", "-subj", "/CN=x", "-keyout", "c.key", "-out", "c.pem", "-days", "1", "-CA", "ca.pem", "-CAkey", "ca.key",
		"-addext", "subjectAltName=URI:spiffe://example.org/ns/ci/sa/release", "-addext", "extendedKeyUsage=clientAuth"}, ec...)...)
	pool := x509.NewCertPool()
	ca, _ := os.ReadFile(filepath.Join(dir, "ca.pem"))
	pool.AppendCertsFromPEM(ca)
	a, err := New(Config{MTLS: &MTLS{}}, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	var got atomic.Value
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		who, err := a.Authenticate(r.Context(), FromRequest(r))
		got.Store(fmt.Sprint(who, err))
		if err == nil {
			got.Store(who.ID)
		}
	}))
	s.TLS = &tls.Config{ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool}
	s.StartTLS()
	defer s.Close()
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "c.pem"), filepath.Join(dir, "c.key"))
	if err != nil {
		t.Fatal(err)
	}
	for want, certs := range map[string][]tls.Certificate{"spiffe://example.org/ns/ci/sa/release": {pair}, "brings no credential": nil} {
		client := s.Client()
		client.Transport.(*http.Transport).TLSClientConfig.Certificates = certs
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
		for _, h := range []string{"X-Forwarded-Client-Cert", "X-Spiffe-Id", "Asc-Principal", "Grpc-Metadata-Authorization", "X-Forwarded-Authorization"} {
			req.Header.Set(h, "spiffe://example.org/ns/admin")
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		client.CloseIdleConnections()
		if s, _ := got.Load().(string); !strings.Contains(s, want) {
			t.Errorf("got %s, want %s", s, want)
		}
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	for name, c := range map[string]Config{
		"no audience":       {Issuers: []Issuer{{Name: "a", Issuer: "https://a.example"}}},
		"plain http":        {Issuers: []Issuer{{Name: "a", Issuer: "http://a.example", Audiences: []string{"g"}}}},
		"HS256":             {Issuers: []Issuer{{Name: "a", Issuer: "https://a.example", Audiences: []string{"g"}, Algorithms: []string{"HS256"}}}},
		"a preset":          {Issuers: []Issuer{{Name: "a", Issuer: "https://a.example", Audiences: []string{"g"}, Preset: "x"}}},
		"the same issuer":   {Issuers: []Issuer{{Name: "a", Issuer: "https://a.example", Audiences: []string{"g"}}, {Name: "b", Issuer: "https://a.example", Audiences: []string{"g"}}}},
		"a name":            {Issuers: []Issuer{{Name: "a:b", Issuer: "https://a.example", Audiences: []string{"g"}}}},
		"GitHub, whoever's": {Issuers: []Issuer{{Name: "a", Issuer: gitHub, Audiences: []string{"g"}}}},
		"GitHub, by preset": {Issuers: []Issuer{{Name: "a", Issuer: "https://a.example", Audiences: []string{"g"}, Preset: "github-actions"}}},
		"a trust domain":    {MTLS: &MTLS{TrustDomains: []string{"a b"}}},
		"a token's date":    {Tokens: []StaticToken{{Name: "a", SHA256: strings.Repeat("0", 64), Expires: "soon"}}},
		"a token twice":     {Tokens: []StaticToken{{Name: "a", SHA256: strings.Repeat("0", 64)}, {Name: "a", SHA256: strings.Repeat("1", 64)}}},
	} {
		if _, err := New(c, Deps{}); err == nil {
			t.Errorf("%s: is taken", name)
		}
	}
}

func FuzzAuthorization(f *testing.F) {
	token, sum := NewToken()
	a, err := New(Config{Tokens: []StaticToken{{Name: "a", SHA256: sum}}, Issuers: []Issuer{{Name: "a", Issuer: "https://127.0.0.1:1", Audiences: []string{"g"}}}}, Deps{
		Transport: noTransport{}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("Bearer " + token)
	f.Add("Bearer eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovLzEyNy4wLjAuMToxIn0.AAAA")
	f.Fuzz(func(t *testing.T, header string) {
		_, err := a.Authenticate(context.Background(), Credentials{Authorization: []string{header}})
		if scheme, rest, _ := strings.Cut(header, " "); err == nil && (!strings.EqualFold(scheme, "bearer") || hash(rest) != sum) {
			t.Errorf("%q is believed", header)
		}
	})
}

type noTransport struct{}

func (noTransport) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("away") }

func hash(s string) string { h := sha256.Sum256([]byte(s)); return hex.EncodeToString(h[:]) }

// The goal: a caller that is known costs less than 2 µs.
func BenchmarkVerifiedToken(b *testing.B) {
	p, c := newProvider(b), newClock()
	p.set(nil, public("ec", ecKey()))
	a, err := New(Config{Issuers: []Issuer{{Name: "ci", Issuer: p.URL, Audiences: []string{"g"}}}}, Deps{Now: c.Now})
	if err != nil {
		b.Fatal(err)
	}
	cred := bearer(sign(b, jwt.SigningMethodES256, "ec", ecKey(), jwt.MapClaims{"iss": p.URL, "sub": "s", "aud": "g", "exp": c.Now().Add(time.Hour).Unix()}))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Authenticate(b.Context(), cred); err != nil {
			b.Fatal(err)
		}
	}
}
