package asc

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// upstream serves connections by hand until the test ends.
func upstream(t *testing.T, config *tls.Config, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if config != nil {
		l = tls.NewListener(l, config)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serve(c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

// forever writes until the other side goes away, at most 256 MiB.
func forever(c net.Conn, head, again string) {
	text := strings.Repeat(again, 1+64<<10/len(again))
	_, err := io.WriteString(c, head)
	for n := 0; err == nil && n < 256<<20; n += len(text) {
		_, err = io.WriteString(c, text)
	}
}

// allocated is how many bytes were allocated while f ran.
func allocated(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// TestHeadersWithoutEnd: what comes before a body is bounded too.
func TestHeadersWithoutEnd(t *testing.T) {
	for name, c := range map[string]struct{ head, again string }{
		"one header without end":    {"HTTP/1.1 200 OK\r\nX: ", "aaaaaaaa"},
		"headers without end":       {"HTTP/1.1 200 OK\r\n", "X: a\r\n"},
		"interim answers (1xx)":     {"", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"},
		"continue without end":      {"", "HTTP/1.1 100 Continue\r\n\r\n"},
		"a status line of any kind": {"HTTP/1.1 200 ", "OKOKOKOK"},
	} {
		t.Run(name, func(t *testing.T) {
			addr := upstream(t, nil, func(conn net.Conn) {
				_, _ = conn.Read(make([]byte, 4096))
				forever(conn, c.head, c.again)
			})
			client, err := New(Config{BaseURL: "http://" + addr, MaxAttempts: 1}, Deps{Tokens: &tokens{}})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			begun := time.Now()
			var got error
			bytes := allocated(func() { _, got = client.Do(t.Context(), get()) })
			t.Logf("%d KiB allocated in %v", bytes>>10, time.Since(begun).Round(time.Millisecond))
			if fault.As(got).Reason != fault.ReasonUpstreamUnavailable || bytes > 8<<20 || time.Since(begun) > 5*time.Second {
				t.Errorf("got %v, %d bytes, %v", got, bytes, time.Since(begun))
			}
		})
	}
}

// trusting is a client of a TLS server.
func trusting(t *testing.T, base string, certificate *x509.Certificate) *Client {
	t.Helper()
	client, err := New(Config{BaseURL: base, MaxAttempts: 1}, Deps{Tokens: &tokens{}})
	if err != nil {
		t.Fatal(err)
	}
	client.own.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12, ServerName: "example.com"}
	client.own.TLSClientConfig.RootCAs.AddCert(certificate)
	t.Cleanup(client.Close)
	return client
}

func TestHTTP2HeadersAreBounded(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("spoken: %s", r.Proto)
		}
		for range 64 {
			w.Header().Add("X-Large", strings.Repeat("a", 64<<10))
		}
		ok(w, r)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	client := trusting(t, s.URL, s.Certificate())
	var got error
	bytes := allocated(func() { _, got = client.Do(t.Context(), get()) })
	t.Logf("%d KiB allocated", bytes>>10)
	if got == nil || bytes > 32<<20 { // the server's 4 MiB of headers and their copies are in it
		t.Errorf("%d bytes, %v", bytes, got)
	}
}

// TestServerPushIsRefused: the client has said that it wants none.
func TestServerPushIsRefused(t *testing.T) {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	config := &tls.Config{Certificates: s.TLS.Certificates, NextProtos: []string{"h2"}}
	frame := func(kind, flags byte, stream uint32, payload []byte) []byte {
		b := append(binary.BigEndian.AppendUint32(nil, uint32(len(payload)))[1:], kind, flags)
		return append(binary.BigEndian.AppendUint32(b, stream), payload...)
	}
	addr := upstream(t, config, func(c net.Conn) {
		_, _ = io.ReadFull(c, make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")))
		_, _ = c.Write(frame(4, 0, 0, nil)) // SETTINGS
		push := append(binary.BigEndian.AppendUint32(nil, 2), 0x82, 0x87, 0x84)
		for err := error(nil); err == nil; { // PUSH_PROMISE on the first stream, without end
			_, err = c.Write(frame(5, 4, 1, push))
		}
	})
	client := trusting(t, "https://"+addr, s.Certificate())
	begun := time.Now()
	var got error
	bytes := allocated(func() { _, got = client.Do(t.Context(), get()) })
	t.Logf("%d KiB allocated in %v", bytes>>10, time.Since(begun).Round(time.Millisecond))
	if fault.As(got).Reason != fault.ReasonUpstreamUnavailable || bytes > 8<<20 || time.Since(begun) > 5*time.Second {
		t.Errorf("got %v, %d bytes, %v", got, bytes, time.Since(begun))
	}
}

// TestGzipBombs: neither what comes out of gzip nor what goes into it is without
// a bound.
func TestGzipBombs(t *testing.T) {
	pack := func(n int) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(make([]byte, n))
		_ = z.Close()
		return b.Bytes()
	}
	large, empty := pack(1<<20), pack(0)
	for name, member := range map[string][]byte{"zeros without end": large, "members that hold nothing": bytes.Repeat(empty, 1000)} {
		most := int64(4 << 20)
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", map[bool]string{true: "text/csv", false: "application/json"}[r.URL.Path == "/v1/file"])
			w.Header().Set("Content-Encoding", "gzip")
			for r.Context().Err() == nil {
				if _, err := w.Write(member); err != nil {
					return
				}
			}
		}))
		client, err := New(Config{BaseURL: s.URL, MaxFileBytes: most, MaxResponseBytes: most}, Deps{Tokens: &tokens{}})
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range []bool{false, true} {
			var got error
			begun := time.Now()
			bytes := allocated(func() {
				if !file {
					_, got = client.Do(t.Context(), get())
					return
				}
				var f *File
				if f, got = client.Open(t.Context(), &Call{Method: "GET", Template: "/v1/file", Path: "/v1/file"}); got == nil {
					_, got = io.Copy(io.Discard, f.Body)
					_ = f.Body.Close()
				}
			})
			t.Logf("%s, file %v: %d MiB allocated in %v", name, file, bytes>>20, time.Since(begun).Round(time.Millisecond))
			if fault.As(got).Reason != fault.ReasonUpstreamTooLarge || bytes > 16*most {
				t.Errorf("%s, file %v: %v, %d bytes allocated", name, file, got, bytes)
			}
		}
		client.Close()
		s.Close()
	}
}
