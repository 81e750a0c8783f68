// Package gateway puts the parts together: client, engine, guard, server, REST
// edge and passthrough. Commands and tests start here.
package gateway

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"strings"
	"sync/atomic"
	"time"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	catalogv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/catalog/v1"
	filesv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/files/v1"
	operationsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/operations/v1"
	quotav1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/quota/v1"
	reportsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/reports/v1"
	tokensv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/tokens/v1"
	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	workflowsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/workflows/v1"
	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/audit"
	"github.com/asc-gateway/asc-gateway/internal/edge/door"
	"github.com/asc-gateway/asc-gateway/internal/edge/passthrough"
	"github.com/asc-gateway/asc-gateway/internal/edge/rest"
	"github.com/asc-gateway/asc-gateway/internal/edge/tus"
	"github.com/asc-gateway/asc-gateway/internal/edge/web"
	"github.com/asc-gateway/asc-gateway/internal/guard"
	"github.com/asc-gateway/asc-gateway/internal/jobs"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/overload"
	"github.com/asc-gateway/asc-gateway/internal/quota"
	"github.com/asc-gateway/asc-gateway/internal/replay"
	"github.com/asc-gateway/asc-gateway/internal/secrets"
	"github.com/asc-gateway/asc-gateway/internal/server"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"github.com/asc-gateway/asc-gateway/internal/telemetry"
	"github.com/asc-gateway/asc-gateway/internal/tokens"
	"github.com/asc-gateway/asc-gateway/internal/transfer"
	"github.com/asc-gateway/asc-gateway/internal/usecase/uploads"
	"github.com/asc-gateway/asc-gateway/internal/usecase/workflows"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc/filters"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/metric/noop"
	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Deps are what a gateway is made with. Only Ring, BaseURL and Log are needed.
type Deps struct {
	Version     string // of the program
	BaseURL     string // of App Store Connect
	Proxy       string // on the way there, as [asc.CheckProxy] takes it; "": none
	Ring        *keys.Ring
	Authn       *authn.Authenticator // nil: nobody is asked
	Audit       guard.Log            // nil: nothing goes on record
	Quota       *quota.Manager       // nil: Apple is left to say 429
	CacheBytes  int64                // of answers; 0: none are kept
	Replays     *replay.Replays      // nil: request_id means nothing
	Tokens      tokens.Config
	CORS        door.CORS        // web pages that may call the REST face
	Passthrough bool             // serve Apple's own paths too
	PublicURL   string           // of the passthrough; "": of each request
	Secrets     *secrets.Secrets // nil: one that ends with the process
	Server      server.Config
	Limits      *overload.Limiter    // nil: everybody is let in
	Telemetry   *telemetry.Telemetry // nil: nobody is told
	TrustTraces bool                 // callers' trace contexts are continued; else they are linked
	Web         Web                  // what the pages say of the gateway
	Jobs        Jobs                 // what takes long
	Uploads     Uploads              // files on their way
	Reports     Reports
	Degraded    Ready // says what is not as it should be while calls are served; nil: nothing
	Log         *slog.Logger
	GRPC        []grpc.ServerOption
}

// Web is what the pages of the REST face say.
type Web struct {
	Version   string // of the gateway
	GRPC      string // address of the gRPC face, as it is configured
	Sandboxed bool   // calls go to a sandbox
}

// Gateway is all of it, but for listeners.
type Gateway struct {
	Client      *asc.Client
	Engine      *service.Engine
	Guard       *guard.Guard
	Server      *server.Server
	REST        http.Handler
	Passthrough http.Handler // nil: off
	Tokens      *tokens.Service
	Jobs        *jobs.Jobs // nil: there is no store

	deps     Deps
	files    *transfer.Client // what answers of Apple's point to
	degraded Ready
	parts    *transfer.Client // of files on their way
	tus      *tus.Uploads
	secrets  *secrets.Secrets
	drift    atomic.Int64
	draining atomic.Bool
	drained  chan struct{} // closed with draining: pages that move end
}

