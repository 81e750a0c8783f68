package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// create answers a POST of a new resource.
func (c *call) create() []apiError {
	data, inline, errs := c.document()
	if len(errs) > 0 {
		return errs
	}
	w := &writer{c: c, inline: inline, made: map[string]*object{}}
	o := w.object(c.op.Type, newID(), data, c.op.Body, "/data")
	if len(w.errs) == 0 {
		w.errs = c.refuse(o)
	}
	if len(w.errs) > 0 {
		return w.errs
	}
	w.store()
	c.complete(o)
	c.answerWrite(o)
	return nil
}

// update answers a PATCH of a resource.
func (c *call) update(o *object) []apiError {
	data, inline, errs := c.document()
	if len(errs) > 0 {
		return errs
	}
	if data["id"] != o.id {
		return []apiError{{Status: 409, Code: "ENTITY_ERROR.ID.INVALID", Title: "The id is not that of the path", Pointer: "/data/id"}}
	}
	w := &writer{c: c, inline: inline, made: map[string]*object{}, update: true}
	change := w.object(o.typ, o.id, data, c.op.Body, "/data")
	if len(w.errs) > 0 {
		return w.errs
	}
	w.pending = w.pending[1:] // the resource itself is there already
	w.store()
	for name, v := range change.attrs {
		o.attrs[name] = v
	}
	for rel, ids := range change.rels {
		c.s.store.set(o, rel, ids)
	}
	if _, uploads := o.attrs["uploadOperations"]; uploads {
		bytes, _ := o.attrs["\x00uploaded"].([]byte)
		c.commit(o, bytes)
	}
	if b := behaviors[o.typ]; b.Updated != nil {
		if errs := b.Updated(c, o); len(errs) > 0 {
			return errs
		}
	}
	c.answerWrite(o)
	return nil
}

func (c *call) answerWrite(o *object) {
	if c.op.Schema == "" || c.op.Status == 204 {
		c.rec.status = c.op.Status
		return
	}
	c.rec.json(c.op.Status, map[string]any{"data": c.render(o, c.op.Schema, true), "links": map[string]any{"self": c.selfLink(o, c.op.Schema)}})
}

// refuse applies the type's own rules to a new object.
func (c *call) refuse(o *object) []apiError {
	b := behaviors[o.typ]
	for _, name := range b.Unique {
		for _, x := range c.s.store.all(o.typ) {
			if v := o.attrs[name]; v != nil && x.attrs[name] == v {
				return []apiError{{Status: 409, Code: "ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE", Title: "The provided entity includes an attribute with a value that has already been used",
					Detail: fmt.Sprintf("The attribute '%s' has been used already", name), Pointer: "/data/attributes/" + name}}
			}
		}
	}
	if b.Check != nil {
		return b.Check(c, o)
	}
	return nil
}

// document reads the request: its data, and what is to be created inline by
// local id.
func (c *call) document() (data map[string]any, inline map[string]map[string]any, errs []apiError) {
	doc, errs := decode(c.body)
	if len(errs) > 0 {
		return nil, nil, errs
	}
	data, ok := doc["data"].(map[string]any)
	if !ok {
		return nil, nil, []apiError{{Status: 409, Code: "ENTITY_ERROR.REQUIRED", Title: "The document has no data", Pointer: "/data"}}
	}
	inline = map[string]map[string]any{}
	list, _ := doc["included"].([]any)
	for i, v := range list {
		m, ok := v.(map[string]any)
		typ, _ := m["type"].(string)
		id, hasID := m["id"].(string)
		if !ok || c.op.Inline[typ] == nil || !hasID {
			return nil, nil, []apiError{{Status: 409, Code: "ENTITY_ERROR.INCLUDED.INVALID", Title: "An included resource cannot be created here", Pointer: fmt.Sprintf("/included/%d", i)}}
		}
		inline[typ+"/"+id] = m
	}
	return data, inline, nil
}

// writer checks a document and makes objects of it; nothing is stored before
// everything is right.
type writer struct {
	c       *call
	inline  map[string]map[string]any
	made    map[string]*object // by type/local id
	pending []*object
	errs    []apiError
	update  bool
}

