package sandbox

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// create answers a POST of a new resource.
func (c *call) create() []apiError {
	w, data, errs := c.writer()
	if len(errs) > 0 {
		return errs
	}
	w.object(c.op.Type, data, c.op.Body, "/data")
	if w.allowed(); len(w.errs) > 0 {
		return w.errs
	}
	for _, o := range w.pending {
		c.s.store.add(o)
	}
	rels := loosened(w.pending)
	for i, o := range w.pending {
		c.tie(o, rels[i])
		c.created(o)
	}
	c.answerWrite(w.pending[0])
	return nil
}

// loosened takes the relationships of new objects away, to be tied anew on both sides.
func loosened(made []*object) (rels []map[string][]string) {
	for _, o := range made {
		rels = append(rels, o.rels)
		o.rels = map[string][]string{}
	}
	return rels
}

// tie gives a new object its relationships.
func (c *call) tie(o *object, rels map[string][]string) {
	for _, rel := range slices.Sorted(maps.Keys(rels)) {
		c.s.store.link(o, rel, rels[rel]...)
	}
}

// created completes a new object: what the type sets, dates, upload operations.
func (c *call) created(o *object) {
	for _, name := range []string{"createdDate", "uploadedDate"} {
		if a := c.s.facts.attr(o.typ, name); a != nil && a.Format == "date-time" && o.attrs[name] == nil {
			o.attrs[name] = c.stamp()
		}
	}
	c.reserve(o)
	if b := c.s.behaviors[o.typ]; b.created != nil {
		b.created(c, o)
	}
}

// update answers a PATCH of a resource. Nothing changes unless all may.
func (c *call) update(o *object) []apiError {
	w, data, errs := c.writer()
	if len(errs) > 0 {
		return errs
	}
	if data["id"] != o.id {
		return []apiError{
			{
				Status:  409,
				Code:    "ENTITY_ERROR.ID.INVALID",
				Title:   "The provided entity id is not that of the resource",
				Pointer: "/data/id",
			},
		}
	}
	w.old = o
	change := w.object(o.typ, data, c.op.Body, "/data")
	if w.allowed(); len(w.errs) > 0 {
		return w.errs
	}
	inline := w.pending[1:]
	for _, x := range inline {
		c.s.store.add(x)
	}
	rels := loosened(inline)
	maps.Copy(o.attrs, change.attrs)
	maps.DeleteFunc(o.attrs, func(_ string, v any) bool { return v == nil })
	for _, rel := range slices.Sorted(maps.Keys(change.rels)) {
		c.s.store.set(o, rel, change.rels[rel])
	}
	for i, x := range inline {
		c.tie(x, rels[i])
		c.created(x)
	}
	c.fileUpdated(o, change)
	if b := c.s.behaviors[o.typ]; b.updated != nil {
		b.updated(c, o)
	}
	c.s.store.touch(o)
	c.answerWrite(o)
	return nil
}

// remove answers a DELETE of a resource.
func (c *call) remove(o *object) []apiError {
	if b := c.s.behaviors[o.typ]; b.removable != nil && !c.s.cfg.NoRules {
		if errs := b.removable(c, o); len(errs) > 0 {
			return errs
		}
	}
	c.drop(o)
	c.rec.empty(c.op.Status)
	return nil
}

// dependent are the objects that cannot be without another, but for those of
// types that outlive it.
func (c *call) dependent(o *object) (list []*object) {
	for _, child := range c.s.facts.children[o.typ] {
		if slices.Contains(c.s.behaviors[child.typ].outlives, child.rel) {
			continue
		}
		list = append(list, c.s.store.pointing(o, child.typ, child.rel)...)
	}
	return list
}

// drop ends an object, what it owns, and what cannot be without it.
func (c *call) drop(o *object) {
	b := c.s.behaviors[o.typ]
	for _, x := range c.dependent(o) {
		c.drop(x)
	}
	for _, rel := range b.owns {
		for _, x := range c.s.store.related(o, rel) {
			c.drop(x)
		}
	}
	if c.s.store.remove(o); b.removed != nil {
		b.removed(c, o)
	}
}

func (c *call) answerWrite(o *object) {
	if c.op.Schema == "" || c.op.Status == http.StatusNoContent {
		c.rec.empty(c.op.Status)
		return
	}
	doc := map[string]any{
		"data":  c.render(o),
		"links": map[string]any{"self": c.view(c.op.Schema, true).selfLink(o)},
	}
	c.include(doc, []*object{o})
	c.rec.json(c.op.Status, doc)
}

