package status

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/edge/web/assets"
)

func open(*http.Request) error { return nil }

// full is a snapshot with something everywhere.
func full(used int) Snapshot {
	return Snapshot{Version: "1.2.3", Document: "4.5", NotReady: []string{"the audit log cannot be written"}, Degraded: []string{"Redis is away"},
		Keys: []Key{{Team: "mobile", Place: 1, State: "active", Kind: "team key", Condition: "ok",
			Hour: &Hour{Limit: 3600, Used: used, Foreign: 300, InFlight: 4, Reserved: 21, Waiting: 12, BlockedFor: 90 * time.Second}}, {Team: "mobile", Place: 2, Condition: "does not sign"}},
		Waiting: []Waiting{{Team: "mobile", Caller: "ci<b>", Class: "batch", Endpoint: "GET builds", Calls: 12, Longest: 3 * time.Minute}},
		Callers: []Caller{{"ci", 3}}, Rooms: []Room{{"calls", 3, 1}}, Cache: Cache{10, 5, 5, 3 << 20}, Refusals: []Refusal{{"POLICY_DENIED", "PERMISSION_DENIED", 7, time.Hour}}, Drift: 9, Replicas: 2,
		Operations: &Operations{Counts: []Count{{"WAITING", 31}}, Newest: []Operation{{"DistributeBuild", "the newest build of <app>", "WAITING", "beta review", 4 * time.Minute}}}}
}

func TestPage(t *testing.T) {
	mux := http.NewServeMux()
	New(func(context.Context) Snapshot { return full(1200) }, open, nil).Register(mux)
	out := httptest.NewRecorder()
	mux.ServeHTTP(out, httptest.NewRequest("GET", "/", nil))
	if out.Code != 200 || out.Header().Get("Content-Security-Policy") != assets.Policy || out.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %v", out.Code, out.Header())
	}
	for _, want := range []string{"Not ready", "Redis is away", "1200 of 3600 requests used, 300 by others, 4 under way, 21 kept for urgent calls, 12 calls waiting",
		"does not sign", "blocked for 1 min", "ci&lt;b&gt;", "3 min", "POLICY_DENIED", "75 %", "3.0 MiB", `class="foreign"`,
		"31", "the newest build of &lt;app&gt;", "for beta review", "4 min"} {
		if !strings.Contains(out.Body.String(), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	refuse := func(*http.Request) error { return errors.New("no") }
	New(func(context.Context) Snapshot { return Snapshot{} }, refuse, nil).checked(func(w http.ResponseWriter, _ *http.Request) { t.Error("served") })(out, httptest.NewRequest("GET", "/", nil))
}

// TestParts holds that a picture is as wide as its frame, whatever the numbers.
func TestParts(t *testing.T) {
	for _, h := range []Hour{{}, {Limit: 3600}, {Limit: 3600, Used: 1, InFlight: 1}, {Limit: 3600, Used: 3600, Foreign: 3600}, {Limit: 10, Used: 50, Foreign: 20, InFlight: 9, Reserved: 3, Waiting: 1000}, {Limit: 3600, Used: 3590, Foreign: 1, InFlight: 1, Reserved: 21}} {
		at := 0
		for _, p := range h.Parts() {
			if p.At != at || p.Wide < 0 || p.At+p.Wide > pictureWidth {
				t.Errorf("%+v: %+v", h, h.Parts())
			}
			at += p.Wide
		}
		if w := h.WaitingWide(); w < 0 || w > pictureWidth {
			t.Errorf("%+v: %d wait", h, w)
		}
	}
}

// TestEvents follows a page that moves until the gateway drains.
func TestEvents(t *testing.T) {
	var used atomic.Int64
	drained := make(chan struct{})
	p := New(func(context.Context) Snapshot { return full(int(used.Load())) }, open, drained)
	p.every = time.Millisecond
	mux := http.NewServeMux()
	p.Register(mux)
	s := httptest.NewServer(mux)
	defer s.Close()
	res, err := http.Get(s.URL + "/status/events")
	if err != nil || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatal(err, res.Header)
	}
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	for _, want := range []string{"0 of 3600 requests used", "77 of 3600 requests used"} {
		if text := next(t, lines); !strings.Contains(text, want) || strings.Contains(text, "<html") {
			t.Errorf("%q is not in %.300s", want, text)
		}
		used.Store(77)
	}
	close(drained)
	if _, err := io.ReadAll(lines); err != nil {
		t.Errorf("the stream does not end when the gateway drains: %v", err)
	}
}

// next is the text of the next event.
func next(t testing.TB, r *bufio.Reader) (text string) {
	t.Helper()
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			if err := json.Unmarshal([]byte(data), &text); err != nil {
				t.Fatal(err)
			}
			return text
		}
	}
}

// TestStreamsAreBounded opens one page more than there may be.
func TestStreamsAreBounded(t *testing.T) {
	drained := make(chan struct{})
	mux := http.NewServeMux()
	New(func(context.Context) Snapshot { return Snapshot{} }, open, drained).Register(mux)
	s := httptest.NewServer(mux)
	defer s.Close()
	defer close(drained)
	for range maxStreams {
		res, err := http.Get(s.URL + "/status/events")
		if err != nil || res.StatusCode != 200 {
			t.Fatal(res, err)
		}
		defer res.Body.Close()
	}
	res, err := http.Get(s.URL + "/status/events")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("got %d", res.StatusCode)
	}
}
