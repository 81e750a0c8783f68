package policy

import (
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/access"
)

const budgets = `
version: 1
rules:
- {name: small, principals: ["token:*"], methods: [read], teams: [main], hour: 100, apps: all}
- {name: great, principals: ["token:ci"], methods: [read], teams: [main], hour: 600, apps: all}
- {name: free, principals: ["token:ci"], methods: ["asc.testflight.v1.BuildsService/ListBuilds"], teams: [main], apps: all}
- {name: path, principals: ["token:*"], paths: ["GET /v1/newThings"], teams: [main], hour: 7, apps: all}
- {name: paths, principals: ["token:ci"], paths: ["GET /v1/newThings"], teams: [main], hour: 9, apps: all}
- {name: other, principals: ["token:ci"], methods: [write], teams: [other], apps: all}
`

// TestBudgets holds that rules only add: of several that allow a call the
// greatest budget counts, and one without a budget sets no end.
func TestBudgets(t *testing.T) {
	const list, get = "/asc.testflight.v1.BuildsService/ListBuilds", "/asc.testflight.v1.BuildsService/GetBuild"
	p := parse(t, budgets)
	ci, x := &access.Principal{ID: "token:ci"}, &access.Principal{ID: "token:x"}
	for _, c := range []struct {
		who    *access.Principal
		method string
		want   int
	}{{x, get, 100}, {x, list, 100}, {ci, get, 600}, {ci, list, 0}} {
		if d := p.Decide(c.who, c.method, "main"); !d.Allowed || d.Hour != c.want || d.Budget() != c.want {
			t.Errorf("%s %s: %+v, want %d", c.who.ID, c.method, d, c.want)
		}
	}
	for who, want := range map[*access.Principal]int{x: 7, ci: 9} {
		if d := p.DecidePath(who, "GET", "/v1/newThings", "main"); d.Budget() != want {
			t.Errorf("a path: %s %+v, want %d", who.ID, d, want)
		}
	}
	if a, b, c, d := p.Budget(ci, "main"), p.Budget(x, "main"), p.Budget(ci, "other"), p.Budget(nil, "main"); a != 600 ||
		b != 100 || c != 0 || d != 0 {
		t.Errorf("callers are told %d, %d, %d and %d", a, b, c, d)
	}
}

// TestNoBudgetInAuditMode refuses nothing while a policy is tried out.
func TestNoBudgetInAuditMode(t *testing.T) {
	p := parse(t, strings.Replace(budgets, "version: 1", "version: 1\nmode: audit", 1))
	x := &access.Principal{ID: "token:x"}
	d := p.Decide(x, "/asc.testflight.v1.BuildsService/GetBuild", "main")
	path := p.DecidePath(x, "GET", "/v1/newThings", "main")
	if d.Hour != 100 || d.Budget() != 0 || path.Budget() != 0 || p.Budget(x, "main") != 0 {
		t.Errorf("got %+v and %+v", d, path)
	}
}

func TestExplainTellsTheBudget(t *testing.T) {
	for mode, want := range map[string]string{
		Enforce: "allowed by small, for every app; budget: 100 of Apple's requests an hour\n",
		Audit:   "allowed by small, for every app; budget: 100 of Apple's requests an hour, once the mode is enforce\n",
	} {
		p := parse(t, strings.Replace(budgets, "version: 1", "version: 1\nmode: "+mode, 1))
		const get = "/asc.testflight.v1.BuildsService/GetBuild"
		got, err := p.Explain(&access.Principal{ID: "token:x"}, get, "main", "")
		if err != nil || !strings.HasSuffix(got, want) || !strings.Contains(got, "allows, hour 100") {
			t.Errorf("got %v\n%s", err, got)
		}
	}
}
