// Package apispec turns Apple's OpenAPI document of the App Store Connect API
// into annotated Protocol Buffers, and answers questions about the document.
//
// The way is one line: load → patch → model → lock → emit. Nothing here is
// used while the gateway runs: its only products are files.
//
// The package must never guess: whatever it does not understand becomes a
// [Problem], and all problems of a run are reported together, sorted.
package apispec

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"go.yaml.in/yaml/v3"
)

// maxDocumentBytes bounds the document: Apple's is about 3.5 MB.
const maxDocumentBytes = 64 << 20

// Document is Apple's OpenAPI document with the order of its members kept, so
// that what is made of it reads in Apple's order.
type Document struct {
	Version    string       // info.version, such as "4.4.1"
	SHA256     string       // of the bytes as read, before any patch
	Operations []*Operation // in document order
	Schemas    Map[*Schema] // components.schemas

	root     *yaml.Node
	problems Problems // shapes that cannot be read
	idle     []idlePatch
}

// Operation is one method on one path.
type Operation struct {
	ID         string   // "bundleIds_getCollection"
	Method     string   // "GET"
	Path       string   // "/v1/bundleIds/{id}"
	Tags       []string // the first one names the service
	Deprecated bool
	Parameters []Parameter  // of the operation; path parameters are in Path
	Body       *Schema      // nil: none
	Bodies     Map[*Schema] // content type → schema of the body
	Status     int          // of the successful answer
	Contents   Map[*Schema] // content type → schema of the successful answer

	answers    int      // how many statuses of success have content
	references []string // places below it that are a $ref where none is read
}

// Parameter is a query parameter.
type Parameter struct {
	Name       string  `yaml:"name"`
	In         string  `yaml:"in"`
	Required   bool    `yaml:"required"`
	Deprecated bool    `yaml:"deprecated"`
	Style      string  `yaml:"style"`
	Explode    *bool   `yaml:"explode"`
	Schema     *Schema `yaml:"schema"`
}

// Schema is the part of OpenAPI's schema object that Apple's document uses.
// After reading, what allOf, oneOf and anyOf compose is one plain schema with
// the members of all; see compose.go. Ref and the other members may stand together: Apple writes nullable beside
// $ref, which OpenAPI 3.0 tools ignore.
type Schema struct {
	Ref                  string         `yaml:"$ref"` // as Name after reading
	Type                 string         `yaml:"type"`
	Format               string         `yaml:"format"`
	Enum                 []string       `yaml:"enum"`
	Properties           Map[*Schema]   `yaml:"properties"`
	Required             []string       `yaml:"required"`
	Items                *Schema        `yaml:"items"`
	OneOf                []*Schema      `yaml:"oneOf"`
	AllOf                []*Schema      `yaml:"allOf"`
	AnyOf                []*Schema      `yaml:"anyOf"`
	Discriminator        *Discriminator `yaml:"discriminator"`
	Nullable             bool           `yaml:"nullable"`
	Deprecated           bool           `yaml:"deprecated"`
	Minimum              *int64         `yaml:"minimum"`
	Maximum              *int64         `yaml:"maximum"`
	AdditionalProperties yaml.Node      `yaml:"additionalProperties"`

	// Choices are the combinations of members that oneOf and anyOf ask for.
	Choices []Choice `yaml:"-"`

	at      string   // JSON Pointer of its place in the document
	unknown []string // keywords that are not read
}

// Choice is satisfied by one of its alternatives: names of members that must
// stand together.
type Choice [][]string

// Discriminator tells which schema a type member selects.
type Discriminator struct {
	PropertyName string      `yaml:"propertyName"`
	Mapping      Map[string] `yaml:"mapping"`
}

// Map is a JSON object with its order kept.
type Map[V any] struct {
	Keys   []string
	values map[string]V
}

// UnmarshalYAML implements [yaml.Unmarshaler].
func (m *Map[V]) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: want an object", n.Line)
	}
	m.values = make(map[string]V, len(n.Content)/2)
	for i := 0; i < len(n.Content); i += 2 {
		var v V
		if err := n.Content[i+1].Decode(&v); err != nil {
			return err
		}
		m.Keys = append(m.Keys, n.Content[i].Value)
		m.values[n.Content[i].Value] = v
	}
	return nil
}

func (m *Map[V]) set(key string, v V) {
	if m.values == nil {
		m.values = map[string]V{}
	}
	if _, there := m.values[key]; !there {
		m.Keys = append(m.Keys, key)
	}
	m.values[key] = v
}

