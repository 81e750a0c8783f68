// Package sandbox is an App Store Connect in process: it speaks Apple's dialect
// on Apple's paths, keeps state, checks tokens and counts requests as Apple
// does, so that Apple's own kind of client works against it.
//
// It shares no code with the rest of the gateway and reads no descriptors: all
// it knows of Apple's API stands in facts.json, which comes straight from
// Apple's document. What a single resource type does beyond the common stands
// in a [Behavior], never in the generic part.
package sandbox

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Config of a sandbox. The zero value is a seeded one that checks tokens.
type Config struct {
	Issuer    string           // issuer id of team keys; a default if ""
	HourLimit int              // requests per key and hour; 3600 if 0
	NoAuth    bool             // accept any token or none
	TimeScale float64          // how fast the hour of the rate limit goes by; 1 if 0
	Now       func() time.Time // default time.Now
	Logger    *slog.Logger
}

// DefaultIssuer is the issuer id of a sandbox that is not given another.
const DefaultIssuer = "57246542-96fe-1a63-e053-0824d011072a"

// maxBodyBytes bounds request bodies, uploads apart.
const maxBodyBytes = 4 << 20

// Sandbox is an [http.Handler].
type Sandbox struct {
	cfg   Config
	facts *facts
	mux   *http.ServeMux

	mu     sync.Mutex // guards all below
	store  *store
	keys   map[string]*key
	faults []*Fault
	calls  map[string]int // by operation id
	issuer string
}

// New makes a seeded sandbox.
func New(cfg Config) (*Sandbox, error) {
	f, err := loadFacts()
	if err != nil {
		return nil, err
	}
	if cfg.Issuer == "" {
		cfg.Issuer = DefaultIssuer
	}
	if cfg.HourLimit == 0 {
		cfg.HourLimit = 3600
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.TimeScale == 0 {
		cfg.TimeScale = 1
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Sandbox{cfg: cfg, facts: f, mux: http.NewServeMux(), keys: map[string]*key{}, calls: map[string]int{}, issuer: cfg.Issuer}
	s.store = seeded(f, cfg.Now())
	for i := range f.Ops {
		op := &f.Ops[i]
		s.mux.HandleFunc(op.Method+" "+op.Path, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, op) })
	}
	s.control()
	return s, nil
}

// NewKey makes a key that the sandbox accepts from now on.
func (s *Sandbox) NewKey(kid string) (*ecdsa.PrivateKey, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err == nil {
		s.RegisterKey(kid, &k.PublicKey)
	}
	return k, err
}

// ServeHTTP implements [http.Handler].
func (s *Sandbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, pattern := s.mux.Handler(r); pattern == "" {
		s.noRoute(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
}

func (s *Sandbox) noRoute(w http.ResponseWriter, r *http.Request) {
	for _, verb := range []string{"GET", "POST", "PATCH", "DELETE"} {
		other := *r
		other.Method = verb
		if _, pattern := s.mux.Handler(&other); pattern != "" && verb != r.Method {
			writeErrors(w, apiError{Status: 405, Code: "METHOD_NOT_ALLOWED", Title: "The request method is not valid for the resource path."})
			return
		}
	}
	writeErrors(w, apiError{Status: 404, Code: "PATH_ERROR", Title: "The URL path is not valid"})
}

// serve answers one call of an operation.
func (s *Sandbox) serve(w http.ResponseWriter, r *http.Request, op *factOp) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBodyBytes+1))
	if err != nil || len(body) > maxBodyBytes {
		writeErrors(w, apiError{Status: 413, Code: "REQUEST_TOO_LARGE", Title: "The request body is too large"})
		return
	}
	s.mu.Lock()
	rec := &reply{header: http.Header{}}
	s.answer(rec, r, op, body)
	pause := s.afterwards(rec, r, op)
	s.mu.Unlock()
	if pause > 0 {
		select {
		case <-r.Context().Done():
		case <-time.After(pause):
		}
	}
	rec.send(w)
}

// answer fills the reply: token, quota, faults, and then the operation.
func (s *Sandbox) answer(rec *reply, r *http.Request, op *factOp, body []byte) {
	if len(r.RequestURI) > 4096 {
		rec.fail(apiError{Status: 500, Code: "UNEXPECTED_ERROR", Title: "An unexpected error occurred.", Detail: "An unexpected error occurred on the server side."})
		return
	}
	k, err := s.authenticate(r)
	if err != nil {
		rec.fail(*err)
		return
	}
	if err := s.charge(rec, k); err != nil {
		rec.fail(*err)
		return
	}
	s.calls[op.ID]++
	if s.before(rec, r, op) {
		return
	}
	c := &call{s: s, op: op, r: r, rec: rec, body: body, base: "https://" + r.Host}
	if r.TLS == nil {
		c.base = "http://" + r.Host
	}
	if errs := c.run(); len(errs) > 0 {
		rec.fail(errs...)
	}
}

// reply is an answer being made: nothing is sent while the state is locked.
type reply struct {
	status int
	header http.Header
	body   []byte
	cut    bool // the connection ends without an answer
}

func (rec *reply) send(w http.ResponseWriter) {
	if rec.cut {
		panic(http.ErrAbortHandler)
	}
	for k, v := range rec.header {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.status)
	_, _ = w.Write(rec.body) // a caller that went away needs no answer
}

func (rec *reply) json(status int, v any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		rec.fail(apiError{Status: 500, Code: "UNEXPECTED_ERROR", Title: "An unexpected error occurred."})
		return
	}
	rec.raw(status, "application/json", b.Bytes())
}

func (rec *reply) raw(status int, contentType string, body []byte) {
	rec.status, rec.body = status, body
	rec.header.Set("Content-Type", contentType)
}

// apiError is an error object of Apple's.
type apiError struct {
	Status             int
	Code               string
	Title, Detail      string
	Pointer, Parameter string
}

func (e apiError) wire(id string) map[string]any {
	out := map[string]any{"id": id, "status": fmt.Sprint(e.Status), "code": e.Code, "title": e.Title, "detail": e.Detail}
	if e.Detail == "" {
		out["detail"] = e.Title
	}
	if e.Pointer != "" {
		out["source"] = map[string]any{"pointer": e.Pointer}
	} else if e.Parameter != "" {
		out["source"] = map[string]any{"parameter": e.Parameter}
	}
	return out
}

func (rec *reply) fail(errs ...apiError) {
	list := make([]any, len(errs))
	for i, e := range errs {
		list[i] = e.wire(newID())
	}
	rec.json(errs[0].Status, map[string]any{"errors": list})
}

func writeErrors(w http.ResponseWriter, errs ...apiError) {
	rec := &reply{header: http.Header{}}
	rec.fail(errs...)
	rec.send(w)
}

// newID makes an id in the form of most of Apple's.
func newID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func notFound(typ, id string) apiError {
	return apiError{Status: 404, Code: "NOT_FOUND", Title: "The specified resource does not exist",
		Detail: fmt.Sprintf("There is no resource of type '%s' with id '%s'", typ, strings.ToValidUTF8(id, ""))}
}
