package asc

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// roundTrip is Apple in memory: what runs on it can be tried with a fake clock.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, context.Cause(r.Context())
}

// reply is an answer that is there at once.
func reply(r *http.Request, status int, body io.Reader, contentType string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {contentType}}, Body: io.NopCloser(body), ContentLength: -1, Request: r}
}

// drip is a body that gives one byte at a time, each after a pause.
type drip struct {
	ctx   context.Context
	pause time.Duration
}

func (d *drip) Read(p []byte) (int, error) {
	select {
	case <-time.After(d.pause):
		p[0] = ' '
		return 1, nil
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	}
}

func inMemory(t *testing.T, f roundTrip, deps Deps) *Client {
	t.Helper()
	if deps.Tokens == nil {
		deps.Tokens = &tokens{}
	}
	deps.Transport = f
	c, err := New(Config{BaseURL: "https://apple.test"}, deps)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// waiting lets every attempt wait ten minutes for the quota.
type waiting struct{ ledger }

func (w *waiting) Admit(ctx context.Context, c Charge) (Permit, error) {
	time.Sleep(10 * time.Minute)
	return w.ledger.Admit(ctx, c)
}

// TestAGETThatHangsEnds measures by a fake clock how long the whole of a call
// takes, its repetitions included.
func TestAGETThatHangsEnds(t *testing.T) {
	slowPage := func(r *http.Request) (*http.Response, error) {
		time.Sleep(40 * time.Second)
		return reply(r, 200, strings.NewReader(`{"next":"x?cursor=C`+r.URL.Query().Get("cursor")+`"}`), "application/json"), nil
	}
	do := func(ctx context.Context, c *Client) (Cursor, error) { _, err := c.Do(ctx, get()); return Cursor{}, err }
	pages := func(ctx context.Context, c *Client) (Cursor, error) {
		return c.Pages(ctx, get(), Cursor{}, func(r *Response) (PageRead, error) {
			return PageRead{Next: strings.TrimSuffix(strings.TrimPrefix(string(r.Body), `{"next":"`), `"}`), Rows: 1, Kept: 1}, nil
		})
	}
	for _, c := range []struct {
		name   string
		apple  roundTrip
		quota  Quota
		call   func(context.Context, *Client) (Cursor, error)
		least  time.Duration
		most   time.Duration
		reason string // "": no error, and a cursor
	}{
		{"no answer", hang, nil, do, 2 * time.Minute, DefaultCallTimeout, fault.ReasonUpstreamUnavailable},
		{"a byte every 20 s", func(r *http.Request) (*http.Response, error) {
			return reply(r, 200, &drip{r.Context(), 20 * time.Second}, "application/json"), nil
		}, nil, do, 2 * time.Minute, DefaultCallTimeout, fault.ReasonUpstreamUnavailable},
		{"no byte after the head", func(r *http.Request) (*http.Response, error) {
			return reply(r, 200, &drip{r.Context(), time.Hour}, "application/json"), nil
		}, nil, do, 2 * time.Minute, DefaultCallTimeout, fault.ReasonUpstreamStalled},
		{"waits for the quota are not in it", hang, &waiting{}, do, 32 * time.Minute, 40*time.Minute + DefaultCallTimeout, fault.ReasonUpstreamUnavailable},
		{"a hundred slow pages", slowPage, nil, pages, DefaultCallTimeout / 2, DefaultCallTimeout, ""},
		{"pages that hang", hang, nil, pages, 2 * time.Minute, DefaultCallTimeout, fault.ReasonUpstreamUnavailable},
		{"slow 503s", func(r *http.Request) (*http.Response, error) {
			_, _ = (&drip{r.Context(), 50 * time.Second}).Read(make([]byte, 1))
			if r.Context().Err() != nil {
				return hang(r)
			}
			return reply(r, 503, strings.NewReader(""), "text/html"), nil
		}, nil, do, 2 * time.Minute, DefaultCallTimeout, fault.ReasonUpstreamUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := inMemory(t, c.apple, Deps{Quota: c.quota})
				defer client.Close()
				begun := time.Now()
				next, err := c.call(t.Context(), client)
				took := time.Since(begun)
				t.Logf("it took %v", took)
				if took < c.least || took > c.most {
					t.Errorf("it took %v, want from %v to %v", took, c.least, c.most)
				}
				if c.reason == "" && (err != nil || next.At == "") || c.reason != "" && (err == nil || fault.As(err).Reason != c.reason) {
					t.Errorf("got %+v, %v", next, err)
				}
			})
		})
	}
}

