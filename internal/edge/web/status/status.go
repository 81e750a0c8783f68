// Package status serves the page of the ops face: how the gateway stands, moving
// as it does.
//
// It shows what it is given as a [Snapshot], which must hold no id of Apple's,
// no token and no secret.
package status

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/edge/web/assets"
)

//go:embed status.html
var page embed.FS

// Bounds of the streams by which pages move.
const (
	maxStreams = 16
	streamTime = time.Hour        // then the browser asks again
	lookEvery  = time.Second      // how often a stream looks
	quietMost  = 15 * time.Second // without a change, a comment tells that the stream lives
	makeTime   = 5 * time.Second  // the longest that a snapshot may take
)

// Snapshot is how the gateway stands.
type Snapshot struct {
	Version, Document string
	NotReady          []string // why calls cannot be served; none: they can
	Degraded          []string // what is wrong although they can
	Keys              []Key
	KeysWrong         string // why the hours are not known; "": they are
	Waiting           []Waiting
	Callers           []Caller
	Rooms             []Room
	Cache             Cache
	Refusals          []Refusal
	Operations        *Operations // nil: there is no store
	Drift             int64
	Reads, Denied     int64
	Replicas          int
}

// Key is a signing key with its hour. It is named by its team and its place in
// the configuration.
type Key struct {
	Team      string
	Place     int // from 1
	State     string
	Kind      string
	Condition string // "ok", or what is wrong
	Hour      *Hour  // nil: it was not used yet
}

// Hour is the last hour of a key: requests.
type Hour struct {
	Limit, Used, Foreign, InFlight, Reserved int
	Waiting                                  int // calls of the team that wait
	BlockedFor                               time.Duration
}

// Waiting is calls of one caller that wait for the quota.
type Waiting struct {
	Team, Caller, Class, Endpoint string
	Calls                         int
	Longest                       time.Duration
}

// Caller is who has calls under way.
type Caller struct {
	Name  string
	Calls int
}

// Room is how full a class of calls is.
type Room struct {
	Class        string
	Inside, Shed int64
}

// Cache is what became of reads.
type Cache struct{ Hits, Misses, Coalesced, Bytes int64 }

// Refusal is errors that calls ended with.
type Refusal struct {
	Reason, Code string
	Count        int64
	Ago          time.Duration // of the last
}

// Operations are the jobs that go on after their call.
type Operations struct {
	Wrong  string // why they are not known; "": they are
	Counts []Count
	Newest []Operation
}

// Count is how many operations are in a state.
type Count struct {
	State string // "WAITING"
	Count int64
}

// Operation is one of the newest, without what its caller sent.
type Operation struct {
	Kind, Subject, State, Awaiting string
	Age                            time.Duration
}

// Page is an [http.Handler] for the page and for its stream of changes.
type Page struct {
	look    func(context.Context) Snapshot
	check   func(*http.Request) error
	drained <-chan struct{}
	streams chan struct{}
	every   time.Duration
	parsed  func() (*template.Template, error)
}

// New makes the page. look tells how the gateway stands, check refuses requests
// that come from where they must not, and drained is closed when streams must
// end.
func New(look func(context.Context) Snapshot, check func(*http.Request) error, drained <-chan struct{}) *Page {
	return &Page{look: look, check: check, drained: drained, streams: make(chan struct{}, maxStreams), every: lookEvery,
		parsed: sync.OnceValues(func() (*template.Template, error) { return assets.Parse(page, "status.html") })}
}

// Register serves the page on a mux: /, /status/events and /assets/.
func (p *Page) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", p.checked(p.show))
	mux.HandleFunc("GET /status/events", p.checked(p.events))
	mux.HandleFunc("GET /assets/{name}", p.checked(assets.Serve))
}

func (p *Page) checked(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := p.check(r); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		next(w, r)
	}
}

// show is the page as it is now; it is whole without script.
func (p *Page) show(w http.ResponseWriter, r *http.Request) {
	b, err := p.make(r.Context(), "frame.html")
	if err != nil {
		http.Error(w, "the page cannot be made", http.StatusInternalServerError)
		return
	}
	assets.Protect(w.Header())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(b) // a caller that went away needs no answer
}

// make renders the page or its moving part.
func (p *Page) make(ctx context.Context, part string) ([]byte, error) {
	t, err := p.parsed()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, makeTime)
	defer cancel()
	v := view{Snapshot: p.look(ctx)}
	var data any = v
	if part == "frame.html" {
		data = assets.Page{Title: "Status", Name: "App Store Connect gateway", Script: "status.js", Content: v,
			Links: []assets.Link{
				{Title: "Status", URL: "/", Current: true},
				{Title: "Metrics", URL: "/metrics"},
				{Title: "Ready", URL: "/readyz"},
			}}
	}
	var b bytes.Buffer
	err = t.ExecuteTemplate(&b, part, data)
	return b.Bytes(), err
}

