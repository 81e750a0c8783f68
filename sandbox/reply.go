package sandbox

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// reply is an answer being made: nothing is sent while the state is locked.
type reply struct {
	status    int
	header    http.Header
	body      []byte
	stream    func(w io.Writer) error // writes the body instead, without the lock
	limits    []limit                 // for X-Rate-Limit
	pause     time.Duration           // before it is sent
	cut       bool                    // the connection ends without an answer
	hang      bool                    // nothing is sent until the caller goes
	truncated bool                    // the body ends in its middle, and the connection with it
}

func newReply() *reply { return &reply{header: http.Header{}} }

func (rec *reply) send(w http.ResponseWriter) {
	if rec.cut {
		panic(http.ErrAbortHandler)
	}
	for k, v := range rec.header {
		w.Header()[k] = v
	}
	if rec.truncated && (len(rec.body) > 0 || rec.stream != nil) {
		rec.sendHalf(w)
	}
	w.WriteHeader(rec.status)
	_ = rec.write(w) // a caller that went away needs no answer
}

// write writes the body.
func (rec *reply) write(w io.Writer) error {
	if rec.stream != nil {
		return rec.stream(w)
	}
	_, err := w.Write(rec.body)
	return err
}

// sendHalf promises the whole body, sends half of it and cuts the connection.
func (rec *reply) sendHalf(w http.ResponseWriter) {
	var all counter
	_ = rec.write(&all) // counting cannot fail
	w.Header().Set("Content-Length", strconv.FormatInt(int64(all), 10))
	w.WriteHeader(rec.status)
	_ = rec.write(&head{w, int64(all) / 2})   // as above
	_ = http.NewResponseController(w).Flush() // one that cannot flush has no connection to cut
	panic(http.ErrAbortHandler)
}

// counter counts the bytes that are written to it.
type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

// head lets the first bytes through, and ends with an error.
type head struct {
	w    io.Writer
	left int64
}

func (h *head) Write(b []byte) (int, error) {
	if h.left < int64(len(b)) {
		b = b[:h.left]
	}
	h.left -= int64(len(b))
	n, err := h.w.Write(b)
	if err == nil && h.left == 0 {
		err = io.ErrShortWrite
	}
	return n, err
}

// json answers with a document, which is made of plain values.
func (rec *reply) json(status int, v any) {
	rec.raw(status, "application/json", append(appendJSON(nil, v), '\n'))
}

func (rec *reply) raw(status int, contentType string, body []byte) {
	rec.status, rec.body = status, body
	rec.header.Set("Content-Type", contentType)
}

// empty answers without a body.
func (rec *reply) empty(status int) { rec.status, rec.body = status, nil }

// fail answers with error objects, in their order. The ids are the store's.
func (rec *reply) fail(ids *store, errs ...apiError) {
	list := make([]any, len(errs))
	for i, e := range errs {
		list[i] = e.wire(ids)
	}
	rec.json(errs[0].Status, map[string]any{"errors": list})
}

// apiError is an error object of Apple's.
type apiError struct {
	Status             int
	Code               string
	Title, Detail      string
	Pointer, Parameter string // one of them, or none
	See                string // where a person can do something about it
	// Associated are errors about other resources, by their path:
	// "/v1/appScreenshots/ID".
	Associated map[string][]apiError
}

func (e apiError) wire(ids *store) map[string]any {
	out := map[string]any{
		"id":     ids.newID(""),
		"status": strconv.Itoa(e.Status),
		"code":   e.Code,
		"title":  e.Title,
		"detail": e.Detail,
	}
	if e.Detail == "" {
		out["detail"] = e.Title
	}
	if e.Pointer != "" {
		out["source"] = map[string]any{"pointer": e.Pointer}
	} else if e.Parameter != "" {
		out["source"] = map[string]any{"parameter": e.Parameter}
	}
	if e.See != "" {
		out["links"] = map[string]any{"see": e.See}
	}
	if len(e.Associated) > 0 {
		associated := map[string]any{}
		for _, at := range slices.Sorted(maps.Keys(e.Associated)) {
			list := []any{}
			for _, x := range e.Associated[at] {
				list = append(list, x.wire(ids))
			}
			associated[at] = list
		}
		out["meta"] = map[string]any{"associatedErrors": associated}
	}
	return out
}

// ordered puts errors in the order of where they are: those of a document or a
// query come in no order of their own.
func ordered(errs []apiError) []apiError {
	slices.SortStableFunc(
		errs,
		func(a, b apiError) int { return strings.Compare(a.Pointer+a.Parameter, b.Pointer+b.Parameter) },
	)
	return errs
}

func notFound(typ, id string) apiError {
	return apiError{Status: 404, Code: "NOT_FOUND", Title: "The specified resource does not exist",
		Detail: fmt.Sprintf("There is no resource of type '%s' with id '%s'", typ, strings.ToValidUTF8(id, ""))}
}

func unexpected() apiError {
	return apiError{
		Status: 500,
		Code:   "UNEXPECTED_ERROR",
		Title:  "An unexpected error occurred.",
		Detail: "An unexpected error occurred on the server side.",
	}
}

// parameterError is one about a query parameter; kind is INVALID, ILLEGAL,
// MISSING or DUPLICATE.
func parameterError(kind, name, detail string) apiError {
	title := "A parameter has an invalid value"
	if kind == "MISSING" {
		title = "A required parameter is missing"
	}
	return apiError{Status: 400, Code: "PARAMETER_ERROR." + kind, Title: title, Detail: detail, Parameter: name}
}

// stateError refuses what an object's state does not allow.
func stateError(pointer, detail string) []apiError {
	return []apiError{
		{
			Status:  409,
			Code:    "STATE_ERROR.ENTITY_STATE_INVALID",
			Title:   "The request cannot be fulfilled because of the state of another resource.",
			Detail:  detail,
			Pointer: pointer,
		},
	}
}
