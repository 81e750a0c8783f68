// Package config reads the gateway's configuration: one YAML file, decoded
// strictly, once. No other package reads flags, files of settings or the
// environment.
package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/edge/door"
	"github.com/asc-gateway/asc-gateway/internal/files"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/redisdb"
	"github.com/asc-gateway/asc-gateway/internal/tlsfiles"
	"github.com/invopop/jsonschema"
	"sigs.k8s.io/yaml"
)

// maxConfigBytes bounds the file.
const maxConfigBytes = 1 << 20

// Config is gateway.yaml.
type Config struct {
	Upstream    Upstream        `json:"upstream"`
	Listen      Listen          `json:"listen"`
	CORS        door.CORS       `json:"cors"` // of the REST face. It needs a restart
	TLS         tlsfiles.Config `json:"tls"`
	Teams       []Team          `json:"teams"`
	Vault       *Vault          `json:"vault"`
	Authn       Authn           `json:"authn"`
	Policy      Policy          `json:"policy"`
	Audit       Audit           `json:"audit"`
	Tokens      Tokens          `json:"tokens"`
	Passthrough Passthrough     `json:"passthrough"`
	Quota       Quota           `json:"quota"`
	Cache       Cache           `json:"cache"`
	Limits      Limits          `json:"limits"`
	Secrets     Secrets         `json:"secrets"`
	Streams     Streams         `json:"streams"`
	Telemetry   Telemetry       `json:"telemetry"`
	Log         Log             `json:"log"`
	Ops         Ops             `json:"ops"`

	dir string // of the file: relative paths are below it
}

// Upstream is Apple, or a sandbox.
type Upstream struct {
	BaseURL string `json:"base_url"` // default Apple's; a loopback address may be plain http
	Proxy   string `json:"proxy"`    // URL of a proxy on the way there, or "environment": as HTTPS_PROXY and NO_PROXY say; default none
}

// Listen is where the gateway serves. Without authentication these must be
// loopback addresses.
type Listen struct {
	REST string `json:"rest"` // default 127.0.0.1:8080
	GRPC string `json:"grpc"` // default 127.0.0.1:9090
	Ops  string `json:"ops"`  // default 127.0.0.1:8081
}

// Team is a team of Apple's with its keys.
type Team struct {
	Name string `json:"name"`
	Keys []Key  `json:"keys"`
}

// Key is an App Store Connect API key.
type Key struct {
	ID         string   `json:"id"`         // Apple's key id
	IssuerID   string   `json:"issuer_id"`  // of a team key; empty for an individual key
	URI        string   `json:"uri"`        // where it is kept: file:AuthKey_X.p8, vault:NAME, …
	State      string   `json:"state"`      // pending, canary, active (default), draining or retired
	Roles      []string `json:"roles"`      // Apple's roles, such as FINANCE; empty: may do everything
	Enterprise bool     `json:"enterprise"` // of the enterprise program
}

// Vault is a HashiCorp Vault or OpenBao with a transit engine.
type Vault struct {
	Address   string    `json:"address"`   // https, or http on loopback
	Namespace string    `json:"namespace"` // "": none
	Mount     string    `json:"mount"`     // of the transit engine; default transit
	CAFile    string    `json:"ca_file"`   // PEM; "": the system's
	Proxy     string    `json:"proxy"`     // "http://host:port"; "": none, whatever the environment says
	Auth      VaultAuth `json:"auth"`
}

// VaultAuth is how the gateway proves to Vault who it is.
type VaultAuth struct {
	Method       string `json:"method"`         // token, approle or kubernetes
	Mount        string `json:"mount"`          // of the auth method; default its name
	Role         string `json:"role"`           // of kubernetes
	TokenFile    string `json:"token_file"`     // of token
	RoleIDFile   string `json:"role_id_file"`   // of approle
	SecretIDFile string `json:"secret_id_file"` // of approle
	JWTFile      string `json:"jwt_file"`       // of kubernetes; default that of the service account
}