// TestFilesAreBoundedByTheirReader: a reader may take its time, but not for ever.
func TestFilesAreBoundedByTheirReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var upstream context.Context
		client := inMemory(t, func(r *http.Request) (*http.Response, error) {
			upstream = r.Context()
			return reply(r, 200, io.MultiReader(strings.NewReader("abc"), &drip{r.Context(), time.Second}), "text/csv"), nil
		}, Deps{})
		defer client.Close()
		f, err := client.Open(t.Context(), get())
		if err != nil {
			t.Fatal(err)
		}
		for range 3 { // nothing is held against Apple while nobody reads
			time.Sleep(10 * time.Minute)
			if _, err := f.Body.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(DefaultFileTimeout - 30*time.Minute + time.Second)
		if upstream.Err() == nil {
			t.Error("the connection of a file that nobody reads is held for ever")
		}
		if _, err := io.ReadAll(f.Body); fault.As(err).Kind != fault.DeadlineExceeded {
			t.Errorf("got %v", err)
		}
		_ = f.Body.Close()
	})
}

// TestUpstreamBodiesThatStop reads from a real server that begins an answer and
// then sends nothing.
func TestUpstreamBodiesThatStop(t *testing.T) {
	const idle = 100 * time.Millisecond
	json := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"data":[`)
	}
	file := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/csv")
		_, _ = io.WriteString(w, "a,b\n")
	}
	packed := func(contentType string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, "a,b\n")
			_ = z.Flush()
		}
	}
	drain := func(b io.ReadCloser, err error) error {
		if err != nil {
			return err
		}
		defer b.Close()
		_, err = io.Copy(io.Discard, b)
		return err
	}
	open := func(c *Client, _ string) error {
		f, err := c.Open(t.Context(), get())
		if err != nil {
			return err
		}
		return drain(f.Body, nil)
	}
	raw := func(file bool) func(*Client, string) error {
		return func(c *Client, _ string) error {
			r, err := c.Raw(t.Context(), get(), file)
			if err != nil {
				return err
			}
			return drain(r.Body, nil)
		}
	}
	do := func(c *Client, _ string) error { _, err := c.Do(t.Context(), get()); return err }
	for _, c := range []struct {
		name   string
		begin  http.HandlerFunc
		read   func(c *Client, url string) error
		reason string
	}{
		{"a JSON answer", json, do, fault.ReasonUpstreamStalled},
		{"a packed JSON answer", packed("application/json"), do, fault.ReasonUpstreamStalled},
		{"a raw JSON answer", json, raw(false), fault.ReasonUpstreamStalled},
		{"a raw JSON answer where a file was asked for", json, raw(true), fault.ReasonUpstreamStalled},
		{"a raw file", file, raw(true), fault.ReasonUpstreamStalled},
		{"a file", file, open, fault.ReasonUpstreamStalled},
		{"a packed file", packed("text/csv"), open, fault.ReasonUpstreamStalled},
		{"a file behind a link", file, func(c *Client, url string) error {
			f, err := c.OpenURL(t.Context(), url+"/file")
			if err != nil {
				return err
			}
			return drain(f.Body, nil)
		}, fault.ReasonUpstreamStalled},
		{"a write", json, func(c *Client, _ string) error { _, err := c.Do(t.Context(), post()); return err }, fault.ReasonOutcomeUnknown},
		{"an error answer", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, do, "NOT_FOUND"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				c.begin(w, r)
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done()
			}))
			before := runtime.NumGoroutine()
			client, err := New(Config{BaseURL: s.URL, IdleTimeout: idle, MaxAttempts: 2}, Deps{Tokens: &tokens{}})
			if err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			err = c.read(client, s.URL)
			took := time.Since(begun)
			if fault.As(err).Reason != c.reason {
				t.Errorf("got %v", err)
			}
			if took < idle || took > 20*idle {
				t.Errorf("it took %v", took)
			}
			client.Close()
			s.Close() // returns only when the handlers have: their connections were given up
			t.Logf("it took %v; %d goroutines before, %d after", took.Round(time.Millisecond), before, runtime.NumGoroutine())
		})
	}
}

func TestACallerThatLeavesAFileEndsIt(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/csv")
		_, _ = io.WriteString(w, "a,b\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer s.Close()
	client, err := New(Config{BaseURL: s.URL}, Deps{Tokens: &tokens{}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithCancel(t.Context())
	f, err := client.Open(ctx, get())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Body.Close()
	if _, err := io.ReadFull(f.Body, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.ReadAll(f.Body); fault.As(err).Kind != fault.Canceled {
		t.Errorf("got %v", err)
	}
}

// TestOnlyHTTPSOrTheOriginIsOpened: what an answer says is not believed further.
func TestOnlyHTTPSOrTheOriginIsOpened(t *testing.T) {
	const base = "http://127.0.0.1:8090"
	for link, opens := range map[string]bool{
		"https://files.example.com/a?sig=x": true, "HTTPS://files.example.com/a": true, base + "/a": true,
		"http://files.example.com/a": false, "http://127.0.0.1:8091/a": false, "http://127.0.0.1/a": false, "http://localhost:8090/a": false,
		"ftp://127.0.0.1:8090/a": false, "file://127.0.0.1:8090/etc/passwd": false, "file:///etc/passwd": false, "gopher://127.0.0.1:8090/": false,
		"https:///a": false, "https:opaque": false, "https://u:p@files.example.com/a": false, "//127.0.0.1:8090/a": false, "/a": false, "": false,
		"https://x/" + strings.Repeat("a", 16<<10): false,
	} {
		asked := 0
		c, err := New(Config{BaseURL: base}, Deps{Tokens: &tokens{}, Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if asked++; r.Header.Get("Authorization") != "" {
				t.Errorf("%s: the token goes there", link)
			}
			return reply(r, 200, strings.NewReader("x"), "text/csv"), nil
		})})
		if err != nil {
			t.Fatal(err)
		}
		f, err := c.OpenURL(t.Context(), link)
		if err == nil {
			_ = f.Body.Close()
		}
		if (err == nil) != opens || asked > 0 != opens {
			t.Errorf("%.60s: %v, asked %d times", link, err, asked)
		}
		c.Close()
	}
}

func TestAnAnswerThatIsTooLargeIsNoReasonToWait(t *testing.T) {
	large := body(200, "application/json", strings.Repeat(" ", 1<<17))
	client, _, calls := answers(t, large)
	_, err := client.Do(t.Context(), get())
	if f := fault.As(err); f.Kind != fault.InvalidArgument || f.RetryAfter != 0 || calls.Load() != 1 {
		t.Errorf("a read: %v, %d calls", err, calls.Load())
	}
	if _, err := client.Do(t.Context(), post()); fault.As(err).Reason != fault.ReasonOutcomeUnknown {
		t.Errorf("a write was executed, but: %v", err)
	}
	f, err := client.Open(t.Context(), get())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Body.Close()
	if _, err := io.ReadAll(f.Body); fault.As(err).Kind != fault.FailedPrecondition {
		t.Errorf("a file: %v", err)
	}
}

func TestProxyIsASetting(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	for setting, want := range map[string]string{"": "none", ProxyEnvironment: "some", "http://proxy.example.org:3128": "some", "socks5://p:1080": "some",
		"proxy.example.org": "error", "http://u:p@proxy": "error", "ftp://proxy": "error", "http://proxy/path": "error", "env": "error"} {
		got := "none"
		switch transport, err := newTransport(Config{Proxy: setting}); {
		case err != nil:
			got = "error"
		case transport.Proxy != nil:
			got = "some"
		}
		if got != want {
			t.Errorf("%q: %s, want %s", setting, got, want)
		}
	}
	var through []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		through = append(through, r.URL.String())
		ok(w, r)
	}))
	defer proxy.Close()
	c, err := New(Config{BaseURL: "http://127.0.0.1:9", Proxy: proxy.URL}, Deps{Tokens: &tokens{}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Do(t.Context(), get()); err != nil || len(through) != 1 || through[0] != "http://127.0.0.1:9/v1/apps" {
		t.Errorf("%v %v", through, err)
	}
	if _, err := New(Config{Proxy: "proxy.example.org"}, Deps{Tokens: &tokens{}}); err == nil || errors.Is(err, io.EOF) {
		t.Error("a wrong setting is taken")
	}
}

// TestPagesHaveEnoughAt3MiB counts the bytes of the pages whose rows are kept:
// those that are passed over on the way to a place take no room.
func TestPagesHaveEnoughAt3MiB(t *testing.T) {
	for passed, want := range map[int]int{0: 3, 5: 8} {
		calls := 0
		client := inMemory(t, func(r *http.Request) (*http.Response, error) {
			calls++
			text := fmt.Sprintf(`{"next":"x?cursor=%d","filler":"%s"}`, calls, strings.Repeat("x", 1<<20))
			return reply(r, 200, strings.NewReader(text), "application/json"), nil
		}, Deps{})
		next, err := client.Pages(t.Context(), get(), Cursor{}, func(r *Response) (PageRead, error) {
			kept := 0
			if calls > passed {
				kept = 1
			}
			return PageRead{Next: fmt.Sprintf("x?cursor=%d", calls), Rows: 1, Kept: kept}, nil
		})
		client.Close()
		if err != nil || calls != want || next.At != strconv.Itoa(want) {
			t.Errorf("%d passed over: %d requests, next %q, %v", passed, calls, next.At, err)
		}
	}
}
