package sandbox

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// query holds the parameters of a request, lists split at their commas.
type query map[string][]string

// int is a number that parseQuery has checked, or def.
func (q query) int(name string, def int) int {
	if v := q[name]; len(v) == 1 {
		if n, err := strconv.Atoi(v[0]); err == nil {
			return n
		}
	}
	return def
}

// parseQuery checks the parameters of an operation as Apple does: each stands
// once, is known, and has values that are allowed.
func (f *facts) parseQuery(op *factOp, raw string) (query, []apiError) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, []apiError{parameterError("INVALID", "", "The query is not valid")}
	}
	q := query{}
	var errs []apiError
	for name, v := range values {
		p := op.param(name)
		switch {
		case len(v) > 1:
			errs = append(
				errs,
				parameterError("DUPLICATE", name, "The parameter '"+name+"' can not be given more than once"),
			)
		case name == "cursor" && op.param("limit") != nil:
			q[name] = v
		case p == nil:
			errs = append(
				errs,
				parameterError("ILLEGAL", name, "The parameter '"+name+"' can not be used with this request"),
			)
		default:
			q[name] = strings.Split(v[0], ",")
			if wrong := p.wrong(f.enum(p.Enum), q[name]); wrong != "" {
				errs = append(errs, parameterError("INVALID", name, wrong))
			}
		}
	}
	for _, p := range op.Query {
		if _, given := q[p.Name]; p.Required && !given {
			errs = append(
				errs,
				parameterError("MISSING", p.Name, "The parameter '"+p.Name+"' is required but was not provided"),
			)
		}
	}
	return q, ordered(errs)
}

// wrong says what is not allowed about a parameter's values, "" if all are.
func (p *factParam) wrong(enum, values []string) string {
	if !p.List && len(values) > 1 && p.Kind != "string" {
		return "The parameter takes one value"
	}
	for _, v := range values {
		switch {
		case len(enum) > 0 && !slices.Contains(enum, v):
			return fmt.Sprintf("'%s' is not a valid value for '%s'", v, p.Name)
		case p.Kind == "boolean" && v != "true" && v != "false":
			return fmt.Sprintf("'%s' is not a boolean", v)
		case p.Kind == "integer":
			n, err := strconv.Atoi(v)
			if err != nil || n < 1 || p.Max > 0 && n > p.Max {
				return fmt.Sprintf("The limit must be from 1 to %d", p.Max)
			}
		}
	}
	return ""
}
