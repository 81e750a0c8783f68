package authn

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/fifotest"
	"github.com/asc-gateway/asc-gateway/internal/files"
	"github.com/go-jose/go-jose/v4"
)

// TestAFloodOfUnknownKeyIDs holds that the issuer is asked once in 30 s, however
// many tokens name keys that it does not have.
func TestAFloodOfUnknownKeyIDs(t *testing.T) {
	p, c := newProvider(t), newClock()
	p.set(nil, public("ec", ecKey()))
	a := open(t, of(p.URL, ""), Deps{Now: c.Now})
	const rounds, callers, each = 10, 20, 50
	calls := 0
	for round := range rounds {
		var all sync.WaitGroup
		for caller := range callers {
			all.Go(func() {
				for i := range each {
					body := fmt.Sprintf(`{"iss": %q, "jti": "%d.%d.%d"}`, p.URL, round, caller, i)
					cred := bearer("eyJhbGciOiJFUzI1NiIsImtpZCI6IngifQ." + payload(body) + ".AAAA")
					if i%2 == 0 {
						_, _, _ = a.Known(t.Context(), cred)
					}
					if _, err := a.Authenticate(t.Context(), cred); err == nil {
						t.Error("believed")
					}
				}
			})
		}
		all.Wait()
		calls += callers * each
		if err := a.Replace(of(p.URL, "")); err != nil { // a reload asks no earlier
			t.Fatal(err)
		}
		c.advance(retryAfter / 2)
	}
	t.Logf("%d tokens in %v of the clock: the issuer was asked %d times", calls, rounds*retryAfter/2, p.gets.Load())
	if n := p.gets.Load(); n > rounds/2 {
		t.Errorf("the issuer was asked %d times", n)
	}
}

func payload(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// TestAFloodOfBadSignatures holds that tokens that do not verify take half of the
// processors at most, and that callers who are known wait for none of them.
func TestAFloodOfBadSignatures(t *testing.T) {
	p, c := newProvider(t), newClock()
	p.set(nil, public("rsa", rsaKey()), public("ec", ecKey()))
	static, sum := NewToken()
	cfg := of(p.URL, "")
	cfg.Tokens = []StaticToken{{Name: "ci", SHA256: sum}}
	a := open(t, cfg, Deps{Now: c.Now})
	remembered := issued(t, p.URL, "ec", c, 0)
	if _, err := a.Authenticate(t.Context(), remembered); err != nil {
		t.Fatal(err)
	}
	if got, want := cap(a.gate), max(1, runtime.GOMAXPROCS(0)/2); got != want {
		t.Fatalf("%d signatures at once, want %d", got, want)
	}
	good := issued(t, p.URL, "ec", c, 1).Authorization[0]
	bad := Credentials{Authorization: []string{good[:len(good)-8] + "AAAAAAAA"}}
	stop, done := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer done()
	var refusals atomic.Int64
	var flood sync.WaitGroup
	for range 50 {
		flood.Go(func() {
			for stop.Err() == nil {
				if _, err := a.Authenticate(stop, bad); err != nil {
					refusals.Add(1)
				}
			}
		})
	}
	var took []time.Duration
	full := 0
	for stop.Err() == nil {
		for _, cred := range []Credentials{bearer(static), remembered} {
			begun := time.Now()
			if _, ok, err := a.Known(t.Context(), cred); err != nil || !ok {
				t.Fatal(ok, err)
			}
			took = append(took, time.Since(begun))
			if len(a.gate) == cap(a.gate) {
				full++
			}
		}
	}
	flood.Wait()
	if full < len(took)/2 {
		t.Errorf("signatures pass the gate in %d of %d looks: they are verified outside of it", full, len(took))
	}
	slices.Sort(took)
	t.Logf("%d refusals in 0.5 s by 50 callers; %d lookups of known callers meanwhile, p50 %v p99 %v",
		refusals.Load(), len(took), took[len(took)/2], took[len(took)*99/100])

	// Held by others, the gate holds no caller that is known, and nobody for ever.
	for range cap(a.gate) {
		a.gate <- struct{}{}
	}
	for _, cred := range []Credentials{bearer(static), remembered} {
		if _, err := a.Authenticate(t.Context(), cred); err != nil {
			t.Error(err)
		}
	}
	fresh := issued(t, p.URL, "ec", c, 2)
	if _, ok, _ := a.Known(t.Context(), fresh); ok {
		t.Error("it does not wait for its turn")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := a.Authenticate(ctx, fresh); fault.As(err).Reason != ReasonIssuerUnavailable {
		t.Errorf("got %v", err)
	}
	for range cap(a.gate) {
		a.gate.leave()
	}
	if _, err := a.Authenticate(t.Context(), fresh); err != nil {
		t.Error(err)
	}
}

// TestCloseEndsFetches holds that an issuer that hangs outlives nothing.
func TestCloseEndsFetches(t *testing.T) {
	entered := make(chan struct{}, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-r.Context().Done()
	}))
	defer s.Close()
	c := newClock()
	a := open(t, of(s.URL, ""), Deps{Now: c.Now})
	result := make(chan error, 1)
	go func() {
		_, err := a.Authenticate(t.Context(), issued(t, s.URL, "ec", c, 0))
		result <- err
	}()
	<-entered
	begun := time.Now()
	a.Close()
	if took := time.Since(begun); took > 2*time.Second {
		t.Errorf("the end took %v", took)
	}
	if err := <-result; fault.As(err).Reason != ReasonIssuerUnavailable {
		t.Errorf("got %v", err)
	}
	a.Close() // again
}

// thiefOf is another host, which counts the tokens that reach it.
func thiefOf(t *testing.T, token string) (*httptest.Server, *atomic.Int32) {
	var stolen atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(fmt.Sprint(r.Header, r.URL), token) {
			stolen.Add(1)
		}
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public("ec", ecKey())}})
	}))
	t.Cleanup(s.Close)
	return s, &stolen
}

