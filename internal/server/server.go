// Package server is the one way into the gateway: every call, over gRPC or
// REST, passes the same interceptors before the engine sees it.
//
// It assembles the gRPC server from the engine's plans and the hand-written
// services, and ends it without losing a call.
package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	filesv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/files/v1"
	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/guard"
	"github.com/asc-gateway/asc-gateway/internal/overload"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/protobuf/proto"
)

// Message limits, in bytes.
const (
	MaxRequestBytes  = 8 << 20
	MaxResponseBytes = 32 << 20
)

// TeamHeader is the metadata, and over REST the header, that picks the team.
const TeamHeader = "asc-team"

// PriorityHeader is the metadata, and over REST the header, that asks for a
// class: interactive, default or batch.
const PriorityHeader = "asc-priority"

// What answers tell in their headers, or trailers: where they came from, and how
// the hour of the key stands that was used.
const (
	CacheHeader     = "asc-cache"           // HIT, MISS, COALESCED or REPLAYED
	LimitHeader     = "asc-quota-limit"     // requests
	RemainingHeader = "asc-quota-remaining" // requests
	WaitedHeader    = "asc-quota-waited-ms" // milliseconds
)

// Bounds on deadlines: what has less left is refused, and the engine answers
// this much before the caller gives up.
const (
	minDeadline = 100 * time.Millisecond
	maxShave    = 100 * time.Millisecond
)

// Service is a hand-written service.
type Service struct {
	Desc *grpc.ServiceDesc
	Impl any
}

// Server serves gRPC, and lends its interceptors to REST.
type Server struct {
	engine  *service.Engine
	guard   *guard.Guard
	limits  *overload.Limiter
	log     *slog.Logger
	health  *health.Server
	grpc    *grpc.Server
	methods map[string]registered
	streams map[string]registeredStream
}

type registeredStream struct {
	impl    any
	handler grpc.StreamHandler
}

type registered struct {
	impl    any
	handler grpc.MethodHandler
}

// New assembles a server of the engine's methods and of the gateway's own
// services. The limits are for gRPC only: the REST edge has entered already.
func New(engine *service.Engine, g *guard.Guard, own []Service, limits *overload.Limiter, log *slog.Logger, options ...grpc.ServerOption) *Server {
	s := &Server{engine: engine, guard: g, limits: limits, log: log, health: health.NewServer(), methods: map[string]registered{}, streams: map[string]registeredStream{}}
	s.grpc = grpc.NewServer(append([]grpc.ServerOption{
		grpc.ChainUnaryInterceptor(s.unary),
		grpc.ChainStreamInterceptor(s.stream),
		grpc.MaxRecvMsgSize(MaxRequestBytes),
		grpc.MaxSendMsgSize(MaxResponseBytes),
		grpc.MaxConcurrentStreams(1000),
		grpc.ConnectionTimeout(20 * time.Second),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 2 * time.Minute, Timeout: 20 * time.Second}),
	}, options...)...)
	for _, d := range s.describe() {
		s.register(Service{Desc: d, Impl: s})
	}
	for _, o := range own {
		s.register(o)
	}
	healthpb.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc)
	return s
}

func (s *Server) register(o Service) {
	s.grpc.RegisterService(o.Desc, o.Impl)
	for _, m := range o.Desc.Methods {
		s.methods["/"+o.Desc.ServiceName+"/"+m.MethodName] = registered{o.Impl, m.Handler}
	}
	for _, m := range o.Desc.Streams {
		s.streams["/"+o.Desc.ServiceName+"/"+m.StreamName] = registeredStream{o.Impl, m.Handler}
	}
	s.health.SetServingStatus(o.Desc.ServiceName, healthpb.HealthCheckResponse_SERVING)
}

// GRPC is the gRPC server, ready to serve.
func (s *Server) GRPC() *grpc.Server { return s.grpc }

