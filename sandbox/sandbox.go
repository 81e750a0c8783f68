// Package sandbox is an App Store Connect in process: it speaks Apple's dialect
// on Apple's paths, keeps state, checks tokens and counts requests as Apple
// does, so that Apple's own kind of client works against it.
//
// It shares no code with the rest of the gateway and reads no descriptors: all
// it knows of Apple's API stands in facts.json, which comes straight from
// Apple's document. What a single resource type does beyond the common stands
// in a [behavior], never in the generic part.
package sandbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"path"
	"sync"
	"time"

	"github.com/asc-gateway/asc-gateway/sandbox/internal/ca"
)

// World is what a sandbox is like. The zero value is a small organisation with
// three apps, whose tokens are checked.
type World struct {
	Issuer      string           // issuer id of team keys; DefaultIssuer if ""
	Enterprise  bool             // tokens are for the audience of the Enterprise Program
	NoAuth      bool             // accept any token or none
	HourLimit   int              // requests per key and hour; 3600 if 0
	MinuteLimit int              // requests per key and minute, told in the header too; none if 0
	TimeScale   float64          // how fast time goes by, tokens apart; 1 if 0
	Processing  time.Duration    // how long Apple's side takes for what Times does not name; none if 0
	Times       Times            // how long Apple's side takes, thing by thing
	Auto        Auto             // what people at Apple do by themselves; nothing if zero
	OneByOne    bool             // refuse to take several prices or offers of a subscription in one PATCH
	NoRules     bool             // take every write that the document allows: to test codecs, not jobs
	Empty       bool             // start with nothing but territories, categories and the account holder
	State       string           // directory in which the world is kept; nowhere if ""
	PerKey      bool             // each key has a world of its own, made when the key is first used
	Seed        []byte           // YAML: resources that are added to a new world; see docs/sandbox.md
	PartBytes   int64            // the most that one upload operation takes; 8 MiB if 0
	Sales       float64          // how much is sold, 1 as by a small organisation; 1 if 0, nothing if below
	Random      uint64           // of the ids to be made and of all chances
	Faults      []Fault          // what goes wrong from the start, and again after a reset
	Now         func() time.Time // time.Now if nil
	Logger      *slog.Logger     // discards if nil
}

// Times says how long Apple's side takes. Zero is World.Processing.
type Times struct {
	Run    time.Duration // from the start of an Xcode Cloud build run to its end
	Upload time.Duration // from the commit of a file to its end
	Build  time.Duration // from the upload of a build to VALID
	Device time.Duration // from the registration of a device to ENABLED
	Cancel time.Duration // from the cancel of a review submission to COMPLETE
	Report time.Duration // from the request of analytics to their first instances
}

// Auto says what happens without a call of [Sandbox.Act].
type Auto struct {
	Review     time.Duration // until App Review has decided; never by itself if 0
	BetaReview time.Duration // until Beta App Review has decided; never by itself if 0
	Approve    float64       // the chance that a review approves, 0 to 1; 1 if 0
}

// DefaultIssuer is the issuer id of a sandbox that is not given another.
const DefaultIssuer = "57246542-96fe-1a63-e053-0824d011072a"

// Bounds of what comes from outside, and of what Apple takes.
const (
	maxBodyBytes    = 4 << 20 // of a document
	maxURLBytes     = 4096
	defaultPart     = 8 << 20
	maxUploadBytes  = 4 << 30 // that one file may have
	maxUploadsBytes = 1 << 30 // that all unfinished uploads may hold
)

// Sandbox is an [http.Handler].
type Sandbox struct {
	// URL and Key are set by [New]: where the sandbox listens, and a key of its team.
	URL string
	Key Key

	cfg       World
	facts     *facts
	mux       *http.ServeMux
	behaviors map[string]behavior
	seed      *seedFile
	name      string // key id of a world that is one key's
	worlds    worlds
	uploads   map[string]uploadRule // by schema

	hooks hooks // client and flying; the rest is guarded by mu

	mu       sync.Mutex // guards all below
	clock    clock
	store    *store
	keys     map[string]*key
	faults   []*fault
	numbered int                       // of faults so far
	calls    map[string]int            // by operation id
	issuer   *ca.Authority             // see authority
	shown    map[string]map[string]any // see once
	base     string                    // at which the last caller saw the sandbox: "http://127.0.0.1:8090"
	recent   []Request                 // requests, the last at the end
	changed  time.Time                 // the first change that was not saved; zero if there is none

	saving sync.Mutex // held while the world is written; taken before mu
}

// Open makes a seeded sandbox.
func Open(cfg World) (*Sandbox, error) {
	f, err := loadFacts()
	if err != nil {
		return nil, err
	}
	cfg.complete()
	s, err := open(cfg, f)
	if err != nil {
		return nil, err
	}
	return s, s.loadWorlds()
}

// open makes one world.
func open(cfg World, f *facts) (*Sandbox, error) {
	var err error
	s := &Sandbox{
		cfg:       cfg,
		facts:     f,
		mux:       http.NewServeMux(),
		behaviors: behaviors(),
		uploads:   uploadRules(),
		keys:      map[string]*key{},
	}
	if s.seed, err = readSeed(cfg.Seed); err != nil {
		return nil, err
	}
	if err := s.reset(); err != nil {
		return nil, err
	}
	if err := s.loadState(); err != nil {
		return nil, err
	}
	for i := range f.Ops {
		op := &f.Ops[i]
		s.mux.HandleFunc(op.Method+" "+op.Path, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, op) })
	}
	s.control()
	s.pages()
	return s, nil
}

