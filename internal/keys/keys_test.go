package keys

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/golang-jwt/jwt/v5"
)

func p8(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func newP256(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestOpenFileRefuses(t *testing.T) {
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	good := p8(t, newP256(t))
	for _, c := range []struct {
		name string
		text []byte
		mode os.FileMode
	}{
		{"readable by others", good, 0o644}, {"readable by the group", good, 0o640}, {"P-384", p8(t, p384), 0o600}, {"RSA", p8(t, rsaKey), 0o600},
		{"no PEM", []byte("nothing"), 0o600}, {"broken DER", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("secret-bytes")}), 0o600},
		{"oversize", append(good, make([]byte, maxKeyFileBytes)...), 0o600}, {"another block", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY"}), 0o600},
	} {
		t.Run(c.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "key.p8")
			if err := os.WriteFile(name, c.text, c.mode); err != nil {
				t.Fatal(err)
			}
			_, err := OpenFile("K", name)
			if err == nil || fault.As(err).Reason != fault.ReasonKeyUnusable || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestOpenSSLAgrees reads a key that openssl made, and lets openssl judge its
// signature.
func TestOpenSSLAgrees(t *testing.T) {
	dir := t.TempDir()
	sh := func(args ...string) {
		t.Helper()
		cmd := exec.Command("openssl", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("openssl %v: %v\n%s", args, err, out)
		}
	}
	sh("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "key.p8")
	sh("pkey", "-in", "key.p8", "-pubout", "-out", "pub.pem")
	if err := os.Chmod(filepath.Join(dir, "key.p8"), 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := OpenFile("K", filepath.Join(dir, "key.p8"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := sign(t.Context(), k, "text to sign")
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"text": []byte("text to sign"), "sig": derSignature(t, raw)} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sh("dgst", "-sha256", "-verify", "pub.pem", "-signature", "sig", "text")
}

// derSignature writes r and s as openssl wants them.
func derSignature(t *testing.T, raw []byte) []byte {
	integer := func(b []byte) []byte {
		for len(b) > 1 && b[0] == 0 {
			b = b[1:]
		}
		if b[0] >= 0x80 {
			b = append([]byte{0}, b...)
		}
		return append([]byte{2, byte(len(b))}, b...)
	}
	both := append(integer(raw[:32]), integer(raw[32:])...)
	return append([]byte{0x30, byte(len(both))}, both...)
}

func TestKeysNeverPrint(t *testing.T) {
	k := FromPrivate("K", newP256(t))
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if s := fmt.Sprintf(verb, k); s != "key K [redacted]" {
			t.Errorf("%s prints %s", verb, s)
		}
	}
}

// counting signs like a real key, and counts.
type counting struct {
	*FileKey
	n    atomic.Int32
	fail atomic.Bool
}

func (c *counting) SignDigest(ctx context.Context, d [32]byte) ([64]byte, error) {
	c.n.Add(1)
	if c.fail.Load() {
		return [64]byte{}, errors.New("the key is away")
	}
	return c.FileKey.SignDigest(ctx, d)
}

type clock struct{ now atomic.Int64 }

func (c *clock) Now() time.Time          { return time.Unix(0, c.now.Load()) }
func (c *clock) advance(d time.Duration) { c.now.Add(int64(d)) }

func newTokens(t testing.TB) (*Tokens, *counting, *clock) {
	c := &clock{}
	c.now.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	k := &counting{FileKey: FromPrivate("KID", newP256(t))}
	return NewTokens(map[string]Credential{"team": {Key: k, Issuer: "ISSUER"}, "person": {Key: k}, "big": {Key: k, Issuer: "I", Audience: EnterpriseAudience}}, c.Now), k, c
}

func TestTokenSaysWhatAppleWants(t *testing.T) {
	tokens, k, c := newTokens(t)
	for team, want := range map[string]jwt.MapClaims{
		"team":   {"iss": "ISSUER", "aud": "appstoreconnect-v1"},
		"person": {"sub": "user", "aud": "appstoreconnect-v1"},
		"big":    {"iss": "I", "aud": "apple-developer-enterprise-v1"},
	} {
		token, err := tokens.Token(t.Context(), team)
		if err != nil {
			t.Fatal(err)
		}
		claims := jwt.MapClaims{}
		parsed, err := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithTimeFunc(c.Now)).ParseWithClaims(token.Bearer, claims, func(*jwt.Token) (any, error) { return k.Public(), nil })
		if err != nil || parsed.Header["kid"] != "KID" || parsed.Header["typ"] != "JWT" {
			t.Fatalf("%s: %v %v", team, parsed, err)
		}
		iat, exp := claims["iat"].(float64), claims["exp"].(float64)
		if now := float64(c.Now().Unix()); iat != now-60 || exp-iat != 15*60 {
			t.Errorf("%s: iat %v exp %v now %v", team, iat, exp, now)
		}
		delete(claims, "iat")
		delete(claims, "exp")
		if fmt.Sprint(claims) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", team, claims, want)
		}
	}
}

func TestOneSignatureForAThousandCallers(t *testing.T) {
	tokens, k, _ := newTokens(t)
	var wg sync.WaitGroup
	for range 1000 {
		wg.Go(func() {
			if _, err := tokens.Token(t.Context(), "team"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if k.n.Load() != 1 {
		t.Errorf("%d signatures", k.n.Load())
	}
}

func TestTokenIsRefreshedAheadAndSurvivesAnOutage(t *testing.T) {
	tokens, k, c := newTokens(t)
	first, _ := tokens.Token(t.Context(), "team")
	c.advance(refreshAt - time.Second)
	if again, _ := tokens.Token(t.Context(), "team"); again != first || k.n.Load() != 1 {
		t.Error("refreshed too early")
	}
	k.fail.Store(true)
	c.advance(2 * time.Second)
	if again, err := tokens.Token(t.Context(), "team"); again != first || err != nil {
		t.Errorf("an outage ends a good token: %v", err)
	}
	c.advance(lifetime)
	if _, err := tokens.Token(t.Context(), "team"); err == nil {
		t.Error("an expired token was given")
	}
	k.fail.Store(false)
	if again, err := tokens.Token(t.Context(), "team"); err != nil || again == first {
		t.Errorf("got %v", err)
	}
}

func TestRenewMakesOneNewToken(t *testing.T) {
	tokens, k, c := newTokens(t)
	first, _ := tokens.Token(t.Context(), "team")
	c.advance(time.Second)
	second, err := tokens.Renew(t.Context(), first)
	if err != nil || second.Bearer == first.Bearer {
		t.Fatal(err)
	}
	if third, _ := tokens.Renew(t.Context(), first); third != second || k.n.Load() != 2 {
		t.Errorf("%d signatures", k.n.Load())
	}
}

func TestUnknownTeam(t *testing.T) {
	tokens, _, _ := newTokens(t)
	if _, err := tokens.Token(t.Context(), "nobody"); fault.As(err).Reason != fault.ReasonUnknownTeam {
		t.Errorf("got %v", err)
	}
}

func TestACachedTokenCostsNoAllocation(t *testing.T) {
	tokens, _, _ := newTokens(t)
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { _, _ = tokens.Token(ctx, "team") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The goal: at most 100 ns and no allocation.
func BenchmarkCachedToken(b *testing.B) {
	tokens, _, _ := newTokens(b)
	tokens.now = time.Now
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tokens.Token(b.Context(), "team"); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzParseP8(f *testing.F) {
	f.Add(p8(f, newP256(f)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if k, err := ParseP8("K", b); err == nil && k.Public().Curve != elliptic.P256() {
			t.Error("another curve")
		}
	})
}
