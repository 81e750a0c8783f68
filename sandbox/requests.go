package sandbox

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of the request log.
const (
	maxRequests    = 1000
	maxLoggedBytes = 4 << 10 // of a body, of a path and of a query
)

// Request is a request that the sandbox has answered. Requests of the control
// API and of uploads are not among them.
type Request struct {
	At        time.Time `json:"at"` // by the sandbox's clock
	Method    string    `json:"method"`
	Path      string    `json:"path"`
	Query     string    `json:"query,omitempty"`     // as it was sent: "limit=2"
	Operation string    `json:"operation,omitempty"` // Apple's operation id; "" where no operation is
	Status    int       `json:"status"`              // that was answered, or would have been
	Body      string    `json:"body,omitempty"`      // the first 4 KiB
	BodyBytes int       `json:"body_bytes"`          // of the whole body
}

// remember keeps a request for the log. The sandbox is locked.
func (s *Sandbox) remember(r *http.Request, operation string, body []byte, status int) {
	size := len(body)
	if strings.HasPrefix(operation, "webhooks_") { // they hold a secret
		body = nil
	}
	if len(s.recent) == maxRequests {
		s.recent = s.recent[1:]
	}
	s.recent = append(s.recent, Request{
		At: s.clock.now(
			s.cfg.Now(),
		), Method: bounded(r.Method), Path: bounded(r.URL.Path), Query: bounded(r.URL.RawQuery),
		Operation: operation, Status: status, Body: bounded(string(body)), BodyBytes: size,
	})
}

// bounded is the start of a text, cut between runes.
func bounded(text string) string {
	if len(text) <= maxLoggedBytes {
		return text
	}
	n := maxLoggedBytes
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// Requests lists the last 1000 requests that were answered, oldest first.
func (s *Sandbox) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.recent)
}

// ClearRequests empties the log that [Sandbox.Requests] tells.
func (s *Sandbox) ClearRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recent = nil
}

func (s *Sandbox) listRequests(w http.ResponseWriter, _ *http.Request) {
	s.tell(w, func() any { return map[string]any{"requests": append([]Request{}, s.recent...)} })
}

func (s *Sandbox) deleteRequests(w http.ResponseWriter, _ *http.Request) {
	s.ClearRequests()
	w.WriteHeader(http.StatusNoContent)
}

// refuse answers a control request with an error.
func refuse(w http.ResponseWriter, status int, why string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": why}) // a caller that went away needs no answer
}