func (cfg *World) complete() {
	if cfg.Issuer == "" {
		cfg.Issuer = DefaultIssuer
	}
	if cfg.HourLimit == 0 {
		cfg.HourLimit = 3600
	}
	if cfg.TimeScale == 0 {
		cfg.TimeScale = 1
	}
	if cfg.Sales == 0 {
		cfg.Sales = 1
	}
	if cfg.PartBytes == 0 {
		cfg.PartBytes = defaultPart
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
}

// Reset brings back the organisation as it was at the start, the faults of the
// configuration, and all of every key's hour. Keys stay. With World.PerKey it is the
// world that no key sees: see WorldOf.
func (s *Sandbox) Reset() {
	if err := s.reset(); err != nil {
		panic("sandbox: a seed that was taken before: " + err.Error())
	}
}

func (s *Sandbox) reset() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock = clock{real: s.cfg.Now(), scale: s.cfg.TimeScale}
	s.clock.shown = s.clock.real
	s.store = s.seeded()
	s.hooks.open()
	s.shown = map[string]map[string]any{}
	s.calls, s.faults, s.recent = map[string]int{}, nil, nil
	for _, f := range s.cfg.Faults {
		s.addFault(f)
	}
	for _, k := range s.keys {
		k.hour, k.minute = nil, nil
	}
	if err := s.sow(s.store, s.seed); err != nil {
		return err
	}
	s.mirrorAll(s.clock.shown)
	return nil
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
	to, err := s.route(r)
	if err != nil {
		refuse(w, http.StatusNotFound, err.Error())
		return
	}
	to.serveWorld(w, r)
}

// serveWorld answers for one world.
func (s *Sandbox) serveWorld(w http.ResponseWriter, r *http.Request) {
	if _, pattern := s.mux.Handler(r); pattern == "" || path.Clean(r.URL.Path) != r.URL.Path {
		s.noRoute(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
	if r.Method != http.MethodGet {
		s.mu.Lock()
		s.change()
		s.mu.Unlock()
	}
}

// noRoute answers what no operation is for.
func (s *Sandbox) noRoute(w http.ResponseWriter, r *http.Request) {
	rec := newReply()
	defer rec.send(w)
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.remember(r, "", nil, rec.status) }()
	if _, err := s.authenticate(r); err != nil {
		rec.fail(s.store, *err)
		return
	}
	for _, verb := range []string{"GET", "POST", "PATCH", "DELETE"} {
		other := *r
		other.Method = verb
		if _, pattern := s.mux.Handler(&other); pattern != "" && verb != r.Method {
			rec.fail(
				s.store,
				apiError{
					Status: 405,
					Code:   "METHOD_NOT_ALLOWED",
					Title:  "The request method is not valid for the resource path.",
				},
			)
			return
		}
	}
	rec.fail(
		s.store,
		apiError{
			Status: 404,
			Code:   "PATH_ERROR",
			Title:  "The URL path is not valid",
			Detail: "The resource '" + r.URL.Path + "' does not exist",
		},
	)
}

// serve answers one call of an operation.
func (s *Sandbox) serve(w http.ResponseWriter, r *http.Request, op *factOp) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBodyBytes+1))
	rec := newReply()
	s.mu.Lock()
	if err != nil || len(body) > maxBodyBytes {
		rec.fail(s.store, apiError{Status: 413, Code: "REQUEST_TOO_LARGE", Title: "The request body is too large"})
	} else {
		s.answer(rec, r, op, body)
	}
	s.remember(r, op.ID, body, rec.status)
	s.mu.Unlock()
	s.post()
	if rec.hang {
		<-r.Context().Done()
		rec.cut = true
	}
	if rec.pause > 0 {
		t := time.NewTimer(rec.pause)
		defer t.Stop()
		select {
		case <-r.Context().Done():
		case <-t.C:
		}
	}
	s.cfg.Logger.Debug("sandbox", "operation", op.ID, "status", rec.status)
	rec.send(w)
}

// answer fills the reply: token, quota, faults, and then the operation.
func (s *Sandbox) answer(rec *reply, r *http.Request, op *factOp, body []byte) {
	if len(r.RequestURI) > maxURLBytes {
		rec.fail(s.store, unexpected())
		return
	}
	now := s.clock.now(s.cfg.Now())
	s.base = baseOf(r)
	s.happen(now)
	k, err := s.authenticate(r)
	if err != nil {
		rec.fail(s.store, *err)
		return
	}
	faults := s.matching(r, op)
	for _, f := range faults {
		k.foreign(f.Foreign, now)
	}
	if err = s.charge(k, now); err == nil {
		err = s.unsigned()
	}
	if err == nil {
		err = k.forbids(op)
	}
	rec.limits = k.limits(s.cfg, now)
	if err != nil {
		rec.fail(s.store, *err)
	} else if s.calls[op.ID]++; !s.instead(rec, faults) {
		c := &call{s: s, op: op, r: r, rec: rec, body: body, now: now, base: s.base}
		if errs := c.run(); len(errs) > 0 {
			rec.fail(s.store, errs...)
		}
		s.happen(now)
	}
	s.afterwards(rec, r, op, faults)
}

// baseOf is the address at which a caller sees the sandbox.
func baseOf(r *http.Request) string {
	if r.TLS == nil {
		return "http://" + r.Host
	}
	return "https://" + r.Host
}

// speaksJSON says whether a request's body is said to be JSON, or of no kind.
func speaksJSON(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return r.Header.Get("Content-Type") == "" ||
		err == nil && (kind == "application/json" || kind == "application/vnd.api+json")
}
