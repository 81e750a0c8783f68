package command

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/config"
	"github.com/asc-gateway/asc-gateway/internal/fifotest"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/sandbox"
)

// hanging is a custody that answers nobody, and obeys no context.
type hanging struct{ asked, back chan bool }

func (hanging) Scheme() string { return "hang" }
func (h hanging) Open(context.Context, string, string) (keys.Key, error) {
	h.asked <- true
	<-h.back
	return nil, keys.Unusable("HANG", "was away")
}

func (p *place) openssl(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command("openssl", args...)
	cmd.Dir = p.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("openssl %v: %v\n%s", args, err, out)
	}
}

// ecKey are the options of openssl req for a certificate with a key on P-256.
func ecKey(more ...string) []string {
	return append([]string{"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"}, more...)
}

// certificate are the credentials of a caller with a client certificate.
func (p *place) certificate(t *testing.T, name string) authn.Credentials {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(p.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return authn.Credentials{Certificate: c, Sent: []*x509.Certificate{c}}
}

// waitFor waits until the log says something.
func (p *place) waitFor(t *testing.T, text string) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for !strings.Contains(p.log.String(), text) {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("the log does not say %q:\n%s", text, p.log)
		}
	}
}

// TestAReloadThatHangs is bounded, and holds up neither calls, nor what else is
// to be taken, nor the end.
func TestAReloadThatHangs(t *testing.T) {
	p := newPlace(t)
	p.key(t, "ONE1234567")
	const policy = "version: 1\nrules:\n- {name: all, principals: [anonymous], methods: [read], teams: [main], apps: all}\n"
	p.write(t, "policy.yaml", policy)
	file := p.write(t, "gateway.yaml", p.config(entry("ONE1234567", "active"))+"policy: {file: policy.yaml}\n")
	cfg, err := config.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	away := hanging{make(chan bool), make(chan bool)}
	s, err := newService(t.Context(), file, cfg, []keys.Backend{away}, &logging{slog.NewTextHandler(p.log, nil), nil})
	if err != nil {
		t.Fatal(err)
	}
	s.reloadTime = 500 * time.Millisecond
	hang := "{id: HANG, issuer_id: " + sandbox.DefaultIssuer + ", uri: 'hang:x'}"
	p.write(t, "gateway.yaml", p.config(entry("ONE1234567", "active"), hang)+"policy: {file: policy.yaml}\n")
	p.write(t, "policy.yaml", strings.Replace(policy, "anonymous", "token:nobody", 1))
	done := make(chan bool)
	began := time.Now()
	go func() {
		s.reload(t.Context(), "first")
		close(done)
	}()
	<-away.asked
	if code := get(s); code != http.StatusForbidden {
		t.Errorf("the new policy waits for the keys: %d", code)
	}
	<-done
	t.Logf("a reload that hangs returned after %v of %v", time.Since(began).Round(time.Millisecond), s.reloadTime)
	p.waitFor(t, "hangs at keys of teams")
	if code := get(s); code != http.StatusForbidden {
		t.Errorf("calls are not served: %d", code)
	}
	s.reload(t.Context(), "second")
	p.waitFor(t, "an earlier reload still hangs at keys of teams")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	s.reloadTime = time.Hour
	s.reload(ended, "the gateway ends") // returns at once
	if strings.Contains(p.log.String(), "the gateway ends") {
		t.Error("the end is reported as a failed reload")
	}
	began = time.Now()
	s.close()
	if took := time.Since(began); took > leaveReload+3*time.Second {
		t.Errorf("the end waited %v for a reload", took)
	}
	close(away.back)
	p.waitFor(t, "a reload that was given up has ended")
}

