package policy

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write sets.txt anew")

func methods(t testing.TB) (list []*access.Method) {
	t.Helper()
	entries, _, err := service.Entries()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, &access.Method{FullName: e.FullName, Verb: e.Verb, Template: e.Template, Area: e.Area(),
			Type: e.Type, Shape: e.Shape, Describe: e.Desc})
	}
	return list
}

func parse(t testing.TB, text string) *Policy {
	t.Helper()
	p, err := Parse("policy.yaml", []byte(text), methods(t))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTheExamplePassesItsOwnTests(t *testing.T) {
	results := parse(t, string(Example)).Test()
	if len(results) < 4 {
		t.Fatalf("%d results", len(results))
	}
	for _, r := range results {
		if !r.Pass {
			t.Errorf("%s: %+v", r.Name, r.Got)
		}
	}
}

const twoRules = `
version: 1
rules:
- {name: a, principals: ["token:ci"], methods: [read], teams: [main], apps: ["1"], priority: batch, weight: 3}
- {name: b, principals: ["token:*"], methods: ["asc.testflight.v1.*/List*"], teams: [main, other], apps: ["2"], org: ["asc.testflight.v1.BuildsService/ListBuilds"], priority: interactive}
- {name: c, principals: ["spiffe://td/ns/ci/*"], methods: [write], except: [destructive], teams: ["*"], apps: all}
- {name: d, principals: ["oidc:github:**"], claims: {repository_id: ["7", 8]}, methods: [read], teams: [main], apps: all}
`

func TestDecide(t *testing.T) {
	p := parse(t, twoRules)
	const builds, update, remove = "/asc.testflight.v1.BuildsService/ListBuilds", "/asc.testflight.v1.BuildsService/UpdateBuild", "/asc.testflight.v1.BetaGroupsService/DeleteBetaGroup"
	for _, c := range []struct {
		name, who, claim, method, team string
		want                           string // rule, apps, org; "" denied
	}{
		{"two rules join their apps", "token:ci", "", builds, "main", "a [1 2] org=true interactive 3"},
		{"one rule", "token:x", "", builds, "main", "b [2] org=true interactive 1"},
		{"another method of the area", "token:ci", "", "/asc.testflight.v1.BetaGroupsService/GetBetaGroup", "main", "a [1] org=false batch 3"},
		{"another team", "token:ci", "", "/asc.testflight.v1.BetaGroupsService/GetBetaGroup", "other", ""},
		{"nobody", "token2:ci", "", builds, "main", ""},
		{"a star stays in its segment", "spiffe://td/ns/ci/sa/x", "", update, "main", ""},
		{"org-wide", "spiffe://td/ns/ci/x", "", update, "any", "c [] org=true default 1"},
		{"except", "spiffe://td/ns/ci/x", "", remove, "any", ""},
		{"claims match", "oidc:github:repo:a/b", "8", builds, "main", "d [] org=true default 1"},
		{"claims do not match", "oidc:github:repo:a/b", "9", builds, "main", ""},
		{"claims are missing", "oidc:github:repo:a/b", "", builds, "main", ""},
		{"no such method", "token:ci", "", "/asc.testflight.v1.BuildsService/Nothing", "main", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			who := &access.Principal{ID: c.who}
			if c.claim != "" {
				who.Claims = map[string]string{"repository_id": c.claim}
			}
			for range 2 { // the second time from memory
				d, got := p.Decide(who, c.method, c.team), ""
				if d.Allowed {
					got = fmt.Sprintf("%s %v org=%v %s %d", d.Rule, d.Apps, d.Org, d.Priority, d.Weight)
				}
				if got != c.want || d.Restricted != (len(d.Apps) > 0) {
					t.Errorf("got %q, want %q (%+v)", got, c.want, d)
				}
			}
		})
	}
	if d := p.Decide(nil, builds, "main"); d.Allowed {
		t.Error("nobody is allowed")
	}
	err := p.Decide(&access.Principal{ID: "token2:x"}, builds, "main").Denied(&access.Principal{ID: "token2:x"}, builds)
	if f := fault.As(err); f.Kind != fault.PermissionDenied || f.Reason != ReasonDenied || strings.Contains(f.Message, "spiffe") {
		t.Errorf("got %v", err)
	}
}

func TestAuditModeAllowsAndSaysSo(t *testing.T) {
	p := parse(t, strings.Replace(twoRules, "version: 1", "version: 1\nmode: audit", 1))
	d := p.Decide(&access.Principal{ID: "token2:x"}, "/asc.testflight.v1.BuildsService/ListBuilds", "main")
	if !d.Allowed || !d.WouldDeny || d.Restricted {
		t.Errorf("got %+v", d)
	}
}

