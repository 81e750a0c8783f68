package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// decode reads a document: an object with data, and perhaps included.
func decode(body []byte) (map[string]any, []apiError) {
	var v any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, []apiError{
			{
				Status: 400,
				Code:   "ENTITY_INVALID",
				Title:  "JSON processing failed",
				Detail: "The request entity is not valid JSON",
			},
		}
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, []apiError{
			{
				Status: 400,
				Code:   "ENTITY_INVALID",
				Title:  "JSON processing failed",
				Detail: "Something follows the document",
			},
		}
	}
	doc, ok := v.(map[string]any)
	if !ok {
		return nil, []apiError{unprocessable("The document is no object", "/")}
	}
	for key := range doc {
		if key != "data" && key != "included" {
			return nil, []apiError{unprocessable("The document has an unknown member", "/"+key)}
		}
	}
	return doc, nil
}

func unprocessable(detail, pointer string) apiError {
	return apiError{
		Status:  422,
		Code:    "ENTITY_UNPROCESSABLE",
		Title:   "The request entity is not a valid request document object",
		Detail:  detail,
		Pointer: pointer,
	}
}

// value refuses a value that is not of its attribute's kind.
func (w *writer) value(a *factAttr, v any, at string) {
	if v == nil {
		if !a.Nullable {
			w.refuse(
				"ENTITY_ERROR.ATTRIBUTE.INVALID",
				"The provided entity includes an attribute that must not be null",
				at,
			)
		}
		return
	}
	spec := w.c.s.facts.resolve(a)
	ok := true
	switch spec.Kind {
	case "string":
		var s string
		if s, ok = v.(string); ok && !w.c.s.facts.takes(spec, s) {
			w.notAmong(spec, s, at)
		}
	case "boolean":
		_, ok = v.(bool)
	case "integer", "number":
		ok = w.number(spec, v, at)
	case "array":
		var list []any
		list, ok = v.([]any)
		for i, x := range list {
			w.value(spec.Items, x, fmt.Sprintf("%s/%d", at, i))
		}
	case "object":
		var m map[string]any
		m, ok = v.(map[string]any)
		w.members(spec, m, at)
	case "map":
		var m map[string]any
		m, ok = v.(map[string]any)
		for name, x := range m {
			if spec.Items != nil {
				w.value(spec.Items, x, at+"/"+name)
			}
		}
	}
	if !ok {
		w.refuse("ENTITY_ERROR.ATTRIBUTE.TYPE", "The provided entity includes an attribute with an invalid type", at)
	}
}

// notAmong refuses a string that is not among an attribute's values, or not of
// its format.
func (w *writer) notAmong(spec *factAttr, s, at string) {
	list := w.c.s.facts.enum(spec.Enum)
	if newerAnywhere(path.Base(at), s) {
		return
	}
	if len(list) == 0 {
		w.invalid("ENTITY_ERROR.ATTRIBUTE.INVALID", fmt.Sprintf("'%s' is not a valid %s", s, spec.Format), at)
		return
	}
	w.errs = append(
		w.errs,
		apiError{
			Status:  409,
			Code:    "ENTITY_ERROR.ATTRIBUTE.TYPE",
			Title:   "The provided entity includes an attribute with an invalid type",
			Pointer: at,
			Detail: fmt.Sprintf(
				"'%s' is not a valid value for the attribute '%s'. Expected one of: %s",
				s,
				path.Base(at),
				strings.Join(list, ", "),
			),
		},
	)
}

func (w *writer) number(spec *factAttr, v any, at string) bool {
	n, ok := v.(json.Number)
	if !ok || spec.Kind == "number" {
		return ok
	}
	i, err := n.Int64()
	if err == nil && (spec.Min != nil && i < *spec.Min || spec.Max != nil && i > *spec.Max) {
		w.refuse(
			"ENTITY_ERROR.ATTRIBUTE.INVALID",
			"The provided entity includes an attribute with a value out of range",
			at,
		)
	}
	return err == nil
}

func (w *writer) members(spec *factAttr, m map[string]any, at string) {
	for name, x := range m {
		if f := spec.field(name); f != nil {
			w.value(f, x, at+"/"+name)
		} else {
			w.refuse("ENTITY_ERROR.ATTRIBUTE.UNKNOWN", "The provided entity includes an unknown attribute", at+"/"+name)
		}
	}
}

// takes says whether a string is among the values of an attribute, and of its
// format.
func (f *facts) takes(a *factAttr, s string) bool {
	if list := f.enum(a.Enum); len(list) > 0 && !slices.Contains(list, s) {
		return false
	}
	switch a.Format {
	case "date-time":
		_, ok := parseTime(s)
		return ok
	case "date":
		_, err := time.Parse(time.DateOnly, s)
		return err == nil
	}
	return true
}

// allowed applies the types' own rules to what is to be made or changed, once
// the document itself is right.
func (w *writer) allowed() {
	if len(w.errs) > 0 {
		ordered(w.errs)
		return
	}
	for i, o := range w.pending {
		at, old, change := w.at[i], (*object)(nil), o
		if i == 0 && w.old != nil {
			old = w.old
			o = merged(old, o)
		}
		if old == nil {
			w.file(o, at)
		}
		if w.c.s.cfg.NoRules {
			continue
		}
		b := w.c.s.behaviors[o.typ]
		w.texts(change, at)
		w.fileAllowed(o, old, change, at)
		w.unique(b.unique, o, old, at)
		w.oneApp(o, old, at)
		if b.allowed != nil {
			w.errs = append(w.errs, b.allowed(w.c, o, old)...)
		}
	}
}

// merged is what an object would be after a change.
func merged(old, change *object) *object {
	o := &object{typ: old.typ, id: old.id, attrs: maps.Clone(old.attrs), rels: maps.Clone(old.rels), at: old.at}
	maps.Copy(o.attrs, change.attrs)
	maps.Copy(o.rels, change.rels)
	return o
}

// unique refuses an object that has the same values as another for a set of
// attributes and relationships.
func (w *writer) unique(sets [][]string, o, old *object, at string) {
	known := w.c.s.store.indexOf(o.typ, sets)
	for _, set := range sets {
		for _, x := range known.same(set, o) {
			if x == old {
				continue
			}
			last := set[len(set)-1]
			w.errs = append(
				w.errs,
				apiError{
					Status: 409,
					Code:   "ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE",
					Title:  "The provided entity includes an attribute with a value that has already been used",
					Detail: fmt.Sprintf(
						"The %s '%v' has been used already, by '%s'",
						strings.Join(set, " and "),
						fieldOf(o, last),
						x.id,
					),
					Pointer: at + "/attributes/" + last,
				},
			)
			return
		}
	}
}

// fieldOf is an attribute's value, else the ids of a relationship, else nil.
func fieldOf(o *object, name string) any {
	if locale := localeOf(o.text(name)); name == "locale" && locale != "" {
		return locale
	}
	if v := o.attrs[name]; v != nil {
		return v
	}
	if ids := o.rels[name]; len(ids) > 0 {
		return ids
	}
	return nil
}
