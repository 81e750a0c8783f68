package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/transfer"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestHosts: https on allowed hosts, or the upstream's own origin.
func TestHosts(t *testing.T) {
	own, err := url.Parse("http://127.0.0.1:8090")
	if err != nil {
		t.Fatal(err)
	}
	h := transfer.Hosts{Own: own, Suffixes: []string{"apple.com"}}
	for link, reason := range map[string]string{
		"https://store-021.blobstore.apple.com/a?sig=x":      "",
		"https://STORE.Apple.com/a":                          "",
		"https://apple.com:443/a":                            "",
		"http://127.0.0.1:8090/_sandbox/upload":              "",
		"http://store-021.blobstore.apple.com/a":             transfer.ReasonForeignHost,
		"https://store.apple.com:8443/a":                     transfer.ReasonForeignHost,
		"https://apple.com.attacker.example/a":               transfer.ReasonForeignHost,
		"https://notapple.com/a":                             transfer.ReasonForeignHost,
		"http://127.0.0.1:8091/_sandbox/upload":              transfer.ReasonForeignHost,
		"https://127.0.0.1:8090/":                            transfer.ReasonForeignHost,
		"https://user@store.apple.com/a":                     transfer.ReasonBadURL,
		"https://store.apple.com/a#x":                        transfer.ReasonBadURL,
		"file:///etc/passwd":                                 transfer.ReasonBadURL,
		"https:store.apple.com":                              transfer.ReasonBadURL,
		"":                                                   transfer.ReasonBadURL,
		"https://a.apple.com/" + strings.Repeat("x", 16<<10): transfer.ReasonBadURL,
	} {
		_, err := h.Allow(link)
		if got := reasonOf(err); got != reason {
			t.Errorf("%.60s: %q, want %q", link, got, reason)
		}
	}
	for s, right := range map[string]bool{"apple.com": true, "a.b.example": true, "com": false, "*.apple.com": false,
		".apple.com": false, "Apple.com": false, "apple.com:443": false, "10.0.0.1": false, "": false, "a b.c": false} {
		if err := transfer.CheckSuffix(s); (err == nil) != right {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func reasonOf(err error) string {
	if err == nil {
		return ""
	}
	return fault.As(err).Reason
}

func serve(t *testing.T, f http.HandlerFunc) (*transfer.Client, string) {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	own, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := transfer.New(transfer.Config{Hosts: transfer.Hosts{Own: own}, Stall: 200 * time.Millisecond})
	t.Cleanup(c.Close)
	return c, s.URL
}

// TestPut: what is sent is what Apple asked for, and nothing of ours.
func TestPut(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789"), 100_000)
	c, base := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		got, err := io.ReadAll(r.Body)
		if err != nil || !bytes.Equal(got, data) || r.ContentLength != int64(len(data)) || r.Method != "PUT" {
			t.Errorf("%s %d bytes of %d: %v", r.Method, len(got), r.ContentLength, err)
		}
		if r.Header.Get("Authorization") != "" || r.Header.Get("User-Agent") != "" || r.Header.Get("Content-Type") != "image/png" {
			t.Errorf("%v", r.Header)
		}
	})
	err := c.Put(t.Context(), transfer.Part{URL: base + "/p?Signature=secret", Body: bytes.NewReader(data), Length: int64(len(data)),
		Headers: []transfer.Header{{"content-type", "image/png"}, {"Content-Length", "7"}, {"Host", "elsewhere"}}})
	if err != nil {
		t.Fatal(err)
	}
}

// TestAnswers: each answer has its meaning, and no fault holds the URL.
func TestAnswers(t *testing.T) {
	followed := false
	c, base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/followed":
			followed = true
		case "/hang":
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		case "/cut":
			panic(http.ErrAbortHandler)
		case "/307":
			http.Redirect(w, r, "/followed", http.StatusTemporaryRedirect)
		default:
			code := map[string]int{"/503": 503, "/429": 429, "/403": 403, "/410": 410, "/400": 400, "/409": 409}[r.URL.Path]
			w.WriteHeader(code)
		}
	})
	for path, reason := range map[string]string{
		"/503": transfer.ReasonUnavailable, "/429": transfer.ReasonUnavailable, "/cut": transfer.ReasonUnavailable,
		"/hang": transfer.ReasonUnavailable, "/403": transfer.ReasonExpired, "/410": transfer.ReasonExpired,
		"/400": transfer.ReasonRefused, "/409": transfer.ReasonRefused, "/307": transfer.ReasonRedirected,
	} {
		err := c.Put(t.Context(), transfer.Part{URL: base + path + "?sig=SECRET", Body: strings.NewReader("abc"), Length: 3})
		if reasonOf(err) != reason || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v", path, err)
		}
		for cause := errors.Unwrap(err); cause != nil; cause = errors.Unwrap(cause) {
			if strings.Contains(cause.Error(), "SECRET") {
				t.Errorf("%s: the cause has the URL: %v", path, cause)
			}
		}
	}
	if followed {
		t.Error("a redirect was followed")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := c.Put(ctx, transfer.Part{URL: base + "/503", Body: strings.NewReader("abc"), Length: 3})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that left: %v", err)
	}
	if err := c.Put(t.Context(), transfer.Part{Method: "DELETE", URL: base}); reasonOf(err) != transfer.ReasonBadURL {
		t.Errorf("another method: %v", err)
	}
}

