package policy

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/access"
	lru "github.com/hashicorp/golang-lru/v2"
	"go.yaml.in/yaml/v3"
)

// Bounds of a policy file.
const (
	maxFileBytes = 1 << 20
	maxRules     = 1000
)

// file is a policy as it is written.
type file struct {
	Version int               `yaml:"version"`
	Mode    word              `yaml:"mode"`
	Sets    map[string][]word `yaml:"sets"`
	Rules   []ruleText        `yaml:"rules"`
	Tests   []caseText        `yaml:"tests"`
}

type ruleText struct {
	Name       word              `yaml:"name"`
	Principals []word            `yaml:"principals"`
	Claims     map[string][]word `yaml:"claims"`
	Methods    []word            `yaml:"methods"`
	Except     []word            `yaml:"except"`
	Paths      []word            `yaml:"paths"`
	Teams      []word            `yaml:"teams"`
	Apps       []word            `yaml:"apps"`
	Org        orgText           `yaml:"org"`
	Priority   word              `yaml:"priority"`
	Weight     int               `yaml:"weight"`
}

type caseText struct {
	Name      word              `yaml:"name"`
	Principal word              `yaml:"principal"`
	Claims    map[string]string `yaml:"claims"`
	Method    word              `yaml:"method"`
	Team      string            `yaml:"team"`
	App       string            `yaml:"app"`
	Expect    word              `yaml:"expect"`
	Rule      string            `yaml:"rule"`
}

// word is a scalar that knows its line.
type word struct {
	text string
	line int
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (w *word) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: want one value, not a list or a mapping", n.Line)
	}
	w.text, w.line = n.Value, n.Line
	return nil
}

// orgText is true, false, or a list of methods.
type orgText struct {
	all     bool
	methods []word
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (o *orgText) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.SequenceNode {
		return n.Decode(&o.methods)
	}
	if err := n.Decode(&o.all); err != nil {
		return fmt.Errorf("line %d: org: want true, false or a list of methods", n.Line)
	}
	return nil
}

// problem is something wrong with a file.
type problem struct {
	line int
	text string
}

// Read reads a policy file.
func Read(name string, methods []*access.Method) (*Policy, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, err
	}
	return Parse(name, b, methods)
}

// Parse reads a policy. Its error tells all that is wrong, each with its line:
// "policy.yaml:12: …".
func Parse(name string, b []byte, methods []*access.Method) (*Policy, error) {
	if len(b) > maxFileBytes {
		return nil, fmt.Errorf("%s: larger than %d bytes", name, maxFileBytes)
	}
	var f file
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil {
		return nil, inLines(name, decodeProblems(err))
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: holds more than one document", name)
	}
	c := &compiler{catalog: newCatalog(methods)}
	p := c.compile(&f)
	if len(c.problems) > 0 {
		return nil, inLines(name, c.problems)
	}
	return p, nil
}

var lineOf = regexp.MustCompile(`line (\d+): ?`)

// decodeProblems finds the lines in the messages of the YAML library.
func decodeProblems(err error) (list []problem) {
	messages := []string{strings.TrimPrefix(err.Error(), "yaml: ")}
	var typed *yaml.TypeError
	if errors.As(err, &typed) {
		messages = typed.Errors
	}
	for _, m := range messages {
		p := problem{text: m}
		if at := lineOf.FindStringSubmatchIndex(m); at != nil {
			p.line, _ = strconv.Atoi(m[at[2]:at[3]])
			p.text = m[:at[0]] + m[at[1]:]
		}
		p.text = strings.ReplaceAll(strings.ReplaceAll(p.text, " in type policy.file", ""), " in type policy.", " in ")
		list = append(list, p)
	}
	return list
}

func inLines(name string, list []problem) error {
	slices.SortStableFunc(list, func(a, b problem) int { return cmp.Compare(a.line, b.line) })
	var lines []string
	for _, p := range list {
		lines = append(lines, fmt.Sprintf("%s:%d: %s", name, p.line, p.text))
	}
	return errors.New(strings.Join(lines, "\n"))
}

// compiler turns what is written into rules, and collects what is wrong.
type compiler struct {
	catalog  *catalog
	problems []problem
}

func (c *compiler) wrong(line int, format string, args ...any) {
	c.problems = append(c.problems, problem{line, fmt.Sprintf(format, args...)})
}

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
	p.views, _ = lru.New[view, []*rule](viewsKept) // the size is positive
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
	r := &rule{name: t.Name.text, line: t.Name.line, priority: t.Priority.text, weight: t.Weight, claims: map[string][]string{}}
	if r.name == "" {
		c.wrong(c.anyLine(t), "a rule has no name")
	}
	r.principals = c.list(r, "principals", t.Principals, true)
	for _, p := range t.Principals {
		if i := strings.Index(p.text, "**"); i >= 0 && i != len(p.text)-2 {
			c.wrong(p.line, "principal %q: ** stands only at the end", p.text)
		}
		if p.text == "*" || p.text == "**" {
			c.wrong(p.line, "principal %q would be everyone: name at least how it is proved, such as spiffe://example.org/** or token:*", p.text)
		}
	}
	for name, values := range t.Claims {
		r.claims[name] = c.list(r, "claims."+name, values, true)
	}
	if len(t.Methods)+len(t.Paths) == 0 {
		c.wrong(r.line, "rule %q allows no methods", r.name)
	}
	for _, w := range t.Paths {
		if verb, path, _ := strings.Cut(w.text, " "); !slices.Contains([]string{"GET", "POST", "PATCH", "DELETE"}, verb) || !strings.HasPrefix(path, "/v") {
			c.wrong(w.line, "paths: %q: want a method and a path, such as GET /v1/newThings/*", w.text)
		}
		if len(t.Apps) > 0 {
			c.wrong(w.line, "rule %q: paths that no operation is known for cannot be kept to apps", r.name)
		}
		r.paths = append(r.paths, w.text)
	}
	r.methods = c.methods("methods", t.Methods)
	r.methods.remove(c.methods("except", t.Except))
	r.teams = c.list(r, "teams", t.Teams, true)
	r.apps = c.apps(r, t.Apps)
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
	return r
}

// apps are the ids, nil for every app.
func (c *compiler) apps(r *rule, list []word) []string {
	ids := c.list(r, "apps", list, false)
	if slices.Contains(ids, "*") {
		if len(ids) > 1 {
			c.wrong(list[0].line, `rule %q: apps: "*" stands alone`, r.name)
		}
		return nil
	}
	for _, w := range list {
		if strings.ContainsAny(w.text, "*/?#,") || len(w.text) > 64 {
			c.wrong(w.line, "rule %q: %q is no app's id: Apple shows it in App Store Connect › App Information", r.name, w.text)
		}
	}
	return ids
}

func (c *compiler) anyLine(t *ruleText) int {
	for _, list := range [][]word{t.Principals, t.Methods, t.Teams, t.Apps, t.Except} {
		if len(list) > 0 {
			return list[0].line
		}
	}
	return 1
}

func (c *compiler) list(r *rule, field string, words []word, needed bool) (out []string) {
	if needed && len(words) == 0 {
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
		found := c.catalog.where(func(m *access.Method) bool { return MatchMethod(w.text, m.Name()) })
		if len(c.catalog.members(found)) == 0 {
			hint := ""
			if n := nearest(w.text, c.catalog.words()); n != "" {
				hint = fmt.Sprintf(": did you mean %s?", n)
			}
			c.wrong(w.line, "%s: %q is no set and matches no method%s", field, w.text, hint)
		}
		b.join(found)
	}
	return b
}