// events sends the moving part of the page whenever it has changed, as
// server-sent events. It ends with the caller, when the gateway drains, and after
// an hour.
func (p *Page) events(w http.ResponseWriter, r *http.Request) {
	select {
	case p.streams <- struct{}{}:
		defer func() { <-p.streams }()
	default:
		w.Header().Set("Retry-After", "10")
		http.Error(w, fmt.Sprintf("%d pages are open already", maxStreams), http.StatusServiceUnavailable)
		return
	}
	assets.Protect(w.Header())
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	ctx, cancel := context.WithTimeout(r.Context(), streamTime)
	defer cancel()
	s := &stream{page: p, w: w, control: http.NewResponseController(w)}
	tick := time.NewTicker(p.every)
	defer tick.Stop()
	for {
		if err := s.step(ctx); err != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-p.drained:
			return
		case <-tick.C:
		}
	}
}

// stream is one open page.
type stream struct {
	page    *Page
	w       http.ResponseWriter
	control *http.ResponseController
	last    []byte
	wrote   time.Time
}

// step sends the moving part if it has changed.
func (s *stream) step(ctx context.Context) error {
	b, err := s.page.make(ctx, "moving")
	if err != nil {
		return err
	}
	now := time.Now()
	event := []byte(": still here\n\n")
	switch {
	case !bytes.Equal(b, s.last):
		text, err := json.Marshal(string(b))
		if err != nil {
			return err
		}
		event = slices.Concat([]byte("data: "), text, []byte("\n\n"))
		s.last = b
	case now.Sub(s.wrote) < quietMost:
		return nil
	}
	s.wrote = now
	if err := s.control.SetWriteDeadline(now.Add(makeTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := s.w.Write(event); err != nil {
		return err
	}
	return s.control.Flush()
}

// view adds to a snapshot what the template shows.
type view struct{ Snapshot }

// Ready says whether calls are served.
func (v view) Ready() bool { return len(v.NotReady) == 0 }

// HitRate is the share of reads that did not cost a request, "–" before the
// first.
func (v view) HitRate() string {
	all := v.Cache.Hits + v.Cache.Misses + v.Cache.Coalesced
	if all == 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f %%", 100*float64(v.Cache.Hits+v.Cache.Coalesced)/float64(all))
}

// Size is the cache in a readable unit.
func (c Cache) Size() string {
	if c.Bytes < 1<<20 {
		return fmt.Sprintf("%d KiB", c.Bytes>>10)
	}
	return fmt.Sprintf("%.1f MiB", float64(c.Bytes)/(1<<20))
}

// Good says whether a key can be used.
func (k Key) Good() bool { return k.Condition == "ok" }

// Since is a time ago, coarser the longer it is.
func (r Refusal) Since() string { return ago(r.Ago) }

// For is how long a call has waited.
func (w Waiting) For() string { return ago(w.Longest) }

// Since is how long ago an operation was asked for.
func (o Operation) Since() string { return ago(o.Age) }

// Blocked is how long a key is not used, "" if it is.
func (h *Hour) Blocked() string {
	if h.BlockedFor <= 0 {
		return ""
	}
	return ago(h.BlockedFor)
}

func ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	}
	return fmt.Sprintf("%d h", int(d.Hours()))
}

// Part is a piece of the picture of an hour: thousandths of its width.
type Part struct {
	Class    string
	At, Wide int
}

// pictureWidth is how wide a picture is.
const pictureWidth = 1000

// Parts divides the hour, from the left: what the gateway used, what is under
// way, what others used, what is free, and what is kept for urgent calls. A part
// that is not empty can be seen.
func (h *Hour) Parts() (list []Part) {
	free := max(h.Limit-h.Used, 0)
	reserved := min(h.Reserved, free)
	flight := min(h.InFlight, max(h.Used-h.Foreign, 0))
	at := 0
	add := func(class string, n int) {
		wide := 0
		if h.Limit > 0 {
			wide = n * pictureWidth / h.Limit
		}
		if n > 0 {
			wide = max(wide, 4)
		}
		wide = max(min(wide, pictureWidth-at), 0)
		list = append(list, Part{class, at, wide})
		at += wide
	}
	add("used", max(h.Used-h.Foreign-flight, 0))
	add("flight", flight)
	add("foreign", h.Foreign)
	add("free", free-reserved)
	list[3].Wide = max(list[3].Wide, 0)
	add("reserved", reserved)
	return list
}

// WaitingWide is the width of the bar of waiting calls.
func (h *Hour) WaitingWide() int {
	if h.Limit <= 0 || h.Waiting <= 0 {
		return 0
	}
	return min(max(h.Waiting*pictureWidth/h.Limit, 8), pictureWidth)
}

// Words is the picture in words, for readers that do not see it.
func (h *Hour) Words() string {
	words := []string{fmt.Sprintf("%d of %d requests used", h.Used, h.Limit)}
	for _, x := range []struct {
		n    int
		what string
	}{{h.Foreign, "by others"}, {h.InFlight, "under way"}, {h.Reserved, "kept for urgent calls"}, {h.Waiting, "calls waiting"}} {
		if x.n > 0 {
			words = append(words, fmt.Sprintf("%d %s", x.n, x.what))
		}
	}
	return strings.Join(words, ", ")
}
