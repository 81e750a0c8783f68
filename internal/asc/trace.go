package asc

import (
	"context"
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"
)

// Tracing is where attempts are told; the zero value tells nobody.
type Tracing struct {
	Tracer trace.TracerProvider
	Meter  metric.MeterProvider
}

// attemptKey finds what an attempt is, for its span.
type attemptKey struct{}

type attemptInfo struct {
	method, template string
	resend           int
}

// tracedTransport makes a span of every attempt. The trace context is the
// gateway's own affair: nothing of it is sent to Apple.
func tracedTransport(next http.RoundTripper, t Tracing) http.RoundTripper {
	if t.Tracer == nil || t.Meter == nil {
		return next
	}
	return otelhttp.NewTransport(described{next}, otelhttp.WithTracerProvider(t.Tracer), otelhttp.WithMeterProvider(t.Meter),
		otelhttp.WithPropagators(propagation.NewCompositeTextMapPropagator()),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string {
			if a, ok := r.Context().Value(attemptKey{}).(attemptInfo); ok {
				return a.method + " " + a.template
			}
			return r.Method
		}))
}

// described adds to an attempt's span what its URL must not tell.
type described struct{ next http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (d described) RoundTrip(r *http.Request) (*http.Response, error) {
	if span := trace.SpanFromContext(r.Context()); span.IsRecording() {
		if a, ok := r.Context().Value(attemptKey{}).(attemptInfo); ok {
			span.SetAttributes(semconv.URLTemplate(a.template))
			if a.resend > 0 {
				span.SetAttributes(semconv.HTTPRequestResendCount(a.resend))
			}
		}
	}
	return d.next.RoundTrip(r)
}

// note adds an event to the span of a call.
func note(ctx context.Context, name string, attributes ...attribute.KeyValue) {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.AddEvent(name, trace.WithAttributes(attributes...))
	}
}
