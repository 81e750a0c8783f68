package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestProblemsHaveTheirLine holds what a file is refused for, with line, path and
// the near name, all at once.
func TestProblemsHaveTheirLine(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"an unknown key", "teams:\n- name: a\n  keyz: []\n", "3: teams[0].keyz: unknown setting; did you mean keys?"},
		{"capital letters", "Teams: []\n", "1: Teams: unknown setting: names are written in lower case: teams"},
		{"a key twice", "listen:\n  rest: 127.0.0.1:0\n  rest: 127.0.0.1:0\n", "3: listen.rest: stands twice: on line 2 too"},
		{"an unknown key twice", "a: 1\na: 2\n", "2: a: stands twice: on line 1 too"},
		{"a list", "teams: main\n", "1: teams: want a list"},
		{"a mapping", "listen: 127.0.0.1:0\n", "1: listen: want settings, such as rest: …"},
		{"a value", "upstream:\n  base_url: [x]\n", "2: upstream.base_url: want one value"},
		{"a number", "audit:\n  max_files: many\n", `2: audit.max_files: want a whole number, not "many"`},
		{"a bool", "ops: {profiles: maybe}\n", `1: ops.profiles: want true or false, not "maybe"`},
		{"a duration", "audit: {timeout: 3}\n", "1: audit.timeout: want a duration in quotes"},
		{"a variable", "policy: {file: '${HOME}/policy.yaml'}\n", "1: policy.file: ${HOME}/policy.yaml is not expanded"},
		{"a map's value", "quota:\n  minutes: {GET builds: x}\n", `2: quota.minutes.GET builds: want a whole number, not "x"`},
		{"an embedded setting", "authn:\n  tokenz: []\n", "2: authn.tokenz: unknown setting; did you mean tokens?"},
		{"a value that is wrong", "teams:\n- name: a\n  keys:\n  - {id: K}\n", "4: teams[0].keys[0].uri: want where it is kept"},
		{"a value of what is not written", "log: {level: info}\n", "1: teams: name at least one"},
		{"merged keys", "a: &a {}\nlisten:\n  <<: *a\n", "3: listen: << is not read"},
		{"cut within a line", "teams:\n- name: a\n  keys:\n  - id: K\n    uri: file:Auth", "5: the file ends within a line: was it cut short?"},
		{"cut after a colon", "teams: []\npolicy:\n", "2: policy: a value is missing: was the file cut short?"},
		{"cut after another", "teams: []\npolicy:\n  file:\n", "3: policy.file: a value is missing"},
		{"a quote that is open", "teams:\n- name: \"a\n", "is not YAML: a quote is not closed"},
		{"a bracket that is open", "teams: [\n", "is not YAML: "},
		{"a tab", "teams:\n\t- name: a\n", "2: is not YAML: a tab"},
		{"two documents", "teams: []\n---\nteams: []\n", "more than one YAML document"},
		{"not UTF-8", "teams: \xff\n", "not UTF-8"},
		{"an alias of itself", "teams: &a [*a]\n", "1: "},
		{"REST and gRPC together, and apart", "listen: {address: '127.0.0.1:1', rest: '127.0.0.1:2'}\n", "1: listen.address: is for REST and gRPC together"},
		{"an address twice", "listen:\n  rest: 127.0.0.1:7\n  grpc: 127.0.0.1:7\n", "2: listen.rest: 127.0.0.1:7 is the address of listen.grpc already"},
		{"a port", "listen:\n  ops: 127.0.0.1:70000\n", `2: listen.ops: "127.0.0.1:70000" is no address`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse([]byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			for _, word := range []string{"json:", " yaml:", "unmarshal", "Go struct", "cannot decode"} {
				if strings.Contains(err.Error(), word) {
					t.Errorf("a word of a library leaks: %v", err)
				}
			}
		})
	}
	_, err := Parse([]byte("colour: red\nTeams: []\naudit: {timeout: 3}\n"))
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("not all is told at once: %v", err)
	}
}

