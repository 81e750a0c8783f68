package keys

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"math/big"
	"slices"
	"strings"
	"testing"
)

func TestParseDER(t *testing.T) {
	k, digest := newP256(t), sha256.Sum256([]byte("text"))
	for range 200 { // some have leading zeros
		der, err := ecdsa.SignASN1(rand.Reader, k, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		sig, err := ParseDER(der)
		if err != nil || !verify(&k.PublicKey, digest, sig) {
			t.Fatalf("%x: %v", der, err)
		}
		for name, bad := range map[string][]byte{
			"trailing bytes": append(slices.Clone(der), 0), "cut": der[:len(der)-1], "empty": nil,
			"negative": {0x30, 6, 2, 1, 0x80, 2, 1, 1}, "zero": {0x30, 6, 2, 1, 0, 2, 1, 1}, "padded": {0x30, 7, 2, 2, 0, 1, 2, 1, 1},
			"a third integer": {0x30, 9, 2, 1, 1, 2, 1, 1, 2, 1, 1}, "too long": slices.Concat([]byte{0x30, 0x26, 2, 33}, []byte{1}, make([]byte, 32), []byte{2, 1, 1}),
		} {
			if _, err := ParseDER(bad); err == nil {
				t.Errorf("%s: taken", name)
			}
		}
	}
}

// FuzzParseDER holds that what parses is the one encoding of its numbers.
func FuzzParseDER(f *testing.F) {
	k, digest := newP256(f), sha256.Sum256([]byte("text"))
	der, _ := ecdsa.SignASN1(rand.Reader, k, digest[:])
	f.Add(der)
	f.Fuzz(func(t *testing.T, b []byte) {
		sig, err := ParseDER(b)
		if err != nil {
			return
		}
		encode := func(n []byte) []byte {
			v := new(big.Int).SetBytes(n).Bytes()
			if v[0] >= 0x80 {
				v = append([]byte{0}, v...)
			}
			return append([]byte{2, byte(len(v))}, v...)
		}
		body := append(encode(sig[:32]), encode(sig[32:])...)
		if want := append([]byte{0x30, byte(len(body))}, body...); !slices.Equal(want, b) {
			t.Errorf("%x is read as %x", b, want)
		}
	})
}

func TestNoCustodyIsExplained(t *testing.T) {
	for uri, want := range map[string]string{"awskms:alias/x": "full", "nothing": "no custody", "": "no custody"} {
		if _, err := (Backends{}).Open(t.Context(), "K", uri); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", uri, err)
		}
	}
}
