package sandbox

import "slices"

// one is what a to-one relationship points to; nil if to nothing.
func (s *store) one(o *object, rel string) *object {
	if list := s.related(o, rel); len(list) > 0 {
		return list[0]
	}
	return nil
}

// farFromApp bounds how many relationships may lie between a resource and its app.
const farFromApp = 6

// findOwners notes for each type over which to-one relationships its objects
// belong to an app: those that a new object must have, where one of them leads to
// apps by others of that kind; else all that a new object must have, or else can
// have, and that lead there at all.
func (f *facts) findOwners() {
	f.owners = map[string][]string{}
	anyWay := func(string, string) bool { return true }
	for _, typ := range f.types() {
		own := f.leading(typ, f.must, f.must)
		if len(own) == 0 {
			own = f.leading(typ, f.must, anyWay)
		}
		if path := f.pathToApps(typ, anyWay); len(own) == 0 && path != nil {
			own = path[:1]
			for _, rel := range f.leading(typ, f.may, anyWay) {
				if rel != path[0] {
					own = append(own, rel)
				}
			}
		}
		if len(own) > 0 {
			f.owners[typ] = own
		}
	}
}

// leading are the to-one relationships of a kind that lead from a type to apps,
// over relationships of another kind.
func (f *facts) leading(typ string, kind, over func(typ, rel string) bool) (rels []string) {
	for _, rel := range sortedKeys(f.relations[typ]) {
		r := f.relations[typ][rel]
		if !r.many && kind(typ, rel) && (r.typ == "apps" || f.pathToApps(r.typ, over) != nil) {
			rels = append(rels, rel)
		}
	}
	return rels
}

// may says whether an object can be created with a relationship.
func (f *facts) may(typ, rel string) bool {
	return slices.ContainsFunc(f.Ops, func(op factOp) bool {
		return op.Shape == "createInstance" && op.Body != nil && op.Body.Type == typ && op.Body.rel(rel) != nil
	})
}

// must says whether an object cannot be created without a relationship.
func (f *facts) must(typ, rel string) bool {
	return rel == "app" || slices.Contains(f.children[f.relations[typ][rel].typ], child{typ, rel})
}

// pathToApps is the shortest chain of to-one relationships from a type to apps.
func (f *facts) pathToApps(typ string, over func(typ, rel string) bool) []string {
	type step struct {
		typ  string
		path []string
	}
	seen, next := map[string]bool{typ: true}, []step{{typ: typ}}
	for len(next) > 0 && len(next[0].path) < farFromApp {
		at := next[0]
		next = next[1:]
		for _, name := range sortedKeys(f.relations[at.typ]) {
			r := f.relations[at.typ][name]
			if r.many || seen[r.typ] || !over(at.typ, name) {
				continue
			}
			path := append(slices.Clone(at.path), r.name)
			if r.typ == "apps" {
				return path
			}
			seen[r.typ] = true
			next = append(next, step{r.typ, path})
		}
	}
	return nil
}

// ofApps says whether the objects of a type belong to apps, or are apps.
func (s *store) ofApps(typ string) bool { return typ == "apps" || len(s.facts.owners[typ]) > 0 }

// appOf is the app that an object belongs to; nil if to none.
func (s *store) appOf(o *object) *object { return s.appWithin(o, farFromApp) }

func (s *store) appWithin(o *object, steps int) *object {
	if o.typ == "apps" {
		return s.get("apps", o.id) // o may be a version of it that is being checked
	}
	for _, rel := range s.facts.owners[o.typ] {
		if owner := s.one(o, rel); owner != nil && steps > 0 {
			if app := s.appWithin(owner, steps-1); app != nil {
				return app
			}
		}
	}
	return nil
}

// oneApp refuses an object that would tie things of two apps, or a change that
// would take it away from its own.
func (w *writer) oneApp(o, old *object, at string) {
	st := w.c.s.store
	app := st.appOf(o)
	if old != nil && st.appOf(old) != nil && app != st.appOf(old) {
		w.refuse(
			"ENTITY_ERROR.RELATIONSHIP.INVALID",
			"The provided relationship would take the resource away from its app",
			at+"/relationships",
		)
		return
	}
	if app == nil && at != "/data" { // its app is that of what it is created with
		return
	}
	for _, rel := range sortedKeys(o.rels) {
		if old != nil && slices.Equal(old.rels[rel], o.rels[rel]) {
			continue
		}
		w.otherApp(o, rel, o.rels[rel], at+"/relationships/"+rel+"/data")
	}
}

// otherApp refuses a relationship to something of another app than an object's.
func (w *writer) otherApp(o *object, rel string, ids []string, at string) {
	st := w.c.s.store
	r := st.facts.relation(o.typ, rel)
	if r == nil || !st.ofApps(o.typ) || !st.ofApps(r.typ) {
		return
	}
	app := st.appOf(o)
	for _, id := range ids {
		if x := st.get(r.typ, id); x != nil && st.appOf(x) != app && (app != nil || st.get(o.typ, o.id) != nil) {
			w.refuse(
				"ENTITY_ERROR.RELATIONSHIP.INVALID",
				"The provided relationship points to a resource of another app",
				at,
			)
		}
	}
}

// child is a relationship without which the objects of a type cannot be.
type child struct{ typ, rel string }

// findChildren notes for each type what cannot be without it: what is created
// with a required to-one relationship to it.
func (f *facts) findChildren() {
	f.children = map[string][]child{}
	for i := range f.Ops {
		op := &f.Ops[i]
		if op.Shape != "createInstance" || op.Body == nil {
			continue
		}
		for _, r := range op.Body.Rels {
			if c := (child{op.Body.Type, r.Name}); r.Required && !r.Many && !slices.Contains(f.children[r.Type], c) {
				f.children[r.Type] = append(f.children[r.Type], c)
			}
		}
	}
}

// lost are the objects that would have no owner any more after a write to a
// relationship, by their ids.
func (c *call) lost(o *object, w relWrite) (ids []string) {
	r := c.s.facts.relation(o.typ, w.rel)
	if r == nil || w.how == "add" || !slices.Contains(c.s.facts.children[o.typ], child{r.typ, r.back}) {
		return nil
	}
	for _, id := range c.s.store.ids(o, w.rel) {
		if slices.Contains(w.ids, id) == (w.how == "remove") {
			ids = append(ids, id)
		}
	}
	return ids
}
