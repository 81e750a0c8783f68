package filekey

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/fifotest"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/keys/keystest"
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

func TestOpenRefuses(t *testing.T) {
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	rsaKey, _ := rsa.GenerateKey(rand.Reader, 2048)
	good := p8(t, newP256(t))
	for _, c := range []struct {
		name string
		text []byte
		mode os.FileMode
	}{
		{"readable by others", good, 0o644}, {"writable by the group", good, 0o660}, {"P-384", p8(t, p384), 0o600}, {"RSA", p8(t, rsaKey), 0o600},
		{"no PEM", []byte("nothing"), 0o600}, {"broken DER", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("secret-bytes")}), 0o600},
		{"oversize", append(good, make([]byte, maxFileBytes)...), 0o600}, {"another block", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY"}), 0o600},
	} {
		t.Run(c.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "key.p8")
			if err := os.WriteFile(name, c.text, c.mode); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(name, c.mode); err != nil { // whatever the umask
				t.Fatal(err)
			}
			_, err := Open("K", name)
			if err == nil || fault.As(err).Reason != fault.ReasonKeyUnusable || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestOpenRefusesWhatIsNoFile also shows that the error names the file, and that
// a FIFO is not waited for.
func TestOpenRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	fifotest.Make(t, fifo)
	for _, name := range []string{fifo, dir, "/dev/zero", filepath.Join(dir, "none")} {
		_, err := Open("K", name)
		if err == nil || fault.As(err).Reason != fault.ReasonKeyUnusable || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
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
	k, err := Open("K", filepath.Join(dir, "key.p8"))
	if err != nil {
		t.Fatal(err)
	}
	sig, err := k.SignDigest(t.Context(), sha256.Sum256([]byte("text to sign")))
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"text": []byte("text to sign"), "sig": derSignature(sig[:])} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sh("dgst", "-sha256", "-verify", "pub.pem", "-signature", "sig", "text")
}

func TestContract(t *testing.T) {
	keystest.Run(t, keystest.Custody{Open: func(t *testing.T, key *ecdsa.PrivateKey) (keys.Key, error) {
		name := filepath.Join(t.TempDir(), "key.p8")
		if err := os.WriteFile(name, p8(t, key), 0o600); err != nil {
			t.Fatal(err)
		}
		return keys.Backends{Backend{Dir: filepath.Dir(name)}}.Open(t.Context(), "KID", "file:key.p8")
	}})
}

// derSignature writes r and s as openssl wants them.
func derSignature(raw []byte) []byte {
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

func FuzzParseP8(f *testing.F) {
	f.Add(p8(f, newP256(f)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if k, err := Parse("K", b); err == nil && k.Public().Curve != elliptic.P256() {
			t.Error("another curve")
		}
	})
}
