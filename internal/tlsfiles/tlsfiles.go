// Package tlsfiles serves TLS with certificates from files, and takes new ones
// without a restart. It keeps the last good ones while new ones do not fit.
package tlsfiles

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"
)

// maxFileBytes bounds each file.
const maxFileBytes = 1 << 20

// Config names the files, all PEM.
type Config struct {
	CertFile string `json:"cert_file"` // the chain, the server's own first
	KeyFile  string `json:"key_file"`  // mode 0600 or 0640
	// ClientCAFile holds the authorities that client certificates must be
	// signed by; "": none are asked for.
	ClientCAFile string `json:"client_ca_file"`
	// RequireClientCert refuses connections without a client certificate.
	RequireClientCert bool `json:"require_client_cert"`
}

// Enabled says whether TLS is configured.
func (c Config) Enabled() bool { return c.CertFile != "" || c.KeyFile != "" }

// Names lists the files, to be watched.
func (c Config) Names() (names []string) {
	for _, n := range []string{c.CertFile, c.KeyFile, c.ClientCAFile} {
		if n != "" {
			names = append(names, n)
		}
	}
	return names
}

// Files holds what the files held last. It is safe for concurrent use.
type Files struct {
	current atomic.Pointer[tls.Config]
}

// Open reads the files.
func Open(cfg Config) (*Files, error) {
	f := &Files{}
	return f, f.Reload(cfg)
}

// Reload reads the files anew. After an error the old ones stay.
func (f *Files) Reload(cfg Config) error {
	cert, err := read(cfg.CertFile, false)
	if err != nil {
		return fmt.Errorf("tls.cert_file: %w", err)
	}
	key, err := read(cfg.KeyFile, true)
	if err != nil {
		return fmt.Errorf("tls.key_file: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return errors.New("tls: cert_file and key_file make no pair") // the cause may quote them
	}
	next := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	if cfg.ClientCAFile != "" {
		pem, err := read(cfg.ClientCAFile, false)
		if err != nil {
			return fmt.Errorf("tls.client_ca_file: %w", err)
		}
		next.ClientCAs = x509.NewCertPool()
		if !next.ClientCAs.AppendCertsFromPEM(pem) {
			return errors.New("tls.client_ca_file: holds no certificate")
		}
		next.ClientAuth = tls.VerifyClientCertIfGiven
		if cfg.RequireClientCert {
			next.ClientAuth = tls.RequireAndVerifyClientCert
		}
	}
	f.current.Store(next)
	return nil
}

// ServerConfig is for listeners. Every handshake takes the newest files; and
// sessions are not resumed, so that a removed authority counts at once.
func (f *Files) ServerConfig() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, SessionTicketsDisabled: true,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			c := f.current.Load().Clone()
			c.SessionTicketsDisabled = true
			return c, nil
		}}
}

// NotAfter is when the server's certificate expires.
func (f *Files) NotAfter() time.Time {
	if leaf := f.current.Load().Certificates[0].Leaf; leaf != nil {
		return leaf.NotAfter
	}
	return time.Time{}
}

func read(name string, secret bool) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if secret && info.Mode().Perm()&0o007 != 0 {
		return nil, fmt.Errorf("everyone can read it: chmod 600 %s", name)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err == nil && len(b) > maxFileBytes {
		err = fmt.Errorf("larger than %d bytes", maxFileBytes)
	}
	return b, err
}
