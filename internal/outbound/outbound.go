// Package outbound makes the HTTP clients that ask other servers: key stores and
// issuers of tokens.
//
// A server that is asked may be hostile, or may have been taken over. So no
// client here follows a redirect, uses a proxy that the environment names,
// speaks TLS below 1.2, decompresses, or reads or waits without a bound; and no
// error quotes a secret that the server sent back.
package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/files"
)

// Bounds of every client.
const (
	MaxBodyBytes   = 1 << 20  // of an answer
	maxHeaderBytes = 64 << 10 // of an answer
	maxBundleBytes = 1 << 20  // of a file of certificates
	connectTimeout = 5 * time.Second
	maxConnections = 16 // to one host
)

// Config says how to reach a server. Nothing of it comes from the environment.
type Config struct {
	CAFile  string        // PEM; "": the system's certificates
	Proxy   string        // "http://host:port" or https; "": none
	Timeout time.Duration // of a whole request, the body of its answer included
}

// New makes a client. Errors name the setting: ca_file or proxy.
func New(cfg Config) (*http.Client, error) {
	t := &http.Transport{
		DialContext:            (&net.Dialer{Timeout: connectTimeout}).DialContext,
		TLSHandshakeTimeout:    connectTimeout,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		MaxResponseHeaderBytes: maxHeaderBytes,
		MaxConnsPerHost:        maxConnections,
		DisableCompression:     true,
		// What a server sends on an idle connection would be logged by net/http,
		// as it is. These servers are asked a few times an hour.
		DisableKeepAlives: true,
	}
	if cfg.Proxy != "" {
		proxy, err := url.Parse(cfg.Proxy)
		if err != nil || proxy.Scheme != "http" && proxy.Scheme != "https" || proxy.Hostname() == "" || proxy.User != nil {
			return nil, errors.New("proxy: want http://HOST:PORT or https://HOST:PORT, without a user")
		}
		t.Proxy = http.ProxyURL(proxy)
	}
	if cfg.CAFile != "" {
		pool, err := readBundle(cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		t.TLSClientConfig.RootCAs = pool
	}
	c := &http.Client{Transport: t, Timeout: cfg.Timeout}
	Stay(c)
	return c, nil
}

// Stay keeps a client from following redirects: the answer that redirects is
// returned.
func Stay(c *http.Client) {
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
}

// readBundle reads a file of certificates. All of them must be readable: a
// bundle that was cut short is refused.
func readBundle(name string) (*x509.CertPool, error) {
	rest, err := files.Read(name, maxBundleBytes)
	if err != nil {
		return nil, err
	}
	pool, n := x509.NewCertPool(), 0
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: certificate %d cannot be read", name, n+1)
		}
		pool.AddCert(c)
		n++
	}
	switch {
	case strings.Contains(string(rest), "-----BEGIN"):
		return nil, fmt.Errorf("%s: what follows certificate %d cannot be read", name, n)
	case n == 0:
		return nil, fmt.Errorf("%s: holds no certificate", name)
	}
	return pool, nil
}

// CheckURL wants an https URL, or http on loopback, without a user and a
// fragment.
func CheckURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return errors.New("want an https URL")
	}
	ip := net.ParseIP(u.Hostname())
	if u.Scheme != "https" && !(u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback())) {
		return errors.New("want an https URL")
	}
	return nil
}

// ErrAnswer is wrapped by errors of an answer that came, but is not one: asking
// again is of no use.
var ErrAnswer = errors.New("the answer cannot be taken")

// Answer is what a server said.
type Answer struct {
	Status int
	Body   []byte
}

// Ask sends a request and reads the whole answer, whatever its status. Errors
// are [Strike]n of the secrets; they keep no cause but a context's.
func Ask(c *http.Client, r *http.Request, secrets ...string) (Answer, error) {
	res, err := c.Do(r)
	if err != nil {
		return Answer{}, Told(err, secrets...)
	}
	defer res.Body.Close()
	if e := res.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return Answer{}, fmt.Errorf("%w: it is compressed, which was not asked for", ErrAnswer)
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, MaxBodyBytes+1))
	switch {
	case err != nil:
		return Answer{}, Told(err, secrets...)
	case len(b) > MaxBodyBytes:
		return Answer{}, fmt.Errorf("%w: it is larger than %d bytes", ErrAnswer, MaxBodyBytes)
	}
	return Answer{Status: res.StatusCode, Body: b}, nil
}

// Told returns an error with the text of another, without the secrets in it. It
// wraps nothing but the end of a context.
func Told(err error, secrets ...string) error {
	if err == nil {
		return nil
	}
	t := &told{text: Strike(err.Error(), secrets...)}
	for _, end := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, end) {
			t.end = end
		}
	}
	return t
}

type told struct {
	text string
	end  error
}

// Error implements error.
func (t *told) Error() string { return t.text }

// Unwrap returns how the context ended, nil if it did not.
func (t *told) Unwrap() error { return t.end }
