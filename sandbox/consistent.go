package sandbox

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Check looks at the whole world and tells what does not fit together: a
// relationship that has one side only or points to nothing, a thing of one app
// tied to a thing of another, a value that Apple's document does not allow, a price of
// another product. A world that was changed through Apple's API has none; it is for tests.
func (s *Sandbox) Check() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.store.checked(true)
	for _, typ := range sortedKeys(s.store.types) {
		for _, o := range s.store.all(typ) {
			w.money(s.store, o)
		}
	}
	return w.list
}

// maxWrong bounds what a checker tells.
const maxWrong = 1000

// wrong is what does not fit together in a store. ties says whether things of one app
// must not be tied to those of another.
func (s *store) wrong(ties bool) []string { return s.checked(ties).list }

func (s *store) checked(ties bool) *checker {
	w := &checker{ties: ties, sets: map[pointer]map[string]bool{}}
	for _, typ := range sortedKeys(s.types) {
		for _, o := range s.all(typ) {
			w.relations(s, o)
			w.values(s.facts, o)
			w.indexed(s, o)
		}
	}
	return w
}

// fits is an error if something in a store does not fit together.
func (s *store) fits(ties bool) error {
	const told = 5
	wrong := s.wrong(ties)
	switch {
	case len(wrong) == 0:
		return nil
	case len(wrong) > told:
		wrong = append(wrong[:told:told], fmt.Sprintf("and %d more", len(wrong)-told))
	}
	return errors.New(strings.Join(wrong, "; "))
}

// checker collects what is wrong.
type checker struct {
	list []string
	ties bool
	sets map[pointer]map[string]bool // long relationships, as sets
}

func (w *checker) say(o *object, format string, args ...any) {
	if len(w.list) < maxWrong {
		w.list = append(w.list, fmt.Sprintf("%s %s: ", o.typ, o.id)+fmt.Sprintf(format, args...))
	}
}

// points says whether a relationship holds an id.
func (w *checker) points(o *object, rel, id string) bool {
	const long = 16
	if len(o.rels[rel]) < long {
		return slices.Contains(o.rels[rel], id)
	}
	at := pointer{o, rel}
	if w.sets[at] == nil {
		w.sets[at] = map[string]bool{}
		for _, id := range o.rels[rel] {
			w.sets[at][id] = true
		}
	}
	return w.sets[at][id]
}

// relations checks both sides of every relationship of an object.
func (w *checker) relations(st *store, o *object) {
	if st.get(o.typ, o.id) != o {
		w.say(o, "is listed, and not found by its id")
	}
	app := st.appOf(o)
	for _, name := range sortedKeys(o.rels) {
		r, ids := st.facts.relation(o.typ, name), o.rels[name]
		if r == nil || r.name != name {
			w.say(o, "has a relationship %s, which its type has not", name)
			continue
		}
		if len(slices.Compact(slices.Sorted(slices.Values(ids)))) < len(ids) {
			w.say(o, "%s points twice to the same", name)
		}
		if !r.many && len(ids) > 1 {
			w.say(o, "%s points to %d resources", name, len(ids))
		}
		for _, id := range ids {
			x := st.get(r.typ, id)
			if x == nil {
				w.say(o, "%s points to %s %s, which is not there", name, r.typ, id)
				continue
			}
			if r.back != "" && pointTypes[r.typ] == "" && !w.points(x, st.facts.relation(r.typ, r.back).name, o.id) {
				w.say(o, "%s points to %s %s, whose %s does not point back", name, r.typ, id, r.back)
			}
			if other := st.appOf(x); w.ties && app != nil && other != nil && app != other {
				w.say(o, "of app %s: %s points to %s %s of app %s", app.id, name, r.typ, id, other.id)
			}
		}
	}
}

// indexed checks that an object is found by what must be unique about it, and is
// known to those that it points to by relationships of one side.
func (w *checker) indexed(st *store, o *object) {
	if x := st.types[o.typ].index; x != nil {
		for _, set := range x.sets {
			if keyOf(set, o) != "" && !slices.Contains(x.same(set, o), o) {
				w.say(o, "is not found by its %v", set)
			}
		}
	}
	for name, ids := range o.rels {
		r := st.facts.relation(o.typ, name)
		if r == nil || r.back != "" || pointTypes[r.typ] != "" { // which are not kept
			continue
		}
		for _, id := range ids {
			if x := st.get(r.typ, id); x != nil && !slices.Contains(x.from, pointer{o, name}) {
				w.say(o, "%s points to %s %s, which does not know", name, r.typ, id)
			}
		}
	}
}

// values checks the attributes of an object against the document.
func (w *checker) values(f *facts, o *object) {
	for _, name := range sortedKeys(o.attrs) {
		a := f.attr(o.typ, name)
		if a == nil || o.attrs[name] == nil {
			continue
		}
		a = f.resolve(a)
		if text, is := o.attrs[name].(string); is && a.Kind == "string" && !f.takes(a, text) &&
			!newerValue(o.typ, name, text) {
			w.say(o, "%s is %q, which the document does not allow", name, text)
		}
	}
}

// newerValue says whether Apple returns a value that its document does not name.
func newerValue(typ, attr, value string) bool {
	return slices.Contains(newerValues[typ+"."+attr], value)
}

// newerAnywhere says whether a value is a newer one of some attribute of that name.
func newerAnywhere(attr, value string) bool {
	for name, values := range newerValues {
		if strings.HasSuffix(name, "."+attr) && slices.Contains(values, value) {
			return true
		}
	}
	return false
}

// newerValues are values that Apple is seen to return before its document names
// them.
var newerValues = map[string][]string{
	"devices.status":                      {"PROCESSING"},
	"profiles.profileState":               {"EXPIRED"},
	"certificates.certificateType":        {"DEVELOPER_ID_APPLICATION_G2"},
	"bundleIdCapabilities.capabilityType": {"MARZIPAN"},
	"capabilitySettings.key":              {"ENABLED_FOR_MAC_APP_SETUP", "USE_IOS_APPID"},
	"bundleIds.platform":                  {"SERVICES"},
}