// Authn says whom to believe. Empty: nobody is asked, and every face listens on
// loopback only.
type Authn struct {
	authn.Config
	// FirstTokenFile is where a static token, named "first", is kept. It is made
	// at the first start.
	FirstTokenFile string `json:"first_token_file"`
}

// Policy says where the policy is.
type Policy struct {
	File string `json:"file"` // needed where authn is configured
}

// Audit says where calls go on record.
type Audit struct {
	Path     string   `json:"path"`      // "-": standard output; "": nowhere
	MaxBytes int64    `json:"max_bytes"` // of a file; default 100 MiB
	MaxFiles int      `json:"max_files"` // kept; default all
	Timeout  Duration `json:"timeout"`   // the longest that a call waits for it; default 1s
	NoSync   bool     `json:"no_sync"`   // faster; a power cut loses the last lines
}

// Tokens says whether tokens of Apple's are given out.
type Tokens struct {
	Enabled     bool     `json:"enabled"`
	MaxLifetime Duration `json:"max_lifetime"` // default 10m, at most 15m
}

// Passthrough serves Apple's own paths and bodies.
type Passthrough struct {
	Listen string `json:"listen"` // "": off
	// PublicURL is where callers reach it, for the links in answers; "": the
	// scheme and host of each request.
	PublicURL string `json:"public_url"`
}

// Quota is how the requests that Apple grants are shared. It needs a restart.
type Quota struct {
	HourLimit    int            `json:"hour_limit"`     // of a key, until Apple tells; default 3600
	Minutes      map[string]int `json:"minutes"`        // of classes of endpoints, such as "GET builds", until Apple tells; default none
	MaxWait      Duration       `json:"max_wait"`       // of calls without a deadline; default 1m
	MaxWaitBatch Duration       `json:"max_wait_batch"` // of batch calls without a deadline; default 15m
	// Redis holds the ledger of several replicas, and the request_ids that they
	// have seen; default none: each replica has its own.
	Redis *redisdb.Config `json:"redis"`
	// TimeScale is how fast Apple's hour goes by; default 1. For tests, beside a
	// sandbox with the same scale.
	TimeScale float64 `json:"time_scale"`
}

// Cache is how long answers are kept.
type Cache struct {
	MaxBytes  *int64     `json:"max_bytes"` // default 64 MiB; 0: nothing is kept. It needs a restart
	Lifetimes []Lifetime `json:"lifetimes"` // the first that matches counts; default: what hardly ever changes, such as territories and price points
}

// Lifetime of the answers of some methods.
type Lifetime struct {
	Methods []string `json:"methods"` // as in a policy: "asc.metadata.v1.TerritoriesService/*"
	For     Duration `json:"for"`     // "0s": they are not kept
}

// DefaultCacheBytes is how much of answers is kept.
const DefaultCacheBytes = 64 << 20

// Limits are beyond which calls are shed with RESOURCE_EXHAUSTED. Of each kind of
// room a caller has a share by its weight.
type Limits struct {
	MaxCalls   int   `json:"max_calls"`   // at once, those that wait for the quota included; default 4096
	MaxBodies  int   `json:"max_bodies"`  // request bodies that are read at once; default 1024
	MaxWatches int   `json:"max_watches"` // open-ended streams at once; default 512
	MaxMemory  int64 `json:"max_memory"`  // bytes of live heap; default no bound
	// MaxConnections are those of one face at once, default 2048. Beyond it, the
	// oldest over which nobody was identified makes room.
	MaxConnections           int      `json:"max_connections"`
	MaxConnectionsPerAddress int      `json:"max_connections_per_address"` // of one IP address to one face; default 1024
	MaxConnectionAge         Duration `json:"max_connection_age"`          // of gRPC, then callers open another; default 1h. It needs a restart
}

// Secrets says where the secret is that replicas share.
type Secrets struct {
	File string `json:"file"` // mode 0600, made if it is missing; "": page tokens end with the process
}

