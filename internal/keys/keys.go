// Package keys keeps the organisation's signing keys and makes tokens of them.
//
// A key is a signer with an id: nothing outside its backend ever sees it. Types
// that hold a key or a token print "[redacted]", and no error quotes what was
// read. The custodies are packages of their own behind [Backend]; a program
// names those it has.
package keys

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/files"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
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

// Backend is a custody of keys: a place that signs with them.
type Backend interface {
	// Scheme is the part of a URI before the colon: "file".
	Scheme() string
	// Open finds the key that a URI names and reads its public half. id is
	// Apple's key id, which no custody knows.
	Open(ctx context.Context, id, uri string) (Key, error)
}

// Importer is a custody that takes keys in. The private key is wrapped before it
// leaves the machine.
type Importer interface {
	Import(ctx context.Context, uri string, key *ecdsa.PrivateKey) error
}

// Backends are the custodies of a program.
type Backends []Backend

// Find returns the custody of a URI.
func (list Backends) Find(uri string) (Backend, error) {
	scheme, _, ok := strings.Cut(uri, ":")
	var known []string
	for _, b := range list {
		if known = append(known, b.Scheme()+":"); ok && b.Scheme() == scheme {
			return b, nil
		}
	}
	hint := ""
	if scheme == "awskms" || scheme == "gcpkms" {
		hint = "; cloud custody is in the full build (full/cmd/gateway)"
	}
	return nil, fault.New(
		fault.FailedPrecondition,
		fault.ReasonKeyUnusable,
		"no custody for %q: this program has %s%s",
		scheme+":",
		strings.Join(known, ", "),
		hint,
	)
}

// Open opens a key in the custody that its URI names, and refuses one that is
// not on P-256.
func (list Backends) Open(ctx context.Context, id, uri string) (Key, error) {
	b, err := list.Find(uri)
	if err != nil {
		return nil, err
	}
	k, err := b.Open(ctx, id, uri)
	if err != nil {
		return nil, err
	}
	if p := k.Public(); p == nil || p.Curve != elliptic.P256() {
		return nil, Unusable(id, "not an EC key on P-256")
	}
	return k, nil
}

// Unusable is the fault of a key. What is said must quote nothing of it.
func Unusable(id, format string, args ...any) *fault.Error {
	return fault.New(fault.FailedPrecondition, fault.ReasonKeyUnusable, "key %s: %s", id, fmt.Sprintf(format, args...))
}

// ParseDER reads a signature as KMSes give it, an ASN.1 SEQUENCE of two INTEGERs,
// strictly: r and s, 32 big-endian bytes each.
func ParseDER(der []byte) (sig [64]byte, err error) {
	var r, s big.Int
	var inner cryptobyte.String
	in := cryptobyte.String(der)
	if len(der) > maxDERBytes || !in.ReadASN1(&inner, asn1.SEQUENCE) || !in.Empty() ||
		!inner.ReadASN1Integer(&r) || !inner.ReadASN1Integer(&s) || !inner.Empty() ||
		r.Sign() <= 0 || s.Sign() <= 0 || r.BitLen() > 256 || s.BitLen() > 256 {
		return sig, errSignature
	}
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return sig, nil
}

// maxDERBytes is the longest signature on P-256.
const maxDERBytes = 72

var errSignature = errors.New("keys: the signature does not verify")

// sign signs text and verifies the signature before anyone uses it.
func sign(ctx context.Context, k Key, text string) ([]byte, error) {
	digest := sha256.Sum256([]byte(text))
	sig, err := k.SignDigest(ctx, digest)
	if err != nil {
		return nil, err
	}
	if !verify(k.Public(), digest, sig) {
		return nil, Unusable(k.ID(), "made a wrong signature").WithCause(errSignature)
	}
	return sig[:], nil
}

// maxPublicBytes bounds the file of a public key.
const maxPublicBytes = 64 << 10

// ReadPublic reads a public key: a PEM block PUBLIC KEY, on P-256.
func ReadPublic(name string) (*ecdsa.PublicKey, error) {
	b, err := files.Read(name, maxPublicBytes)
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
