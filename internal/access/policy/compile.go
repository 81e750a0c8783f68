package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/access"
)

// compiler turns what is written into rules, and collects what is wrong.
type compiler struct {
	catalog  *catalog
	found    map[string]bits // what a pattern of methods matches
	problems []problem
}

func (c *compiler) wrong(line int, format string, args ...any) {
	if !c.enough() {
		c.problems = append(c.problems, problem{line, fmt.Sprintf(format, args...)})
	}
}

// enough says that no more problems are told.
func (c *compiler) enough() bool { return len(c.problems) >= maxProblems }

func (c *compiler) compile(f *file) *Policy {
	if f.Version != 1 {
		c.wrong(1, "version: want 1")
	}
	p := &Policy{Mode: f.Mode.text, catalog: c.catalog}
	switch p.Mode {
	case "":
		p.Mode = Enforce
	case Enforce, Audit:
	default:
		c.wrong(f.Mode.line, "mode: want %s or %s", Enforce, Audit)
	}
	c.ownSets(f.Sets)
	if len(f.Rules) > maxRules {
		c.wrong(1, "rules: more than %d", maxRules)
		f.Rules = f.Rules[:maxRules]
	}
	seen := map[string]bool{}
	for i := range f.Rules {
		r := c.rule(&f.Rules[i])
		if seen[r.name] {
			c.wrong(r.line, "rule %q stands twice", r.name)
		}
		seen[r.name] = true
		p.rules = append(p.rules, r)
	}
	for _, t := range f.Tests {
		p.Tests = append(p.Tests, c.testCase(t, seen))
	}
	p.views = newViews()
	return p
}

// ownSets adds the file's sets. They name methods and built-in sets, not each
// other.
func (c *compiler) ownSets(sets map[string][]word) {
	own := map[string]bits{}
	for name, members := range sets {
		line := 1
		if len(members) > 0 {
			line = members[0].line
		}
		if _, builtin := c.catalog.sets[name]; builtin {
			c.wrong(line, "set %q is built in", name)
			continue
		}
		if name == "" || strings.ContainsAny(name, "./* ") {
			c.wrong(line, "set %q: a name has no dots, slashes, stars or spaces", name)
		}
		own[name] = c.methods("sets."+name, members)
	}
	for name, b := range own {
		c.catalog.sets[name] = b
	}
}

func (c *compiler) rule(t *ruleText) *rule {
	r := &rule{name: t.Name.text, line: t.Name.line, priority: t.Priority.text, weight: t.Weight}
	if r.name == "" {
		r.line = c.anyLine(t)
		c.wrong(r.line, "a rule has no name")
	}
	c.callers(r, t)
	if len(t.Methods)+len(t.Paths) == 0 {
		c.wrong(r.line, "rule %q allows no methods", r.name)
	}
	r.methods = c.methods("methods", t.Methods)
	r.methods.remove(c.methods("except", t.Except))
	r.teams = c.list(r, "teams", t.Teams)
	r.apps = c.apps(r, &t.Apps)
	c.rulePaths(r, t)
	r.org = c.methods("org", t.Org.methods)
	if t.Org.all {
		r.org = r.methods
	}
	switch {
	case r.priority == "":
		r.priority = Default
	case !slices.Contains([]string{Interactive, Default, Batch}, r.priority):
		c.wrong(t.Priority.line, "priority: want %s, %s or %s", Interactive, Default, Batch)
	}
	if r.weight < 0 || r.weight > 1000 {
		c.wrong(r.line, "rule %q: weight: want 1 to 1000", r.name)
	}
	r.weight = max(r.weight, 1)
	c.operations(r, t)
	if t.Hour == nil {
		return r
	}
	if r.hour = *t.Hour; r.hour < 1 || r.hour > maxHour {
		c.wrong(r.line, "rule %q: hour: want 1 to %d requests, or leave it out", r.name, maxHour)
	}
	return r
}

// operations takes what a rule says of operations.
func (c *compiler) operations(r *rule, t *ruleText) {
	switch t.Operations.text {
	case "", "own":
	case "all":
		r.operations = true
	default:
		c.wrong(t.Operations.line, "operations: want own or all")
	}
	if t.Approval == nil {
		return
	}
	r.approval = c.list(r, "approval.of", t.Approval.Of)
	for _, p := range t.Approval.Of {
		c.principal(p)
	}
	if r.approval == nil {
		r.approval = []string{} // it is wrong, and must not mean nobody
	}
}

