package tlsfiles

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// authority lets openssl sign certificates.
type authority struct {
	t   testing.TB
	dir string
}

func newAuthority(t testing.TB) *authority {
	a := &authority{t, t.TempDir()}
	a.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2")
	return a
}

func (a *authority) openssl(args ...string) string {
	a.t.Helper()
	cmd := exec.Command("openssl", args...)
	cmd.Dir = a.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		a.t.Fatalf("openssl %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// issue makes NAME.pem and NAME.key.
func (a *authority) issue(name string, more ...string) {
	a.t.Helper()
	a.openssl(append([]string{"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + name, "-CA", "ca.pem", "-CAkey", "ca.key",
		"-addext", "subjectAltName=DNS:localhost", "-keyout", name + ".key", "-out", name + ".pem", "-days", "1"}, more...)...)
	if err := os.Chmod(filepath.Join(a.dir, name+".key"), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) config(server string) Config {
	return Config{CertFile: a.file(server + ".pem"), KeyFile: a.file(server + ".key"), ClientCAFile: a.file("ca.pem")}
}

func (a *authority) pair(name string) []tls.Certificate {
	a.t.Helper()
	c, err := tls.LoadX509KeyPair(a.file(name+".pem"), a.file(name+".key"))
	if err != nil {
		a.t.Fatal(err)
	}
	return []tls.Certificate{c}
}

// expired is a certificate of the day before yesterday: openssl 3.0 signs none.
func (a *authority) expired() []tls.Certificate {
	a.t.Helper()
	ca := a.pair("ca")[0]
	parent, err := x509.ParseCertificate(ca.Certificate[0])
	if err != nil {
		a.t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(7), NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(-24 * time.Hour),
		DNSNames: []string{"localhost"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, ca.PrivateKey)
	if err != nil {
		a.t.Fatal(err)
	}
	return []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
}

// serve answers with the name of the client's certificate.
func serve(t *testing.T, f *Files) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.VerifiedChains) > 0 {
			_, _ = io.WriteString(w, r.TLS.VerifiedChains[0][0].Subject.CommonName)
		}
	})}
	done := make(chan error, 1)
	go func() { done <- s.Serve(tls.NewListener(l, f.ServerConfig())) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	return l.Addr().String()
}

// get returns the names of the server's and, as the server sees it, of the
// client's certificate.
func (a *authority) get(address string, certs []tls.Certificate) (server, client string, err error) {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.read("ca.pem"))
	c := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "localhost", Certificates: certs}}}
	defer c.CloseIdleConnections()
	res, err := c.Get("https://" + address)
	if err != nil {
		return "", "", err
	}
	defer res.Body.Close()
	if res.ProtoMajor != 2 {
		a.t.Errorf("spoken is %s", res.Proto)
	}
	b, err := io.ReadAll(res.Body)
	return res.TLS.PeerCertificates[0].Subject.CommonName, string(b), err
}

func TestCertificatesRotate(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	a.issue("one")
	a.issue("two")
	a.issue("client")
	other.issue("stranger")
	f, err := Open(a.config("one"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	address := serve(t, f)
	if server, client, err := a.get(address, a.pair("client")); err != nil || server != "one" || client != "client" {
		t.Fatalf("%s %s %v", server, client, err)
	}
	if _, client, err := a.get(address, nil); err != nil || client != "" {
		t.Errorf("without a certificate: %q %v", client, err)
	}
	if _, client, err := a.get(address, other.pair("stranger")); err == nil && client != "" {
		t.Errorf("a certificate of another authority: %q", client)
	}
	if err := f.Reload(a.config("two")); err != nil {
		t.Fatal(err)
	}
	if server, _, err := a.get(address, nil); err != nil || server != "two" {
		t.Errorf("the new certificate is not served: %s %v", server, err)
	}
	mixed := a.config("two")
	mixed.KeyFile = a.file("one.key")
	if err := f.Reload(mixed); err == nil {
		t.Error("a key of another certificate is taken")
	}
	if server, _, err := a.get(address, nil); err != nil || server != "two" {
		t.Errorf("the last good certificate is gone: %s %v", server, err)
	}
	with := a.config("two")
	with.ClientCAFile = other.file("ca.pem")
	if err := f.Reload(with); err != nil {
		t.Fatal(err)
	}
	if _, client, err := a.get(address, a.pair("client")); err == nil && client != "" {
		t.Errorf("a client of a removed authority is believed: %q", client)
	}
	if f.NotAfter().Before(time.Now()) {
		t.Error(f.NotAfter())
	}
}

func TestExpiredAndMissingClientCertificates(t *testing.T) {
	a := newAuthority(t)
	a.issue("server")
	cfg := a.config("server")
	f, err := Open(cfg, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	address := serve(t, f)
	if _, client, err := a.get(address, a.expired()); err == nil && client != "" {
		t.Errorf("an expired certificate is believed: %q", client)
	}
	cfg.RequireClientCert = true
	if err := f.Reload(cfg); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.get(address, nil); err == nil {
		t.Error("a certificate is required, and yet none is needed")
	}
}
