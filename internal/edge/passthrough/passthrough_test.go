package passthrough_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/audit"
	"github.com/asc-gateway/asc-gateway/internal/gateway"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/keys/filekey"
	"github.com/asc-gateway/asc-gateway/sandbox"
)

// record keeps what goes on record.
type record struct {
	mu   sync.Mutex
	list []audit.Record
}

func (r *record) Begin(_ context.Context, intent audit.Record) (func(audit.Record) error, error) {
	return func(outcome audit.Record) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.list = append(r.list, outcome)
		return nil
	}, nil
}
func (r *record) Append(context.Context, audit.Record) error { return nil }
func (r *record) Deny(audit.Record)                          {}

// outcome is the one of the last call.
func (r *record) outcome(t *testing.T) string {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		r.mu.Lock()
		n := len(r.list)
		if n > 0 {
			last := r.list[n-1]
			r.list = nil
			r.mu.Unlock()
			return strings.TrimSpace(last.Outcome + " " + last.Reason)
		}
		r.mu.Unlock()
	}
	t.Error("no outcome")
	return ""
}

// open is a passthrough where nobody is authenticated and there is no policy.
func open(t *testing.T) (address string, s *sandbox.Sandbox, r *record) {
	t.Helper()
	s, err := sandbox.Open(sandbox.World{})
	if err != nil {
		t.Fatal(err)
	}
	private, err := s.NewKey("KEY")
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	upstream := httptest.NewUnstartedServer(s)
	upstream.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	upstream.Start()
	ring := keys.NewRing(map[string][]keys.Credential{"team": {{ID: "KEY", Key: filekey.FromPrivate("KEY", private), Issuer: sandbox.DefaultIssuer}}}, time.Now, quiet, nil)
	r = &record{}
	g, err := gateway.New(gateway.Deps{BaseURL: upstream.URL, Ring: ring, Audit: r, CacheBytes: 1 << 20, Passthrough: true, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	face := httptest.NewServer(g.Passthrough)
	t.Cleanup(func() { face.Close(); g.Close(); ring.Close(); upstream.Close() })
	return face.URL, s, r
}

// send sends a request with headers in pairs.
func send(t *testing.T, method, url, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if r.Header.Set(headers[i], headers[i+1]); headers[i] == "Host" {
			r.Host = headers[i+1]
		}
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
	return res, string(b)
}

const asJSON = "application/json"

func group(app, name string) string {
	return fmt.Sprintf(`{"data":{"type":"betaGroups","attributes":{"name":%q},"relationships":{"app":{"data":{"type":"apps","id":%q}}}}}`, name, app)
}

// TestWithoutAuthenticationAndPolicy passes on what Apple may know, and keeps web
// pages out.
func TestWithoutAuthenticationAndPolicy(t *testing.T) {
	address, s, _ := open(t)
	body := group(s.IDs("apps")[0], "x")
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		status                   int
		says                     string
	}{
		{"a path that nobody knows", "GET", "/v1/sandboxTesters", "", nil, 404, "PATH_ERROR"},
		{"a method that Apple refuses", "PATCH", "/v1/apps", "{}", []string{"Content-Type", asJSON}, 405, ""},
		{"a page of another site", "POST", "/v1/betaGroups", body, []string{"Content-Type", asJSON, "Origin", "https://attacker.example"}, 403, "CROSS_SITE"},
		{"its simple request", "POST", "/v1/betaGroups", body, []string{"Content-Type", "text/plain"}, 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"a form", "POST", "/v1/betaGroups", body, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"no content type", "POST", "/v1/betaGroups", body, nil, 415, "UNSUPPORTED_MEDIA_TYPE"},
		{"another name for loopback", "GET", "/v1/apps", "", []string{"Host", "attacker.example"}, 403, "CROSS_SITE"},
		{"an image on another site", "GET", "/v1/apps", "", []string{"Sec-Fetch-Site", "cross-site"}, 403, "CROSS_SITE"},
		{"a tool", "POST", "/v1/betaGroups", body, []string{"Content-Type", "application/json; charset=utf-8"}, 201, "betaGroups"},
	} {
		res, text := send(t, c.method, address+c.path, c.body, c.headers...)
		if res.StatusCode != c.status || !strings.Contains(text, c.says) || c.status >= 400 && !strings.Contains(text, `"errors"`) {
			t.Errorf("%s: %d %.200s, want %d with %q", c.name, res.StatusCode, text, c.status, c.says)
		}
	}
}

// TestOutcomes tells what nobody knows, and puts every call on record.
func TestOutcomes(t *testing.T) {
	address, s, r := open(t)
	app := s.IDs("apps")[0]
	for _, c := range []struct {
		name    string
		fault   sandbox.Fault
		status  int
		reason  string
		outcome string
	}{
		{"success", sandbox.Fault{}, 201, "", "OK"},
		{"502 as a page", sandbox.Fault{Status: 502, HTML: true, Applied: true}, 502, "OUTCOME_UNKNOWN", "UNKNOWN OUTCOME_UNKNOWN"},
		{"504", sandbox.Fault{Status: 504}, 504, "OUTCOME_UNKNOWN", "UNKNOWN OUTCOME_UNKNOWN"},
		{"no answer", sandbox.Fault{Lose: true}, 504, "OUTCOME_UNKNOWN", "UNKNOWN OUTCOME_UNKNOWN"},
		{"409", sandbox.Fault{Status: 409}, 409, "", "FAILED_PRECONDITION HTTP_409"},
	} {
		c.fault.Method, c.fault.Path, c.fault.Count = "POST", "/v1/betaGroups", 1
		if c.name != "success" {
			s.AddFault(c.fault)
		}
		res, text := send(t, "POST", address+"/v1/betaGroups", group(app, c.name), "Content-Type", asJSON)
		if got := res.Header.Get("Asc-Gateway-Reason"); res.StatusCode != c.status || got != c.reason {
			t.Errorf("%s: %d %q %.200s, want %d %q", c.name, res.StatusCode, got, text, c.status, c.reason)
		}
		if got := r.outcome(t); got != c.outcome {
			t.Errorf("%s is %q on record, want %q", c.name, got, c.outcome)
		}
	}
}

// TestWritesEmptyTheCache however they end: also when their caller has left.
func TestWritesEmptyTheCache(t *testing.T) {
	address, s, r := open(t)
	path := address + "/v1/apps/" + s.IDs("apps")[0] + "/betaGroups?limit=200"
	read := func() string {
		res, text := send(t, "GET", path, "")
		if res.StatusCode != 200 {
			t.Fatal(res.StatusCode, text)
		}
		return text
	}
	for name, f := range map[string]sandbox.Fault{"lost": {Lose: true}, "applied and refused": {Status: 500, Applied: true}, "left": {LatencyMS: 300}} {
		if strings.Contains(read(), `"`+name+`"`) {
			t.Fatal("it is there already")
		}
		f.Method, f.Path, f.Count = "POST", "/v1/betaGroups", 1
		s.AddFault(f)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if name == "left" {
			ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
		}
		req, _ := http.NewRequestWithContext(ctx, "POST", address+"/v1/betaGroups", strings.NewReader(group(s.IDs("apps")[0], name)))
		req.Header.Set("Content-Type", asJSON)
		if res, err := http.DefaultClient.Do(req); err == nil {
			_ = res.Body.Close()
		}
		cancel()
		if got := r.outcome(t); got != "UNKNOWN OUTCOME_UNKNOWN" {
			t.Errorf("%s: %q on record", name, got)
		}
		if name != "left" && !strings.Contains(read(), `"`+name+`"`) {
			t.Errorf("%s: an answer from before the write", name)
		}
	}
}
