package sandbox

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// defaultLimit is how many resources a page has unless limit says otherwise;
// defaultIncluded how many linkages of an included to-many relationship.
const (
	defaultLimit    = 50
	defaultIncluded = 10
)

// list answers with a page of objects: filtered, sorted, cut.
func (c *call) list(objects []*object) []apiError {
	kept := slices.DeleteFunc(slices.Clone(objects), func(o *object) bool { return !c.matches(o) })
	c.sort(kept)
	page, meta, next, errs := c.page(len(kept))
	if len(errs) > 0 {
		return errs
	}
	kept = kept[page[0]:page[1]]
	data := make([]any, len(kept))
	for i, o := range kept {
		data[i] = c.render(o, c.op.Schema, true)
	}
	links := c.links()
	if next != "" {
		links["next"] = next
	}
	doc := map[string]any{"data": data, "links": links}
	if c.op.Meta {
		doc["meta"] = meta
	}
	c.include(doc, kept)
	c.rec.json(200, doc)
	return nil
}

func (c *call) single(o *object) {
	doc := map[string]any{"data": c.render(o, c.op.Schema, true), "links": c.links()}
	c.include(doc, []*object{o})
	c.rec.json(200, doc)
}

// page cuts total rows. A cursor that comes without its limit reads the first
// page again, as Apple's do.
func (c *call) page(total int) (cut [2]int, meta map[string]any, next string, errs []apiError) {
	most := 200
	if p := c.op.param("limit"); p != nil && p.Max > 0 {
		most = p.Max
	}
	limit := c.int("limit", min(defaultLimit, most))
	start := 0
	if cursor := c.query["cursor"]; len(cursor) > 0 && c.query["limit"] != nil {
		b, err := base64.RawURLEncoding.DecodeString(cursor[0])
		n, err2 := strconv.Atoi(strings.TrimPrefix(string(b), "at:"))
		if err != nil || err2 != nil || n < 0 {
			return cut, nil, "", []apiError{{Status: 400, Code: "PARAMETER_ERROR.INVALID", Title: "A parameter has an invalid value", Detail: "The cursor is not valid", Parameter: "cursor"}}
		}
		start = min(n, total)
	}
	end := min(start+limit, total)
	paging := map[string]any{"total": total, "limit": limit}
	if end < total {
		cursor := base64.RawURLEncoding.EncodeToString([]byte("at:" + strconv.Itoa(end)))
		paging["nextCursor"] = cursor
		q := c.r.URL.Query()
		q.Set("cursor", cursor)
		q.Set("limit", strconv.Itoa(limit))
		next = c.base + c.r.URL.EscapedPath() + "?" + q.Encode()
	}
	return [2]int{start, end}, map[string]any{"paging": paging}, next, nil
}

