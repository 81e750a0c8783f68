// Package keywrap wraps a private key on its way into a custody, so that only
// the custody can read it: PKCS #11's CKM_RSA_AES_KEY_WRAP, which Vault and the
// clouds take. A fresh AES-256 key wraps the PKCS #8 form (RFC 5649), and RSA
// OAEP wraps the AES key.
package keywrap

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"

	"github.com/tink-crypto/tink-go/v2/kwp/subtle"
)

// minBits of a wrapping key: less would not protect what it wraps.
const minBits = 2048

// Wrap wraps a key for the owner of to: the OAEP ciphertext of the AES key, then
// the wrapped PKCS #8 form. newHash is that of OAEP and of its mask.
func Wrap(to *rsa.PublicKey, newHash func() hash.Hash, key *ecdsa.PrivateKey) ([]byte, error) {
	if to.N.BitLen() < minBits {
		return nil, fmt.Errorf("keywrap: the wrapping key has only %d bits", to.N.BitLen())
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, errors.New("keywrap: the key has no PKCS #8 form") // the cause may quote it
	}
	defer clear(der)
	var aes [32]byte
	defer clear(aes[:])
	_, _ = rand.Read(aes[:]) // never fails
	kwp, err := subtle.NewKWP(aes[:])
	if err != nil {
		return nil, err
	}
	wrapped, err := kwp.Wrap(der)
	if err != nil {
		return nil, err
	}
	sealed, err := rsa.EncryptOAEP(newHash(), rand.Reader, to, aes[:], nil)
	if err != nil {
		return nil, err
	}
	return append(sealed, wrapped...), nil
}

// ParsePublic reads the wrapping key of a custody: a PEM block PUBLIC KEY, or
// its bytes.
func ParsePublic(b []byte) (*rsa.PublicKey, error) {
	if block, _ := pem.Decode(b); block != nil {
		b = block.Bytes
	}
	parsed, err := x509.ParsePKIXPublicKey(b)
	if err != nil {
		return nil, fmt.Errorf("keywrap: no public key: %w", err)
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("keywrap: not an RSA key")
	}
	return key, nil
}
