// Package rest is the REST edge: Apple's own paths and query syntax, and the
// gateway's own routes, on net/http's ServeMux with grpc-gateway's runtime for
// metadata and own queries. Every call passes the interceptors of
// internal/server.
//
// It must never redirect, never guess an unclean path, and never turn a request
// header into metadata that is not on its list.
package rest

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"

	filesv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/files/v1"
	"github.com/asc-gateway/asc-gateway/internal/edge/door"
	"github.com/asc-gateway/asc-gateway/internal/edge/openapi"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/overload"
	"github.com/asc-gateway/asc-gateway/internal/rows"
	"github.com/asc-gateway/asc-gateway/internal/server"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// Backend makes calls: *server.Server has it.
type Backend interface {
	// Anonymous says whether nobody is authenticated.
	Anonymous() bool
	Identify(r *http.Request) (context.Context, error)
	// Caller names the caller of a context from Identify, for the limits.
	Caller(ctx context.Context) string
	// Refused notes an error that a request was answered with.
	Refused(err error)
	// Approach decides by policy before the body is read.
	Approach(ctx context.Context, fullMethod, team string) (weight int, err error)
	Invoke(ctx context.Context, fullMethod string, req proto.Message) (proto.Message, error)
	Stream(ctx context.Context, fullMethod string, req proto.Message, send func(proto.Message) error) error
	// Duplex is Stream for a caller that sends more messages than req: receive reads
	// them, and ends with io.EOF.
	Duplex(ctx context.Context, fullMethod string, req proto.Message, receive, send func(proto.Message) error) error
	Open(ctx context.Context, m *service.Method, req proto.Message, accept string) (*service.File, error)
	OpenSegment(ctx context.Context, id string) (*service.File, error)
}

// Handler serves REST. It implements [http.Handler].
type Handler struct {
	backend Backend
	limits  *overload.Limiter
	mux     *http.ServeMux
	meta    *runtime.ServeMux // for metadata only
	spell   *speller
	verbs   map[string][]string // path pattern → methods
	pages   map[string]bool     // patterns of pages, which are open to everyone
	log     *slog.Logger
	gzips   sync.Pool
}

// New registers a route for every method of the engine, for the own services
// that have a google.api.http rule, and for the API descriptions.
func New(
	backend Backend,
	engine *service.Engine,
	own []protoreflect.ServiceDescriptor,
	limits *overload.Limiter,
	log *slog.Logger,
) (*Handler, error) {
	h := &Handler{
		backend: backend,
		limits:  limits,
		mux:     http.NewServeMux(),
		spell:   newSpeller(),
		verbs:   map[string][]string{},
		pages:   map[string]bool{},
		log:     log,
		meta:    runtime.NewServeMux(runtime.WithIncomingHeaderMatcher(allowedHeader)),
	}
	for _, e := range engine.Entries {
		h.route(h.apple(e))
	}
	for _, sd := range own {
		for i := range sd.Methods().Len() {
			if err := h.own(sd.Methods().Get(i)); err != nil {
				return nil, err
			}
		}
	}
	h.route(route{verb: "GET", pattern: "/ascgateway/v1/analyticsReportSegments/{id}/download", serve: h.segment,
		method: filesv1.FileService_DownloadAnalyticsReportSegment_FullMethodName})
	h.route(route{verb: "GET", pattern: "/ascgateway/v1/files/{type}/{id}/{field}", serve: h.download,
		method: filesv1.FileService_DownloadFile_FullMethodName})
	docs := openapi.New(
		protoregistry.GlobalFiles,
		append(slices.Clone(own), filesv1.File_ascgateway_files_v1_files_proto.Services().ByName("FileService")),
	)
	h.route(route{verb: "GET", pattern: "/openapi", serve: docs.List})
	h.route(route{verb: "GET", pattern: "/openapi/{area}", serve: docs.Serve})
	return h, nil
}