// TestCutShort cuts a file at every byte. What is left is refused, or nobody who
// was kept out gets in: callers are known and the policy is there, or every face
// is on loopback, as it is for one who has configured nothing.
func TestCutShort(t *testing.T) {
	const text = `listen:
  rest: 0.0.0.0:8080
  grpc: 0.0.0.0:9090
authn:
  first_token_file: token
policy:
  file: policy.yaml
teams:
  - name: main
    keys:
      - id: KEY
        uri: file:KEY.p8
`
	if _, err := Parse([]byte(text)); err != nil {
		t.Fatal(err)
	}
	taken := 0
	for n := range len(text) {
		c, err := Parse([]byte(text[:n]))
		if err != nil {
			continue
		}
		taken++
		if c.Open() || c.Policy.File != "policy.yaml" {
			t.Errorf("cut after %d bytes: authn or the policy is lost:\n%s", n, text[:n])
		}
	}
	t.Logf("%d of %d beginnings are a configuration", taken, len(text))
}

func TestOverrides(t *testing.T) {
	name := filepath.Join(t.TempDir(), "g.yaml")
	if err := os.WriteFile(name, []byte("listen: {rest: '127.0.0.1:1', grpc: '127.0.0.1:2'}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		over Overrides
		want Listen
		says string
	}{
		{"none", Overrides{Sandbox: true}, Listen{REST: "127.0.0.1:1", GRPC: "127.0.0.1:2", Ops: "127.0.0.1:8081"}, ""},
		{"some", Overrides{Sandbox: true, REST: "127.0.0.1:3", Ops: "127.0.0.1:4"}, Listen{REST: "127.0.0.1:3", GRPC: "127.0.0.1:2", Ops: "127.0.0.1:4"}, ""},
		{"one port", Overrides{Sandbox: true, Address: "127.0.0.1:5"}, Listen{Address: "127.0.0.1:5", Ops: "127.0.0.1:8081"}, ""},
		{"teams are needed", Overrides{}, Listen{}, "teams: name at least one"},
		{"loopback only", Overrides{REST: "0.0.0.0:1"}, Listen{}, "authenticated"},
	} {
		got, err := ReadWith(name, c.over)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) ||
			err == nil && got.Listen != c.want {
			t.Errorf("%s: %+v %v", c.name, got, err)
		}
	}
}

// TestInspect holds what only Apple, or a start, would refuse.
func TestInspect(t *testing.T) {
	dir := t.TempDir()
	c, err := Parse([]byte(`teams:
- name: a
  keys:
  - {id: "bad id", issuer_id: nonsense, uri: "file:x"}
audit:
  path: ` + dir + `/none/audit.log
policy:
  file: ` + dir + `/policy.yaml
authn:
  tokens:
  - {name: a, file: ` + dir + `}
secrets:
  file: ` + dir + `/secrets
`))
	if err != nil {
		t.Fatal(err)
	}
	got := c.InLines(c.Inspect()...)
	if got == nil {
		t.Fatal("nothing is found")
	}
	for _, want := range []string{
		`gateway.yaml:4: teams[0].keys[0].id: "bad id" is no key id`,
		`gateway.yaml:4: teams[0].keys[0].issuer_id: "nonsense" is no UUID`,
		"gateway.yaml:6: audit.path: no file can be made in " + dir + "/none: does not exist",
		"gateway.yaml:8: policy.file: " + dir + "/policy.yaml does not exist",
		"gateway.yaml:11: authn.tokens[0].file: " + dir + " is no regular file",
	} {
		if !strings.Contains(got.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, got)
		}
	}
	if n := strings.Count(got.Error(), "\n"); n != 4 {
		t.Errorf("%d lines more than expected:\n%v", n-4, got)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("the check leaves files behind: %v %v", left, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"teams: [{name: t, keys: [{id: K, uri: 'file:f'}]}]\n", "a: &a [*a]\n", "listen:\n  rest: x\n", "quota: {minutes: {a: 1}}\n",
		"audit: {timeout: .inf}\n", "? [a]\n: b\n", "authn: {oidc: [{required: {a: b}}]}\n", "limits: {max_calls: 1e99}\n", "!!binary a: b\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, err := Parse([]byte(text))
		if err != nil && !strings.HasPrefix(err.Error(), "gateway.yaml:") {
			t.Errorf("without a line: %v", errors.Unwrap(err))
		}
	})
}
