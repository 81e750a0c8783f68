package apispec

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Change is one line of `ascspec diff`.
type Change struct {
	Kind   string `json:"kind"`             // "+", "-" or "~"
	Breaks bool   `json:"breaks,omitempty"` // a caller of the older document may fail
	What   string `json:"what"`
}

// aspect is what a line of a document tells about. The order is that of the
// list, after what breaks callers.
type aspect string

const (
	anOperation  aspect = "operation"
	aMediaType   aspect = "media type"
	aParameter   aspect = "parameter"
	aValueOf     aspect = "value of parameter" // of include, fields, sort, and filters
	aSchema      aspect = "schema"
	aMember      aspect = "member"
	aValue       aspect = "value" // of an enum
	isRequired   aspect = "required"
	isNullable   aspect = "nullable"
	isDeprecated aspect = "deprecated"
	aLimit       aspect = "limit"
	aChoice      aspect = "choice" // what oneOf or anyOf wants together
)

var aspects = []aspect{anOperation, aMediaType, aParameter, aValueOf, aSchema, aMember, aValue,
	isRequired, isNullable, aLimit, aChoice, isDeprecated}

// line is one thing that a document says. of is what it says it about: where
// that is new or gone itself, the line is left out.
type line struct {
	aspect   aspect
	of, name string
}

func (l line) String() string {
	text := string(l.aspect) + " " + l.of
	switch {
	case l.of != "" && l.name != "" && (l.aspect == aValue || l.aspect == aValueOf):
		return text + ": " + l.name
	case l.aspect == aMember:
		return text + "." + l.name
	case l.of == "":
		return string(l.aspect) + " " + l.name
	case l.name == "":
		return text
	}
	return text + " " + l.name
}

// key is the thing itself, as the of of what is said about it.
func (l line) key() string {
	switch {
	case l.aspect == aMember:
		return l.of + "." + l.name
	case l.of == "":
		return l.name
	}
	return l.of + " " + l.name
}

// holder is what holds the member or parameter that a line is about: to an old
// one, something new that is required is news.
func (l line) holder() string {
	if i := strings.LastIndexAny(l.of, ". "); i > 0 && !strings.Contains(l.of, "[") {
		return l.of[:i]
	}
	id, _, _ := strings.Cut(l.of, " ")
	return id
}

// Diff lists what a newer document brings: operations, parameters and their
// values, schemas, their members and values, what became required, limits,
// and what goes together. What breaks callers stands first. What belongs to
// something that is new or gone itself is not listed again.
func Diff(before, after *Document) (out []Change) {
	a, b := before.lines(), after.lines()
	there := func(lines map[line]string) map[string]bool {
		out := map[string]bool{"": true}
		for l := range lines {
			switch l.aspect {
			case anOperation, aParameter, aSchema, aMember:
				out[l.key()] = true
			}
		}
		return out
	}
	old, now := there(a), there(b)
	type sorted struct {
		Change
		line
	}
	var all []sorted
	for l, text := range b {
		was, had := a[l]
		switch {
		case !had && (old[l.of] || l.aspect == isRequired && old[l.holder()]):
			all = append(all, sorted{Change{"+", l.breaksWhenNew(), strings.TrimSuffix(l.String()+": "+text, ": ")}, l})
		case had && was != text:
			all = append(all, sorted{Change{"~", l.changeBreaks(was, text), l.String() + ": " + was + " → " + text}, l})
		}
	}
	for l := range a {
		if _, has := b[l]; !has && now[l.of] {
			all = append(all, sorted{Change{"-", l.breaksWhenGone(), l.String()}, l})
		}
	}
	slices.SortFunc(all, func(x, y sorted) int {
		if x.Breaks != y.Breaks {
			if x.Breaks {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(slices.Index(aspects, x.aspect), slices.Index(aspects, y.aspect)),
			cmp.Compare(x.What, y.What), cmp.Compare(x.Kind, y.Kind))
	})
	for _, x := range all {
		out = append(out, x.Change)
	}
	return out
}

// sent says whether a line is about what callers send: a parameter, or a member
// of a request.
func (l line) sent() bool {
	schema, _, member := strings.Cut(l.of, ".")
	return !member || strings.HasSuffix(schema, "Request") || isInline(schema)
}

func (l line) breaksWhenNew() bool {
	return (l.aspect == isRequired || l.aspect == aChoice) && l.sent()
}

func (l line) breaksWhenGone() bool {
	switch l.aspect {
	case isRequired, isDeprecated, aChoice, aLimit:
		return false
	case isNullable:
		return l.sent()
	}
	return true
}

func (l line) changeBreaks(was, now string) bool {
	if l.aspect != aLimit {
		return true
	}
	x, errX := strconv.ParseInt(was, 10, 64)
	y, errY := strconv.ParseInt(now, 10, 64)
	return errX != nil || errY != nil || (y < x) == strings.HasSuffix(l.name, "maximum")
}

// lines lists all that a document says.
func (d *Document) lines() map[line]string {
	out := map[line]string{}
	for _, op := range d.Operations {
		out[line{anOperation, "", op.ID}] = op.Method + " " + op.Path
		if op.Deprecated {
			out[line{isDeprecated, op.ID, ""}] = ""
		}
		for _, ct := range op.Contents.Keys {
			out[line{aMediaType, op.ID, ct}] = ""
		}
		for _, p := range op.Parameters {
			parameterLines(out, op.ID, p)
		}
	}
	for name, s := range d.Schemas.All() {
		out[line{aSchema, "", name}] = s.Type
		schemaLines(out, name, s, 0)
	}
	return out
}

func parameterLines(out map[line]string, id string, p Parameter) {
	of := id + " " + p.Name
	if p.Required {
		out[line{isRequired, of, ""}] = ""
	}
	if p.Deprecated {
		out[line{isDeprecated, of, ""}] = ""
	}
	if p.Schema == nil {
		return
	}
	item := p.Schema
	out[line{aParameter, id, p.Name}] = strings.TrimSpace(item.Type + item.Ref)
	if item.Items != nil {
		item = item.Items
	}
	limitLines(out, of, item)
	for _, v := range item.Enum {
		out[line{aValueOf, of, v}] = ""
	}
}

func limitLines(out map[line]string, of string, s *Schema) {
	if s.Minimum != nil {
		out[line{aLimit, of, "minimum"}] = strconv.FormatInt(*s.Minimum, 10)
	}
	if s.Maximum != nil {
		out[line{aLimit, of, "maximum"}] = strconv.FormatInt(*s.Maximum, 10)
	}
}

func schemaLines(out map[line]string, at string, s *Schema, depth int) {
	if depth > 12 {
		return
	}
	for _, v := range s.Enum {
		out[line{aValue, at, v}] = ""
	}
	for _, c := range s.Choices {
		var all []string
		for _, names := range c {
			all = append(all, strings.Join(names, " + "))
		}
		out[line{aChoice, at, ""}] = strings.Join(all, "; ")
	}
	limitLines(out, at, s)
	if s.Items != nil {
		schemaLines(out, at+"[]", s.Items, depth+1)
	}
	for name, p := range s.Properties.All() {
		of := at + "." + name
		out[line{aMember, at, name}] = kindOf(p)
		required := slices.Contains(s.Required, name)
		for about, holds := range map[aspect]bool{isRequired: required, isNullable: p.Nullable, isDeprecated: p.Deprecated} {
			if holds {
				out[line{about, of, ""}] = ""
			}
		}
		schemaLines(out, of, p, depth+1)
	}
}