// route is a path with its rules. What it says here is decided before its body
// is read.
type route struct {
	verb, pattern string
	method        string    // full name, for policy; "": open to every caller that is known
	body          door.Body // the zero value: none is taken
	bodyNeeded    bool
	streamed      bool                                  // serve reads the body itself, as it comes
	produces      []string                              // content types beside application/json that may be asked for
	input         func() protoreflect.MessageDescriptor // of the request, nil: none
	apples        bool                                  // one of Apple's operations
	serve         func(w http.ResponseWriter, r *http.Request, body []byte) error
}

func (h *Handler) route(rt route) {
	h.verbs[rt.pattern] = append(h.verbs[rt.pattern], rt.verb)
	h.mux.HandleFunc(rt.verb+" "+rt.pattern, func(w http.ResponseWriter, r *http.Request) {
		Name(w, r, rt.verb, rt.pattern)
		w, end := door.Patient(w, r)
		defer end()
		body, err := h.read(w, r, &rt)
		if err == nil {
			err = rt.serve(w, r, body)
		}
		if err != nil {
			h.fail(w, r, rt.spelled(err))
		}
	})
}

// read reads a request's body, if its caller may make the call.
func (h *Handler) read(w http.ResponseWriter, r *http.Request, rt *route) (body []byte, err error) {
	weight := 1
	if rt.method != "" {
		if weight, err = h.backend.Approach(r.Context(), rt.method, r.Header.Get(server.TeamHeader)); err != nil {
			return nil, err
		}
	}
	if rt.streamed {
		return nil, nil
	}
	if r.ContentLength != 0 {
		slot, err := h.limits.Enter(overload.Bodies, h.backend.Caller(r.Context()), weight)
		if err != nil {
			return nil, err
		}
		defer slot.Leave()
		if body, err = rt.body.Read(w, r); err != nil {
			return nil, err
		}
	}
	if rt.bodyNeeded && len(bytes.TrimSpace(body)) == 0 {
		return nil, fault.New(
			fault.InvalidArgument,
			fault.ReasonInvalidRequest,
			"a JSON body is required: {} if there is nothing to say",
		)
	}
	return body, nil
}

// Name tells the span and the metrics of a request which route it took.
func Name(w http.ResponseWriter, r *http.Request, verb, pattern string) {
	for {
		if x, ok := w.(interface{ Routed(pattern string) }); ok {
			x.Routed(pattern)
			break
		}
		x, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		w = x.Unwrap()
	}
	if span := trace.SpanFromContext(r.Context()); span.IsRecording() {
		span.SetName(verb + " " + pattern)
		span.SetAttributes(semconv.HTTPRoute(pattern))
	}
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	door.Begin(w, r)
	if h.isPage(r) {
		h.page(w, r)
		return
	}
	if isTus(r.URL.Path) {
		r = asTus(w, r)
	} else if r.Method == http.MethodHead {
		w.Header().Set("Allow", "GET")
		h.fail(w, r, notAllowed("HEAD is not served: it would spend quota"))
		return
	}
	ctx, err := h.admit(r)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if _, pattern := h.mux.Handler(r); pattern == "" {
		h.noRoute(w, r)
		return
	}
	h.mux.ServeHTTP(w, r.WithContext(ctx))
}

// admit finds out who makes a request, and whether it may come from there.
func (h *Handler) admit(r *http.Request) (context.Context, error) {
	if err := door.CheckPath(r); err != nil {
		return nil, err
	}
	if err := door.CheckOrigin(r, h.backend.Anonymous()); err != nil {
		return nil, err
	}
	return h.backend.Identify(r)
}

func notAllowed(what string) error {
	return fault.New(fault.Unimplemented, door.ReasonNotAllowed, "%s", what)
}

// noRoute answers 405 where the path is right, else 404.
func (h *Handler) noRoute(w http.ResponseWriter, r *http.Request) {
	var allow []string
	for _, verb := range []string{"GET", "POST", "PATCH", "DELETE"} {
		other := *r
		other.Method = verb
		if _, pattern := h.mux.Handler(&other); pattern != "" {
			allow = append(allow, verb)
		}
	}
	if len(allow) == 0 {
		h.fail(
			w,
			r,
			fault.New(fault.NotFound, "NO_SUCH_ROUTE", "there is no such path: see /ascgateway/v1/catalog/operations"),
		)
		return
	}
	w.Header().Set("Allow", strings.Join(allow, ", "))
	h.fail(w, r, notAllowed("the path takes "+strings.Join(allow, ", ")))
}

