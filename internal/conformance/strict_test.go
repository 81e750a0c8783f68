//go:build conformance

package conformance

import (
	"github.com/getkin/kin-openapi/openapi3"
)

// mediaTypes are all media types of a document.
func mediaTypes(doc *openapi3.T) map[string]bool {
	out := map[string]bool{}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			if op.RequestBody != nil {
				for ct := range op.RequestBody.Value.Content {
					out[ct] = true
				}
			}
			for _, r := range op.Responses.Map() {
				for ct := range r.Value.Content {
					out[ct] = true
				}
			}
		}
	}
	return out
}

// closeObjects makes the document stricter than it is: members that it does not
// name are violations. A composed object may hold what any of its parts names.
func closeObjects(doc *openapi3.T) {
	c := &closer{seen: map[*openapi3.Schema]bool{}, parts: map[*openapi3.Schema]bool{}}
	for _, s := range doc.Components.Schemas {
		c.findParts(s)
	}
	clear(c.seen)
	for _, s := range doc.Components.Schemas {
		c.close(s)
	}
}

type closer struct {
	seen  map[*openapi3.Schema]bool
	parts map[*openapi3.Schema]bool // those that stand in allOf, oneOf or anyOf
}

// each walks what is inside a schema.
func each(s *openapi3.Schema, visit func(*openapi3.SchemaRef)) {
	for _, p := range s.Properties {
		visit(p)
	}
	if s.Items != nil {
		visit(s.Items)
	}
	for _, list := range []openapi3.SchemaRefs{s.OneOf, s.AllOf, s.AnyOf} {
		for _, x := range list {
			visit(x)
		}
	}
}

// resources says whether the alternatives are resources by type, as in included:
// these are told apart, and each is an object of its own.
func resources(s *openapi3.Schema) bool {
	return s.Discriminator != nil && s.Discriminator.PropertyName == "type"
}

// findParts notes the parts of composed schemas. Apple's oneOf by state or by
// media type becomes anyOf: the member that tells may be missing from an answer,
// or stand elsewhere, and then several alternatives fit.
func (c *closer) findParts(ref *openapi3.SchemaRef) {
	if ref == nil || ref.Value == nil || c.seen[ref.Value] {
		return
	}
	s := ref.Value
	c.seen[s] = true
	if len(s.OneOf) > 0 && !resources(s) && s.Discriminator != nil {
		optional(s)
		s.AnyOf, s.OneOf, s.Discriminator = append(s.AnyOf, s.OneOf...), nil, nil
	}
	if !resources(s) {
		for _, list := range []openapi3.SchemaRefs{s.OneOf, s.AllOf, s.AnyOf} {
			for _, x := range list {
				c.parts[x.Value] = true
			}
		}
	}
	each(s, c.findParts)
}

// optional makes the members of alternatives optional: fields[…] leaves out what
// the document requires.
func optional(s *openapi3.Schema) {
	s.Required = nil
	for _, list := range []openapi3.SchemaRefs{s.OneOf, s.AllOf} {
		for _, x := range list {
			optional(x.Value)
		}
	}
}

func (c *closer) close(ref *openapi3.SchemaRef) {
	if ref == nil || ref.Value == nil || c.seen[ref.Value] {
		return
	}
	s := ref.Value
	c.seen[s] = true
	each(s, c.close)
	if c.parts[s] || s.AdditionalProperties.Has != nil || s.AdditionalProperties.Schema != nil || resources(s) {
		return
	}
	names := map[string]bool{}
	members(s, names)
	if len(names) == 0 {
		return
	}
	no := false
	if len(s.OneOf)+len(s.AllOf)+len(s.AnyOf) == 0 {
		s.AdditionalProperties.Has = &no
		return
	}
	closed := &openapi3.Schema{Type: &openapi3.Types{"object"}, Properties: openapi3.Schemas{}, Nullable: true}
	closed.AdditionalProperties.Has = &no
	for name := range names {
		closed.Properties[name] = &openapi3.SchemaRef{Value: &openapi3.Schema{Nullable: true}}
	}
	s.AllOf = append(s.AllOf, &openapi3.SchemaRef{Value: closed})
}

// members collects the names that a schema and its parts know.
func members(s *openapi3.Schema, names map[string]bool) {
	for name := range s.Properties {
		names[name] = true
	}
	for _, list := range []openapi3.SchemaRefs{s.OneOf, s.AllOf, s.AnyOf} {
		for _, x := range list {
			members(x.Value, names)
		}
	}
}
