package policy

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/access"
)

// TestACutFileIsNoWiderPolicy cuts policies at every byte. Each piece is an error
// or allows nothing that the whole does not.
func TestACutFileIsNoWiderPolicy(t *testing.T) {
	known := few(t)
	for _, c := range []struct{ name, text string }{
		{"rules in braces", twoRules},
		{"a block without an end of line", "version: 1\nrules:\n- name: a\n  principals: ['token:x']\n  methods: [read]\n  teams: [main]\n  apps: all"},
		{"sets, and lists of lines", linesPolicy},
		{"keys sorted by a program", sortedPolicy},
		{"JSON", `{"rules":[{"apps":"all","claims":{"a":["b"]},"except":["destructive"],"methods":["read","write"],"name":"a",` +
			`"principals":["token:x"],"teams":["main"]}],"mode":"enforce","version":1}`},
		{"carriage returns", strings.ReplaceAll(linesPolicy, "\n", "\r\n")},
	} {
		t.Run(c.name, func(t *testing.T) { cut(t, []byte(c.text), known) })
	}
	t.Run("the example", func(t *testing.T) {
		if testing.Short() {
			t.Skip("each piece is compared with every method")
		}
		cut(t, Example, methods(t))
	})
}

const linesPolicy = `version: 1
mode: enforce
sets:
  mine:
    - asc.testflight.v1.BetaGroupsService/DeleteBetaGroup
    - destructive
rules:
  - name: first
    principals:
      - token:ci
      - token:ci-two
    claims:
      repository_id:
        - 77
        - 7
    methods:
      - read
      - write
    except:
      - mine
      - asc.testflight.v1.BuildsService/UpdateBuild
    teams:
      - main
      - main2
    priority: batch
    apps:
      - 1500004000
      - "15"
    org:
      - asc.testflight.v1.BuildsService/ListBuilds
    weight: 20
  - name: second
    principals: [token:other]
    methods: [write]
    except: [destructive]
    teams: [main]
    apps:
      - 1500004000
      - 15000040
`

const sortedPolicy = `mode: enforce
rules:
- apps:
  - "1"
  claims:
    a:
    - b
  except:
  - destructive
  methods:
  - read
  - write
  name: a
  principals:
  - token:ci-x
  priority: batch
  teams:
  - main
sets:
  x:
  - read
version: 1
`

// cut parses every beginning of a policy.
func cut(t *testing.T, text []byte, known []*access.Method) {
	t.Helper()
	whole, err := Parse("policy.yaml", text, known)
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	for n := range len(text) {
		piece, err := Parse("policy.yaml", text[:n], known)
		if err != nil {
			continue
		}
		taken++
		if what := wider(piece, whole); what != "" {
			t.Fatalf("cut after %d of %d bytes, %s:\n%s", n, len(text), what, text[:n])
		}
	}
	t.Logf("%d pieces: %d are a policy, none of them wider", len(text), taken)
}

// wider says what a piece allows that the whole does not, "" if nothing. It asks
// for what each rule of the piece names.
func wider(piece, whole *Policy) string {
	if piece.Mode == Audit && whole.Mode != Audit {
		return "the mode is audit"
	}
	piece, whole = piece.Enforced(), whole.Enforced()
	for _, r := range piece.rules {
		for _, who := range r.witnesses() {
			for _, team := range r.teams {
				for i, m := range piece.catalog.methods {
					if !r.methods.has(i) {
						continue
					}
					a, b := piece.Decide(who, m.FullName, team), whole.Decide(who, m.FullName, team)
					if what := more(a, b); what != "" {
						return fmt.Sprintf("%+v %s for team %s: %s", *who, m.Name(), team, what)
					}
				}
				for _, p := range r.paths {
					path := "/" + strings.Join(p.segments, "/")
					if p.rest {
						path += "/a/b"
					}
					a, b := piece.DecidePath(who, p.verb, path, team), whole.DecidePath(who, p.verb, path, team)
					if what := more(a, b); what != "" {
						return fmt.Sprintf("%+v %s %s for team %s: %s", *who, p.verb, path, team, what)
					}
				}
			}
		}
	}
	return ""
}

