package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/asc-gateway/asc-gateway/internal/config"
	"github.com/asc-gateway/asc-gateway/internal/edge/conns"
	"golang.org/x/sync/errgroup"
)

// face is an address on which something is served.
type face struct {
	name, address, setting, flag string
}

// facesOf are those of a configuration. all is REST and gRPC on one port.
func facesOf(cfg *config.Config) []face {
	list := []face{{"ops", cfg.Listen.Ops, "listen.ops", "--ops"}}
	if cfg.Listen.Address != "" {
		list = append(list, face{"all", cfg.Listen.Address, "listen.address", "--listen"})
	} else {
		list = append(list, face{"rest", cfg.Listen.REST, "listen.rest", "--rest"},
			face{"grpc", cfg.Listen.GRPC, "listen.grpc", "--grpc"})
	}
	if cfg.Passthrough.Listen != "" {
		list = append(list, face{"passthrough", cfg.Passthrough.Listen, "passthrough.listen", ""})
	}
	return list
}

// listen opens the faces.
func (s *service) listen() error {
	faces := map[string]*conns.Listener{}
	for _, f := range facesOf(s.cfg) {
		l, err := net.Listen("tcp", f.address)
		if err != nil {
			for _, open := range faces {
				open.Close()
			}
			return f.failed(err)
		}
		faces[f.name] = conns.Listen(l, connectionsOf(s.cfg))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faces = faces
	return nil
}

// failed says which setting an address is from, and what can be done.
func (f face) failed(err error) error {
	other := ""
	if f.flag != "" {
		other = " or with " + f.flag + " HOST:PORT"
	}
	change := "choose another port in " + f.setting + other
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s: %s is taken by another process: %s", f.setting, f.address, change)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: this user may not listen on %s (ports below 1024 are often kept for root): %s",
			f.setting, f.address, change)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s: this machine has no address %s: %s", f.setting, f.address, change)
	}
	return fmt.Errorf("%s: cannot listen on %s: %w", f.setting, f.address, err)
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

// serveFaces serves until ctx ends, and drains.
func (s *service) serveFaces(ctx context.Context, group *errgroup.Group) {
	onePort := make(chan struct{}) // closed when no call is left on the one port
	if s.faces["all"] != nil {
		group.Go(func() error {
			defer close(onePort)
			return s.serveHTTP(ctx, s.both(), "all")
		})
		// As gRPC does on its own port: calls go on for as long again.
		group.Go(func() error { s.faces["all"].Retire(ctx, 2*s.gateway.Server.MaxConnectionAge()); return nil })
	} else {
		close(onePort)
		group.Go(func() error { return s.gateway.Server.GRPC().Serve(s.faces["grpc"]) })
		group.Go(func() error { s.faces["grpc"].Tend(ctx); return nil })
		group.Go(func() error { return s.serveHTTP(ctx, s.gateway.REST, "rest") })
	}
	group.Go(func() error { return s.serveHTTP(ctx, s.gateway.Ops(s.tell, s.ready, s.cfg.Ops.Profiles), "ops") })
	if s.faces["passthrough"] != nil {
		group.Go(func() error { return s.serveHTTP(ctx, s.gateway.Passthrough, "passthrough") })
	}
	group.Go(func() error {
		<-ctx.Done()
		s.gateway.NotReady()
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		s.gateway.Server.Ending()
		select {
		case <-onePort: // gRPC would break off what comes through net/http
		case <-limited.Done():
		}
		s.gateway.Server.Drain(limited)
		return nil
	})
}

// both serves gRPC and REST on one port: what comes over HTTP/2 with gRPC's
// content type is gRPC. net/http speaks HTTP/2 here, and bounds it. Over a
// connection that has reached its age, it answers with GOAWAY.
func (s *service) both() http.Handler {
	age := s.gateway.Server.MaxConnectionAge()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conns.Of(r.Context()).Older(age) {
			w.Header().Set("Connection", "close")
		}
		if r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
			s.gateway.Server.ServeHTTP(w, r)
			return
		}
		s.gateway.REST.ServeHTTP(w, r)
	})
}

// hello tells where the faces are, who may call, and what to try.
func (s *service) hello(w io.Writer) {
	scheme := "http"
	if s.tls != nil {
		scheme = "https"
	}
	rest, grpc := s.address("rest"), s.address("grpc")
	fmt.Fprintf(
		w,
		"rest     %s://%s (open it in a browser)\ngrpc     %s\nops      http://%s/readyz\n",
		scheme,
		rest,
		grpc,
		s.faces["ops"].Addr(),
	)
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
	fmt.Fprintf(w, `no caller is authenticated (authn is not set): every face listens on loopback only

Try:
  gateway call --address %[2]s ListApps page_size=2
  curl -gs 'http://%[1]s/v1/apps?limit=2&fields[apps]=name,bundleId'
  grpcurl -plaintext -d '{"page_size": 2}' %[2]s asc.metadata.v1.AppsService/ListApps
`, rest, grpc)
}

// address is where a face is: of its own, or the one port.
func (s *service) address(face string) net.Addr {
	if l := s.faces[face]; l != nil {
		return l.Addr()
	}
	return s.faces["all"].Addr()
}
