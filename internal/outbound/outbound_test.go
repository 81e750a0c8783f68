package outbound

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fifotest"
	"github.com/asc-gateway/asc-gateway/internal/files"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "hvs.CAESIJ2vT0kenOfTheGateway0123456789"

func client(t *testing.T, cfg Config) *http.Client {
	t.Helper()
	if cfg.Timeout == 0 {
		cfg.Timeout = 500 * time.Millisecond
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func get(t *testing.T, c *http.Client, at string) (Answer, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Vault-Token", token)
	return Ask(c, r, token)
}

// raw serves every connection by hand: what it writes need not be HTTP.
func raw(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = http.ReadRequest(bufio.NewReader(c))
			answer(c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return "http://" + l.Addr().String()
}

// endless writes until nobody reads, and counts.
func endless(c net.Conn, text string, written *atomic.Int64) {
	for {
		n, err := io.WriteString(c, text)
		if written.Add(int64(n)); err != nil {
			return
		}
	}
}

// TestHostileServers holds every bound of a client, each against a server that
// does its worst.
func TestHostileServers(t *testing.T) {
	filler := strings.Repeat("x", 32<<10)
	for _, x := range []struct {
		name   string
		answer func(net.Conn, *atomic.Int64)
		want   string
		most   int64 // bytes that the server gets rid of; what the kernel holds included
	}{
		{"an endless body", func(c net.Conn, n *atomic.Int64) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			endless(c, filler, n)
		}, "larger than", 16 << 20},
		{"an endless body in chunks", func(c net.Conn, n *atomic.Int64) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			endless(c, "8000\r\n"+filler+"\r\n", n)
		}, "larger than", 16 << 20},
		{"an endless header", func(c net.Conn, n *atomic.Int64) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nA: ")
			endless(c, filler, n)
		}, "header", 16 << 20},
		{"endless headers", func(c net.Conn, n *atomic.Int64) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			endless(c, strings.Repeat("A: b\r\n", 5000), n)
		}, "header", 16 << 20},
		{"endless early answers", func(c net.Conn, n *atomic.Int64) {
			endless(c, "HTTP/1.1 103 Early Hints\r\nLink: "+filler+"\r\n\r\n", n)
		}, "", 16 << 20},
		{"endless trailers", func(c net.Conn, n *atomic.Int64) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
			endless(c, strings.Repeat("A: b\r\n", 5000), n)
		}, "", 16 << 20},
		{"nothing", func(c net.Conn, _ *atomic.Int64) { _, _ = io.Copy(io.Discard, c) }, "deadline exceeded", 0},
		{"a byte now and then", func(c net.Conn, n *atomic.Int64) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for range tick.C {
				if _, err := io.WriteString(c, "x"); err != nil {
					return
				}
				n.Add(1)
			}
		}, "deadline exceeded", 1 << 10},
	} {
		t.Run(x.name, func(t *testing.T) {
			var written atomic.Int64
			at := raw(t, func(c net.Conn) { x.answer(c, &written) })
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			begun := time.Now()
			_, err := get(t, client(t, Config{}), at)
			took := time.Since(begun)
			runtime.ReadMemStats(&after)
			allocated := after.TotalAlloc - before.TotalAlloc
			t.Logf("%v: %v, %d KiB allocated by both sides, the server got rid of %d KiB",
				err, took.Round(time.Millisecond), allocated>>10, written.Load()>>10)
			if err == nil || !strings.Contains(err.Error(), x.want) {
				t.Errorf("got %v", err)
			}
			if took > 3*time.Second || allocated > 16<<20 || written.Load() > x.most {
				t.Error("not bounded")
			}
		})
	}
}

// TestNothingIsDecompressed holds that a bomb is refused unread, and that none
// is asked for.
func TestNothingIsDecompressed(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	for range 20 {
		_, _ = z.Write(make([]byte, 1<<20))
	}
	_ = z.Close()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "" {
			t.Errorf("it asks for %s", r.Header.Get("Accept-Encoding"))
		}
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = w.Write(bomb.Bytes())
	}))
	defer s.Close()
	if _, err := get(t, client(t, Config{}), s.URL); err == nil || !strings.Contains(err.Error(), "compressed") {
		t.Errorf("got %v", err)
	}
}

