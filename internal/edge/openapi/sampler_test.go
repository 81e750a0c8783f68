package openapi_test

import (
	"maps"
	"slices"
	"strings"
)

type variant int

const (
	required variant = iota
	everything
	nulls
)

// sampler makes values from schemas.
type sampler struct {
	doc     object
	variant variant
	also    []any // members that are required beside those of the schema itself
}

// together makes one object that fits all parts.
func (s sampler) together(parts, also []any, depth int) object {
	out := object{}
	s.also = append(s.also, also...)
	for _, p := range parts {
		part, _ := s.sample(p.(object), depth).(object)
		maps.Copy(out, part)
	}
	return out
}

func (s sampler) sample(schema object, depth int) any {
	if ref, ok := schema["$ref"].(string); ok {
		return s.sample(s.doc["components"].(object)["schemas"].(object)[strings.TrimPrefix(ref, "#/components/schemas/")].(object), depth)
	}
	if some, ok := schema["anyOf"].([]any); ok {
		return s.sample(some[0].(object), depth)
	}
	if parts, ok := schema["allOf"].([]any); ok {
		return s.together(parts, listOf(schema["required"]), depth)
	}
	if values, ok := schema["enum"].([]any); ok {
		return values[0]
	}
	switch kind(schema) {
	case "boolean":
		return true
	case "integer", "number":
		return 1
	case "array":
		return []any{s.sample(schema["items"].(object), depth+1)}
	case "object":
		return s.object(schema, depth)
	}
	switch schema["format"] {
	case "date-time":
		return "2026-11-25T00:00:00Z"
	case "date":
		return "2026-11-25"
	case "duration":
		return "P7D"
	case "email":
		return "ada@example.org"
	}
	return "1"
}

// object leaves out the gateway's own members, which change what is done.
func (s sampler) object(schema object, depth int) object {
	out := object{}
	also := s.also
	s.also = nil
	properties, _ := schema["properties"].(object)
	need := append(listOf(schema["required"]), also...)
	for name, p := range properties {
		p := p.(object)
		switch {
		case name == "extra" || name == "requestId" || name == "validateOnly":
		case properties["ids"] != nil && name == "create", properties["id"] != nil && name == "create": // one or the other
		case s.variant == nulls && depth == 0 && nullable(p):
			out[name] = nil
		case s.variant == everything || slices.Contains(need, any(name)):
			out[name] = s.sample(p, depth+1)
		}
	}
	return out
}

func listOf(v any) []any { l, _ := v.([]any); return l }

func kind(schema object) string {
	if kinds := listOf(schema["type"]); len(kinds) > 0 {
		return kinds[0].(string)
	}
	k, _ := schema["type"].(string)
	return k
}

func nullable(schema object) bool {
	for _, some := range listOf(schema["anyOf"]) {
		if kind(some.(object)) == "null" {
			return true
		}
	}
	return slices.Contains(listOf(schema["type"]), any("null"))
}
