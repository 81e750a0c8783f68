// Package restrict keeps a caller to the apps that its policy names. Apple's
// team keys reach every app of a team, so this is the gateway's own work.
//
// It is not decidable for all that Apple offers. What is decidable is done, the
// rest is refused: every method has one [Rule], made from the descriptors and
// the few facts in types.go, and table.tsv shows them all. A type or relation
// that no rule knows belongs to the organisation, which is to say: is refused.
//
// It must never let a request pass on the word of what the caller sent: an id
// counts as an app's only after Apple said so.
package restrict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"github.com/asc-gateway/asc-gateway/internal/access"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Kind says by what a method is restricted to apps.
type Kind string

// The kinds of rules.
const (
	// Own: the id in the path is walked along to-one relationships up to its
	// app; the app must be the caller's.
	Own Kind = "OWN"
	// Parent: what is created must be tied to something of the caller's apps.
	Parent Kind = "PARENT"
	// Filter: a list is filtered by the caller's apps.
	Filter Kind = "FILTER"
	// Learned: like Own, for types that no walk leads up from. Their app is
	// remembered from answers, or found by reading the lists of the caller's apps.
	Learned Kind = "LEARNED"
	// Catalog: the same for everyone, and only read.
	Catalog Kind = "CATALOG"
	// Through: a use case, each of whose inner calls is checked.
	Through Kind = "THROUGH"
	// Stored: answers from the store, which compares the app that it has stored.
	Stored Kind = "STORED"
	// Org: belongs to the organisation, or is not decidable; needs a grant of
	// its own.
	Org Kind = "ORG"
)

// Rule is how one method is restricted.
type Rule struct {
	Method *access.Method
	Kind   Kind
	// By says what decides: the walk, the filter, the parents, or why nothing
	// does.
	By string

	pathType string // type of the {id} in the path, "" if there is none
	request  *message
	includes map[string]string // relationship → why it may not be included; "" if it may
	filters  map[string]string // filter → type of the ids it takes; "" if it takes none
	confine  []string          // filters that confine a list to what they name
	inject   string            // the filter that takes the caller's apps, "" if none does
	answer   *answer
}

// Table holds the rules of all methods.
type Table struct {
	Rules []*Rule // sorted by method

	byName map[string]*Rule
	graph  *graph
}

// New makes the rules of methods. The gateway's own methods need none: they are
// of kind [Org], unless ownRules names them.
func New(methods []*access.Method) (*Table, error) {
	g, err := newGraph(methods)
	if err != nil {
		return nil, err
	}
	t := &Table{byName: make(map[string]*Rule, len(methods)), graph: g}
	plans := messages{}
	for _, m := range methods {
		r := &Rule{Method: m, request: plans.of(m.Desc().Input())}
		if m.Own {
			r.Kind, r.By = Org, "the gateway's own"
			if own, ok := ownRules[m.Name()]; ok {
				r.Kind, r.By, r.pathType = own.kind, own.by, own.pathType
			}
		} else {
			g.decide(r)
			r.answer = g.answerOf(m.Desc().Output())
		}
		t.Rules = append(t.Rules, r)
		t.byName[m.FullName] = r
	}
	slices.SortFunc(t.Rules, func(a, b *Rule) int { return cmp.Compare(a.Method.FullName, b.Method.FullName) })
	return t, nil
}

// Rule finds the rule of a method by its full name, nil if there is none.
func (t *Table) Rule(fullName string) *Rule { return t.byName[fullName] }

// Walkable lists the types that to-one relationships lead up to an app from,
// with the number of hops.
func (t *Table) Walkable() map[string]int { return t.graph.hops }

// String is the table as it is committed: tab-separated, one line a method.
func (t *Table) String() string {
	var b strings.Builder
	for _, r := range t.Rules {
		fmt.Fprintf(&b, "%s\t%s\t%s\n", r.Kind, r.Method.Name(), r.By)
	}
	return b.String()
}

// decide finds the rule of one of Apple's operations.
func (g *graph) decide(r *Rule) {
	m := r.Method
	segments := strings.Split(m.Template, "/") // "", "v1", type, "{id}", …
	root := segments[2]
	r.filters, r.includes = g.filtersOf(m), g.includesOf(m)
	r.pathType = pathType(m)
	switch {
	case classes[root].class == organisation:
		r.Kind, r.By = Org, classes[root].reason
	case classes[root].class == catalog:
		g.decideCatalog(r)
	case r.pathType != "":
		g.decideByID(r, segments)
	case m.Verb == "GET":
		g.decideList(r, root)
	default:
		g.decideCreate(r, root)
	}
}

func (g *graph) decideCatalog(r *Rule) {
	r.Kind, r.By = Catalog, "the same for everyone"
	if t := r.Method.Type; r.Method.Verb != "GET" || t != "" && classes[t].class != catalog {
		r.Kind, r.By = Org, "leaves the catalog"
	}
}

