package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

// Fault is something that goes wrong on purpose. It applies to the requests
// that match; of several that do, all apply, and the first with a status
// answers.
type Fault struct {
	Method    string `json:"method,omitempty"`    // "" is any
	Path      string `json:"path,omitempty"`      // glob over the path, /v1/apps/*; ** is any depth; "" is any
	Operation string `json:"operation,omitempty"` // Apple's operation id; "" is any
	Count     int    `json:"count,omitempty"`     // so many times; 0 is always
	Every     int    `json:"every,omitempty"`     // each n-th matching request only

	LatencyMS int               `json:"latency_ms,omitempty"`
	Status    int               `json:"status,omitempty"`  // answer with this, 200 to 599, instead of executing
	HTML      bool              `json:"html,omitempty"`    // … as a page
	Headers   map[string]string `json:"headers,omitempty"` // set on the answer, whatever it is
	Body      string            `json:"body,omitempty"`    // with Status; if "", Apple's form of an error from 400
	// NotFound answers 404 about a resource of this type, whatever was asked for.
	NotFound string `json:"not_found,omitempty"`

	Agzip     bool `json:"agzip,omitempty"`     // reports come with Content-Encoding: agzip
	Truncate  bool `json:"truncate,omitempty"`  // the body ends in its middle
	Hang      bool `json:"hang,omitempty"`      // execute, then wait until the caller goes
	Duplicate bool `json:"duplicate,omitempty"` // the first row of a list comes again at its end
	PastEnd   bool `json:"past_end,omitempty"`  // the last page of a list links to one more, which is empty

	Applied    bool   `json:"applied,omitempty"`     // … after executing all the same
	RetryAfter string `json:"retry_after,omitempty"` // header beside Status: seconds or a date
	Lose       bool   `json:"lose,omitempty"`        // execute, then cut the connection
	Foreign    int    `json:"foreign,omitempty"`     // so many requests of someone else count first

	Header string `json:"header,omitempty"` // X-Rate-Limit verbatim; a line break makes two
	Form   string `json:"form,omitempty"`   // how X-Rate-Limit is written: see rateForms
	Minute string `json:"minute,omitempty"` // a minute pair to tell: "150/149"

	Unknown          bool `json:"unknown,omitempty"` // all three that follow
	UnknownAttribute bool `json:"unknown_attribute,omitempty"`
	UnknownEnum      bool `json:"unknown_enum,omitempty"`
	UnknownType      bool `json:"unknown_type,omitempty"` // among the included
}

// fault is a fault in force.
type fault struct {
	Fault
	number    int // tells it from others on the page
	met, used int
}

// rateForms are the ways in which Apple has been seen to write X-Rate-Limit.
func rateForms(form string, limits []limit) []string {
	parts := make([]string, len(limits))
	for i, l := range limits {
		if form == "negative" {
			l.left = -1
		}
		parts[i] = l.String()
	}
	switch form {
	case "lines": // a header each
		return parts
	case "comma": // joined as proxies do
		return []string{strings.Join(parts, ", ")}
	case "minute": // the last pair only
		return parts[len(parts)-1:]
	case "none":
		return nil
	}
	return []string{strings.Join(parts, "")}
}

// check says what is wrong with a fault.
func (f Fault) check() error {
	if err := f.checkBounds(); err != nil {
		return err
	}
	if _, err := path.Match(f.Path, ""); err != nil {
		return fmt.Errorf("path: %w", err)
	}
	if !slices.Contains([]string{"", "lines", "comma", "minute", "negative", "none"}, f.Form) {
		return fmt.Errorf("form: %q is not lines, comma, minute, negative or none", f.Form)
	}
	if f.Status != 0 && (f.Status < 200 || f.Status > 599) {
		return fmt.Errorf("status: %d is not between 200 and 599", f.Status)
	}
	return nil
}

// AddFault makes something go wrong from now on.
func (s *Sandbox) AddFault(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addFault(f)
}

// addFault adds a fault; the oldest ends where there are too many. The sandbox is
// locked.
func (s *Sandbox) addFault(f Fault) {
	if len(s.faults) == maxFaults {
		s.faults = s.faults[1:]
	}
	s.numbered++
	s.faults = append(s.faults, &fault{Fault: f, number: s.numbered})
}

// matching are the faults that apply to a request; they are used up by it.
func (s *Sandbox) matching(r *http.Request, op *factOp) (list []*fault) {
	for _, f := range s.faults {
		where := pathMatches(f.Path, r.URL.Path)
		if !where && f.Path != "" || f.Method != "" && f.Method != r.Method ||
			f.Operation != "" && f.Operation != op.ID {
			continue
		}
		if f.met++; f.Every > 1 && f.met%f.Every != 0 || f.Count > 0 && f.used >= f.Count {
			continue
		}
		f.used++
		list = append(list, f)
	}
	return list
}

