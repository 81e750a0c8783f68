package asc

import (
	"context"
	"net/http"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"
)

// Tracing is where attempts are told; the zero value tells nobody.
type Tracing struct {
	Tracer trace.TracerProvider // nil: no spans are made
	// Sent hears of every attempt: its verb, the server's name, and the status of
	// the answer, or why there was none. nil: nobody does.
	Sent func(ctx context.Context, verb, server string, status int, err error, took time.Duration)
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
	if t.Sent != nil {
		next = timed{next, t.Sent}
	}
	if t.Tracer == nil {
		return next
	}
	return otelhttp.NewTransport(
		described{next},
		otelhttp.WithTracerProvider(t.Tracer),
		otelhttp.WithMeterProvider(noop.NewMeterProvider()),
		otelhttp.WithPropagators(propagation.NewCompositeTextMapPropagator()),
		otelhttp.WithSpanNameFormatter(func(_ string, r *http.Request) string {
			if a, ok := r.Context().Value(attemptKey{}).(attemptInfo); ok {
				return a.method + " " + a.template
			}
			return r.Method
		}),
	)
}

// timed tells how long attempts took, up to the header of the answer.
type timed struct {
	next http.RoundTripper
	sent func(ctx context.Context, verb, server string, status int, err error, took time.Duration)
}

// RoundTrip implements [http.RoundTripper].
func (m timed) RoundTrip(r *http.Request) (*http.Response, error) {
	begun := time.Now()
	res, err := m.next.RoundTrip(r)
	status := 0
	if res != nil {
		status = res.StatusCode
	}
	m.sent(r.Context(), r.Method, r.URL.Hostname(), status, err, time.Since(begun))
	return res, err
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
