package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/config"
	"github.com/asc-gateway/asc-gateway/internal/edge/conns"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/keys/filekey"
	"github.com/asc-gateway/asc-gateway/internal/overload"
	"github.com/asc-gateway/asc-gateway/internal/sandbox"
	"golang.org/x/sync/errgroup"
)

// How long the end takes at most: calls in flight after SIGTERM, and closing
// what the service holds. Kubernetes grants 30 s by default.
const (
	drainTime = 22 * time.Second
	closeTime = 6 * time.Second
)

// gcPercent is how much the heap may grow before garbage is collected, unless
// GOGC says otherwise. Much of the heap is descriptors, which never change: Go's
// own 100 would let garbage grow to as much again.
const gcPercent = 50

// triedLimit is the hour of the sandbox beside the gateway: whoever tries it
// should not have to wait.
const triedLimit = 100_000

// serveConfigured serves with the keys of the configuration.
func serveConfigured(ctx context.Context, file string, cfg *config.Config, extra []keys.Backend, out *logging, stdout io.Writer) error {
	s, err := newService(ctx, file, cfg, extra, out)
	if err != nil {
		return unlessEnded(ctx, err)
	}
	return s.serve(ctx, stdout)
}

// serveSandboxed starts a sandbox beside the gateway, with a key made for it.
func serveSandboxed(ctx context.Context, cfg *config.Config, out *logging, stdout io.Writer) error {
	log := slog.New(out.handler)
	s, err := sandbox.New(sandbox.Config{Logger: log, HourLimit: triedLimit})
	if err != nil {
		return err
	}
	const kid = "SANDBOXKEY"
	private, err := s.NewKey(kid)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	cfg.Upstream.BaseURL = "http://" + l.Addr().String()
	cfg.Teams = []config.Team{{Name: "sandbox", Keys: []config.Key{{ID: kid, IssuerID: sandbox.DefaultIssuer, URI: "memory:"}}}}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return serveHTTP(ctx, &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}, l)
	})
	group.Go(func() error {
		fmt.Fprintf(stdout, "sandbox  %s (control below /_sandbox/)\n", cfg.Upstream.BaseURL)
		gw, err := newService(ctx, "", cfg, []keys.Backend{inMemory{filekey.FromPrivate(kid, private)}}, out)
		if err != nil {
			return unlessEnded(ctx, err)
		}
		return gw.serve(ctx, stdout)
	})
	return group.Wait()
}

// inMemory is the custody of the sandbox's own key.
type inMemory struct{ key keys.Key }

func (inMemory) Scheme() string { return "memory" }
func (m inMemory) Open(context.Context, string, string) (keys.Key, error) {
	return m.key, nil
}

// serve runs the gateway until ctx ends, then lets calls in flight finish: within
// drainTime and closeTime it is over, whatever is open.
func (s *service) serve(ctx context.Context, stdout io.Writer) error {
	defer within(closeTime, s.close)
	if err := s.listen(); err != nil {
		return err
	}
	for _, l := range s.faces {
		defer l.Close()
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.gateway.Server.GRPC().Serve(s.faces["grpc"]) })
	group.Go(func() error { return s.serveHTTP(ctx, s.gateway.REST, "rest") })
	group.Go(func() error { return s.serveHTTP(ctx, s.gateway.Ops(s.tell, s.ready, s.cfg.Ops.Profiles), "ops") })
	if s.faces["passthrough"] != nil {
		group.Go(func() error { return s.serveHTTP(ctx, s.gateway.Passthrough, "passthrough") })
	}
	group.Go(func() error { return s.watch(ctx) })
	group.Go(func() error { s.gateway.Server.Tend(ctx); return nil })
	group.Go(func() error { s.faces["grpc"].Tend(ctx); return nil })
	group.Go(func() error { s.reopen(ctx); return nil })
	group.Go(func() error {
		<-ctx.Done()
		s.gateway.NotReady()
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		s.gateway.Server.Drain(limited)
		return nil
	})
	if was := debug.SetGCPercent(gcPercent); was != 100 {
		debug.SetGCPercent(was) // GOGC says otherwise
	}
	debug.FreeOSMemory() // compiling the plans leaves garbage: an idle gateway should be small
	s.hello(stdout)
	return group.Wait()
}

// within runs f, and goes on when that takes too long: the process is ending.
func within(d time.Duration, f func()) {
	done := make(chan struct{})
	go func() { f(); close(done) }()
	select {
	case <-done:
	case <-time.After(d):
	}
}