func TestMistakesHaveTheirLine(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"unknown key", "version: 1\nrules:\n- name: a\n  principal: [x]", `policy.yaml:4: .*principal`},
		{"unknown method", "version: 1\nrules:\n- {name: a, principals: [\"token:x\"], teams: [t], methods:\n  [asc.testflight.v1.BuildsService/ListBuild]}", `policy.yaml:4: .*did you mean asc.testflight.v1.BuildsService/ListBuilds`},
		{"unknown set", "version: 1\nrules:\n- {name: a, principals: [\"token:x\"], teams: [t], methods: [raed]}", `policy.yaml:3: .*did you mean read`},
		{"no methods", "version: 1\nrules:\n- {name: a, principals: [\"token:x\"], teams: [t]}", `policy.yaml:3: .*no methods`},
		{"no teams", "version: 1\nrules:\n- {name: a, principals: [\"token:x\"], methods: [read]}", `policy.yaml:3: .*teams`},
		{"everyone", "version: 1\nrules:\n- {name: a, principals: [\"**\"], teams: [t], methods: [read]}", `policy.yaml:3: .*everyone`},
		{"a name twice", "version: 1\nrules:\n- {name: a, principals: [\"token:x\"], teams: [t], methods: [read]}\n- {name: a, principals: [\"token:x\"], teams: [t], methods: [read]}", `policy.yaml:4: .*twice`},
		{"a mode", "version: 1\nmode: lax", `policy.yaml:2: mode`},
		{"a version", "version: 2", `policy.yaml:1: version`},
		{"a set that is built in", "version: 1\nsets:\n  read: [write]", `policy.yaml:3: .*built in`},
		{"apps that are none", "version: 1\nrules:\n- {name: a, principals: [\"token:x\"], teams: [t], methods: [read], apps: [\"../1\"]}", `policy.yaml:3: .*no app's id`},
		{"a test of nothing", "version: 1\ntests:\n- {principal: \"token:x\", method: a/b, expect: allow}", `policy.yaml:3: .*no method`},
		{"a budget of nothing", "version: 1\nrules:\n- {name: a, principals: [\"token:x\"], teams: [t], methods: [read], hour: 0, apps: all}", `policy.yaml:3: .*hour: want 1 to`},
		{"a list for a word", "version: 1\nmode: [a]", `policy.yaml:2: want one value`},
		{"a duplicate key", "version: 1\nmode: audit\nmode: enforce", `policy.yaml:3: .*already`},
		{"two documents", "version: 1\n---\nversion: 1", `more than one document`},
		{"no YAML", "version: [", `policy.yaml:\d`},
		{"all at once", "version: 3\nmode: x\nrules:\n- {name: a}", `(?s)policy.yaml:1: version.*policy.yaml:2: mode.*policy.yaml:4: `},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("policy.yaml", []byte(c.text), methods(t))
			if err == nil || !regexp.MustCompile(c.want).MatchString(err.Error()) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	if _, err := Parse("p", make([]byte, maxFileBytes+1), nil); err == nil {
		t.Error("a huge file is read")
	}
}

func TestExplain(t *testing.T) {
	p := parse(t, twoRules)
	got, err := p.Explain(&access.Principal{ID: "token:ci"}, "/asc.testflight.v1.BuildsService/ListBuilds", "main", "3")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"rule a", "line 4", "allows", "names other principals", "denied: kept to the apps 1, 2"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in:\n%s", want, got)
		}
	}
}