// Drain refuses new calls and waits for those in flight, until ctx is done.
func (s *Server) Drain(ctx context.Context) {
	s.health.Shutdown()
	done := make(chan struct{})
	go func() { s.grpc.GracefulStop(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		s.grpc.Stop()
		<-done
	}
}

// describe makes the service descriptions of the engine's methods.
func (s *Server) describe() []*grpc.ServiceDesc {
	byName := map[string]*grpc.ServiceDesc{}
	var out []*grpc.ServiceDesc
	for _, m := range s.engine.Methods {
		name := string(m.Desc.Parent().FullName())
		d := byName[name]
		if d == nil {
			d = &grpc.ServiceDesc{ServiceName: name, HandlerType: (*any)(nil), Metadata: m.Desc.ParentFile().Path()}
			byName[name] = d
			out = append(out, d)
		}
		if m.Stream {
			d.Streams = append(d.Streams, grpc.StreamDesc{StreamName: string(m.Desc.Name()), Handler: s.streamHandler(m), ServerStreams: true})
		} else {
			d.Methods = append(d.Methods, grpc.MethodDesc{MethodName: string(m.Desc.Name()), Handler: s.unaryHandler(m)})
		}
	}
	return out
}

func (s *Server) unaryHandler(m *service.Method) grpc.MethodHandler {
	handle := func(ctx context.Context, req any) (any, error) {
		return s.engine.Unary(ctx, guard.Team(ctx), m, req.(proto.Message))
	}
	return func(_ any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
		req := m.Input.New().Interface()
		if err := decode(req); err != nil {
			return nil, err
		}
		if interceptor == nil {
			return handle(ctx, req)
		}
		return interceptor(ctx, req, &grpc.UnaryServerInfo{Server: s, FullMethod: m.FullName}, handle)
	}
}

func (s *Server) streamHandler(m *service.Method) grpc.StreamHandler {
	return func(_ any, ss grpc.ServerStream) error {
		req := m.Input.New().Interface()
		if err := ss.RecvMsg(req); err != nil {
			return err
		}
		return s.engine.Stream(ss.Context(), guard.Team(ss.Context()), m, req, func(part proto.Message) error { return ss.SendMsg(part) })
	}
}

// Invoke makes a unary call through the same interceptors as gRPC does.
func (s *Server) Invoke(ctx context.Context, fullMethod string, req proto.Message) (proto.Message, error) {
	m, ok := s.methods[fullMethod]
	if !ok {
		return nil, fault.New(fault.Unimplemented, "UNIMPLEMENTED", "no such method")
	}
	copyIn := func(v any) error { proto.Merge(v.(proto.Message), req); return nil }
	res, err := m.handler(m.impl, ctx, copyIn, s.guarded)
	if err != nil {
		return nil, err
	}
	return res.(proto.Message), nil
}

// Stream makes a server-streaming call through the same interceptors as gRPC
// does.
func (s *Server) Stream(ctx context.Context, fullMethod string, req proto.Message, send func(proto.Message) error) error {
	m, ok := s.streams[fullMethod]
	if !ok {
		return fault.New(fault.Unimplemented, "UNIMPLEMENTED", "no such method")
	}
	return s.streamed(m.impl, &localStream{ctx: ctx, req: req, send: send}, fullMethod, m.handler)
}

// localStream is a stream within the process.
type localStream struct {
	grpc.ServerStream // what is not here is not used
	ctx               context.Context
	req               proto.Message // nil once it was received
	send              func(proto.Message) error
}

// Context implements [grpc.ServerStream].
func (l *localStream) Context() context.Context { return l.ctx }

// SetTrailer implements [grpc.ServerStream]: nobody reads trailers.
func (l *localStream) SetTrailer(metadata.MD) {}

// RecvMsg implements [grpc.ServerStream].
func (l *localStream) RecvMsg(m any) error {
	if l.req == nil {
		return io.EOF
	}
	proto.Merge(m.(proto.Message), l.req)
	l.req = nil
	return nil
}

// SendMsg implements [grpc.ServerStream].
func (l *localStream) SendMsg(m any) error { return l.send(m.(proto.Message)) }

// Open begins a call whose answer is a file, through the same interceptors.
// accept may choose a content type; "" is the operation's default.
func (s *Server) Open(ctx context.Context, m *service.Method, req proto.Message, accept string) (*service.File, error) {
	return s.open(ctx, m.FullName, req, func(team string) (*service.File, error) {
		return s.engine.Open(ctx, team, m, req, accept)
	})
}

// OpenSegment is Open for a segment of an analytics report.
func (s *Server) OpenSegment(ctx context.Context, id string) (*service.File, error) {
	req := &filesv1.DownloadAnalyticsReportSegmentRequest{Id: id}
	return s.open(ctx, filesv1.FileService_DownloadAnalyticsReportSegment_FullMethodName, req, func(team string) (*service.File, error) {
		return s.engine.OpenSegment(ctx, team, id)
	})
}

// open passes the interceptors. The file is opened with the caller's own
// context: it is read after they are through.
func (s *Server) open(ctx context.Context, fullMethod string, req proto.Message, open func(team string) (*service.File, error)) (*service.File, error) {
	info := &grpc.UnaryServerInfo{Server: s, FullMethod: fullMethod}
	res, err := s.guarded(ctx, req, info, func(ctx context.Context, _ any) (any, error) { return open(guard.Team(ctx)) })
	if err != nil {
		return nil, err
	}
	return res.(*service.File), nil
}

// Identify finds out who makes an HTTP request: the contexts of its calls must
// come from the one returned.
func (s *Server) Identify(r *http.Request) (context.Context, error) {
	return s.guard.Identify(r.Context(), authn.FromRequest(r))
}

// identified finds out who calls over gRPC, unless the REST edge has already.
func (s *Server) identified(ctx context.Context) (context.Context, error) {
	if access.FromContext(ctx) != nil {
		return ctx, nil
	}
	return s.guard.Identify(ctx, authn.FromPeer(ctx))
}

// enter lets a call in.
func (s *Server) enter(ctx context.Context, fullMethod string, req any) (context.Context, *guard.Admission, error) {
	ctx, err := s.identified(ctx)
	if err != nil {
		return ctx, nil, err
	}
	c := guard.Call{Method: fullMethod, Team: first(ctx, TeamHeader), Priority: first(ctx, PriorityHeader), CacheControl: first(ctx, "cache-control"), Trace: guard.TraceID(first(ctx, "traceparent"))}
	c.Request, _ = req.(proto.Message)
	if m := s.engine.Lookup(fullMethod); m != nil {
		c.Valid = func() error { return s.engine.Check(m, c.Request) }
	}
	return s.guard.Enter(ctx, c)
}

func first(ctx context.Context, name string) string {
	if v := metadata.ValueFromIncomingContext(ctx, name); len(v) > 0 {
		return v[0]
	}
	return ""
}

// unguarded methods are open to everyone: they tell of the gateway, not of Apple's data.
func unguarded(fullMethod string) bool {
	return strings.HasPrefix(fullMethod, "/grpc.health.v1.") || strings.HasPrefix(fullMethod, "/grpc.reflection.")
}

// unary is what every unary call over gRPC passes: guarded, with the error as
// a status.
func (s *Server) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	if !unguarded(info.FullMethod) {
		if err := s.limits.Enter(); err != nil {
			return nil, service.Status(err).Err()
		}
		defer s.limits.Leave()
	}
	res, err := s.guarded(ctx, req, info, next)
	if err != nil {
		return nil, service.Status(err).Err()
	}
	return res, nil
}

