package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	provisioningv1 "github.com/asc-gateway/asc-gateway/gen/asc/provisioning/v1"
	"github.com/asc-gateway/asc-gateway/internal/quota"
	"github.com/asc-gateway/asc-gateway/internal/quota/memory"
	"github.com/asc-gateway/asc-gateway/internal/telemetry"
	"github.com/asc-gateway/asc-gateway/sandbox"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"
)

// tree draws spans: names, kinds, names of attributes, events.
func tree(spans tracetest.SpanStubs) string {
	var b strings.Builder
	var draw func(parent trace.SpanID, indent string)
	draw = func(parent trace.SpanID, indent string) {
		var list tracetest.SpanStubs
		for _, s := range spans {
			if s.Parent.SpanID() == parent && (parent.IsValid() || !s.Parent.IsValid() || s.Parent.IsRemote()) ||
				!parent.IsValid() && s.Parent.IsRemote() {
				list = append(list, s)
			}
		}
		slices.SortStableFunc(list, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
		for _, s := range list {
			var attributes, events []string
			for _, a := range s.Attributes {
				attributes = append(attributes, string(a.Key))
			}
			slices.Sort(attributes)
			for _, e := range s.Events {
				events = append(events, e.Name)
			}
			fmt.Fprintf(
				&b,
				"%s%s [%s] links:%d\n%s  %s\n",
				indent,
				s.Name,
				s.SpanKind,
				len(s.Links),
				indent,
				strings.Join(attributes, " "),
			)
			if len(events) > 0 {
				fmt.Fprintf(&b, "%s  events: %s\n", indent, strings.Join(events, ", "))
			}
			draw(s.SpanContext.SpanID(), indent+"    ")
		}
	}
	draw(trace.SpanID{}, "")
	return b.String()
}

// TestSpanTree holds the spans of a call over gRPC, REST and the passthrough, of
// which Apple refuses one attempt. The golden file is made anew with -update.
func TestSpanTree(t *testing.T) {
	memoryOf := tracetest.NewInMemoryExporter()
	tell := telemetry.Into(memoryOf, false)
	t.Cleanup(func() { _ = tell.Close(context.Background()) })
	s, err := sandbox.Open(sandbox.World{})
	if err != nil {
		t.Fatal(err)
	}
	private, err := s.NewKey("KEY")
	if err != nil {
		t.Fatal(err)
	}
	upstream := &recorder{next: s}
	m := quota.New(quota.Config{}, memory.New(quota.Rules{}, time.Now), slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = m.Close() })
	var mu sync.Mutex
	log := &strings.Builder{}
	w := serveWorld(
		t,
		s,
		httptest.NewServer(upstream),
		ringOf(private),
		Deps{Telemetry: tell, TrustTraces: true, Quota: m, Passthrough: true, CacheBytes: 1 << 20,
			Log: slog.New(tell.Handler(slog.NewJSONHandler(&locked{&mu, log}, nil)))},
	)
	apple := httptest.NewServer(w.gateway.Passthrough)
	defer apple.Close()
	id := s.IDs("bundleIds")[0]
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

	var got strings.Builder
	step := func(name string, do func()) {
		memoryOf.Reset()
		do()
		for range 200 { // spans end when the answer is written
			if len(memoryOf.GetSpans()) > 0 && ended(memoryOf.GetSpans()) {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		fmt.Fprintf(&got, "== %s\n%s\n", name, tree(memoryOf.GetSpans()))
		for _, span := range memoryOf.GetSpans() {
			text, _ := json.Marshal(span)
			if strings.Contains(string(text), id) || strings.Contains(string(text), "Bearer") {
				t.Errorf("%s: a span tells an id or a secret: %s", name, text)
			}
			if got := span.SpanContext.TraceID().String(); got != parent[3:35] {
				t.Errorf("%s: trace %s", name, got)
			}
		}
	}
	step("gRPC, the first attempt refused", func() {
		s.AddFault(sandbox.Fault{Path: "/v1/bundleIds/*", Status: 500, Count: 1})
		ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", parent)
		if _, err := provisioningv1.NewBundleIdsServiceClient(w.conn).GetBundleId(ctx, &provisioningv1.GetBundleIdRequest{Id: id}); err != nil {
			t.Fatal(err)
		}
	})
	step("REST", func() {
		if status, _, b := w.do(t, "GET", "/v1/bundleIds/"+id, "", "Traceparent", parent); status != 200 {
			t.Fatalf("%d %s", status, b)
		}
	})
	step("passthrough", func() {
		r, _ := http.NewRequestWithContext(t.Context(), "GET", apple.URL+"/v1/bundleIds/"+id, nil)
		r.Header.Set("Traceparent", parent)
		res, err := w.http.Do(r)
		if err != nil || res.StatusCode != 200 {
			t.Fatal(res, err)
		}
		res.Body.Close()
	})
	const golden = "testdata/spans.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || got.String() != string(want) {
		t.Errorf("%v, got\n%s\nwant\n%s", err, got.String(), want)
	}
	for _, r := range upstream.seen {
		for name := range r.Header {
			if strings.HasPrefix(strings.ToLower(name), "trace") || strings.EqualFold(name, "baggage") {
				t.Errorf("Apple is sent %s", name)
			}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for _, line := range strings.Split(strings.TrimSpace(log.String()), "\n") {
		var event map[string]any
		if err := json.Unmarshal([]byte(line), &event); err != nil || event["trace_id"] != parent[3:35] ||
			event["code"] != "OK" ||
			event["method"] == "" ||
			strings.Contains(line, id) {
			t.Errorf("the record is %s", line)
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 3 {
		t.Errorf("%d records of 3 calls", n)
	}
}

// ended says whether the root is there: it ends last.
func ended(spans tracetest.SpanStubs) bool {
	return slices.ContainsFunc(spans, func(s tracetest.SpanStub) bool { return s.Parent.IsRemote() })
}

// TestUntrustedTraces are linked, not continued.
func TestUntrustedTraces(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	tell := telemetry.Into(spans, false)
	t.Cleanup(func() { _ = tell.Close(context.Background()) })
	s, err := sandbox.Open(sandbox.World{})
	if err != nil {
		t.Fatal(err)
	}
	private, err := s.NewKey("KEY")
	if err != nil {
		t.Fatal(err)
	}
	w := serveWorld(t, s, httptest.NewServer(s), ringOf(private), Deps{Telemetry: tell})
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	if status, _, b := w.do(t, "GET", "/v1/territories?limit=1", "", "Traceparent", parent); status != 200 {
		t.Fatalf("%d %s", status, b)
	}
	for range 200 {
		if len(spans.GetSpans()) >= 2 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	linked := false
	for _, span := range spans.GetSpans() {
		if span.SpanContext.TraceID().String() == parent[3:35] {
			t.Errorf("%s continues the caller's trace", span.Name)
		}
		for _, l := range span.Links {
			linked = linked || l.SpanContext.TraceID().String() == parent[3:35]
		}
	}
	if !linked {
		t.Error("the caller's trace is not linked")
	}
}

// BenchmarkTracing compares calls with every span told with calls without. The
// goal: at most 5 % less.
func BenchmarkTracing(b *testing.B) {
	on := telemetry.Into(discard{}, true)
	defer func() { _ = on.Close(context.Background()) }()
	for _, c := range []struct {
		name string
		tell *telemetry.Telemetry
	}{{"nothing", nil}, {"metrics", telemetry.None()}, {"metrics and traces", on}} {
		b.Run(c.name, func(b *testing.B) {
			s, err := sandbox.Open(sandbox.World{HourLimit: 2_000_000_000})
			if err != nil {
				b.Fatal(err)
			}
			private, err := s.NewKey("KEY")
			if err != nil {
				b.Fatal(err)
			}
			w := serveWorld(b, s, httptest.NewServer(s), ringOf(private), Deps{Telemetry: c.tell})
			client := provisioningv1.NewBundleIdsServiceClient(w.conn)
			id := s.IDs("bundleIds")[0]
			b.SetParallelism(8)
			b.ResetTimer()
			defer processorTime(b)()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := client.GetBundleId(b.Context(), &provisioningv1.GetBundleIdRequest{Id: id}); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// discard is an exporter that takes everything.
type discard struct{}

func (discard) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (discard) Shutdown(context.Context) error                             { return nil }
