package command

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/config"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/keys/filekey"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"golang.org/x/sync/errgroup"
)

// triedLimit is the hour of the sandbox beside the gateway: whoever tries it
// should not have to wait.
const triedLimit = 100_000

// sandboxTeam is the team of the sandbox.
const sandboxTeam = "sandbox"

// sandboxPolicy allows whoever has the token everything: nothing but the sandbox
// is behind it.
const sandboxPolicy = "version: 1\nrules: [{name: sandbox, principals: ['token:sandbox'], " +
	"methods: ['asc.*.v1.*/*', 'ascgateway.*.v1.*/*'], teams: [" + sandboxTeam + "], apps: all, org: true}]\n"

// serveSandboxed starts a sandbox beside the gateway, with a key made for it.
func serveSandboxed(
	ctx context.Context, cfg *config.Config, box sandbox.World, out *logging, stdout io.Writer,
) error {
	return beforeSandbox(ctx, cfg, box, out, stdout, func(ctx context.Context, gw *service) error {
		return gw.serve(ctx, stdout)
	})
}

// beforeSandbox runs serve with a gateway whose upstream is a sandbox, until one
// of them ends.
func beforeSandbox(
	ctx context.Context, cfg *config.Config, box sandbox.World, out *logging, stdout io.Writer,
	serve func(context.Context, *service) error,
) error {
	s, err := sandbox.Open(box)
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
	key := config.Key{ID: kid, IssuerID: sandbox.DefaultIssuer, URI: "memory:"}
	cfg.Teams = []config.Team{{Name: sandboxTeam, Keys: []config.Key{key}}}
	token := guardOthers(cfg)
	forget, err := storeOf(cfg)
	if err != nil {
		return err
	}
	defer forget()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return serveBox(ctx, s, l)
	})
	group.Go(func() error {
		fmt.Fprintf(stdout, "sandbox  %s (control below /_sandbox/; it checks tokens)\n%s",
			cfg.Upstream.BaseURL, peerLines(cfg.Upstream.BaseURL, sandbox.DefaultIssuer, true))
		gw, err := newService(ctx, "", cfg, []keys.Backend{inMemory{filekey.FromPrivate(kid, private)}}, out)
		if err != nil {
			return unlessEnded(ctx, err)
		}
		if token != "" {
			fmt.Fprintf(stdout, "token    %s\n         send it as Authorization: Bearer …; it ends with this process\n", token)
		}
		return serve(ctx, gw)
	})
	return group.Wait()
}

// storeOf gives a gateway that is only tried a store that ends with it.
func storeOf(cfg *config.Config) (forget func(), err error) {
	if cfg.Store.URL != "" {
		return func() {}, nil
	}
	dir, err := os.MkdirTemp("", "asc-gateway-")
	if err != nil {
		return nil, err
	}
	cfg.Store.URL = "sqlite:" + filepath.Join(dir, "store.db")
	setDefault(&cfg.Jobs.BuildEvery, config.Duration(2*time.Second)) // the sandbox does not take as long as Apple
	setDefault(&cfg.Jobs.ReviewEvery, config.Duration(2*time.Second))
	return func() { _ = os.RemoveAll(dir) }, nil
}

// guardOthers makes a token where others than this machine can reach a gateway
// that would ask nobody. "": none is needed.
func guardOthers(cfg *config.Config) string {
	if !cfg.Open() || !cfg.Reachable() {
		return ""
	}
	token, sum := authn.NewToken()
	cfg.Policy = config.Policy{Text: sandboxPolicy}
	cfg.Authn.Tokens = []authn.StaticToken{{Name: "sandbox", SHA256: sum}}
	return token
}

// sandboxForCalls is the gateway of `gateway call --sandbox`: in this process, on
// a port of loopback that the system chooses, silent.
func sandboxForCalls(ctx context.Context) (address string, stop func(), err error) {
	const anyPort = "127.0.0.1:0"
	cfg, err := config.DefaultWith(config.Overrides{REST: anyPort, GRPC: anyPort, Ops: anyPort, Sandbox: true})
	if err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		quiet, box := &logging{handler: slog.DiscardHandler}, sandbox.World{HourLimit: triedLimit}
		ended <- beforeSandbox(ctx, cfg, box, quiet, io.Discard, func(ctx context.Context, gw *service) error {
			gw.listening = func() { ready <- gw.faces["grpc"].Addr().String() }
			return gw.serve(ctx, io.Discard)
		})
	}()
	select {
	case address := <-ready:
		return address, func() { cancel(); <-ended }, nil
	case err := <-ended:
		cancel()
		if err == nil {
			err = context.Cause(ctx)
		}
		return "", nil, err
	}
}

// inMemory is the custody of the sandbox's own key.
type inMemory struct{ key keys.Key }

func (inMemory) Scheme() string { return "memory" }
func (m inMemory) Open(context.Context, string, string) (keys.Key, error) {
	return m.key, nil
}