// matches applies filter[…] and exists[…].
func (c *call) matches(o *object) bool {
	for name, want := range c.query {
		kind, key, _ := strings.Cut(strings.TrimSuffix(name, "]"), "[")
		switch kind {
		case "filter":
			if have, known := c.values(o, key); known && !slices.ContainsFunc(want, func(w string) bool { return slices.Contains(have, w) }) {
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

// values are what a filter key means for an object: its id, an attribute, the
// ids of a relationship, or those of a related object.
func (c *call) values(o *object, key string) (have []string, known bool) {
	if key == "id" {
		return []string{o.id}, true
	}
	if rel, attr, dotted := strings.Cut(key, "."); dotted {
		r, ok := c.s.facts.rels[o.typ][rel]
		for _, id := range o.rels[rel] {
			if x := c.s.store.get(r.Type, id); x != nil {
				v, _ := c.values(x, attr)
				have = append(have, v...)
			}
		}
		return have, ok
	}
	if _, ok := c.s.facts.rels[o.typ][key]; ok {
		return o.rels[key], true
	}
	v, ok := o.attrs[key]
	if list, isList := v.([]any); isList {
		for _, x := range list {
			have = append(have, fmt.Sprint(x))
		}
		return have, true
	}
	if v == nil {
		return nil, ok
	}
	return []string{fmt.Sprint(v)}, ok
}

func (c *call) sort(objects []*object) {
	keys := c.query["sort"]
	slices.SortStableFunc(objects, func(a, b *object) int {
		for _, key := range keys {
			name, descending := strings.CutPrefix(key, "-")
			x, _ := c.values(a, name)
			y, _ := c.values(b, name)
			d := compare(strings.Join(x, ","), strings.Join(y, ","))
			if descending {
				d = -d
			}
			if d != 0 {
				return d
			}
		}
		return 0
	})
}

// compare orders numbers as numbers.
func compare(a, b string) int {
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	if errX == nil && errY == nil && x != y {
		if x < y {
			return -1
		}
		return 1
	}
	return strings.Compare(a, b)
}

// render makes the resource object of one view. Linkage shows only in the
// primary data, and only of relationships that include names.
func (c *call) render(o *object, schema string, primary bool) map[string]any {
	t := c.s.facts.Types[schema]
	out := map[string]any{"type": o.typ, "id": o.id, "links": map[string]any{"self": c.selfLink(o, schema)}}
	if t == nil {
		return out
	}
	attrs, rels := map[string]any{}, map[string]any{}
	for _, a := range t.Attrs {
		if v, ok := o.attrs[a.Name]; ok && c.wanted(o.typ, a.Name) {
			attrs[a.Name] = v
		}
	}
	for _, r := range t.Rels {
		included := primary && slices.Contains(c.query["include"], r.Name)
		if c.wanted(o.typ, r.Name) {
			rels[r.Name] = c.renderRel(o, r, c.selfLink(o, schema), included)
		}
	}
	if b := behaviors[o.typ]; b.Rendered != nil {
		b.Rendered(c, o, attrs)
	}
	if len(t.Attrs) > 0 {
		out["attributes"] = attrs
	}
	if len(rels) > 0 {
		out["relationships"] = rels
	}
	return out
}

// wanted says whether fields[type] asks for a field, or says nothing.
func (c *call) wanted(typ, field string) bool {
	names, given := c.query["fields["+typ+"]"]
	return !given || slices.Contains(names, field)
}

// selfLink is where an object is read, as a view of it.
func (c *call) selfLink(o *object, schema string) string {
	home := c.s.facts.home[schema]
	if home == "" {
		home = "/v1/" + o.typ
	}
	return c.base + home + "/" + url.PathEscape(o.id)
}

func (c *call) renderRel(o *object, r factRel, self string, included bool) map[string]any {
	out := map[string]any{}
	if r.Links || !r.Data {
		out["links"] = map[string]any{"self": self + "/relationships/" + r.Name, "related": self + "/" + r.Name}
	}
	if !included || !r.Data {
		return out
	}
	if !r.Many {
		out["data"] = c.toOne(o, r.Name)
		return out
	}
	ids := o.rels[r.Name]
	limit := c.int("limit["+r.Name+"]", defaultIncluded)
	if r.Meta {
		out["meta"] = map[string]any{"paging": map[string]any{"total": len(ids), "limit": limit}}
	}
	out["data"] = identifiers(r.Type, ids[:min(limit, len(ids))])
	return out
}

func identifiers(typ string, ids []string) []any {
	out := make([]any, len(ids))
	for i, id := range ids {
		out[i] = map[string]any{"type": typ, "id": id}
	}
	return out
}

func (c *call) toOne(o *object, rel string) any {
	r := c.s.facts.rels[o.typ][rel]
	if len(o.rels[rel]) == 0 {
		return nil
	}
	return map[string]any{"type": r.Type, "id": o.rels[rel][0]}
}

// include adds the resources that the included relationships point to, each
// once.
func (c *call) include(doc map[string]any, primary []*object) {
	if len(c.query["include"]) == 0 || len(c.op.Included) == 0 {
		return
	}
	list, seen := []any{}, map[string]bool{}
	for _, o := range primary {
		for _, rel := range c.query["include"] {
			r := c.s.facts.rels[o.typ][rel]
			schema := c.op.Included[r.Type]
			ids := o.rels[rel]
			for _, id := range ids[:min(len(ids), c.int("limit["+rel+"]", defaultIncluded))] {
				x := c.s.store.get(r.Type, id)
				if x == nil || schema == "" || seen[r.Type+"/"+id] {
					continue
				}
				seen[r.Type+"/"+id] = true
				list = append(list, c.render(x, schema, false))
			}
		}
	}
	doc["included"] = list
}

// linkages answers with the ids that a to-many relationship holds.
func (c *call) linkages(o *object) []apiError {
	r := c.s.facts.rels[o.typ][c.op.Rel]
	ids := o.rels[c.op.Rel]
	page, meta, next, errs := c.page(len(ids))
	if len(errs) > 0 {
		return errs
	}
	links := c.links()
	if next != "" {
		links["next"] = next
	}
	c.rec.json(200, map[string]any{"data": identifiers(r.Type, ids[page[0]:page[1]]), "links": links, "meta": meta})
	return nil
}
