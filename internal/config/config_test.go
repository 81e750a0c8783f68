package config

import (
	"strings"
	"testing"
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
	} {
		cfg, err := Parse([]byte(c.text))
		if c.says == "" && (err != nil || cfg.Listen.REST != "127.0.0.1:8080") || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
