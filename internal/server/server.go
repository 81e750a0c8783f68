// Package server is the one way into the gateway: every call, over gRPC or
// REST, passes the same interceptors before the engine sees it.
//
// It assembles the gRPC server from the engine's plans and the hand-written
// services, and ends it without losing a call.
package server

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/edge/conns"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/guard"
	"github.com/asc-gateway/asc-gateway/internal/overload"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	"google.golang.org/protobuf/proto"
)

// Message limits, in bytes.
const (
	MaxRequestBytes  = 1 << 20
	MaxResponseBytes = 32 << 20
)

// Limits of a connection.
const (
	maxHeaderBytes = 16 << 10 // all headers of a call, 32 bytes added for each: RFC 9113, section 6.5.2
	streamWindow   = 64 << 10 // bytes that a caller may send of one call before they are read
	connWindow     = 64 << 10 // and of all calls of a connection
	bufferBytes    = 16 << 10 // of a connection, to read and to write
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
	RequestsHeader  = "asc-requests"        // that were sent to Apple for the call, absent: none
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

// Defaults of [Config].
const (
	DefaultMaxConnectionAge = time.Hour
	DefaultStreamGrace      = time.Hour
)

// Config of a server.
type Config struct {
	// MaxConnectionAge is how long a connection is used before its caller is told
	// to open another; calls go on for as long again. 0: 1 h.
	MaxConnectionAge time.Duration
	// StreamGrace is how long an open stream outlives the expiry of its caller's
	// certificate or token. 0: 1 h.
	StreamGrace time.Duration
	// Observer hears of calls over gRPC, but for those that are open to everyone;
	// nil: nobody does.
	Observer Observer
}

// Observer hears of calls over gRPC. It may be called by many goroutines.
type Observer interface {
	// Begun is asked for the context of a call that begins.
	Begun(ctx context.Context) context.Context
	// Ended hears of a call that has ended. The method has no leading slash.
	Ended(ctx context.Context, method string, code codes.Code, took time.Duration)
}

// Server serves gRPC, and lends what its calls pass to REST.
type Server struct {
	cfg     Config
	engine  *service.Engine
	guard   *guard.Guard
	limits  *overload.Limiter
	log     *slog.Logger
	health  *health.Server
	grpc    *grpc.Server
	methods map[string]registered
	streams map[string]registeredStream
	open    openStreams
}

type registeredStream struct {
	impl    any
	handler grpc.StreamHandler
	uploads bool // its caller sends messages too
}

type registered struct {
	impl    any
	handler grpc.MethodHandler
	direct  *service.Entry // of the engine's: needs no copy of the request; nil: another's
}

// New assembles a server of the engine's methods and of the gateway's own
// services.
func New(
	cfg Config,
	engine *service.Engine,
	g *guard.Guard,
	own []Service,
	limits *overload.Limiter,
	log *slog.Logger,
	options ...grpc.ServerOption,
) *Server {
	if cfg.MaxConnectionAge <= 0 {
		cfg.MaxConnectionAge = DefaultMaxConnectionAge
	}
	if cfg.StreamGrace <= 0 {
		cfg.StreamGrace = DefaultStreamGrace
	}
	s := &Server{cfg: cfg, engine: engine, guard: g, limits: limits, log: log, health: health.NewServer(),
		methods: map[string]registered{}, streams: map[string]registeredStream{}}
	s.grpc = grpc.NewServer(append(s.options(), options...)...)
	for _, d := range s.describe() {
		s.register(Service{Desc: d, Impl: s})
	}
	for _, e := range engine.Entries {
		if m, ok := s.methods[e.FullName]; ok {
			m.direct = e
			s.methods[e.FullName] = m
		}
	}
	for _, o := range own {
		s.register(o)
	}
	s.serve(Service{Desc: &healthpb.Health_ServiceDesc, Impl: s.health})
	reflection.Register(registrar{s})
	return s
}

// options bound what connections and streams cost.
func (s *Server) options() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.InTapHandle(stoppable),
		grpc.ForceServerCodecV2(newCodec()),
		grpc.MaxRecvMsgSize(MaxRequestBytes),
		grpc.MaxSendMsgSize(MaxResponseBytes),
		grpc.MaxConcurrentStreams(conns.MaxStreams),
		grpc.MaxHeaderListSize(maxHeaderBytes),
		grpc.StaticStreamWindowSize(streamWindow),
		grpc.StaticConnWindowSize(connWindow),
		grpc.ReadBufferSize(bufferBytes),
		grpc.WriteBufferSize(bufferBytes),
		grpc.ConnectionTimeout(10 * time.Second),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			MaxConnectionIdle:     5 * time.Minute,
			MaxConnectionAge:      s.cfg.MaxConnectionAge,
			MaxConnectionAgeGrace: s.cfg.MaxConnectionAge,
			Time:                  2 * time.Minute,
			Timeout:               20 * time.Second,
		}),
	}
}

