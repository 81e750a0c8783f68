package vaultkey

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/keys/vaulttest"
)

// between serves a Vault that can be taken over: while it is, the function
// answers instead.
type between struct {
	next    http.Handler
	instead atomic.Pointer[http.HandlerFunc]
	asked   atomic.Int32
}

func (b *between) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.asked.Add(1)
	if f := b.instead.Load(); f != nil {
		(*f)(w, r)
		return
	}
	b.next.ServeHTTP(w, r)
}

func (b *between) take(f http.HandlerFunc) { b.instead.Store(&f) }

// Secrets of the Vault that is taken over.
const (
	rootToken = "root-token-0123456789"
	secretID  = "8d3f0a52-secret-id-77f1"
	podJWT    = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhc2MifQ.c2lnbmF0dXJl"
)

// taken serves a Vault with the key "k", opened.
func taken(t *testing.T, auth string) (*between, *Backend, keys.Key) {
	t.Helper()
	c := &clock{}
	v := vaulttest.New(c.Now, time.Hour)
	v.RootToken, v.SecretID, v.JWT = rootToken, secretID, podJWT
	v.Revoke() // so that it knows its new root token
	v.Put("k", newKey(t))
	h := &between{next: v}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	b, err := New(Config{Address: s.URL, Auth: auths(t, v)[auth]}, c.Now)
	if err != nil {
		t.Fatal(err)
	}
	k, err := b.Open(t.Context(), "K", "vault:k")
	if err != nil {
		t.Fatal(err)
	}
	return h, b, k
}

var methods = []string{MethodToken, MethodAppRole, MethodKubernetes}

func signs(t *testing.T, k keys.Key) error {
	_, err := k.SignDigest(t.Context(), sha256.Sum256([]byte("text")))
	return err
}

// TestNoRedirectCarriesTheToken holds that nothing is sent to where Vault points,
// neither by a request nor by a login.
func TestNoRedirectCarriesTheToken(t *testing.T) {
	var reached atomic.Int32
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { reached.Add(1) }))
	defer thief.Close()
	for _, auth := range methods {
		for _, status := range []int{301, 302, 303, 307, 308} {
			h, b, k := taken(t, auth)
			h.take(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", thief.URL+r.URL.Path)
				w.WriteHeader(status)
			})
			if err := signs(t, k); err == nil {
				t.Errorf("%s, %d: it signs", auth, status)
			}
			b.login.token = "" // the next one logs in
			if err := signs(t, k); err == nil {
				t.Errorf("%s, %d: it logs in", auth, status)
			}
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("the other host was reached %d times", n)
	}
}

// TestTheEnvironmentDecidesNothing sets every variable of Vault's client, and
// those of proxies, first to values that lead elsewhere and then to nonsense.
func TestTheEnvironmentDecidesNothing(t *testing.T) {
	var reached atomic.Int32
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer thief.Close()
	urls := strings.Fields("VAULT_ADDR VAULT_AGENT_ADDR VAULT_PROXY_ADDR VAULT_HTTP_PROXY BAO_ADDR BAO_AGENT_ADDR " +
		"HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy")
	others := map[string]string{
		"VAULT_TOKEN": "stolen", "VAULT_NAMESPACE": "other", "VAULT_SKIP_VERIFY": "true",
		"VAULT_CACERT": "/nonexistent", "VAULT_CAPATH": "/nonexistent", "VAULT_CACERT_BYTES": "x",
		"VAULT_CLIENT_CERT": "/nonexistent", "VAULT_CLIENT_KEY": "/nonexistent", "VAULT_TLS_SERVER_NAME": "other.example",
		"VAULT_MAX_RETRIES": "1000000", "VAULT_CLIENT_TIMEOUT": "1ns", "VAULT_RATE_LIMIT": "0.0001:0", "VAULT_SRV_LOOKUP": "true",
		"VAULT_DISABLE_REDIRECTS": "false", "VAULT_HEADERS": `{"X-Evil": "1"}`, "VAULT_WRAP_TTL": "1s", "VAULT_MFA": "x",
		"BAO_TOKEN": "stolen", "BAO_SKIP_VERIFY": "true",
	}
	for _, nonsense := range []bool{false, true} {
		for _, name := range urls {
			t.Setenv(name, thief.URL)
			if nonsense {
				t.Setenv(name, "::nonsense::")
			}
		}
		for name, value := range others {
			t.Setenv(name, value)
			if nonsense {
				t.Setenv(name, "{nonsense")
			}
		}
		for _, auth := range methods {
			h, _, k := taken(t, auth)
			if err := keys.SelfTest(t.Context(), k); err != nil {
				t.Errorf("%s: %v", auth, err)
			}
			next := h.next
			h.take(func(w http.ResponseWriter, r *http.Request) {
				for name := range r.Header {
					if name == "X-Evil" || name == "X-Vault-Namespace" || name == "X-Vault-Wrap-Ttl" || r.Header.Get(name) == "stolen" {
						t.Errorf("%s: sent %v", auth, r.Header)
					}
				}
				next.ServeHTTP(w, r)
			})
			if err := signs(t, k); err != nil {
				t.Error(err)
			}
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("the other host was reached %d times", n)
	}
	// Over TLS: VAULT_SKIP_VERIFY=true makes no unknown certificate good.
	t.Setenv("VAULT_SKIP_VERIFY", "true")
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("it was asked")
	}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	defer s.Close()
	b, err := New(Config{Address: s.URL, Auth: Auth{Method: MethodToken, TokenFile: file(t, "a-token")}}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Open(t.Context(), "K", "vault:k"); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v", err)
	}
}

