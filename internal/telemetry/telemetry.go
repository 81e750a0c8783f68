// Package telemetry tells what the gateway does, by OpenTelemetry: traces,
// metrics and logs by OTLP, as the standard OTEL_* variables say, and metrics as
// Prometheus' text on the ops port.
//
// Values come from whoever owns them, by [Instrument]; nothing here keeps any.
// No id of a resource and no secret may become an attribute: only those in
// [Attributes] leave the process.
package telemetry

import (
	"context"
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/exporters/autoexport"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Scope is the name of the gateway's own tracer and meter.
const Scope = "github.com/asc-gateway/asc-gateway"

// Telemetry is where everything is told.
type Telemetry struct {
	Tracer     trace.TracerProvider
	Meter      metric.MeterProvider
	Propagator propagation.TextMapPropagator // of callers; nothing is passed on to Apple

	traced bool                   // spans are told
	logs   *sdklog.LoggerProvider // nil: logs go nowhere else

	rpc, served, sent *durations // calls over gRPC, requests over HTTP, attempts at Apple

	handler http.Handler
	close   []func(context.Context) error
}

// Start begins to tell. Exporters are those of OTEL_TRACES_EXPORTER and its
// kin, or OTLP where OTEL_EXPORTER_OTLP_ENDPOINT is set; else there are none.
// Collectors are reached directly: no variable names a proxy.
func Start(ctx context.Context, version string) (*Telemetry, error) {
	t := &Telemetry{Tracer: noop.NewTracerProvider(), Propagator: propagation.TraceContext{}}
	about, err := resource.New(
		ctx,
		resource.WithAttributes(semconv.ServiceName("asc-gateway"), semconv.ServiceVersion(version)),
		resource.WithFromEnv(),
		resource.WithTelemetrySDK(),
	)
	if err != nil {
		return nil, err
	}
	for _, start := range []func(context.Context, *resource.Resource) error{t.startTraces, t.startMetrics, t.startLogs} {
		if err := start(ctx, about); err != nil {
			return nil, errors.Join(err, t.Close(ctx))
		}
	}
	return t, nil
}

// wanted says whether the environment asks for a signal: TRACES, METRICS, LOGS.
func wanted(signal string) bool {
	if v := os.Getenv("OTEL_" + signal + "_EXPORTER"); v != "" {
		return v != "none"
	}
	return strings.ToLower(os.Getenv("OTEL_SDK_DISABLED")) != "true" &&
		(os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT") != "")
}

func (t *Telemetry) startTraces(ctx context.Context, about *resource.Resource) error {
	if !wanted("TRACES") {
		return nil
	}
	protocol, is, err := otlp("TRACES")
	if err != nil {
		return err
	}
	var exporter sdktrace.SpanExporter
	if is {
		exporter, err = spansTo(ctx, protocol)
	} else {
		exporter, err = autoexport.NewSpanExporter(ctx)
	}
	if err != nil {
		return err
	}
	exporter = quietSpans{exporter, secrets()}
	t.use(sdktrace.NewTracerProvider(sdktrace.WithResource(about), sdktrace.WithBatcher(Redacting(exporter))))
	return nil
}

func (t *Telemetry) use(p *sdktrace.TracerProvider) {
	t.Tracer, t.traced = p, true
	t.close = append(t.close, p.Shutdown)
}

func (t *Telemetry) startMetrics(ctx context.Context, about *resource.Resource) error {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	text, err := otelprometheus.New(
		otelprometheus.WithRegisterer(registry),
		otelprometheus.WithoutScopeInfo(),
		otelprometheus.WithoutTargetInfo(),
	)
	if err != nil {
		return err
	}
	options := []sdkmetric.Option{
		sdkmetric.WithResource(about),
		sdkmetric.WithReader(text),
		sdkmetric.WithView(views()...),
	}
	if wanted("METRICS") {
		reader, err := metricReader(ctx)
		if err != nil {
			return err
		}
		options = append(options, sdkmetric.WithReader(reader))
	}
	p := sdkmetric.NewMeterProvider(options...)
	t.Meter = p
	t.close = append(t.close, p.Shutdown)
	t.handler = promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true, MaxRequestsInFlight: 4})
	return t.startDurations()
}

// metricReader is what the environment asks for.
func metricReader(ctx context.Context) (sdkmetric.Reader, error) {
	protocol, is, err := otlp("METRICS")
	if err != nil {
		return nil, err
	}
	if !is {
		return autoexport.NewMetricReader(ctx)
	}
	exporter, err := metricsTo(ctx, protocol)
	if err != nil {
		return nil, err
	}
	return sdkmetric.NewPeriodicReader(quietMetrics{exporter, secrets()}), nil
}

// ServeHTTP answers with all metrics, as Prometheus' text.
func (t *Telemetry) ServeHTTP(w http.ResponseWriter, r *http.Request) { t.handler.ServeHTTP(w, r) }

// Close sends what is left.
func (t *Telemetry) Close(ctx context.Context) error {
	var errs []error
	for _, f := range slices.Backward(t.close) {
		errs = append(errs, f(ctx))
	}
	return errors.Join(errs...)
}

// None tells nobody anything, but serves metrics. For tests.
func None() *Telemetry {
	t := &Telemetry{Tracer: noop.NewTracerProvider(), Propagator: propagation.TraceContext{}}
	if err := t.startMetrics(context.Background(), resource.Empty()); err != nil {
		panic(err) // it is tried by every test
	}
	return t
}

// Into tells spans to an exporter: each as soon as it ends, or in batches as
// [Start] does. For tests.
func Into(exporter sdktrace.SpanExporter, batches bool) *Telemetry {
	t := None()
	if batches {
		t.use(sdktrace.NewTracerProvider(sdktrace.WithBatcher(Redacting(exporter))))
	} else {
		t.use(sdktrace.NewTracerProvider(sdktrace.WithSyncer(Redacting(exporter))))
	}
	return t
}
