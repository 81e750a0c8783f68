package web

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/service"
)

func newEngine(t testing.TB) *service.Engine {
	t.Helper()
	e, err := service.New(nil, nil, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func newPages(t testing.TB) *Pages {
	t.Helper()
	e := newEngine(t)
	var methods []*access.Method
	for _, m := range e.Entries {
		methods = append(methods, &access.Method{FullName: m.FullName, Verb: m.Verb, Template: m.Template, Area: m.Area(),
			Type: m.Type, Shape: m.Shape, Describe: m.Desc})
	}
	return New(Config{Version: "1.2.3", Anonymous: func() bool { return false }}, e, service.NewCatalog(e), methods)
}

// TestEveryOperationHasAPage makes all pages, and looks at each for what every
// one must have.
func TestEveryOperationHasAPage(t *testing.T) {
	p := newPages(t)
	largest := 0
	for _, m := range p.engine.Entries {
		out := httptest.NewRecorder()
		p.mux.ServeHTTP(out, httptest.NewRequest("GET", "/docs"+m.FullName, nil))
		body := out.Body.String()
		for _, want := range []string{"gateway call ", "UPSTREAM_UNAVAILABLE", "Callers kept to apps", "<strong>" + map[bool]string{true: "read", false: "write"}[m.Verb == "GET"] + "</strong>"} {
			if !strings.Contains(body, want) {
				t.Errorf("%s: %d without %q", m.FullName, out.Code, want)
			}
		}
		if strings.Contains(body, "ZgotmplZ") {
			t.Errorf("%s: the template refused a value", m.FullName)
		}
		largest = max(largest, len(body))
	}
	t.Logf("%d pages, the largest of %d bytes", len(p.engine.Entries), largest)
	if largest > 256<<10 {
		t.Errorf("a page has %d bytes", largest)
	}
}

// TestSamplesAreRight checks the sample of every operation as a call's request
// is checked.
func TestSamplesAreRight(t *testing.T) {
	e := newEngine(t)
	wrong := 0
	for _, m := range e.Methods() {
		req := sample(m).Interface()
		if err := e.Check(m, req); err != nil {
			wrong++
			t.Errorf("%s: %v: %v", m.FullName, err, req)
		}
		if _, err := m.Preview(req); err != nil {
			t.Errorf("%s: %v", m.FullName, err)
		}
		if wrong > 20 {
			t.FailNow()
		}
	}
	t.Logf("%d samples", len(e.Entries))
}

func TestPlaceholder(t *testing.T) {
	for typ, want := range map[string]string{"apps": "APP_ID", "betaGroups": "BETA_GROUP_ID", "territories": "TERRITORY_ID", "": "ID", "ciXcodeVersions": "CI_XCODE_VERSION_ID"} {
		if got := placeholder(typ); got != want {
			t.Errorf("%s: %s, want %s", typ, got, want)
		}
	}
}

// TestWritesAskFirst holds that the page of a write asks, unless it is for a
// sandbox, and that of a read does not.
func TestWritesAskFirst(t *testing.T) {
	p := newPages(t)
	for _, c := range []struct {
		name      string
		method    string
		sandboxed bool
		asks      bool
	}{
		{"a write", "/asc.testflight.v1.BetaGroupsService/DeleteBetaGroup", false, true},
		{"a write in a sandbox", "/asc.testflight.v1.BetaGroupsService/DeleteBetaGroup", true, false},
		{"a read", "/asc.testflight.v1.BetaGroupsService/ListBetaGroups", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.cfg.Sandboxed = c.sandboxed
			out := httptest.NewRecorder()
			p.mux.ServeHTTP(out, httptest.NewRequest("GET", "/docs"+c.method, nil))
			if asks := strings.Contains(out.Body.String(), `data-ask="yes"`); asks != c.asks {
				t.Errorf("it asks: %v", asks)
			}
		})
	}
}
