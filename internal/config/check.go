package config

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/transfer"
)

// check finds what is wrong with values. Each error begins with the setting.
func (c *Config) check() (errs []error) {
	if _, err := asc.CheckBaseURL(c.Upstream.BaseURL); err != nil {
		errs = append(errs, fmt.Errorf("upstream.base_url: %w", err))
	}
	if _, err := asc.CheckProxy(c.Upstream.Proxy); err != nil {
		errs = append(errs, fmt.Errorf("upstream.proxy: %w", err))
	}
	errs = append(errs, c.checkListen()...)
	if err := c.CORS.Check(); err != nil {
		errs = append(errs, err)
	}
	if c.TLS.Enabled() && (c.TLS.CertFile == "" || c.TLS.KeyFile == "") {
		errs = append(errs, errors.New("tls: want both cert_file and key_file"))
	}
	if c.Authn.MTLS != nil && c.TLS.ClientCAFile == "" {
		errs = append(errs, errors.New("authn.mtls: wants tls.client_ca_file"))
	}
	if c.Audit.MaxBytes < 0 || c.Audit.MaxFiles < 0 {
		errs = append(errs, errors.New("audit: sizes are not below zero"))
	}
	if c.Policy.File == "" && !c.Open() {
		errs = append(
			errs,
			errors.New(
				"policy.file: where callers are known, a policy says what they may do: without one, nothing would be allowed",
			),
		)
	}
	errs = append(errs, c.checkQuota()...)
	errs = append(errs, c.checkStore()...)
	if l := c.Limits; min(
		int64(l.MaxCalls),
		int64(l.MaxBodies),
		int64(l.MaxWatches),
		int64(l.MaxUploads),
		l.MaxMemory,
		int64(l.MaxConnections),
		int64(l.MaxConnectionsPerAddress),
	) < 0 {
		errs = append(errs, errors.New("limits: nothing is below zero"))
	}
	if l := new(slog.Level); c.Log.Level != "" && l.UnmarshalText([]byte(c.Log.Level)) != nil {
		errs = append(errs, errors.New("log.level: want debug, info, warn or error"))
	}
	if c.sandbox {
		return errs
	}
	return append(errs, c.checkTeams()...)
}