// decideByID is for operations on one resource and on what it is related to.
func (g *graph) decideByID(r *Rule, segments []string) {
	root, target := r.pathType, r.Method.Type
	if relation := segments[len(segments)-1]; len(segments) > 4 && segments[4] != "metrics" {
		if why := g.crosses(root, relation); why != "" && r.Method.Verb == "GET" {
			r.Kind, r.By = Org, why
			return
		}
	}
	if len(segments) > 4 {
		switch c := classes[target]; {
		case c.class == organisation:
			r.Kind, r.By = Org, target+": "+c.reason
			return
		case r.Method.Verb == "GET" && target != "" && c.class == owned && !g.known(target):
			r.Kind, r.By = Org, target+" is not known to belong to an app"
			return
		}
	}
	switch {
	case classes[root].class == shared:
		r.Kind, r.By = Own, root+": "+classes[root].reason
	case g.walks(root):
		r.Kind, r.By = Own, g.walkText(root)
	case g.known(root):
		r.Kind, r.By = Learned, g.learnText(root)
	default:
		r.Kind, r.By = Org, root+" is not known to belong to an app"
	}
	if required := g.requiredOrg(r.request); required != "" {
		r.Kind, r.By = Org, "needs "+required
	}
}

// decideList is for collections: a filter must confine them.
func (g *graph) decideList(r *Rule, root string) {
	for name, typ := range r.filters {
		if c := classes[typ].class; typ != "" && (c == owned || c == shared) && (name == "id" || g.relates(root, name, typ)) {
			r.confine = append(r.confine, name)
		}
	}
	slices.Sort(r.confine)
	for _, name := range []string{"app", "apps"} {
		if r.filters[name] == "apps" {
			r.inject = name
		}
	}
	if root == "apps" {
		r.inject = "id"
	}
	switch {
	case r.inject != "":
		r.Kind, r.By = Filter, "filter["+r.inject+"] is set"
	case len(r.confine) > 0:
		r.Kind, r.By = Filter, "wants filter["+strings.Join(r.confine, "] or filter[")+"]"
	default:
		r.Kind, r.By = Org, "lists what belongs to every app, and has no filter by app"
	}
}

// decideCreate is for new resources: they must be tied to an app.
func (g *graph) decideCreate(r *Rule, root string) {
	var parents []string
	for _, f := range r.request.relations {
		if classes[f.typ].class == owned && g.known(f.typ) {
			parents = append(parents, string(f.fd.Name()))
		}
	}
	required := g.requiredOrg(r.request)
	switch {
	case required != "":
		r.Kind, r.By = Org, "needs "+required
	case len(parents) == 0:
		r.Kind, r.By = Org, "is tied to no app"
	default:
		r.Kind, r.By = Parent, "by "+strings.Join(parents, ", ")
	}
}

// requiredOrg names a relationship that a request must have and that points to
// what belongs to the organisation, "" if there is none.
func (g *graph) requiredOrg(m *message) string {
	for _, f := range m.relations {
		if c := classes[f.typ]; f.required && c.class == organisation {
			return string(f.fd.Name()) + " (" + f.typ + ")"
		}
	}
	return ""
}

// includesOf says which relationships may be included.
func (g *graph) includesOf(m *access.Method) map[string]string {
	names := m.Options().GetQuery().GetInclude()
	if len(names) == 0 {
		return nil
	}
	out := make(map[string]string, len(names))
	data := primary(m.Desc().Output())
	for _, name := range names {
		typ := relationType(data, name)
		switch {
		case typ == "":
			out[name] = "is not known"
		case classes[typ].class == organisation:
			out[name] = classes[typ].reason
		case g.crosses(resourceType(data), name) != "":
			out[name] = g.crosses(resourceType(data), name)
		default:
			out[name] = ""
		}
	}
	return out
}

// filtersOf says which filters take ids, and of what type.
func (g *graph) filtersOf(m *access.Method) map[string]string {
	out := map[string]string{}
	fd := m.Desc().Input().Fields().ByName("filter")
	if fd == nil {
		return out
	}
	fields := fd.Message().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		name := appleName(f)
		typ := filterTypes[name]
		if name == "id" {
			typ = m.Type
		}
		if f.Kind() != protoreflect.StringKind {
			typ = ""
		}
		out[name] = typ
	}
	return out
}

// primary is the message of an answer's primary data, nil if it has none.
func primary(md protoreflect.MessageDescriptor) protoreflect.MessageDescriptor {
	for i := range md.Fields().Len() {
		if fd := md.Fields().Get(i); fieldOptions(fd).GetRole() == optionsv1.Role_ROLE_DATA {
			return fd.Message()
		}
	}
	return nil
}