// apple serves one of Apple's operations.
func (h *Handler) apple(e *service.Entry) route {
	rt := route{
		verb:       e.Verb,
		pattern:    e.Template,
		method:     e.FullName,
		bodyNeeded: e.HasBody,
		produces:   e.Produces,
		apples:     true,
		input:      func() protoreflect.MessageDescriptor { return e.Desc().Input() },
	}
	if e.HasBody {
		rt.body = door.JSON
	}
	rt.serve = func(w http.ResponseWriter, r *http.Request, body []byte) error {
		m, err := e.Plan()
		if err != nil {
			return err
		}
		req := m.Input.New()
		if m.HasBody {
			if err := h.spell.unmarshal(body, req); err != nil {
				return err
			}
		}
		if err := m.ParseQuery(r.URL.RawQuery, req); err != nil {
			return err
		}
		if e.HasID() {
			req.Set(m.Desc.Input().Fields().ByName("id"), protoreflect.ValueOfString(r.PathValue("id")))
		}
		ctx, stream, err := h.context(r, m.FullName)
		if err != nil {
			return err
		}
		if accept := rt.fileType(r); m.Stream || accept != "" {
			f, err := h.backend.Open(ctx, m, req.Interface(), accept)
			if err != nil {
				return err
			}
			h.file(ctx, w, m.FullName, f)
			return nil
		}
		res, err := h.backend.Invoke(ctx, m.FullName, req.Interface())
		if err != nil {
			return err
		}
		return h.answer(w, r, stream, res, statusOf(e))
	}
	return rt
}

// statusOf is Apple's status of success.
func statusOf(e *service.Entry) int {
	switch e.Status {
	case http.StatusCreated, http.StatusAccepted, http.StatusNoContent:
		return e.Status
	}
	return http.StatusOK
}

// fileType is the content type that the caller accepts and the route also
// produces beside JSON, "" if none.
func (rt *route) fileType(r *http.Request) string {
	accept := r.Header.Get("Accept")
	for _, p := range rt.produces {
		if p != "application/json" && accept != "" && strings.Contains(accept, p) {
			return p
		}
	}
	return ""
}

// own serves a method of a hand-written service.
func (h *Handler) own(md protoreflect.MethodDescriptor) error {
	rule, _ := proto.GetExtension(md.Options(), annotations.E_Http).(*annotations.HttpRule)
	verb, path := "GET", rule.GetGet()
	if path == "" {
		verb, path = "POST", rule.GetPost()
	}
	if path == "" || md.IsStreamingClient() {
		return nil // over gRPC only, or a route of its own
	}
	in, err := protoregistry.GlobalTypes.FindMessageByName(md.Input().FullName())
	if err != nil {
		return err
	}
	full := "/" + string(md.Parent().FullName()) + "/" + string(md.Name())
	rt := route{verb: verb, pattern: path, method: full, input: md.Input}
	if verb == "POST" { // where the path says all, nothing more is needed
		rt.body, rt.bodyNeeded = door.JSON, strings.Count(path, "{") < md.Input().Fields().Len()
	}
	rt.serve = func(w http.ResponseWriter, r *http.Request, body []byte) error {
		req := in.New()
		if verb == "POST" && len(bytes.TrimSpace(body)) > 0 {
			if err := h.spell.unmarshal(body, req); err != nil {
				return err
			}
		}
		values := ownNames(r.URL.Query(), md.Input())
		if err := runtime.PopulateQueryParameters(req.Interface(), values, &utilities.DoubleArray{}); err != nil {
			return fault.New(fault.InvalidArgument, fault.ReasonInvalidRequest, "the query does not fit").WithCause(err)
		}
		for name := range values {
			if fields := md.Input().Fields(); fields.ByTextName(name) == nil && fields.ByJSONName(name) == nil {
				return fault.Invalid(name, "no such parameter")
			}
		}
		for i := range md.Input().Fields().Len() {
			if fd := md.Input().Fields().Get(i); r.PathValue(string(fd.Name())) != "" {
				req.Set(fd, protoreflect.ValueOfString(r.PathValue(string(fd.Name()))))
			}
		}
		ctx, stream, err := h.context(r, full)
		if err != nil {
			return err
		}
		if as := formOf(r); as != events && rows.In(md.Output()) {
			return h.report(ctx, w, full, req.Interface(), rowsOf(r))
		}
		if md.IsStreamingServer() {
			return h.lines(w, formOf(r), func(send func(proto.Message) error) error {
				return h.backend.Stream(ctx, full, req.Interface(), send)
			})
		}
		res, err := h.backend.Invoke(ctx, full, req.Interface())
		if err != nil {
			return err
		}
		return h.answer(w, r, stream, res, http.StatusOK)
	}
	h.route(rt)
	return nil
}