// TestNoRedirectIsFollowed holds that a token never reaches another host.
func TestNoRedirectIsFollowed(t *testing.T) {
	var reached atomic.Int32
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer thief.Close()
	for _, status := range []int{300, 301, 302, 303, 307, 308} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", thief.URL)
			w.Header().Set("Refresh", "0; url="+thief.URL)
			w.WriteHeader(status)
		}))
		if got, err := get(t, client(t, Config{}), s.URL); err != nil || got.Status != status {
			t.Errorf("%d: %v %v", status, got.Status, err)
		}
		s.Close()
	}
	if reached.Load() != 0 {
		t.Errorf("%d redirects were followed", reached.Load())
	}
}

// proxyVariables are what could name a proxy, and what other TLS libraries obey.
func proxyVariables(t *testing.T, proxy string) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		t.Setenv(name, proxy)
	}
	t.Setenv("NO_PROXY", "")
	t.Setenv("REQUEST_METHOD", "")
}

// TestTheEnvironmentNamesNoProxy is run in a process of its own: net/http reads
// the environment once.
func TestTheEnvironmentNamesNoProxy(t *testing.T) {
	if os.Getenv("OUTBOUND_CHILD") != "" {
		// net/http never sends loopback through a proxy of the environment: a name
		// that does not exist would go there.
		_, err := get(t, client(t, Config{}), "http://vault.invalid/")
		fmt.Println("got:", err)
		return
	}
	var asked atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer proxy.Close()
	proxyVariables(t, proxy.URL)
	keylog := filepath.Join(t.TempDir(), "keys")
	t.Setenv("SSLKEYLOGFILE", keylog)
	t.Setenv("OUTBOUND_CHILD", "1")
	out, err := exec.Command(os.Args[0], "-test.run=TestTheEnvironmentNamesNoProxy$", "-test.v").CombinedOutput()
	if err != nil || asked.Load() != 0 || !strings.Contains(string(out), "got: Get") {
		t.Errorf("%v, the proxy was asked %d times: %s", err, asked.Load(), out)
	}
	if _, err := os.Stat(keylog); err == nil {
		t.Error("the keys of TLS connections are written to SSLKEYLOGFILE")
	}
}

func TestAConfiguredProxyIsUsed(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.URL.Host)
	}))
	defer proxy.Close()
	got, err := get(t, client(t, Config{Proxy: proxy.URL}), "http://vault.invalid/")
	if err != nil || string(got.Body) != "vault.invalid" {
		t.Errorf("%s %v", got.Body, err)
	}
	for _, bad := range []string{"proxy:3128", "socks5://p:1", "http://", "http://user:secret@p:1", "environment"} {
		if _, err := New(Config{Proxy: bad}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v", bad, err)
		}
	}
}

// TestTLS holds what certificates and versions are taken.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	bundle := func(name string, text []byte) string {
		full := filepath.Join(dir, name)
		if err := os.WriteFile(full, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return full
	}
	start := func(most uint16) *httptest.Server {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		s.Config.ErrorLog = nil
		s.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: most}
		s.StartTLS()
		t.Cleanup(s.Close)
		return s
	}
	good := start(tls.VersionTLS13)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: good.Certificate().Raw})
	whole := bundle("ca.pem", ca)
	trusting := client(t, Config{CAFile: whole, Timeout: 5 * time.Second})
	if _, err := get(t, trusting, good.URL); err != nil {
		t.Error(err)
	}
	_, err := get(t, client(t, Config{Timeout: 5 * time.Second}), good.URL)
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown authority: got %v", err)
	}
	other := strings.Replace(good.URL, "127.0.0.1", "localhost", 1)
	if _, err := get(t, trusting, other); err == nil {
		t.Error("another name: taken")
	}
	if _, err := get(t, trusting, start(tls.VersionTLS11).URL); err == nil {
		t.Error("TLS 1.1: taken")
	}
	fifo := filepath.Join(dir, "fifo")
	fifotest.Make(t, fifo)
	if _, err := New(Config{CAFile: fifo}); !errors.Is(err, files.ErrNotRegular) {
		t.Errorf("a FIFO: got %v", err)
	}
	for name, text := range map[string]string{
		"cut":     string(ca) + string(ca[:len(ca)/2]),
		"empty":   "",
		"damaged": string(ca) + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	} {
		if _, err := New(Config{CAFile: bundle(name, []byte(text))}); err == nil {
			t.Errorf("a bundle that is %s: taken", name)
		}
	}
}