// TestSets holds what the built-in sets cover: a change of Apple's document, or
// of the derivation, shows in sets.txt for a person to judge.
func TestSets(t *testing.T) {
	members := Members(methods(t))
	var b strings.Builder
	for _, s := range Sets {
		fmt.Fprintln(&b, s.Name)
		if s.Name != "read" && s.Name != "write" {
			for _, m := range members[s.Name] {
				fmt.Fprintln(&b, "  "+m)
			}
		}
	}
	if len(members["read"])+len(members["write"]) != len(methods(t)) {
		t.Error("a method is neither read nor write")
	}
	if *update {
		if err := os.WriteFile("sets.txt", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("sets.txt")
	if err != nil || b.String() != string(want) {
		t.Errorf("sets.txt is not what the descriptors say (%v): look at every change, then run this test with -update", err)
	}
}

// TestSchema lets an outside validator judge the schema: what parses must be
// valid, and mistakes of form must not.
func TestSchema(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("policy.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("policy.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	valid := func(text string) error {
		b, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatal(err)
		}
		return schema.Validate(v)
	}
	for _, good := range []string{string(Example), twoRules} {
		if err := valid(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"rules: []", "{version: 1, mode: lax}", "{version: 1, more: 1}", "{version: 1, rules: [{name: a}]}", `{version: 1, rules: [{name: a, principals: ["**"], methods: [read], teams: [t], apps: all}]}`,
		`{version: 1, rules: [{name: a, principals: ["token:x"], methods: [read], teams: [t]}]}`,
		`{version: 1, rules: [{name: a, principals: ["token:x"], methods: [read], teams: [t], hour: 0, apps: all}]}`,
		`{version: 1, rules: [{name: a, principals: ["token:x"], methods: [read], teams: [t], apps: ["*"]}]}`,
		`{version: 1, rules: [{name: a, principals: ["token:x"], methods: [read], teams: [t], apps: [all]}]}`,
		`{version: 1, rules: [{name: a, principals: ["token:x"], paths: ["GET /v1/%41"], teams: [t], apps: all}]}`} {
		if valid(bad) == nil {
			t.Errorf("valid: %s", bad)
		}
	}
}

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"spiffe://td/ns/*", "spiffe://td/ns/a", true}, {"spiffe://td/ns/*", "spiffe://td/ns/a/b", false},
		{"spiffe://td/ns/**", "spiffe://td/ns/a/b", true}, {"spiffe://td/ns/**", "spiffe://td/ns/", false},
		{"spiffe://td/**", "spiffe://td.evil/x", false}, {"spiffe://td/ns/ci", "spiffe://td/ns/ci/", false},
		{"token:*", "token:a", true}, {"token:*", "token:a:b", false}, {"token:a*c", "token:abbc", true}, {"token:a*c", "token:ac", true},
		{"token:a*b*c", "token:a-b-b-c", true}, {"token:aXc", "token:axc", false}, {"oidc:github:**", "oidc:github:repo:a/b:ref", true}, {"a/b", "a:b", false},
	} {
		if matchPrincipal(c.pattern, c.s) != c.want {
			t.Errorf("%s ~ %s: want %v", c.pattern, c.s, c.want)
		}
	}
}

// FuzzMatch compares with a regular expression made of the pattern.
func FuzzMatch(f *testing.F) {
	f.Add("spiffe://td/ns/*", "spiffe://td/ns/a")
	f.Add("a*b*/**", "aXb/c/d")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 60 || strings.Contains(strings.TrimSuffix(pattern, "**"), "**") || strings.HasSuffix(pattern, "***") {
			return
		}
		if n := len(pattern) - 2; n > 0 && strings.HasSuffix(pattern, "**") && !strings.ContainsRune(principalSeparators, rune(pattern[n-1])) {
			return
		}
		expr := regexp.QuoteMeta(pattern)
		if pattern == "**" || strings.HasSuffix(pattern, "**") {
			expr = strings.TrimSuffix(expr, `\*\*`) + "\x00"
		}
		expr = strings.ReplaceAll(strings.ReplaceAll(expr, `\*`, `[^/:]*`), "\x00", `(?s:.+)`)
		re, err := regexp.Compile(`\A` + expr + `\z`)
		if err != nil || strings.ContainsRune(pattern, 0) {
			return
		}
		if got := matchPrincipal(pattern, s); got != re.MatchString(s) {
			t.Errorf("%q ~ %q: got %v", pattern, s, got)
		}
	})
}

func FuzzParsePolicy(f *testing.F) {
	f.Add(Example)
	f.Add([]byte(twoRules))
	known := methods(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Parse("p", b, known)
		if err == nil && p.Mode == Enforce && len(p.rules) == 0 && p.Decide(&access.Principal{ID: "token:x"}, known[0].FullName, "main").Allowed {
			t.Error("no rule, and yet allowed")
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	p, who := parse(b, twoRules), &access.Principal{ID: "token:ci"}
	b.ReportAllocs()
	for b.Loop() {
		if !p.Decide(who, "/asc.testflight.v1.BetaGroupsService/GetBetaGroup", "main").Allowed {
			b.Fatal("denied")
		}
	}
}

func TestTeams(t *testing.T) {
	if got := parse(t, twoRules).Teams(); !slices.Equal(got, []string{"main", "other"}) {
		t.Errorf("got %v", got)
	}
}
