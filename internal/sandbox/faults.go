package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strings"
	"time"
)

// Fault is something that goes wrong on purpose. It applies to the requests
// that match, Count times (0: always).
type Fault struct {
	Method string `json:"method,omitempty"` // "" is any
	Path   string `json:"path,omitempty"`   // glob over the path; "" is any
	Count  int    `json:"count,omitempty"`

	LatencyMS  int    `json:"latency_ms,omitempty"`
	Status     int    `json:"status,omitempty"`      // answer with this instead of executing
	HTML       bool   `json:"html,omitempty"`        // … as a page
	RetryAfter string `json:"retry_after,omitempty"` // header beside Status
	Lose       bool   `json:"lose,omitempty"`        // execute, then cut the connection
	Foreign    int    `json:"foreign,omitempty"`     // so many requests of someone else count first
	Header     string `json:"header,omitempty"`      // X-Rate-Limit verbatim; a line break makes two
	Minute     string `json:"minute,omitempty"`      // a minute pair to append: "150/149"
	Unknown    bool   `json:"unknown,omitempty"`     // an unknown attribute, enum value and included type

	used int
}

// AddFault makes something go wrong from now on.
func (s *Sandbox) AddFault(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// fault finds the first that applies, without using it up.
func (s *Sandbox) fault(r *http.Request) *Fault {
	for _, f := range s.faults {
		matches := f.Path == "" || f.Path == r.URL.Path
		if !matches {
			matches, _ = path.Match(f.Path, r.URL.Path)
		}
		if matches && (f.Method == "" || f.Method == r.Method) && (f.Count == 0 || f.used < f.Count) {
			return f
		}
	}
	return nil
}

// before applies what happens instead of the operation.
func (s *Sandbox) before(rec *reply, r *http.Request, op *factOp) (answered bool) {
	f := s.fault(r)
	if f == nil {
		return false
	}
	for range f.Foreign {
		for _, k := range s.keys {
			k.sent = append(k.sent, s.cfg.Now())
		}
	}
	if f.RetryAfter != "" {
		rec.header.Set("Retry-After", f.RetryAfter)
	}
	switch {
	case f.Status != 0 && f.HTML:
		rec.raw(f.Status, "text/html", []byte("<html><body><h1>"+http.StatusText(f.Status)+"</h1></body></html>"))
	case f.Status != 0:
		rec.fail(apiError{Status: f.Status, Code: faultCodes[f.Status], Title: http.StatusText(f.Status)})
	default:
		return false
	}
	return true
}

var faultCodes = map[int]string{401: "NOT_AUTHORIZED", 403: "FORBIDDEN_ERROR", 404: "NOT_FOUND", 409: "STATE_ERROR", 429: "RATE_LIMIT_EXCEEDED",
	500: "UNEXPECTED_ERROR", 502: "UNEXPECTED_ERROR", 503: "UNEXPECTED_ERROR", 504: "UNEXPECTED_ERROR"}

// afterwards applies what happens to the answer, and says how long to hold it.
func (s *Sandbox) afterwards(rec *reply, r *http.Request, op *factOp) time.Duration {
	f := s.fault(r)
	if f == nil {
		return 0
	}
	f.used++
	rec.cut = f.Lose
	if f.Header != "" {
		rec.header["X-Rate-Limit"] = strings.Split(f.Header, "\n")
	}
	if limit, left, ok := strings.Cut(f.Minute, "/"); ok {
		rec.header.Set("X-Rate-Limit", rec.header.Get("X-Rate-Limit")+fmt.Sprintf("user-minute-lim:%s;user-minute-rem:%s;", limit, left))
	}
	if f.Unknown {
		rec.body = withUnknown(rec.body)
	}
	return time.Duration(f.LatencyMS) * time.Millisecond
}

// withUnknown adds what no document names yet.
func withUnknown(body []byte) []byte {
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
		if attrs, ok := v.(map[string]any)["attributes"].(map[string]any); ok {
			attrs["sandboxNovelty"] = json.Number("9007199254740993")
			for _, name := range []string{"platform", "state", "processingState"} {
				if _, has := attrs[name]; has {
					attrs[name] = "SANDBOX_NOVELTY"
				}
			}
		}
	}
	included, _ := doc["included"].([]any)
	doc["included"] = append(included, map[string]any{"type": "sandboxNovelties", "id": "1", "attributes": map[string]any{"name": "new"}})
	out, err := json.Marshal(doc)
	if err != nil {
		return body
	}
	return out
}

// control is the sandbox's own API, below /_sandbox/.
func (s *Sandbox) control() {
	s.mux.HandleFunc("PUT /_sandbox/upload/{type}/{id}", s.upload)
	s.mux.HandleFunc("GET /_sandbox/segments/{id}", s.segment)
	s.mux.HandleFunc("POST /_sandbox/faults", func(w http.ResponseWriter, r *http.Request) {
		var f Fault
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16))
		d.DisallowUnknownFields()
		if err := d.Decode(&f); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		s.AddFault(f)
		w.WriteHeader(http.StatusNoContent)
	})
	s.mux.HandleFunc("DELETE /_sandbox/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.faults = nil
		w.WriteHeader(http.StatusNoContent)
	})
	s.mux.HandleFunc("POST /_sandbox/reset", func(w http.ResponseWriter, _ *http.Request) {
		s.Reset()
		w.WriteHeader(http.StatusNoContent)
	})
	s.mux.HandleFunc("GET /_sandbox/state", s.state)
}

// Reset brings back the organisation as it was, without faults and with all of
// every key's hour left.
func (s *Sandbox) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store, s.faults, s.calls = seeded(s.facts, s.cfg.Now()), nil, map[string]int{}
	for _, k := range s.keys {
		k.sent = nil
	}
}

// state tells how many objects there are, and which operations were called.
func (s *Sandbox) state(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := map[string]int{}
	for typ, t := range s.store.types {
		counts[typ] = len(t.order)
	}
	rec := &reply{header: http.Header{}}
	rec.json(200, map[string]any{"objects": counts, "calls": s.calls})
	rec.send(w)
}