// relationship answers the four kinds of writes to a relationship's own URL.
func (c *call) relationship(o *object) []apiError {
	doc, errs := decode(c.body)
	if len(errs) > 0 {
		return errs
	}
	data, has := doc["data"]
	if !has {
		return []apiError{noData()}
	}
	w := &writer{c: c}
	ids := w.linkage(&factRel{Name: c.op.Rel, Type: c.op.Type, Many: c.op.Many}, data, "/data")
	if len(w.errs) > 0 {
		return w.errs
	}
	change, b := relWrite{c.op.Rel, ids, "replace"}, c.s.behaviors[o.typ]
	switch c.op.Shape {
	case "createToManyRelationship":
		change.how = "add"
	case "deleteToManyRelationship":
		change.how = "remove"
	}
	if errs := c.relatable(w, o, change); len(errs) > 0 {
		return errs
	}
	switch change.how {
	case "add":
		c.s.store.link(o, c.op.Rel, ids...)
	case "remove":
		c.s.store.unlink(o, c.op.Rel, ids...)
	default:
		c.s.store.set(o, c.op.Rel, ids)
	}
	if b.related != nil {
		b.related(c, o, change)
	}
	c.rec.empty(c.op.Status)
	return nil
}

// relatable refuses a write to a relationship that the types' rules do not allow.
func (c *call) relatable(w *writer, o *object, change relWrite) []apiError {
	if c.s.cfg.NoRules {
		return nil
	}
	if w.otherApp(o, change.rel, change.ids, "/data"); len(w.errs) > 0 {
		return w.errs
	}
	if lost := c.lost(o, change); len(lost) > 0 {
		return []apiError{
			{
				Status: 409,
				Code:   "ENTITY_ERROR.RELATIONSHIP.INVALID",
				Title:  "The provided relationship leaves out a resource that belongs to it",
				Detail: "These resources cannot be taken out of '" + change.rel + "': " + strings.Join(
					lost,
					", ",
				),
				Pointer: "/data",
			},
		}
	}
	if b := c.s.behaviors[o.typ]; b.relating != nil {
		return b.relating(c, o, change)
	}
	return nil
}

// writer checks a document and makes objects of it; nothing is stored before
// everything is right.
type writer struct {
	c       *call
	old     *object                   // what an update changes
	inline  map[string]map[string]any // to be created, by type/local id
	places  map[string]string         // where they stand, by type/local id: "/included/0"
	made    map[string]*object        // what they became
	pending []*object                 // all new objects, that of data first
	at      []string                  // where they stand
	errs    []apiError
}

// writer reads the request's document.
func (c *call) writer() (w *writer, data map[string]any, errs []apiError) {
	doc, errs := decode(c.body)
	if len(errs) > 0 {
		return nil, nil, errs
	}
	data, ok := doc["data"].(map[string]any)
	if !ok {
		return nil, nil, []apiError{noData()}
	}
	w = &writer{c: c, inline: map[string]map[string]any{}, places: map[string]string{}, made: map[string]*object{}}
	list, isList := doc["included"].([]any)
	if _, given := doc["included"]; given && !isList {
		w.refuse("ENTITY_ERROR.INCLUDED.INVALID", "The included resources are no list", "/included")
	}
	for i, v := range list {
		at := fmt.Sprintf("/included/%d", i)
		m, _ := v.(map[string]any)
		typ, _ := m["type"].(string)
		id, _ := m["id"].(string)
		switch {
		case c.op.Inline[typ] == nil:
			w.refuse(
				"ENTITY_ERROR.INCLUDED.INVALID_TYPE",
				"The provided included entity cannot be created here",
				at+"/type",
			)
		case !local(id):
			w.refuse("ENTITY_ERROR.INCLUDED.INVALID_ID", "The provided included entity id has invalid format", at+"/id")
		default:
			w.inline[typ+"/"+id], w.places[typ+"/"+id] = m, at
		}
	}
	return w, data, w.errs
}

// local says whether an id is one that a request made up: "${price-1}".
func local(id string) bool { return strings.HasPrefix(id, "${") && strings.HasSuffix(id, "}") }

func noData() apiError {
	return apiError{
		Status:  409,
		Code:    "ENTITY_ERROR.DATA.REQUIRED",
		Title:   "The provided entity is missing its data",
		Pointer: "/data",
	}
}

func (w *writer) refuse(code, title, pointer string) {
	w.errs = append(
		w.errs,
		apiError{Status: 409, Code: code, Title: title, Detail: title + ": " + pointer, Pointer: pointer},
	)
}

