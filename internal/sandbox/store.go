package sandbox

import (
	"slices"
	"time"
)

// object is a resource. The schemas of its type are views of it.
type object struct {
	typ, id string
	attrs   map[string]any
	rels    map[string][]string // ids; a to-one relationship has at most one
	at      time.Time           // of its creation
}

// store holds the objects by type, in the order of their creation.
type store struct {
	facts *facts
	types map[string]*table
}

type table struct {
	byID  map[string]*object
	order []*object
}

func newStore(f *facts) *store { return &store{facts: f, types: map[string]*table{}} }

func (s *store) get(typ, id string) *object {
	if t := s.types[typ]; t != nil {
		return t.byID[id]
	}
	return nil
}

func (s *store) all(typ string) []*object {
	if t := s.types[typ]; t != nil {
		return t.order
	}
	return nil
}

func (s *store) add(o *object) {
	t := s.types[o.typ]
	if t == nil {
		t = &table{byID: map[string]*object{}}
		s.types[o.typ] = t
	}
	t.byID[o.id] = o
	t.order = append(t.order, o)
}

// remove deletes an object and every relationship to it.
func (s *store) remove(o *object) {
	t := s.types[o.typ]
	delete(t.byID, o.id)
	t.order = slices.DeleteFunc(slices.Clone(t.order), func(x *object) bool { return x == o })
	for typ, rels := range s.facts.rels {
		for name, r := range rels {
			if r.Type != o.typ {
				continue
			}
			for _, x := range s.all(typ) {
				x.rels[name] = without(x.rels[name], o.id)
			}
		}
	}
}

func without(ids []string, id string) []string {
	if !slices.Contains(ids, id) {
		return ids
	}
	return slices.DeleteFunc(slices.Clone(ids), func(x string) bool { return x == id })
}

// link adds ids to a relationship, on both sides.
func (s *store) link(o *object, rel string, ids ...string) {
	r := s.facts.rels[o.typ][rel]
	for _, id := range ids {
		if !r.Many && len(o.rels[rel]) > 0 {
			s.unlink(o, rel, o.rels[rel]...)
		}
		if !slices.Contains(o.rels[rel], id) {
			o.rels[rel] = append(slices.Clone(o.rels[rel]), id)
		}
		back := s.facts.inverse[o.typ][rel]
		other := s.get(r.Type, id)
		if back == "" || other == nil || slices.Contains(other.rels[back], o.id) {
			continue
		}
		if b := s.facts.rels[r.Type][back]; !b.Many {
			for _, old := range other.rels[back] {
				if was := s.get(o.typ, old); was != nil {
					was.rels[rel] = without(was.rels[rel], id)
				}
			}
			other.rels[back] = nil
		}
		other.rels[back] = append(slices.Clone(other.rels[back]), o.id)
	}
}

// unlink removes ids from a relationship, on both sides.
func (s *store) unlink(o *object, rel string, ids ...string) {
	r := s.facts.rels[o.typ][rel]
	for _, id := range slices.Clone(ids) {
		o.rels[rel] = without(o.rels[rel], id)
		if back := s.facts.inverse[o.typ][rel]; back != "" {
			if other := s.get(r.Type, id); other != nil {
				other.rels[back] = without(other.rels[back], o.id)
			}
		}
	}
}

// set replaces a relationship.
func (s *store) set(o *object, rel string, ids []string) {
	s.unlink(o, rel, o.rels[rel]...)
	s.link(o, rel, ids...)
}

// IDs lists the ids of a type's objects, oldest first.
func (s *Sandbox) IDs(typ string) (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.store.all(typ) {
		ids = append(ids, o.id)
	}
	return ids
}
