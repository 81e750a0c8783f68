package telemetry

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Attributes of the gateway's own; the others are those of OpenTelemetry's
// semantic conventions.
const (
	Team      = attribute.Key("ascgateway.team")
	Class     = attribute.Key("ascgateway.class")      // interactive, default, batch
	Method    = attribute.Key("ascgateway.method")     // "asc.testflight.v1.BuildsService/ListBuilds"
	Cache     = attribute.Key("ascgateway.cache")      // HIT, MISS, COALESCED, REPLAYED
	WaitedMS  = attribute.Key("ascgateway.waited_ms")  // for the quota
	Reason    = attribute.Key("ascgateway.reason")     // of an error
	KeyID     = attribute.Key("ascgateway.key_id")     // Apple's name of the signing key
	RequestID = attribute.Key("ascgateway.request_id") // Apple's
)

// Attributes are all that may leave the process. What instrumentation adds
// beside them, such as whole URLs, holds ids.
var Attributes = []attribute.Key{
	Team, Class, Method, Cache, WaitedMS, Reason, KeyID, RequestID,
	"enduser.id", "error.type", "exception.type",
	"http.request.method", "http.response.status_code", "http.route", "http.request.resend_count",
	"url.scheme", "url.template",
	"network.protocol.name", "network.protocol.version", "server.address", "server.port",
	"rpc.system", "rpc.system.name", "rpc.service", "rpc.method", "rpc.grpc.status_code", "rpc.response.status_code",
}

// allowed are the [Attributes].
var allowed = func() map[attribute.Key]bool {
	m := make(map[attribute.Key]bool, len(Attributes))
	for _, k := range Attributes {
		m[k] = true
	}
	return m
}()

// keep filters attributes.
func keep(list []attribute.KeyValue) []attribute.KeyValue {
	return slices.DeleteFunc(slices.Clone(list), func(a attribute.KeyValue) bool { return !allowed[a.Key] })
}

// Redacting passes on spans without attributes that are not in [Attributes].
func Redacting(next sdktrace.SpanExporter) sdktrace.SpanExporter { return redacting{next} }

type redacting struct{ sdktrace.SpanExporter }

// ExportSpans implements [sdktrace.SpanExporter].
func (r redacting) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	clean := make([]sdktrace.ReadOnlySpan, len(spans))
	for i, s := range spans {
		clean[i] = redacted{s}
	}
	return r.SpanExporter.ExportSpans(ctx, clean)
}

// redacted is a span of which only what is allowed shows.
type redacted struct{ sdktrace.ReadOnlySpan }

// Attributes implements [sdktrace.ReadOnlySpan].
func (r redacted) Attributes() []attribute.KeyValue { return keep(r.ReadOnlySpan.Attributes()) }

// Events implements [sdktrace.ReadOnlySpan].
func (r redacted) Events() []sdktrace.Event {
	events := slices.Clone(r.ReadOnlySpan.Events())
	for i := range events {
		events[i].Attributes = keep(events[i].Attributes)
	}
	return events
}

// views keep what callers choose, such as the Host header, out of metrics. The
// other instruments have no such attributes.
func views() []sdkmetric.View {
	only := func(name string, keys ...attribute.Key) sdkmetric.View {
		return sdkmetric.NewView(
			sdkmetric.Instrument{Name: name},
			sdkmetric.Stream{
				AttributeFilter:                   attribute.NewAllowKeysFilter(keys...),
				ExemplarReservoirProviderSelector: bareExemplars,
			},
		)
	}
	return []sdkmetric.View{
		only("http.server.request.duration", "http.request.method", "http.response.status_code", "http.route", "error.type"),
		only(
			"http.client.request.duration",
			"http.request.method",
			"http.response.status_code",
			"server.address",
			"error.type",
		),
		only("rpc.server.call.duration", "rpc.method", "rpc.response.status_code", "error.type"),
	}
}

// bareExemplars hold the trace and nothing else: what a view leaves out would
// else appear there.
func bareExemplars(a sdkmetric.Aggregation) exemplar.ReservoirProvider {
	provide := sdkmetric.DefaultExemplarReservoirProviderSelector(a)
	return func(set attribute.Set) exemplar.Reservoir { return bare{provide(set)} }
}

type bare struct{ exemplar.Reservoir }

// Offer implements [exemplar.Reservoir].
func (b bare) Offer(ctx context.Context, t time.Time, v exemplar.Value, _ []attribute.KeyValue) {
	b.Reservoir.Offer(ctx, t, v, nil)
}
