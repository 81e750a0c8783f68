package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/access"
)

// Case is a test that stands in the policy file itself.
type Case struct {
	Name      string
	Line      int
	Principal access.Principal
	Method    string // without the leading slash
	Team      string
	App       string // "": the call names no app
	Allow     bool
	Rule      string // "": whichever
}

func (c *compiler) testCase(t caseText, rules map[string]bool) Case {
	k := Case{Name: t.Name.text, Line: t.Method.line, Principal: access.Principal{ID: t.Principal.text, Claims: t.Claims},
		Method: t.Method.text, Team: t.Team, App: t.App, Rule: t.Rule}
	switch t.Expect.text {
	case "allow", "deny":
		k.Allow = t.Expect.text == "allow"
	default:
		c.wrong(max(t.Expect.line, k.Line), "test %q: expect: want allow or deny", k.Name)
	}
	if _, ok := c.catalog.index["/"+k.Method]; !ok {
		c.wrong(k.Line, "test %q: %v", k.Name, c.catalog.unknown(k.Method))
	}
	if k.Principal.ID == "" {
		c.wrong(k.Line, "test %q: wants a principal", k.Name)
	}
	if k.Rule != "" && !rules[k.Rule] {
		c.wrong(k.Line, "test %q: there is no rule %q", k.Name, k.Rule)
	}
	return k
}

// Result is how a case came out.
type Result struct {
	Case
	Got  Decision
	Pass bool
}

// Test runs the cases of the file, as if the mode were enforce.
func (p *Policy) Test() (results []Result) {
	enforced := p.Enforced()
	for _, k := range p.Tests {
		d := enforced.Decide(&k.Principal, "/"+k.Method, k.Team)
		allowed := d.Allowed && d.reaches(k.App)
		results = append(results, Result{k, d, allowed == k.Allow && (k.Rule == "" || k.Rule == d.Rule)})
	}
	return results
}

// Check runs the cases of the file. Its error names each that fails, with its
// line: such a policy must not be used.
func (p *Policy) Check() error {
	var failed []problem
	for _, r := range p.Test() {
		if !r.Pass && len(failed) < maxProblems {
			text := fmt.Sprintf("test %q fails: want %s, got %s", r.Name, r.want(), r.Verdict())
			failed = append(failed, problem{r.Line, text})
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return inLines(p.name, failed)
}

func (r *Result) want() string {
	switch {
	case !r.Allow:
		return "deny"
	case r.Case.Rule != "":
		return "allow by " + r.Case.Rule
	}
	return "allow"
}

// Verdict says how the case came out: "allow by ci, apps 1 2" or "deny: …".
func (r *Result) Verdict() string {
	switch {
	case !r.Got.Allowed:
		return "deny: " + r.Got.Reason
	case !r.Got.reaches(r.App):
		return "deny: kept to the apps " + strings.Join(r.Got.Apps, " ")
	case r.Got.Restricted:
		return "allow by " + r.Got.Rule + ", apps " + strings.Join(r.Got.Apps, " ")
	}
	return "allow by " + r.Got.Rule
}

// reaches says whether a decision covers an app; without one, what belongs to
// the organisation.
func (d Decision) reaches(app string) bool {
	return !d.Restricted || app == "" || slices.Contains(d.Apps, app)
}

// Explain tells, rule by rule, how a decision comes about. Its error says that
// there is no such method.
func (p *Policy) Explain(who *access.Principal, fullMethod, team, app string) (string, error) {
	var b strings.Builder
	i, known := p.catalog.index[fullMethod]
	if !known {
		return "", p.catalog.unknown(strings.TrimPrefix(fullMethod, "/"))
	}
	for _, r := range p.rules {
		fmt.Fprintf(&b, "rule %-24s line %-4d %s%s\n", r.name, r.line, r.verdict(who, i, team), r.budget())
	}
	d := p.Decide(who, fullMethod, team)
	switch {
	case d.WouldDeny:
		fmt.Fprintf(&b, "allowed, because the mode is audit; else denied: %s\n", d.Reason)
	case !d.Allowed:
		fmt.Fprintf(&b, "denied: %s\n", d.Reason)
	case !d.reaches(app):
		fmt.Fprintf(&b, "denied: kept to the apps %s\n", strings.Join(d.Apps, ", "))
	case d.Restricted:
		fmt.Fprintf(&b, "allowed by %s, kept to the apps %s; what belongs to no app: %v%s\n",
			d.Rule, strings.Join(d.Apps, ", "), d.Org, d.budget())
	default:
		fmt.Fprintf(&b, "allowed by %s, for every app%s\n", d.Rule, d.budget())
	}
	if d.Allowed && len(d.Approval) > 0 {
		fmt.Fprintf(&b, "operations wait for an approval by %s\n", strings.Join(d.Approval, " or "))
	}
	p.explainJob(&b, who, p.catalog.methods[i].Job, team)
	return b.String(), nil
}

// explainJob tells what a job needs beside the method that starts it, and is not
// allowed.
func (p *Policy) explainJob(b *strings.Builder, who *access.Principal, job, team string) {
	if job == "" {
		return
	}
	needs := p.catalog.members(p.catalog.sets[jobPrefix+job])
	var missing []string
	for _, m := range needs {
		if !p.Decide(who, "/"+m, team).Allowed {
			missing = append(missing, m)
		}
	}
	if len(missing) == 0 {
		fmt.Fprintf(b, "the job has all %d methods of the set job:%s\n", len(needs), job)
		return
	}
	fmt.Fprintf(b, "the job stops at the first of these that it needs (they are in the set job:%s):\n", job)
	for _, m := range missing {
		fmt.Fprintf(b, "  missing: %s\n", m)
	}
}

func (r *rule) verdict(who *access.Principal, method int, team string) string {
	anyone := rule{principals: r.principals}
	switch {
	case !anyone.names(who):
		return "names other principals"
	case !r.names(who):
		return "wants other claims"
	case !r.methods.has(method):
		return "does not hold the method"
	case !r.forTeam(team):
		return "is for other teams"
	}
	return "allows"
}

// Teams are the teams that rules name, "*" left out.
func (p *Policy) Teams() (names []string) {
	for _, r := range p.rules {
		for _, t := range r.teams {
			if t != "*" && !slices.Contains(names, t) {
				names = append(names, t)
			}
		}
	}
	return names
}
