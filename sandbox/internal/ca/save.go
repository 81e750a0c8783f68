package ca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
)

// MarshalText is the authority with its private keys, as four PEM blocks.
func (a *Authority) MarshalText() ([]byte, error) {
	var b bytes.Buffer
	for _, half := range []struct {
		c *x509.Certificate
		k *ecdsa.PrivateKey
	}{{a.root, a.rootKey}, {a.signer, a.signerKey}} {
		der, err := x509.MarshalPKCS8PrivateKey(half.k)
		if err != nil {
			return nil, err
		}
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: half.c.Raw}))
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
	return b.Bytes(), nil
}

// UnmarshalText reads what MarshalText wrote.
func (a *Authority) UnmarshalText(text []byte) error {
	var read Authority
	var err error
	if read.root, read.rootKey, text, err = readPair(text); err != nil {
		return err
	}
	if read.signer, read.signerKey, _, err = readPair(text); err != nil {
		return err
	}
	*a = read
	return nil
}

// readPair reads a certificate and its key, and gives the text that follows.
func readPair(text []byte) (*x509.Certificate, *ecdsa.PrivateKey, []byte, error) {
	first, rest := pem.Decode(text)
	second, rest := pem.Decode(rest)
	if first == nil || second == nil {
		return nil, nil, nil, errors.New("an authority is a certificate and a key, twice")
	}
	c, err := x509.ParseCertificate(first.Bytes)
	if err != nil {
		return nil, nil, nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(second.Bytes)
	if err != nil {
		return nil, nil, nil, err
	}
	k, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !k.PublicKey.Equal(c.PublicKey) {
		return nil, nil, nil, errors.New("an authority's key does not fit its certificate")
	}
	return c, k, rest, nil
}