// New assembles a gateway.
func New(d Deps) (*Gateway, error) {
	g := &Gateway{degraded: d.Degraded, drained: make(chan struct{})}
	var err error
	if d.Authn == nil {
		if d.Authn, err = authn.New(authn.Config{}, authn.Deps{}); err != nil {
			return nil, err
		}
	}
	deps := asc.Deps{Tokens: d.Ring, Logger: d.Log}
	if t := d.Telemetry; t != nil {
		d.Server.Observer, deps.Tracing.Sent = calls{t}, t.Sent
		if t.Traced() {
			deps.Tracing.Tracer = t.Tracer
			d.GRPC = append(d.GRPC, grpc.StatsHandler(tracedGRPC(t, d.TrustTraces)))
		}
	}
	if d.Quota != nil {
		deps.Quota = d.Quota
	}
	if g.Client, err = asc.New(asc.Config{BaseURL: d.BaseURL, Proxy: d.Proxy}, deps); err != nil {
		return nil, err
	}
	if d.Secrets == nil { // for all parts the same one
		d.Secrets = secrets.New()
	}
	upstream, err := g.openKept(d, d.Secrets)
	if err != nil {
		return nil, err
	}
	if g.Engine, err = service.New(upstream, g, d.Secrets, d.CacheBytes); err != nil {
		return nil, err
	}
	g.Engine.Replays = d.Replays
	g.deps = d
	methods := Methods(g.Engine.Entries)
	g.Guard = guard.New(
		guard.Deps{
			Authn:    d.Authn,
			Methods:  methods,
			Upstream: g.Client,
			Audit:    d.Audit,
			Teams:    d.Ring.Teams,
			Log:      d.Log,
		},
	)
	g.Tokens = tokens.New(d.Tokens, d.Ring, granted(d.Audit), guard.Team, g.Guard.MayMint)
	catalog := newCatalog(g.Engine, d.Version)
	own, err := g.services(d, catalog)
	if err != nil {
		return nil, err
	}
	g.Server = server.New(d.Server, g.Engine, g.Guard, own, d.Limits, d.Log, d.GRPC...)
	if err := g.openREST(d, catalog, methods); err != nil {
		return nil, err
	}
	return g, g.openPassthrough(d)
}

// openREST makes the REST face, with its pages.
func (g *Gateway) openREST(d Deps, catalog *catalog, methods []*access.Method) error {
	edge, err := rest.New(g.Server, g.Engine, ownServices(), d.Limits, d.Log)
	if err != nil {
		return err
	}
	edge.Uploads(uploads.StartOf)
	edge.Tus(g.openTus(d))
	edge.Pages(
		web.New(
			web.Config{
				Version:   d.Web.Version,
				GRPC:      d.Web.GRPC,
				Sandboxed: d.Web.Sandboxed,
				Anonymous: g.Server.Anonymous,
			},
			g.Engine,
			catalog,
			methods,
		),
		web.Patterns...)
	g.REST = tracedHTTP(d.CORS.Wrap(edge), d)
	return nil
}

// openPassthrough makes the face that speaks as Apple does, where it is wanted.
func (g *Gateway) openPassthrough(d Deps) error {
	if !d.Passthrough {
		return nil
	}
	apple, err := passthrough.New(
		passthrough.Config{PublicURL: d.PublicURL, BaseURL: d.BaseURL},
		passthrough.Deps{Engine: g.Engine, Guard: g.Guard, Upstream: g.Client, Limits: d.Limits, Log: d.Log},
	)
	if err != nil {
		return err
	}
	g.Passthrough = tracedHTTP(apple, d)
	return nil
}

