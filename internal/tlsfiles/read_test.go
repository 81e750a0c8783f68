package tlsfiles

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fifotest"
)

func (a *authority) read(name string) []byte {
	a.t.Helper()
	b, err := os.ReadFile(a.file(name))
	if err != nil {
		a.t.Fatal(err)
	}
	return b
}

func (a *authority) write(name string, parts ...[]byte) {
	a.t.Helper()
	if err := os.WriteFile(a.file(name), bytes.Join(parts, nil), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// TestABadFileDoesNotReplaceAGoodOne tries each at a reload and at the first
// start. The error names the file.
func TestABadFileDoesNotReplaceAGoodOne(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	a.issue("good")
	a.issue("client", "-addext", "extendedKeyUsage=clientAuth")
	a.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=nameless", "-keyout", "nameless.key", "-out", "nameless.pem")
	good, ca := a.read("good.pem"), a.read("ca.pem")
	damaged := bytes.Replace(ca, []byte("MII"), []byte("M*I"), 1)
	a.write("everyone.key", a.read("good.key"))
	if err := os.Chmod(a.file("everyone.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, parts := range map[string][][]byte{
		"headless.pem":  {good, bytes.TrimPrefix(ca, []byte("-----BEGIN CERTIFICATE-----\n"))},
		"cut.pem":       {good, ca[:len(ca)/2]},
		"withkey.pem":   {good, a.read("good.key")},
		"cas-bad.pem":   {ca, damaged, other.read("ca.pem")},
		"cas-first.pem": {damaged, ca},
		"cas-key.pem":   {ca, a.read("ca.key")},
		"empty.pem":     {[]byte("# nothing\n")},
		"large.pem":     {ca, bytes.Repeat([]byte("\n"), maxFileBytes)},
	} {
		a.write(name, parts...)
	}
	fifotest.Make(t, a.file("fifo"))
	const day = 24 * time.Hour
	for _, c := range []struct {
		name           string
		cert, key, cas string
		later          time.Duration
		says           []string
	}{
		{name: "expired", later: 2 * day, says: []string{"tls.cert_file", "good.pem", "expired at"}},
		{name: "not valid yet", later: -2 * day, says: []string{"tls.cert_file", "good.pem", "not valid before"}},
		{name: "the key of another", key: "client.key", says: []string{"tls.key_file", "client.key", "good.pem"}},
		{name: "not for servers", cert: "client.pem", key: "client.key", says: []string{"client.pem", "serverAuth"}},
		{name: "no SAN", cert: "nameless.pem", key: "nameless.key", says: []string{"nameless.pem", "subject alternative name"}},
		{name: "a certificate without its first line", cert: "headless.pem", says: []string{"headless.pem", "does not begin"}},
		{name: "cut short", cert: "cut.pem", says: []string{"cut.pem", "certificate 2", "damaged"}},
		{name: "a key among certificates", cert: "withkey.pem", says: []string{"withkey.pem", "PRIVATE KEY"}},
		{name: "no certificate", cert: "none.pem", says: []string{"tls.cert_file", "none.pem"}},
		{name: "no key", key: "none.key", says: []string{"tls.key_file", "none.key"}},
		{name: "a key that everyone can read", key: "everyone.key", says: []string{"everyone.key", "chmod"}},
		{name: "a FIFO", cert: "fifo", says: []string{"tls.cert_file", "fifo", "regular"}},
		{name: "a FIFO of a key", key: "fifo", says: []string{"tls.key_file", "fifo", "regular"}},
		{name: "a folder of authorities", cas: ".", says: []string{"tls.client_ca_file", "regular"}},
		{name: "a damaged authority", cas: "cas-bad.pem", says: []string{"tls.client_ca_file", "cas-bad.pem", "certificate 2", "damaged"}},
		{name: "the first is damaged", cas: "cas-first.pem", says: []string{"cas-first.pem", "certificate 1", "damaged"}},
		{name: "a key among authorities", cas: "cas-key.pem", says: []string{"cas-key.pem", "PRIVATE KEY"}},
		{name: "no authority", cas: "empty.pem", says: []string{"empty.pem", "no certificate"}},
		{name: "a large bundle", cas: "large.pem", says: []string{"large.pem", "too large"}},
		{name: "expired authorities", cert: "long.pem", key: "long.key", later: 3 * day, says: []string{"tls.client_ca_file", "ca.pem", "no authority is valid now"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.cert == "long.pem" {
				a.issue("long", "-days", "9")
			}
			bad := a.config("good")
			for field, name := range map[*string]string{&bad.CertFile: c.cert, &bad.KeyFile: c.key, &bad.ClientCAFile: c.cas} {
				if name != "" {
					*field = a.file(name)
				}
			}
			clock := time.Now()
			f, err := Open(a.config("good"), func() time.Time { return clock })
			if err != nil {
				t.Fatal(err)
			}
			was := f.current.Load()
			clock = clock.Add(c.later)
			err = f.Reload(bad)
			for _, text := range c.says {
				if err == nil || !strings.Contains(err.Error(), text) {
					t.Errorf("the error does not say %q: %v", text, err)
				}
			}
			if f.current.Load() != was {
				t.Error("it replaced the good one")
			}
			if _, err := Open(bad, func() time.Time { return clock }); err == nil {
				t.Error("it is taken at the first start")
			}
		})
	}
}

// TestBundlesAreReadWhole: every authority of a bundle counts, also after
// comments, blank lines and one that has expired.
func TestBundlesAreReadWhole(t *testing.T) {
	a, b, old := newAuthority(t), newAuthority(t), newAuthority(t)
	a.issue("server", "-days", "9")
	b.issue("client", "-days", "9")
	for _, x := range []*authority{a, b} {
		x.openssl("req", "-x509", "-key", "ca.key", "-subj", "/CN=ca", "-out", "ca.pem", "-days", "9")
	}
	a.write("bundle.pem", []byte("\ufeff# old, gone soon\n"), old.read("ca.pem"), []byte("\r\n# ours\n"), a.read("ca.pem"), b.read("ca.pem"), []byte("\n# the end"))
	cfg := a.config("server")
	cfg.ClientCAFile = a.file("bundle.pem")
	f, err := Open(cfg, func() time.Time { return time.Now().Add(72 * time.Hour) })
	if err != nil {
		t.Fatal(err)
	}
	if _, client, err := a.get(serve(t, f), b.pair("client")); err != nil || client != "client" {
		t.Errorf("the last authority of the bundle is not believed: %q %v", client, err)
	}
}

func FuzzParseCertificates(f *testing.F) {
	f.Add([]byte("# comment\n-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n"))
	f.Add([]byte("-----BEGIN X-----\n-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----"))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := parseCertificates(b)
		if err == nil && len(list) != bytes.Count(b, []byte("-----BEGIN CERTIFICATE-----")) && !bytes.Contains(b, []byte("#")) {
			t.Errorf("%d certificates of %q", len(list), b)
		}
	})
}

// TestTextBetweenCertificates is what openssl and many bundles write.
func TestTextBetweenCertificates(t *testing.T) {
	a := newAuthority(t)
	a.openssl("x509", "-in", "ca.pem", "-text", "-out", "text.pem")
	both := slices.Concat([]byte("Bag Attributes\n    friendlyName: x\n"), a.read("text.pem"), []byte("# the same\n\n"), a.read("ca.pem"), []byte("\nend"))
	if list, err := parseCertificates(both); err != nil || len(list) != 2 {
		t.Errorf("%d certificates, %v", len(list), err)
	}
}
