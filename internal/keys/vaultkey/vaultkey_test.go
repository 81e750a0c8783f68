package vaultkey

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/keys/keystest"
	"github.com/asc-gateway/asc-gateway/internal/keys/vaulttest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type clock struct{ ahead atomic.Int64 }

func (c *clock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// file writes a secret.
func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func auths(t *testing.T, v *vaulttest.Vault) map[string]Auth {
	return map[string]Auth{
		MethodToken:      {Method: MethodToken, TokenFile: file(t, v.RootToken)},
		MethodAppRole:    {Method: MethodAppRole, RoleIDFile: file(t, v.RoleID), SecretIDFile: file(t, v.SecretID)},
		MethodKubernetes: {Method: MethodKubernetes, Role: v.Role, JWTFile: file(t, v.JWT)},
	}
}

func serve(t *testing.T, auth string) (*vaulttest.Vault, *Backend, *clock) {
	t.Helper()
	c := &clock{}
	v := vaulttest.New(c.Now, time.Hour)
	s := httptest.NewServer(v)
	b, err := New(Config{Address: s.URL, Auth: auths(t, v)[auth]}, c.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { v.Set(""); s.Close() })
	return v, b, c
}

func TestContract(t *testing.T) {
	for _, auth := range []string{MethodToken, MethodAppRole, MethodKubernetes} {
		t.Run(auth, func(t *testing.T) {
			v, b, _ := serve(t, auth)
			mode := func(m string) func(*testing.T) func() {
				return func(*testing.T) func() { v.Set(m); return func() { v.Set("") } }
			}
			n := 0
			keystest.Run(t, keystest.Custody{Break: mode(vaulttest.Sealed), Hang: mode(vaulttest.Hang), Lie: mode(vaulttest.Lie),
				Open: func(t *testing.T, key *ecdsa.PrivateKey) (keys.Key, error) {
					n++
					uri := fmt.Sprint("vault:key-", n)
					if err := b.Import(t.Context(), uri, key); err != nil {
						v.Put(fmt.Sprint("key-", n), key) // of a curve that is not taken
					}
					return keys.Backends{b}.Open(t.Context(), "KID", uri)
				}})
		})
	}
}

// TestRealVault runs the contract against a Vault or OpenBao whose address and
// root token are in the environment.
func TestRealVault(t *testing.T) {
	address, token := os.Getenv("ASC_TEST_VAULT_ADDR"), os.Getenv("ASC_TEST_VAULT_TOKEN")
	if address == "" {
		t.Skip("ASC_TEST_VAULT_ADDR is not set; TestContract has run against the fake")
	}
	b, err := New(Config{Address: address, Auth: Auth{Method: MethodToken, TokenFile: file(t, token)}}, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	keystest.Run(t, keystest.Custody{Open: func(t *testing.T, key *ecdsa.PrivateKey) (keys.Key, error) {
		uri := fmt.Sprint("vault:test-", time.Now().UnixNano())
		if err := b.Import(t.Context(), uri, key); err != nil {
			return nil, keys.Unusable("KID", "is not taken").WithCause(err)
		}
		return b.Open(t.Context(), "KID", uri)
	}})
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestLeases(t *testing.T) {
	v, b, c := serve(t, MethodAppRole)
	v.Put("k", newKey(t))
	k, err := b.Open(t.Context(), "K", "vault:k")
	if err != nil {
		t.Fatal(err)
	}
	sign := func() {
		t.Helper()
		if err := keys.SelfTest(t.Context(), k); err != nil {
			t.Error(err)
		}
	}
	for range 5 {
		sign()
	}
	if n := v.Count("login"); n != 1 {
		t.Errorf("%d logins", n)
	}
	c.ahead.Add(int64(45 * time.Minute))
	sign()
	if v.Count("renew-self") != 1 || v.Count("login") != 1 {
		t.Errorf("at two thirds of its life the token is renewed: %d renewals, %d logins", v.Count("renew-self"), v.Count("login"))
	}
	c.ahead.Add(int64(2 * time.Hour))
	sign()
	if v.Count("login") != 2 {
		t.Errorf("an expired token: %d logins", v.Count("login"))
	}
	v.Revoke()
	sign()
	if v.Count("login") != 3 {
		t.Errorf("a revoked token: %d logins", v.Count("login"))
	}
}

func TestARotationInVaultChangesNothing(t *testing.T) {
	v, b, _ := serve(t, MethodToken)
	first := newKey(t)
	v.Put("k", first)
	k, err := b.Open(t.Context(), "K", "vault:k")
	if err != nil {
		t.Fatal(err)
	}
	v.Put("k", newKey(t))
	if err := keys.SelfTest(t.Context(), k); err != nil {
		t.Error(err)
	}
	if again, err := b.Open(t.Context(), "K", "vault:transit/k?version=1"); err != nil || !again.Public().Equal(&first.PublicKey) {
		t.Errorf("a version that is asked for: %v", err)
	}
}

func TestErrorsTellNoSecret(t *testing.T) {
	v, b, _ := serve(t, MethodAppRole)
	v.SecretID = "another"
	_, err := b.Open(t.Context(), "K", "vault:k")
	if err == nil || strings.Contains(err.Error(), "secret-id") || !strings.Contains(err.Error(), "invalid role or secret ID") {
		t.Errorf("got %v", err)
	}
	for _, uri := range []string{"vault:", "vault:a/../b", "vault:k?version=x", "vault:/", "vault:none"} {
		if _, err := b.Open(t.Context(), "K", uri); err == nil {
			t.Errorf("%s: opened", uri)
		}
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	for name, c := range map[string]Config{
		"plain http":   {Address: "http://vault.example", Auth: Auth{Method: MethodToken, TokenFile: "f"}},
		"no address":   {Auth: Auth{Method: MethodToken, TokenFile: "f"}},
		"no method":    {Address: "https://vault.example"},
		"no token":     {Address: "https://vault.example", Auth: Auth{Method: MethodToken}},
		"no secret id": {Address: "https://vault.example", Auth: Auth{Method: MethodAppRole, RoleIDFile: "f"}},
		"no role":      {Address: "https://vault.example", Auth: Auth{Method: MethodKubernetes}},
	} {
		if _, err := New(c, time.Now); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