// TestSlowIsNotStalled: a part may take long, as long as its bytes move.
func TestSlowIsNotStalled(t *testing.T) {
	c, base := serve(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	slow := &dripping{left: 8, pause: 50 * time.Millisecond}
	if err := c.Put(t.Context(), transfer.Part{URL: base + "/", Body: slow, Length: 8}); err != nil {
		t.Error(err)
	}
}

type dripping struct {
	left  int
	pause time.Duration
}

func (d *dripping) Read(p []byte) (int, error) {
	if d.left == 0 {
		return 0, io.EOF
	}
	time.Sleep(d.pause)
	d.left--
	p[0] = 'x'
	return 1, nil
}

// TestGet reads a file, and gives up one that stops.
func TestGet(t *testing.T) {
	c, base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/gone":
			w.WriteHeader(http.StatusNotFound)
		case "/stops":
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "abc")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		default:
			_, _ = io.WriteString(w, "hello")
		}
	})
	body, n, err := c.Get(t.Context(), base+"/file")
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(body)
	if string(b) != "hello" || n != 5 || err != nil || body.Close() != nil {
		t.Errorf("%q, %d: %v", b, n, err)
	}
	if _, _, err := c.Get(t.Context(), base+"/gone"); reasonOf(err) != transfer.ReasonExpired {
		t.Errorf("%v", err)
	}
	body, _, err = c.Get(t.Context(), base+"/stops")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(body); string(b) != "abc" || err == nil {
		t.Errorf("%q: %v", b, err)
	}
	_ = body.Close()
}

// watched is a body that notes who reads it when.
type watched struct {
	reading, late atomic.Int32
	back          atomic.Bool // its owner has it again
}

// Read implements [io.Reader].
func (w *watched) Read(p []byte) (int, error) {
	w.reading.Add(1)
	defer w.reading.Add(-1)
	if w.back.Load() {
		w.late.Add(1)
	}
	time.Sleep(100 * time.Microsecond)
	return len(p), nil
}

// TestBodyComesBack: after Put nobody reads the body any more, although the host
// has answered, or the caller has left, in the middle of it.
func TestBodyComesBack(t *testing.T) {
	early := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.CopyN(io.Discard, r.Body, 100<<10)
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	never := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	})
	for name, h := range map[string]http.Handler{"an early answer": early, "a caller that leaves": never} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(h)
			defer s.Close()
			own, err := url.Parse(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			c := transfer.New(transfer.Config{Hosts: transfer.Hosts{Own: own}})
			defer c.Close()
			for range 20 {
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				w := &watched{}
				err := c.Put(ctx, transfer.Part{URL: s.URL, Body: w, Length: 1 << 30})
				w.back.Store(true)
				if n := w.reading.Load(); n > 0 || err == nil {
					t.Errorf("%d read at the end: %v", n, err)
				}
				cancel()
				time.Sleep(2 * time.Millisecond)
				if n := w.late.Load(); n > 0 {
					t.Fatalf("%d reads came after the end", n)
				}
			}
		})
	}
}
