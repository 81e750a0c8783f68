package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/access/policy"
	"github.com/asc-gateway/asc-gateway/internal/audit"
	"github.com/asc-gateway/asc-gateway/internal/cache/spread"
	"github.com/asc-gateway/asc-gateway/internal/config"
	"github.com/asc-gateway/asc-gateway/internal/gateway"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/overload"
	"github.com/asc-gateway/asc-gateway/internal/quota"
	"github.com/asc-gateway/asc-gateway/internal/quota/memory"
	"github.com/asc-gateway/asc-gateway/internal/quota/redisledger"
	"github.com/asc-gateway/asc-gateway/internal/replay"
	"github.com/asc-gateway/asc-gateway/internal/telemetry"
	"github.com/asc-gateway/asc-gateway/internal/tlsfiles"
	"github.com/asc-gateway/asc-gateway/internal/tokens"
	"github.com/asc-gateway/asc-gateway/internal/watch"
	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// service is a running gateway with what can be reloaded.
type service struct {
	file  string // of the configuration, "" if it is not in a file
	extra []keys.Backend
	log   *slog.Logger

	ring    *keys.Ring
	authn   *authn.Authenticator
	audit   *audit.Log // nil: nothing goes on record
	tls     *tlsfiles.Files
	gateway *gateway.Gateway
	tell    *telemetry.Telemetry
	level   *slog.LevelVar // nil: the flag says it
	limits  *overload.Limiter
	quota   *quota.Manager
	replays *replay.Replays
	shared  *redisledger.Ledger   // nil: this replica counts for itself
	db      redis.UniversalClient // nil: no Redis
	spread  *spread.Spread        // nil: no Redis
	free    []func()              // what else to close, the last first

	mu   sync.Mutex // guards what follows, and reloads
	cfg  *config.Config
	held credentialsByTeam
}

type credentialsByTeam map[string][]keys.Credential

