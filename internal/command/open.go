package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/cache/spread"
	"github.com/asc-gateway/asc-gateway/internal/config"
	"github.com/asc-gateway/asc-gateway/internal/edge/conns"
	"github.com/asc-gateway/asc-gateway/internal/gateway"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/overload"
	"github.com/asc-gateway/asc-gateway/internal/quota"
	"github.com/asc-gateway/asc-gateway/internal/quota/memory"
	"github.com/asc-gateway/asc-gateway/internal/quota/redisledger"
	"github.com/asc-gateway/asc-gateway/internal/redisdb"
	"github.com/asc-gateway/asc-gateway/internal/replay"
	"github.com/asc-gateway/asc-gateway/internal/secrets"
	"github.com/asc-gateway/asc-gateway/internal/server"
	"github.com/asc-gateway/asc-gateway/internal/store"
	"github.com/asc-gateway/asc-gateway/internal/telemetry"
	"github.com/asc-gateway/asc-gateway/internal/tlsfiles"
	"github.com/asc-gateway/asc-gateway/internal/tokens"
	"github.com/asc-gateway/asc-gateway/internal/usecase/uploads"
	"github.com/asc-gateway/asc-gateway/internal/usecase/workflows"
	"github.com/asc-gateway/asc-gateway/internal/watch"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// open makes a gateway of a configuration. After an error nothing of it is left
// open.
func open(
	ctx context.Context, file string, cfg *config.Config, extra []keys.Backend, out *logging,
) (_ *service, err error) {
	tell, err := telemetry.Start(ctx, version())
	if err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	log := slog.New(tell.Handler(out.handler))
	s := &service{
		file:       file,
		extra:      extra,
		log:        log,
		level:      out.level,
		cfg:        cfg,
		tell:       tell,
		limits:     overload.New(limitsOf(cfg)),
		reloadTime: reloadTime,
		reloading:  make(chan struct{}, 1),
		unopened:   make(chan struct{}, 1),
	}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	s.step.Store(&s.file)
	s.current.Store(cfg)
	s.setLevel(cfg)
	if err := s.makeFirstToken(); err != nil {
		return nil, err
	}
	if err := s.openSecrets(); err != nil {
		return nil, err
	}
	s.watched = watch.New(s.files) // after files are made, before others are read
	keysOpened := openKeys(ctx, cfg, extra, nil)
	if err := errors.Join(keysOpened.wrong...); err != nil {
		return nil, err
	}
	for _, err := range keysOpened.away {
		log.Warn("a key could not be opened: its custody does not answer, and is asked again", "error", err)
	}
	if err := s.openAccess(ctx); err != nil {
		return nil, err
	}
	if err := s.openStore(); err != nil {
		return nil, err
	}
	if err := s.openQuota(); err != nil {
		return nil, err
	}
	s.ring = keys.NewRing(nil, time.Now, log, recorder{s.audit})
	s.hold(cfg, keysOpened.held)
	if s.gateway, err = gateway.New(s.deps()); err != nil {
		return nil, err
	}
	if s.db != nil {
		s.spread = spread.Start(s.gateway.Engine.Cache, s.db, s.gateway.Engine.Numbering(), log)
	}
	if err := s.loadPolicy(cfg); err != nil {
		return nil, err
	}
	if err := s.loadLifetimes(cfg); err != nil {
		return nil, err
	}
	return s, s.tell.Observe(s.instruments(false))
}

// deps are what the gateway is made with.
func (s *service) deps() gateway.Deps {
	cfg := s.cfg
	deps := gateway.Deps{
		Version:     version(),
		BaseURL:     cfg.Upstream.BaseURL,
		Proxy:       cfg.Upstream.Proxy,
		Ring:        s.ring,
		Authn:       s.authn,
		Quota:       s.quota,
		CacheBytes:  *cfg.Cache.MaxBytes,
		Replays:     s.replays,
		Tokens:      tokensOf(cfg),
		CORS:        cfg.CORS,
		Passthrough: cfg.Passthrough.Listen != "",
		PublicURL:   cfg.Passthrough.PublicURL,
		Secrets:     s.secrets,
		Server: server.Config{
			MaxConnectionAge: time.Duration(cfg.Limits.MaxConnectionAge),
			StreamGrace:      time.Duration(cfg.Streams.Grace),
		},
		Limits:      s.limits,
		Telemetry:   s.tell,
		TrustTraces: cfg.Trusted(),
		Web: gateway.Web{
			Version:   version(),
			GRPC:      cfg.Listen.GRPC,
			Sandboxed: slices.ContainsFunc(s.extra, func(b keys.Backend) bool { return b.Scheme() == inMemory{}.Scheme() }),
		},
		Jobs: gateway.Jobs{
			Store:     s.store,
			Retention: time.Duration(cfg.Store.Retention),
			Workers:   cfg.Jobs.Workers,
			Workflows: workflows.Config{
				BuildEvery:  time.Duration(cfg.Jobs.BuildEvery),
				ReviewEvery: time.Duration(cfg.Jobs.ReviewEvery),
			},
		},
		Uploads: gateway.Uploads{
			Config: uploads.Config{Memory: cfg.Uploads.Memory, Parallel: cfg.Uploads.Parallel},
			Hosts:  cfg.Uploads.Hosts,
		},
		Reports:  gateway.Reports{CacheDir: cfg.Reports.CacheDir, CacheBytes: cfg.Reports.CacheBytes},
		Degraded: s.degraded,
		Log:      s.log,
		GRPC:     []grpc.ServerOption{grpc.Creds(s.credentials())},
	}
	if s.audit != nil {
		deps.Audit = s.audit
	}
	return deps
}

