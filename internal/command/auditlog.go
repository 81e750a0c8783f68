package command

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/audit"
)

// openAudit opens the audit log. While another process still writes it, the ops
// face says so: alive, but not ready.
func (s *service) openAudit(ctx context.Context) (*audit.Log, error) {
	a := s.cfg.Audit
	return audit.Open(ctx, audit.Config{
		Path:     a.Path,
		MaxBytes: a.MaxBytes,
		MaxFiles: a.MaxFiles,
		Timeout:  time.Duration(a.Timeout),
		NoSync:   a.NoSync,
		Waiting:  func() func() { return s.serveWaiting(a.Path) },
	}, time.Now, s.log)
}

// serveWaiting serves /healthz and /readyz until it is stopped. If the other
// process has the address too, that one answers.
func (s *service) serveWaiting(path string) (stop func()) {
	l, err := net.Listen("tcp", s.cfg.Listen.Ops)
	if err != nil {
		return func() {}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "another process writes the audit log "+path, http.StatusServiceUnavailable)
	})
	server, ended := edgeServer(mux, s.log), make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(l) // until it is closed
	}()
	s.log.Info("not ready yet", "ops", l.Addr().String())
	return func() {
		_ = server.Close()
		<-ended
	}
}
