package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access/policy"
	"github.com/asc-gateway/asc-gateway/internal/audit"
	"github.com/asc-gateway/asc-gateway/internal/config"
	"github.com/asc-gateway/asc-gateway/internal/watch"
)

// setLevel takes the log's level of a configuration.
func (s *service) setLevel(cfg *config.Config) {
	if s.level != nil {
		var l slog.Level // info
		_ = l.UnmarshalText([]byte(cfg.Log.Level))
		s.level.Set(l)
	}
}

// loadLifetimes says how long answers are kept.
func (s *service) loadLifetimes(cfg *config.Config) error {
	byMethod := map[string]time.Duration{}
	for _, l := range cfg.Cache.Lifetimes {
		found := false
		for _, m := range s.gateway.Engine.Methods {
			if m.Verb != "GET" || !slices.ContainsFunc(l.Methods, func(p string) bool { return policy.MatchMethod(p, strings.TrimPrefix(m.FullName, "/")) }) {
				continue
			}
			found = true
			if _, set := byMethod[m.FullName]; !set {
				byMethod[m.FullName] = time.Duration(l.For)
			}
		}
		if !found {
			return fmt.Errorf("cache.lifetimes: %v names no method that reads", l.Methods)
		}
	}
	s.gateway.Engine.SetLifetimes(byMethod)
	return nil
}

func (s *service) loadPolicy(cfg *config.Config) error {
	if cfg.Policy.File == "" {
		return s.gateway.Guard.SetPolicy(nil)
	}
	p, err := policy.Read(cfg.Policy.File, s.gateway.Guard.Methods())
	if err != nil {
		return err
	}
	for _, t := range p.Teams() {
		if !slices.ContainsFunc(cfg.Teams, func(c config.Team) bool { return c.Name == t }) {
			s.log.Warn("the policy names a team that is not configured", "team", t)
		}
	}
	if p.Mode == policy.Audit {
		s.log.Warn("the policy's mode is audit: nothing is denied")
	}
	return s.gateway.Guard.SetPolicy(p)
}

// watch reloads on SIGHUP and when a file changes, until ctx ends.
func (s *service) watch(ctx context.Context) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	changed := make(chan struct{}, 1)
	files := watch.New(s.files)
	var watching sync.WaitGroup
	watching.Go(func() {
		files.Run(ctx, watch.Every, func() {
			select {
			case changed <- struct{}{}:
			default: // one is waiting already
			}
		})
	})
	defer watching.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hup:
			s.reload(ctx, "SIGHUP")
		case <-changed:
			s.reload(ctx, "a file changed")
		}
	}
}

// files are all whose change matters.
func (s *service) files() []string {
	s.mu.Lock()
	cfg := s.cfg
	s.mu.Unlock()
	names := append([]string{}, cfg.TLS.Names()...)
	for _, n := range []string{s.file, cfg.Policy.File, cfg.Authn.FirstTokenFile, cfg.Secrets.File} {
		if n != "" {
			names = append(names, n)
		}
	}
	for _, t := range cfg.Authn.Tokens {
		if t.File != "" {
			names = append(names, t.File)
		}
	}
	return append(names, keyFiles(cfg)...)
}

// reload takes the configuration and all that it names anew. What is wrong stays
// as it was, and is reported.
func (s *service) reload(ctx context.Context, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	next := s.cfg
	if s.file != "" {
		cfg, err := config.Read(s.file)
		if err != nil {
			errs = append(errs, err)
		} else if err := s.needsRestart(cfg); err != nil {
			errs = append(errs, err)
		} else {
			next = cfg
		}
	}
	credentials, failed := openKeys(ctx, next, s.extra, s.held)
	errs = append(errs, failed...)
	s.held = credentials
	s.ring.Replace(credentials)
	if err := s.authn.Replace(authnOf(next)); err != nil {
		errs = append(errs, fmt.Errorf("authn: %w", err))
	}
	if s.tls != nil {
		if err := s.tls.Reload(next.TLS); err != nil {
			errs = append(errs, err)
		}
	}
	if err := s.loadPolicy(next); err != nil {
		errs = append(errs, err)
	}
	if err := s.loadLifetimes(next); err != nil {
		errs = append(errs, err)
	}
	s.gateway.Tokens.Configure(tokensOf(next))
	s.limits.Configure(limitsOf(next))
	for _, l := range s.faces {
		l.Configure(connectionsOf(next))
	}
	if next.Secrets.File != "" {
		if err := s.secrets.Reload(next.Secrets.File); err != nil {
			errs = append(errs, fmt.Errorf("secrets.file: %w", err))
		}
	}
	s.setLevel(next)
	s.cfg = next
	outcome := "OK"
	if err := errors.Join(errs...); err != nil {
		outcome = "FAILED"
		s.log.Error("reloaded, but for what is wrong: that stays as it was", "why", why, "error", err)
	} else {
		s.log.Info("reloaded", "why", why)
	}
	if s.audit != nil {
		s.audit.Note(audit.Record{Event: audit.Reload, Outcome: outcome, Detail: why})
	}
}

// needsRestart says which changed settings a reload cannot take.
func (s *service) needsRestart(cfg *config.Config) error {
	var names []string
	for name, same := range map[string]bool{"upstream": cfg.Upstream == s.cfg.Upstream, "listen": cfg.Listen == s.cfg.Listen, "audit": cfg.Audit == s.cfg.Audit,
		"passthrough": cfg.Passthrough == s.cfg.Passthrough, "quota": reflect.DeepEqual(cfg.Quota, s.cfg.Quota), "cache.max_bytes": *cfg.Cache.MaxBytes == *s.cfg.Cache.MaxBytes, "telemetry": reflect.DeepEqual(cfg.Telemetry, s.cfg.Telemetry), "ops": cfg.Ops == s.cfg.Ops, "secrets": cfg.Secrets == s.cfg.Secrets, "streams": cfg.Streams == s.cfg.Streams, "limits.max_connection_age": cfg.Limits.MaxConnectionAge == s.cfg.Limits.MaxConnectionAge,
		"tls (on or off)": cfg.TLS.Enabled() == s.cfg.TLS.Enabled(), "authn (on or off)": cfg.Open() == s.cfg.Open()} {
		if !same {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return fmt.Errorf("%s: these settings need a restart; nothing of the new configuration was taken: %v", s.file, names)
}