// Get returns the member and whether it is there.
func (m Map[V]) Get(key string) (V, bool) { v, ok := m.values[key]; return v, ok }

// Len is the number of members.
func (m Map[V]) Len() int { return len(m.Keys) }

// All walks the members in document order.
func (m Map[V]) All() iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, k := range m.Keys {
			if !yield(k, m.values[k]) {
				return
			}
		}
	}
}

// ReadFile reads and patches the document in the named file. The notices tell
// about patches that this document has no use for.
func ReadFile(name string, patches *Patches) (doc *Document, notices []Problem, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxDocumentBytes+1))
	if err != nil {
		return nil, nil, err
	}
	return Read(b, patches)
}

// Read parses a document, applies the patches (nil: none) and decodes it.
func Read(b []byte, patches *Patches) (doc *Document, notices []Problem, err error) {
	if len(b) > maxDocumentBytes {
		return nil, nil, fmt.Errorf("the document is larger than %d bytes", maxDocumentBytes)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(b, &root); err != nil {
		return nil, nil, fmt.Errorf("the document is neither JSON nor YAML: %w", err)
	}
	if len(root.Content) != 1 || root.Content[0].Kind != yaml.MappingNode {
		return nil, nil, errors.New("the document is not an object")
	}
	sum := sha256.Sum256(b)
	doc = &Document{SHA256: hex.EncodeToString(sum[:]), root: root.Content[0]}
	if v := member(member(doc.root, "info"), "version"); v != nil {
		doc.Version = v.Value
	}
	if doc.Version == "" {
		return nil, nil, errors.New("the document has no info.version")
	}
	notices, problems := patches.apply(doc)
	if len(problems) > 0 {
		return nil, nil, Problems(problems)
	}
	if err := doc.decode(); err != nil {
		return nil, nil, err
	}
	return doc, notices, nil
}

// Resolve follows a reference. The result is nil when the document lacks it.
func (d *Document) Resolve(s *Schema) *Schema {
	for range 8 {
		if s == nil || s.Ref == "" {
			return s
		}
		s, _ = d.Schemas.Get(s.Ref)
	}
	return nil
}

// Patched returns the document after its patches as JSON.
func (d *Document) Patched() ([]byte, error) {
	return nodeJSON(d.root)
}

// IsResource says whether the schema is a resource object: it has a single
// type and an id. Inline-create objects are not counted.
func (s *Schema) IsResource() (typ string, ok bool) {
	t, hasType := s.Properties.Get("type")
	_, hasID := s.Properties.Get("id")
	if !hasType || !hasID || len(t.Enum) != 1 {
		return "", false
	}
	return t.Enum[0], true
}

// hasTypeAndID says whether the schema looks like a resource of several types.
func (s *Schema) hasTypeAndID() bool {
	t, hasType := s.Properties.Get("type")
	_, hasID := s.Properties.Get("id")
	return hasType && hasID && len(t.Enum) > 1
}

// Attributes returns the members of attributes (empty: none), and the names
// of those required.
func (s *Schema) Attributes() (Map[*Schema], []string) { return s.group("attributes") }

// Relationships is like [Schema.Attributes] for relationships.
func (s *Schema) Relationships() (Map[*Schema], []string) { return s.group("relationships") }

func (s *Schema) group(name string) (Map[*Schema], []string) {
	g, ok := s.Properties.Get(name)
	if !ok {
		return Map[*Schema]{}, nil
	}
	return g.Properties, g.Required
}

// Linkage tells the target type of a relationship object, and whether it is
// to-many. ok is false when the schema has no data (only links).
func (s *Schema) Linkage() (typ string, many, nullable, ok bool) {
	data, has := s.Properties.Get("data")
	if !has {
		return "", false, false, false
	}
	item := data
	if data.Type == "array" && data.Items != nil {
		item, many = data.Items, true
	}
	t, has := item.Properties.Get("type")
	if !has || len(t.Enum) != 1 {
		return "", many, data.Nullable, false
	}
	return t.Enum[0], many, data.Nullable, true
}

func member(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func members(n *yaml.Node) iter.Seq2[string, *yaml.Node] {
	return func(yield func(string, *yaml.Node) bool) {
		for i := 0; n.Kind == yaml.MappingNode && i < len(n.Content); i += 2 {
			if !yield(n.Content[i].Value, n.Content[i+1]) {
				return
			}
		}
	}
}
