package service

import (
	"slices"
	"strconv"

	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// values collects the values of one parameter, each once, in the order they
// came. Adding n values takes time in proportion to n.
type values struct {
	list []string        // at most asc.MaxFilterValues of them
	seen map[string]bool // nil: few enough to be looked for in the list
}

// fewValues is up to how many a list is searched faster than a map; from
// countedValues on, different values are no longer counted one by one.
const (
	fewValues     = 16
	countedValues = 50_000
)

func (v *values) add(s string) {
	switch {
	case v.seen == nil && slices.Contains(v.list, s), v.seen[s]:
		return
	case v.seen == nil && len(v.list) == fewValues:
		v.seen = make(map[string]bool, 2*fewValues)
		for _, old := range v.list {
			v.seen[old] = true
		}
	}
	if v.seen != nil && len(v.seen) < countedValues {
		v.seen[s] = true
	}
	if len(v.list) < asc.MaxFilterValues {
		v.list = append(v.list, s)
	}
}

// check refuses more values than a request may hold.
func (v *values) check(field string) error {
	n := len(v.seen)
	if n <= asc.MaxFilterValues {
		return nil
	}
	there := strconv.Itoa(n)
	if n == countedValues {
		there = "more than " + there
	}
	return fault.Invalid(
		field,
		"takes at most %d values; there are %s, doubles not counted: ask for them in several requests",
		asc.MaxFilterValues,
		there,
	)
}
