package command

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/store/pgtest"
)

// faced is a gateway that serves, by the addresses of its faces.
type faced struct{ rest, ops string }

// withStore serves a place with a store.
func (p *place) withStore(t *testing.T, url string) faced {
	t.Helper()
	p.key(t, "ONE1234567")
	file := p.write(t, "gateway.yaml", p.config(entry("ONE1234567", "active"))+
		"secrets: {file: secrets}\nstore: {url: '"+url+"'}\njobs: {build_every: 1s, review_every: 1s}\n")
	out := started(t, "--config", file)
	return faced{said(t, out, `(?m)^rest +(http\S+)`), said(t, out, `(?m)^ops +(http\S+)/readyz`)}
}

// ask sends a request: a GET, or with a body a POST.
func ask(t *testing.T, url, body string) (status int, answer string) {
	t.Helper()
	verb := http.MethodGet
	if body != "" {
		verb = http.MethodPost
	}
	r, err := http.NewRequestWithContext(t.Context(), verb, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// becomes waits until a page says something, or no longer says it.
func becomes(t *testing.T, url, word string, want bool) {
	t.Helper()
	var last string
	for begun := time.Now(); time.Since(begun) < 30*time.Second; time.Sleep(100 * time.Millisecond) {
		if _, last = ask(t, url, ""); strings.Contains(last, word) == want {
			return
		}
	}
	t.Fatalf("%s: %q there: want %v\n%.2000s", url, word, want, last)
}

// trailmix asks for a build to be distributed.
const trailmix = `{"app": "com.example.trailmix", "build": "newest", "groups": ["Friends"]}`

// withoutStore holds what a gateway does while its store cannot be used.
func (f faced) withoutStore(t *testing.T, reason string) {
	t.Helper()
	becomes(t, f.ops+"/readyz", "degraded: operations: the store ", true)
	if status, body := ask(t, f.ops+"/readyz", ""); status != 200 {
		t.Errorf("not ready: %d %s", status, body)
	}
	if status, body := ask(t, f.rest+"/v1/apps?limit=1", ""); status != 200 {
		t.Errorf("a call of Apple's: %d %s", status, body)
	}
	if status, body := ask(t, f.rest+"/ascgateway/v1/workflows/distributeBuild", trailmix); status != 503 ||
		!strings.Contains(body, reason) {
		t.Errorf("a job: %d %s", status, body)
	}
	_, metrics := ask(t, f.ops+"/metrics", "")
	if !strings.Contains(metrics, "\nascgateway_store_up 0") || strings.Contains(metrics, "\nascgateway_operations{") {
		t.Error("the metrics do not tell that the store is away")
	}
}

// withItsStore holds that a gateway has picked up.
func (f faced) withItsStore(t *testing.T) {
	t.Helper()
	becomes(t, f.ops+"/readyz", "degraded", false)
	becomes(t, f.ops+"/metrics", "\nascgateway_store_up 1", true)
	status, body := ask(t, f.rest+"/ascgateway/v1/workflows/distributeBuild", trailmix)
	if status != 200 && !strings.Contains(body, "OPERATION_RUNNING") || !strings.Contains(body, "operations/") {
		t.Fatalf("a job: %d %s", status, body)
	}
	becomes(t, f.rest+"/ascgateway/v1/operations", "DistributeBuild", true)
	becomes(t, f.ops+"/metrics", `ascgateway_operation_runs_total{kind="DistributeBuild"`, true)
	becomes(t, f.ops+"/metrics", `ascgateway_operations{state="`, true)
	becomes(t, f.ops+"/metrics", "\nascgateway_store_size_bytes ", true)
}

// TestAStoreThatIsAway at the start, and again later: Apple's calls are served,
// what needs the store says so, and goes on by itself.
func TestAStoreThatIsAway(t *testing.T) {
	t.Parallel()
	pg := pgtest.Start(t)
	url := pg.URL()
	pg.Stop()
	f := newPlace(t).withStore(t, url)
	f.withoutStore(t, "STORE_UNAVAILABLE")
	if status, body := ask(t, f.rest+"/ascgateway/v1/operations", ""); status != 503 || !strings.Contains(body, "STORE_UNAVAILABLE") {
		t.Errorf("operations: %d %s", status, body)
	}
	pg.Run()
	f.withItsStore(t)
	pg.Stop()
	f.withoutStore(t, "STORE_UNAVAILABLE")
	pg.Run()
	f.withItsStore(t)
}
