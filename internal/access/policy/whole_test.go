package policy

import (
	"fmt"
	"strings"
	"testing"
)

// TestFormsThatCouldBeCutAreRefused holds the errors, and that they have lines.
func TestFormsThatCouldBeCutAreRefused(t *testing.T) {
	const rule = "version: 1\nrules:\n- name: a\n  principals: ['token:x']\n  methods: [read]\n  teams: [main]\n"
	known := few(t)
	for name, c := range map[string]struct{ text, want string }{
		"except after apps":              {rule + "  apps: all\n  except: [destructive]\n", "p:8: except stands after apps"},
		"claims after apps":              {rule + "  apps: all\n  claims: {a: [b]}\n", "p:8: claims stands after apps"},
		"a budget after apps":            {rule + "  apps: all\n  hour: 600\n", "p:8: hour stands after apps"},
		"batch after apps":               {rule + "  apps: all\n  priority: batch\n", "p:8: priority stands after apps"},
		"a list of teams after apps":     {strings.Replace(rule, "  teams: [main]\n", "  apps: all\n  teams:\n  - main\n", 1), "p:7: teams stands after apps"},
		"also when something follows":    {rule + "  apps: all\n  except: [destructive]\ntests: []\n", "p:8: except stands after apps"},
		"sets after rules":               {rule + "  apps: all\nsets:\n  x: [read]\n", "p:8: sets: write them before rules"},
		"a list that ends within a line": {rule + "  apps:\n  - 1500", "p:8: the file ends within a line"},
		"the class after apps":           {rule + "  apps: all\n  priority: interactive\n  weight: 3\n", ""},
		"a closed list after apps":       {strings.Replace(rule, "  teams", "  apps: all\n  teams", 1), ""},
		"no end of line":                 {rule + "  apps: all", ""},
		"an end mark":                    {rule + "  apps: all\n...\n", ""},
		"keys sorted, version last":      {sortedPolicy, ""},
		"the same without the version":   {strings.TrimSuffix(sortedPolicy, "version: 1\n"), "version: want 1"},
	} {
		_, err := Parse("p", []byte(c.text), known)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// TestAppsAreSaid holds that no rule is for every app unless it says so.
func TestAppsAreSaid(t *testing.T) {
	for apps, want := range map[string]string{
		"": `p:3: rule "a": apps: want the ids`, "apps: all": "", `apps: "all"`: "", "apps: ['1', 2]": "",
		`apps: ["*"]`: `p:3: rule "a": apps: ["*"]: did you mean apps: all?`, `apps: [all]`: `apps: ["all"]: did you mean apps: all?`,
		`apps: "*"`: "or the word all", "apps: []": "or the word all", "apps: al": "or the word all", "apps: ALL": "or the word all",
		"apps: {}": "or the word all", "apps: 15": "or the word all", "apps:": "p:3: a value is missing", "apps: ~": "p:3: a value is missing",
		"apps: ['']": "is no app's id", "apps: ['1 2']": "is no app's id", "apps: ['1,2']": "is no app's id", `apps: ["1\n2"]`: "is no app's id", "apps: [[1]]": "want one value",
	} {
		text := "version: 1\nrules:\n- {name: a, principals: ['token:x'], methods: [read], teams: [t]"
		if apps != "" {
			text += ", " + apps
		}
		p, err := Parse("p", []byte(text+"}\n"), few(t))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got %v, want %q", apps, err, want)
		}
		if err == nil && (p.rules[0].apps == nil) != strings.Contains(apps, "all") {
			t.Errorf("%q: %v", apps, p.rules[0].apps)
		}
	}
}

// TestYAMLThatHides holds what a policy may not be written with.
func TestYAMLThatHides(t *testing.T) {
	const rule = "- {name: a, principals: ['token:x'], methods: [read], teams: [t], apps: all}\n"
	bomb := "version: 1\nsets:\n  a0: &a0 [read]\n"
	for i := 1; i < 30; i++ {
		bomb += fmt.Sprintf("  a%d: &a%d [*a%d, *a%d]\n", i, i, i-1, i-1)
	}
	for name, c := range map[string]struct{ text, want string }{
		"an alias bomb":            {bomb, "p:3: anchors and aliases"},
		"an anchor":                {"version: 1\nrules: &r\n" + rule, "p:2: anchors and aliases"},
		"an unknown alias":         {"version: 1\nrules: *r\n", "unknown anchor"},
		"a merge":                  {"version: 1\nrules:\n- <<: {apps: all}\n  name: a\n", "p:3: want a plain key"},
		"a tag":                    {"version: 1\nmode: !!str audit\n", "p:2: tags such as !!str"},
		"a binary tag":             {"version: 1\nmode: !!binary YXVkaXQ=\n", "p:2: tags such as !!binary"},
		"a list as a key":          {"version: 1\n? [a]\n: b\n", "p:2: want a plain key"},
		"a key twice":              {"version: 1\nversion: 1\n", "p:2: "},
		"a key twice in a rule":    {"version: 1\nrules:\n- name: a\n  apps: ['1']\n  apps: all\n", "p:5: "},
		"a set twice":              {"version: 1\nsets:\n  a: [destructive]\n  a: [read]\n", "p:4: "},
		"a claim twice":            {"version: 1\nrules:\n- name: a\n  claims:\n    r: ['1']\n    r: ['2']\n", "p:6: "},
		"a key twice in a test":    {"version: 1\ntests:\n- {expect: deny,\n   expect: allow}\n", "p:4: "},
		"two documents":            {"version: 1\n---\nversion: 1\n", "more than one document"},
		"two, the second is empty": {"version: 1\n---\n", "more than one document"},
		"a value is missing":       {"version: 1\nrules:\n- name: a\n  except:\n", "p:4: a value is missing"},
		"an item is missing":       {"version: 1\nrules:\n-\n", "p:3: a value is missing"},
		"nothing":                  {"", "p:1: the file is empty"},
		"a comment":                {"# version: 1\n", "p:1: the file is empty"},
		"zeros":                    {"version: 1\n" + strings.Repeat("\x00", 100), "p:"},
		"UTF-16":                   {"\xfe\xff\x00v", "is not UTF-8"},
		"a list":                   {"- version: 1\n", "p:1: "},
		"a word":                   {"version", "p:1: "},
		"deep":                     {"version: 1\nmode: " + strings.Repeat("[", 300_000), "p:"},
	} {
		_, err := Parse("p", []byte(c.text), few(t))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}
