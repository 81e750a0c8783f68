package sandbox

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// call is one request to one operation, while the state is locked.
type call struct {
	s    *Sandbox
	op   *factOp
	r    *http.Request
	rec  *reply
	body []byte
	now  time.Time
	base string // "http://127.0.0.1:8090"

	query   query
	acting  string  // type that an act was asked of
	writing *writer // of the request's document, if it has one
}

// run carries out the operation.
func (c *call) run() (errs []apiError) {
	if c.query, errs = c.s.facts.parseQuery(c.op, c.r.URL.RawQuery); len(errs) > 0 {
		return errs
	}
	var o *object
	if strings.Contains(c.op.Path, "{id}") {
		id := c.r.PathValue("id")
		if o = c.s.store.get(c.op.root(), id); o == nil {
			return []apiError{notFound(c.op.root(), id)}
		}
	}
	if c.op.Method == http.MethodGet {
		if looked := c.s.behaviors[c.op.root()].looked; looked != nil && o != nil {
			looked(c, o)
		}
		return c.read(o)
	}
	if len(c.body) > 0 && !speaksJSON(c.r) {
		return []apiError{
			{
				Status: 415,
				Code:   "UNSUPPORTED_MEDIA_TYPE",
				Title:  "The request entity is of a type that is not supported",
				Detail: "Send application/json",
			},
		}
	}
	switch c.op.Shape {
	case "createInstance":
		return c.create()
	case "updateInstance":
		return c.update(o)
	case "deleteInstance":
		return c.remove(o)
	}
	return c.relationship(o)
}

// read answers a GET.
func (c *call) read(o *object) []apiError {
	if !c.acceptable() {
		c.rec.raw(http.StatusNotAcceptable, "text/plain", []byte("Not Acceptable"))
		return nil
	}
	switch c.op.Shape {
	case "getCollection":
		if c.op.Schema == "" {
			return c.report()
		}
		return c.list(c.s.store.all(c.op.Type))
	case "getInstance":
		c.single(o)
		return nil
	case "getToManyRelated", "getToOneRelated":
		return c.related(o)
	case "getToManyRelationship":
		return c.linkages(o)
	case "getToOneRelationship":
		c.rec.json(http.StatusOK, map[string]any{"data": c.toOne(o, c.op.Rel), "links": c.links()})
		return nil
	}
	c.metrics(o)
	return nil
}

// acceptable says whether the caller takes what the operation produces.
func (c *call) acceptable() bool {
	accept := c.r.Header.Get("Accept")
	if accept == "" || strings.Contains(accept, "*/*") || strings.Contains(accept, "application/*") {
		return true
	}
	return slices.ContainsFunc(c.op.Produces, func(p string) bool { return strings.Contains(accept, p) })
}

// wantsCSV says whether the caller would rather have a table, and can.
func (c *call) wantsCSV() bool {
	accept := c.r.Header.Get("Accept")
	return slices.Contains(c.op.Produces, "text/csv") &&
		(len(c.op.Produces) == 1 ||
			strings.Contains(accept, "text/csv") && !strings.Contains(accept, "application/json"))
}

func (c *call) links() map[string]any { return map[string]any{"self": c.base + c.r.URL.RequestURI()} }

// related answers with what a relationship points to.
func (c *call) related(o *object) []apiError {
	if c.op.Answer != nil || c.op.Schema == "" {
		return c.file(o)
	}
	if pointTypes[c.op.Type] != "" && c.op.Many {
		return c.listPoints(o)
	}
	list := c.s.store.related(o, c.op.Rel)
	if c.op.Many {
		return c.list(list)
	}
	if len(list) == 0 && c.s.behaviors[c.op.Type].named != nil { // it would have the id of what it belongs to
		return []apiError{notFound(c.op.Type, o.id)}
	}
	if len(list) == 0 {
		c.rec.json(http.StatusOK, map[string]any{"data": nil, "links": c.links()})
		return nil
	}
	c.single(list[0])
	return nil
}

// stamp is the time of the call, as Apple writes most of its times.
func (c *call) stamp() string { return stamp(c.now) }

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000-07:00") }
