package gateway

import (
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	"github.com/asc-gateway/asc-gateway/internal/telemetry"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"google.golang.org/grpc/metadata"
)

// TestMetricsWithoutSpans holds the metrics of calls, and the trace in the log,
// where no spans are told.
func TestMetricsWithoutSpans(t *testing.T) {
	tell := telemetry.None()
	t.Cleanup(func() { _ = tell.Close(t.Context()) })
	s, err := sandbox.Open(sandbox.World{})
	if err != nil {
		t.Fatal(err)
	}
	private, err := s.NewKey("KEY")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	log := &strings.Builder{}
	w := serveWorld(t, s, httptest.NewServer(s), ringOf(private), Deps{Telemetry: tell, Passthrough: true,
		Log: slog.New(tell.Handler(slog.NewJSONHandler(&locked{&mu, log}, nil)))})
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", parent)
	apps := metadatav1.NewAppsServiceClient(w.conn)
	if _, err := apps.ListApps(ctx, &metadatav1.ListAppsRequest{PageSize: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := apps.GetApp(t.Context(), &metadatav1.GetAppRequest{Id: "no"}); err == nil {
		t.Fatal("there is an app no")
	}
	for _, c := range [][2]string{{"GET", "/v1/apps?limit=1"}, {"GET", "/nowhere/4711"}, {"BREW", "/v1/apps"}} {
		w.do(t, c[0], c[1], "", "Traceparent", parent)
	}
	apple := httptest.NewServer(w.gateway.Passthrough)
	defer apple.Close()
	res, err := w.http.Get(apple.URL + "/v1/apps/no/builds")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	want := []string{
		`http_client_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",server_address="127.0.0.1"} 2`,
		`http_client_request_duration_seconds_count{http_request_method="GET",http_response_status_code="404",server_address="127.0.0.1"} 2`,
		`http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="/v1/apps"} 1`,
		`http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="404"} 1`,
		`http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="404",http_route="/v1/apps/{id}/builds"} 1`,
		`http_server_request_duration_seconds_count{http_request_method="_OTHER",http_response_status_code="405"} 1`,
		`rpc_server_call_duration_seconds_count{rpc_method="asc.metadata.v1.AppsService/GetApp",rpc_response_status_code="NOT_FOUND"} 1`,
		`rpc_server_call_duration_seconds_count{rpc_method="asc.metadata.v1.AppsService/ListApps",rpc_response_status_code="OK"} 1`,
	}
	slices.Sort(want)
	var got []string
	for range 200 { // calls are told when the answer is written
		got = nil
		page := httptest.NewRecorder()
		tell.ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
		for line := range strings.Lines(page.Body.String()) {
			if strings.Contains(line, "request_duration_seconds_count") ||
				strings.Contains(line, "call_duration_seconds_count") {
				got = append(got, strings.TrimSpace(line))
			}
		}
		if slices.Sort(got); slices.Equal(got, want) {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	mu.Lock()
	defer mu.Unlock()
	if n := strings.Count(log.String(), `"trace_id":"`+parent[3:35]+`"`); n != 2 {
		t.Errorf("%d records tell the trace, want 2:\n%s", n, log)
	}
}
