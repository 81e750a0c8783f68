// Package inprocess is the connection by which use cases call the gateway that
// they run in. It is an adapter over the server's Invoke and Stream: every inner
// call passes policy, app restriction, quota and audit as any other.
//
// What goes inwards is made afresh: the principal comes by the context and never
// by metadata, and no header of the outer call leaks into an inner one. What
// comes outwards is a copy that may be changed.
package inprocess

import (
	"context"
	"io"
	"strconv"
	"sync/atomic"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/guard"
	"github.com/asc-gateway/asc-gateway/internal/server"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	grpccodes "google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// Server is what calls are made to: [server.Server].
type Server interface {
	Invoke(ctx context.Context, fullMethod string, req proto.Message) (proto.Message, error)
	Stream(ctx context.Context, fullMethod string, req proto.Message, send func(proto.Message) error) error
}

// Call is for what inner calls are made. Without one in its context, an inner
// call takes team and class from the outer call.
type Call struct {
	Team     string
	Priority string        // interactive, default or batch
	Via      string        // for audit: "operations/ID"
	Requests *atomic.Int64 // counts what is sent to Apple; nil: nobody counts
}

// cacheControl is the header by which a read asks for what is there now.
const cacheControl = "cache-control"

type callKey struct{}

// NewContext returns a context for the inner calls of c.
func NewContext(ctx context.Context, c Call) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

func callOf(ctx context.Context) Call {
	if c, ok := ctx.Value(callKey{}).(Call); ok {
		return c
	}
	return Call{Team: guard.Team(ctx), Priority: asc.CallerOf(ctx).Priority, Via: guard.Method(ctx)}
}

// Conn is a [grpc.ClientConnInterface] for unary calls and server streams. It is
// safe for concurrent use.
type Conn struct {
	server Server
	tracer trace.Tracer
}

var _ grpc.ClientConnInterface = (*Conn)(nil)

// New makes a connection to a server in this process.
func New(s Server, tracer trace.TracerProvider) *Conn {
	return &Conn{server: s, tracer: tracer.Tracer("github.com/asc-gateway/asc-gateway/internal/usecase/inprocess")}
}

// Invoke implements [grpc.ClientConnInterface]. Of the options, Header and Trailer
// are filled. Errors are statuses with all their details.
func (c *Conn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	in := c.begin(ctx, method)
	res, err := c.server.Invoke(in.ctx, method, proto.Clone(args.(proto.Message)))
	in.end(err, opts)
	if err != nil {
		return statusOf(err)
	}
	proto.Reset(reply.(proto.Message))
	proto.Merge(reply.(proto.Message), res)
	return nil
}

// statusOf is the error as a client sees one: cut to no size, since no trailer
// carries it.
func statusOf(err error) error { return service.FullStatus(err).Err() }

// inner is one inner call.
type inner struct {
	ctx    context.Context
	call   Call
	span   trace.Span
	stream *headers
}

// begin makes the context of an inner call.
func (c *Conn) begin(ctx context.Context, method string) *inner {
	call := callOf(ctx)
	in := &inner{call: call, stream: &headers{method: method}}
	via := call.Via
	if via == "" {
		via = "use case"
	}
	ctx, in.span = c.tracer.Start(ctx, method[1:], trace.WithSpanKind(trace.SpanKindInternal),
		trace.WithAttributes(attribute.String("rpc.system", "grpc"), attribute.String("ascgateway.via", via)))
	md := metadata.MD{}
	set := func(name, value string) {
		if value != "" {
			md.Set(name, value)
		}
	}
	set(server.TeamHeader, call.Team)
	set(server.PriorityHeader, call.Priority)
	if out, ok := metadata.FromOutgoingContext(ctx); ok { // what the use case itself asks for, as any client
		set(cacheControl, first(out, cacheControl))
	}
	propagation.TraceContext{}.Inject(ctx, carrier(md))
	ctx = metadata.NewIncomingContext(access.WithVia(ctx, via), md)
	ctx = context.WithValue(ctx, callKey{}, nil) // a use case within is a call of its own
	in.ctx = grpc.NewContextWithServerTransportStream(ctx, in.stream)
	return in
}

// end tells the span, the counter and the caller's options how a call ended.
func (in *inner) end(err error, opts []grpc.CallOption) {
	if err != nil {
		in.span.SetStatus(codes.Error, service.Status(err).Code().String())
	}
	in.span.End()
	md := in.stream.taken()
	if n, perr := strconv.Atoi(first(md, server.RequestsHeader)); perr == nil && in.call.Requests != nil {
		in.call.Requests.Add(int64(n))
	}
	for _, o := range opts {
		switch o := o.(type) {
		case grpc.HeaderCallOption:
			*o.HeaderAddr = md
		case grpc.TrailerCallOption:
			*o.TrailerAddr = metadata.MD{}
		}
	}
}

func first(md metadata.MD, name string) string {
	if v := md.Get(name); len(v) > 0 {
		return v[0]
	}
	return ""
}

// NewStream implements [grpc.ClientConnInterface] for server streams. A message is
// made when the one before was taken: a caller that reads slowly holds one. The
// stream ends with its context.
func (c *Conn) NewStream(
	ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	if desc.ClientStreams {
		return nil, status.Error(grpccodes.Unimplemented, "in process there are unary calls and server streams only")
	}
	ctx, cancel := context.WithCancel(ctx)
	return &stream{conn: c, outer: ctx, cancel: cancel, method: method, opts: opts,
		messages: make(chan proto.Message), ended: make(chan struct{})}, nil
}

// stream is a server stream within the process.
type stream struct {
	conn     *Conn
	outer    context.Context
	cancel   context.CancelFunc
	method   string
	opts     []grpc.CallOption
	req      proto.Message
	messages chan proto.Message
	ended    chan struct{} // closed after err and header are set
	err      error
	header   metadata.MD
	begun    bool
}

// Context implements [grpc.ClientStream].
func (s *stream) Context() context.Context { return s.outer }

// SendMsg implements [grpc.ClientStream]: the one request.
func (s *stream) SendMsg(m any) error {
	s.req = proto.Clone(m.(proto.Message))
	return nil
}

// CloseSend implements [grpc.ClientStream]: the call begins.
func (s *stream) CloseSend() error {
	if s.begun || s.req == nil {
		return nil
	}
	s.begun = true
	in := s.conn.begin(s.outer, s.method)
	go func() {
		defer close(s.ended)
		defer s.cancel()
		s.err = s.conn.server.Stream(in.ctx, s.method, s.req, func(m proto.Message) error {
			select {
			case s.messages <- proto.Clone(m):
				return nil
			case <-s.outer.Done():
				return context.Cause(s.outer)
			}
		})
		if gone := s.outer.Err(); gone != nil && s.err != nil {
			s.err = status.FromContextError(gone).Err()
		}
		in.end(s.err, s.opts)
		s.header = in.stream.taken()
	}()
	return nil
}

// RecvMsg implements [grpc.ClientStream].
func (s *stream) RecvMsg(m any) error {
	if !s.begun {
		return status.Error(grpccodes.Internal, "nothing was sent yet")
	}
	select {
	case got := <-s.messages:
		proto.Reset(m.(proto.Message))
		proto.Merge(m.(proto.Message), got)
		return nil
	case <-s.ended:
	}
	if s.err != nil {
		return statusOf(s.err)
	}
	return io.EOF
}

// Header implements [grpc.ClientStream]. It waits for the end of the call.
func (s *stream) Header() (metadata.MD, error) {
	<-s.ended
	return s.header, nil
}

// Trailer implements [grpc.ClientStream].
func (s *stream) Trailer() metadata.MD { return metadata.MD{} }

// headers is the transport stream of an inner call: its headers reach nobody
// outside.
type headers struct {
	method string
	md     atomic.Pointer[metadata.MD]
}

// Method implements [grpc.ServerTransportStream].
func (h *headers) Method() string { return h.method }

// SetHeader implements [grpc.ServerTransportStream].
func (h *headers) SetHeader(md metadata.MD) error {
	for {
		was := h.md.Load()
		now := md.Copy()
		if was != nil {
			now = metadata.Join(*was, md)
		}
		if h.md.CompareAndSwap(was, &now) {
			return nil
		}
	}
}

// SendHeader implements [grpc.ServerTransportStream].
func (h *headers) SendHeader(md metadata.MD) error { return h.SetHeader(md) }

// SetTrailer implements [grpc.ServerTransportStream].
func (h *headers) SetTrailer(metadata.MD) error { return nil }

func (h *headers) taken() metadata.MD {
	if md := h.md.Load(); md != nil {
		return *md
	}
	return metadata.MD{}
}

// carrier carries a trace context in metadata.
type carrier metadata.MD

// Get implements [propagation.TextMapCarrier].
func (c carrier) Get(key string) string { return first(metadata.MD(c), key) }

// Set implements [propagation.TextMapCarrier].
func (c carrier) Set(key, value string) { metadata.MD(c).Set(key, value) }

// Keys implements [propagation.TextMapCarrier].
func (c carrier) Keys() []string { return nil }
