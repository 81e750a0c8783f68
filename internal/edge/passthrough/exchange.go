package passthrough

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/cache"
	"github.com/asc-gateway/asc-gateway/internal/edge/door"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/guard"
	"github.com/asc-gateway/asc-gateway/internal/service"
)

// exchange is a request that was let in, on its way to Apple and back.
type exchange struct {
	*Handler
	ctx    context.Context
	w      http.ResponseWriter
	r      *http.Request
	call   *asc.Call
	method *service.Method // nil: no operation is known
	file   bool

	err error // how the call ended, for the record; known before the caller is told
}

// errNoEnd stands on record for a call that broke off here: nothing tells what
// Apple made of it.
var errNoEnd = outcomeUnknown()

func outcomeUnknown() error {
	return fault.New(
		fault.Unknown,
		fault.ReasonOutcomeUnknown,
		"the request was sent and may have been executed, but no answer tells: look before repeating it",
	)
}

// end tells how the call ended, however it did: also by a panic or a caller that
// went away.
func (x *exchange) end(admission *guard.Admission, name string, begun time.Time) {
	if x.r.Method != http.MethodGet && x.call != nil {
		x.deps.Engine.Wrote(x.call.Team, x.method)
	}
	admission.Done(x.ctx, nil, x.err)
	guard.Event(x.ctx, x.deps.Log, name, x.r.Header.Get("X-Request-Id"), begun, x.err)
}

// fail answers with a fault.
func (x *exchange) fail(err error) {
	x.err = err
	x.Handler.fail(x.w, err)
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
func (x *exchange) read(included bool) {
	caller, engine := asc.CallerOf(x.ctx), x.deps.Engine
	value, mode, age, err := engine.Cache.Do(
		x.ctx,
		cache.Read{Team: x.call.Team, Key: "passthrough " + x.call.Path + "?" + x.call.Query + " " + x.call.Accept,
			Families: x.method.Families(
				included,
			), Class: caller.Priority, Life: engine.Lifetime(x.method, included), Fresh: caller.Fresh},
		func(ctx context.Context) (cache.Fetched, error) {
			res, err := x.deps.Upstream.Raw(ctx, x.call, false)
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
		},
	)
	asc.NoteCache(x.ctx, string(mode))
	var refused errNotKept
	if errors.As(err, &refused) {
		value, err = refused.document, nil
	}
	if err != nil {
		x.fail(err)
		return
	}
	d := value.(document)
	header := d.header
	if mode == cache.Hit { // the quota has moved on
		header = header.Clone()
		header.Del("X-Rate-Limit")
		x.w.Header().Set("Age", strconv.Itoa(int(age.Seconds())))
	}
	x.w.Header().Set("Asc-Cache", string(mode))
	x.answer(
		&asc.Raw{Status: d.status, Header: header, Body: io.NopCloser(bytes.NewReader(d.body)), Length: int64(len(d.body))},
	)
}

// answerHeaders are passed on.
var answerHeaders = []string{
	"Content-Type", "Content-Disposition", "Content-Encoding", "X-Rate-Limit",
	"Retry-After", "Date", "Etag", "Last-Modified",
}

// forward sends a request on and its answer back.
func (x *exchange) forward() {
	res, err := x.deps.Upstream.Raw(x.ctx, x.call, x.file)
	if err != nil {
		x.fail(err)
		return
	}
	x.answer(res)
}

// answer writes Apple's answer, with links that lead back here.
func (x *exchange) answer(res *asc.Raw) {
	defer res.Body.Close()
	header := x.w.Header()
	for _, name := range answerHeaders {
		for _, v := range res.Header.Values(name) {
			header.Add(name, v)
		}
	}
	maps.Copy(header, asc.Told(res.Header))
	header.Set("X-Content-Type-Options", "nosniff")
	body := io.Reader(res.Body)
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	readable := strings.HasSuffix(media, "json") && res.Header.Get("Content-Encoding") == ""
	if readable && !x.file {
		b, err := io.ReadAll(res.Body)
		if err != nil {
			x.fail(err)
			return
		}
		b = x.links.ReplaceAll(b, []byte("${1}"+strings.ReplaceAll(x.own(x.r), "$", "$$")+"${2}"))
		body, res.Length = bytes.NewReader(b), int64(len(b))
	}
	x.err = outcome(x.call.Method, res.Status)
	switch {
	case res.Status == http.StatusUnauthorized: // the gateway's key is refused, not the caller
		header.Set(reasonHeader, fault.ReasonUpstreamCredentials)
		res.Status = http.StatusBadGateway
	case x.err != nil && fault.As(x.err).Reason == fault.ReasonOutcomeUnknown:
		header.Set(reasonHeader, fault.ReasonOutcomeUnknown)
	}
	if res.Length >= 0 {
		header.Set("Content-Length", strconv.FormatInt(res.Length, 10))
	}
	x.w.WriteHeader(res.Status)
	if _, err := io.Copy(x.w, body); err != nil {
		x.deps.Log.WarnContext(x.ctx, "an answer broke off", "operation", x.call.Operation, "reason", fault.As(err).Reason)
		panic(http.ErrAbortHandler) // the caller must not take it for whole
	}
}

// reasonHeader tells a caller what the gateway makes of an answer.
const reasonHeader = "Asc-Gateway-Reason"

// outcome is the fault of Apple's status, for the record: nil for success. After
// a 5xx, a write may have been executed all the same.
func outcome(method string, status int) error {
	switch {
	case status/100 == 2:
		return nil
	case status >= 500 && method != http.MethodGet:
		return outcomeUnknown()
	}
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
	fault.InvalidArgument:    400,
	fault.Unauthenticated:    401,
	fault.PermissionDenied:   403,
	fault.NotFound:           404,
	fault.AlreadyExists:      409,
	fault.FailedPrecondition: 502,
	fault.ResourceExhausted:  429,
	fault.Unavailable:        503,
	fault.DeadlineExceeded:   504,
	fault.Canceled:           499,
	fault.Unimplemented:      405,
	fault.Unknown:            504,
}

// fail answers with an error document of Apple's form: the caller's tools read
// no other.
func (h *Handler) fail(w http.ResponseWriter, err error) {
	h.deps.Guard.Refused(err)
	f := fault.As(err)
	status, ok := door.Status(f.Reason)
	if !ok {
		if status, ok = statuses[f.Kind]; !ok {
			status = http.StatusInternalServerError
		}
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
	b, err := json.Marshal(
		map[string]any{
			"errors": []object{
				{strconv.Itoa(status), f.Reason, "The App Store Connect gateway refused the request.", f.Message},
			},
		},
	)
	if err != nil {
		b = []byte(`{"errors":[]}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set(reasonHeader, f.Reason)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	_, _ = w.Write(b) // a caller that went away needs no answer
}