// TestTheTokenForAnIssuerStaysThere holds that neither a redirect nor a discovery
// document takes token_file's token to another host.
func TestTheTokenForAnIssuerStaysThere(t *testing.T) {
	const token = "service-account-token-0123456789"
	name := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(name, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	thief, stolen := thiefOf(t, token)
	for _, x := range []struct {
		name    string
		serve   func(s *httptest.Server, w http.ResponseWriter, r *http.Request)
		jwksURL bool
		want    string // reason
	}{
		{"its own keys", func(s *httptest.Server, w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer "+token {
				t.Errorf("the issuer gets %q", r.Header.Get("Authorization"))
			}
			if r.URL.Path == discoveryPath {
				fmt.Fprintf(w, `{"issuer": %q, "jwks_uri": "%s/keys"}`, s.URL, s.URL)
				return
			}
			_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public("ec", ecKey())}})
		}, false, ""},
		{"keys of another host, which wants no token", func(s *httptest.Server, w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"issuer": %q, "jwks_uri": "%s/keys"}`, s.URL, thief.URL)
		}, false, ""},
		{"a redirect", func(_ *httptest.Server, w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, thief.URL, http.StatusTemporaryRedirect)
		}, false, ReasonIssuerUnavailable},
		{"a redirect of jwks_url", func(_ *httptest.Server, w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, thief.URL, http.StatusPermanentRedirect)
		}, true, ReasonIssuerUnavailable},
	} {
		t.Run(x.name, func(t *testing.T) {
			var s *httptest.Server
			s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { x.serve(s, w, r) }))
			defer s.Close()
			c, cfg := newClock(), Issuer{Name: "k8s", Issuer: s.URL, Audiences: []string{"g"}, TokenFile: name}
			if x.jwksURL {
				cfg.JWKSURL = s.URL + "/keys"
			}
			a := open(t, Config{Issuers: []Issuer{cfg}}, Deps{Now: c.Now})
			_, err := a.Authenticate(t.Context(), issued(t, s.URL, "ec", c, 0))
			if x.want == "" && err != nil || x.want != "" && fault.As(err).Reason != x.want {
				t.Errorf("got %v", err)
			}
		})
	}
	if n := stolen.Load(); n != 0 {
		t.Errorf("the token reached another host %d times", n)
	}
}

// TestErrorsOfIssuersTellNoSecret lets the issuer send the token back.
func TestErrorsOfIssuersTellNoSecret(t *testing.T) {
	const token = "service-account-token-0123456789"
	name := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(name, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, serve := range map[string]func(s *httptest.Server, w http.ResponseWriter){
		"a status line": func(_ *httptest.Server, w http.ResponseWriter) {
			if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
				fmt.Fprintf(c, "%s %s\r\n\r\n", token, token)
				_ = c.Close()
			}
		},
		"jwks_uri": func(s *httptest.Server, w http.ResponseWriter) {
			fmt.Fprintf(w, `{"issuer": %q, "jwks_uri": "%s/%s"}`, s.URL, s.URL, token)
		},
		"no URL": func(s *httptest.Server, w http.ResponseWriter) {
			fmt.Fprintf(w, `{"issuer": %q, "jwks_uri": "::%s"}`, s.URL, token)
		},
		"no host": func(s *httptest.Server, w http.ResponseWriter) {
			fmt.Fprintf(w, `{"issuer": %q, "jwks_uri": "http://127.0.0.1:1/%s"}`, s.URL, token)
		},
		"the issuer": func(_ *httptest.Server, w http.ResponseWriter) { fmt.Fprintf(w, `{"issuer": %q}`, token) },
		"no JSON":    func(_ *httptest.Server, w http.ResponseWriter) { fmt.Fprint(w, token) },
		"a field":    func(_ *httptest.Server, w http.ResponseWriter) { fmt.Fprintf(w, `{"issuer": {%q: 1}}`, token) },
	} {
		var s *httptest.Server
		s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, token) {
				http.Error(w, token, http.StatusTeapot)
				return
			}
			serve(s, w)
		}))
		c := newClock()
		a := open(t, of(s.URL, name), Deps{Now: c.Now})
		_, err := a.Authenticate(t.Context(), issued(t, s.URL, "ec", c, 0))
		s.Close()
		text := fmt.Sprintf("%v %+v %#v", err, err, err)
		for i := 0; i+8 <= len(token); i++ {
			if strings.Contains(text, token[i:i+8]) {
				t.Errorf("%s: %s", what, text)
				break
			}
		}
		if fault.As(err).Reason != ReasonIssuerUnavailable {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestFIFOsAreNotWaitedFor holds it for every file that is configured.
func TestFIFOsAreNotWaitedFor(t *testing.T) {
	name := filepath.Join(t.TempDir(), "fifo")
	fifotest.Make(t, name)
	for what, cfg := range map[string]Config{
		"tokens.file": {Tokens: []StaticToken{{Name: "a", File: name}}},
		"ca_file":     {Issuers: []Issuer{{Name: "a", Issuer: "https://a.example", Audiences: []string{"g"}, CAFile: name}}},
	} {
		if _, err := New(cfg, Deps{}); !errors.Is(err, files.ErrNotRegular) {
			t.Errorf("%s: got %v", what, err)
		}
	}
	p, c := newProvider(t), newClock()
	a := open(t, of(p.URL, name), Deps{Now: c.Now})
	if _, err := a.Authenticate(t.Context(), issued(t, p.URL, "ec", c, 0)); !errors.Is(err, files.ErrNotRegular) {
		t.Errorf("token_file: got %v", err)
	}
}
