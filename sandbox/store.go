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

	from  []pointer // what points to it by relationships of one side
	keys  []string  // under which its table's index has it
	stale bool      // its index is to look at it again
}

// pointer is a relationship of an object.
type pointer struct {
	o   *object
	rel string
}

// text is an attribute that is a string, "" if it is not there.
func (o *object) text(name string) string {
	s, _ := o.attrs[name].(string)
	return s
}

// store holds the objects by type, in the order of their creation. What changes
// it holds the sandbox's lock.
type store struct {
	facts  *facts
	types  map[string]*table
	rng    *rand.Rand // makes ids
	source *rand.PCG  // of rng
	later  []event    // what will happen by itself, in order of time: see [act]
	bytes  int64      // held by uploads
}

type table struct {
	byID  map[string]*object
	order []*object
	index *index // of what must be unique, once it was asked for
}

func newStore(f *facts, seed uint64) *store {
	source := rand.NewPCG(seed, 0x5A4D)
	return &store{facts: f, types: map[string]*table{}, rng: rand.New(source), source: source}
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
	if id := seedMoneyID(typ, i); id != "" {
		return id
	}
	switch {
	case typ == "appCategories":
		return categories[i%len(categories)]
	case typ == "buildBetaDetails":
		return seedID("builds", i) // Apple gives a build's detail the id of the build
	case typ == "appAssetLibraries":
		return seedID("apps", i) // seen live: a library has the id of its app
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
	if pointTypes[typ] != "" {
		return s.pointAt(typ, id)
	}
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
	s.touch(o)
}

// point makes those known to an object's relationships of one side that these point
// to, where they were not made by link.
func (s *store) point(o *object) {
	for _, name := range sortedKeys(o.rels) {
		r := s.facts.relation(o.typ, name)
		if r.back != "" {
			continue
		}
		for _, id := range o.rels[name] {
			if other := s.get(r.typ, id); other != nil {
				other.from = append(other.from, pointer{o, r.name})
			}
		}
	}
}

// remove deletes an object and every relationship to it. Its own stay, for those
// who ask what it belonged to.
func (s *store) remove(o *object) {
	t := s.types[o.typ]
	if t.byID[o.id] != o {
		return
	}
	delete(t.byID, o.id)
	t.order = without(t.order, o)
	if t.index != nil {
		t.index.forget(o)
	}
	if o.upload != nil {
		s.bytes -= o.upload.size()
	}
	for _, name := range sortedKeys(o.rels) {
		r := s.facts.relation(o.typ, name)
		for _, id := range o.rels[name] {
			s.cut(s.get(r.typ, id), r, o)
		}
	}
	for _, p := range o.from {
		p.o.rels[p.rel] = without(p.o.rels[p.rel], o.id)
		s.touch(p.o)
	}
}

// cut takes away the other side of a relationship from o.
func (s *store) cut(other *object, r *relation, o *object) {
	switch {
	case other == nil:
	case r.back == "":
		other.from = without(other.from, pointer{o, r.name})
	default:
		other.rels[r.back] = without(other.rels[r.back], o.id)
		s.touch(other)
	}
}

// touch says that an object has changed.
func (s *store) touch(o *object) {
	if t := s.types[o.typ]; t != nil && t.index != nil && t.byID[o.id] == o {
		t.index.touch(o)
	}
}

// without is a list that lacks an element; the list itself stays.
func without[E comparable](list []E, e E) []E {
	i := slices.Index(list, e)
	if i < 0 {
		return list
	}
	return slices.Concat(list[:i], list[i+1:])
}

// pointing are the objects of a type whose relationship points to o.
func (s *store) pointing(o *object, typ, rel string) (list []*object) {
	r := s.facts.relation(typ, rel)
	if r == nil {
		return nil
	}
	if r.back != "" {
		return s.related(o, r.back)
	}
	for _, p := range o.from {
		if p.o.typ == typ && p.rel == r.name {
			list = append(list, p.o)
		}
	}
	return list
}

// ids are those that a relationship of an object holds.
func (s *store) ids(o *object, rel string) []string {
	r := s.facts.relation(o.typ, rel)
	if r == nil {
		return nil
	}
	made, is := s.derived(o, r.name)
	if !is {
		return o.rels[r.name]
	}
	ids := make([]string, made.total)
	for i := range ids {
		ids[i] = made.at(i).id
	}
	return ids
}

// some are the ids that a relationship holds from a place to another, and how many it
// holds in all.
func (s *store) some(o *object, rel string, start, end int) (ids []string, total int) {
	made, is := s.derived(o, s.facts.relation(o.typ, rel).name)
	if !is {
		ids = s.ids(o, rel)
		return ids[min(start, len(ids)):min(end, len(ids))], len(ids)
	}
	for i := start; i < min(end, made.total); i++ {
		ids = append(ids, made.at(i).id)
	}
	return ids, made.total
}

// related are the objects that a relationship points to.
func (s *store) related(o *object, rel string) (list []*object) {
	r := s.facts.relation(o.typ, rel)
	if r == nil {
		return nil
	}
	if made, is := s.derived(o, r.name); is {
		return made.some(made.total)
	}
	for _, id := range o.rels[r.name] {
		if x := s.get(r.typ, id); x != nil {
			list = append(list, x)
		}
	}
	return list
}

// relatedSome are the first objects that a relationship points to.
func (s *store) relatedSome(o *object, rel string, most int) []*object {
	if r := s.facts.relation(o.typ, rel); r != nil {
		if made, is := s.derived(o, r.name); is {
			return made.some(most)
		}
	}
	list := s.related(o, rel)
	return list[:min(most, len(list))]
}

// link adds ids to a relationship, on both sides.
func (s *store) link(o *object, rel string, ids ...string) {
	r := s.facts.relation(o.typ, rel)
	if r == nil {
		return
	}
	for _, id := range ids {
		other := s.get(r.typ, id)
		if linked(o, r, other, id) {
			continue
		}
		if !r.many {
			s.unlink(o, rel, o.rels[r.name]...)
		}
		o.rels[r.name] = append(o.rels[r.name], id)
		switch {
		case other == nil:
		case r.back == "":
			other.from = append(other.from, pointer{o, r.name})
		default:
			s.linkBack(other, r, o)
		}
	}
	s.touch(o)
}

// linked says whether a relationship holds an id. One side of it tells: the
// shorter, for an app may have very many builds.
func linked(o *object, r *relation, other *object, id string) bool {
	if other != nil && r.back != "" && len(other.rels[r.back]) < len(o.rels[r.name]) {
		return slices.Contains(other.rels[r.back], o.id)
	}
	return slices.Contains(o.rels[r.name], id)
}

// linkBack adds the other side of a relationship from o.
func (s *store) linkBack(other *object, r *relation, o *object) {
	if !s.facts.relation(r.typ, r.back).many {
		for _, old := range other.rels[r.back] {
			if was := s.get(o.typ, old); was != nil && was != o {
				was.rels[r.name] = without(was.rels[r.name], other.id)
				s.touch(was)
			}
		}
		other.rels[r.back] = nil
	}
	other.rels[r.back] = append(other.rels[r.back], o.id)
	s.touch(other)
}

// unlink removes ids from a relationship, on both sides.
func (s *store) unlink(o *object, rel string, ids ...string) {
	r := s.facts.relation(o.typ, rel)
	if r == nil {
		return
	}
	for _, id := range slices.Clone(ids) {
		if slices.Contains(o.rels[r.name], id) {
			o.rels[r.name] = without(o.rels[r.name], id)
			s.cut(s.get(r.typ, id), r, o)
		}
	}
	s.touch(o)
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

// IDs lists the ids of a type's objects, oldest first; of price points, which are
// made as they are asked for, those that some price has.
func (s *Sandbox) IDs(typ string) (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if pointTypes[typ] != "" {
		return s.store.pointsInUse(typ)
	}
	for _, o := range s.store.all(typ) {
		ids = append(ids, o.id)
	}
	return ids
}

// pointsInUse are the ids of the price points of a type that some price has.
func (s *store) pointsInUse(typ string) (ids []string) {
	seen := map[string]bool{}
	for _, prices := range sortedKeys(s.types) {
		for _, rel := range pointRels {
			if r := s.facts.relation(prices, rel); r == nil || r.typ != typ {
				continue
			}
			for _, price := range s.all(prices) {
				if id := pointOf(price); id != "" && !seen[id] {
					seen[id] = true
					ids = append(ids, id)
				}
			}
		}
	}
	return ids
}
