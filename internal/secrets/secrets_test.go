package secrets

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestRotation(t *testing.T) {
	name := filepath.Join(t.TempDir(), "below", "secrets")
	s, created, err := Open(name)
	if err != nil || !created {
		t.Fatal(created, err)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	replica, created, err := Open(name)
	if err != nil || created {
		t.Fatal(created, err)
	}
	first := s.MAC(PageTokens, []byte("a"), []byte("b"))
	steps := []struct{ firstIsKnown bool }{{true}, {false}}
	for i, want := range steps {
		if err := Rotate(name); err != nil {
			t.Fatal(err)
		}
		if err := s.Reload(name); err != nil {
			t.Fatal(err)
		}
		if got := s.Verify(PageTokens, first, []byte("a"), []byte("b")); got != want.firstIsKnown {
			t.Errorf("after %d rotations the first MAC is known: %v", i+1, got)
		}
	}
	if replica.Verify(PageTokens, s.MAC(PageTokens)) {
		t.Error("a replica knows a secret that it has not read")
	}
	if err := replica.Reload(name); err != nil || !replica.Verify(PageTokens, s.MAC(PageTokens)) {
		t.Errorf("a replica that read the file does not know: %v", err)
	}
}

func TestPartsAndUsesAreKeptApart(t *testing.T) {
	s := New()
	m := s.MAC(PageTokens, []byte("ab"), []byte("c"))
	for name, ok := range map[string]bool{
		"the same":       s.Verify(PageTokens, m, []byte("ab"), []byte("c")),
		"shifted":        !s.Verify(PageTokens, m, []byte("a"), []byte("bc")),
		"another use":    !s.Verify("other", m, []byte("ab"), []byte("c")),
		"another secret": !New().Verify(PageTokens, m, []byte("ab"), []byte("c")),
		"cut":            !s.Verify(PageTokens, m[:8], []byte("ab"), []byte("c")),
		"empty":          !s.Verify(PageTokens, nil, []byte("ab"), []byte("c")),
	} {
		if !ok {
			t.Error(name)
		}
	}
}

func TestWrongFilesAreRefused(t *testing.T) {
	good := base64.StdEncoding.EncodeToString(make([]byte, Size)) + "\n"
	for _, c := range []struct {
		name, text string
		mode       os.FileMode
		want       string
	}{
		{"one", good, 0o600, ""}, {"two", "# now\n" + good + "\n" + good, 0o640, ""}, {"three", good + good + good, 0o600, "holds 3"},
		{"empty", "", 0o600, "holds 0"}, {"short", "c2hvcnQ=\n", 0o600, "no secret"}, {"text", "secret-text\n", 0o600, "no secret"},
		{"readable by others", good, 0o644, "chmod"}, {"large", strings.Repeat(good, 50), 0o600, "too large"},
	} {
		name := filepath.Join(t.TempDir(), "secrets")
		if err := os.WriteFile(name, []byte(c.text), c.mode); err != nil {
			t.Fatal(err)
		}
		_, _, err := Open(name)
		if (err == nil) != (c.want == "") ||
			err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret-text")) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// TestOpenSSLDerivesTheSame lets openssl judge the derivation.
func TestOpenSSLDerivesTheSame(t *testing.T) {
	s := &Secrets{}
	s.set([][]byte{make([]byte, Size)})
	out, err := exec.Command("openssl", "kdf", "-keylen", "32", "-kdfopt", "digest:SHA256", "-kdfopt", "hexkey:"+strings.Repeat("00", Size),
		"-kdfopt", "info:asc-gateway page tokens", "-binary", "HKDF").
		Output()
	if err != nil {
		t.Fatal(err)
	}
	mac := exec.Command(
		"openssl",
		"mac",
		"-digest",
		"SHA256",
		"-macopt",
		"hexkey:"+hex.EncodeToString(out),
		"-binary",
		"HMAC",
	)
	mac.Stdin = strings.NewReader("\x00\x00\x00\x00\x00\x00\x00\x01x")
	want, err := mac.Output()
	if err != nil || len(want) != sha256.Size {
		t.Fatal(len(want), err)
	}
	if got := s.MAC(PageTokens, []byte("x")); hex.EncodeToString(got) != hex.EncodeToString(want[:macBytes]) {
		t.Errorf("got %x, openssl says %x", got, want)
	}
}

func TestNothingPrints(t *testing.T) {
	s := New()
	key := (*s.current.Load())[0][PageTokens]
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		if text := fmt.Sprintf(verb, s); strings.Contains(text, hex.EncodeToString(key)) ||
			strings.Contains(text, fmt.Sprint(key)) {
			t.Errorf("%s prints a key", verb)
		}
	}
}

// TestSealed: what is sealed opens with the secret before too, and nowhere else.
func TestSealed(t *testing.T) {
	name := filepath.Join(t.TempDir(), "secrets")
	s, _, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	data := []byte("tester@example.com")
	sealed := s.Seal(Operations, "a", data)
	if bytes.Contains(sealed, data) || bytes.Equal(sealed, s.Seal(Operations, "a", data)) {
		t.Error("it can be read, or compared")
	}
	open := func(use Use, place string, b []byte) error {
		got, err := s.Unseal(use, place, b)
		if err == nil && !bytes.Equal(got, data) {
			t.Errorf("%q", got)
		}
		return err
	}
	if err := open(Operations, "a", sealed); err != nil {
		t.Error(err)
	}
	damaged := bytes.Clone(sealed)
	damaged[len(damaged)-1] ^= 1
	for what, err := range map[string]error{
		"another use":   open(PageTokens, "a", sealed),
		"another place": open(Operations, "b", sealed),
		"damaged":       open(Operations, "a", damaged),
		"short":         open(Operations, "a", sealed[:5]),
	} {
		if !errors.Is(err, ErrSealed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i, want := range []error{nil, ErrSealed} {
		if err := errors.Join(Rotate(name), s.Reload(name)); err != nil {
			t.Fatal(err)
		}
		if err := open(Operations, "a", sealed); !errors.Is(err, want) {
			t.Errorf("after %d rotations: %v", i+1, err)
		}
	}
}
