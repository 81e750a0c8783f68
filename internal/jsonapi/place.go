package jsonapi

import (
	"slices"
	"strconv"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// step is a part of the place in a request that is being written.
type step struct {
	name   string // proto field name
	apple  string // Apple's name, "" if it has none
	index  int    // of an element, -1: none
	object bool   // a resource object begins here
}

// fieldPath is the proto field path of a place: "prices.create[17].territory".
func fieldPath(path []step) string {
	var b strings.Builder
	for i, s := range path {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(s.name)
		if s.index >= 0 {
			b.WriteByte('[')
			b.WriteString(strconv.Itoa(s.index))
			b.WriteByte(']')
		}
	}
	return b.String()
}

// key is the key that extra of the resource has for the encoder's place:
// "settings.0.key".
func (e *encoder) key() string {
	from := len(e.path)
	for from > 0 && !e.path[from-1].object {
		from--
	}
	var parts []string
	for _, s := range e.path[from:] {
		if s.apple != "" {
			parts = append(parts, s.apple)
		}
		if s.index >= 0 {
			parts = append(parts, strconv.Itoa(s.index))
		}
	}
	return strings.Join(parts, ".")
}

// violate notes what is wrong with a field at the encoder's place.
func (e *encoder) violate(field, format string, args ...any) {
	if len(e.violations) < maxViolations {
		at := fieldPath(append(slices.Clip(e.path), step{name: field, index: -1}))
		e.violations = append(e.violations, fault.Invalid(at, format, args...).Violations[0])
	}
}

// wrong notes what is wrong with the value at the encoder's place.
func (e *encoder) wrong(format string, args ...any) {
	if len(e.violations) < maxViolations {
		e.violations = append(e.violations, fault.Invalid(fieldPath(e.path), format, args...).Violations[0])
	}
}
