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
		cut(t, Example, some(t, func(_ int, m *access.Method) bool {
			return strings.Contains(m.FullName, "AppStoreVersionsService/") ||
				strings.Contains(m.FullName, ".Beta") || strings.Contains(m.FullName, ".Builds")
		}))
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
    hour: 600
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
  hour: 600
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
	case b.Hour > 0 && (a.Hour == 0 || a.Hour > b.Hour):
		return fmt.Sprintf("with the budget %d instead of %d", a.Hour, b.Hour)
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
func few(t testing.TB) []*access.Method {
	return some(t, func(i int, m *access.Method) bool {
		return m.Area == "testflight" &&
			(i%9 == 0 || strings.Contains(m.FullName, ".BuildsService/") || strings.Contains(m.FullName, "BetaGroupsService/"))
	})
}

func some(t testing.TB, want func(int, *access.Method) bool) (list []*access.Method) {
	for i, m := range methods(t) {
		if want(i, m) {
			list = append(list, m)
		}
	}
	return list
}

// TestRandomPoliciesCutShort does the same with policies made at random. Those
// that are refused as a whole are counted: they prove nothing.
func TestRandomPoliciesCutShort(t *testing.T) {
	known, seed := few(t), uint64(20261121)
	rounds := 30
	if testing.Short() {
		rounds = 15
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
	t.Logf("%d policies (%d more are refused for their form), %d pieces, %d of them are a policy, none wider",
		rounds-refused, refused, pieces, taken)
	if refused > rounds*4/5 || taken == 0 {
		t.Error("the policies are no test")
	}
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
