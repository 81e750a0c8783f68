package client_test

import (
	"context"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/client"
	testflightv1 "github.com/asc-gateway/asc-gateway/gen/asc/testflight/v1"
	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/gateway"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/keys/filekey"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// newGateway serves a gateway that knows one caller, before a sandbox.
func newGateway(t *testing.T, options ...grpc.ServerOption) (s *sandbox.Sandbox, address, token string) {
	t.Helper()
	s, err := sandbox.Open(sandbox.World{})
	if err != nil {
		t.Fatal(err)
	}
	private, err := s.NewKey("KEY")
	if err != nil {
		t.Fatal(err)
	}
	upstream := httptest.NewServer(s)
	t.Cleanup(upstream.Close)
	quiet := slog.New(slog.DiscardHandler)
	ring := keys.NewRing(map[string][]keys.Credential{"a": {{ID: "KEY", Key: filekey.FromPrivate("KEY", private), Issuer: sandbox.DefaultIssuer}},
		"b": {{ID: "KEY", Key: filekey.FromPrivate("KEY", private), Issuer: sandbox.DefaultIssuer}}}, time.Now, quiet, nil)
	t.Cleanup(ring.Close)
	token, sum := authn.NewToken()
	callers, err := authn.New(authn.Config{Tokens: []authn.StaticToken{{Name: "me", SHA256: sum}}}, authn.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(gateway.Deps{BaseURL: upstream.URL, Ring: ring, Authn: callers, Log: quiet, GRPC: options})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- g.Server.GRPC().Serve(l) }()
	t.Cleanup(func() { g.Server.GRPC().Stop(); <-done })
	return s, l.Addr().String(), token
}

func TestPagesItemsAndIncluded(t *testing.T) {
	s, address, token := newGateway(t)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	conn, err := client.Dial(address, client.Plaintext(), client.TokenFile(file), client.Team("b"), client.Priority("interactive"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	builds := testflightv1.NewBuildsServiceClient(conn)
	req := &testflightv1.ListBuildsRequest{PageSize: 2, Include: []string{"app"}}
	pages, n := 0, 0
	for page, err := range client.Pages(t.Context(), req, builds.ListBuilds) {
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, b := range page.GetBuilds() {
			n++
			if client.Find(page.GetIncluded().GetApps(), b.GetApp().GetId()) == nil {
				t.Errorf("build %s: its app is not found", b.GetId())
			}
		}
		if client.Find(page.GetIncluded().GetApps(), "none") != nil {
			t.Error("what is not there is found")
		}
	}
	want := len(s.IDs("builds"))
	if n != want || pages != (want+1)/2 || req.GetPageToken() != "" {
		t.Errorf("%d builds on %d pages, want %d; the request is changed: %v", n, pages, want, req)
	}
	n = 0
	for _, err := range client.Items(t.Context(), req, builds.ListBuilds, (*testflightv1.ListBuildsResponse).GetBuilds) {
		if n++; err != nil || n == 3 {
			break
		}
	}
	if n != 3 {
		t.Errorf("%d", n)
	}
	for _, err := range client.Items(t.Context(), &testflightv1.ListBuildsRequest{PageToken: "nonsense"}, builds.ListBuilds, (*testflightv1.ListBuildsResponse).GetBuilds) {
		if client.Reason(err) != "INVALID_PAGE_TOKEN" {
			t.Errorf("got %v", err)
		}
	}
}

func TestWithoutACredential(t *testing.T) {
	_, address, _ := newGateway(t)
	conn, err := client.Dial(address, client.Plaintext(), client.Team("a"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := testflightv1.NewBuildsServiceClient(conn).ListBuilds(t.Context(), &testflightv1.ListBuildsRequest{}); status.Code(err) != codes.Unauthenticated {
		t.Errorf("got %v", err)
	}
}

// counter counts the calls that arrive.
type counter struct {
	stats.Handler
	t     *testing.T
	calls *int
}

func (counter) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (counter) HandleConn(context.Context, stats.ConnStats)                       {}
func (counter) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (c counter) HandleRPC(_ context.Context, s stats.RPCStats) {
	if in, ok := s.(*stats.InHeader); ok {
		*c.calls++
		if len(in.Header.Get("asc-priority")) > 1 {
			c.t.Errorf("headers pile up: %v", in.Header)
		}
	}
}

// TestRetries repeats only what carries RetryInfo, and only within the deadline.
func TestRetries(t *testing.T) {
	calls := 0
	count := grpc.StatsHandler(&counter{t: t, calls: &calls})
	s, address, token := newGateway(t, count)
	conn, err := client.Dial(address, client.Plaintext(), client.Token(token), client.Team("a"), client.Priority("batch"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	builds := testflightv1.NewBuildsServiceClient(conn)
	ask := func(f sandbox.Fault, d time.Duration) (int, error) {
		s.AddFault(f)
		calls = 0
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		_, err := builds.ListBuilds(ctx, &testflightv1.ListBuildsRequest{})
		return calls, err
	}
	if n, err := ask(sandbox.Fault{Path: "/v1/builds", Status: 429, RetryAfter: "1", Count: 2}, 20*time.Second); err != nil || n != 2 {
		t.Errorf("%v after %d calls", err, n)
	}
	if n, err := ask(sandbox.Fault{Path: "/v1/builds", Status: 429, RetryAfter: "60", Count: 1}, 5*time.Second); status.Code(err) != codes.ResourceExhausted || n != 1 {
		t.Errorf("%v after %d calls", err, n)
	}
	if n, err := ask(sandbox.Fault{Path: "/v1/builds", Status: 404, Count: 1}, 5*time.Second); status.Code(err) != codes.NotFound || n != 1 {
		t.Errorf("%v after %d calls", err, n)
	}
}
