package command

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// certificate is one for 127.0.0.1 that signs itself, and its key, as files.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: now.Add(-time.Hour),
		NotAfter: now.Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// TestCallsOverTLS calls a gateway with TLS, on ports of their own and on one. curl
// judges the REST face.
func TestCallsOverTLS(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Fatal(err)
	}
	cert, key := certificate(t)
	for _, args := range [][]string{{"--rest", anywhere, "--grpc", anywhere}, {"--listen", anywhere}} {
		t.Run(args[0], func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "g.yaml")
			text := "listen: {ops: '" + anywhere + "'}\ntls: {cert_file: " + cert + ", key_file: " + key + "}\n"
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			out := started(t, append([]string{"--sandbox", "--config", name}, args...)...)
			gw := said(t, out, `(?m)^grpc +(\S+)`)
			for _, c := range []struct {
				args []string
				exit int
				says string
			}{
				{[]string{"--tls", "--ca-file", cert}, 0, ""},
				{[]string{"--tls"}, 8, "--ca-file FILE names the authority"},
				{[]string{"--plaintext"}, 8, "--plaintext"},
				{[]string{"--tls", "--ca-file", key}, 2, "holds no certificate"},
				{[]string{"--tls", "--cert-file", cert}, 2, "go together"},
				{[]string{"--tls", "--ca-file", cert, "--cert-file", cert, "--key-file", key}, 0, ""},
			} {
				_, err := call(t, append([]string{"ListApps", "page_size=1", "--address", gw}, c.args...)...)
				if ExitCode(err) != c.exit || err != nil && !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v: exit code %d, want %d: %v", c.args, ExitCode(err), c.exit, err)
				}
			}
			rest := said(t, out, `(?m)^rest +(\S+)`)
			for _, version := range []string{"--http1.1", "--http2"} {
				b, err := exec.CommandContext(t.Context(), curl, "-sS", "--cacert", cert, version, rest+"/v1/apps?limit=1").CombinedOutput()
				if err != nil || !strings.Contains(string(b), "Trail Mix") {
					t.Errorf("curl %s: %v %s", version, err, b)
				}
			}
		})
	}
}