// TestAReloadOfFilesThatAreNone: each file is replaced by a FIFO. The reload does
// not wait for it, names it, and keeps what was.
func TestAReloadOfFilesThatAreNone(t *testing.T) {
	p := newPlace(t)
	p8 := p.key(t, "ONE1234567")
	p.openssl(t, ecKey("-subj", "/CN=ca", "-addext", "subjectAltName=DNS:localhost", "-keyout", "tls.key", "-out", "tls.pem")...)
	p.write(t, "policy.yaml", "version: 1\nrules:\n- {name: all, principals: ['token:*'], methods: [read], teams: [main], apps: all}\n")
	p.write(t, "gateway.yaml", p.config(entry("ONE1234567", "active"))+
		"policy: {file: policy.yaml}\nauthn: {first_token_file: token}\ntls: {cert_file: tls.pem, key_file: tls.key, client_ca_file: tls.pem}\n")
	if err := os.Chmod(filepath.Join(p.dir, "tls.key"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := p.service(t)
	for _, name := range []string{"gateway.yaml", "policy.yaml", "token", "tls.pem", "tls.key", filepath.Base(p8)} {
		full := filepath.Join(p.dir, name)
		if err := os.Rename(full, full+".kept"); err != nil {
			t.Fatal(err)
		}
		fifotest.Make(t, full)
		before, began := len(p.log.String()), time.Now()
		s.reload(t.Context(), "test")
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("%s: the reload waited %v", name, took)
		}
		if said := p.log.String()[before:]; !strings.Contains(said, full+" is not a regular file") {
			t.Errorf("%s is not named:\n%s", name, said)
		}
		if err := os.Rename(full+".kept", full); err != nil {
			t.Fatal(err)
		}
	}
	before := len(p.log.String())
	s.reload(t.Context(), "all is well")
	if said := p.log.String()[before:]; !strings.Contains(said, "msg=reloaded") {
		t.Error(said)
	}
}

// TestNoCommandWaitsForAFIFO tries every command that reads a file.
func TestNoCommandWaitsForAFIFO(t *testing.T) {
	p := newPlace(t)
	p.key(t, "ONE1234567")
	good := p.write(t, "gateway.yaml", p.config(entry("ONE1234567", "active")))
	fifo := filepath.Join(p.dir, "AuthKey_FIFO123456.p8")
	fifotest.Make(t, fifo)
	ofFIFO := p.write(t, "fifo.yaml", p.config(entry("FIFO123456", "active")))
	for _, args := range [][]string{
		{"serve", "--config", fifo}, {"serve", "--sandbox", "--config", fifo}, {"serve", "--config", ofFIFO},
		{"config", "check", fifo}, {"config", "print", fifo}, {"config", "print", "--effective", fifo},
		{"keys", "list", "--config", fifo}, {"keys", "check", "--config", fifo}, {"keys", "public", "--config", fifo, "X"},
		{"keys", "public", "--config", ofFIFO, "FIFO123456"},
		{"keys", "import", "--to", "vault:x", "--config", good, fifo}, {"keys", "import", "--to", "vault:x", "--config", fifo, fifo},
		{"policy", "test", fifo}, {"audit", "show", fifo}, {"audit", "verify", fifo},
		{"sandbox", "--listen", "127.0.0.1:0", "--public-key", "K=" + fifo},
	} {
		done := make(chan error, 1)
		go func() { done <- Run(t.Context(), args, io.Discard, io.Discard) }()
		select {
		case err := <-done:
			if err == nil || !strings.Contains(err.Error(), fifo+" is not a regular file") {
				t.Errorf("%v: %v", args, err)
			}
		case <-time.After(4 * time.Second):
			t.Errorf("%v waits", args)
		}
	}
}

// TestHangupsWhileStarting sends SIGHUP all the time that a gateway starts, and
// greets, for the race detector to judge. Those before the start are carried out
// once.
func TestHangupsWhileStarting(t *testing.T) {
	p := newPlace(t)
	p.key(t, "ONE1234567")
	file := p.write(t, "gateway.yaml", p.config(entry("ONE1234567", "active")))
	hup := make(chan os.Signal, 1)
	hup <- syscall.SIGHUP // before the start
	ctx, cancel := context.WithCancel(WithHangups(t.Context(), hup))
	out, done := &output{}, make(chan error, 1)
	go func() { done <- Run(ctx, []string{"serve", "--config", file}, out, p.log) }()
	p.waitFor(t, `"msg":"reloaded","why":"SIGHUP"`)
	for range 3 {
		hup <- syscall.SIGHUP
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := strings.Count(p.log.String(), `"msg":"reloaded"`); n < 1 || n > 4 {
		t.Errorf("%d reloads", n)
	}
	if !strings.Contains(out.String(), "rest ") {
		t.Errorf("no greeting:\n%s", out)
	}
}

// TestAStartThatIsToEnd: SIGTERM ends a start, whatever it waits for, without an
// error.
func TestAStartThatIsToEnd(t *testing.T) {
	p := newPlace(t)
	file := p.write(t, "gateway.yaml", p.config("{id: HANG, issuer_id: "+sandbox.DefaultIssuer+", uri: 'hang:x'}"))
	away := hanging{make(chan bool, 1), make(chan bool)}
	defer close(away.back)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, []string{"serve", "--config", file}, io.Discard, p.log, away) }()
	<-away.asked
	began := time.Now()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	t.Logf("a start that hangs ended after %v", time.Since(began).Round(time.Millisecond))
	if !strings.Contains(p.log.String(), "something that was being opened hangs") {
		t.Error(p.log)
	}
	if err := Run(ctx, []string{"serve", "--config", file}, io.Discard, p.log, away); err != nil {
		t.Errorf("told to end before it began: %v", err)
	}
}

// TestARemovedAuthorityIsNotBelieved: the authenticator asks the present files
// about client certificates.
func TestARemovedAuthorityIsNotBelieved(t *testing.T) {
	p := newPlace(t)
	p.key(t, "ONE1234567")
	for _, ca := range []string{"ca", "other"} {
		p.openssl(t, ecKey("-subj", "/CN="+ca, "-addext", "subjectAltName=DNS:localhost", "-keyout", ca+".key", "-out", ca+".pem")...)
	}
	p.openssl(t, ecKey("-subj", "/CN=x", "-CA", "ca.pem", "-CAkey", "ca.key",
		"-addext", "subjectAltName=URI:spiffe://example.org/x", "-keyout", "x.key", "-out", "x.pem")...)
	p.write(t, "policy.yaml", "version: 1\nrules: []\n")
	text := p.config(entry("ONE1234567", "active")) +
		"policy: {file: policy.yaml}\nauthn: {mtls: {}}\ntls: {cert_file: ca.pem, key_file: ca.key, client_ca_file: ca.pem}\n"
	p.write(t, "gateway.yaml", text)
	s := p.service(t)
	credentials := p.certificate(t, "x.pem")
	if who, err := s.authn.Authenticate(t.Context(), credentials); err != nil || who.ID != "spiffe://example.org/x" {
		t.Fatalf("%v %v", who, err)
	}
	p.write(t, "gateway.yaml", strings.Replace(text, "client_ca_file: ca.pem", "client_ca_file: other.pem", 1))
	s.reload(t.Context(), "test")
	if who, err := s.authn.Authenticate(t.Context(), credentials); err == nil {
		t.Errorf("%v is believed, whose authority was removed\n%s", who, p.log)
	}
}