// object checks a resource object against what the operation takes.
func (w *writer) object(typ string, data map[string]any, t *factType, at string) *object {
	o := &object{
		typ:   typ,
		id:    w.c.s.store.newID(typ),
		attrs: map[string]any{},
		rels:  map[string][]string{},
		at:    w.c.now,
	}
	w.pending, w.at = append(w.pending, o), append(w.at, at)
	if at != "/data" {
		id, _ := data["id"].(string)
		w.made[typ+"/"+id] = o
	}
	if data["type"] != t.Type {
		w.refuse("ENTITY_ERROR.TYPE.INVALID", "The provided entity has another type than expected", at+"/type")
		return o
	}
	for key := range data {
		if !slices.Contains([]string{"type", "id", "attributes", "relationships"}, key) {
			w.refuse("ENTITY_ERROR.UNKNOWN", "The provided entity includes an unknown member", at+"/"+key)
		}
	}
	w.attributes(o, data, t, at)
	w.relationships(o, data, t, at)
	return o
}

func (w *writer) attributes(o *object, data map[string]any, t *factType, at string) {
	attrs, ok := data["attributes"].(map[string]any)
	if _, given := data["attributes"]; given && !ok {
		w.refuse("ENTITY_ERROR.ATTRIBUTE.TYPE", "The attributes are no object", at+"/attributes")
	}
	for name, v := range attrs {
		a := t.attr(name)
		if a == nil {
			w.refuse(
				"ENTITY_ERROR.ATTRIBUTE.UNKNOWN",
				"The provided entity includes an unknown attribute",
				at+"/attributes/"+name,
			)
			continue
		}
		w.value(a, v, at+"/attributes/"+name)
		if v != nil || w.updates(at) {
			o.attrs[name] = v
		}
	}
	for _, a := range t.Attrs {
		if _, given := attrs[a.Name]; a.Required && !given && !w.updates(at) {
			w.refuse(
				"ENTITY_ERROR.ATTRIBUTE.REQUIRED",
				"The provided entity is missing a required attribute",
				at+"/attributes/"+a.Name,
			)
		}
	}
}

// updates says whether what stands there changes an object, and makes none.
func (w *writer) updates(at string) bool { return w.old != nil && at == "/data" }

func (w *writer) relationships(o *object, data map[string]any, t *factType, at string) {
	rels, ok := data["relationships"].(map[string]any)
	if _, given := data["relationships"]; given && !ok {
		w.refuse("ENTITY_ERROR.RELATIONSHIP.INVALID", "The relationships are no object", at+"/relationships")
	}
	for _, name := range slices.Sorted(maps.Keys(rels)) {
		r := t.rel(name)
		member, _ := rels[name].(map[string]any)
		linkage, has := member["data"]
		at := at + "/relationships/" + name
		switch {
		case r == nil:
			w.refuse("ENTITY_ERROR.RELATIONSHIP.UNKNOWN", "The provided entity includes an unknown relationship", at)
		case !has:
			w.refuse("ENTITY_ERROR.RELATIONSHIP.REQUIRED", "The provided relationship has no data", at)
		case linkage == nil && r.Required && !r.Nullable && !r.Many:
			w.refuse("ENTITY_ERROR.RELATIONSHIP.REQUIRED", "The provided entity is missing a required relationship", at)
		default:
			o.rels[name] = w.linkage(r, linkage, at+"/data")
		}
	}
	for _, r := range t.Rels {
		if _, given := rels[r.Name]; r.Required && !given && !w.updates(at) {
			w.refuse(
				"ENTITY_ERROR.RELATIONSHIP.REQUIRED",
				"The provided entity is missing a required relationship",
				at+"/relationships/"+r.Name,
			)
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
		w.refuse("ENTITY_ERROR.RELATIONSHIP.INVALID", "The provided relationship has the wrong kind of data", at)
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
			w.refuse("ENTITY_ERROR.RELATIONSHIP.INVALID", "The provided relationship has the wrong type or no id", at)
		case local(id):
			ids = append(ids, w.create(r.Type, id, at))
		case w.c.s.store.get(r.Type, id) == nil:
			w.refuse(
				"ENTITY_ERROR.RELATIONSHIP.INVALID",
				"The provided relationship points to a resource that does not exist",
				at,
			)
		default:
			ids = append(ids, id)
		}
	}
	return ids
}

// create makes an object of included, once, and tells its id.
func (w *writer) create(typ, id, at string) string {
	key := typ + "/" + id
	if o := w.made[key]; o != nil {
		return o.id
	}
	data := w.inline[key]
	if data == nil {
		w.refuse(
			"ENTITY_ERROR.INCLUDED.INVALID_ID",
			"The provided relationship points to an included entity that is missing",
			at,
		)
		return ""
	}
	return w.object(typ, data, w.c.op.Inline[typ], w.places[key]).id
}
