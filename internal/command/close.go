package command

import (
	"context"
	"time"
)

// leaveReload is how long the end waits for a reload to notice.
const leaveReload = 2 * time.Second

// close frees what was opened, also when not all was. It ends reloads for good.
func (s *service) close() {
	timer := time.NewTimer(leaveReload)
	defer timer.Stop()
	select {
	case s.reloading <- struct{}{}:
	case <-timer.C:
		s.log.Warn("a reload hangs, and is left behind", "at", *s.step.Load())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	defer func() {
		if err := s.tell.Close(ctx); err != nil {
			s.log.Warn("not all telemetry was sent", "error", err)
		}
	}()
	if s.spread != nil {
		s.spread.Close()
	}
	if s.gateway != nil {
		s.gateway.Close()
	}
	for _, f := range s.free {
		f()
	}
	if s.store != nil {
		s.store.Close()
	}
	if s.quota != nil {
		if err := s.quota.Close(); err != nil { // and the client of Redis
			s.log.Warn("the ledger of requests did not close", "error", err)
		}
	}
	if s.ring != nil {
		s.ring.Close()
	}
	if s.authn != nil {
		s.authn.Close()
	}
	if s.audit != nil {
		if err := s.audit.Close(); err != nil {
			s.log.Error("the audit log did not close", "error", err)
		}
	}
}
