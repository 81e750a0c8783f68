package web_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/edge/web/assets"
	"github.com/asc-gateway/asc-gateway/internal/gateway"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/keys/filekey"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"github.com/asc-gateway/asc-gateway/sandbox"
)

// world is a gateway before a sandbox, served on loopback.
type world struct {
	sandbox *sandbox.Sandbox
	gateway *gateway.Gateway
	url     string
}

// newWorld makes a world; change changes what its gateway is made with.
func newWorld(t testing.TB, callers authn.Config, change ...func(*gateway.Deps)) *world {
	t.Helper()
	s, err := sandbox.Open(sandbox.World{HourLimit: 100_000})
	if err != nil {
		t.Fatal(err)
	}
	private, err := s.NewKey("KEY")
	if err != nil {
		t.Fatal(err)
	}
	upstream := httptest.NewServer(s)
	t.Cleanup(upstream.Close)
	log := slog.New(slog.DiscardHandler)
	ring := keys.NewRing(map[string][]keys.Credential{"team": {{ID: "KEY", Key: filekey.FromPrivate("KEY", private), Issuer: sandbox.DefaultIssuer}}},
		time.Now, log, nil)
	t.Cleanup(ring.Close)
	who, err := authn.New(callers, authn.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	deps := gateway.Deps{BaseURL: upstream.URL, Ring: ring, Log: log, Authn: who,
		Web: gateway.Web{Version: "1.2.3", GRPC: "127.0.0.1:9090", Sandboxed: true}}
	for _, c := range change {
		c(&deps)
	}
	g, err := gateway.New(deps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	edge := httptest.NewServer(g.REST)
	t.Cleanup(edge.Close)
	return &world{s, g, edge.URL}
}

// withToken lets a caller in by a static token.
func withToken(t testing.TB) (callers authn.Config, token string) {
	t.Helper()
	file := t.TempDir() + "/token"
	if _, err := authn.FirstToken(file); err != nil {
		t.Fatal(err)
	}
	b := readFile(t, file)
	return authn.Config{Tokens: []authn.StaticToken{{Name: "first", File: file}}}, strings.TrimSpace(b)
}

func (w *world) get(t testing.TB, path string, headers ...string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", w.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

const acceptHTML = "text/html,application/xhtml+xml,*/*;q=0.8"

func TestTheFirstPage(t *testing.T) {
	w := newWorld(t, authn.Config{})
	status, h, body := w.get(t, "/", "Accept", acceptHTML)
	if status != 200 || h.Get("Content-Security-Policy") != assets.Policy || !strings.HasPrefix(h.Get("Content-Type"), "text/html") {
		t.Fatalf("%d %v", status, h)
	}
	for _, want := range []string{service.Document().GetVersion(), "1.2.3", `href="/docs?area=testflight"`, "sandbox", w.url + "/v1/apps"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	status, h, body = w.get(t, "/", "Accept", "application/json")
	var said struct {
		Version  string
		Document struct{ Version, SHA256 string }
		Links    map[string]string
	}
	if err := json.Unmarshal([]byte(body), &said); err != nil || status != 200 || h.Get("Content-Type") != "application/json" ||
		said.Version != "1.2.3" || said.Document.SHA256 != service.Document().GetSha256() || said.Links["docs"] != "/docs" {
		t.Errorf("%d %v %s %v", status, h, body, err)
	}
}

// TestPagesAreOpen holds who may ask for a page, and from where.
func TestPagesAreOpen(t *testing.T) {
	callers, _ := withToken(t)
	closed, open := newWorld(t, callers), newWorld(t, authn.Config{})
	for _, c := range []struct {
		name    string
		world   *world
		path    string
		want    int
		headers []string
	}{
		{"nobody asks for a page", closed, "/", 200, nil},
		{"nobody asks for a file", closed, "/assets/page.css", 200, nil},
		{"nobody asks for a call", closed, "/v1/apps", 401, nil},
		{"a link on another site", closed, "/", 200, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}},
		{"a link, where nobody is authenticated", open, "/", 200, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}},
		{"a link to a call", open, "/v1/apps", 403, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}},
		{"a frame on another site", open, "/", 403, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}},
		{"a script of another site", open, "/", 403, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "script"}},
		{"a foreign name", open, "/", 403, []string{"Host", "evil.example"}},
		{"a file that is none", open, "/assets/assets.go", 404, nil},
		{"the frame is no file", open, "/assets/frame.html", 404, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", c.path, nil)
			r.Host = "localhost:8080"
			for i := 0; i+1 < len(c.headers); i += 2 {
				if r.Header.Set(c.headers[i], c.headers[i+1]); c.headers[i] == "Host" {
					r.Host = c.headers[i+1]
				}
			}
			out := httptest.NewRecorder()
			c.world.gateway.REST.ServeHTTP(out, r)
			if out.Code != c.want {
				t.Errorf("%d, want %d: %s", out.Code, c.want, out.Body)
			}
		})
	}
}

// TestPagesAreBounded asks for more pages than are made in a second.
func TestPagesAreBounded(t *testing.T) {
	w := newWorld(t, authn.Config{})
	for range 1000 {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = "localhost"
		out := httptest.NewRecorder()
		if w.gateway.REST.ServeHTTP(out, r); out.Code == http.StatusTooManyRequests {
			if out.Header().Get("Retry-After") == "" {
				t.Error("it does not say when to come again")
			}
			return
		}
	}
	t.Error("a thousand pages were made at once")
}

func TestFilesAreAskedForOnce(t *testing.T) {
	w := newWorld(t, authn.Config{})
	for _, name := range assets.Names() {
		status, h, body := w.get(t, "/assets/"+name)
		if status != 200 || body == "" || h.Get("Content-Security-Policy") == "" {
			t.Errorf("%s: %d %v", name, status, h)
		}
		if status, _, _ := w.get(t, "/assets/"+name, "If-None-Match", h.Get("ETag")); status != http.StatusNotModified {
			t.Errorf("%s again: %d", name, status)
		}
		if strings.Contains(body, "//") && strings.Contains(body, "https://") {
			t.Errorf("%s names another address", name)
		}
	}
}
