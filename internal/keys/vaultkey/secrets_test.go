package vaultkey

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fifotest"
	"github.com/asc-gateway/asc-gateway/internal/files"
)

// TestNoErrorQuotesWhatWasSent lets Vault send back all that it was sent, in
// every place whose text could become an error's.
func TestNoErrorQuotesWhatWasSent(t *testing.T) {
	echoes := map[string]func(http.ResponseWriter, string){
		"an error": func(w http.ResponseWriter, sent string) {
			w.WriteHeader(400)
			_ = json.NewEncoder(w).Encode(map[string]any{"errors": []string{sent, "bad: " + sent}})
		},
		"many errors": func(w http.ResponseWriter, sent string) {
			w.WriteHeader(403)
			_ = json.NewEncoder(w).Encode(map[string]any{"errors": strings.Split(sent, "\n")})
		},
		"a status line": func(w http.ResponseWriter, sent string) {
			c, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				fmt.Fprintf(c, "%s\r\n\r\n", strings.ReplaceAll(sent, "\n", " "))
				_ = c.(*net.TCPConn).CloseWrite()
				_ = c.Close()
			}
		},
		"a location": func(w http.ResponseWriter, sent string) {
			w.Header().Set("Location", "https://evil.example/"+strings.ReplaceAll(sent, "\n", "/"))
			w.WriteHeader(307)
		},
		"the key's type": func(w http.ResponseWriter, sent string) {
			data := map[string]any{"type": sent, "signature": sent}
			_ = json.NewEncoder(w).Encode(map[string]any{"data": data, "auth": map[string]any{"client_token": sent}})
		},
		"a body": func(w http.ResponseWriter, sent string) { fmt.Fprint(w, sent) },
	}
	for _, auth := range methods {
		for name, echo := range echoes {
			h, b, k := taken(t, auth)
			var mu sync.Mutex
			seen := []string{map[string]string{MethodToken: rootToken, MethodAppRole: secretID, MethodKubernetes: podJWT}[auth]}
			h.take(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				var fields map[string]any
				_ = json.Unmarshal(body, &fields)
				sent := []string{r.Header.Get("X-Vault-Token")}
				for _, f := range []string{"secret_id", "jwt", "role_id"} {
					if v, ok := fields[f].(string); ok {
						sent = append(sent, v)
					}
				}
				mu.Lock()
				seen = append(seen, sent...)
				text := strings.Join(seen, "\n")
				mu.Unlock()
				echo(w, text)
			})
			var texts strings.Builder
			log := slog.New(slog.NewTextHandler(&texts, nil))
			for range 2 {
				err := signs(t, k)
				_, opened := b.Open(t.Context(), "K", "vault:k")
				imported := b.Import(t.Context(), "vault:new", newKey(t))
				log.Info("all", "sign", err, "open", opened, "import", imported)
				fmt.Fprintf(&texts, "%v %+v %#v %+v %+v", err, err, err, opened, imported)
				b.login.token = "" // the next one logs in
			}
			mu.Lock()
			for _, s := range seen {
				for i := 0; i+8 <= len(s); i++ {
					if strings.Contains(texts.String(), s[i:i+8]) {
						t.Errorf("%s, %s: %q is in %s", auth, name, s[i:i+8], &texts)
						break
					}
				}
			}
			if len(seen) < 2 {
				t.Errorf("%s, %s: nothing was sent", auth, name)
			}
			mu.Unlock()
		}
	}
}

// TestAFIFOIsNoSecret holds that no login waits for a file.
func TestAFIFOIsNoSecret(t *testing.T) {
	name := filepath.Join(t.TempDir(), "token")
	fifotest.Make(t, name)
	for _, a := range []Auth{
		{Method: MethodToken, TokenFile: name},
		{Method: MethodAppRole, RoleIDFile: name, SecretIDFile: name},
		{Method: MethodKubernetes, Role: "r", JWTFile: name},
	} {
		b, err := New(Config{Address: "https://127.0.0.1:1", Auth: a}, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Open(t.Context(), "K", "vault:k"); !errors.Is(err, files.ErrNotRegular) {
			t.Errorf("%s: got %v", a.Method, err)
		}
	}
	cfg := Config{Address: "https://127.0.0.1:1", CAFile: name, Auth: Auth{Method: MethodToken, TokenFile: "f"}}
	if _, err := New(cfg, time.Now); !errors.Is(err, files.ErrNotRegular) {
		t.Errorf("ca_file: got %v", err)
	}
}

// TestLeasesAreBounded holds that no lease is taken for longer than it can be.
func TestLeasesAreBounded(t *testing.T) {
	now := time.Now()
	l := newLogin(Auth{}, nil, func() time.Time { return now })
	for _, seconds := range []int64{1, 3600, 1 << 62} {
		err := l.keep(&auth{ClientToken: "t", LeaseDuration: seconds})
		if err != nil || !l.renewal.After(now) || l.renewal.After(now.Add(maxLease)) {
			t.Errorf("%d: renewed at %v: %v", seconds, l.renewal, err)
		}
	}
	if l.keep(&auth{ClientToken: strings.Repeat("x", maxSecretBytes+1)}) == nil {
		t.Error("a token of any length is taken")
	}
}
