package command

import (
	"context"
	"time"
)

func (s *service) close() {
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
	if err := s.quota.Close(); err != nil {
		s.log.Warn("the ledger of requests did not close", "error", err)
	}
	for _, f := range s.free {
		f()
	}
	s.ring.Close()
	s.authn.Close()
	if s.audit != nil {
		if err := s.audit.Close(); err != nil {
			s.log.Error("the audit log did not close", "error", err)
		}
	}
}
