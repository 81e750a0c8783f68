package sandbox

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// call is one request to one operation, while the state is locked.
type call struct {
	s    *Sandbox
	op   *factOp
	r    *http.Request
	rec  *reply
	body []byte
	base string // "http://127.0.0.1:8090"

	query map[string][]string // list parameters split at their commas
}

// run carries out the operation.
func (c *call) run() []apiError {
	if errs := c.parseQuery(); len(errs) > 0 {
		return errs
	}
	var o *object
	if id := c.r.PathValue("id"); strings.Contains(c.op.Path, "{id}") {
		if o = c.s.store.get(c.op.root(), id); o == nil {
			return []apiError{notFound(c.op.root(), id)}
		}
	}
	if c.op.Method == "GET" && !c.acceptable() {
		c.rec.raw(http.StatusNotAcceptable, "text/plain", []byte("Not Acceptable"))
		return nil
	}
	switch c.op.Shape {
	case "getCollection":
		if c.isFile() {
			return c.file()
		}
		return c.list(c.s.store.all(c.op.Type))
	case "getInstance":
		c.single(o)
	case "getToManyRelated", "getToOneRelated":
		return c.related(o)
	case "getToManyRelationship":
		return c.linkages(o)
	case "getToOneRelationship":
		c.rec.json(200, map[string]any{"data": c.toOne(o, c.op.Rel), "links": c.links()})
	case "getMetrics":
		c.metrics()
	case "createInstance":
		return c.create()
	case "updateInstance":
		return c.update(o)
	case "deleteInstance":
		c.s.store.remove(o)
		c.rec.status = c.op.Status
	default:
		return c.relationship(o)
	}
	return nil
}

// acceptable says whether the caller takes what the operation produces.
func (c *call) acceptable() bool {
	accept := c.r.Header.Get("Accept")
	if accept == "" || strings.Contains(accept, "*/*") {
		return true
	}
	return slices.ContainsFunc(c.op.Produces, func(p string) bool { return strings.Contains(accept, p) })
}

// parseQuery checks the parameters as Apple does.
func (c *call) parseQuery() (errs []apiError) {
	c.query = map[string][]string{}
	for name, values := range c.r.URL.Query() {
		p := c.op.param(name)
		switch {
		case name == "cursor" && c.op.param("limit") != nil:
			c.query[name] = values
		case p == nil:
			errs = append(errs, apiError{Status: 400, Code: "PARAMETER_ERROR.ILLEGAL", Title: "A parameter has an invalid value",
				Detail: "The parameter '" + name + "' can not be used with this request", Parameter: name})
		case len(values) > 1:
			errs = append(errs, apiError{Status: 400, Code: "PARAMETER_ERROR.DUPLICATE", Title: "A parameter stands twice", Parameter: name})
		default:
			c.query[name] = strings.Split(values[0], ",")
			errs = append(errs, p.check(c.query[name])...)
		}
	}
	for _, p := range c.op.Query {
		if _, given := c.query[p.Name]; p.Required && !given {
			errs = append(errs, apiError{Status: 400, Code: "PARAMETER_ERROR.MISSING", Title: "A required parameter is missing", Parameter: p.Name})
		}
	}
	slices.SortFunc(errs, func(a, b apiError) int { return strings.Compare(a.Parameter, b.Parameter) })
	return errs
}

func (p *factParam) check(values []string) []apiError {
	bad := apiError{Status: 400, Code: "PARAMETER_ERROR.INVALID", Title: "A parameter has an invalid value", Parameter: p.Name}
	for _, v := range values {
		switch {
		case len(p.Enum) > 0 && !slices.Contains(p.Enum, v):
			bad.Detail = "'" + v + "' is not a valid value"
			return []apiError{bad}
		case p.Kind == "boolean" && v != "true" && v != "false":
			return []apiError{bad}
		case p.Kind == "integer":
			n, err := strconv.Atoi(v)
			if err != nil || n < 1 || p.Max > 0 && n > p.Max {
				bad.Detail = "The limit must be from 1 to " + strconv.Itoa(p.Max)
				return []apiError{bad}
			}
		}
	}
	if !p.List && len(values) > 1 && p.Kind != "string" {
		return []apiError{bad}
	}
	return nil
}

func (c *call) int(name string, def int) int {
	if v := c.query[name]; len(v) == 1 {
		if n, err := strconv.Atoi(v[0]); err == nil {
			return n
		}
	}
	return def
}

func (c *call) links() map[string]any { return map[string]any{"self": c.base + c.r.RequestURI} }

// related answers with what a relationship points to.
func (c *call) related(o *object) []apiError {
	r := c.s.facts.rels[o.typ][c.op.Rel]
	if c.isFile() {
		return c.file()
	}
	if c.op.Answer != nil {
		c.plain()
		return nil
	}
	var list []*object
	for _, id := range o.rels[c.op.Rel] {
		if x := c.s.store.get(r.Type, id); x != nil {
			list = append(list, x)
		}
	}
	if c.op.Shape == "getToManyRelated" {
		return c.list(list)
	}
	if len(list) == 0 {
		c.rec.json(200, map[string]any{"data": nil, "links": c.links()})
		return nil
	}
	c.single(list[0])
	return nil
}

// decode reads a document strictly enough to say what is wrong with it.
func decode(body []byte) (map[string]any, []apiError) {
	var doc map[string]any
	if err := json.Unmarshal(body, &doc); err != nil || doc == nil {
		return nil, []apiError{{Status: 400, Code: "ENTITY_ERROR", Title: "The request entity is not a valid JSON document"}}
	}
	for key := range doc {
		if key != "data" && key != "included" {
			return nil, []apiError{{Status: 409, Code: "ENTITY_ERROR.UNKNOWN", Title: "The document has an unknown member", Pointer: "/" + key}}
		}
	}
	return doc, nil
}
