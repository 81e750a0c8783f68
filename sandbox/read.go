package sandbox

import (
	"encoding/base64"
	"net/http"
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
	if b := c.s.behaviors[c.op.Type]; b.listed != nil && len(c.query["sort"]) == 0 {
		b.listed(c, kept)
	}
	c.sort(kept)
	p, errs := c.page(len(kept))
	if len(errs) > 0 {
		return errs
	}
	c.answerList(kept[p.start:p.end], p)
	return nil
}

// answerList answers with the objects of a page.
func (c *call) answerList(kept []*object, p page) {
	if c.wantsCSV() {
		c.table(kept)
		return
	}
	data, v := make([]any, len(kept)), c.view(c.op.Schema, true)
	for i, o := range kept {
		data[i] = shown{v, o}
	}
	doc := map[string]any{"data": data, "links": p.links}
	if c.op.Meta {
		doc["meta"] = p.meta
	}
	c.include(doc, kept)
	c.rec.json(http.StatusOK, doc)
}

func (c *call) single(o *object) {
	doc := map[string]any{"data": c.render(o), "links": c.links()}
	c.include(doc, []*object{o})
	c.rec.json(http.StatusOK, doc)
}

// page is a cut of a list, with what a document says of it.
type page struct {
	start, end  int
	meta, links map[string]any
}

// page cuts total rows. A cursor that comes without its limit reads the first
// page again, as Apple's do.
func (c *call) page(total int) (page, []apiError) {
	most := 200
	if p := c.op.param("limit"); p != nil && p.Max > 0 {
		most = p.Max
	}
	limit := c.query.int("limit", min(defaultLimit, most))
	p := page{links: c.links()}
	if cursor := c.query["cursor"]; cursor != nil && c.query["limit"] != nil {
		at, ok := readCursor(cursor[0])
		if !ok {
			return p, []apiError{
				parameterError("INVALID", "cursor", "'"+cursor[0]+"' is not a valid cursor for this request"),
			}
		}
		p.start = min(at, total)
	}
	p.end = min(p.start+limit, total)
	paging := map[string]any{"total": total, "limit": limit}
	if p.end < total {
		cursor := writeCursor(p.end)
		paging["nextCursor"] = cursor
		q := c.r.URL.Query()
		q.Set("cursor", cursor)
		q.Set("limit", strconv.Itoa(limit))
		p.links["next"] = c.base + c.r.URL.EscapedPath() + "?" + q.Encode()
	}
	p.meta = map[string]any{"paging": paging}
	return p, nil
}

func writeCursor(at int) string {
	return base64.RawURLEncoding.EncodeToString([]byte("at:" + strconv.Itoa(at)))
}

func readCursor(cursor string) (at int, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	text, ok := strings.CutPrefix(string(b), "at:")
	if err != nil || !ok {
		return 0, false
	}
	at, err = strconv.Atoi(text)
	return at, err == nil && at >= 0
}

func identifiers(typ string, ids []string) []any {
	out := make([]any, len(ids))
	for i, id := range ids {
		out[i] = map[string]any{"type": typ, "id": id}
	}
	return out
}

// toOne is the linkage of a to-one relationship: an identifier, or null.
func (c *call) toOne(o *object, rel string) any {
	ids := c.s.store.ids(o, rel)
	if len(ids) == 0 {
		return nil
	}
	return identifiers(c.s.facts.relation(o.typ, rel).typ, ids)[0]
}

// include adds the resources that the included relationships point to, each
// once.
func (c *call) include(doc map[string]any, primary []*object) {
	if len(c.query["include"]) == 0 || len(c.op.Included) == 0 {
		return
	}
	list, seen, views := []any{}, map[*object]bool{}, map[string]*view{}
	for _, o := range primary {
		for _, rel := range c.query["include"] {
			most := c.query.int("limit["+rel+"]", defaultIncluded)
			for _, x := range c.s.store.relatedSome(o, rel, most) {
				schema := c.op.Included[x.typ]
				if schema == "" || seen[x] {
					continue
				}
				if views[schema] == nil {
					views[schema] = c.view(schema, false)
				}
				seen[x] = true
				list = append(list, shown{views[schema], x})
			}
		}
	}
	doc["included"] = list
}

// linkages answers with the ids that a to-many relationship holds.
func (c *call) linkages(o *object) []apiError {
	_, total := c.s.store.some(o, c.op.Rel, 0, 0)
	p, errs := c.page(total)
	if len(errs) > 0 {
		return errs
	}
	ids, _ := c.s.store.some(o, c.op.Rel, p.start, p.end)
	c.rec.json(
		http.StatusOK,
		map[string]any{"data": identifiers(c.op.Type, ids), "links": p.links, "meta": p.meta},
	)
	return nil
}
