package apispec

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

func (d *Document) decode() error {
	schemas := member(member(d.root, "components"), "schemas")
	paths := member(d.root, "paths")
	if schemas == nil || paths == nil || paths.Kind != yaml.MappingNode {
		return errors.New("the document has no paths or no components.schemas")
	}
	if err := schemas.Decode(&d.Schemas); err != nil {
		return fmt.Errorf("components.schemas: %w", err)
	}
	for path, item := range members(paths) {
		for method, node := range members(item) {
			if method == "parameters" {
				d.problems = append(d.problems, pathParameters(path, node)...)
				continue
			}
			op, err := decodeOperation(strings.ToUpper(method), path, node)
			if err != nil {
				return fmt.Errorf("%s %s: %w", strings.ToUpper(method), path, err)
			}
			d.Operations = append(d.Operations, op)
		}
	}
	d.compose()
	return nil
}

func decodeOperation(method, path string, n *yaml.Node) (*Operation, error) {
	type content struct {
		Schema *Schema `yaml:"schema"`
	}
	var raw struct {
		ID          string      `yaml:"operationId"`
		Tags        []string    `yaml:"tags"`
		Deprecated  bool        `yaml:"deprecated"`
		Parameters  []Parameter `yaml:"parameters"`
		RequestBody struct {
			Ref     string       `yaml:"$ref"`
			Content Map[content] `yaml:"content"`
		} `yaml:"requestBody"`
		Responses Map[struct {
			Ref     string       `yaml:"$ref"`
			Content Map[content] `yaml:"content"`
		}] `yaml:"responses"`
	}
	if err := n.Decode(&raw); err != nil {
		return nil, err
	}
	op := &Operation{ID: raw.ID, Method: method, Path: path, Tags: raw.Tags,
		Deprecated: raw.Deprecated, Parameters: raw.Parameters}
	for ct, c := range raw.RequestBody.Content.All() {
		op.Body = c.Schema
		op.Bodies.set(ct, c.Schema)
	}
	if raw.RequestBody.Ref != "" {
		op.references = append(op.references, "/requestBody")
	}
	for status, r := range raw.Responses.All() {
		if len(status) != 3 || status[0] != '2' {
			continue
		}
		if r.Ref != "" {
			op.references = append(op.references, "/responses/"+status)
		}
		if r.Content.Len() > 0 {
			op.answers++
		}
		if _, err := fmt.Sscanf(status, "%d", &op.Status); err != nil {
			return nil, fmt.Errorf("status %q: %w", status, err)
		}
		for ct, c := range r.Content.All() {
			op.Contents.set(ct, c.Schema)
		}
	}
	return op, nil
}

// UnmarshalYAML implements [yaml.Unmarshaler]: a $ref becomes the schema's
// name, and an allOf of one is that one.
func (s *Schema) UnmarshalYAML(n *yaml.Node) error {
	type plain Schema
	if err := n.Decode((*plain)(s)); err != nil {
		return err
	}
	for key := range members(n) {
		if !slices.Contains(keywords, key) && !strings.HasPrefix(key, "x-") {
			s.unknown = append(s.unknown, key)
		}
	}
	s.Ref = strings.TrimPrefix(s.Ref, "#/components/schemas/")
	if len(s.AllOf) == 1 && s.Ref == "" && s.Type == "" && s.Properties.Len() == 0 {
		inner, nullable, unknown := *s.AllOf[0], s.Nullable, s.unknown
		*s = inner
		s.Nullable = s.Nullable || nullable
		s.unknown = append(s.unknown, unknown...)
	}
	return nil
}
