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
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/config"
	"github.com/asc-gateway/asc-gateway/internal/edge/conns"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/overload"
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

// serveConfigured serves with the keys of the configuration.
func serveConfigured(
	ctx context.Context, file string, cfg *config.Config, over config.Overrides, extra []keys.Backend,
	out *logging, stdout io.Writer,
) error {
	s, err := newService(ctx, file, cfg, extra, out)
	if err != nil {
		return unlessEnded(ctx, err)
	}
	s.over = over
	if cfg.Open() {
		s.log.Warn("authn is not set: any program on this machine can call Apple with the teams' keys",
			"setting", "authn")
	}
	return s.serve(ctx, stdout)
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
	if s.listening != nil {
		s.listening()
	}
	group, ctx := errgroup.WithContext(ctx)
	s.serveFaces(ctx, group)
	group.Go(func() error { return s.watch(ctx) })
	group.Go(func() error { s.gateway.Server.Tend(ctx); return nil })
	group.Go(func() error { s.reopen(ctx); return nil })
	if s.store != nil {
		group.Go(func() error { s.store.Start(ctx); return nil })
		group.Go(func() error { s.gateway.Jobs.Serve(ctx); return nil })
		group.Go(func() error { s.gateway.Jobs.Observe(ctx); return nil })
	}
	group.Go(func() error {
		<-ctx.Done()
		fmt.Fprintln(stdout, "ending: calls in flight may finish")
		return nil
	})
	if was := debug.SetGCPercent(gcPercent); was != 100 {
		debug.SetGCPercent(was) // GOGC says otherwise
	}
	runtime.GC()         // what pools hold outlives one collection, and would let the heap grow
	debug.FreeOSMemory() // compiling the plans leaves garbage: an idle gateway should be small
	s.hello(stdout)
	began := time.Now()
	err := group.Wait()
	if ended := unlessEnded(ctx, err); ended == nil {
		fmt.Fprintf(stdout, "ended after %s\n", time.Since(began).Round(time.Second))
	}
	return err
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

// serveHTTP serves a face; all but ops have TLS where it is configured.
func (s *service) serveHTTP(ctx context.Context, h http.Handler, face string) error {
	server := edgeServer(h, s.log)
	if face == "all" {
		server.Protocols = new(http.Protocols)
		server.Protocols.SetHTTP1(true)
		server.Protocols.SetHTTP2(true)
		server.Protocols.SetUnencryptedHTTP2(true)
	}
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
