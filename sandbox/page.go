package sandbox

import (
	"bytes"
	"cmp"
	"embed"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/edge/web/assets"
)

//go:embed page.html
var pageFiles embed.FS

// lastRequests is how many requests the page shows.
const lastRequests = 30

// mostTarget bounds the target of a request on the page.
const mostTarget = 200

// seen is a request as the page shows it.
type seen struct {
	At        time.Time
	Verb      string
	Target    string
	Operation string
	Status    int
}

// lastSeen are the last requests, the newest first.
func (s *Sandbox) lastSeen() (list []seen) {
	for _, r := range slices.Backward(s.recent[max(0, len(s.recent)-lastRequests):]) {
		target := r.Path
		if r.Query != "" {
			target += "?" + r.Query
		}
		if len(target) > mostTarget {
			target = strings.ToValidUTF8(target[:mostTarget], "") + "…"
		}
		list = append(list, seen{r.At, r.Method, target, r.Operation, r.Status})
	}
	return list
}

// worldView is what the page shows.
type worldView struct {
	Query    string // "?world=KEYID", or ""
	Time     string
	Scale    float64
	Version  string
	Types    []countOf
	Objects  int
	Calls    []countOf
	Requests []seen
	Waiting  []waiting
	Faults   []faultView
	Keys     []keyView
}

type countOf struct {
	Name  string
	Count int
}

type faultView struct {
	Fault
	Number    int // by which the page deletes it
	Met, Used int
}

type keyView struct {
	ID          string
	Left, Limit int
}

// world is how the sandbox stands.
func (s *Sandbox) world() worldView {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.now(s.cfg.Now())
	s.happen(now)
	v := worldView{Query: s.of(), Time: now.UTC().Format(time.RFC3339), Scale: s.clock.scale, Version: s.facts.Version}
	for _, typ := range slices.Sorted(maps.Keys(s.store.types)) {
		if n := len(s.store.types[typ].order); n > 0 {
			v.Types = append(v.Types, countOf{typ, n})
			v.Objects += n
		}
	}
	for op, n := range s.calls {
		v.Calls = append(v.Calls, countOf{op, n})
	}
	slices.SortFunc(v.Calls, func(a, b countOf) int { return cmp.Or(b.Count-a.Count, cmp.Compare(a.Name, b.Name)) })
	v.Calls = v.Calls[:min(len(v.Calls), lastRequests)]
	v.Requests, v.Waiting = s.lastSeen(), s.waitingObjects()
	for _, f := range s.faults {
		v.Faults = append(v.Faults, faultView{f.Fault, f.number, f.met, f.used})
	}
	for _, kid := range slices.Sorted(maps.Keys(s.keys)) {
		k := s.keys[kid]
		k.hour = k.hour.slide(now, time.Hour)
		v.Keys = append(v.Keys, keyView{cmp.Or(kid, "(any)"), max(0, s.cfg.HourLimit-len(k.hour)), s.cfg.HourLimit})
	}
	return v
}

// page is a whole page without its content; its links stay with its world, and that to
// itself is marked.
func (s *Sandbox) page(path string) assets.Page {
	return assets.Page{
		Title: "World", Name: "App Store Connect sandbox", Script: "moving.js",
		Links: []assets.Link{
			{Title: "World", URL: "/" + s.of(), Current: path == "/"},
			{Title: "Sales", URL: "/sales" + s.of(), Current: path == "/sales"},
			{Title: "State", URL: "/_sandbox/state" + s.of()},
			{Title: "Faults", URL: "/_sandbox/faults" + s.of()},
		},
	}
}

// pages serves the sandbox's own pages, on loopback only.
func (s *Sandbox) pages() {
	parsed := sync.OnceValues(func() (*template.Template, error) { return assets.Parse(pageFiles, "page.html") })
	s.mux.HandleFunc("GET /{$}", onLoopback(func(w http.ResponseWriter, r *http.Request) {
		t, err := parsed()
		var b bytes.Buffer
		if err == nil && r.URL.Query().Get("part") == "moving" {
			err = t.ExecuteTemplate(&b, "moving", s.world())
		} else if err == nil {
			page := s.page("/")
			page.Content = s.world()
			err = t.ExecuteTemplate(&b, "frame.html", page)
		}
		sendPage(w, b.Bytes(), err)
	}))
	s.mux.HandleFunc("GET /sales", s.salesPage())
	s.mux.HandleFunc("GET /assets/{name}", onLoopback(assets.Serve))
}

// sendPage sends a page, or says that it could not be made.
func sendPage(w http.ResponseWriter, page []byte, err error) {
	if err != nil {
		http.Error(w, "the page cannot be made", http.StatusInternalServerError)
		return
	}
	assets.Protect(w.Header())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(page) // a caller that went away needs no answer
}
