package gateway

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/overload"
	"github.com/asc-gateway/asc-gateway/internal/quota"
	"github.com/asc-gateway/asc-gateway/internal/quota/memory"
	"github.com/asc-gateway/asc-gateway/sandbox"
)

// TestStatusPage makes calls and reads the page of the ops face: it shows them,
// and no id of a key or of a thing of Apple's.
func TestStatusPage(t *testing.T) {
	s, err := sandbox.Open(sandbox.World{})
	if err != nil {
		t.Fatal(err)
	}
	private, err := s.NewKey("KEYID12345")
	if err != nil {
		t.Fatal(err)
	}
	m := quota.New(quota.Config{}, memory.New(quota.Rules{}, time.Now), slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = m.Close() })
	ring := ringOfID("KEYID12345", private)
	kept := storeOf(t)
	w := serveWorld(t, s, httptest.NewServer(s), ring, Deps{Quota: m, Limits: overload.New(overload.Config{}),
		Web: Web{Version: "1.2.3"}, Jobs: Jobs{Store: kept}})
	app := s.IDs("apps")[0]
	job := fmt.Sprintf(`{"app": %q, "version": "9.9", "number": "1", "groups": ["Friends of ours"]}`, app)
	if code, _, body := w.do(t, "POST", "/ascgateway/v1/workflows/distributeBuild", job); code != 200 {
		t.Fatalf("%d %s", code, body)
	}
	for _, path := range []string{"/v1/apps/" + app, "/v1/apps/none", "/v1/apps?filter[nothing]=x"} {
		w.do(t, "GET", path, "")
	}
	ops := httptest.NewServer(
		w.gateway.Ops(http.NotFoundHandler(), func() string { return "key KEYID12345: does not sign" }, false),
	)
	defer ops.Close()
	res, err := http.Get(ops.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	for _, want := range []string{"key 1 of team: does not sign", "2 of 3600 requests used", "Apple: 404", "INVALID_REQUEST", "1.2.3",
		"DistributeBuild", "build 9.9 (1) of …", ">RUNNING<"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	for _, id := range []string{"KEYID12345", app, sandbox.DefaultIssuer, "Friends of ours"} {
		if strings.Contains(string(b), id) {
			t.Errorf("the page says %s", id)
		}
	}
	kept.Close()
	time.Sleep(3 * time.Second) // a page may be that old
	if res, err = http.Get(ops.URL); err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); !strings.Contains(string(b), "operations are not known") {
		t.Errorf("a store that is gone: %s", b)
	}
}

// TestStatusPageComesFromHere refuses what another site sends.
func TestStatusPageComesFromHere(t *testing.T) {
	w := newWorld(t)
	ops := w.gateway.Ops(http.NotFoundHandler(), func() string { return "" }, false)
	for name, want := range map[string]int{"localhost:8081": 200, "127.0.0.1": 200, "evil.example": 403} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = name
		out := httptest.NewRecorder()
		if ops.ServeHTTP(out, r); out.Code != want {
			t.Errorf("%s: %d", name, out.Code)
		}
	}
	r := httptest.NewRequest("GET", "/status/events", nil)
	r.Host = "localhost"
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	out := httptest.NewRecorder()
	if ops.ServeHTTP(out, r); out.Code != 403 {
		t.Errorf("a script of another site: %d", out.Code)
	}
}

// pagesOf are all pages of a gateway, for those who look for secrets in them.
func (v *vault) pagesOf(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	for _, path := range []string{"/", "/docs", "/docs?q=build", "/docs/asc.testflight.v1.BetaGroupsService/CreateBetaGroup", "/assets/page.js"} {
		for _, accept := range []string{"text/html", "application/json"} {
			_, h, body := v.send(t, "GET", v.rest+path, "", nil, "Accept", accept)
			fmt.Fprintln(&out, h, string(body))
		}
	}
	ops := v.gateway.Ops(http.NotFoundHandler(), func() string { return "" }, false)
	for _, path := range []string{"/", "/readyz"} {
		page := httptest.NewRecorder()
		if ops.ServeHTTP(page, httptest.NewRequest("GET", path, nil)); page.Code != 200 {
			t.Errorf("%s: %d", path, page.Code)
		}
		fmt.Fprintln(&out, page.Header(), page.Body)
	}
	for _, path := range []string{"/"} {
		page := httptest.NewRecorder()
		v.sandbox.ServeHTTP(page, httptest.NewRequest("GET", path, nil))
		fmt.Fprintln(&out, page.Header(), page.Body)
	}
	return out.String()
}
