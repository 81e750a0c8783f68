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
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/cache"
	"github.com/asc-gateway/asc-gateway/internal/edge/rest"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/guard"
	"github.com/asc-gateway/asc-gateway/internal/jsonapi"
	"github.com/asc-gateway/asc-gateway/internal/overload"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// MaxBodyBytes bounds a request's body.
const MaxBodyBytes = 8 << 20

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
	for _, m := range deps.Engine.Methods {
		h.mux.HandleFunc(m.Verb+" "+m.Template, func(w http.ResponseWriter, r *http.Request) { h.known(w, r, m) })
	}
	return h, nil
}

// ServeHTTP implements [http.Handler].
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			h.deps.Log.ErrorContext(r.Context(), "panic", "path", r.URL.Path, "panic", fmt.Sprint(p))
			h.fail(w, fault.New(fault.Internal, "INTERNAL", "internal error"))
		}
	}()
	if err := h.deps.Limits.Enter(); err != nil {
		h.fail(w, err)
		return
	}
	defer h.deps.Limits.Leave()
	ctx, err := h.deps.Guard.Identify(r.Context(), authn.FromRequest(r))
	if err != nil {
		h.fail(w, err)
		return
	}
	r = r.WithContext(ctx)
	_, unclean := access.Segments(r.URL.EscapedPath())
	switch {
	case !slices.Contains([]string{"GET", "POST", "PATCH", "DELETE"}, r.Method):
		h.fail(w, fault.New(fault.Unimplemented, "METHOD_NOT_ALLOWED", "%s is not served", clip(r.Method)))
	case unclean != nil:
		h.fail(w, fault.New(fault.InvalidArgument, fault.ReasonInvalidRequest, "the path is not clean: %v", unclean))
	default:
		if _, pattern := h.mux.Handler(r); pattern == "" {
			h.unknown(w, r)
			return
		}
		h.mux.ServeHTTP(w, r)
	}
}

// known serves a path that an operation is known for.
func (h *Handler) known(w http.ResponseWriter, r *http.Request, m *service.Method) {
	begun := time.Now()
	rest.Name(r, m.Verb, m.Template)
	req := m.Input.New()
	var invalid error
	if fd := m.Desc.Input().Fields().ByName("id"); fd != nil {
		id := r.PathValue("id")
		if what := jsonapi.CheckID(id); what != "" {
			h.fail(w, fault.Invalid("id", "%s", what))
			return
		}
		req.Set(fd, protoreflect.ValueOfString(id))
	}
	invalid = m.ParseQuery(r.URL.RawQuery, req)
	body, err := readBody(w, r)
	if err != nil {
		h.fail(w, err)
		return
	}
	ctx, admission, err := h.deps.Guard.Enter(r.Context(), guard.Call{Method: m.FullName, Team: r.Header.Get(TeamHeader), Priority: r.Header.Get("Asc-Priority"), CacheControl: r.Header.Get("Cache-Control"), Request: req.Interface(),
		Trace: guard.TraceID(r.Header.Get("Traceparent")), Opaque: body != nil, Valid: func() error { return invalid }})
	if err != nil {
		h.fail(w, err)
		return
	}
	call := &asc.Call{Team: admission.Team, Operation: m.Options.GetOperationId(), Method: m.Verb, Template: m.Template,
		Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Body: body, Accept: accepted(r)}
	if pass := admission.Pass; pass != nil { // what was checked is sent, not what was written
		call.Query = canonical(call.Query)
		if pass.Parameter != "" {
			call.Query = with(call.Query, pass.Parameter, pass.Apps)
		}
	}
	file := m.Stream || !takesJSON(call.Accept)
	if m.Verb == http.MethodGet && !file && body == nil {
		err = h.read(ctx, w, r, call, m, invalid != nil || m.Includes(req.Interface()))
	} else {
		err = h.forward(ctx, w, r, call, file)
		if m.Verb != http.MethodGet {
			h.deps.Engine.Wrote(call.Team, m)
		}
	}
	admission.Done(ctx, nil, err)
	guard.Event(ctx, h.deps.Log, "passthrough "+m.FullName, r.Header.Get("X-Request-Id"), begun, err)
}

