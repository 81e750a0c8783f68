package sandbox

import (
	"net/url"
	"slices"
	"strconv"
)

// view is how one answer shows the objects of one schema: what its query asks
// for is looked up once, not once an object.
type view struct {
	c     *call
	home  string // "http://127.0.0.1:8090/v1/apps/"
	attrs []*factAttr
	rels  []viewRel
	bare  bool // the schema has no attributes at all
}

// viewRel is one relationship of a view.
type viewRel struct {
	*factRel
	linkage bool // its ids are shown
	limit   int  // and how many of them
}

// view makes the view of a schema. Linkage shows only in the primary data, and
// only of relationships that include names.
func (c *call) view(schema string, primary bool) *view {
	t := c.s.facts.Types[schema]
	if t == nil {
		t = &factType{Type: c.op.Type}
	}
	v := &view{c: c, bare: len(t.Attrs) == 0, home: c.s.facts.home[schema]}
	v.attrs, v.rels = make([]*factAttr, 0, len(t.Attrs)), make([]viewRel, 0, len(t.Rels))
	if v.home == "" {
		v.home = "/v1/" + t.Type
	}
	v.home = c.base + v.home + "/"
	for i := range t.Attrs {
		if c.wanted(t.Type, t.Attrs[i].Name) {
			v.attrs = append(v.attrs, &t.Attrs[i])
		}
	}
	for i := range t.Rels {
		if r := &t.Rels[i]; c.wanted(t.Type, r.Name) {
			linkage := primary && r.Data && slices.Contains(c.query["include"], r.Name)
			limit := c.query.int("limit["+r.Name+"]", defaultIncluded)
			v.rels = append(v.rels, viewRel{factRel: r, linkage: linkage, limit: limit})
		}
	}
	return v
}

// wanted says whether fields[type] asks for a field, or says nothing.
func (c *call) wanted(typ, field string) bool {
	names, given := c.query["fields["+typ+"]"]
	return !given || slices.Contains(names, field)
}

// render is the primary data that shows one object.
func (c *call) render(o *object) shown { return shown{c.view(c.op.Schema, true), o} }

// shown is an object in an answer, written when the answer is.
type shown struct {
	v *view
	o *object
}

// selfLink is where an object is read.
func (v *view) selfLink(o *object) string { return v.home + url.PathEscape(o.id) }

// appendTo writes the resource object, its members in the order of their names.
func (s shown) appendTo(b []byte) []byte {
	b = append(b, '{')
	if !s.v.bare {
		b = append(s.v.appendAttributes(append(b, `"attributes":`...), s.o), ',')
	}
	b = appendText(append(b, `"id":`...), s.o.id)
	b = append(b, `,"links":{"self":`...)
	start := len(b)
	b = appendText(b, s.v.selfLink(s.o))
	self := b[start+1 : len(b)-1]
	b = append(b, '}')
	if len(s.v.rels) > 0 {
		b = append(b, `,"relationships":{`...)
		for i, r := range s.v.rels {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendText(b, r.Name), ':')
			b = s.v.appendRel(b, s.o, r, self)
		}
		b = append(b, '}')
	}
	b = appendText(append(b, `,"type":`...), s.o.typ)
	return append(b, '}')
}

// appendAttributes writes all that the view has, null where an object has none.
func (v *view) appendAttributes(b []byte, o *object) []byte {
	var computed map[string]any
	if show := v.c.s.behaviors[o.typ].show; show != nil {
		computed = show(v.c, o)
	}
	b = append(b, '{')
	start := len(b)
	for _, a := range v.attrs {
		value, ok := computed[a.Name]
		if !ok {
			value = o.attrs[a.Name]
		}
		if value == nil && !a.Nullable {
			continue
		}
		if len(b) > start {
			b = append(b, ',')
		}
		b = appendJSON(append(appendText(b, a.Name), ':'), value)
	}
	return append(b, '}')
}

// appendRel writes one relationship; self is the object's link, as JSON has it.
func (v *view) appendRel(b []byte, o *object, r viewRel, self []byte) []byte {
	b = append(b, '{')
	total := 0
	if r.linkage {
		b = append(b, `"data":`...)
		if r.Many {
			var ids []string
			ids, total = v.c.s.store.some(o, r.Name, 0, r.limit)
			b = appendJSON(b, identifiers(r.Type, ids))
		} else {
			b = appendJSON(b, v.c.toOne(o, r.Name))
		}
	}
	if r.Links || !r.Data {
		if r.linkage {
			b = append(b, ',')
		}
		b = append(append(b, `"links":{"related":`...), '"')
		b = append(append(append(b, self...), '/'), r.Name...)
		b = append(append(b, `","self":"`...), self...)
		b = append(append(append(b, `/relationships/`...), r.Name...), `"}`...)
	}
	if r.linkage && r.Many && r.Meta {
		b = append(b, `,"meta":{"paging":{"limit":`...)
		b = append(strconv.AppendInt(b, int64(r.limit), 10), `,"total":`...)
		b = append(strconv.AppendInt(b, int64(total), 10), `}}`...)
	}
	return append(b, '}')
}