// guarded recovers from panics, shortens the deadline, passes the guard and
// logs. Its error is still a fault.
func (s *Server) guarded(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (res any, err error) {
	start := time.Now()
	if !unguarded(info.FullMethod) {
		defer func() { s.event(ctx, info.FullMethod, start, err) }()
	}
	defer func() {
		if p := recover(); p != nil {
			err = s.recovered(ctx, info.FullMethod, p)
		}
	}()
	shorter, cancel, err := shaved(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	ctx = shorter
	if unguarded(info.FullMethod) {
		return next(ctx, req)
	}
	ctx, admission, err := s.enter(ctx, info.FullMethod, req)
	if err != nil {
		return nil, err
	}
	defer func() {
		if p := recover(); p != nil {
			err = s.recovered(ctx, info.FullMethod, p)
		}
		answer, _ := res.(proto.Message)
		admission.Done(ctx, answer, err)
		_ = grpc.SetHeader(ctx, told(asc.MadeIn(ctx))) // fails only where nobody would read it
	}()
	return next(ctx, req)
}

// told is what an answer's headers tell.
func told(m asc.Made) metadata.MD {
	md := metadata.MD{}
	if m.Cache != "" {
		md.Set(CacheHeader, m.Cache)
	}
	if m.Limit > 0 {
		md.Set(LimitHeader, strconv.Itoa(m.Limit))
		md.Set(RemainingHeader, strconv.Itoa(m.Remaining))
		md.Set(WaitedHeader, strconv.FormatInt(m.Waited.Milliseconds(), 10))
	}
	return md
}

// stream is what every stream over gRPC passes, with the error as a status.
func (s *Server) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if !unguarded(info.FullMethod) {
		if err := s.limits.Enter(); err != nil {
			return service.Status(err).Err()
		}
		defer s.limits.Leave()
	}
	if err := s.streamed(srv, ss, info.FullMethod, next); err != nil {
		return service.Status(err).Err()
	}
	return nil
}

// streamed recovers from panics, logs, and lets a stream in with its first
// message. Its error is still a fault.
func (s *Server) streamed(srv any, ss grpc.ServerStream, method string, next grpc.StreamHandler) (err error) {
	start := time.Now()
	g := &guardedStream{ServerStream: ss, server: s, method: method, ctx: ss.Context()}
	defer func() {
		if p := recover(); p != nil {
			err = s.recovered(g.ctx, method, p)
		}
		if !unguarded(method) {
			s.event(g.ctx, method, start, err)
		}
	}()
	if unguarded(method) {
		return next(srv, ss)
	}
	defer func() {
		if g.admission != nil {
			g.admission.Done(g.ctx, nil, err)
			ss.SetTrailer(told(asc.MadeIn(g.ctx)))
		}
	}()
	return next(srv, g)
}

// guardedStream lets a call in when its request is there.
type guardedStream struct {
	grpc.ServerStream
	server    *Server
	method    string
	ctx       context.Context
	admission *guard.Admission
}

// Context is that of the admitted call.
func (g *guardedStream) Context() context.Context { return g.ctx }

// RecvMsg reads the request, and passes the guard with it.
func (g *guardedStream) RecvMsg(m any) error {
	if err := g.ServerStream.RecvMsg(m); err != nil || g.admission != nil {
		return err
	}
	var err error
	g.ctx, g.admission, err = g.server.enter(g.ctx, g.method, m)
	return err
}

func (s *Server) recovered(ctx context.Context, method string, p any) error {
	s.log.ErrorContext(ctx, "panic", "method", method, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	return fault.New(fault.Internal, "INTERNAL", "internal error")
}

// event tells of a call that has ended.
func (s *Server) event(ctx context.Context, method string, begun time.Time, err error) {
	guard.Event(ctx, s.log, method, first(ctx, "x-request-id"), begun, err)
}

// shaved leaves time to answer before the caller gives up.
func shaved(ctx context.Context) (context.Context, context.CancelFunc, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}, nil
	}
	left := time.Until(deadline)
	if left < minDeadline {
		return nil, nil, fault.New(fault.DeadlineExceeded, fault.ReasonDeadlineTooShort, "less than %v left: nothing was sent", minDeadline)
	}
	shorter, cancel := context.WithDeadline(ctx, deadline.Add(-min(maxShave, left/10)))
	return shorter, cancel, nil
}
