package service

import (
	"strconv"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/jsonapi"
	"google.golang.org/protobuf/proto"
)

// inFields tells Apple's complaints in terms of the request's fields. Local ids
// of objects that the request creates, which the gateway made, become the fields
// that they stand for.
func (e *Engine) inFields(m *Method, req proto.Message, err error) error {
	f := fault.As(err)
	if f.Upstream == nil || len(f.Violations) > 0 {
		return err
	}
	var pointers *jsonapi.Pointers
	if m.HasBody && len(f.Upstream.Errors) > 0 {
		pointers = e.codec.Pointers(req)
		f.Message = pointers.Text(f.Message)
		inText(pointers, f.Upstream.Errors)
	}
	for _, a := range f.Upstream.Errors {
		field := ""
		switch {
		case a.Parameter != "":
			field = m.parameterField(a.Parameter)
		case a.Pointer != "":
			field = a.Pointer
			if pointers == nil {
				break
			}
			if known := pointers.Field(a.Pointer); known != "" {
				field = known
			}
		}
		if field != "" {
			description := a.Detail
			if description == "" {
				description = a.Title
			}
			f.Violations = append(f.Violations, fault.Violation{Field: field, Description: description, Reason: a.Code})
		}
	}
	return err
}

// inText replaces the local ids in the texts of errors, associated ones too.
func inText(p *jsonapi.Pointers, errs []fault.APIError) {
	for i := range errs {
		a := &errs[i]
		a.Title, a.Detail = p.Text(a.Title), p.Text(a.Detail)
		for _, list := range a.Associated {
			inText(p, list)
		}
	}
}

// parameterField is the proto field path of a query parameter of Apple's.
func (m *Method) parameterField(name string) string {
	kind, key, keyed := strings.Cut(strings.TrimSuffix(name, "]"), "[")
	switch p := m.Query.byName[name]; {
	case name == "limit" && m.pageSize != nil:
		return "page_size"
	case name == "cursor" && m.pageToken != nil:
		return "page_token"
	case p != nil:
		return p.path()
	case keyed && (kind == "fields" || kind == "limit"):
		return kind + "[" + strconv.Quote(key) + "]"
	}
	return name
}
