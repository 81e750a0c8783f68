// Package gateway puts the parts together: client, engine, server and REST
// edge. Commands and tests start here.
package gateway

import (
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"

	catalogv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/catalog/v1"
	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/rest"
	"github.com/asc-gateway/asc-gateway/internal/server"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Gateway is all of it, but for listeners.
type Gateway struct {
	Client *asc.Client
	Engine *service.Engine
	Server *server.Server
	REST   http.Handler

	drift    atomic.Int64
	draining atomic.Bool
}

// New assembles a gateway that calls baseURL with the teams' tokens.
func New(baseURL string, tokens asc.TokenSource, teams []string, log *slog.Logger) (*Gateway, error) {
	g := &Gateway{}
	var err error
	if g.Client, err = asc.New(asc.Config{BaseURL: baseURL}, asc.Deps{Tokens: tokens, Logger: log}); err != nil {
		return nil, err
	}
	if g.Engine, err = service.New(g.Client, g); err != nil {
		return nil, err
	}
	g.Server = server.New(g.Engine, teams, log)
	own := []protoreflect.ServiceDescriptor{catalogv1.File_ascgateway_catalog_v1_catalog_proto.Services().ByName("CatalogService")}
	g.REST, err = rest.New(g.Server, g.Engine.Methods, own, log)
	return g, err
}

// Drift implements [service.Observer]: how much Apple says that the protos do
// not know yet.
func (g *Gateway) Drift(_ string, n int) { g.drift.Add(int64(n)) }

// Drifted is how many unknown things answers have held so far.
func (g *Gateway) Drifted() int64 { return g.drift.Load() }

// NotReady makes /readyz say so, ahead of draining.
func (g *Gateway) NotReady() { g.draining.Store(true) }

// Close frees what the gateway holds.
func (g *Gateway) Close() { g.Client.Close() }

// Ops serves /healthz and /readyz.
func (g *Gateway) Ops() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if g.draining.Load() {
			http.Error(w, "draining", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	return mux
}
