package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/config"
	"github.com/asc-gateway/asc-gateway/internal/gateway"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/sandbox"
	"golang.org/x/sync/errgroup"
)

// drainTime is how long calls in flight have after SIGTERM.
const drainTime = 25 * time.Second

// serveConfigured serves with the keys of the configuration.
func serveConfigured(ctx context.Context, cfg *config.Config, log *slog.Logger, stdout io.Writer) error {
	credentials := map[string]keys.Credential{}
	for _, t := range cfg.Teams {
		k := t.Keys[0]
		key, err := keys.OpenFile(k.ID, k.PrivateKeyFile)
		if err != nil {
			return err
		}
		c := keys.Credential{Key: key, Issuer: k.IssuerID}
		if k.Enterprise {
			c.Audience = keys.EnterpriseAudience
		}
		credentials[t.Name] = c
	}
	return serve(ctx, cfg, credentials, log, stdout)
}

// serveSandboxed starts a sandbox beside the gateway, with a key made for it.
func serveSandboxed(ctx context.Context, cfg *config.Config, log *slog.Logger, stdout io.Writer) error {
	s, err := sandbox.New(sandbox.Config{Logger: log})
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
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return serveHTTP(ctx, &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}, l)
	})
	group.Go(func() error {
		fmt.Fprintf(stdout, "sandbox  %s (control below /_sandbox/)\n", cfg.Upstream.BaseURL)
		credential := keys.Credential{Key: keys.FromPrivate(kid, private), Issuer: sandbox.DefaultIssuer}
		return serve(ctx, cfg, map[string]keys.Credential{"sandbox": credential}, log, stdout)
	})
	return group.Wait()
}

// serve runs the gateway until ctx ends, then lets calls in flight finish.
func serve(ctx context.Context, cfg *config.Config, credentials map[string]keys.Credential, log *slog.Logger, stdout io.Writer) error {
	g, err := gateway.New(cfg.Upstream.BaseURL, keys.NewTokens(credentials, time.Now), teams(credentials), log)
	if err != nil {
		return err
	}
	defer g.Close()
	listeners := map[string]net.Listener{}
	for name, addr := range map[string]string{"rest": cfg.Listen.REST, "grpc": cfg.Listen.GRPC, "ops": cfg.Listen.Ops} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return fmt.Errorf("listen.%s: %w", name, err)
		}
		defer l.Close()
		listeners[name] = l
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return g.Server.GRPC().Serve(listeners["grpc"]) })
	group.Go(func() error { return serveHTTP(ctx, restServer(g.REST), listeners["rest"]) })
	group.Go(func() error { return serveHTTP(ctx, restServer(g.Ops()), listeners["ops"]) })
	group.Go(func() error {
		<-ctx.Done()
		g.NotReady()
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		g.Server.Drain(limited)
		return nil
	})
	debug.FreeOSMemory() // compiling the plans leaves garbage: an idle gateway should be small
	fmt.Fprintf(stdout, hello, listeners["rest"].Addr(), listeners["grpc"].Addr(), listeners["ops"].Addr())
	return group.Wait()
}

const hello = `rest     http://%[1]s
grpc     %[2]s
ops      http://%[3]s/readyz
no caller is authenticated: every face listens on loopback only

Try:
  curl -gs 'http://%[1]s/v1/apps?limit=2&fields[apps]=name,bundleId'
  grpcurl -plaintext -d '{"page_size": 2}' %[2]s asc.metadata.v1.AppsService/ListApps
`

func teams(credentials map[string]keys.Credential) (out []string) {
	for name := range credentials {
		out = append(out, name)
	}
	return out
}

func restServer(h http.Handler) *http.Server {
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