// checkListen looks at the addresses. Ports that are taken are found when they
// are opened.
func (c *Config) checkListen() (errs []error) {
	faces := map[string]string{"listen.ops": c.Listen.Ops}
	if c.Listen.Address == "" {
		faces["listen.rest"], faces["listen.grpc"] = c.Listen.REST, c.Listen.GRPC
	} else {
		faces["listen.address"] = c.Listen.Address
	}
	if c.Passthrough.Listen != "" {
		faces["passthrough.listen"] = c.Passthrough.Listen
	}
	seen := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(faces)) {
		addr := faces[name]
		_, port, err := net.SplitHostPort(addr)
		if err == nil {
			_, err = net.LookupPort("tcp", port)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %q is no address: want HOST:PORT, such as 127.0.0.1:8080", name, addr))
			continue
		}
		if port != "0" && seen[addr] != "" {
			errs = append(errs, fmt.Errorf("%s: %s is the address of %s already", name, addr, seen[addr]))
		}
		seen[addr] = name
		if err := loopback(addr); err != nil && c.Open() && !c.sandbox && name != "listen.ops" {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errs
}

func (c *Config) checkStore() (errs []error) {
	if err := c.Store.Check(); err != nil {
		errs = append(errs, fmt.Errorf("store.url: %w", err))
	}
	if c.Store.PasswordFile != "" && !c.Store.Shared() {
		errs = append(errs, errors.New("store.password_file: only PostgreSQL has a password"))
	}
	if c.Store.URL != "" && c.Secrets.File == "" && !c.sandbox {
		errs = append(errs, errors.New("store.url: wants secrets.file: what the store keeps is sealed with it"))
	}
	if c.Uploads.Memory != 0 && c.Uploads.Memory < 8<<20 {
		errs = append(errs, errors.New("uploads.memory: want at least 8388608 (8 MiB): parts of Apple's have some MiB"))
	}
	if c.Uploads.Parallel < 0 || c.Uploads.Parallel > 16 {
		errs = append(errs, errors.New("uploads.parallel: want 1 to 16"))
	}
	for i, host := range c.Uploads.Hosts {
		if err := transfer.CheckSuffix(host); err != nil {
			errs = append(errs, fmt.Errorf("uploads.hosts[%d]: %w", i, err))
		}
	}
	if c.Reports.CacheDir != "" && c.Secrets.File == "" && !c.sandbox {
		errs = append(errs, errors.New("reports.cache_dir: wants secrets.file: what it holds is sealed with it"))
	}
	if c.Reports.CacheBytes != 0 && c.Reports.CacheBytes < 1<<20 {
		errs = append(errs, errors.New("reports.cache_bytes: want at least 1048576 (1 MiB)"))
	}
	if c.Jobs.Workers < 0 || c.Jobs.Workers > 100 {
		errs = append(errs, errors.New("jobs.workers: want 1 to 100"))
	}
	return errs
}

func (c *Config) checkQuota() (errs []error) {
	q := c.Quota
	if q.HourLimit < 0 || q.TimeScale < 0 {
		errs = append(errs, errors.New("quota: nothing is below zero"))
	}
	for name, limit := range q.Minutes {
		if verb, resource, ok := strings.Cut(name, " "); !ok || limit < 1 || resource == "" ||
			!slices.Contains([]string{"GET", "POST", "PATCH", "DELETE"}, verb) {
			errs = append(
				errs,
				fmt.Errorf(
					"quota.minutes: %q: want a verb and a resource, such as \"GET builds\", and a limit above zero",
					name,
				),
			)
		}
	}
	if q.Redis != nil && q.Redis.URL == "" {
		errs = append(errs, errors.New("quota.redis.url: want redis://HOST:PORT/DB"))
	}
	if c.Cache.MaxBytes != nil && *c.Cache.MaxBytes < 0 {
		errs = append(errs, errors.New("cache.max_bytes: is not below zero"))
	}
	for i, l := range c.Cache.Lifetimes {
		if len(l.Methods) == 0 || l.For > Duration(7*24*time.Hour) {
			errs = append(errs, fmt.Errorf("cache.lifetimes[%d]: want methods, and at most a week", i))
		}
	}
	return errs
}

func (c *Config) checkTeams() (errs []error) {
	if len(c.Teams) == 0 {
		errs = append(errs, errors.New("teams: name at least one"))
	}
	seen := map[string]bool{}
	for i, t := range c.Teams {
		if t.Name == "" || seen[t.Name] {
			errs = append(errs, fmt.Errorf("teams[%d].name: want a name of its own", i))
		}
		seen[t.Name] = true
		if len(t.Keys) == 0 {
			errs = append(errs, fmt.Errorf("teams[%d].keys: want at least one", i))
		}
		ids := map[string]bool{}
		for j, k := range t.Keys {
			at := fmt.Sprintf("teams[%d].keys[%d]", i, j)
			state, err := keys.ParseState(k.State)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s.%w", at, err))
			}
			if k.ID == "" || ids[k.ID] {
				errs = append(errs, fmt.Errorf("%s.id: want an id of its own", at))
			}
			ids[k.ID] = true
			if k.URI == "" && state != keys.Retired {
				errs = append(errs, fmt.Errorf("%s.uri: want where it is kept, such as file:AuthKey_%s.p8", at, k.ID))
			}
			if k.Enterprise && k.IssuerID == "" {
				errs = append(errs, fmt.Errorf("%s.issuer_id: enterprise keys have one", at))
			}
			if _, err := keys.ParseRoles(k.Roles); err != nil {
				errs = append(errs, fmt.Errorf("%s.%w", at, err))
			}
		}
	}
	return errs
}

// loopback refuses addresses that others can reach: nobody is authenticated.
func loopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf(
			"%s can be reached by others, and no caller is authenticated: use a loopback address, or configure authn",
			addr,
		)
	}
	return nil
}