// document is an answer that others may get too.
type document struct {
	status int
	header http.Header
	body   []byte
}

// errNotKept says that an answer is given to those who wait for it, and not kept.
type errNotKept struct{ document }

func (errNotKept) Error() string { return "not kept" }

// read answers a read with what is kept, or with the answer to an equal one.
func (h *Handler) read(ctx context.Context, w http.ResponseWriter, r *http.Request, call *asc.Call, m *service.Method, included bool) error {
	caller := asc.CallerOf(ctx)
	value, mode, age, err := h.deps.Engine.Cache.Do(ctx, cache.Read{Team: call.Team, Key: "passthrough " + call.Path + "?" + call.Query + " " + call.Accept,
		Families: m.Families(included), Class: caller.Priority, Life: h.deps.Engine.Lifetime(m, included), Fresh: caller.Fresh},
		func(ctx context.Context) (cache.Fetched, error) {
			res, err := h.deps.Upstream.Raw(ctx, call, false)
			if err != nil {
				return cache.Fetched{}, err
			}
			defer res.Body.Close()
			b, err := io.ReadAll(res.Body)
			if err != nil {
				return cache.Fetched{}, err
			}
			d := document{res.Status, res.Header, b}
			if res.Status != http.StatusOK {
				return cache.Fetched{}, errNotKept{d}
			}
			return cache.Fetched{Value: d, Bytes: len(b)}, nil
		})
	asc.NoteCache(ctx, string(mode))
	var refused errNotKept
	if errors.As(err, &refused) {
		value, err = refused.document, nil
	}
	if err != nil {
		h.fail(w, err)
		return err
	}
	d := value.(document)
	header := d.header
	if mode == cache.Hit { // the quota has moved on
		header = header.Clone()
		header.Del("X-Rate-Limit")
		w.Header().Set("Age", strconv.Itoa(int(age.Seconds())))
	}
	w.Header().Set("Asc-Cache", string(mode))
	return h.answer(ctx, w, r, call, &asc.Raw{Status: d.status, Header: header, Body: io.NopCloser(bytes.NewReader(d.body)), Length: int64(len(d.body))}, false)
}

// unknown serves a path that no operation is known for, if policy names it.
func (h *Handler) unknown(w http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	ctx, admission, err := h.deps.Guard.EnterPath(r.Context(), r.Method, r.URL.EscapedPath(), r.Header.Get(TeamHeader), guard.TraceID(r.Header.Get("Traceparent")))
	if err != nil {
		h.fail(w, err)
		return
	}
	body, err := readBody(w, r)
	if err == nil {
		call := &asc.Call{Team: admission.Team, Operation: "unknown", Method: r.Method, Template: r.URL.Path,
			Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Body: body, Accept: accepted(r)}
		err = h.forward(ctx, w, r, call, !takesJSON(call.Accept))
		if r.Method != http.MethodGet {
			h.deps.Engine.Wrote(call.Team, nil)
		}
	} else {
		h.fail(w, err)
	}
	admission.Done(ctx, nil, err)
	guard.Event(ctx, h.deps.Log, "passthrough unknown", r.Header.Get("X-Request-Id"), begun, err)
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBodyBytes))
	if err != nil {
		return nil, fault.New(fault.InvalidArgument, fault.ReasonInvalidRequest, "the body broke off, or is larger than %d bytes", MaxBodyBytes).WithCause(err)
	}
	if len(b) == 0 {
		return nil, nil
	}
	return b, nil
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

// answerHeaders are passed on.
var answerHeaders = []string{"Content-Type", "Content-Disposition", "X-Rate-Limit", "Retry-After", "Date", "X-Request-Id", "X-Apple-Request-Uuid", "X-Apple-Jingle-Correlation-Key", "Etag", "Last-Modified"}

