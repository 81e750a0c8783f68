package tlsfiles

import (
	"crypto/tls"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// handshakes accepts connections and shakes hands until the test ends.
func handshakes(t *testing.T, cfg *tls.Config) (address string) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan bool)
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func(c net.Conn) {
				defer c.Close()
				if c.(*tls.Conn).Handshake() == nil {
					_, _ = io.Copy(io.Discard, c)
				}
			}(c)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

// client says how a handshake of openssl's client goes.
func (a *authority) client(address string, args ...string) (said string, ok bool) {
	args = append([]string{"s_client", "-connect", address, "-servername", "localhost", "-CAfile", "ca.pem", "-verify_return_error"}, args...)
	cmd := exec.Command("openssl", args...)
	cmd.Dir = a.dir
	out, err := cmd.CombinedOutput()
	return string(out), err == nil && strings.Contains(string(out), "Verif")
}

// TestOpenSSLJudgesVersionsAndSuites lets openssl's client try old versions and
// suites. A server that allows everything shows that the client itself can.
func TestOpenSSLJudgesVersionsAndSuites(t *testing.T) {
	a := newAuthority(t)
	a.issue("ec")
	a.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=rsa", "-CA", "ca.pem", "-CAkey", "ca.key",
		"-addext", "subjectAltName=DNS:localhost", "-keyout", "rsa.key", "-out", "rsa.pem")
	for _, c := range []struct {
		name, server string
		args         []string
		served       bool
	}{
		{"TLS 1.3", "ec", []string{"-tls1_3"}, true},
		{"ECDSA AES 128 GCM", "ec", []string{"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"}, true},
		{"ECDSA AES 256 GCM", "ec", []string{"-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"}, true},
		{"ECDSA ChaCha20", "ec", []string{"-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"}, true},
		{"RSA AES 128 GCM", "rsa", []string{"-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"}, true},
		{"RSA ChaCha20", "rsa", []string{"-tls1_2", "-cipher", "ECDHE-RSA-CHACHA20-POLY1305"}, true},
		{"ECDSA CBC", "ec", []string{"-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"}, false},
		{"RSA CBC", "rsa", []string{"-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA"}, false},
		{"RSA CBC SHA 256", "rsa", []string{"-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA256"}, false},
		{"no forward secrecy", "rsa", []string{"-tls1_2", "-cipher", "AES128-GCM-SHA256"}, false},
		{"TLS 1.1", "rsa", []string{"-tls1_1", "-cipher", "ALL@SECLEVEL=0"}, false},
		{"TLS 1.0", "rsa", []string{"-tls1", "-cipher", "ALL@SECLEVEL=0"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := Open(a.config(c.server), time.Now)
			if err != nil {
				t.Fatal(err)
			}
			said, ok := a.client(handshakes(t, f.ServerConfig("h2")), append(c.args, "-alpn", "h2")...)
			if ok != c.served {
				t.Errorf("served: %v, want %v\n%s", ok, c.served, said)
			}
			if c.served {
				return
			}
			if said, ok := a.client(handshakes(t, everything(a.pair(c.server))), c.args...); !ok {
				t.Errorf("openssl cannot do it itself, so it is no judge\n%s", said)
			}
		})
	}
}

// everything allows what Go knows.
func everything(certs []tls.Certificate) *tls.Config {
	c := &tls.Config{Certificates: certs, MinVersion: tls.VersionTLS10}
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		c.CipherSuites = append(c.CipherSuites, s.ID)
	}
	return c
}

// TestOpenSSLJudgesALPN: a listener of gRPC speaks h2 only; grpc-go closes
// connections that have not agreed on it.
func TestOpenSSLJudgesALPN(t *testing.T) {
	a := newAuthority(t)
	a.issue("server")
	f, err := Open(a.config("server"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	grpc, rest := handshakes(t, f.ServerConfig("h2")), handshakes(t, f.ServerConfig("h2", "http/1.1"))
	for _, c := range []struct{ name, address, offers, want string }{
		{"gRPC, h2", grpc, "h2", "ALPN protocol: h2"},
		{"gRPC, both", grpc, "http/1.1,h2", "ALPN protocol: h2"},
		{"gRPC, http/1.1", grpc, "http/1.1", "No ALPN negotiated"},
		{"REST, http/1.1", rest, "http/1.1", "ALPN protocol: http/1.1"},
		{"REST, both", rest, "http/1.1,h2", "ALPN protocol: h2"},
	} {
		if said, _ := a.client(c.address, "-alpn", c.offers); !strings.Contains(said, c.want) {
			t.Errorf("%s: openssl does not say %q:\n%s", c.name, c.want, said)
		}
	}
}