func (w *writer) refuse(code, title, pointer string) {
	w.errs = append(w.errs, apiError{Status: 409, Code: code, Title: title, Detail: title + ": " + pointer, Pointer: pointer})
}

// object checks a resource object against what the operation takes.
func (w *writer) object(typ, id string, data map[string]any, t *factType, at string) *object {
	o := &object{typ: typ, id: id, attrs: map[string]any{}, rels: map[string][]string{}}
	w.pending = append(w.pending, o)
	if data["type"] != t.Type {
		w.refuse("ENTITY_ERROR.TYPE.INVALID", "The type is not the one expected", at+"/type")
		return o
	}
	for key := range data {
		if !slices.Contains([]string{"type", "id", "attributes", "relationships"}, key) {
			w.refuse("ENTITY_ERROR.UNKNOWN", "The resource has an unknown member", at+"/"+key)
		}
	}
	attrs, _ := data["attributes"].(map[string]any)
	for name, v := range attrs {
		a := t.attr(name)
		if a == nil {
			w.refuse("ENTITY_ERROR.ATTRIBUTE.UNKNOWN", "The attribute is not known", at+"/attributes/"+name)
			continue
		}
		w.check(a, v, at+"/attributes/"+name)
		o.attrs[name] = v
	}
	for _, a := range t.Attrs {
		if _, given := attrs[a.Name]; a.Required && !given && !(w.update && at == "/data") {
			w.refuse("ENTITY_ERROR.ATTRIBUTE.REQUIRED", "You must provide a value for the attribute", at+"/attributes/"+a.Name)
		}
	}
	w.relationships(o, data, t, at)
	return o
}

func (w *writer) relationships(o *object, data map[string]any, t *factType, at string) {
	rels, _ := data["relationships"].(map[string]any)
	for name, v := range rels {
		r := t.rel(name)
		member, _ := v.(map[string]any)
		linkage, has := member["data"]
		at := at + "/relationships/" + name
		switch {
		case r == nil:
			w.refuse("ENTITY_ERROR.RELATIONSHIP.UNKNOWN", "The relationship is not known", at)
			continue
		case !has:
			w.refuse("ENTITY_ERROR.RELATIONSHIP.REQUIRED", "The relationship has no data", at)
			continue
		}
		o.rels[name] = w.linkage(r, linkage, at+"/data")
	}
	for _, r := range t.Rels {
		if _, given := rels[r.Name]; r.Required && !given && !(w.update && at == "/data") {
			w.refuse("ENTITY_ERROR.RELATIONSHIP.REQUIRED", "You must provide a value for the relationship", at+"/relationships/"+r.Name)
		}
	}
}

// linkage checks resource identifiers: each must exist, or be created inline.
func (w *writer) linkage(r *factRel, v any, at string) (ids []string) {
	list, isList := v.([]any)
	switch {
	case v == nil && !r.Many:
		return nil
	case isList != r.Many:
		w.refuse("ENTITY_ERROR.RELATIONSHIP.INVALID", "The relationship has the wrong kind of data", at)
		return nil
	case !r.Many:
		list = []any{v}
	}
	for i, x := range list {
		m, _ := x.(map[string]any)
		id, _ := m["id"].(string)
		at := at
		if r.Many {
			at = fmt.Sprintf("%s/%d", at, i)
		}
		switch {
		case m["type"] != r.Type || id == "":
			w.refuse("ENTITY_ERROR.RELATIONSHIP.INVALID", "The relationship has the wrong type or no id", at)
		case strings.HasPrefix(id, "${"):
			ids = append(ids, w.create(r.Type, id, at))
		case w.c.s.store.get(r.Type, id) == nil:
			w.refuse("ENTITY_ERROR.RELATIONSHIP.INVALID", "The related resource does not exist", at)
		default:
			ids = append(ids, id)
		}
	}
	return ids
}

