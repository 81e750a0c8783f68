package sandbox

import (
	"encoding/json"
)

// SeedSchema is the JSON Schema of World.Seed.
func SeedSchema() ([]byte, error) {
	f, err := loadFacts()
	if err != nil {
		return nil, err
	}
	var rules []any
	for _, typ := range sortedKeys(f.schemas) {
		attrs, rels := map[string]any{}, map[string]any{}
		for _, name := range f.attrNames(typ) {
			attrs[name] = f.schemaOf(f.attr(typ, name))
		}
		for _, name := range sortedKeys(f.relations[typ]) {
			if rels[name] = map[string]any{"$ref": "#/$defs/one"}; f.relations[typ][name].many {
				rels[name] = map[string]any{"$ref": "#/$defs/many"}
			}
		}
		rules = append(rules, map[string]any{
			"if": map[string]any{"properties": map[string]any{"type": map[string]any{"const": typ}}},
			"then": map[string]any{"properties": map[string]any{
				"attributes":    map[string]any{"properties": attrs, "additionalProperties": false},
				"relationships": map[string]any{"properties": rels, "additionalProperties": false},
			}},
		})
	}
	text := map[string]any{"type": "string"}
	resource := map[string]any{
		"type": "object", "additionalProperties": false, "required": []string{"type"},
		"properties": map[string]any{
			"type": map[string]any{"enum": sortedKeys(f.schemas)}, "id": text, "name": text,
			"attributes": map[string]any{"type": "object"}, "relationships": map[string]any{"type": "object"},
		},
		"allOf": rules,
	}
	return json.MarshalIndent(map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"title":   "Seed of the App Store Connect sandbox",
		"type":    "object", "additionalProperties": false,
		"properties": map[string]any{"resources": map[string]any{"type": "array", "items": resource}},
		"$defs":      map[string]any{"one": text, "many": map[string]any{"type": "array", "items": text}},
	}, "", " ")
}

// schemaOf is the JSON Schema of an attribute: its kind and values, not what is
// inside an object.
func (f *facts) schemaOf(a *factAttr) map[string]any {
	a = f.resolve(a)
	out := map[string]any{}
	switch a.Kind {
	case "string", "boolean", "integer", "number", "array", "object":
		out["type"] = a.Kind
	case "map":
		out["type"] = "object"
	}
	if list := f.enum(a.Enum); len(list) > 0 {
		out["enum"] = list
	}
	if a.Nullable {
		return map[string]any{"anyOf": []any{out, map[string]any{"type": "null"}}}
	}
	return out
}