// services are the gateway's own.
func (g *Gateway) services(d Deps, catalog *catalog) ([]server.Service, error) {
	upper, err := g.openUpper(d)
	if err != nil {
		return nil, err
	}
	if err := g.openTransfer(d); err != nil {
		return nil, err
	}
	files := g.openFiles(d)
	operations := jobs.NewService(g.Jobs, viewer)
	whose := quota.Whose{Team: guard.Team, Only: guard.Restricted, Budget: g.Guard.Budget}
	return []server.Service{
		{Desc: &catalogv1.CatalogService_ServiceDesc, Impl: catalog},
		{Desc: &filesv1.FileService_ServiceDesc, Impl: files},
		{Desc: &tokensv1.TokenService_ServiceDesc, Impl: g.Tokens},
		{Desc: &quotav1.QuotaService_ServiceDesc, Impl: quota.NewService(d.Quota, whose)},
		{Desc: &operationsv1.OperationService_ServiceDesc, Impl: operations},
		{Desc: &longrunningpb.Operations_ServiceDesc, Impl: jobs.LongRunning{Service: operations}},
		{Desc: &workflowsv1.WorkflowService_ServiceDesc, Impl: upper.workflows},
		{Desc: &uploadsv1.UploadService_ServiceDesc, Impl: upper.uploads},
		{Desc: &reportsv1.ReportService_ServiceDesc, Impl: g.openReports(d)},
	}, nil
}

// tracedGRPC makes a span of every call but those that are open to everyone.
func tracedGRPC(t *telemetry.Telemetry, trust bool) stats.Handler {
	options := []otelgrpc.Option{
		otelgrpc.WithTracerProvider(t.Tracer),
		otelgrpc.WithMeterProvider(noop.NewMeterProvider()),
		otelgrpc.WithPropagators(t.Propagator),
		otelgrpc.WithFilter(
			filters.Not(filters.Any(filters.ServicePrefix("grpc.health"), filters.ServicePrefix("grpc.reflection"))),
		),
	}
	if !trust {
		options = append(
			options,
			otelgrpc.WithPublicEndpointFn(func(context.Context, *stats.RPCTagInfo) bool { return true }),
		)
	}
	return otelgrpc.NewServerHandler(options...)
}

// tracedHTTP tells of every request, and makes a span of it where spans are told.
func tracedHTTP(h http.Handler, d Deps) http.Handler {
	t := d.Telemetry
	if t == nil {
		return h
	}
	if !t.Traced() {
		return measured{h, t}
	}
	return otelhttp.NewHandler(measured{h, t}, "HTTP", otelhttp.WithTracerProvider(t.Tracer),
		otelhttp.WithMeterProvider(noop.NewMeterProvider()), otelhttp.WithPropagators(t.Propagator),
		otelhttp.WithPublicEndpointFn(func(*http.Request) bool { return !d.TrustTraces }))
}

// ownServices are the gateway's own that REST serves by their rules.
func ownServices() []protoreflect.ServiceDescriptor {
	return []protoreflect.ServiceDescriptor{
		catalogv1.File_ascgateway_catalog_v1_catalog_proto.Services().ByName("CatalogService"),
		tokensv1.File_ascgateway_tokens_v1_tokens_proto.Services().ByName("TokenService"),
		quotav1.File_ascgateway_quota_v1_quota_proto.Services().ByName("QuotaService"),
		operationsv1.File_ascgateway_operations_v1_operations_proto.Services().ByName("OperationService"),
		workflowsv1.File_ascgateway_workflows_v1_workflows_proto.Services().ByName("WorkflowService"),
		uploadsv1.File_ascgateway_uploads_v1_uploads_proto.Services().ByName("UploadService"),
		reportsv1.File_ascgateway_reports_v1_reports_proto.Services().ByName("ReportService"),
	}
}

