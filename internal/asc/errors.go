package asc

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// Bounds on what is kept of an error answer.
const (
	maxErrorBytes = 1 << 20
	maxErrors     = 200 // with the associated ones
	maxErrorDepth = 6
	maxErrorText  = 4 << 10 // of one member
)

// requestIDHeaders are the names under which Apple tells its request id; reports
// come with the first.
var requestIDHeaders = [...]string{
	"Requestid",
	"X-Request-Id",
	"X-Apple-Request-Uuid",
	"X-Apple-Jingle-Correlation-Key",
}

func requestID(h http.Header) string {
	for _, name := range requestIDHeaders {
		if v := h.Get(name); v != "" {
			return clip(v, 128)
		}
	}
	return ""
}

// errorOf turns an answer that is no success into a fault. Bodies that are not
// Apple's JSON (HTML of a proxy, plain text of a 406) are not kept.
func (c *Client) errorOf(res *http.Response) *fault.Error {
	body, _, _ := readBounded(res, maxErrorBytes) // what cannot be read is no error document
	up := &fault.Upstream{HTTPStatus: res.StatusCode, RequestID: requestID(res.Header)}
	p := errorParser{up: up}
	up.Errors = p.document(body)
	f := classify(up)
	f.RetryAfter, _ = RetryAfter(res.Header, time.Now())
	if up.RequestID == "" && len(up.Errors) > 0 {
		up.RequestID = up.Errors[0].ID
	}
	return f
}

// ParseErrors reads an error document, tolerating what live answers do wrong.
// What is no error document gives no errors.
func ParseErrors(body []byte) (errs []fault.APIError, cut int) {
	p := errorParser{up: &fault.Upstream{}}
	return p.document(body), p.up.Cut
}

type errorParser struct {
	up    *fault.Upstream
	count int
}

// wireError is an error object as it comes: every member may be of another
// kind than documented.
type wireError struct {
	ID, Status, Code, Title, Detail looseText
	Source                          struct{ Pointer, Parameter looseText }
	Links                           struct {
		About, See looseText
		Associated json.RawMessage
	}
	Meta map[string]json.RawMessage
}

// looseText takes a string, or the text of anything else.
type looseText string

func (t *looseText) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) != nil {
		s = strings.Trim(string(b), `"`)
		if s == "null" {
			s = ""
		}
	}
	*t = looseText(clip(s, maxErrorText))
	return nil
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

func (p *errorParser) document(body []byte) []fault.APIError {
	var doc struct{ Errors []json.RawMessage }
	if json.Unmarshal(body, &doc) != nil {
		return nil
	}
	return p.list(doc.Errors, 0)
}

func (p *errorParser) list(raw []json.RawMessage, depth int) (out []fault.APIError) {
	for _, r := range raw {
		var w wireError
		if p.count >= maxErrors || depth > maxErrorDepth {
			p.up.Cut++
			continue
		}
		var perr error
		if perr = json.Unmarshal(r, &w); perr != nil && w.Code == "" {
			p.up.Cut++
			continue
		}
		p.count++
		out = append(out, p.convert(w, depth))
	}
	return out
}

func (p *errorParser) convert(w wireError, depth int) fault.APIError {
	e := fault.APIError{
		ID:             string(w.ID),
		Status:         string(w.Status),
		Code:           string(w.Code),
		Title:          string(w.Title),
		Detail:         string(w.Detail),
		Pointer:        string(w.Source.Pointer),
		Parameter:      string(w.Source.Parameter),
		LinkAbout:      string(w.Links.About),
		LinkSee:        string(w.Links.See),
		LinkAssociated: associatedLink(w.Links.Associated),
	}
	if e.Pointer != "" && e.Pointer[0] != '/' {
		e.Pointer = "/" + e.Pointer
	}
	var byPath map[string][]json.RawMessage
	if json.Unmarshal(w.Meta["associatedErrors"], &byPath) == nil {
		for path, raw := range byPath {
			if e.Associated == nil {
				e.Associated = map[string][]fault.APIError{}
			}
			e.Associated[clip(path, maxErrorText)] = p.list(raw, depth+1)
		}
		delete(w.Meta, "associatedErrors")
	}
	if len(w.Meta) > 0 {
		if rest, err := json.Marshal(w.Meta); err == nil && len(rest) <= maxErrorText {
			e.Meta = rest
		} else {
			p.up.Cut++
		}
	}
	return e
}

// associatedLink is a URL, or an object with an href.
func associatedLink(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return clip(s, maxErrorText)
	}
	var o struct{ Href string }
	if json.Unmarshal(raw, &o) != nil {
		return ""
	}
	return clip(o.Href, maxErrorText)
}

func defaultReason(status int) string {
	switch {
	case status == http.StatusGone:
		return "GONE"
	case status == http.StatusTooManyRequests:
		return "RATE_LIMIT_EXCEEDED"
	case status >= 500:
		return fault.ReasonUpstreamUnavailable
	}
	return strings.ToUpper(strings.ReplaceAll(http.StatusText(status), " ", "_"))
}

func describe(e fault.APIError) string {
	if e.Detail != "" {
		return e.Detail
	}
	return e.Title
}
