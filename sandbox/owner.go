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

// appPath is the shortest chain of to-one relationships that leads from a type to
// apps; nil if there is none.
func (f *facts) appPath(typ string) []string {
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
			if r.many || seen[r.typ] {
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

// appOf is the app that an object belongs to; nil if to none or to several.
func (s *store) appOf(o *object) *object {
	if o.typ == "apps" {
		return o
	}
	if s.appPaths == nil {
		s.appPaths = map[string][]string{}
	}
	path, known := s.appPaths[o.typ]
	if !known {
		path = s.facts.appPath(o.typ)
		s.appPaths[o.typ] = path
	}
	if path == nil {
		return nil
	}
	for _, rel := range path {
		if o = s.one(o, rel); o == nil {
			return nil
		}
	}
	return o
}
