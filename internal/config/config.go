// Package config reads the gateway's configuration: one YAML file, decoded
// strictly, once. No other package reads flags, files of settings or the
// environment.
package config

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/asc-gateway/asc-gateway/internal/asc"
	"sigs.k8s.io/yaml"
)

// maxConfigBytes bounds the file.
const maxConfigBytes = 1 << 20

// Config is gateway.yaml.
type Config struct {
	Upstream Upstream `json:"upstream"`
	Listen   Listen   `json:"listen"`
	Teams    []Team   `json:"teams"`
}

// Upstream is Apple, or a sandbox.
type Upstream struct {
	BaseURL string `json:"base_url"` // default Apple's; a loopback address may be plain http
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
	ID             string `json:"id"`               // Apple's key id
	IssuerID       string `json:"issuer_id"`        // of a team key; empty for an individual key
	PrivateKeyFile string `json:"private_key_file"` // the .p8 file, mode 0600
	Enterprise     bool   `json:"enterprise"`       // of the enterprise program
}

// Read reads and checks a file.
func Read(name string) (*Config, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxConfigBytes+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxConfigBytes {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxConfigBytes)
	}
	c, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

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
	for name, addr := range map[string]string{"rest": c.Listen.REST, "grpc": c.Listen.GRPC} {
		if err := loopback(addr); err != nil {
			errs = append(errs, fmt.Errorf("listen.%s: %w", name, err))
		}
	}
	if len(c.Teams) == 0 {
		errs = append(errs, errors.New("teams: name at least one"))
	}
	seen := map[string]bool{}
	for i, t := range c.Teams {
		if t.Name == "" || seen[t.Name] {
			errs = append(errs, fmt.Errorf("teams[%d].name: want a name of its own", i))
		}
		seen[t.Name] = true
		if len(t.Keys) != 1 {
			errs = append(errs, fmt.Errorf("teams[%d].keys: want one key (several come with a later release)", i))
		}
		for j, k := range t.Keys {
			if k.ID == "" || k.PrivateKeyFile == "" {
				errs = append(errs, fmt.Errorf("teams[%d].keys[%d]: want id and private_key_file", i, j))
			}
		}
	}
	return errors.Join(errs...)
}

// loopback refuses addresses that others can reach: nobody is authenticated.
func loopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("%s can be reached by others, and no caller is authenticated yet: use a loopback address", addr)
	}
	return nil
}
