package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
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
		for _, m := range s.gateway.Engine.Entries {
			if m.Verb != "GET" ||
				!slices.ContainsFunc(
					l.Methods,
					func(p string) bool { return policy.MatchMethod(p, strings.TrimPrefix(m.FullName, "/")) },
				) {
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

// loadPolicy puts the policy of a configuration in place, if it is right and its
// own tests pass. On an error the policy before it stays, or there is none yet.
func (s *service) loadPolicy(cfg *config.Config) error {
	switch {
	case cfg.Policy.Text != "":
		p, err := policy.Parse("policy", []byte(cfg.Policy.Text), s.gateway.Guard.Methods())
		if err != nil {
			return err
		}
		return s.gateway.Guard.SetPolicy(p)
	case cfg.Policy.File == "" && s.gateway.Guard.HasPolicy():
		return errors.New("policy.file: it is not set any more, which would allow everything: that needs a restart")
	case cfg.Policy.File == "":
		return s.gateway.Guard.SetPolicy(nil)
	}
	p, err := policy.Read(cfg.Policy.File, s.gateway.Guard.Methods())
	if err != nil {
		return err
	}
	if err := p.Check(); err != nil {
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

// watch reloads on SIGHUP and when a file changes, until ctx ends. One of each
// that comes meanwhile is carried out afterwards.
func (s *service) watch(ctx context.Context) error {
	hup, stop := hangups(ctx)
	defer stop()
	changed := make(chan struct{}, 1)
	var watching sync.WaitGroup
	watching.Go(func() {
		s.watched.Run(ctx, watch.Every, func() {
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
	cfg := s.current.Load()
	names := append([]string{}, cfg.TLS.Names()...)
	for _, n := range append(authnFiles(cfg), s.file, cfg.Policy.File, cfg.Secrets.File) {
		if n != "" {
			names = append(names, n)
		}
	}
	return append(names, keyFiles(cfg)...)
}

// authnFiles are those that say whom to believe.
func authnFiles(cfg *config.Config) (names []string) {
	for _, i := range cfg.Authn.Issuers {
		names = append(names, i.CAFile)
	}
	for _, t := range authnOf(cfg).Tokens {
		names = append(names, t.File)
	}
	return slices.DeleteFunc(names, func(n string) bool { return n == "" })
}

// reloadTime bounds a reload. What obeys a context has nine tenths of it, so that
// it can be told from what hangs.
const reloadTime = 30 * time.Second

// reload takes the configuration and all that it names anew. What is wrong stays
// as it was, and is reported. One reload runs at a time.
//
// It returns when all is taken, after s.reloadTime, or when ctx ends. What hangs
// then, such as a read from a file system that is away, holds up the next reload
// only, and neither calls nor the end.
func (s *service) reload(ctx context.Context, why string) {
	waiting, leave := context.WithTimeout(ctx, s.reloadTime)
	defer leave()
	select {
	case s.reloading <- struct{}{}:
	case <-waiting.Done():
		s.gaveUp(ctx, why, "an earlier reload still hangs at ")
		return
	}
	done := make(chan error)
	go func() {
		defer func() { <-s.reloading }()
		working, cancel := context.WithTimeout(waiting, s.reloadTime*9/10)
		defer cancel()
		err := s.take(working)
		select {
		case done <- err:
		case <-waiting.Done():
			s.log.Warn("a reload that was given up has ended", "why", why, "error", err)
		}
	}()
	select {
	case err := <-done:
		s.reloaded(why, err)
	case <-waiting.Done():
		s.gaveUp(ctx, why, "hangs at ")
	}
}

// gaveUp reports a reload that took too long. There is nothing to report if it
// was ended with the gateway.
func (s *service) gaveUp(ctx context.Context, why, what string) {
	if ctx.Err() == nil {
		s.reloaded(why, fmt.Errorf("not done in %v: %s%s", s.reloadTime, what, *s.step.Load()))
	}
}

// reloaded reports and records how a reload went.
func (s *service) reloaded(why string, err error) {
	outcome := "OK"
	if err != nil {
		outcome = "FAILED"
		s.log.Error("reloaded, but for what is wrong: that stays as it was", "why", why, "error", err)
	} else {
		s.log.Info("reloaded", "why", why)
	}
	if s.audit != nil {
		s.audit.Note(audit.Record{Event: audit.Reload, Outcome: outcome, Detail: why})
	}
}

// take reads all anew, and puts in place what is right. Who calls it holds
// s.reloading. After ctx has ended it begins nothing more.
func (s *service) take(ctx context.Context) error {
	var errs []error
	next := s.current.Load()
	if s.file != "" {
		s.step.Store(&s.file)
		cfg, err := config.ReadWith(s.file, s.over)
		if err == nil {
			err = s.needsRestart(cfg)
		}
		if err != nil {
			errs = append(errs, err)
		} else {
			next = cfg
		}
	}
	s.current.Store(next)
	s.gateway.Tokens.Configure(tokensOf(next))
	s.limits.Configure(limitsOf(next))
	s.configureFaces(next)
	s.setLevel(next)
	for _, step := range s.steps(next) {
		if ctx.Err() != nil {
			errs = append(errs, fmt.Errorf("not begun in time: %s", step.of))
			continue
		}
		s.step.Store(&step.of)
		errs = append(errs, step.take(ctx))
	}
	return errors.Join(errs...)
}

// configureFaces takes the bounds of connections.
func (s *service) configureFaces(cfg *config.Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.faces {
		l.Configure(connectionsOf(cfg))
	}
}

// reloadStep is a part of a reload that reads files, or asks others.
type reloadStep struct {
	of   string // what it reads, for people
	take func(context.Context) error
}

// steps are those of a configuration. Keys are the last: their custody may be far
// away, and who may do what should not wait for it.
func (s *service) steps(cfg *config.Config) []reloadStep {
	of := func(setting string, files ...string) string {
		return strings.TrimSpace(setting + " " + strings.Join(files, " "))
	}
	list := []reloadStep{{of("authn", authnFiles(cfg)...), func(context.Context) error {
		if err := s.authn.Replace(authnOf(cfg)); err != nil {
			return fmt.Errorf("authn: %w", err)
		}
		return nil
	}}}
	if s.tls != nil {
		list = append(list, reloadStep{of("tls", cfg.TLS.Names()...), func(context.Context) error {
			return s.tls.Reload(cfg.TLS)
		}})
	}
	if name := cfg.Secrets.File; name != "" {
		list = append(list, reloadStep{of("secrets.file", name), func(context.Context) error {
			if err := s.secrets.Reload(name); err != nil {
				return fmt.Errorf("secrets.file: %w", err)
			}
			return nil
		}})
	}
	return append(list,
		reloadStep{of("policy", cfg.Policy.File), func(context.Context) error { return s.loadPolicy(cfg) }},
		reloadStep{"cache.lifetimes", func(context.Context) error { return s.loadLifetimes(cfg) }},
		reloadStep{of("keys of teams", keyFiles(cfg)...), func(ctx context.Context) error {
			found := openKeys(ctx, cfg, s.extra, s.held)
			s.hold(cfg, found.held)
			return errors.Join(slices.Concat(found.wrong, found.away)...)
		}})
}

// needsRestart says which changed settings a reload cannot take.
func (s *service) needsRestart(cfg *config.Config) error {
	var names []string
	for name, same := range map[string]bool{
		"upstream":                  cfg.Upstream == s.cfg.Upstream,
		"listen":                    cfg.Listen == s.cfg.Listen,
		"audit":                     cfg.Audit == s.cfg.Audit,
		"cors":                      slices.Equal(cfg.CORS.Origins, s.cfg.CORS.Origins),
		"passthrough":               cfg.Passthrough == s.cfg.Passthrough,
		"quota":                     reflect.DeepEqual(cfg.Quota, s.cfg.Quota),
		"cache.max_bytes":           *cfg.Cache.MaxBytes == *s.cfg.Cache.MaxBytes,
		"telemetry":                 reflect.DeepEqual(cfg.Telemetry, s.cfg.Telemetry),
		"ops":                       cfg.Ops == s.cfg.Ops,
		"secrets":                   cfg.Secrets == s.cfg.Secrets,
		"store":                     cfg.Store == s.cfg.Store,
		"uploads":                   reflect.DeepEqual(cfg.Uploads, s.cfg.Uploads),
		"reports":                   cfg.Reports == s.cfg.Reports,
		"jobs":                      cfg.Jobs == s.cfg.Jobs,
		"streams":                   cfg.Streams == s.cfg.Streams,
		"limits.max_connection_age": cfg.Limits.MaxConnectionAge == s.cfg.Limits.MaxConnectionAge,
		"tls (on or off)":           cfg.TLS.Enabled() == s.cfg.TLS.Enabled(),
		"authn (on or off)":         cfg.Open() == s.cfg.Open(),
	} {
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
