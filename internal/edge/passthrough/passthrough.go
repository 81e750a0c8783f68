// Package passthrough serves Apple's own paths and bodies, so that tools that
// speak Apple's API work by changing their base URL. The caller's credential
// stands where Apple's token would: no key is needed.
//
// A request passes the same guard, quota and retries as the typed call that it
// equals, and is sent on byte for byte; only links in answers are changed, to
// lead back here. It must never let a request pass that the guard was not shown,
// and never send the caller's credential to Apple.
package passthrough

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/edge/conns"
	"github.com/asc-gateway/asc-gateway/internal/edge/door"
	"github.com/asc-gateway/asc-gateway/internal/edge/rest"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/guard"
	"github.com/asc-gateway/asc-gateway/internal/jsonapi"
	"github.com/asc-gateway/asc-gateway/internal/overload"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// TeamHeader picks the team where there are several.
const TeamHeader = "Asc-Team"

// Config of a handler.
type Config struct {
	BaseURL   string // of App Store Connect, as it stands in links
	PublicURL string // where callers reach this; "": the scheme and host of each request
}

// Upstream sends requests: *asc.Client has it.
type Upstream interface {
	Raw(ctx context.Context, call *asc.Call, file bool) (*asc.Raw, error)
}

// Deps are what a handler needs of others.
type Deps struct {
	Engine   *service.Engine
	Guard    *guard.Guard
	Upstream Upstream
	Limits   *overload.Limiter
	Log      *slog.Logger
}

// Handler implements [http.Handler].
type Handler struct {
	cfg   Config
	deps  Deps
	mux   *http.ServeMux
	links *regexp.Regexp
}

// New makes a handler of the engine's routes.
func New(cfg Config, deps Deps) (*Handler, error) {
	h := &Handler{cfg: cfg, deps: deps, mux: http.NewServeMux()}
	base, err := url.Parse(cfg.BaseURL)
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("passthrough: base URL %q", cfg.BaseURL)
	}
	// Links stand in members of these names, and lead to a version of the API:
	// what is uploaded or downloaded elsewhere is left alone.
	h.links = regexp.MustCompile(`("(?:self|related|next|first|prev|last|about|href)"\s*:\s*")` +
		regexp.QuoteMeta(base.Scheme) + `:(?://|\\/\\/)` + regexp.QuoteMeta(base.Host) + `(\\?/v\d)`)
	for _, e := range deps.Engine.Entries {
		h.mux.HandleFunc(e.Verb+" "+e.Template, func(w http.ResponseWriter, r *http.Request) {
			m, err := e.Plan()
			if err != nil {
				h.fail(w, err)
				return
			}
			h.known(w, r, m)
		})
	}
	return h, nil
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	door.Begin(w, r)
	w, end := door.Patient(w, r)
	defer end()
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			h.deps.Log.ErrorContext(
				r.Context(),
				"panic",
				"path",
				r.URL.Path,
				"panic",
				fmt.Sprint(p),
				"stack",
				string(debug.Stack()),
			)
			h.fail(w, fault.New(fault.Internal, "INTERNAL", "internal error"))
		}
	}()
	ctx, err := h.admit(r)
	if err != nil {
		h.fail(w, err)
		return
	}
	r = r.WithContext(ctx)
	if _, pattern := h.mux.Handler(r); pattern == "" {
		h.unknown(w, r)
		return
	}
	h.mux.ServeHTTP(w, r)
}

// admit finds out who makes a request, and whether it may come from there and be
// written that way.
func (h *Handler) admit(r *http.Request) (context.Context, error) {
	if err := door.CheckOrigin(r, h.deps.Guard.Anonymous()); err != nil {
		return nil, err
	}
	ctx, err := h.deps.Guard.Identify(r.Context(), authn.FromRequest(r))
	if err != nil {
		return nil, err
	}
	conns.Known(ctx)
	if !slices.Contains(verbs, r.Method) {
		return nil, fault.New(fault.Unimplemented, door.ReasonNotAllowed, "%s is not served", clip(r.Method))
	}
	if _, err := access.Segments(r.URL.EscapedPath()); err != nil {
		return nil, fault.New(fault.InvalidArgument, fault.ReasonInvalidRequest, "the path is not clean: %v", err)
	}
	return ctx, nil
}

// verbs are those of Apple's API.
var verbs = []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete}

// body is the rule for documents that are sent on.
var body = door.JSON

// read reads a request's body for a caller that may make the call.
func (h *Handler) read(w http.ResponseWriter, r *http.Request, weight int) ([]byte, error) {
	if r.ContentLength == 0 {
		return nil, nil
	}
	slot, err := h.deps.Limits.Enter(overload.Bodies, access.FromContext(r.Context()).ID, weight)
	if err != nil {
		return nil, err
	}
	defer slot.Leave()
	return body.Read(w, r)
}

