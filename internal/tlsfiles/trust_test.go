package tlsfiles

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// TestARemovedAuthorityEndsRunningConnections asks over one connection, which
// began before the authority of its client was removed.
func TestARemovedAuthorityEndsRunningConnections(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	a.issue("server")
	a.issue("client")
	f, err := Open(a.config("server"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", f.ServerConfig("http/1.1"))
	if err != nil {
		t.Fatal(err)
	}
	var connections atomic.Int32
	s := &http.Server{
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				connections.Add(1)
			}
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := f.Trusts(r.TLS.PeerCertificates); err != nil {
				_, _ = io.WriteString(w, err.Error())
			}
		})}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.read("ca.pem"))
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "localhost", Certificates: a.pair("client")}}}
	defer c.CloseIdleConnections()
	with := a.config("server")
	with.ClientCAFile = other.file("ca.pem")
	for _, step := range []struct {
		name string
		cfg  Config
		want string
	}{{"its authority", a.config("server"), ""}, {"another", with, ErrUntrusted.Error()}, {"its authority again", a.config("server"), ""}} {
		if err := f.Reload(step.cfg); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second answer is remembered
			res, err := c.Get("https://" + l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if string(b) != step.want {
				t.Errorf("%s: %q, want %q", step.name, b, step.want)
			}
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections: the test is about one", n)
	}
}

func TestTrusts(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	a.issue("server")
	a.issue("client")
	other.issue("stranger")
	a.issue("notforclients", "-addext", "extendedKeyUsage=serverAuth")
	// A client below an authority between: only with it the chain is whole.
	a.issue("between", "-days", "2")
	a.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=below", "-CA", "between.pem", "-CAkey", "between.key", "-keyout", "below.key", "-out", "below.pem", "-days", "9")
	certificate := func(x *authority, name string) *x509.Certificate {
		c, err := x509.ParseCertificate(x.pair(name)[0].Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	client, stranger, below, between := certificate(a, "client"), certificate(other, "stranger"), certificate(a, "below"), certificate(a, "between")
	const hour = time.Hour
	for _, c := range []struct {
		name  string
		later time.Duration
		sent  []*x509.Certificate
		want  error
	}{
		{"good", 0, []*x509.Certificate{client}, nil},
		{"none", 0, nil, ErrUntrusted},
		{"of another authority", 0, []*x509.Certificate{stranger}, ErrUntrusted},
		{"not for clients", 0, []*x509.Certificate{certificate(a, "notforclients")}, ErrUntrusted},
		{"without the one between", 0, []*x509.Certificate{below}, ErrUntrusted},
		{"with the one between", 0, []*x509.Certificate{below, between}, nil},
		{"expired", 30 * hour, []*x509.Certificate{client}, ErrExpired},
		{"expired and of another", 30 * hour, []*x509.Certificate{stranger}, ErrUntrusted},
		{"its authority has expired", 50 * hour, []*x509.Certificate{below, between}, ErrExpired},
	} {
		for _, before := range []bool{false, true} { // asked when it was still good
			clock := time.Now()
			f, err := Open(a.config("server"), func() time.Time { return clock })
			if err != nil {
				t.Fatal(err)
			}
			if before {
				_ = f.Trusts(c.sent)
			}
			clock = clock.Add(c.later)
			if err := f.Trusts(c.sent); !errors.Is(err, c.want) {
				t.Errorf("%s (asked before: %v): %v, want %v", c.name, before, err, c.want)
			}
		}
	}
	cfg := a.config("server")
	cfg.ClientCAFile = ""
	f, err := Open(cfg, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Trusts([]*x509.Certificate{client}); !errors.Is(err, ErrUntrusted) {
		t.Errorf("without authorities: %v", err)
	}
}

func BenchmarkTrusts(b *testing.B) {
	a := newAuthority(b)
	a.issue("server")
	a.issue("client")
	f, err := Open(a.config("server"), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	c, err := x509.ParseCertificate(a.pair("client")[0].Certificate[0])
	if err != nil {
		b.Fatal(err)
	}
	sent := []*x509.Certificate{c}
	for b.Loop() {
		if f.Trusts(sent) != nil {
			b.Fatal("not trusted")
		}
	}
}