// principal checks a pattern of principals.
func (c *compiler) principal(p word) {
	if i := strings.Index(p.text, "**"); i >= 0 && i != len(p.text)-2 {
		c.wrong(p.line, "principal %q: ** stands only at the end", p.text)
	}
	if p.text == "*" || p.text == "**" {
		c.wrong(p.line, "principal %q would be everyone: name at least how it is proved, such as "+
			"spiffe://example.org/** or token:*", p.text)
	}
}

// callers takes whom a rule names.
func (c *compiler) callers(r *rule, t *ruleText) {
	r.principals = c.list(r, "principals", t.Principals)
	for _, p := range t.Principals {
		c.principal(p)
	}
	r.claims = make(map[string][]string, len(t.Claims))
	for name, values := range t.Claims {
		r.claims[name] = c.list(r, "claims."+name, values)
	}
}

// rulePaths takes the paths that no operation is known for.
func (c *compiler) rulePaths(r *rule, t *ruleText) {
	for _, w := range t.Paths {
		p, err := parsePath(w.text)
		if err != nil {
			c.wrong(w.line, "paths: %q: %v", w.text, err)
		}
		r.paths = append(r.paths, p)
	}
	if len(t.Paths) > 0 && r.apps != nil {
		c.wrong(t.Paths[0].line, "rule %q: paths that no operation is known for cannot be kept to apps: "+
			"give them a rule of their own with apps: all", r.name)
	}
}

// apps are the ids, nil for every app.
func (c *compiler) apps(r *rule, t *appsText) []string {
	const all = "all"
	switch {
	case t.line == 0:
		c.wrong(r.line, `rule %q: apps: want the ids of the apps that it is kept to, such as ["1500004000"], or all`, r.name)
		return nil
	case t.ids == nil && t.word == all:
		return nil
	case len(t.ids) == 0:
		c.wrong(t.line, `rule %q: apps: want a list of ids, such as ["1500004000"], or the word all`, r.name)
	}
	for _, w := range t.ids {
		switch {
		case w.text == "*" || w.text == all:
			c.wrong(w.line, "rule %q: apps: [%q]: did you mean apps: all?", r.name, w.text)
		case !isAppID(w.text):
			c.wrong(w.line, "rule %q: %q is no app's id: Apple shows it in App Store Connect › App Information",
				r.name, w.text)
		}
	}
	return append([]string{}, c.list(r, "apps", t.ids)...) // never nil: that is every app
}

// isAppID says whether a text can be the id of an app. Apple's are numbers.
func isAppID(s string) bool {
	return s != "" && len(s) <= 64 && strings.IndexFunc(s, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' && c != '.'
	}) < 0
}

func (c *compiler) anyLine(t *ruleText) int {
	for _, list := range [][]word{t.Principals, t.Methods, t.Teams, t.Apps.ids, t.Except} {
		if len(list) > 0 {
			return list[0].line
		}
	}
	return max(t.Apps.line, 1)
}

// list takes a list that a rule needs.
func (c *compiler) list(r *rule, field string, words []word) (out []string) {
	if len(words) == 0 && field != "apps" {
		c.wrong(r.line, "rule %q: %s: want at least one", r.name, field)
	}
	for _, w := range words {
		if w.text == "" {
			c.wrong(w.line, "rule %q: %s: an empty value", r.name, field)
		}
		out = append(out, w.text)
	}
	return out
}

// methods resolves sets and patterns. What matches nothing is a mistake: it would
// deny, or allow, what nobody meant.
func (c *compiler) methods(field string, words []word) bits {
	b := newBits(len(c.catalog.methods))
	for _, w := range words {
		if set, ok := c.catalog.sets[w.text]; ok {
			b.join(set)
			continue
		}
		if c.enough() {
			break
		}
		found, ok := c.found[w.text]
		if !ok {
			found = c.matching(field, w)
		}
		b.join(found)
	}
	return b
}

// matching are the methods that a pattern matches.
func (c *compiler) matching(field string, w word) bits {
	if len(c.found) == maxPatterns {
		c.wrong(w.line, "more than %d different patterns of methods", maxPatterns)
	}
	if len(c.found) >= maxPatterns {
		return nil
	}
	found := c.catalog.where(func(m *access.Method) bool { return MatchMethod(w.text, m.Name()) })
	c.found[w.text] = found
	if !found.empty() {
		return found
	}
	hint := ""
	if n := nearest(w.text, c.catalog.words()); n != "" {
		hint = fmt.Sprintf(": did you mean %s?", n)
	}
	c.wrong(w.line, "%s: %q is no set and matches no method%s", field, w.text, hint)
	return found
}
