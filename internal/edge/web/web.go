// Package web serves the pages of the REST face: what the gateway is, and an
// explorer of all operations, made from the descriptors.
//
// The pages are open to everyone, so they must hold nothing but what stands in
// this repository: no team, no caller, nothing of a policy, nothing of Apple's
// answers. They work without script; nothing is made before it is asked for.
package web

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	catalogv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/catalog/v1"
	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/edge/web/assets"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"golang.org/x/time/rate"
	"google.golang.org/protobuf/reflect/protoreflect"
)

//go:embed pages
var pages embed.FS

// Patterns are the paths that the pages are served on.
var Patterns = []string{"/{$}", "/docs", "/docs/{service}/{method}", "/assets/{name}"}

// Bounds of all pages together: they are made for callers that nobody knows.
const (
	pagesPerSecond = 100
	pagesAtOnce    = 200
)

// Searcher finds operations: *service.Catalog has it.
type Searcher interface {
	SearchOperations(context.Context, *catalogv1.SearchOperationsRequest) (*catalogv1.SearchOperationsResponse, error)
}

// Config of the pages.
type Config struct {
	Version   string // of the gateway
	GRPC      string // address of the gRPC face, as it is configured
	Sandboxed bool   // calls go to a sandbox: writes harm nothing
	Anonymous func() bool
}

// Pages is an [http.Handler] for [Patterns].
type Pages struct {
	cfg     Config
	engine  *service.Engine
	catalog Searcher
	methods []*access.Method
	own     []*own
	about   func() func(protoreflect.Descriptor) string // comments of own methods
	limit   *rate.Limiter
	mux     *http.ServeMux
	parsed  sync.Map // name → *template.Template
}

// New makes the pages. methods are what policies can name.
func New(cfg Config, engine *service.Engine, catalog Searcher, methods []*access.Method) *Pages {
	p := &Pages{cfg: cfg, engine: engine, catalog: catalog, methods: methods, own: ownMethods(methods),
		limit: rate.NewLimiter(pagesPerSecond, pagesAtOnce), mux: http.NewServeMux()}
	p.about = ownTextsOf(p.own)
	p.mux.HandleFunc("/{$}", p.home)
	p.mux.HandleFunc("/docs", p.docs)
	p.mux.HandleFunc("/docs/{service}/{method}", p.operation)
	p.mux.HandleFunc("/assets/{name}", assets.Serve)
	return p
}

// ServeHTTP implements [http.Handler].
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !p.limit.AllowN(time.Now(), 1) {
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many pages are asked for: try again in a second", http.StatusTooManyRequests)
		return
	}
	p.mux.ServeHTTP(w, r)
}

// count is how many operations there are, Apple's and the gateway's own.
func (p *Pages) count() int { return len(p.engine.Entries) + len(p.own) }

// area is a part of Apple's API, or the gateway's own services.
type area struct {
	Name       string
	About      string
	Operations int
}

// areas lists the areas by name.
func (p *Pages) areas() (list []area) {
	counts := map[string]int{}
	for _, e := range p.engine.Entries {
		counts[e.Area()]++
	}
	counts[ownArea] = len(p.own)
	for name, n := range counts {
		list = append(list, area{name, aboutAreas[name], n})
	}
	slices.SortFunc(list, func(a, b area) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// aboutAreas says what an area holds.
var aboutAreas = map[string]string{
	"appclips":     "App Clips and their experiences",
	"commerce":     "In-app purchases, subscriptions, offers, prices",
	"distribution": "Alternative distribution and marketplaces",
	ownArea:        "The gateway's own services: no operations of Apple's",
	"gamecenter":   "Achievements, leaderboards, challenges, matchmaking",
	"metadata":     "Apps, App Store versions, localizations, screenshots, review",
	"provisioning": "Bundle ids, certificates, devices, profiles",
	"reporting":    "Sales, finance and analytics reports, metrics, diagnostics",
	"testflight":   "Builds, beta groups, testers, feedback",
	"users":        "Users and invitations",
	"webhooks":     "Apple's webhooks and their deliveries",
	"xcodecloud":   "Xcode Cloud products, workflows, builds",
}

// home is the first page. Callers that do not ask for HTML get JSON.
func (p *Pages) home(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Accept")
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		p.homeJSON(w)
		return
	}
	document := service.Document()
	p.show(w, "home.html", "", assets.Page{Title: "Start", Links: links("/"), Content: map[string]any{
		"Version": p.cfg.Version, "Document": document.GetVersion(), "SHA256": document.GetSha256(),
		"Areas": p.areas(), "Count": p.count(), "Sandboxed": p.cfg.Sandboxed,
		"Base": base(r), "TLS": r.TLS != nil, "Token": !p.cfg.Anonymous(), "GRPC": p.grpcAddress(r)}})
}

func (p *Pages) homeJSON(w http.ResponseWriter) {
	document := service.Document()
	b, _ := json.Marshal(map[string]any{ // strings always fit
		"name":     name,
		"version":  p.cfg.Version,
		"document": map[string]string{"version": document.GetVersion(), "sha256": document.GetSha256()},
		"links":    map[string]string{"docs": "/docs", "openapi": "/openapi/{area}.json"},
	})
	assets.Protect(w.Header())
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n')) // a caller that went away needs no answer
}

const name = "App Store Connect gateway"

func links(current string) []assets.Link {
	list := []assets.Link{{Title: "Start", URL: "/"}, {Title: "Operations", URL: "/docs"}}
	for i := range list {
		list[i].Current = list[i].URL == current
	}
	return list
}

// show makes a page of a template and sends it, or only a part of it. data is an
// assets.Page for a whole one.
func (p *Pages) show(w http.ResponseWriter, template, part string, data any) {
	t, err := p.template(template)
	if err == nil {
		if page, whole := data.(assets.Page); whole {
			page.Name = name
			part, data = "frame.html", page
		}
		err = send(w, t, part, data)
	}
	if err != nil {
		http.Error(w, "the page cannot be made", http.StatusInternalServerError)
	}
}

// template parses a template when it is first asked for.
func (p *Pages) template(name string) (*template.Template, error) {
	if t, ok := p.parsed.Load(name); ok {
		return t.(*template.Template), nil
	}
	t, err := assets.Parse(pages, "pages/"+name)
	if err == nil {
		p.parsed.Store(name, t)
	}
	return t, err
}

// send writes what a template makes, if it makes the whole of it.
func send(w http.ResponseWriter, t *template.Template, part string, data any) error {
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, part, data); err != nil {
		return err
	}
	assets.Protect(w.Header())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(b.Bytes()) // a caller that went away needs no answer
	return nil
}

// base is the address at which a caller sees the gateway.
func base(r *http.Request) string {
	if r.TLS == nil {
		return "http://" + r.Host
	}
	return "https://" + r.Host
}
