package gateway

import (
	"context"
	"net/http"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/server"
	"github.com/asc-gateway/asc-gateway/internal/telemetry"
	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
)

// calls tells telemetry of calls over gRPC.
type calls struct{ *telemetry.Telemetry }

var _ server.Observer = calls{}

// Begun implements [server.Observer].
func (c calls) Begun(ctx context.Context) context.Context {
	if c.Traced() {
		return ctx // the span is there
	}
	return c.Remote(ctx, incoming{ctx})
}

// Ended implements [server.Observer].
func (c calls) Ended(ctx context.Context, method string, code codes.Code, took time.Duration) {
	c.Called(ctx, method, code, took)
}

// incoming reads a trace from a call's metadata.
type incoming struct{ ctx context.Context }

// Get implements [propagation.TextMapCarrier].
func (i incoming) Get(key string) string {
	if v := metadata.ValueFromIncomingContext(i.ctx, key); len(v) > 0 {
		return v[0]
	}
	return ""
}

// Set implements [propagation.TextMapCarrier].
func (incoming) Set(string, string) {}

// Keys implements [propagation.TextMapCarrier].
func (incoming) Keys() []string { return nil }

// measured tells telemetry of requests over HTTP.
type measured struct {
	next http.Handler
	tell *telemetry.Telemetry
}

// ServeHTTP implements [http.Handler].
func (m measured) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begun, ctx := time.Now(), r.Context()
	if !m.tell.Traced() {
		if from := m.tell.Remote(ctx, propagation.HeaderCarrier(r.Header)); from != ctx {
			ctx, r = from, r.WithContext(from)
		}
	}
	a := &answered{ResponseWriter: w}
	defer func() {
		if a.status == 0 {
			a.status = http.StatusOK
		}
		m.tell.Served(ctx, r.Method, a.route, a.status, time.Since(begun))
	}()
	m.next.ServeHTTP(a, r)
}

// answered notes the status and the route of a request.
type answered struct {
	http.ResponseWriter
	status int
	route  string
}

// Routed takes the pattern of the route that a request took.
func (a *answered) Routed(pattern string) { a.route = pattern }

// WriteHeader implements [http.ResponseWriter].
func (a *answered) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (a *answered) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(b)
}

// Unwrap lets [http.ResponseController] through.
func (a *answered) Unwrap() http.ResponseWriter { return a.ResponseWriter }