// register serves a service over gRPC, and to [Server.Invoke] and
// [Server.Stream].
func (s *Server) register(o Service) {
	s.serve(o)
	for _, m := range o.Desc.Methods {
		s.methods["/"+o.Desc.ServiceName+"/"+m.MethodName] = registered{impl: o.Impl, handler: m.Handler}
	}
	for _, m := range o.Desc.Streams {
		s.streams["/"+o.Desc.ServiceName+"/"+m.StreamName] = registeredStream{o.Impl, m.Handler, m.ClientStreams}
	}
	s.health.SetServingStatus(o.Desc.ServiceName, healthpb.HealthCheckResponse_SERVING)
}

// serve serves a service over gRPC. Its unary methods are registered as streams,
// which are the same on the wire: a unary handler of gRPC's reads its message
// before anybody can ask who sends it. Interceptors would not do: gRPC asks none
// for such streams.
func (s *Server) serve(o Service) {
	d := *o.Desc
	d.Methods, d.Streams = nil, nil
	add := func(m grpc.StreamDesc) {
		handler, name := m.Handler, "/"+d.ServiceName+"/"+m.StreamName
		m.Handler = func(srv any, ss grpc.ServerStream) error { return s.stream(srv, ss, name, m, handler) }
		d.Streams = append(d.Streams, m)
	}
	for _, m := range o.Desc.Methods {
		add(grpc.StreamDesc{StreamName: m.MethodName, Handler: unary(m.Handler)})
	}
	for _, m := range o.Desc.Streams {
		add(m)
	}
	s.grpc.RegisterService(&d, o.Impl)
}

// registrar is what gRPC's reflection registers itself with.
type registrar struct{ *Server }

// RegisterService implements [grpc.ServiceRegistrar].
func (r registrar) RegisterService(d *grpc.ServiceDesc, impl any) { r.serve(Service{d, impl}) }

// GetServiceInfo implements [reflection.ServiceInfoProvider].
func (r registrar) GetServiceInfo() map[string]grpc.ServiceInfo { return r.grpc.GetServiceInfo() }

// GRPC is the gRPC server, ready to serve.
func (s *Server) GRPC() *grpc.Server { return s.grpc }

// MaxConnectionAge is how long a connection is used before its caller is told to
// open another.
func (s *Server) MaxConnectionAge() time.Duration { return s.cfg.MaxConnectionAge }

// ServeHTTP serves a gRPC call that came through net/http, for a port that gRPC
// shares with REST.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, _ := stoppable(r.Context(), nil) // never fails
	s.grpc.ServeHTTP(w, r.WithContext(ctx))
}

// Ending says that the gateway ends soon: health checks fail, and streams that
// would not end by themselves are ended.
func (s *Server) Ending() {
	s.health.Shutdown()
	s.open.each(func(o *openStream) {
		if o.endless {
			o.stop(draining())
		}
	})
}

// Drain refuses new calls and waits for those in flight, until ctx is done.
// Streams that would not end by themselves are ended. Calls that came through
// [Server.ServeHTTP] are broken off: wait for them first.
func (s *Server) Drain(ctx context.Context) {
	s.Ending()
	done := make(chan struct{})
	go func() { s.grpc.GracefulStop(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		s.grpc.Stop()
		<-done
	}
}

func draining() error {
	f := fault.New(fault.Unavailable, ReasonDraining, "the gateway is ending: call again, and another replica answers")
	f.RetryAfter = time.Second
	return f
}

// ReasonDraining is the reason of streams that end because the gateway does.
const ReasonDraining = "DRAINING"

// describe makes the service descriptions of the engine's methods.
func (s *Server) describe() []*grpc.ServiceDesc {
	byName := map[string]*grpc.ServiceDesc{}
	var out []*grpc.ServiceDesc
	for _, m := range s.engine.Entries {
		name := m.Service()
		d := byName[name]
		if d == nil {
			d = &grpc.ServiceDesc{ServiceName: name, HandlerType: (*any)(nil)}
			byName[name] = d
			out = append(out, d)
		}
		if m.Stream {
			d.Streams = append(
				d.Streams,
				grpc.StreamDesc{StreamName: m.Name(), Handler: s.streamHandler(m), ServerStreams: true},
			)
		} else {
			d.Methods = append(d.Methods, grpc.MethodDesc{MethodName: m.Name(), Handler: s.unaryHandler(m)})
		}
	}
	return out
}

func (s *Server) unaryHandler(e *service.Entry) grpc.MethodHandler {
	return func(_ any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
		m, err := e.Plan()
		if err != nil {
			return nil, err
		}
		handle := func(ctx context.Context, req any) (any, error) {
			return s.engine.Unary(ctx, guard.Team(ctx), m, req.(proto.Message))
		}
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

func (s *Server) streamHandler(e *service.Entry) grpc.StreamHandler {
	return func(_ any, ss grpc.ServerStream) error {
		m, err := e.Plan()
		if err != nil {
			return err
		}
		req := m.Input.New().Interface()
		if err := ss.RecvMsg(req); err != nil {
			return err
		}
		return s.engine.Stream(
			ss.Context(),
			guard.Team(ss.Context()),
			m,
			req,
			func(part proto.Message) error { return ss.SendMsg(part) },
		)
	}
}
