package config

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/access/authn"
)

func TestParse(t *testing.T) {
	const team = "teams: [{name: t, keys: [{id: K, issuer_id: I, uri: 'file:f'}]}]\n"
	for _, c := range []struct{ name, text, says string }{
		{"good", team, ""},
		{"unknown key", team + "colour: red\n", "colour"},
		{"no team", "{}", "teams"},
		{"no key", "teams: [{name: t}]", "keys"},
		{"key without file", "teams: [{name: t, keys: [{id: K}]}]", "uri"},
		{"two teams of one name", "teams: [{name: t, keys: [{id: K, uri: 'file:f'}]}, {name: t, keys: [{id: K, uri: 'file:f'}]}]", "name of its own"},
		{"plain http", team + "upstream: {base_url: 'http://example.com'}", "loopback"},
		{"open to others", team + "listen: {rest: '0.0.0.0:80'}", "authenticated"},
		{"no address", team + "listen: {grpc: nonsense}", "listen.grpc"},
		{"no YAML", "{", "yaml"},
		{"several keys", "teams: [{name: t, keys: [{id: A, uri: 'file:a'}, {id: B, issuer_id: I, uri: 'vault:b', state: canary, roles: [FINANCE], enterprise: true}, {id: C, state: retired}]}]", ""},
		{"a key twice", "teams: [{name: t, keys: [{id: A, uri: 'file:a'}, {id: A, uri: 'file:b'}]}]", "keys[1].id"},
		{"a state", "teams: [{name: t, keys: [{id: A, uri: 'file:a', state: asleep}]}]", "keys[0].state"},
		{"a role", "teams: [{name: t, keys: [{id: A, uri: 'file:a', roles: [BOSS]}]}]", "BOSS"},
		{"an individual enterprise key", "teams: [{name: t, keys: [{id: A, uri: 'file:a', enterprise: true}]}]", "issuer_id"},
		{"known callers without a policy", team + "authn: {first_token_file: t}", "policy.file"},
		{"known callers may be far away", team + "authn: {first_token_file: t}\npolicy: {file: p}\nlisten: {rest: '0.0.0.0:80', grpc: '0.0.0.0:90'}", ""},
		{"the passthrough open to others", team + "passthrough: {listen: '0.0.0.0:80'}", "passthrough.listen"},
		{"mTLS without an authority", team + "authn: {mtls: {}}\npolicy: {file: p}", "client_ca_file"},
		{"half of TLS", team + "tls: {cert_file: c}", "cert_file and key_file"},
		{"a page that may call", team + "cors: {origins: ['https://release.example.org']}", ""},
		{"every page", team + "cors: {origins: ['*']}", "cors.origins[0]"},
		{"a duration", team + "audit: {path: a, timeout: 3}", "duration"},
		{"a secret in the wrong place", team + "vault: {address: 'https://v', token: hvs.secret}", "token"},
	} {
		cfg, err := Parse([]byte(c.text))
		if c.says == "" && (err != nil || cfg.Listen.Ops != "127.0.0.1:8081") ||
			c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestPathsAreBelowTheFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "gateway.yaml")
	text := "teams: [{name: t, keys: [{id: K, uri: 'file:f'}]}]\npolicy: {file: p.yaml}\naudit: {path: '-'}\nauthn: {tokens: [{name: a, file: /etc/t}]}\n"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Read(name)
	if err != nil || c.Policy.File != filepath.Join(dir, "p.yaml") || c.Audit.Path != "-" ||
		c.Authn.Tokens[0].File != "/etc/t" ||
		c.Dir() != dir {
		t.Errorf("%+v %v", c, err)
	}
	if _, err := Read(filepath.Join(dir, "none")); err == nil {
		t.Error("a missing file is read")
	}
	if c, err := ReadFor(filepath.Join(dir, "none"), "vault"); err != nil || c.Vault != nil {
		t.Errorf("%+v %v", c, err)
	}
}

// TestTheExampleHasEverySetting keeps docs/gateway.example.yaml valid and whole.
func TestTheExampleHasEverySetting(t *testing.T) {
	text, err := os.ReadFile("../../docs/gateway.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := authn.New(authn.Config{MTLS: c.Authn.MTLS, Tokens: c.Authn.Tokens, Keys: c.Authn.Keys}, authn.Deps{}); err != nil {
		t.Error(err)
	}
	var walk func(typ reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct {
			return
		}
		for i := range typ.NumField() {
			f := typ.Field(i)
			if name := f.Tag.Get("json"); name != "" && !regexp.MustCompile(`\b`+name+`\b`).Match(text) {
				t.Errorf("%s.%s (%s) is missing", typ.Name(), f.Name, name)
			}
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[Config]())
}
