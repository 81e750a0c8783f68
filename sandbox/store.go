package sandbox

import (
	"crypto/md5"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// object is a resource. The schemas of its type are views of it.
type object struct {
	typ, id string
	attrs   map[string]any
	rels    map[string][]string // ids by relation; a to-one relation has at most one
	at      time.Time           // of its creation
	upload  *upload             // what is being uploaded for it
}

// text is an attribute that is a string, "" if it is not there.
func (o *object) text(name string) string {
	s, _ := o.attrs[name].(string)
	return s
}

// store holds the objects by type, in the order of their creation. What changes
// it holds the sandbox's lock.
type store struct {
	facts *facts
	types map[string]*table
	rng   *rand.Rand // makes ids
	later []event    // what will happen by itself, in order of time: see [act]
	bytes int64      // held by uploads
}

type table struct {
	byID  map[string]*object
	order []*object
}

func newStore(f *facts, seed uint64) *store {
	return &store{facts: f, types: map[string]*table{}, rng: rand.New(rand.NewPCG(seed, 0x5A4D))}
}

// newID makes an id in the form that Apple gives to a type.
func (s *store) newID(typ string) string {
	if numbered(typ) {
		return fmt.Sprint(6_400_000_000 + s.rng.Int64N(100_000_000))
	}
	var b [16]byte
	for i := range b {
		b[i] = byte(s.rng.Uint32())
	}
	return uuid(b)
}

// seedID is the id of the i-th object of a type in a new sandbox.
func seedID(typ string, i int) string {
	switch {
	case typ == "territories":
		return territories[i%len(territories)].id
	case typ == "buildBetaDetails":
		return seedID("builds", i) // Apple gives a build's detail the id of the build
	case numbered(typ):
		return fmt.Sprint(1_500_000_000 + len(typ)*1000 + i)
	}
	return uuid(md5.Sum(fmt.Append(nil, typ, i)))
}

// numbered says whether the ids of a type are numbers, as those of what the App
// Store shows are.
func numbered(typ string) bool {
	switch typ {
	case "apps", "appInfos", "inAppPurchases", "subscriptions", "subscriptionGroups":
		return true
	}
	return false
}

func uuid(b [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (s *store) get(typ, id string) *object {
	if t := s.types[typ]; t != nil {
		return t.byID[id]
	}
	return nil
}

// all are the objects of a type, oldest first. The caller must not change the
// slice.
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
	if o.upload != nil {
		s.bytes -= o.upload.size()
	}
	for typ, rels := range s.facts.relations {
		for _, r := range rels {
			if r.typ != o.typ {
				continue
			}
			for _, x := range s.all(typ) {
				x.rels[r.name] = without(x.rels[r.name], o.id)
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

// ids are those that a relationship of an object holds.
func (s *store) ids(o *object, rel string) []string {
	if r := s.facts.relation(o.typ, rel); r != nil {
		return o.rels[r.name]
	}
	return nil
}

// related are the objects that a relationship points to.
func (s *store) related(o *object, rel string) (list []*object) {
	for _, id := range s.ids(o, rel) {
		if x := s.get(s.facts.relation(o.typ, rel).typ, id); x != nil {
			list = append(list, x)
		}
	}
	return list
}

// link adds ids to a relationship, on both sides.
func (s *store) link(o *object, rel string, ids ...string) {
	r := s.facts.relation(o.typ, rel)
	if r == nil {
		return
	}
	for _, id := range ids {
		if slices.Contains(o.rels[r.name], id) {
			continue
		}
		if !r.many {
			s.unlink(o, rel, o.rels[r.name]...)
		}
		o.rels[r.name] = append(slices.Clip(o.rels[r.name]), id)
		other := s.get(r.typ, id)
		if r.back == "" || other == nil || slices.Contains(other.rels[r.back], o.id) {
			continue
		}
		if !s.facts.relation(r.typ, r.back).many {
			for _, old := range other.rels[r.back] {
				if was := s.get(o.typ, old); was != nil {
					was.rels[r.name] = without(was.rels[r.name], id)
				}
			}
			other.rels[r.back] = nil
		}
		other.rels[r.back] = append(slices.Clip(other.rels[r.back]), o.id)
	}
}

// unlink removes ids from a relationship, on both sides.
func (s *store) unlink(o *object, rel string, ids ...string) {
	r := s.facts.relation(o.typ, rel)
	if r == nil {
		return
	}
	for _, id := range slices.Clone(ids) {
		o.rels[r.name] = without(o.rels[r.name], id)
		if other := s.get(r.typ, id); other != nil && r.back != "" {
			other.rels[r.back] = without(other.rels[r.back], o.id)
		}
	}
}

// set replaces a relationship.
func (s *store) set(o *object, rel string, ids []string) {
	s.unlink(o, rel, s.ids(o, rel)...)
	s.link(o, rel, ids...)
}

// title makes words of a name: "Beta App Review Detail" of betaAppReviewDetails.
func title(name string) string {
	var b strings.Builder
	for i, r := range strings.TrimSuffix(name, "s") {
		if i == 0 {
			b.WriteString(strings.ToUpper(string(r)))
			continue
		}
		if r >= 'A' && r <= 'Z' {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
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
