// Package tlsfiles serves TLS with certificates from files, and takes new ones
// without a restart.
//
// It must never put files in use that would break connections: certificates
// that have expired, are not valid yet, or do not fit their key. Then the last
// good ones stay.
package tlsfiles

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"sync/atomic"
	"time"
)

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
	now     func() time.Time
	current atomic.Pointer[generation]
}

// generation is what one reading of the files gave. It never changes.
type generation struct {
	server    tls.Certificate
	clientCAs *x509.CertPool // nil: no client certificate is asked for
	required  bool           // a client certificate
	clients   *verified
}

// Open reads the files. now tells the time; nil is time.Now.
func Open(cfg Config, now func() time.Time) (*Files, error) {
	if now == nil {
		now = time.Now
	}
	f := &Files{now: now}
	if err := f.Reload(cfg); err != nil {
		return nil, err
	}
	return f, nil
}

// Reload reads the files anew. After an error, which names the file, the old
// ones stay.
func (f *Files) Reload(cfg Config) error {
	now := f.now()
	next := &generation{required: cfg.RequireClientCert, clients: newVerified()}
	var err error
	if next.server, err = readServer(cfg.CertFile, cfg.KeyFile, now); err != nil {
		return err
	}
	if cfg.ClientCAFile != "" {
		if next.clientCAs, err = readAuthorities(cfg.ClientCAFile, now); err != nil {
			return fmt.Errorf("tls.client_ca_file: %w", err)
		}
	}
	f.current.Store(next)
	return nil
}

// suites are those of TLS 1.2 that authenticate what they encrypt, with keys
// that are forgotten after the connection. Those of TLS 1.3 all do.
var suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// ServerConfig is for a listener that speaks these protocols (ALPN), the first
// that both sides have: "h2" for gRPC. Without any, they are h2 and http/1.1.
// Every handshake takes the newest files. Sessions are not resumed: a resumed
// one would not ask for the client's certificate again.
func (f *Files) ServerConfig(protocols ...string) *tls.Config {
	if len(protocols) == 0 {
		protocols = []string{"h2", "http/1.1"}
	}
	base := &tls.Config{
		MinVersion:             tls.VersionTLS12,
		CipherSuites:           suites,
		NextProtos:             protocols,
		SessionTicketsDisabled: true,
		Time:                   f.now,
	}
	outer := base.Clone()
	outer.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return f.current.Load().config(base), nil
	}
	return outer
}

// config is that of one handshake.
func (g *generation) config(base *tls.Config) *tls.Config {
	c := base.Clone()
	c.Certificates = []tls.Certificate{g.server}
	if g.clientCAs != nil {
		c.ClientCAs, c.ClientAuth = g.clientCAs, tls.VerifyClientCertIfGiven
		if g.required {
			c.ClientAuth = tls.RequireAndVerifyClientCert
		}
	}
	return c
}

// NotAfter is when the server's certificate expires.
func (f *Files) NotAfter() time.Time { return f.current.Load().server.Leaf.NotAfter }
