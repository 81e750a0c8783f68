package sandbox

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// index finds the objects of a type by sets of their attributes and
// relationships. It looks at an object when it is next asked, not when the object
// changes: between, behaviors are free to set attributes.
type index struct {
	sets  [][]string
	byKey map[string][]*object
	later []*object // that are to be looked at
}

// indexOf is the index of a type's sets. The sets of a type never change.
func (s *store) indexOf(typ string, sets [][]string) *index {
	t := s.types[typ]
	if t == nil {
		return nil
	}
	if t.index == nil {
		t.index = &index{sets: sets, byKey: map[string][]*object{}}
		for _, o := range t.order {
			t.index.touch(o)
		}
	}
	return t.index
}

// touch has an object looked at when the index is asked.
func (x *index) touch(o *object) {
	if !o.stale {
		o.stale = true
		x.later = append(x.later, o)
	}
}

// forget takes an object out that has ended.
func (x *index) forget(o *object) {
	for _, key := range o.keys {
		if x.byKey[key] = without(x.byKey[key], o); len(x.byKey[key]) == 0 {
			delete(x.byKey, key)
		}
	}
	if o.keys = nil; o.stale {
		o.stale, x.later = false, without(x.later, o)
	}
}

// same are the objects that have the same values for a set as o, which need not
// be in the index. An object without one of the values has no like.
func (x *index) same(set []string, o *object) []*object {
	if x == nil {
		return nil
	}
	for _, changed := range x.later {
		x.file(changed)
	}
	x.later = nil
	key := keyOf(set, o)
	if key == "" {
		return nil
	}
	return x.byKey[key]
}

// file puts an object under the keys that it has now.
func (x *index) file(o *object) {
	o.stale = false
	var keys []string
	for _, set := range x.sets {
		if key := keyOf(set, o); key != "" {
			keys = append(keys, key)
		}
	}
	if slices.Equal(keys, o.keys) {
		return
	}
	x.forget(o)
	for _, key := range keys {
		x.byKey[key] = append(x.byKey[key], o)
	}
	o.keys = keys
}

// keyOf writes the values that an object has for a set of fields, "" if it lacks
// one.
func keyOf(set []string, o *object) string {
	var b strings.Builder
	for _, name := range set {
		b.WriteString(name)
		switch v := fieldOf(o, name).(type) {
		case nil:
			return ""
		case string:
			b.WriteString(strconv.Quote(v))
		default:
			fmt.Fprintf(&b, "%#v", v)
		}
	}
	return b.String()
}
