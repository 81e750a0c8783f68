package telemetry

import (
	"context"
	"net/http"
	"reflect"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/grpc/codes"
)

// boundaries are those of OpenTelemetry's semantic conventions, in seconds.
var boundaries = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}

// durations is a histogram of seconds. The sets of its attributes are made once:
// to make and to filter one for each call costs more than all else that is told
// of it.
type durations struct {
	histogram metric.Float64Histogram

	mu   sync.RWMutex
	sets map[outcome][]metric.RecordOption
}

// outcome is what one histogram tells apart. What callers choose freely must not
// be in it: each different one is kept.
type outcome struct {
	method, at, failed string // at: the route, or the server
	status             int
}

func newDurations(meter metric.Meter, name, about string) (*durations, error) {
	h, err := meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(about),
		metric.WithExplicitBucketBoundaries(boundaries...))
	return &durations{histogram: h, sets: map[outcome][]metric.RecordOption{}}, err
}

// record tells of one outcome; attributes makes its set when it is first seen.
func (d *durations) record(
	ctx context.Context,
	o outcome,
	took time.Duration,
	attributes func(outcome) []attribute.KeyValue,
) {
	d.mu.RLock()
	options := d.sets[o]
	d.mu.RUnlock()
	if options == nil {
		options = []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attributes(o)...))}
		d.mu.Lock()
		d.sets[o] = options
		d.mu.Unlock()
	}
	d.histogram.Record(ctx, took.Seconds(), options...)
}

// startDurations makes the histograms of calls.
func (t *Telemetry) startDurations() (err error) {
	meter := t.Meter.Meter(Scope)
	if t.rpc, err = newDurations(meter, "rpc.server.call.duration",
		"Measures the duration of an incoming Remote Procedure Call (RPC)."); err != nil {
		return err
	}
	if t.served, err = newDurations(meter, "http.server.request.duration", "Duration of HTTP server requests."); err != nil {
		return err
	}
	t.sent, err = newDurations(meter, "http.client.request.duration", "Duration of HTTP client requests.")
	return err
}

// Called tells of a call over gRPC that has ended. The method must be one that is
// served: "asc.testflight.v1.BuildsService/ListBuilds".
func (t *Telemetry) Called(ctx context.Context, method string, c codes.Code, took time.Duration) {
	t.rpc.record(ctx, outcome{method: method, status: int(c)}, took, rpcAttributes)
}

func rpcAttributes(o outcome) []attribute.KeyValue {
	name := code.Code(o.status).String()
	list := []attribute.KeyValue{semconv.RPCMethod(o.method), semconv.RPCResponseStatusCode(name)}
	switch codes.Code(o.status) {
	case codes.Unknown, codes.DeadlineExceeded, codes.Unimplemented, codes.Internal, codes.Unavailable, codes.DataLoss:
		list = append(list, semconv.ErrorTypeKey.String(name))
	}
	return list
}

// Served tells of a request over HTTP that was answered. The route is a pattern,
// "" for a request that found none.
func (t *Telemetry) Served(ctx context.Context, verb, route string, status int, took time.Duration) {
	t.served.record(ctx, outcome{method: known(verb), at: route, status: status}, took, servedAttributes)
}

func servedAttributes(o outcome) []attribute.KeyValue {
	list := []attribute.KeyValue{semconv.HTTPRequestMethodKey.String(o.method), semconv.HTTPResponseStatusCode(o.status)}
	if o.at != "" {
		list = append(list, semconv.HTTPRoute(o.at))
	}
	return list
}

// Sent tells of an attempt at a server. err is why there was no answer, nil if
// there was one.
func (t *Telemetry) Sent(ctx context.Context, verb, server string, status int, err error, took time.Duration) {
	o := outcome{method: known(verb), at: server, status: status}
	if err != nil {
		o.failed = typeOf(err)
	}
	t.sent.record(ctx, o, took, sentAttributes)
}

func sentAttributes(o outcome) []attribute.KeyValue {
	list := []attribute.KeyValue{semconv.HTTPRequestMethodKey.String(o.method), semconv.ServerAddress(o.at)}
	if o.status > 0 {
		list = append(list, semconv.HTTPResponseStatusCode(o.status))
	}
	if o.failed != "" {
		list = append(list, semconv.ErrorTypeKey.String(o.failed))
	}
	return list
}

// known is a verb of HTTP's, or _OTHER: callers choose them.
func known(verb string) string {
	if slices.Contains([]string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete,
		http.MethodPut, http.MethodHead, http.MethodOptions, http.MethodConnect, http.MethodTrace}, verb) {
		return verb
	}
	return "_OTHER"
}

// typeOf names the type of an error.
func typeOf(err error) string {
	t := reflect.TypeOf(err)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.PkgPath() == "" || t.Name() == "" {
		return t.String()
	}
	return t.PkgPath() + "." + t.Name()
}

// Traced says whether spans are told. If not, nobody need make any.
func (t *Telemetry) Traced() bool { return t.traced }

// Remote puts the trace that a caller names into the context, for the log and for
// exemplars. It is for calls of which no span is made.
func (t *Telemetry) Remote(ctx context.Context, from propagation.TextMapCarrier) context.Context {
	if from.Get("traceparent") == "" {
		return ctx
	}
	return t.Propagator.Extract(ctx, from)
}
