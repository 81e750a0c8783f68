package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/store"
	"github.com/asc-gateway/asc-gateway/sandbox"
)

// storeOf opens a store that ends with the test.
func storeOf(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(
		store.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "store.db")},
		slog.New(slog.DiscardHandler),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	s.Start(t.Context())
	return s
}

// TestAPlanIsAskedForTwice: a request with a plan and a request_id finds its
// operation, also when what the plan said is done.
func TestAPlanIsAskedForTwice(t *testing.T) {
	s, err := sandbox.Open(sandbox.World{})
	if err != nil {
		t.Fatal(err)
	}
	private, err := s.NewKey("KEYID12345")
	if err != nil {
		t.Fatal(err)
	}
	w := serveWorld(t, s, httptest.NewServer(s), ringOfID("KEYID12345", private), Deps{Jobs: Jobs{Store: storeOf(t)}})
	serving := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { w.gateway.Jobs.Serve(ctx); close(serving) }()
	defer func() { cancel(); <-serving }()
	ask := func(path, more string) string {
		t.Helper()
		code, _, body := w.do(
			t,
			"POST",
			"/ascgateway/v1/workflows/distributeBuild"+path,
			`{"app": "com.example.trailmix",
			"build": "newest", "groups": ["Friends"], "notes": {"en-US": "The new login."}`+more+`}`,
		)
		if code != 200 {
			t.Fatalf("%s: %d %s", path, code, body)
		}
		return string(body)
	}
	etag := regexp.MustCompile(`[0-9a-f]{32}`).FindString(ask("/plan", ""))
	planned := fmt.Sprintf(`, "planEtag": %q, "requestId": "r1"`, etag)
	name := regexp.MustCompile(`operations/[0-9a-f-]{36}`)
	first := name.FindString(ask("", planned))
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		if _, _, body := w.do(t, "GET", "/ascgateway/v1/"+first, ""); strings.Contains(string(body), "SUCCEEDED") {
			break
		} else if time.Since(begun) > 20*time.Second {
			t.Fatalf("%s", body)
		}
	}
	if again := name.FindString(ask("", planned)); again != first || first == "" {
		t.Errorf("%s, then %s", first, again)
	}
}
