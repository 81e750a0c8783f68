// Package policy decides what a caller may do: principals × methods × teams ×
// apps, from one YAML file. What no rule allows is denied.
//
// It knows no ids but those of apps that a rule names; whether a request keeps
// to them is the work of package restrict. It must never allow anything because
// of an error: a file that does not parse is no policy.
package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	lru "github.com/hashicorp/golang-lru/v2"
)

// ReasonDenied is the reason of a refusal by policy.
const ReasonDenied = "POLICY_DENIED"

// Modes of a policy.
const (
	Enforce = "enforce"
	Audit   = "audit" // allows everything, and records what would be denied
)

// Priorities, the highest first: the classes of package quota.
const (
	Interactive = "interactive"
	Default     = "default"
	Batch       = "batch"
)

// viewsKept bounds the principals whose rules are remembered.
const viewsKept = 10_000

// Policy is a parsed policy. It does not change; it is safe for concurrent use.
type Policy struct {
	Mode  string
	Tests []Case

	name    string // of the file
	rules   []*rule
	catalog *catalog
	views   *lru.Cache[view, []*rule]
}

// Restricts says whether a rule keeps callers to apps.
func (p *Policy) Restricts() bool {
	return slices.ContainsFunc(p.rules, func(r *rule) bool { return r.apps != nil })
}

// rule is a compiled rule.
type rule struct {
	name       string
	line       int
	principals []string
	claims     map[string][]string
	methods    bits
	paths      []pathPattern // paths that no operation is known for
	teams      []string      // "*": all
	apps       []string      // nil: every app
	org        bits          // methods for which what belongs to no app is granted
	priority   string
	weight     int
	operations bool     // those of other callers may be seen and steered too
	approval   []string // patterns of who must let an operation go; nil: nobody
	hour       int      // requests of Apple's that a caller may spend within an hour; 0: no budget
}

// view names what of a principal rules can match.
type view struct{ id, claims string }

// Decision is what a policy says of a call.
type Decision struct {
	Allowed bool
	// WouldDeny is set in audit mode for what is allowed only because of it.
	WouldDeny bool
	// Audit is set in audit mode: that the caller is kept to apps is recorded,
	// not enforced.
	Audit bool
	// Rule is the name of the first rule that allows, or of the one that came
	// nearest.
	Rule string
	// Reason tells why not.
	Reason string
	// Restricted callers are kept to Apps. Org also lets them use what belongs
	// to no app.
	Restricted bool
	Apps       []string
	Org        bool
	Priority   string // the highest class that may be asked for
	Weight     int
	Hour       int // requests of Apple's that the caller may spend within an hour; 0: no budget
	// Operations lets the caller see and steer those of others too. Approval are
	// patterns of who must let one of its own go, empty: nobody.
	Operations bool
	Approval   []string
}

// Open is the decision for everyone while no policy is configured.
var openDecision = Decision{Allowed: true, Rule: "", Priority: Interactive, Weight: 1, Operations: true}

// Open is the decision where there is no policy at all.
func Open() Decision { return openDecision }

// Decide says whether a principal may call a method, by its full name, for a
// team. The apps of all rules that allow it are taken together; a rule without
// apps wins over those with.
func (p *Policy) Decide(who *access.Principal, fullMethod, team string) Decision {
	d := Decision{Reason: "no rule names the caller"}
	i, known := p.catalog.index[fullMethod]
	if who == nil || !known {
		d.Reason = "there is no such method"
		return p.inMode(d)
	}
	for _, r := range p.rulesOf(who) {
		switch {
		case !r.methods.has(i):
			d.missed(r, "no rule allows the caller this method")
		case !r.forTeam(team):
			d.missed(r, "no rule allows the caller this method for this team")
		default:
			d.add(r, i)
		}
	}
	return p.inMode(d)
}

// missed notes a rule that names the caller and yet does not allow.
func (d *Decision) missed(r *rule, reason string) {
	if !d.Allowed {
		d.Reason, d.Rule = reason, r.name
	}
}

