package apispec

import (
	"slices"
	"strings"
)

// ResourceInfo is a row of `ascspec resources`.
type ResourceInfo struct {
	Schema     string `json:"schema"`
	Type       string `json:"type"`
	Attributes int    `json:"attributes"`
	Relations  int    `json:"relationships"`
	Operations int    `json:"operations"`
}

// OperationInfo is an endpoint as `ascspec show` and `search` tell it.
type OperationInfo struct {
	ID         string   `json:"id"`
	Method     string   `json:"method"`
	Path       string   `json:"path"`
	Tag        string   `json:"tag"`
	Deprecated bool     `json:"deprecated,omitempty"`
	Parameters []string `json:"parameters,omitempty"` // required ones end in *
	Body       []string `json:"body,omitempty"`       // attributes and relationships; required ones end in *
	Answer     []string `json:"answer,omitempty"`     // content types
}

// ListResources lists the resource schemas by name.
func (d *Document) ListResources() (out []ResourceInfo) {
	for name, s := range d.Schemas.All() {
		typ, ok := s.IsResource()
		if !ok || isInline(name) {
			continue
		}
		attrs, _ := s.Attributes()
		rels, _ := s.Relationships()
		r := ResourceInfo{Schema: name, Type: typ, Attributes: attrs.Len(), Relations: rels.Len()}
		for _, op := range d.Operations {
			if strings.Split(op.Path, "/")[2] == typ {
				r.Operations++
			}
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b ResourceInfo) int { return strings.Compare(a.Schema, b.Schema) })
	return out
}

// Show lists the endpoints of a resource, named by tag, type or schema in any
// case.
func (d *Document) Show(name string) (out []OperationInfo) {
	for _, op := range d.Operations {
		typ := strings.Split(op.Path, "/")[2]
		schema := pascal(singular(strings.Split(op.ID, "_")[0]))
		if strings.EqualFold(name, typ) || strings.EqualFold(name, schema) ||
			len(op.Tags) > 0 && strings.EqualFold(name, op.Tags[0]) {
			out = append(out, d.describe(op))
		}
	}
	return out
}

// Search finds the operations in which all words occur.
func (d *Document) Search(text string) (out []OperationInfo) {
	words := strings.Fields(strings.ToLower(text))
	for _, op := range d.Operations {
		in := strings.ToLower(op.ID + " " + op.Method + " " + op.Path + " " + strings.Join(op.Tags, " "))
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(in, w) }) {
			out = append(out, d.describe(op))
		}
	}
	return out
}

func (d *Document) describe(op *Operation) OperationInfo {
	info := OperationInfo{ID: op.ID, Method: op.Method, Path: op.Path, Deprecated: op.Deprecated, Answer: op.Contents.Keys}
	if len(op.Tags) > 0 {
		info.Tag = op.Tags[0]
	}
	for _, p := range op.Parameters {
		info.Parameters = append(info.Parameters, star(p.Name, p.Required))
	}
	body := d.Resolve(op.Body)
	if body == nil {
		return info
	}
	data, ok := body.Properties.Get("data")
	if !ok {
		return info
	}
	attrs, required := data.Attributes()
	for _, name := range attrs.Keys {
		info.Body = append(info.Body, star(name, slices.Contains(required, name)))
	}
	rels, required := data.Relationships()
	for _, name := range rels.Keys {
		info.Body = append(info.Body, star(name+"→", slices.Contains(required, name)))
	}
	return info
}

func star(name string, required bool) string {
	if required {
		return name + "*"
	}
	return name
}

// SchemaJSON is a schema of the document as JSON, nil if there is none.
func (d *Document) SchemaJSON(name string) ([]byte, error) {
	n := member(member(member(d.root, "components"), "schemas"), name)
	if n == nil {
		return nil, nil
	}
	return nodeJSON(n)
}
