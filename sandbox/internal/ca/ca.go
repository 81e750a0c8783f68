// Package ca is the certificate authority of a sandbox: it issues certificates
// from signing requests and signs provisioning profiles, in the forms in which
// Apple does. Nobody else trusts it.
package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/smallstep/pkcs7"
)

// Authority signs certificates and profiles.
type Authority struct {
	root, signer       *x509.Certificate
	rootKey, signerKey *ecdsa.PrivateKey
}

// Lives of the authority's own certificates: a sandbox's clock may be anywhere
// between.
var (
	begin = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	end   = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
)

// ErrRequest says that something is no certificate signing request.
var ErrRequest = errors.New("no PKCS #10 certificate signing request")

// New makes an authority with keys of its own.
func New() (*Authority, error) {
	a := &Authority{}
	var err error
	if a.rootKey, err = newKey(); err != nil {
		return nil, err
	}
	if a.signerKey, err = newKey(); err != nil {
		return nil, err
	}
	root := &x509.Certificate{
		Subject: pkix.Name{
			CommonName:   "Sandbox Worldwide Developer Relations Certification Authority",
			Organization: []string{"App Store Connect sandbox"},
		},
		NotBefore:             begin,
		NotAfter:              end,
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	if a.root, err = a.sign(root, root, &a.rootKey.PublicKey); err != nil {
		return nil, err
	}
	a.signer, err = a.sign(
		&x509.Certificate{
			Subject:               pkix.Name{CommonName: "Sandbox Provisioning Profile Signing"},
			NotBefore:             begin,
			NotAfter:              end,
			BasicConstraintsValid: true,
			KeyUsage:              x509.KeyUsageDigitalSignature,
			ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection},
		},
		a.root,
		&a.signerKey.PublicKey,
	)
	return a, err
}

func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

func (a *Authority) sign(c, parent *x509.Certificate, public crypto.PublicKey) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	c.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, c, parent, public, a.rootKey)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// PEM is the certificate by which all others are verified.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.root.Raw})
}

// ReadRequest reads a certificate signing request: a PEM block, or DER in base64.
func ReadRequest(text string) (*x509.CertificateRequest, error) {
	der := []byte(nil)
	if block, _ := pem.Decode([]byte(text)); block != nil {
		der = block.Bytes
	} else if raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), "")); err == nil {
		der = raw
	}
	r, err := x509.ParseCertificateRequest(der)
	if err != nil || r.CheckSignature() != nil {
		return nil, ErrRequest
	}
	return r, nil
}

// Holder says whom a certificate is for.
type Holder struct {
	CommonName, Team, Organization string
}

// extensions mark what a certificate may sign, by the words in its name.
var extensions = map[string]asn1.ObjectIdentifier{
	"Development":      {1, 2, 840, 113635, 100, 6, 1, 2},
	"iPhone Developer": {1, 2, 840, 113635, 100, 6, 1, 2},
	"Distribution":     {1, 2, 840, 113635, 100, 6, 1, 4},
}

// Issue makes a certificate of a public key for a year from now on. public nil is
// a key that nobody has.
func (a *Authority) Issue(h Holder, public crypto.PublicKey, now time.Time) (*x509.Certificate, error) {
	if public == nil {
		key, err := newKey()
		if err != nil {
			return nil, err
		}
		public = &key.PublicKey
	}
	uid := pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}, Value: h.Team}
	c := &x509.Certificate{
		Subject: pkix.Name{
			CommonName:         h.CommonName,
			Organization:       []string{h.Organization},
			OrganizationalUnit: []string{h.Team},
			Country:            []string{"US"},
			ExtraNames:         []pkix.AttributeTypeAndValue{uid},
		},
		NotBefore: now.Add(-time.Minute).
			UTC().
			Truncate(time.Second),
		NotAfter:              now.AddDate(1, 0, 0).UTC().Truncate(time.Second),
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}
	for word, id := range extensions {
		if strings.Contains(h.CommonName, word) {
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: id, Value: []byte{5, 0}})
		}
	}
	return a.sign(c, a.root, public)
}

// Sign wraps content as CMS signed data, with the chain that verifies it: the form
// of a .mobileprovision file.
func (a *Authority) Sign(content []byte) ([]byte, error) {
	d, err := pkcs7.NewSignedData(content)
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	d.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	if err := d.AddSignerChain(a.signer, a.signerKey, []*x509.Certificate{a.root}, pkcs7.SignerInfoConfig{}); err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	return d.Finish()
}
