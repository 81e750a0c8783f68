package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/files"
)

// Overrides are what flags and the environment say. They count more than the
// file.
type Overrides struct {
	REST, GRPC, Ops string // addresses
	Address         string // one for REST and gRPC together
	// Sandbox needs no teams: the sandbox brings its own. Other addresses than
	// loopback are allowed: the caller sees to it that a token is asked for.
	Sandbox bool
}

func (o Overrides) apply(c *Config) {
	if o.Address != "" {
		c.Listen.Address, c.Listen.REST, c.Listen.GRPC = o.Address, "", ""
	} else if o.REST != "" || o.GRPC != "" {
		c.Listen.Address = ""
	}
	for _, set := range []struct {
		field *string
		value string
	}{{&c.Listen.REST, o.REST}, {&c.Listen.GRPC, o.GRPC}, {&c.Listen.Ops, o.Ops}} {
		if set.value != "" {
			*set.field = set.value
		}
	}
	c.sandbox = o.Sandbox
}

// Read reads and checks a file. Its error tells all that is wrong, a line each:
// "gateway.yaml:14: teams[0].keyz: unknown setting; did you mean keys?".
func Read(name string) (*Config, error) { return ReadWith(name, Overrides{}) }

// ReadWith is [Read], with settings that count more than the file's.
func ReadWith(name string, o Overrides) (*Config, error) {
	b, err := readFile(name)
	if err != nil {
		return nil, err
	}
	c, err := parse(name, b, o)
	if err != nil {
		return nil, err
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
	c, _, err := decode(name, b)
	return c, err
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
	if path, ok := strings.CutPrefix(c.Store.URL, "sqlite:"); ok && path != "" && !filepath.IsAbs(path) &&
		path[0] != ':' {
		c.Store.URL = "sqlite:" + filepath.Join(c.dir, path)
	}
	for _, p := range c.paths() {
		if *p != "" && *p != "-" && !filepath.IsAbs(*p) {
			*p = filepath.Join(c.dir, *p)
		}
	}
}

// ReadFor reads a file of which only some parts are needed, such as vault: it may
// be missing, and need not name teams.
func ReadFor(name string, parts ...string) (*Config, error) {
	b, err := readFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return Default(), nil
	}
	if err != nil {
		return nil, err
	}
	c, _, err := decode(name, b)
	if err != nil {
		return nil, err
	}
	part := &Config{}
	for _, p := range parts {
		switch p {
		case "vault":
			part.Vault = c.Vault
		default:
			return nil, fmt.Errorf("%s cannot be read alone", p)
		}
	}
	part.setDefaults()
	part.settle(name)
	return part, nil
}

// Dir is the folder that relative paths are below.
func (c *Config) Dir() string { return c.dir }

// paths are all settings that name a file.
func (c *Config) paths() []*string {
	list := []*string{
		&c.TLS.CertFile,
		&c.TLS.KeyFile,
		&c.TLS.ClientCAFile,
		&c.Authn.FirstTokenFile,
		&c.Policy.File,
		&c.Audit.Path,
		&c.Secrets.File,
		&c.Store.PasswordFile,
		&c.Reports.CacheDir,
	}
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

// Reachable says whether REST, gRPC or the passthrough can be reached by others
// than this machine.
func (c *Config) Reachable() bool {
	for _, addr := range []string{c.Listen.REST, c.Listen.GRPC, c.Listen.Address, c.Passthrough.Listen} {
		if addr != "" && loopback(addr) != nil {
			return true
		}
	}
	return false
}

// Parse reads YAML strictly: an unknown key is an error.
func Parse(b []byte) (*Config, error) { return parse("gateway.yaml", b, Overrides{}) }

func parse(name string, b []byte, o Overrides) (*Config, error) {
	c, lines, err := decode(name, b)
	if err != nil {
		return nil, err
	}
	o.apply(c)
	both := c.Listen.Address != "" && (c.Listen.REST != "" || c.Listen.GRPC != "")
	c.setDefaults()
	c.name, c.lines = name, lines
	problems := c.check()
	if both {
		problems = append(
			problems,
			errors.New("listen.address: is for REST and gRPC together: drop listen.rest and listen.grpc"),
		)
	}
	return c, c.InLines(problems...)
}

// InLines adds file and line to errors that begin with a setting, such as
// "teams[0].keys[1].uri: …". nil if there is none.
func (c *Config) InLines(errs ...error) error { return c.lines.inLines(c.name, errs) }

// Default is the configuration of a gateway that has none: no team yet.
func Default() *Config {
	c := &Config{}
	c.setDefaults()
	return c
}

// DefaultWith is that of a gateway which only flags tell about.
func DefaultWith(o Overrides) (*Config, error) {
	c := &Config{}
	o.apply(c)
	c.setDefaults()
	return c, errors.Join(c.check()...)
}

func (c *Config) setDefaults() {
	if c.Cache.MaxBytes == nil {
		n := int64(DefaultCacheBytes)
		c.Cache.MaxBytes = &n
	}
	if c.Quota.TimeScale == 0 {
		c.Quota.TimeScale = 1
	}
	defaults := map[*string]string{&c.Upstream.BaseURL: asc.DefaultBaseURL, &c.Listen.Ops: "127.0.0.1:8081"}
	if c.Listen.Address == "" {
		defaults[&c.Listen.REST], defaults[&c.Listen.GRPC] = "127.0.0.1:8080", "127.0.0.1:9090"
	}
	for field, value := range defaults {
		if *field == "" {
			*field = value
		}
	}
}