// add joins a rule that allows.
func (d *Decision) add(r *rule, method int) {
	org := r.apps == nil || r.org.has(method)
	if !d.Allowed {
		*d = Decision{
			Allowed:    true,
			Rule:       r.name,
			Restricted: r.apps != nil,
			Apps:       r.apps,
			Org:        org,
			Priority:   r.priority,
			Weight:     r.weight,
			Hour:       r.hour,
			Operations: r.operations,
			Approval:   r.approval,
		}
		return
	}
	d.Operations = d.Operations || r.operations
	if d.Approval != nil { // a rule that wants none wins over one that does
		d.Approval = joined(d.Approval, r.approval)
	}
	d.Org = d.Org || org
	if higher(r.priority, d.Priority) {
		d.Priority = r.priority
	}
	d.Weight = max(d.Weight, r.weight)
	d.Hour = larger(d.Hour, r.hour)
	switch {
	case r.apps == nil:
		d.Restricted, d.Apps = false, nil
	case d.Restricted:
		joined := slices.Concat(d.Apps, r.apps)
		slices.Sort(joined)
		d.Apps = slices.Compact(joined)
	}
}

// joined are all who may approve by two rules, nil if one of them wants nobody.
func joined(a, b []string) []string {
	if b == nil {
		return nil
	}
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// Approver says whether a principal is one of those who may let an operation go.
func Approver(patterns []string, id string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matchPrincipal(p, id) })
}

func higher(a, b string) bool {
	order := []string{Interactive, Default, Batch}
	return slices.Index(order, a) < slices.Index(order, b)
}

// Enforced is the policy as it would be with the mode enforce.
func (p *Policy) Enforced() *Policy {
	enforced := *p
	enforced.Mode = Enforce
	return &enforced
}

func (p *Policy) inMode(d Decision) Decision {
	d.Audit = p.Mode == Audit
	if d.Audit && !d.Allowed {
		return Decision{
			Allowed:   true,
			WouldDeny: true,
			Audit:     true,
			Rule:      d.Rule,
			Reason:    d.Reason,
			Org:       true,
			Priority:  Default,
			Weight:    1,
		}
	}
	return d
}

// Denied is the fault of a call that is not allowed. It tells of no rule.
func (d Decision) Denied(who *access.Principal, method string) error {
	id := "nobody"
	if who != nil {
		id = who.ID
	}
	return fault.New(
		fault.PermissionDenied,
		ReasonDenied,
		"%s may not call %s: %s",
		id,
		strings.TrimPrefix(method, "/"),
		d.Reason,
	)
}

func newViews() *lru.Cache[view, []*rule] {
	views, _ := lru.New[view, []*rule](viewsKept) // the size is positive
	return views
}

// rulesOf are the rules that name a principal.
func (p *Policy) rulesOf(who *access.Principal) []*rule {
	key := view{id: who.ID}
	if len(who.Claims) > 0 {
		key.claims = claimsText(who.Claims)
	}
	if rules, ok := p.views.Get(key); ok {
		return rules
	}
	rules := []*rule{}
	for _, r := range p.rules {
		if r.names(who) {
			rules = append(rules, r)
		}
	}
	p.views.Add(key, rules)
	return rules
}

func claimsText(claims map[string]string) string {
	pairs := make([]string, 0, len(claims))
	for k, v := range claims {
		pairs = append(pairs, fmt.Sprintf("%q=%q", k, v))
	}
	slices.Sort(pairs)
	return strings.Join(pairs, ",")
}

func (r *rule) names(who *access.Principal) bool {
	if !slices.ContainsFunc(r.principals, func(pattern string) bool { return matchPrincipal(pattern, who.ID) }) {
		return false
	}
	for name, values := range r.claims {
		have, ok := who.Claims[name]
		if !ok || !slices.Contains(values, have) {
			return false
		}
	}
	return true
}

// forTeam says whether a rule is for a team; "" is a call that is for none.
func (r *rule) forTeam(team string) bool {
	return team == "" || slices.Contains(r.teams, team) || slices.Contains(r.teams, "*")
}

// bits is a set of methods, by their place in the catalog.
type bits []uint64

func newBits(n int) bits { return make(bits, (n+63)/64) }

func (b bits) has(i int) bool { return i/64 < len(b) && b[i/64]&(1<<(i%64)) != 0 }
func (b bits) add(i int)      { b[i/64] |= 1 << (i % 64) }
func (b bits) empty() bool    { return !slices.ContainsFunc(b, func(w uint64) bool { return w != 0 }) }
func (b bits) join(o bits) {
	for i := range o {
		b[i] |= o[i]
	}
}
func (b bits) remove(o bits) {
	for i := range o {
		b[i] &^= o[i]
	}
}
