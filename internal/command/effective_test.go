package command

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/config"
	"sigs.k8s.io/yaml"
)

// TestEffectiveIsWhatTheExampleSays compares `config print --effective` of a
// configuration that sets nothing with each "# default" of the example.
func TestEffectiveIsWhatTheExampleSays(t *testing.T) {
	c := config.Default()
	inForce(c)
	printed, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]map[string]any
	if err := yaml.Unmarshal(bytes.ReplaceAll(printed, []byte("teams: null\n"), nil), &got); err != nil {
		t.Fatal(err)
	}
	example, err := os.ReadFile("../../docs/gateway.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	setting := regexp.MustCompile(`^  ([a-z_]+): ("?)([^#]*?)"? # default\b(?: (\S+?))?[:;,]?(?: |$)`)
	section, compared := "", 0
	for line := range strings.SplitSeq(string(example), "\n") {
		if name, ok := strings.CutSuffix(strings.SplitN(line, " #", 2)[0], ":"); ok && !strings.HasPrefix(line, " ") {
			section = name
		}
		m := setting.FindStringSubmatch(line)
		if m == nil || m[3] == "" || strings.Contains(line, "# default none") || got[section] == nil {
			continue
		}
		want := m[3]
		if strings.Contains(m[4], ":") || strings.Contains(m[4], ".") { // "default 127.0.0.1:8080"
			want = m[4]
		}
		if m[1] == "public_url" || m[1] == "trust_trace_context" {
			continue // they depend on the request, and on authn
		}
		b, err := json.Marshal(got[section][m[1]])
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(b), `"`, "")
		if text != want && text != strings.TrimSuffix(want, "1m")+"1m0s" && text != strings.Replace(want, "m", "m0s", 1) && text != strings.Replace(want, "h", "h0m0s", 1) {
			t.Errorf("%s.%s: effective %s, the example says %s", section, m[1], text, want)
		}
		compared++
	}
	if compared < 15 {
		t.Errorf("only %d settings were compared", compared)
	}
}

// TestConfigCheckFindsWhatServeRefuses makes one thing wrong at a time.
func TestConfigCheckFindsWhatServeRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write("k.p8", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	write("no.p8", "nothing")
	write("policy.yaml", "version: 1\nrules: [{name: a, principals: ['token:first'], methods: [read], teams: [main], apps: all}]\n")
	write("team.yaml", "version: 1\nrules: [{name: a, principals: ['token:first'], methods: [read], teams: [mein], apps: all}]\n")
	write("bad.yaml", "version: 1\nrules: [{name: a, principals: ['token:first'], methods: [raed], teams: [main], apps: all}]\n")
	const good = `teams:
- name: main
  keys:
  - {id: KEY1234567, issuer_id: 57246542-96fe-1a63-e053-0824d011072a, uri: "file:k.p8"}
authn:
  first_token_file: token
policy:
  file: policy.yaml
`
	for _, c := range []struct{ name, old, new, want string }{
		{"nothing", "", "", ""},
		{"a key that is none", "k.p8", "no.p8", "g.yaml:4: teams[0].keys[0].uri: "},
		{"a key that is not there", "k.p8", "gone.p8", "g.yaml:4: teams[0].keys[0].uri: "},
		{"a custody that is not there", "file:k.p8", "vaultt:x", "g.yaml:4: teams[0].keys[0].uri: "},
		{"an issuer", "57246542-96fe", "57246542", "g.yaml:4: teams[0].keys[0].issuer_id: "},
		{"a policy that is wrong", "policy.yaml", "bad.yaml", "g.yaml:8: policy.file: "},
		{"a policy of another team", "policy.yaml", "team.yaml", `the team "mein", which is not configured`},
		{"a token's hash", "first_token_file: token", "tokens: [{name: a, sha256: xx}]", "g.yaml:5: authn: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			write("g.yaml", strings.Replace(good, c.old, c.new, 1))
			err := Run(t.Context(), []string{"config", "check", filepath.Join(dir, "g.yaml")}, io.Discard, io.Discard)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestJSONOut runs commands with --output json.
func TestJSONOut(t *testing.T) {
	dir := t.TempDir()
	policy, cfg := filepath.Join(dir, "p.yaml"), filepath.Join(dir, "g.yaml")
	for name, text := range map[string]string{policy: "version: 1\nrules: []\n", cfg: "teams: [{name: t, keys: [{id: KEY, state: retired}]}]\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const builds = "asc.testflight.v1.BuildsService/ListBuilds"
	for _, args := range []string{"policy test " + policy, "policy sets", "policy sets read", "token new", "keys list --config " + cfg, "config print " + cfg,
		"keys check --offline --config " + cfg, "config check " + cfg, "policy explain " + policy + " --principal a --method " + builds} {
		var out bytes.Buffer
		err := Run(t.Context(), append(strings.Fields(args), "--output", "json"), &out, io.Discard)
		if err != nil || !json.Valid(out.Bytes()) {
			t.Errorf("%s: %v\n%s", args, err, &out)
		}
	}
	for args, code := range map[string]int{"policy sets nonsense": 2, "policy sets -o xml": 2, "policy explain " + policy + " --principal a --method x": 1} {
		if err := Run(t.Context(), strings.Fields(args), io.Discard, io.Discard); ExitCode(err) != code {
			t.Errorf("%s: exit code %d, want %d: %v", args, ExitCode(err), code, err)
		}
	}
}
