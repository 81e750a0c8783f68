package sandbox

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// matches applies filter[…] and exists[…].
func (c *call) matches(o *object) bool {
	for name, want := range c.query {
		kind, key, _ := strings.Cut(strings.TrimSuffix(name, "]"), "[")
		switch kind {
		case "filter":
			if test := c.s.behaviors[o.typ].tests[key]; test != nil {
				if !slices.ContainsFunc(want, func(w string) bool { return test(c.s.store, o, w) }) {
					return false
				}
				continue
			}
			have, known := c.values(o, key)
			same := c.s.same(o.typ, key)
			if known && !slices.ContainsFunc(want, func(w string) bool {
				return slices.ContainsFunc(have, func(h string) bool { return same(h, w) })
			}) {
				return false
			}
		case "exists":
			have, _ := c.values(o, key)
			if (len(have) > 0) != (want[0] == "true") {
				return false
			}
		}
	}
	return true
}

// same compares a value with a filter's: exactly, unless the type has another
// way. Apple does not tell the cases of a locale apart.
func (s *Sandbox) same(typ, key string) func(have, want string) bool {
	if f := s.behaviors[typ].filters[key]; f != nil {
		return f
	}
	if key == "locale" {
		return strings.EqualFold
	}
	return func(have, want string) bool { return have == want }
}

// longestFirst orders the matches of a substring filter so that the exact one is
// the last: who takes the first for it fails in a test, not in production. Apple
// promises no order.
func longestFirst(attr string) func(*call, []*object) {
	return func(c *call, list []*object) {
		if c.query["filter["+attr+"]"] != nil {
			slices.SortStableFunc(list, func(a, b *object) int { return len(b.text(attr)) - len(a.text(attr)) })
		}
	}
}

// contains is how Apple filters names that are given by developers.
func contains(have, want string) bool { return strings.Contains(have, want) }

// values are those of the store, but for what a type computes as it is read.
func (c *call) values(o *object, key string) ([]string, bool) {
	if show := c.s.behaviors[o.typ].show; show != nil {
		if v, computed := show(c, o)[key]; computed {
			return []string{fmt.Sprint(v)}, true
		}
	}
	return c.s.store.values(o, key)
}

// values are what a filter's or sort's key means for an object: its id, an
// attribute, the ids of a relationship, or the values of a related object
// (preReleaseVersion.version). A key may also mean none of these.
func (s *store) values(o *object, key string) (have []string, known bool) {
	if key == "id" {
		return []string{o.id}, true
	}
	if rel, attr, dotted := strings.Cut(key, "."); dotted {
		for _, x := range s.related(o, rel) {
			v, _ := s.values(x, attr)
			have = append(have, v...)
		}
		return have, s.facts.relation(o.typ, rel) != nil
	}
	if s.facts.attr(o.typ, key) == nil {
		return s.ids(o, key), s.facts.relation(o.typ, key) != nil
	}
	switch v := o.attrs[key].(type) {
	case nil:
		return nil, true
	case map[string]any: // the state of an upload
		if state, is := v["state"].(string); is {
			return []string{state}, true
		}
		return []string{fmt.Sprint(v)}, true
	case []any:
		for _, x := range v {
			have = append(have, fmt.Sprint(x))
		}
		return have, true
	default:
		return []string{fmt.Sprint(v)}, true
	}
}

// sort orders objects by the keys of the sort parameter, "-" before a key
// turning it around; else they stay as they are.
func (c *call) sort(objects []*object) {
	for _, key := range slices.Backward(c.query["sort"]) { // the last key first: the sort is stable
		name, descending := strings.CutPrefix(key, "-")
		keys := make(map[*object]sortKey, len(objects))
		for _, o := range objects {
			have, _ := c.values(o, name)
			keys[o] = newSortKey(strings.Join(have, ","))
		}
		slices.SortStableFunc(objects, func(a, b *object) int {
			if descending {
				a, b = b, a
			}
			return keys[a].compare(keys[b])
		})
	}
}

// sortKey orders numbers as numbers and times as times, whatever their form,
// before all other text.
type sortKey struct {
	rank   int
	number float64
	time   time.Time
	text   string
}

func newSortKey(text string) sortKey {
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		return sortKey{number: n}
	}
	if t, ok := parseTime(text); ok {
		return sortKey{rank: 1, time: t}
	}
	return sortKey{rank: 2, text: text}
}

func (k sortKey) compare(o sortKey) int {
	return cmp.Or(
		cmp.Compare(k.rank, o.rank),
		cmp.Compare(k.number, o.number),
		k.time.Compare(o.time),
		cmp.Compare(k.text, o.text),
	)
}

// parseTime reads a date-time in the forms that the sandbox writes or takes.
func parseTime(text string) (time.Time, bool) {
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05.999-0700"} {
		if t, err := time.Parse(form, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
