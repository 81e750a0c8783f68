package sandbox

import (
	"maps"
	"slices"
	"strings"
)

// relation is a relationship of a type, over all of its views, paths and
// request bodies. The two names that a relationship has where a later version
// of the API has renamed it (inAppPurchases, inAppPurchasesV2) are one relation.
type relation struct {
	name string // under which objects hold it
	typ  string // of what it points to
	many bool
	back string // name of the other side, "" if it has none
	seen bool   // some answer shows it; others occur in request bodies only
}

// findRelations collects the relations and pairs their two sides.
func (f *facts) findRelations() {
	f.relations = map[string]map[string]*relation{}
	for _, schema := range slices.Sorted(maps.Keys(f.Types)) {
		t := f.Types[schema]
		for _, r := range t.Rels {
			f.addRelation(t.Type, relation{name: r.Name, typ: r.Type, many: r.Many, seen: true})
		}
	}
	for _, op := range f.Ops {
		if op.Rel != "" && op.Shape != "getMetrics" && op.Method == "GET" {
			f.addRelation(op.root(), relation{name: op.Rel, typ: op.Type, many: op.Many, seen: true})
		}
	}
	for _, op := range f.Ops {
		bodies := slices.Collect(maps.Values(op.Inline))
		if op.Body != nil {
			bodies = append(bodies, op.Body)
		}
		for _, t := range bodies {
			for _, r := range t.Rels {
				f.addRelation(t.Type, relation{name: r.Name, typ: r.Type, many: r.Many})
			}
		}
	}
	for _, rels := range f.relations {
		uniteVersions(rels)
	}
	types := slices.Sorted(maps.Keys(f.relations))
	for i, a := range types {
		for _, b := range types[i:] {
			f.pair(a, b)
		}
	}
}

func (f *facts) addRelation(typ string, r relation) {
	if r.typ == "" {
		return
	}
	if f.relations[typ] == nil {
		f.relations[typ] = map[string]*relation{}
	}
	if f.relations[typ][r.name] == nil {
		f.relations[typ][r.name] = &r
	}
}

func uniteVersions(rels map[string]*relation) {
	for name, r := range rels {
		if second := rels[name+"V2"]; second != nil && second.typ == r.typ && second.many == r.many {
			r.seen = r.seen || second.seen
			rels[name+"V2"] = r
		}
	}
}

// towards are the relations from one type to another, sorted by name.
func (f *facts) towards(from, to string) (list []*relation) {
	for _, r := range f.relations[from] {
		if r.typ == to && !slices.Contains(list, r) {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b *relation) int { return strings.Compare(a.name, b.name) })
	return list
}

// pair finds which relations between two types are two sides of one: those
// named for each other's types, then those that are left over alone.
func (f *facts) pair(a, b string) {
	there, back := f.towards(a, b), f.towards(b, a)
	if a == b {
		one, many := byArity(there)
		tie(one, many)
		return
	}
	tie(namedFor(there, b), namedFor(back, a))
	there, back = untied(there), untied(back)
	tie(there, back)
	one, _ := byArity(untied(there))
	_, many := byArity(untied(back))
	tie(one, many)
	_, many = byArity(untied(there))
	one, _ = byArity(untied(back))
	tie(one, many)
}

// tie makes two relations each other's other side, if there is no doubt which.
func tie(a, b []*relation) {
	if len(a) == 1 && len(b) == 1 && a[0] != b[0] {
		a[0].back, b[0].back = b[0].name, a[0].name
	}
}

func untied(list []*relation) []*relation {
	return slices.DeleteFunc(slices.Clone(list), func(r *relation) bool { return r.back != "" })
}

func byArity(list []*relation) (one, many []*relation) {
	for _, r := range list {
		if r.many {
			many = append(many, r)
		} else {
			one = append(one, r)
		}
	}
	return one, many
}

// namedFor picks the relations that are named for the type they point to: with
// its full name, else with the end of it (ruleSet, versions).
func namedFor(list []*relation, typ string) (out []*relation) {
	for _, r := range list {
		if plural(r.name) == typ {
			return []*relation{r}
		}
		if strings.HasSuffix(strings.ToLower(typ), strings.ToLower(plural(r.name))) {
			out = append(out, r)
		}
	}
	return out
}

func plural(name string) string {
	name = strings.TrimSuffix(name, "V2")
	switch {
	case strings.HasSuffix(name, "s"):
		return name
	case strings.HasSuffix(name, "y"):
		return strings.TrimSuffix(name, "y") + "ies"
	}
	return name + "s"
}

// relation finds one, by any of its names.
func (f *facts) relation(typ, name string) *relation { return f.relations[typ][name] }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
