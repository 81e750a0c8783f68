package command

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/config"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/keys/filekey"
	"github.com/asc-gateway/asc-gateway/internal/sandbox"
	"golang.org/x/sync/errgroup"
)

// drainTime is how long calls in flight have after SIGTERM.
const drainTime = 25 * time.Second

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

// unlessEnded is nil for what failed because the process was told to end while
// it started: it may have waited for the audit log.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
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

// serve runs the gateway until ctx ends, then lets calls in flight finish.
func (s *service) serve(ctx context.Context, stdout io.Writer) error {
	defer s.close()
	listeners, err := s.listen()
	if err != nil {
		return err
	}
	for _, l := range listeners {
		defer l.Close()
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.gateway.Server.GRPC().Serve(listeners["grpc"]) })
	group.Go(func() error { return serveHTTP(ctx, edgeServer(s.gateway.REST), listeners["rest"]) })
	group.Go(func() error {
		return serveHTTP(ctx, edgeServer(s.gateway.Ops(s.tell, s.ready, s.cfg.Ops.Profiles)), listeners["ops"])
	})
	if l := listeners["passthrough"]; l != nil {
		group.Go(func() error { return serveHTTP(ctx, edgeServer(s.gateway.Passthrough), l) })
	}
	group.Go(func() error { return s.watch(ctx) })
	group.Go(func() error {
		<-ctx.Done()
		s.gateway.NotReady()
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		s.gateway.Server.Drain(limited)
		return nil
	})
	debug.FreeOSMemory() // compiling the plans leaves garbage: an idle gateway should be small
	s.hello(stdout, listeners)
	return group.Wait()
}

// listen opens the faces. TLS is for all but ops; gRPC brings its own.
func (s *service) listen() (map[string]net.Listener, error) {
	addresses := map[string]string{"rest": s.cfg.Listen.REST, "grpc": s.cfg.Listen.GRPC, "ops": s.cfg.Listen.Ops}
	if s.cfg.Passthrough.Listen != "" {
		addresses["passthrough"] = s.cfg.Passthrough.Listen
	}
	listeners := map[string]net.Listener{}
	for name, addr := range addresses {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			for _, open := range listeners {
				open.Close()
			}
			return nil, fmt.Errorf("listen %s: %w", name, err)
		}
		if s.tls != nil && (name == "rest" || name == "passthrough") {
			l = tls.NewListener(l, s.tls.ServerConfig())
		}
		listeners[name] = l
	}
	return listeners, nil
}

// hello tells where the faces are, who may call, and what to try.
func (s *service) hello(w io.Writer, listeners map[string]net.Listener) {
	scheme := "http"
	if s.tls != nil {
		scheme = "https"
	}
	rest, grpc := listeners["rest"].Addr(), listeners["grpc"].Addr()
	fmt.Fprintf(w, "rest     %s://%s\ngrpc     %s\nops      http://%s/readyz\n", scheme, rest, grpc, listeners["ops"].Addr())
	if l := listeners["passthrough"]; l != nil {
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

func edgeServer(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 60 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
}

// serveHTTP serves until ctx ends, and then until calls in flight have ended.
func serveHTTP(ctx context.Context, s *http.Server, l net.Listener) error {
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		stopped <- s.Shutdown(limited)
	})
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}