// more says what one decision allows that another does not.
func more(a, b Decision) string {
	switch {
	case !a.Allowed:
		return ""
	case !b.Allowed:
		return "allowed"
	case b.Restricted && !a.Restricted:
		return "for every app"
	case b.Restricted && slices.ContainsFunc(a.Apps, func(id string) bool { return !slices.Contains(b.Apps, id) }):
		return fmt.Sprintf("for the apps %v instead of %v", a.Apps, b.Apps)
	case a.Org && !b.Org:
		return "for what belongs to no app"
	case higher(a.Priority, b.Priority):
		return "with the class " + a.Priority
	case a.Weight > b.Weight:
		return fmt.Sprintf("with the weight %d", a.Weight)
	}
	return ""
}

// witnesses are callers that a rule names, each with only the claims that it
// wants.
func (r *rule) witnesses() (list []*access.Principal) {
	for _, p := range r.principals {
		for _, star := range []string{"x", ""} {
			id := strings.ReplaceAll(strings.ReplaceAll(p, "**", "r:r"), "*", star)
			for v := range longest(r.claims) {
				who := &access.Principal{ID: id, Claims: map[string]string{}}
				for name, values := range r.claims {
					who.Claims[name] = values[min(v, len(values)-1)]
				}
				list = append(list, who)
			}
		}
	}
	return list
}

// longest is how many values the claim with the most has, at least one.
func longest(claims map[string][]string) int {
	n := 1
	for _, values := range claims {
		n = max(n, len(values))
	}
	return n
}

// few are some methods, so that many policies can be parsed.
func few(t testing.TB) (list []*access.Method) {
	for i, m := range methods(t) {
		if m.Area == "testflight" && (i%7 == 0 || strings.Contains(m.FullName, "BuildsService/") || strings.Contains(m.FullName, "BetaGroupsService/")) {
			list = append(list, m)
		}
	}
	return list
}

// TestRandomPoliciesCutShort does the same with policies made at random. Those
// that are refused as a whole are counted: they prove nothing.
func TestRandomPoliciesCutShort(t *testing.T) {
	known, seed := few(t), uint64(20261121)
	rounds := 80
	if testing.Short() {
		rounds = 20
	}
	pieces, taken, refused := 0, 0, 0
	for i := range rounds {
		g := &maker{rand.New(rand.NewPCG(seed, uint64(i)))}
		text := []byte(g.policy())
		whole, err := Parse("p", text, known)
		if err != nil {
			refused++
			continue
		}
		for n := range len(text) {
			pieces++
			piece, err := Parse("p", text[:n], known)
			if err != nil {
				continue
			}
			taken++
			if what := wider(piece, whole); what != "" {
				t.Fatalf("seed %d, round %d, cut after %d bytes, %s:\n%s\n--- of\n%s", seed, i, n, what, text[:n], text)
			}
		}
	}
	t.Logf("%d policies (%d more are refused for their form), %d pieces, %d of them are a policy, none wider", rounds-refused, refused, pieces, taken)
	if refused > rounds*4/5 || taken == 0 {
		t.Error("the policies are no test")
	}
}

// maker writes policies at random: right ones, and such with an order of keys
// that is refused.
type maker struct{ *rand.Rand }

func (g *maker) of(list ...string) string { return list[g.IntN(len(list))] }

// some is a list of one to three words, as a block or in brackets.
func (g *maker) some(indent string, words ...string) string {
	var list []string
	for range 1 + g.IntN(3) {
		w := g.of(words...)
		if strings.ContainsAny(w, "*:") || g.IntN(2) == 0 {
			w = fmt.Sprintf("%q", w)
		}
		list = append(list, w)
	}
	if indent == "" || g.IntN(2) == 0 {
		return " [" + strings.Join(list, ", ") + "]"
	}
	return "\n" + indent + "- " + strings.Join(list, "\n"+indent+"- ")
}