// instead answers in place of the operation, if a fault says so.
func (s *Sandbox) instead(rec *reply, faults []*fault) bool {
	for _, f := range faults {
		if (f.Status != 0 || f.NotFound != "") && !f.Applied {
			s.failAs(rec, f)
			return true
		}
	}
	return false
}

func (s *Sandbox) failAs(rec *reply, f *fault) {
	if f.RetryAfter != "" {
		rec.header.Set("Retry-After", f.RetryAfter)
	}
	if f.NotFound != "" {
		rec.fail(s.store, notFound(f.NotFound, seedID(f.NotFound, 0)))
		return
	}
	if f.Body != "" {
		rec.raw(f.Status, "application/json", []byte(f.Body))
		return
	}
	if f.Status < 400 {
		rec.empty(f.Status)
		return
	}
	if f.HTML {
		rec.raw(f.Status, "text/html", []byte("<html><body><h1>"+http.StatusText(f.Status)+"</h1></body></html>"))
		return
	}
	rec.fail(s.store, apiError{Status: f.Status, Code: faultCode(f.Status), Title: http.StatusText(f.Status)})
}

func faultCode(status int) string {
	switch {
	case status == http.StatusUnauthorized:
		return "NOT_AUTHORIZED"
	case status == http.StatusForbidden:
		return "FORBIDDEN_ERROR"
	case status == http.StatusNotFound:
		return "NOT_FOUND"
	case status == http.StatusConflict:
		return "STATE_ERROR"
	case status == http.StatusTooManyRequests:
		return "RATE_LIMIT_EXCEEDED"
	case status < 500:
		return "BAD_REQUEST"
	}
	return "UNEXPECTED_ERROR"
}

// afterwards applies what happens to the answer.
func (s *Sandbox) afterwards(rec *reply, r *http.Request, op *factOp, faults []*fault) {
	form := ""
	for _, f := range faults {
		if limit, ok := minuteOf(f.Minute); ok {
			rec.limits = append(rec.limits, limit)
		}
		if f.Form != "" {
			form = f.Form
		}
	}
	if lines := rateForms(form, rec.limits); len(lines) > 0 {
		rec.header["X-Rate-Limit"] = lines
	}
	for _, f := range faults {
		if (f.Status != 0 || f.NotFound != "") && f.Applied {
			s.failAs(rec, f)
		}
		if f.Header != "" {
			rec.header["X-Rate-Limit"] = strings.Split(f.Header, "\n")
		}
		rec.cut = rec.cut || f.Lose
		rec.pause += time.Duration(f.LatencyMS) * time.Millisecond
		n := novelty{
			s.facts,
			op,
			f.Unknown || f.UnknownAttribute,
			f.Unknown || f.UnknownEnum,
			f.Unknown || f.UnknownType,
		}
		if rec.status < 300 && (n.attribute || n.enum || n.typ) {
			rec.body = n.add(rec.body)
		}
		f.spoil(rec, r, s.base)
	}
}

// minuteOf reads "150/149".
func minuteOf(text string) (limit, bool) {
	l := limit{span: "minute"}
	n, err := fmt.Sscanf(text, "%d/%d", &l.max, &l.left)
	return l, n == 2 && err == nil
}

// novelty adds to an answer what no document names yet.
type novelty struct {
	facts                *facts
	op                   *factOp
	attribute, enum, typ bool
}

// Names and values that Apple's document does not hold.
const (
	novelAttribute = "sandboxNovelty"
	novelNumber    = "9007199254740993" // is lost by whoever reads it as a float
	novelValue     = "SANDBOX_NOVELTY"
	novelType      = "sandboxNovelties"
)

func (n novelty) add(body []byte) []byte {
	var doc map[string]any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if d.Decode(&doc) != nil {
		return body
	}
	list, _ := doc["data"].([]any)
	if one, ok := doc["data"].(map[string]any); ok {
		list = []any{one}
	}
	for _, v := range list {
		resource, _ := v.(map[string]any)
		if attrs, ok := resource["attributes"].(map[string]any); ok {
			n.addTo(attrs)
		}
	}
	if n.typ {
		included, _ := doc["included"].([]any)
		doc["included"] = append(
			included,
			map[string]any{"type": novelType, "id": "1", "attributes": map[string]any{"name": "new"}},
		)
	}
	out, err := json.Marshal(doc)
	if err != nil {
		return body
	}
	return out
}

func (n novelty) addTo(attrs map[string]any) {
	schema := n.facts.Types[n.op.Schema]
	for name := range attrs {
		if schema == nil || !n.enum {
			break
		}
		if a := schema.attr(name); a != nil && len(n.facts.enum(n.facts.resolve(a).Enum)) > 0 {
			attrs[name] = novelValue
		}
	}
	if n.attribute {
		attrs[novelAttribute] = json.Number(novelNumber)
	}
}