// forward sends a request on and its answer back. Its error is for the record:
// the caller has been answered.
func (h *Handler) forward(ctx context.Context, w http.ResponseWriter, r *http.Request, call *asc.Call, file bool) error {
	res, err := h.deps.Upstream.Raw(ctx, call, file)
	if err != nil {
		h.fail(w, err)
		return err
	}
	return h.answer(ctx, w, r, call, res, file)
}

// answer writes Apple's answer, with links that lead back here.
func (h *Handler) answer(ctx context.Context, w http.ResponseWriter, r *http.Request, call *asc.Call, res *asc.Raw, file bool) error {
	defer res.Body.Close()
	for _, name := range answerHeaders {
		for _, v := range res.Header.Values(name) {
			w.Header().Add(name, v)
		}
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	body := io.Reader(res.Body)
	if media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); strings.HasSuffix(media, "json") && !file {
		b, err := io.ReadAll(res.Body)
		if err != nil {
			h.fail(w, err)
			return err
		}
		b = h.links.ReplaceAll(b, []byte("${1}"+strings.ReplaceAll(h.own(r), "$", "$$")+"${2}"))
		body, res.Length = bytes.NewReader(b), int64(len(b))
	}
	if res.Status == http.StatusUnauthorized { // the gateway's key is refused, not the caller
		w.Header().Set("Asc-Gateway-Reason", fault.ReasonUpstreamCredentials)
		res.Status = http.StatusBadGateway
	}
	if res.Length >= 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(res.Length, 10))
	}
	w.WriteHeader(res.Status)
	if _, err := io.Copy(w, body); err != nil {
		h.deps.Log.WarnContext(ctx, "an answer broke off", "operation", call.Operation, "reason", fault.As(err).Reason)
		panic(http.ErrAbortHandler) // the caller must not take it for whole
	}
	if res.Status/100 == 2 {
		return nil
	}
	return outcome(res.Status)
}

// outcome is the fault of Apple's status, for the record.
func outcome(status int) error {
	kind := fault.Unavailable
	switch status {
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		kind = fault.InvalidArgument
	case http.StatusForbidden:
		kind = fault.PermissionDenied
	case http.StatusNotFound, http.StatusGone:
		kind = fault.NotFound
	case http.StatusConflict:
		kind = fault.FailedPrecondition
	case http.StatusTooManyRequests:
		kind = fault.ResourceExhausted
	}
	return fault.New(kind, "HTTP_"+strconv.Itoa(status), "App Store Connect answered %d", status)
}

// own is the address at which the caller sees the gateway.
func (h *Handler) own(r *http.Request) string {
	switch {
	case h.cfg.PublicURL != "":
		return strings.TrimSuffix(h.cfg.PublicURL, "/")
	case r.TLS != nil:
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// statuses of the gateway's own refusals.
var statuses = map[fault.Kind]int{
	fault.InvalidArgument: 400, fault.Unauthenticated: 401, fault.PermissionDenied: 403, fault.NotFound: 404, fault.AlreadyExists: 409,
	fault.FailedPrecondition: 502, fault.ResourceExhausted: 429, fault.Unavailable: 503, fault.DeadlineExceeded: 504, fault.Canceled: 499, fault.Unimplemented: 405, fault.Unknown: 504,
}

// fail answers with an error document of Apple's form: the caller's tools read
// no other.
func (h *Handler) fail(w http.ResponseWriter, err error) {
	f := fault.As(err)
	status, ok := statuses[f.Kind]
	if !ok {
		status = http.StatusInternalServerError
	}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="asc-gateway"`)
	}
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter.Seconds()+0.999)))
	}
	type object struct {
		Status string `json:"status"`
		Code   string `json:"code"`
		Title  string `json:"title"`
		Detail string `json:"detail"`
	}
	b, err := json.Marshal(map[string]any{"errors": []object{{strconv.Itoa(status), f.Reason, "The App Store Connect gateway refused the request.", f.Message}}})
	if err != nil {
		b = []byte(`{"errors":[]}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Asc-Gateway-Reason", f.Reason)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b) // a caller that went away needs no answer
}

func clip(s string) string {
	if len(s) > 100 {
		return strings.ToValidUTF8(s[:100], "") + "…"
	}
	return s
}