// create makes an object of included, once.
func (w *writer) create(typ, local, at string) string {
	key := typ + "/" + local
	if o := w.made[key]; o != nil {
		return o.id
	}
	data := w.inline[key]
	if data == nil {
		w.refuse("ENTITY_ERROR.INCLUDED.INVALID_ID", "The included resource is missing", at)
		return ""
	}
	w.made[key] = &object{id: newID()} // for what refers to it while it is made
	o := w.object(typ, w.made[key].id, data, w.c.op.Inline[typ], "/included/"+local)
	w.made[key] = o
	return o.id
}

// store keeps the new objects and ties their relationships.
func (w *writer) store() {
	for _, o := range w.pending {
		for name, v := range o.attrs {
			if v == nil {
				delete(o.attrs, name)
			}
		}
		o.at = w.c.s.cfg.Now()
		w.c.s.store.add(o)
	}
	for _, o := range w.pending {
		rels := o.rels
		o.rels = map[string][]string{}
		for rel, ids := range rels {
			w.c.s.store.link(o, rel, ids...)
		}
	}
}

// check says whether a value is of its attribute's kind.
func (w *writer) check(a *factAttr, v any, at string) {
	if v == nil {
		if !a.Nullable && a.Required {
			w.refuse("ENTITY_ERROR.ATTRIBUTE.INVALID", "The attribute must not be null", at)
		}
		return
	}
	spec := w.c.s.facts.resolve(a)
	ok := true
	switch spec.Kind {
	case "string":
		s, is := v.(string)
		ok = is && (len(spec.Enum) == 0 || slices.Contains(spec.Enum, s)) && formatOK(spec.Format, s)
	case "boolean":
		_, ok = v.(bool)
	case "integer", "number":
		var n float64
		n, ok = number(v)
		ok = ok && (spec.Kind == "number" || n == float64(int64(n)))
	case "array":
		list, is := v.([]any)
		ok = is
		for i, x := range list {
			w.check(spec.Items, x, fmt.Sprintf("%s/%d", at, i))
		}
	case "object":
		ok = w.checkObject(spec, v, at)
	case "map":
		_, ok = v.(map[string]any)
	}
	if !ok {
		w.refuse("ENTITY_ERROR.ATTRIBUTE.TYPE", "The attribute has a value of the wrong type", at)
	}
}

func (w *writer) checkObject(spec *factAttr, v any, at string) bool {
	m, ok := v.(map[string]any)
	for name, x := range m {
		i := slices.IndexFunc(spec.Fields, func(f factAttr) bool { return f.Name == name })
		if i < 0 {
			w.refuse("ENTITY_ERROR.ATTRIBUTE.UNKNOWN", "The attribute is not known", at+"/"+name)
			continue
		}
		w.check(&spec.Fields[i], x, at+"/"+name)
	}
	return ok
}

func formatOK(format, s string) bool {
	switch format {
	case "date-time":
		_, err := time.Parse(time.RFC3339, s)
		return err == nil
	case "date":
		_, err := time.Parse("2006-01-02", s)
		return err == nil
	}
	return true
}

// relationship answers the four kinds of writes to a relationship's own URL.
func (c *call) relationship(o *object) []apiError {
	doc, errs := decode(c.body)
	if len(errs) > 0 {
		return errs
	}
	data, has := doc["data"]
	if !has {
		return []apiError{{Status: 409, Code: "ENTITY_ERROR.REQUIRED", Title: "The document has no data", Pointer: "/data"}}
	}
	r := c.s.facts.rels[o.typ][c.op.Rel]
	r.Type, r.Many = c.op.Type, c.op.Many
	w := &writer{c: c}
	ids := w.linkage(&r, data, "/data")
	if len(w.errs) > 0 {
		return w.errs
	}
	switch c.op.Shape {
	case "createToManyRelationship":
		c.s.store.link(o, c.op.Rel, ids...)
	case "deleteToManyRelationship":
		c.s.store.unlink(o, c.op.Rel, ids...)
	default:
		c.s.store.set(o, c.op.Rel, ids)
	}
	c.rec.status = c.op.Status
	return nil
}
