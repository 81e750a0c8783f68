package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// TestTheCollectorIsAway is the row of the degradation table: nothing waits for
// it, and the end is bounded.
func TestTheCollectorIsAway(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
	tell, err := Start(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	for range 10_000 {
		_, span := tell.Tracer.Tracer("test").Start(t.Context(), "call")
		span.End()
	}
	if d := time.Since(begun); d > 2*time.Second {
		t.Errorf("10,000 spans took %v", d)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	begun = time.Now()
	if err := tell.Close(ctx); err == nil || time.Since(begun) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
}

func TestNothingIsSentUnasked(t *testing.T) {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"} {
		t.Setenv(name, "")
	}
	tell, err := Start(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tell.Close(context.Background()) }()
	if _, ok := tell.Tracer.(noop.TracerProvider); !ok || tell.logs != nil {
		t.Errorf("got %T %v", tell.Tracer, tell.logs)
	}
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	if wanted("TRACES") || !wanted("LOGS") {
		t.Error("OTEL_TRACES_EXPORTER=none does not count")
	}
	t.Setenv("OTEL_TRACES_EXPORTER", "nonsense")
	if _, err := Start(t.Context(), "test"); err == nil {
		t.Error("an exporter that is none is taken")
	}
}

func TestOnlyAllowedAttributesLeave(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	tell := Into(spans, false)
	defer func() { _ = tell.Close(context.Background()) }()
	ctx, span := tell.Tracer.Tracer("test").Start(t.Context(), "call", trace.WithAttributes(attribute.String("url.full", "https://x/v1/apps/an-id"), attribute.String("http.route", "/v1/apps/{id}")))
	span.AddEvent("event", trace.WithAttributes(attribute.String("secret", "an-id"), attribute.String("ascgateway.cache", "HIT")))
	var log bytes.Buffer
	slog.New(tell.Handler(slog.NewJSONHandler(&log, nil))).With("a", 1).WithGroup("g").InfoContext(ctx, "hello", "b", 2)
	h, err := tell.Meter.Meter("test").Float64Histogram("http.server.request.duration", metric.WithUnit("s"))
	if err != nil {
		t.Fatal(err)
	}
	h.Record(ctx, 1, metric.WithAttributes(attribute.String("server.address", "evil.example"), attribute.String("http.route", "/v1/apps/{id}")))
	span.End()
	text, err := json.Marshal(spans.GetSpans())
	if err != nil || strings.Contains(string(text), "an-id") || !strings.Contains(string(text), "http.route") || !strings.Contains(string(text), "ascgateway.cache") {
		t.Errorf("%v %s", err, text)
	}
	id := span.SpanContext().TraceID().String()
	if !strings.Contains(log.String(), id) || !strings.Contains(log.String(), `"b":2`) {
		t.Errorf("the log says %s", &log)
	}
	r := httptest.NewRequest("GET", "/metrics", nil)
	r.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	w := httptest.NewRecorder()
	tell.ServeHTTP(w, r)
	if body := w.Body.String(); !strings.Contains(body, `trace_id="`+id+`"`) || strings.Contains(body, "evil.example") || !strings.Contains(body, `http_route="/v1/apps/{id}"`) {
		t.Errorf("no exemplar, or too much: %s", body)
	}
}