// TestAnswersAreBounded lets Vault send without end, and send nothing.
func TestAnswersAreBounded(t *testing.T) {
	filler := make([]byte, 64<<10)
	for i := range filler {
		filler[i] = 'x'
	}
	for _, x := range []struct {
		name    string
		status  int
		prefix  string
		longest time.Duration
	}{
		{"a secret without end", 200, `{"data": {"signature": "`, 3 * time.Second},
		{"a refusal without end", 400, `{"errors": ["`, 3 * time.Second},
		{"a 500 without end", 500, `{"errors": ["`, 3 * time.Second},
	} {
		t.Run(x.name, func(t *testing.T) {
			h, _, k := taken(t, MethodAppRole)
			var sent atomic.Int64
			h.take(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(x.status)
				_, _ = io.WriteString(w, x.prefix)
				for {
					n, err := w.Write(filler)
					if sent.Add(int64(n)); err != nil {
						return
					}
				}
			})
			begun := time.Now()
			err := signs(t, k)
			took := time.Since(begun)
			t.Logf("%v after %v; Vault got rid of %d KiB", err, took.Round(time.Millisecond), sent.Load()>>10)
			if err == nil || took > x.longest || sent.Load() > 12<<20 || len(err.Error()) > 600 {
				t.Error("not bounded")
			}
		})
	}
}

// TestTheNumberOfRequestsIsBounded counts what one signature can cost.
func TestTheNumberOfRequestsIsBounded(t *testing.T) {
	for _, x := range []struct {
		name string
		f    http.HandlerFunc
		most int32
	}{
		{"500", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, 3},
		{"429", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Retry-After", "0"); w.WriteHeader(429) }, 1},
		{"412", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(412) }, 1},
		{"403", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, 2}, // and the login is refused
		{"403, but logins are good", func(w http.ResponseWriter, r *http.Request) {
			if !strings.HasSuffix(r.URL.Path, "/login") {
				w.WriteHeader(403)
				return
			}
			fmt.Fprint(w, `{"auth": {"client_token": "t", "lease_duration": 1, "renewable": true}}`)
		}, 3},
		{"connections that break", func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, 3},
		{"no JSON", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, 1},
		{"JSON that is too deep", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, strings.Repeat("[", 100_000))
		}, 1},
		{"204", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, 1},
		{"404", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, 1},
	} {
		t.Run(x.name, func(t *testing.T) {
			h, _, k := taken(t, MethodAppRole)
			h.take(x.f)
			h.asked.Store(0)
			begun := time.Now()
			err := signs(t, k)
			if n := h.asked.Load(); err == nil || n > x.most || time.Since(begun) > 5*time.Second {
				t.Errorf("%d requests in %v: %v", n, time.Since(begun), err)
			}
		})
	}
}

// TestALoginThatHangsHoldsNobody holds that who waits for another's login leaves
// when his own time is over.
func TestALoginThatHangsHoldsNobody(t *testing.T) {
	h, b, k := taken(t, MethodAppRole)
	b.login.token = ""
	release, entered := make(chan struct{}), make(chan struct{}, 100)
	h.take(func(_ http.ResponseWriter, r *http.Request) {
		entered <- struct{}{}
		<-release
	})
	var first, waiting sync.WaitGroup
	first.Go(func() { _ = signs(t, k) })
	<-entered
	begun := time.Now()
	for range 20 {
		waiting.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			_, err := k.SignDigest(ctx, sha256.Sum256(nil))
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) > 3*time.Second {
				t.Errorf("after %v: %v", time.Since(begun), err)
			}
		})
	}
	waiting.Wait()
	close(release)
	first.Wait()
}
