// Package keys keeps the organisation's signing keys and makes tokens of them.
//
// A key is a signer with an id: nothing outside its backend ever sees it. Types
// that hold a key or a token print "[redacted]", and no error quotes what was
// read. This first cut knows .p8 files; other places to keep keys fit behind
// [Key].
package keys

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// Key signs. Implementations are safe for concurrent use.
type Key interface {
	// ID is Apple's key id, the kid of tokens.
	ID() string
	// SignDigest signs a SHA-256 digest by ECDSA on P-256; r and s are 32
	// big-endian bytes each.
	SignDigest(ctx context.Context, digest [32]byte) ([64]byte, error)
	// Public is the key's public half.
	Public() *ecdsa.PublicKey
}

// maxKeyFileBytes bounds a .p8 file; Apple's have about 260 bytes.
const maxKeyFileBytes = 64 << 10

// FileKey is a key read from one of Apple's .p8 files.
type FileKey struct {
	id  string
	key *ecdsa.PrivateKey
}

// OpenFile reads a .p8 file: PKCS #8 in PEM, on P-256. Others than its owner
// must not be able to read the file.
func OpenFile(id, name string) (*FileKey, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, unusable(id, "its file cannot be opened").WithCause(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, unusable(id, "its file is no regular file").WithCause(err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, unusable(id, "others can read its file: chmod 600 %s", name)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFileBytes+1))
	if err != nil || len(b) > maxKeyFileBytes {
		return nil, unusable(id, "its file cannot be read, or is larger than %d bytes", maxKeyFileBytes).WithCause(err)
	}
	return ParseP8(id, b)
}

// ParseP8 reads the bytes of a .p8 file.
func ParseP8(id string, b []byte) (*FileKey, error) {
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, unusable(id, "no PEM block PRIVATE KEY")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, unusable(id, "no PKCS #8 key") // the cause may quote the key
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, unusable(id, "not an EC key on P-256")
	}
	return &FileKey{id: id, key: key}, nil
}

func unusable(id, format string, args ...any) *fault.Error {
	return fault.New(fault.FailedPrecondition, fault.ReasonKeyUnusable, "key %s: %s", id, fmt.Sprintf(format, args...))
}

// ID implements [Key].
func (k *FileKey) ID() string { return k.id }

// Public implements [Key].
func (k *FileKey) Public() *ecdsa.PublicKey { return &k.key.PublicKey }

// String hides the key.
func (k *FileKey) String() string { return "key " + k.id + " [redacted]" }

// GoString hides the key.
func (k *FileKey) GoString() string { return k.String() }

// Format hides the key from every verb.
func (k *FileKey) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, k.String()) }

// SignDigest implements [Key].
func (k *FileKey) SignDigest(_ context.Context, digest [32]byte) (sig [64]byte, err error) {
	r, s, err := ecdsa.Sign(rand.Reader, k.key, digest[:])
	if err != nil {
		return sig, unusable(k.id, "does not sign")
	}
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return sig, nil
}

var errSignature = errors.New("keys: the signature does not verify")

// sign signs text and verifies the signature before anyone uses it.
func sign(ctx context.Context, k Key, text string) ([]byte, error) {
	digest := sha256.Sum256([]byte(text))
	sig, err := k.SignDigest(ctx, digest)
	if err != nil {
		return nil, err
	}
	if !verify(k.Public(), digest, sig) {
		return nil, unusable(k.ID(), "made a wrong signature").WithCause(errSignature)
	}
	return sig[:], nil
}

// FromPrivate makes a key of one that is in memory already.
func FromPrivate(id string, key *ecdsa.PrivateKey) *FileKey { return &FileKey{id: id, key: key} }

// ReadPublic reads a public key: a PEM block PUBLIC KEY, on P-256.
func ReadPublic(name string) (*ecdsa.PublicKey, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFileBytes))
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, fmt.Errorf("%s: no PEM block PUBLIC KEY", name)
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%s: not an EC key on P-256", name)
	}
	return key, nil
}