// Methods are all that callers can call: Apple's operations and the gateway's
// own methods.
func Methods(apple []*service.Entry) (list []*access.Method) {
	for _, e := range apple {
		list = append(list, &access.Method{FullName: e.FullName, Verb: e.Verb, Template: e.Template, Area: e.Area(),
			Type: e.Type, Shape: e.Shape, Describe: e.Desc})
	}
	own := func(sd protoreflect.ServiceDescriptor, area string) {
		for i := range sd.Methods().Len() {
			md := sd.Methods().Get(i)
			list = append(
				list,
				&access.Method{
					FullName: "/" + string(sd.FullName()) + "/" + string(md.Name()),
					Verb:     verbOf(md),
					Area:     area,
					Own:      true,
					Describe: func() protoreflect.MethodDescriptor { return md },
				},
			)
		}
	}
	for _, sd := range append(ownServices(), filesv1.File_ascgateway_files_v1_files_proto.Services().ByName("FileService")) {
		own(sd, string(sd.ParentFile().Package().Parent().Name()))
	}
	own(longrunningpb.File_google_longrunning_operations_proto.Services().ByName("Operations"), "operations")
	for _, m := range list {
		m.Jobs = jobsNeeding(m.FullName)
		if _, starts := workflows.Jobs[string(m.FullName[strings.LastIndexByte(m.FullName, '/')+1:])]; starts && m.Own {
			m.Job = m.FullName[strings.LastIndexByte(m.FullName, '/')+1:]
		}
	}
	return list
}

// verbOf is GET of an own method that only reads: its idempotency_level says so.
// Google's own descriptors do not have it.
func verbOf(md protoreflect.MethodDescriptor) string {
	o, _ := md.Options().(*descriptorpb.MethodOptions)
	reads := o.GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS
	if md.ParentFile().Package() == "google.longrunning" {
		reads = md.Name() != "CancelOperation" && md.Name() != "DeleteOperation"
	}
	if reads {
		return "GET"
	}
	return "POST"
}

// granted puts tokens that are given out on record.
func granted(log guard.Log) tokens.Recorder {
	return func(ctx context.Context, t tokens.Grant) error {
		if log == nil {
			return nil
		}
		r := audit.Record{
			Event:     audit.Grant,
			Team:      t.Team,
			Key:       t.KeyID,
			Token:     t.SHA256,
			Resources: t.Scope,
			Detail:    "expires " + t.Expires.UTC().Format(time.RFC3339),
		}
		if who := access.FromContext(ctx); who != nil {
			r.Principal = who.ID
		}
		return log.Append(ctx, r)
	}
}

// Drift implements [service.Observer]: how much Apple says that the protos do
// not know yet.
func (g *Gateway) Drift(_ string, n int) { g.drift.Add(int64(n)) }

// Drifted is how many unknown things answers have held so far.
func (g *Gateway) Drifted() int64 { return g.drift.Load() }

// NotReady makes /readyz say so, ahead of draining, and ends the pages that move.
func (g *Gateway) NotReady() {
	if !g.draining.Swap(true) {
		close(g.drained)
	}
}

// Close frees what the gateway holds.
func (g *Gateway) Close() {
	g.tus.Close()
	g.Client.Close()
	g.Engine.Close()
	g.parts.Close()
	g.files.Close()
}

// Ready says why the gateway is not ready, "" if it is.
type Ready func() string

// notReady says why calls cannot be served, "" if they can.
func (g *Gateway) notReady(ready Ready) string {
	if g.draining.Load() {
		return "draining"
	}
	return ready()
}

// Ops serves a page of how the gateway stands, /healthz, /readyz with its reasons, /metrics, and profiles where
// they are wanted. /readyz also tells, without being unready, what is degraded.
func (g *Gateway) Ops(metrics http.Handler, ready Ready, profiles bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if why := g.notReady(ready); why != "" {
			http.Error(w, why, http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
		if g.degraded == nil {
			return
		}
		if why := g.degraded(); why != "" {
			_, _ = io.WriteString(w, "degraded: "+why+"\n")
		}
	})
	g.statusPage(ready).Register(mux)
	if profiles {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	}
	return mux
}
