package gateway

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/access/policy"
	"github.com/asc-gateway/asc-gateway/internal/audit"
	"github.com/asc-gateway/asc-gateway/internal/tlsfiles"
	"github.com/asc-gateway/asc-gateway/internal/tokens"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
)

// records collects what goes on record, and can refuse it.
type records struct {
	mu   sync.Mutex
	list []audit.Record
	fail error
}

func (r *records) Append(_ context.Context, rec audit.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return r.fail
	}
	r.list = append(r.list, rec)
	return nil
}
func (r *records) Deny(rec audit.Record) { _ = r.Append(context.Background(), rec) }
func (r *records) Begin(ctx context.Context, rec audit.Record) (func(audit.Record) error, error) {
	return func(outcome audit.Record) error { return r.Append(ctx, outcome) }, r.Append(ctx, rec)
}

// texts are the records as "event principal method outcome".
func (r *records) texts() (out []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range r.list {
		out = append(
			out,
			strings.TrimSpace(
				strings.Join(
					[]string{x.Event, x.Principal, x.Method[strings.LastIndex(x.Method, "/")+1:], x.Outcome, x.Reason},
					" ",
				),
			),
		)
	}
	return out
}

// vault is a gateway whose callers are known: by token, and by certificate.
type vault struct {
	*world
	records  *records
	log      *bytes.Buffer
	private  *ecdsa.PrivateKey
	tokens   map[string]string // by name
	upstream *recorder
	apple    string // address of the passthrough, https
	ca       *authority
}

// recorder is the way to the sandbox: it sees what is sent.
type recorder struct {
	next http.Handler
	mu   sync.Mutex
	seen []*http.Request
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	r.seen = append(r.seen, req.Clone(context.Background()))
	r.mu.Unlock()
	r.next.ServeHTTP(w, req)
}

func (r *recorder) count() int { r.mu.Lock(); defer r.mu.Unlock(); return len(r.seen) }

const vaultPolicy = `
version: 1
rules:
- {name: admin, principals: ["token:admin", "spiffe://example.org/ns/platform/**"], methods: [read, write], teams: [team], apps: all}
- {name: reader, principals: ["token:reader", "spiffe://example.org/ns/ci/sa/reader"], methods: [read], teams: [team], apps: all}
- {name: kept, principals: ["token:kept"], methods: [read, write], teams: [team], apps: [%q]}
- {name: ahead, principals: ["token:admin"], paths: ["GET /v1/newThings/*"], teams: [team], apps: all}
`

func newVault(t *testing.T) *vault {
	t.Helper()
	s, err := sandbox.Open(sandbox.World{NoRules: true})
	if err != nil {
		t.Fatal(err)
	}
	v := &vault{
		records:  &records{},
		log:      &bytes.Buffer{},
		tokens:   map[string]string{},
		upstream: &recorder{next: s},
		ca:       newAuthority(t),
	}
	if v.private, err = s.NewKey("KEY"); err != nil {
		t.Fatal(err)
	}
	cfg := authn.Config{MTLS: &authn.MTLS{}}
	for _, name := range []string{"admin", "reader", "kept", "stranger"} {
		token, sum := authn.NewToken()
		v.tokens[name] = token
		cfg.Tokens = append(cfg.Tokens, authn.StaticToken{Name: name, SHA256: sum})
	}
	callers, err := authn.New(cfg, authn.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	v.ca.write(t, dir, "server", "localhost")
	files, err := tlsfiles.Open(
		tlsfiles.Config{
			CertFile:     filepath.Join(dir, "server.pem"),
			KeyFile:      filepath.Join(dir, "server.key"),
			ClientCAFile: filepath.Join(dir, "ca.pem"),
		},
		time.Now,
	)
	if err != nil {
		t.Fatal(err)
	}
	upstream := httptest.NewServer(v.upstream)
	var mu sync.Mutex
	v.world = serveWorld(
		t,
		s,
		upstream,
		ringOf(v.private),
		Deps{
			GRPC:        []grpc.ServerOption{grpc.Creds(credentials.NewTLS(files.ServerConfig("h2")))},
			Authn:       callers,
			Audit:       v.records,
			Passthrough: true,
			Tokens:      tokens.Config{Enabled: true},
			Log: slog.New(
				slog.NewJSONHandler(&locked{&mu, v.log}, &slog.HandlerOptions{Level: slog.LevelDebug}),
			),
		},
	)
	p, err := policy.Parse("policy.yaml", fmt.Appendf(nil, vaultPolicy, s.IDs("apps")[0]), v.gateway.Guard.Methods())
	if err != nil {
		t.Fatal(err)
	}
	if err := v.gateway.Guard.SetPolicy(p); err != nil {
		t.Fatal(err)
	}
	v.conn = v.dialTLS(t, nil)
	v.apple = serveTLS(t, files.ServerConfig(), v.gateway.Passthrough)
	v.rest = serveTLS(t, files.ServerConfig(), v.gateway.REST)
	return v
}

// locked is a writer for several.
type locked struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.w.Write(p) }

func serveTLS(t *testing.T, cfg *tls.Config, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	done := make(chan error, 1)
	go func() { done <- s.Serve(tls.NewListener(l, cfg)) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return "https://localhost:" + port
}

// authority signs certificates.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "ca"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, _ := x509.ParseCertificate(der)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &authority{key, cert, pool}
}

// issue signs a certificate for a DNS name or a URI.
func (a *authority) issue(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	if u, err := url.Parse(name); err == nil && u.Scheme != "" {
		template.URIs = []*url.URL{u}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (a *authority) write(t *testing.T, dir, file, name string) {
	t.Helper()
	c := a.issue(t, name)
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for n, block := range map[string]*pem.Block{file + ".pem": {Type: "CERTIFICATE", Bytes: c.Certificate[0]}, file + ".key": {Type: "PRIVATE KEY", Bytes: key}, "ca.pem": {Type: "CERTIFICATE", Bytes: a.cert.Raw}} {
		if err := os.WriteFile(filepath.Join(dir, n), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// send makes a request to one of the faces over TLS.
func (v *vault) send(
	t *testing.T,
	method, address, body string,
	certs []tls.Certificate,
	headers ...string,
) (int, http.Header, []byte) {
	t.Helper()
	client := &http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: v.ca.pool, Certificates: certs}},
	}
	defer client.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, b
}

func (v *vault) as(name string) []string {
	return []string{"Authorization", "Bearer " + v.tokens[name]}
}

func (v *vault) ctx(t *testing.T, name string) context.Context {
	return metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+v.tokens[name])
}