// credentials are those of the gRPC face. Its connections are watched, with TLS
// or without.
func (s *service) credentials() credentials.TransportCredentials {
	failed := quiet{log: s.log, from: "gRPC"}
	inner := insecure.NewCredentials()
	if s.tls != nil {
		inner = credentials.NewTLS(s.tls.ServerConfig("h2"))
	}
	return conns.Watched(inner, func(_ net.Addr, err error) { failed.tell(err.Error()) })
}

// openSecrets reads the secret that replicas share, or makes one.
func (s *service) openSecrets() (err error) {
	name := s.cfg.Secrets.File
	if name == "" {
		s.secrets = secrets.New()
		return nil
	}
	created := false
	if s.secrets, created, err = secrets.Open(name); err != nil {
		return fmt.Errorf("secrets.file: %w", err)
	}
	if created {
		s.log.Info("a secret was made: replicas must share it", "file", name)
	}
	return nil
}

// openStore opens the store, if there is one. Its database is asked when the
// gateway serves.
func (s *service) openStore() (err error) {
	if s.cfg.Store.URL == "" {
		return nil
	}
	if s.store, err = store.Open(s.cfg.Store.Config, s.log); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

func limitsOf(cfg *config.Config) overload.Config {
	l := cfg.Limits
	return overload.Config{MaxCalls: l.MaxCalls, MaxBodies: l.MaxBodies, MaxWatches: l.MaxWatches, MaxUploads: l.MaxUploads,
		MaxMemory: l.MaxMemory}
}

// makeFirstToken makes the token of authn.first_token_file, unless it is there.
func (s *service) makeFirstToken() error {
	name := s.cfg.Authn.FirstTokenFile
	if name == "" {
		return nil
	}
	created, err := authn.FirstToken(name)
	if err != nil {
		return fmt.Errorf("authn.first_token_file: %w", err)
	}
	if created {
		s.log.Info("a token was made", "file", name)
	}
	return nil
}

// openAccess opens what callers and records need.
func (s *service) openAccess(ctx context.Context) (err error) {
	deps := authn.Deps{}
	if s.cfg.TLS.Enabled() {
		if s.tls, err = tlsfiles.Open(s.cfg.TLS, time.Now); err != nil {
			return err
		}
		deps.Trusts = s.tls.Trusts
	}
	if s.authn, err = authn.New(authnOf(s.cfg), deps); err != nil {
		return fmt.Errorf("authn: %w", err)
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
	rules := quota.Rules{
		Hour:      time.Duration(float64(time.Hour) / q.TimeScale),
		HourLimit: q.HourLimit,
		Minutes:   map[quota.Endpoint]int{},
	}
	for name, limit := range q.Minutes {
		verb, resource, _ := strings.Cut(name, " ")
		rules.Minutes[quota.Endpoint{Verb: verb, Resource: resource}] = limit
	}
	limits := quota.Config{MaxWait: time.Duration(q.MaxWait), MaxWaitBatch: time.Duration(q.MaxWaitBatch)}
	if q.Redis == nil {
		s.quota = quota.New(limits, memory.New(rules, time.Now), s.log)
		var seen replay.Store = replay.NewMemory(time.Now)
		if s.store != nil {
			seen = replay.SQL{DB: s.store, Secrets: s.secrets}
		}
		s.replays = replay.New(seen, s.log)
		s.free = append(s.free, s.replays.Close)
		return nil
	}
	db, err := redisdb.Open(*q.Redis, s.cfg.Upstream.BaseURL)
	if err != nil {
		return err
	}
	db.Watch(s.log)
	s.db = db
	s.shared = redisledger.New(db, rules, s.log)
	s.quota, s.replays = quota.New(limits, s.shared, s.log), replay.New(replay.Redis{DB: db}, s.log)
	s.free = append(s.free, s.replays.Close)
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
