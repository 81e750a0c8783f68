package tlsfiles

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/files"
)

// maxFileBytes bounds each file.
const maxFileBytes = 1 << 20

// readServer reads the server's chain and its key, and checks that clients can
// believe them now.
func readServer(certFile, keyFile string, now time.Time) (none tls.Certificate, err error) {
	b, err := files.Read(certFile, maxFileBytes)
	if err != nil {
		return none, fmt.Errorf("tls.cert_file: %w", err)
	}
	chain, err := parseCertificates(b)
	if err == nil {
		err = checkServer(chain, now)
	}
	if err != nil {
		return none, fmt.Errorf("tls.cert_file: %s: %w", certFile, err)
	}
	info, key, err := files.ReadInfo(keyFile, maxFileBytes)
	if err != nil {
		return none, fmt.Errorf("tls.key_file: %w", err)
	}
	if files.Mode(info)&0o007 != 0 {
		return none, fmt.Errorf("tls.key_file: everyone can read it: chmod 600 %s", keyFile)
	}
	pair, err := tls.X509KeyPair(b, key)
	if err != nil { // the cause may quote what was read
		return none, fmt.Errorf("tls.key_file: %s is no key of the certificate in %s", keyFile, certFile)
	}
	pair.Leaf = chain[0]
	return pair, nil
}

// checkServer says why clients would not believe a server's chain.
func checkServer(chain []*x509.Certificate, now time.Time) error {
	for i, c := range chain {
		if err := checkTime(c, now); err != nil {
			return fmt.Errorf("certificate %d: %w", i+1, err)
		}
	}
	leaf := chain[0]
	uses := len(leaf.ExtKeyUsage) + len(leaf.UnknownExtKeyUsage)
	serves := slices.ContainsFunc(leaf.ExtKeyUsage, func(u x509.ExtKeyUsage) bool {
		return u == x509.ExtKeyUsageServerAuth || u == x509.ExtKeyUsageAny
	})
	switch {
	case uses > 0 && !serves:
		return errors.New("certificate 1 is not for servers: its extended key usage lacks serverAuth")
	case len(leaf.DNSNames)+len(leaf.IPAddresses)+len(leaf.URIs) == 0:
		return errors.New("certificate 1 names no server: it has no subject alternative name")
	}
	return nil
}

func checkTime(c *x509.Certificate, now time.Time) error {
	switch {
	case now.Before(c.NotBefore):
		return fmt.Errorf("not valid before %s", c.NotBefore.UTC().Format(time.RFC3339))
	case now.After(c.NotAfter):
		return fmt.Errorf("expired at %s", c.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}

// readAuthorities reads a bundle of authorities. Some may have expired: bundles
// keep old ones for a while. At least one must be valid.
func readAuthorities(name string, now time.Time) (*x509.CertPool, error) {
	b, err := files.Read(name, maxFileBytes)
	if err != nil {
		return nil, err
	}
	list, err := parseCertificates(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	pool := x509.NewCertPool()
	var expired error
	valid := false
	for _, c := range list {
		if err := checkTime(c, now); err != nil {
			expired = err
			continue
		}
		valid = true
		pool.AddCert(c)
	}
	if !valid {
		return nil, fmt.Errorf("%s: no authority is valid now: %w", name, expired)
	}
	return pool, nil
}

// parseCertificates reads every certificate of a PEM bundle. Between the blocks
// there may be text (RFC 7468, section 2), such as what openssl writes about a
// certificate. A boundary (-----) that begins no whole block is an error, so that
// no damaged certificate is passed over.
func parseCertificates(b []byte) (list []*x509.Certificate, err error) {
	for rest := skipText(b); len(rest) > 0; rest = skipText(rest) {
		at := len(list) + 1
		if !bytes.HasPrefix(rest, []byte("-----BEGIN ")) {
			return nil, fmt.Errorf("line %d ends a certificate that does not begin", lineOf(b, rest))
		}
		block, after := pem.Decode(rest)
		if block == nil || bytes.Count(rest[:len(rest)-len(after)], []byte("-----BEGIN ")) != 1 {
			return nil, fmt.Errorf("certificate %d, line %d: damaged PEM", at, lineOf(b, rest))
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("line %d: a PEM block %q, not CERTIFICATE", lineOf(b, rest), block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d, line %d: %w", at, lineOf(b, rest), err)
		}
		list, rest = append(list, c), after
	}
	if len(list) == 0 {
		return nil, errors.New("holds no certificate")
	}
	return list, nil
}

// skipText drops lines that hold no boundary.
func skipText(b []byte) []byte {
	for len(b) > 0 {
		line, rest, _ := bytes.Cut(b, []byte("\n"))
		if bytes.Contains(line, []byte("-----")) {
			return bytes.TrimLeft(b, " \t\ufeff")
		}
		b = rest
	}
	return nil
}

// lineOf is the number of the line that rest, the end of all, begins in.
func lineOf(all, rest []byte) int {
	return 1 + bytes.Count(all[:len(all)-len(rest)], []byte("\n"))
}