// form is how the messages of a stream are written.
type form struct{ contentType, before, after string }

// The forms of streams: lines of JSON, and server-sent events.
var (
	ndjson = form{"application/x-ndjson", "", "\n"}
	events = form{"text/event-stream", "data: ", "\n\n"}
)

// formOf is the form that a caller asks for.
func formOf(r *http.Request) form {
	if strings.Contains(r.Header.Get("Accept"), events.contentType) {
		return events
	}
	return ndjson
}

// lines writes each message of a stream as JSON, as soon as it is there. An error
// that comes later is one more with the member error.
func (h *Handler) lines(w http.ResponseWriter, as form, call func(send func(proto.Message) error) error) error {
	begun := false
	line := func(b []byte) error {
		if !begun {
			begun = true
			w.Header().Set("Content-Type", as.contentType)
			w.Header().Set("X-Content-Type-Options", "nosniff")
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(http.StatusOK)
		}
		if _, err := w.Write(slices.Concat([]byte(as.before), b, []byte(as.after))); err != nil {
			return err
		}
		return http.NewResponseController(w).Flush()
	}
	err := call(func(m proto.Message) error {
		b, err := h.spell.marshal(m)
		if err != nil {
			return err
		}
		return line(b)
	})
	if err == nil || !begun {
		return err
	}
	if b, merr := protojson.Marshal(once(service.FullStatus(err).Proto())); merr == nil {
		_ = line(slices.Concat([]byte(`{"error":`), b, []byte("}"))) // a caller that went away needs none
	}
	return nil
}

// context carries the caller's metadata and deadline, and collects the headers
// that the call sets.
func (h *Handler) context(r *http.Request, fullMethod string) (context.Context, *headers, error) {
	ctx := r.Context()
	if r.Header.Get("Grpc-Timeout") != "" {
		var err error
		if ctx, err = runtime.AnnotateIncomingContext(ctx, h.meta, r, fullMethod); err != nil {
			return nil, nil, fault.New(
				fault.InvalidArgument,
				fault.ReasonInvalidRequest,
				"the headers make no metadata",
			).WithCause(
				err,
			)
		}
	} else if md := metadataOf(r.Header); md != nil {
		ctx = metadata.NewIncomingContext(ctx, md)
	}
	stream := &headers{method: fullMethod}
	return grpcContext(ctx, stream), stream, nil
}

// segment serves the file of an analytics report's segment.
func (h *Handler) segment(w http.ResponseWriter, r *http.Request, _ []byte) error {
	ctx, _, err := h.context(r, filesv1.FileService_DownloadAnalyticsReportSegment_FullMethodName)
	if err != nil {
		return err
	}
	f, err := h.backend.OpenSegment(ctx, r.PathValue("id"))
	if err != nil {
		return err
	}
	h.file(ctx, w, filesv1.FileService_DownloadAnalyticsReportSegment_FullMethodName, f)
	return nil
}
