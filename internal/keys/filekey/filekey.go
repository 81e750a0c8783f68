// Package filekey keeps a key in one of Apple's .p8 files, or in memory: the
// backend "file:PATH".
//
// What is in the file never leaves it: keys print "[redacted]", and no error
// quotes what was read.
package filekey

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/files"
	"github.com/asc-gateway/asc-gateway/internal/keys"
)

// maxFileBytes bounds a .p8 file; Apple's have about 260 bytes.
const maxFileBytes = 64 << 10

// Backend opens "file:PATH". A relative path is below Dir.
type Backend struct{ Dir string }

// Scheme implements [keys.Backend].
func (Backend) Scheme() string { return "file" }

// Path is the file that a URI names.
func (b Backend) Path(uri string) string {
	path := strings.TrimPrefix(uri, "file:")
	path = strings.TrimPrefix(path, "//") // file:///etc/keys/AuthKey.p8
	if !filepath.IsAbs(path) {
		path = filepath.Join(b.Dir, path)
	}
	return path
}

// Open implements [keys.Backend].
func (b Backend) Open(_ context.Context, id, uri string) (keys.Key, error) {
	return Open(id, b.Path(uri))
}

// Key is a private key in memory. It implements [keys.Key].
type Key struct {
	id  string
	key *ecdsa.PrivateKey
}

// Open reads a .p8 file: PKCS #8 in PEM, on P-256. Only its owner and its group
// may be able to read it, and only its owner to write it: Kubernetes mounts
// secrets for the group of a pod.
func Open(id, name string) (*Key, error) {
	info, b, err := files.ReadInfo(name, maxFileBytes)
	switch {
	case err != nil:
		return nil, keys.Unusable(id, "its file cannot be read").WithCause(err)
	case files.Mode(info)&0o027 != 0:
		return nil, keys.Unusable(id, "others can read or change its file: chmod 600 %s", name)
	}
	return Parse(id, b)
}

// Parse reads the bytes of a .p8 file.
func Parse(id string, b []byte) (*Key, error) {
	block, _ := pem.Decode(b)
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, keys.Unusable(id, "no PEM block PRIVATE KEY")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, keys.Unusable(id, "no PKCS #8 key") // the cause may quote the key
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, keys.Unusable(id, "not an EC key on P-256")
	}
	return &Key{id: id, key: key}, nil
}

// ID implements [keys.Key].
func (k *Key) ID() string { return k.id }

// Public implements [keys.Key].
func (k *Key) Public() *ecdsa.PublicKey { return &k.key.PublicKey }

// String hides the key.
func (k *Key) String() string { return "key " + k.id + " [redacted]" }

// GoString hides the key.
func (k *Key) GoString() string { return k.String() }

// Format hides the key from every verb.
func (k *Key) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, k.String()) }

// SignDigest implements [keys.Key].
func (k *Key) SignDigest(_ context.Context, digest [32]byte) (sig [64]byte, err error) {
	r, s, err := ecdsa.Sign(rand.Reader, k.key, digest[:])
	if err != nil {
		return sig, keys.Unusable(k.id, "does not sign")
	}
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return sig, nil
}

// FromPrivate makes a key of one that is in memory already.
func FromPrivate(id string, key *ecdsa.PrivateKey) *Key { return &Key{id: id, key: key} }

// Private reads the private key itself, to move it into another custody.
func Private(name string) (*ecdsa.PrivateKey, error) {
	k, err := Open("of the file", name)
	if err != nil {
		return nil, err
	}
	return k.key, nil
}