// listen opens the faces.
func (s *service) listen() error {
	addresses := map[string]string{"rest": s.cfg.Listen.REST, "grpc": s.cfg.Listen.GRPC, "ops": s.cfg.Listen.Ops}
	if s.cfg.Passthrough.Listen != "" {
		addresses["passthrough"] = s.cfg.Passthrough.Listen
	}
	faces := map[string]*conns.Listener{}
	for name, addr := range addresses {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			for _, open := range faces {
				open.Close()
			}
			return fmt.Errorf("listen %s: %w", name, err)
		}
		faces[name] = conns.Listen(l, connectionsOf(s.cfg))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faces = faces
	return nil
}

// mostFaces is how many there can be.
const mostFaces = 4

func connectionsOf(cfg *config.Config) conns.Limits {
	most := cfg.Limits.MaxConnections
	if most <= 0 {
		most = conns.DefaultMax
	}
	return conns.Limits{Max: min(most, descriptorsFor(mostFaces)), PerAddress: cfg.Limits.MaxConnectionsPerAddress}
}

// hello tells where the faces are, who may call, and what to try.
func (s *service) hello(w io.Writer) {
	scheme := "http"
	if s.tls != nil {
		scheme = "https"
	}
	rest, grpc := s.faces["rest"].Addr(), s.faces["grpc"].Addr()
	fmt.Fprintf(w, "rest     %s://%s\ngrpc     %s\nops      http://%s/readyz\n", scheme, rest, grpc, s.faces["ops"].Addr())
	if l := s.faces["passthrough"]; l != nil {
		fmt.Fprintf(w, "apple    %s://%s (Apple's own paths: give it to tools as their base URL)\n", scheme, l.Addr())
	}
	if s.cfg.Audit.Path != "" {
		fmt.Fprintf(w, "audit    %s\n", s.cfg.Audit.Path)
	}
	if s.cfg.Authn.FirstTokenFile != "" {
		fmt.Fprintf(w, "token    in %s: send it as Authorization: Bearer …\n", s.cfg.Authn.FirstTokenFile)
	}
	if !s.cfg.Open() {
		return
	}
	fmt.Fprintf(w, `no caller is authenticated: every face listens on loopback only

Try:
  curl -gs 'http://%s/v1/apps?limit=2&fields[apps]=name,bundleId'
  grpcurl -plaintext -d '{"page_size": 2}' %s asc.metadata.v1.AppsService/ListApps
`, rest, grpc)
}

// serveHTTP serves a face; all but ops have TLS where it is configured.
func (s *service) serveHTTP(ctx context.Context, h http.Handler, face string) error {
	server := edgeServer(h, s.log)
	if s.tls != nil && face != "ops" {
		server.TLSConfig = s.tls.ServerConfig()
	}
	return serveHTTP(ctx, server, s.faces[face])
}

// edgeServer bounds what a connection costs before its caller is known. A body
// has its own deadline, set where it is read; a write has that of the connection.
func edgeServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ConnContext:       conns.Context,
		ErrorLog:          newQuiet(log, "HTTP"),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          conns.MaxStreams,
			MaxReceiveBufferPerConnection: 128 << 10,
			MaxReceiveBufferPerStream:     64 << 10,
			SendPingTimeout:               2 * time.Minute,
			PingTimeout:                   20 * time.Second,
			WriteByteTimeout:              30 * time.Second,
		},
	}
}

// serveHTTP serves until ctx ends, and then until calls in flight have ended, or
// drainTime is over: then they are broken off.
func serveHTTP(ctx context.Context, s *http.Server, l net.Listener) error {
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		if s.Shutdown(limited) != nil {
			_ = s.Close() // ends their contexts
		}
	})
	defer stop()
	serve := func() error { return s.Serve(l) }
	if s.TLSConfig != nil {
		serve = func() error { return s.ServeTLS(l, "", "") }
	}
	if err := serve(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-stopped
	return nil
}

// quiet writes what net/http complains about as records, one a second: callers
// that nobody knows cause them.
type quiet struct {
	log    *slog.Logger
	from   string
	seldom overload.Seldom
}

func newQuiet(log *slog.Logger, from string) *stdlog.Logger {
	return stdlog.New(&quiet{log: log, from: from}, "", 0)
}

// Write implements [io.Writer].
func (q *quiet) Write(line []byte) (int, error) {
	q.tell(strings.TrimSpace(string(line)))
	return len(line), nil
}

func (q *quiet) tell(what string) {
	if ok, leftOut := q.seldom.Pass(time.Now()); ok {
		q.log.Warn("a connection failed", "from", q.from, "error", what, "left_out", leftOut)
	}
}