func (g *maker) policy() string {
	parts := []string{"version: 1", "mode: " + g.of("enforce", "enforce", "audit"), "sets:\n  own:" + g.some("    ", "read", "destructive", "write"), g.rules()}
	if g.IntN(2) == 0 {
		parts = append(parts, "tests:\n- {principal: 'token:none', method: asc.testflight.v1.BuildsService/ListBuilds, expect: deny}")
	}
	if g.IntN(4) == 0 {
		g.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	}
	return strings.Join(parts, "\n") + g.of("\n", "\n", "", "\n...\n")
}

func (g *maker) rules() string {
	out := "rules:"
	for i := range 1 + g.IntN(3) {
		flow := g.IntN(4) == 0
		keys := g.rule(i, flow)
		if flow {
			out += "\n- {" + strings.Join(keys, ", ") + "}"
		} else {
			out += "\n- " + strings.Join(keys, "\n  ")
		}
	}
	return out
}

func (g *maker) rule(i int, flow bool) []string {
	indent := "    "
	if flow {
		indent = ""
	}
	who := func() string { return g.some(indent, "token:ci", "token:ci2", "token:*", "spiffe://td/a/**") }
	before := []string{
		fmt.Sprintf("name: rule%d", i), "principals:" + who(),
		"methods:" + g.some(indent, "read", "write", "own", "asc.testflight.v1.B*/*", "asc.testflight.v1.BuildsService/ListBuilds"),
		"teams:" + g.some(indent, "main", "main2", "*"),
	}
	if g.IntN(2) == 0 {
		before = append(before, "except:"+g.some(indent, "destructive", "own", "asc.testflight.v1.BuildsService/*"))
	}
	if g.IntN(3) == 0 && !flow {
		before = append(before, "claims:\n    a:"+g.some("    ", "7", "77", "b"))
	}
	if g.IntN(3) == 0 {
		before = append(before, "priority: "+g.of("batch", "interactive", "default"))
	}
	if g.IntN(5) > 0 {
		g.Shuffle(len(before), func(i, j int) { before[i], before[j] = before[j], before[i] })
	}
	keys := append(before, "apps:"+g.of(" all", g.some(indent, "15", "1500004000", "15000")))
	if g.IntN(3) == 0 {
		keys = append(keys, "org:"+g.of(" true", " false", g.some(indent, "read", "own", "asc.testflight.v1.BuildsService/ListBuilds")))
	}
	if g.IntN(3) == 0 {
		keys = append(keys, fmt.Sprintf("weight: %d", 1+g.IntN(300)))
	}
	if g.IntN(4) == 0 { // one that should stand before apps
		i := g.IntN(len(keys))
		moved := keys[i]
		keys = append(slices.Delete(keys, i, i+1), moved)
	}
	return keys
}

// FuzzCutPolicy cuts whatever is a policy.
func FuzzCutPolicy(f *testing.F) {
	known := few(f)
	for _, text := range []string{string(Example), twoRules, linesPolicy, sortedPolicy} {
		for _, n := range []int{len(text) / 4, len(text) / 2, len(text) - 2} {
			f.Add([]byte(text), n)
		}
	}
	for i := range 40 {
		text := (&maker{rand.New(rand.NewPCG(3, uint64(i)))}).policy()
		f.Add([]byte(text), len(text)-20)
	}
	f.Fuzz(func(t *testing.T, text []byte, n int) {
		if n < 0 || n >= len(text) || len(text) > 4096 {
			return
		}
		piece, err := Parse("p", text[:n], known)
		if err != nil {
			return
		}
		whole, err := Parse("p", text, known)
		if err != nil {
			return
		}
		if what := wider(piece, whole); what != "" {
			t.Fatalf("%s:\n%s\n--- of\n%s", what, text[:n], text)
		}
	})
}

// TestFormsThatCouldBeCutAreRefused holds the errors, and that they have lines.
func TestFormsThatCouldBeCutAreRefused(t *testing.T) {
	const rule = "version: 1\nrules:\n- name: a\n  principals: ['token:x']\n  methods: [read]\n  teams: [main]\n"
	known := few(t)
	for name, c := range map[string]struct{ text, want string }{
		"except after apps":              {rule + "  apps: all\n  except: [destructive]\n", "p:8: except stands after apps"},
		"claims after apps":              {rule + "  apps: all\n  claims: {a: [b]}\n", "p:8: claims stands after apps"},
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
