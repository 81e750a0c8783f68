//go:build conformance

package conformance

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// documentedQuery is a query in Apple's syntax, made of Apple's document alone.
func documentedQuery(op *openapi3.Operation, v variant) string {
	var parts []string
	for _, ref := range op.Parameters {
		p := ref.Value
		if p.In != "query" {
			continue
		}
		kind, _, _ := strings.Cut(p.Name, "[")
		wide := kind == "include" || kind == "fields"
		if !p.Required && (v == minimal || wide != (v == widened)) {
			continue
		}
		parts = append(parts, url.QueryEscape(p.Name)+"="+strings.Join(documentedValues(p, kind), ","))
	}
	return strings.Join(parts, "&")
}

func documentedValues(p *openapi3.Parameter, kind string) (values []string) {
	s := p.Schema.Value
	if s.Items != nil {
		s = s.Items.Value
	}
	for i, e := range s.Enum {
		if kind == "include" || kind == "sort" || i < 3 && kind == "fields" || i == 0 {
			values = append(values, url.QueryEscape(e.(string)))
		}
	}
	if len(values) > 0 {
		if p.Schema.Value.Items == nil {
			return values[:1]
		}
		return values
	}
	switch {
	case s.Type.Is("boolean"):
		return []string{"true"}
	case s.Type.Is("integer"):
		return []string{strconv.FormatFloat(*s.Max, 'f', 0, 64)}
	}
	return []string{"1"}
}
