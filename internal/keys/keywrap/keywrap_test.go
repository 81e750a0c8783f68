package keywrap

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestOpenSSLUnwraps lets openssl unwrap what we wrapped, and compare the key.
func TestOpenSSLUnwraps(t *testing.T) {
	for name, h := range map[string]func() hash.Hash{"sha256": sha256.New, "sha1": sha1.New} {
		dir := t.TempDir()
		sh := func(args ...string) []byte {
			t.Helper()
			cmd := exec.Command("openssl", args...)
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("openssl %v: %v\n%s", args, err, out)
			}
			return out
		}
		write := func(file string, b []byte) {
			t.Helper()
			if err := os.WriteFile(filepath.Join(dir, file), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		sh("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096", "-out", "rsa.pem")
		to, err := ParsePublic(sh("pkey", "-in", "rsa.pem", "-pubout"))
		if err != nil {
			t.Fatal(err)
		}
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		wrapped, err := Wrap(to, h, key)
		if err != nil {
			t.Fatal(err)
		}
		write("aes.sealed", wrapped[:512])
		write("key.wrapped", wrapped[512:])
		sh("pkeyutl", "-decrypt", "-inkey", "rsa.pem", "-in", "aes.sealed", "-out", "aes", "-pkeyopt", "rsa_padding_mode:oaep", "-pkeyopt", "rsa_oaep_md:"+name, "-pkeyopt", "rsa_mgf1_md:"+name)
		aes, err := os.ReadFile(filepath.Join(dir, "aes"))
		if err != nil {
			t.Fatal(err)
		}
		sh("enc", "-d", "-id-aes256-wrap-pad", "-K", hex.EncodeToString(aes), "-iv", "a65959a6", "-in", "key.wrapped", "-out", "key.der")
		public, err := key.PublicKey.ECDH()
		if err != nil {
			t.Fatal(err)
		}
		out := sh("pkey", "-inform", "DER", "-in", "key.der", "-pubout", "-outform", "DER")
		if got := out[len(out)-65:]; string(got) != string(public.Bytes()) {
			t.Errorf("%s: openssl finds another key", name)
		}
	}
}

func TestWeakWrappingKeysAreRefused(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if _, err := Wrap(&weak.PublicKey, sha256.New, key); err == nil {
		t.Error("taken")
	}
}