// Streams are calls whose answers take long.
type Streams struct {
	// Grace is how long a stream outlives the expiry of its caller's certificate
	// or token; default 1h. A token, key or right that is taken away ends it at
	// once. It needs a restart.
	Grace Duration `json:"grace"`
}

// Telemetry is what OTEL_* variables do not say.
type Telemetry struct {
	// TrustTraceContext continues the traces of callers; else they are linked.
	// Default true where callers are authenticated. It needs a restart.
	TrustTraceContext *bool `json:"trust_trace_context"`
}

// Log is what is written to standard error.
type Log struct {
	Level string `json:"level"` // debug, info (default), warn or error; the flag --log-level counts more
}

// Ops is what the ops face serves beside health and metrics.
type Ops struct {
	Profiles bool `json:"profiles"` // /debug/pprof; default off. It needs a restart
}

// Trusted says whether callers' trace contexts are continued.
func (c *Config) Trusted() bool {
	if t := c.Telemetry.TrustTraceContext; t != nil {
		return *t
	}
	return !c.Open()
}

// Duration is written as text: "90s".
type Duration time.Duration

// MarshalJSON implements [json.Marshaler].
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// JSONSchema says how it is written.
func (Duration) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`, Examples: []any{"90s"}}
}

// UnmarshalJSON implements [json.Unmarshaler].
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return errors.New(`want a duration in quotes, such as "90s"`)
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is no duration such as 90s or 10m", s)
	}
	*d = Duration(v)
	return nil
}

// Read reads and checks a file.
func Read(name string) (*Config, error) {
	b, err := readFile(name)
	if err != nil {
		return nil, err
	}
	c, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	c.settle(name)
	return c, nil
}

// ReadAsWritten reads a file strictly, checks nothing else and fills in nothing.
func ReadAsWritten(name string) (*Config, error) {
	b, err := readFile(name)
	if err != nil {
		return nil, err
	}
	c := &Config{}
	if err := yaml.UnmarshalStrict(b, c); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

// Redact hides what a stranger should not read: no secret stands in a
// configuration but for hashes of tokens, which hardly help anybody.
func (c *Config) Redact() {
	for i := range c.Authn.Tokens {
		if c.Authn.Tokens[i].SHA256 != "" {
			c.Authn.Tokens[i].SHA256 = "[redacted]"
		}
	}
}

func readFile(name string) ([]byte, error) { return files.Read(name, maxConfigBytes) }

// settle makes relative paths those below the file's folder.
func (c *Config) settle(name string) {
	c.dir = filepath.Dir(name)
	for _, p := range c.paths() {
		if *p != "" && *p != "-" && !filepath.IsAbs(*p) {
			*p = filepath.Join(c.dir, *p)
		}
	}
}

// ReadFor reads a file of which only some parts are needed: it may be missing,
// and need not name teams.
func ReadFor(name string, parts ...string) (*Config, error) {
	b, err := readFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return Default(), nil
	}
	if err != nil {
		return nil, err
	}
	var all map[string]any
	if err := yaml.Unmarshal(b, &all); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	maps.DeleteFunc(all, func(k string, _ any) bool { return !slices.Contains(parts, k) })
	if b, err = yaml.Marshal(all); err != nil {
		return nil, err
	}
	c := Default()
	if err := yaml.UnmarshalStrict(b, c); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	c.settle(name)
	return c, nil
}

// Dir is the folder that relative paths are below.
func (c *Config) Dir() string { return c.dir }

// paths are all settings that name a file.
func (c *Config) paths() []*string {
	list := []*string{&c.TLS.CertFile, &c.TLS.KeyFile, &c.TLS.ClientCAFile, &c.Authn.FirstTokenFile, &c.Policy.File, &c.Audit.Path, &c.Secrets.File}
	for i := range c.Authn.Issuers {
		list = append(list, &c.Authn.Issuers[i].CAFile, &c.Authn.Issuers[i].TokenFile)
	}
	for i := range c.Authn.Tokens {
		list = append(list, &c.Authn.Tokens[i].File)
	}
	if r := c.Quota.Redis; r != nil {
		list = append(list, &r.PasswordFile, &r.CAFile)
	}
	if v := c.Vault; v != nil {
		list = append(list, &v.CAFile, &v.Auth.TokenFile, &v.Auth.RoleIDFile, &v.Auth.SecretIDFile, &v.Auth.JWTFile)
	}
	return list
}

// Open says whether no authentication is configured.
func (c *Config) Open() bool { return c.Authn.Config.Open() && c.Authn.FirstTokenFile == "" }

// Parse reads YAML strictly: an unknown key is an error.
func Parse(b []byte) (*Config, error) {
	c := &Config{}
	if err := yaml.UnmarshalStrict(b, c); err != nil {
		return nil, err
	}
	c.setDefaults()
	return c, c.check()
}

// Default is the configuration of a gateway that has none: no team yet.
func Default() *Config {
	c := &Config{}
	c.setDefaults()
	return c
}

func (c *Config) setDefaults() {
	if c.Cache.MaxBytes == nil {
		n := int64(DefaultCacheBytes)
		c.Cache.MaxBytes = &n
	}
	if c.Quota.TimeScale == 0 {
		c.Quota.TimeScale = 1
	}
	for _, d := range []struct {
		field *string
		value string
	}{{&c.Upstream.BaseURL, asc.DefaultBaseURL}, {&c.Listen.REST, "127.0.0.1:8080"}, {&c.Listen.GRPC, "127.0.0.1:9090"}, {&c.Listen.Ops, "127.0.0.1:8081"}} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
}

func (c *Config) check() error {
	var errs []error
	if _, err := asc.CheckBaseURL(c.Upstream.BaseURL); err != nil {
		errs = append(errs, fmt.Errorf("upstream.base_url: %w", err))
	}
	if _, err := asc.CheckProxy(c.Upstream.Proxy); err != nil {
		errs = append(errs, fmt.Errorf("upstream.proxy: %w", err))
	}
	faces := map[string]string{"listen.rest": c.Listen.REST, "listen.grpc": c.Listen.GRPC}
	if c.Passthrough.Listen != "" {
		faces["passthrough.listen"] = c.Passthrough.Listen
	}
	for name, addr := range faces {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		} else if err := loopback(addr); err != nil && c.Open() {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
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
		errs = append(errs, errors.New("policy.file: where callers are known, a policy says what they may do: without one, nothing would be allowed"))
	}
	errs = append(errs, c.checkQuota()...)
	if l := c.Limits; min(int64(l.MaxCalls), int64(l.MaxBodies), int64(l.MaxWatches), l.MaxMemory, int64(l.MaxConnections), int64(l.MaxConnectionsPerAddress)) < 0 {
		errs = append(errs, errors.New("limits: nothing is below zero"))
	}
	if l := new(slog.Level); c.Log.Level != "" && l.UnmarshalText([]byte(c.Log.Level)) != nil {
		errs = append(errs, errors.New("log.level: want debug, info, warn or error"))
	}
	return errors.Join(append(errs, c.checkTeams()...)...)
}

func (c *Config) checkQuota() (errs []error) {
	q := c.Quota
	if q.HourLimit < 0 || q.TimeScale < 0 {
		errs = append(errs, errors.New("quota: nothing is below zero"))
	}
	for name, limit := range q.Minutes {
		if verb, resource, ok := strings.Cut(name, " "); !ok || limit < 1 || resource == "" || !slices.Contains([]string{"GET", "POST", "PATCH", "DELETE"}, verb) {
			errs = append(errs, fmt.Errorf("quota.minutes: %q: want a verb and a resource, such as \"GET builds\", and a limit above zero", name))
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
		return fmt.Errorf("%s can be reached by others, and no caller is authenticated: use a loopback address, or configure authn", addr)
	}
	return nil
}