// known serves a path that an operation is known for.
func (h *Handler) known(w http.ResponseWriter, r *http.Request, m *service.Method) {
	begun := time.Now()
	rest.Name(w, r, m.Verb, m.Template)
	req := m.Input.New()
	if fd := m.Desc.Input().Fields().ByName("id"); fd != nil {
		id := r.PathValue("id")
		if what := jsonapi.CheckID(id); what != "" {
			h.fail(w, fault.Invalid("id", "%s", what))
			return
		}
		req.Set(fd, protoreflect.ValueOfString(id))
	}
	weight, err := h.deps.Guard.Approach(r.Context(), m.FullName, r.Header.Get(TeamHeader))
	if err != nil {
		h.fail(w, err)
		return
	}
	text, err := h.read(w, r, weight)
	if err != nil {
		h.fail(w, err)
		return
	}
	slot, err := h.deps.Limits.Enter(overload.Calls, access.FromContext(r.Context()).ID, weight)
	if err != nil {
		h.fail(w, err)
		return
	}
	defer slot.Leave()
	invalid := m.ParseQuery(r.URL.RawQuery, req)
	ctx, admission, err := h.deps.Guard.Enter(r.Context(), guard.Call{Method: m.FullName, Team: r.Header.Get(TeamHeader),
		Priority: r.Header.Get("Asc-Priority"), CacheControl: r.Header.Get("Cache-Control"), Request: req.Interface(),
		Trace: guard.TraceID(r.Header.Get("Traceparent")), Opaque: text != nil, Valid: func() error { return invalid }})
	if err != nil {
		h.fail(w, err)
		return
	}
	call := &asc.Call{Team: admission.Team, Operation: m.Options.GetOperationId(), Method: m.Verb, Template: m.Template,
		Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Body: text, Accept: accepted(r)}
	if pass := admission.Pass; pass != nil { // what was checked is sent, not what was written
		call.Query = canonical(call.Query)
		if pass.Parameter != "" {
			call.Query = with(call.Query, pass.Parameter, pass.Apps)
		}
	}
	x := &exchange{
		Handler: h,
		ctx:     ctx,
		w:       w,
		r:       r,
		call:    call,
		file:    m.Stream || !takesJSON(call.Accept),
		method:  m,
		err:     errNoEnd,
	}
	defer x.end(admission, "passthrough "+m.FullName, begun)
	if m.Verb == http.MethodGet && !x.file && text == nil {
		x.read(invalid != nil || m.Includes(req.Interface()))
		return
	}
	x.forward()
}

// unknown serves a path that no operation is known for: where policy names it,
// or where there is neither authentication nor policy.
func (h *Handler) unknown(w http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	ctx, admission, err := h.deps.Guard.EnterPath(
		r.Context(),
		r.Method,
		r.URL.EscapedPath(),
		r.Header.Get(TeamHeader),
		guard.TraceID(r.Header.Get("Traceparent")),
	)
	if err != nil {
		h.noPath(w, r, err)
		return
	}
	x := &exchange{Handler: h, ctx: ctx, w: w, r: r, err: errNoEnd}
	defer x.end(admission, "passthrough unknown", begun)
	text, err := h.read(w, r, 1)
	if err != nil {
		x.fail(err)
		return
	}
	slot, err := h.deps.Limits.Enter(overload.Calls, access.FromContext(ctx).ID, 1)
	if err != nil {
		x.fail(err)
		return
	}
	defer slot.Leave()
	x.call = &asc.Call{Team: admission.Team, Operation: "unknown", Method: r.Method, Template: r.URL.Path,
		Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Body: text, Accept: accepted(r)}
	x.file = !takesJSON(x.call.Accept)
	x.forward()
}

// noPath answers as Apple does where there is no such path, or not for this
// method: tools ask others again and again, and give up at these.
func (h *Handler) noPath(w http.ResponseWriter, r *http.Request, refused error) {
	if fault.As(refused).Kind != fault.PermissionDenied {
		h.fail(w, refused)
		return
	}
	for _, verb := range verbs {
		other := *r
		other.Method = verb
		if _, pattern := h.mux.Handler(&other); pattern != "" {
			w.Header().Add("Allow", verb)
		}
	}
	if w.Header().Get("Allow") != "" {
		h.fail(w, fault.New(fault.Unimplemented, door.ReasonNotAllowed, "the path is not served for %s", r.Method))
		return
	}
	h.fail(
		w,
		fault.New(
			fault.NotFound,
			"PATH_ERROR",
			"no operation is known for the path, and no rule of the policy names it (paths)",
		),
	)
}

// accepted is what the caller takes: who does not say takes anything.
func accepted(r *http.Request) string {
	if a := r.Header.Get("Accept"); a != "" {
		return a
	}
	return "*/*"
}

func takesJSON(accept string) bool {
	return strings.Contains(accept, "json") && !strings.Contains(accept, "vnd.apple.") || strings.Contains(accept, "*/*")
}

// canonical writes a query anew: one way to read it, here and at Apple's.
func canonical(raw string) string {
	var parts []string
	for part := range strings.SplitSeq(raw, "&") {
		k, v, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(k)
		if err != nil || part == "" {
			continue // ParseQuery has refused what cannot be read
		}
		value, err := url.QueryUnescape(v)
		if err != nil {
			continue
		}
		parts = append(parts, url.QueryEscape(name)+"="+strings.ReplaceAll(url.QueryEscape(value), "%2C", ","))
	}
	return strings.Join(parts, "&")
}

func with(query, name string, values []string) string {
	escaped := make([]string, len(values))
	for i, v := range values {
		escaped[i] = url.QueryEscape(v)
	}
	part := url.QueryEscape(name) + "=" + strings.Join(escaped, ",")
	if query == "" {
		return part
	}
	return query + "&" + part
}

func clip(s string) string {
	if len(s) > 100 {
		return strings.ToValidUTF8(s[:100], "") + "…"
	}
	return s
}
