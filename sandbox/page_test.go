package sandbox

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/edge/web/assets"
)

// TestPage makes requests and a fault, and finds them on the page.
func TestPage(t *testing.T) {
	s, err := Open(World{NoAuth: true})
	if err != nil {
		t.Fatal(err)
	}
	get := func(path string, from string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", path, nil)
		if from != "" {
			r = r.WithContext(
				context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.ParseIP(from)}),
			)
		}
		out := httptest.NewRecorder()
		s.ServeHTTP(out, r)
		return out
	}
	s.AddFault(Fault{Path: "/v1/builds", Status: 500})
	get("/v1/apps?limit=1", "")
	get("/v1/builds", "")
	get("/v1/apps?filter[name]="+strings.Repeat("x", 1000)+"<b>", "")
	out := get("/", "127.0.0.1")
	if out.Code != 200 || out.Header().Get("Content-Security-Policy") != assets.Policy {
		t.Fatalf("%d %v", out.Code, out.Header())
	}
	for _, want := range []string{"/v1/apps?limit=1", "apps_getCollection", "status 500", "/_sandbox/state/betaGroups", "xx…", "3597 of 3600"} {
		if !strings.Contains(out.Body.String(), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if part := get("/?part=moving", "").Body.String(); strings.Contains(part, "<html") ||
		!strings.Contains(part, "Last requests") {
		t.Errorf("the part is not one: %.100s", part)
	}
	for range maxRequests {
		get("/v1/apps", "")
	}
	if len(s.recent) != maxRequests || len(s.world().Requests) != lastRequests {
		t.Errorf("%d requests are kept", len(s.recent))
	}
	if out := get("/", "192.0.2.1"); out.Code != 403 {
		t.Errorf("from elsewhere: %d", out.Code)
	}
	if out := get("/assets/page.css", "127.0.0.1"); out.Code != 200 {
		t.Errorf("its style: %d", out.Code)
	}
}