// newService makes a gateway of a configuration. Everything must be right: only
// reloads may keep what was.
func newService(ctx context.Context, file string, cfg *config.Config, extra []keys.Backend, out *logging) (*service, error) {
	tell, err := telemetry.Start(ctx, version())
	if err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	log := slog.New(tell.Handler(out.handler))
	s := &service{file: file, extra: extra, log: log, level: out.level, cfg: cfg, tell: tell, limits: overload.New(limitsOf(cfg))}
	s.setLevel(cfg)
	var errs []error
	s.held, errs = openKeys(ctx, cfg, extra, nil)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if err := s.openAccess(ctx); err != nil {
		return nil, err
	}
	if err := s.openQuota(); err != nil {
		if s.audit != nil {
			err = errors.Join(err, s.audit.Close())
		}
		return nil, err
	}
	deps := gateway.Deps{Limits: s.limits, Telemetry: tell, TrustTraces: cfg.Trusted(), Quota: s.quota, Replays: s.replays, CacheBytes: *cfg.Cache.MaxBytes, BaseURL: cfg.Upstream.BaseURL, Authn: s.authn, Tokens: tokensOf(cfg), Passthrough: cfg.Passthrough.Listen != "", PublicURL: cfg.Passthrough.PublicURL, Log: log}
	if s.audit != nil {
		deps.Audit = s.audit
	}
	if s.tls != nil {
		deps.GRPC = []grpc.ServerOption{grpc.Creds(credentials.NewTLS(s.tls.ServerConfig()))}
	}
	s.ring = keys.NewRing(s.held, time.Now, log, recorder{s.audit})
	deps.Ring = s.ring
	if s.gateway, err = gateway.New(deps); err == nil {
		if s.db != nil {
			s.spread = spread.Start(s.gateway.Engine.Cache, s.db, s.gateway.Engine.Numbering(), log)
		}
		err = s.loadPolicy(cfg)
	}
	if err == nil {
		err = s.loadLifetimes(cfg)
	}
	if err == nil {
		err = s.tell.Observe(s.instruments(false))
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func limitsOf(cfg *config.Config) overload.Config {
	return overload.Config{MaxCalls: cfg.Limits.MaxCalls, MaxMemory: cfg.Limits.MaxMemory}
}

// setLevel takes the log's level of a configuration.
func (s *service) setLevel(cfg *config.Config) {
	if s.level != nil {
		var l slog.Level // info
		_ = l.UnmarshalText([]byte(cfg.Log.Level))
		s.level.Set(l)
	}
}

// ready says why calls cannot be served, "" if they can.
func (s *service) ready() string {
	var why []string
	usable := map[string]bool{}
	for _, k := range s.ring.Status() {
		usable[k.Team] = usable[k.Team] || !k.Broken && k.Failing == nil && k.State != keys.Retired && k.State != keys.Pending
	}
	none := len(usable) > 0
	for _, ok := range usable {
		none = none && !ok
	}
	if none {
		why = append(why, "no key of any team can be used")
	}
	if s.audit != nil {
		if err := s.audit.Healthy(); err != nil {
			why = append(why, "the audit log cannot be written: "+err.Error())
		}
	}
	return strings.Join(why, "; ")
}

// openAccess opens what callers and records need.
func (s *service) openAccess(ctx context.Context) (err error) {
	if name := s.cfg.Authn.FirstTokenFile; name != "" {
		created, err := authn.FirstToken(name)
		if err != nil {
			return fmt.Errorf("authn.first_token_file: %w", err)
		}
		if created {
			s.log.Info("a token was made", "file", name)
		}
	}
	if s.authn, err = authn.New(authnOf(s.cfg), authn.Deps{}); err != nil {
		return fmt.Errorf("authn: %w", err)
	}
	if s.cfg.TLS.Enabled() {
		if s.tls, err = tlsfiles.Open(s.cfg.TLS); err != nil {
			return err
		}
	}
	if s.cfg.Audit.Path != "" {
		s.audit, err = s.openAudit(ctx)
	}
	return err
}

// openQuota opens the ledger of requests, and what remembers request_ids: in
// Redis, if there is one.
func (s *service) openQuota() error {
	q := s.cfg.Quota
	rules := quota.Rules{Hour: time.Duration(float64(time.Hour) / q.TimeScale), HourLimit: q.HourLimit, Minutes: map[quota.Endpoint]int{}}
	for name, limit := range q.Minutes {
		verb, resource, _ := strings.Cut(name, " ")
		rules.Minutes[quota.Endpoint{Verb: verb, Resource: resource}] = limit
	}
	limits := quota.Config{MaxWait: time.Duration(q.MaxWait), MaxWaitBatch: time.Duration(q.MaxWaitBatch)}
	if q.Redis == nil {
		memory, ids := memory.New(rules, time.Now), replay.NewMemory()
		s.quota, s.replays = quota.New(limits, memory, s.log), replay.New(ids, s.log)
		s.free = append(s.free, ids.Close)
		return nil
	}
	db, err := redisledger.Open(*q.Redis)
	if err != nil {
		return err
	}
	s.db = db
	s.shared = redisledger.New(db, rules, s.log)
	s.quota, s.replays = quota.New(limits, s.shared, s.log), replay.New(replay.Redis{DB: db}, s.log)
	return nil
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

func authnOf(cfg *config.Config) authn.Config {
	c := cfg.Authn.Config
	if cfg.Authn.FirstTokenFile != "" {
		c.Tokens = append(slices.Clone(c.Tokens), authn.StaticToken{Name: "first", File: cfg.Authn.FirstTokenFile})
	}
	return c
}

func tokensOf(cfg *config.Config) tokens.Config {
	return tokens.Config{Enabled: cfg.Tokens.Enabled, MaxLifetime: time.Duration(cfg.Tokens.MaxLifetime)}
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
	if s.audit != nil {
		if err := s.audit.Close(); err != nil {
			s.log.Error("the audit log did not close", "error", err)
		}
	}
}

// recorder puts what happens to keys on record.
type recorder struct{ log *audit.Log }

// Signed implements [keys.Observer].
func (r recorder) Signed(team, keyID string, err error) {
	if r.log == nil {
		return
	}
	rec := audit.Record{Event: audit.Signing, Team: team, Key: keyID, Outcome: "OK"}
	if err != nil {
		rec.Outcome = "FAILED"
	}
	r.log.Note(rec)
}

// Broken implements [keys.Observer].
func (r recorder) Broken(team, keyID string) {
	if r.log != nil {
		r.log.Note(audit.Record{Event: audit.Signing, Team: team, Key: keyID, Outcome: "REFUSED", Detail: "Apple refuses the key"})
	}
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
	for _, n := range []string{s.file, cfg.Policy.File, cfg.Authn.FirstTokenFile} {
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
		"passthrough": cfg.Passthrough == s.cfg.Passthrough, "quota": reflect.DeepEqual(cfg.Quota, s.cfg.Quota), "cache.max_bytes": *cfg.Cache.MaxBytes == *s.cfg.Cache.MaxBytes, "telemetry": reflect.DeepEqual(cfg.Telemetry, s.cfg.Telemetry), "ops": cfg.Ops == s.cfg.Ops, "tls (on or off)": cfg.TLS.Enabled() == s.cfg.TLS.Enabled(), "authn (on or off)": cfg.Open() == s.cfg.Open()} {
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

// openKeys opens the keys of a configuration. One that cannot be opened is left
// as it was before, or out.
func openKeys(ctx context.Context, cfg *config.Config, extra []keys.Backend, before credentialsByTeam) (credentialsByTeam, []error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	backends, err := backendsOf(cfg, extra)
	if err != nil {
		return maps.Clone(before), []error{err}
	}
	out, errs := credentialsByTeam{}, []error{}
	for _, t := range cfg.Teams {
		out[t.Name] = nil
		for _, k := range t.Keys {
			c, err := openKey(ctx, backends, k)
			if err != nil {
				errs = append(errs, fmt.Errorf("team %s: %w", t.Name, err))
				i := slices.IndexFunc(before[t.Name], func(old keys.Credential) bool { return old.ID == k.ID && old.Key != nil })
				if i < 0 {
					continue
				}
				c.Key = before[t.Name][i].Key
			}
			out[t.Name] = append(out[t.Name], c)
		}
	}
	return out, errs
}

// openKey opens one key and lets it sign once.
func openKey(ctx context.Context, backends keys.Backends, k config.Key) (c keys.Credential, err error) {
	c = keys.Credential{ID: k.ID, Issuer: k.IssuerID}
	if k.Enterprise {
		c.Audience = keys.EnterpriseAudience
	}
	if c.State, err = keys.ParseState(k.State); err != nil {
		return c, err
	}
	if c.Roles, err = keys.ParseRoles(k.Roles); err != nil {
		return c, err
	}
	if c.State == keys.Retired {
		return c, nil
	}
	if c.Key, err = backends.Open(ctx, k.ID, k.URI); err != nil {
		return c, err
	}
	return c, keys.SelfTest(ctx, c.Key)
}
