package sandbox

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// perType is how many objects most types have in a new sandbox. The i-th of one
// type belongs to the i-th of another, in turn.
const perType = 3

// seeded makes a small organisation: every attribute has a value that Apple's
// document allows, every relationship points to something.
func (s *Sandbox) seeded() *store {
	st := newStore(s.facts, s.cfg.Random)
	for _, typ := range s.facts.types() {
		n := s.seededCount(typ)
		for i := range n {
			st.add(s.sample(typ, seedID(typ, i), i, seedTime(s.clock.shown, i, n)))
		}
	}
	for _, typ := range s.facts.types() {
		st.relate(typ, s.behaviors[typ].placed)
	}
	for _, typ := range s.facts.types() {
		for i, o := range st.all(typ) {
			s.settleFile(st, o)
			s.settleOwner(st, o, i)
			if b := s.behaviors[typ]; b.settled != nil {
				b.settled(st, o)
			}
		}
	}
	return st
}

// settleOwner leaves the i-th object of a type one of the owners that it may have:
// the first belong to the first kind of owner, and so on.
func (s *Sandbox) settleOwner(st *store, o *object, i int) {
	kinds := s.behaviors[o.typ].oneOf
	for k, rel := range kinds {
		if k != i/perType%len(kinds) {
			st.unlink(o, rel, st.ids(o, rel)...)
		}
	}
}

// seededCount is how many objects of a type a new sandbox has. An empty one has
// what no request can make.
func (s *Sandbox) seededCount(typ string) int {
	switch {
	case pointTypes[typ] != "": // which are never kept
		return 0
	case s.cfg.Empty && typ == "users": // the account holder, who invites the others
		return 1
	case s.cfg.Empty && typ != "territories" && typ != "appCategories":
		return 0
	case s.behaviors[typ].count > 0:
		return s.behaviors[typ].count
	case len(s.behaviors[typ].oneOf) > 0:
		return perType * len(s.behaviors[typ].oneOf)
	}
	return perType
}

// sample makes the i-th object of a type, unrelated.
func (s *Sandbox) sample(typ, id string, i int, at time.Time) *object {
	o := &object{typ: typ, id: id, attrs: map[string]any{}, rels: map[string][]string{}, at: at}
	g := generator{f: s.facts, i: i, at: at, typ: typ}
	for _, schema := range s.facts.schemas[typ] {
		for _, a := range s.facts.Types[schema].Attrs {
			o.attrs[a.Name] = g.value(a.Name, &a, 0)
		}
	}
	s.seedFile(o)
	if b := s.behaviors[typ]; b.seed != nil {
		b.seed(o, i)
	}
	return o
}

// spawn adds an object that Apple's side makes by itself.
func (s *Sandbox) spawn(typ string, now time.Time) *object {
	o := s.sample(typ, s.store.newID(typ), len(s.store.all(typ)), now)
	s.store.add(o)
	s.store.place(o, s.behaviors[typ].placed)
	return o
}

// relate ties the objects of a type to those of others, but for relationships that
// are placed. To-one relations come first: their other side follows from them.
func (st *store) relate(typ string, placed []string) {
	for _, o := range st.all(typ) {
		st.place(o, placed)
	}
	rels := st.facts.relations[typ]
	for _, many := range []bool{false, true} {
		for _, name := range slices.Sorted(maps.Keys(rels)) {
			if r := rels[name]; r.many == many && r.name == name && r.seen && !slices.Contains(placed, name) {
				st.relateBy(typ, r)
			}
		}
	}
}

// place ties an object to what its seed named.
func (st *store) place(o *object, placed []string) {
	for _, rel := range placed {
		ids := o.rels[rel]
		delete(o.rels, rel)
		st.link(o, rel, ids...)
	}
}

func (st *store) relateBy(typ string, r *relation) {
	targets := st.all(r.typ)
	if len(targets) == 0 {
		return
	}
	for i, o := range st.all(typ) {
		target := targets[i%len(targets)]
		if r.typ == typ { // nothing belongs to itself: rather to the next of the same app
			target = targets[(i+perType)%len(targets)]
		}
		if target == o && st.ofApps(typ) {
			continue
		}
		if target == o {
			target = targets[(i+1)%len(targets)]
		}
		if len(o.rels[r.name]) > 0 {
			continue
		}
		if back := st.facts.relation(r.typ, r.back); back != nil && !back.many && len(target.rels[r.back]) > 0 {
			continue // has its own already
		}
		st.link(o, r.name, target.id)
	}
}

// generator makes values that the document allows.
type generator struct {
	f   *facts
	i   int
	at  time.Time
	typ string
}

// maxDepth bounds values of schemas that hold themselves.
const maxDepth = 6

func (g generator) value(name string, a *factAttr, depth int) any {
	a = g.f.resolve(a)
	if list := g.f.enum(a.Enum); len(list) > 0 {
		return list[g.i%len(list)]
	}
	switch a.Kind {
	case "boolean":
		return g.i%2 == 0
	case "integer":
		return g.integer(a)
	case "number":
		return 0.5 + float64(g.i)
	case "array":
		if depth > maxDepth {
			return []any{}
		}
		return []any{g.value(name, a.Items, depth+1)}
	case "object":
		out := map[string]any{}
		for _, f := range a.Fields {
			if depth > maxDepth {
				break
			}
			out[f.Name] = g.value(f.Name, &f, depth+1)
		}
		return out
	case "map":
		if a.Items == nil || depth > maxDepth {
			return map[string]any{}
		}
		return map[string]any{"key": g.value(name, a.Items, depth+1)}
	case "any":
		return "P1D"
	}
	return g.text(name, a)
}

func (g generator) integer(a *factAttr) any {
	n := int64(g.i + 1)
	if a.Min != nil {
		n = max(n, *a.Min)
	}
	if a.Max != nil {
		n = min(n, *a.Max)
	}
	return n
}

func (g generator) text(name string, a *factAttr) string {
	switch a.Format {
	case "date-time":
		if strings.HasSuffix(strings.ToLower(name), "expirationdate") {
			g.at = g.at.AddDate(1, 0, 0)
		}
		return g.dateTime()
	case "date":
		return g.at.UTC().Format(time.DateOnly)
	case "uri", "uri-reference":
		return fmt.Sprintf("https://example.com/%s/%d", name, g.i+1)
	case "email":
		return fmt.Sprintf("person%d@example.com", g.i+1)
	case "number":
		return fmt.Sprintf("%d.99", g.i)
	case "duration":
		return "P7D"
	}
	low := strings.ToLower(name)
	switch {
	case strings.HasSuffix(low, "email"):
		return fmt.Sprintf("person%d@example.com", g.i+1)
	case strings.HasSuffix(low, "url"):
		return fmt.Sprintf("https://example.com/%s/%d", name, g.i+1)
	case low == "locale" || low == "primarylocale":
		return []string{"en-US", "de-DE", "ja"}[g.i%3]
	case low == "version" || low == "versionstring":
		return fmt.Sprintf("1.%d", g.i)
	case low == "name" || low == "referencename":
		return fmt.Sprintf("%s %d", title(g.typ), g.i+1)
	}
	return fmt.Sprintf("%s %d", title(name), g.i+1)
}

// dateTime writes the generator's time in one of Apple's forms.
func (g generator) dateTime() string {
	forms := [...]string{"2006-01-02T15:04:05-07:00", "2006-01-02T15:04:05.000-07:00", "2006-01-02T15:04:05.000Z07:00"}
	return g.at.UTC().Format(forms[g.i%len(forms)])
}
