package apispec

import (
	"fmt"
	"slices"
	"strings"
)

// Areas is spec/areas.yaml: which area a tag belongs to, and the few names
// given by hand.
type Areas struct {
	Areas map[string][]string `json:"areas"`           // area → tags
	Names map[string]string   `json:"names,omitempty"` // operation id → RPC name
}

// builder turns a document into a model. It collects problems and goes on, so
// that one run tells all of them.
type builder struct {
	doc      *Document
	model    *Model
	areaOf   map[string]string // tag → area
	names    map[string]string
	locked   *Lock
	schemas  map[string][]string          // JSON:API type → resource schemas
	inlineOf map[string]map[string]string // inline-create schema → types it may nest → schema
	madeOf   map[string]*Schema           // full name of a message of values → what it is made of
	clashed  []clash
	problems Problems
}

// clash is an operation whose name another has.
type clash struct {
	*namedOperation
	with string // operation id
}

// Build makes the model of a document. The lock pins the names of operations
// that were emitted before; it may be nil.
func Build(doc *Document, areas *Areas, lock *Lock) (*Model, error) {
	return newBuilder(doc, areas, lock).build()
}

func newBuilder(doc *Document, areas *Areas, lock *Lock) *builder {
	b := &builder{
		doc:      doc,
		model:    newModel(),
		areaOf:   map[string]string{},
		names:    areas.Names,
		locked:   lock,
		schemas:  map[string][]string{},
		inlineOf: map[string]map[string]string{},
		madeOf:   map[string]*Schema{},
	}
	b.problems = append(b.problems, doc.problems...)
	for area, tags := range areas.Areas {
		for _, tag := range tags {
			if old, twice := b.areaOf[tag]; twice {
				b.problem("tag "+tag, "is in two areas: %s and %s", old, area)
			}
			b.areaOf[tag] = area
		}
	}
	b.index()
	return b
}

func (b *builder) build() (*Model, error) {
	for name, s := range b.doc.Schemas.All() {
		if typ, ok := s.IsResource(); ok && !isInline(name) {
			b.resource(name, typ, s)
		} else if len(typ) == 0 && s.hasTypeAndID() {
			b.problem(s.at, "a resource must have one type")
		}
	}
	for _, op := range b.named() {
		b.operation(op)
	}
	if len(b.problems) > 0 {
		return nil, b.problems
	}
	return b.model, nil
}

func newModel() *Model {
	return &Model{Messages: map[string]*Message{}, Enums: map[string]*Enum{}, RPCs: map[string]*RPC{}}
}

func (b *builder) problem(where, format string, args ...any) {
	b.problems = append(b.problems, Problem{where, fmt.Sprintf(format, args...)})
}

func isInline(schema string) bool { return strings.HasSuffix(schema, "InlineCreate") }

// index notes which schemas a type has, and which inline-create schemas occur
// together in one request, so that one may nest in the other.
func (b *builder) index() {
	for name, s := range b.doc.Schemas.All() {
		if typ, ok := s.IsResource(); ok && !isInline(name) {
			b.schemas[typ] = append(b.schemas[typ], name)
		}
		if data, ok := s.Properties.Get("data"); !ok || data.Ref != "" || data.Type != "object" {
			continue
		}
		inc := b.inlineSchemas(s)
		for _, schema := range inc {
			if b.inlineOf[schema] == nil {
				b.inlineOf[schema] = map[string]string{}
			}
			for typ, other := range inc {
				b.inlineOf[schema][typ] = other
			}
		}
	}
}

// inlineSchemas lists what a request document may create inline, by type. An
// object without attributes and relationships carries nothing and is left out.
func (b *builder) inlineSchemas(request *Schema) map[string]string {
	out := map[string]string{}
	for _, ref := range includedSchemas(request) {
		if !isInline(ref) {
			continue
		}
		s, _ := b.doc.Schemas.Get(ref)
		attrs, _ := s.Attributes()
		rels, _ := s.Relationships()
		if typ, ok := s.IsResource(); ok && attrs.Len()+rels.Len() > 0 {
			out[typ] = ref
		}
	}
	return out
}

// includedSchemas lists the schemas that may stand in a document's included.
func includedSchemas(document *Schema) []string {
	inc, ok := document.Properties.Get("included")
	if !ok || inc.Items == nil {
		return nil
	}
	alternatives := inc.Items.OneOf
	if len(alternatives) == 0 {
		alternatives = []*Schema{inc.Items}
	}
	var out []string
	for _, a := range alternatives {
		if a.Ref != "" {
			out = append(out, a.Ref)
		}
	}
	return out
}

// made says whether a message of values is there already. Two schemas that want
// one name are a problem.
func (b *builder) made(full string, s *Schema) bool {
	old, done := b.madeOf[full]
	if done && !equalSchemas(old, s) {
		b.problem(s.at, "message %s is made of %s already, which differs", full, old.at)
	}
	b.madeOf[full] = s
	return done
}

// add puts a message into the model.
func (b *builder) add(name string, m *Message) {
	if _, twice := b.model.Messages[name]; twice {
		b.problem(name, "two messages of this name")
		return
	}
	seen := map[string]bool{}
	for _, f := range m.Fields {
		if seen[f.Name] {
			b.problem(name, "two fields named %s", f.Name)
		}
		if _, gateways := ownFields[f.Name]; gateways && f.Number < firstOwnNumber {
			b.problem(name, "field name %s is the gateway's own", f.Name)
		}
		seen[f.Name] = true
	}
	b.model.Messages[name] = m
}

// resource makes the message of a resource schema.
func (b *builder) resource(name, typ string, s *Schema) {
	full := "asc.resources.v1." + name
	m := &Message{File: "asc/resources/v1/" + snake(lowerFirst(name)) + ".proto",
		Resource: &Resource{Type: typ, Schema: name},
		Comment:  fmt.Sprintf("JSON:API type %q, Apple's schema %s.", typ, name)}
	m.Fields = append(m.Fields, &Field{Name: "id", Type: "string", Role: "ID"})
	attrs, _ := s.Attributes()
	for attr, as := range attrs.All() {
		f := b.attribute(attribute{message: full, owner: name, file: m.File}, attr, as)
		f.Nullable = false
		m.Fields = append(m.Fields, f)
	}
	rels, _ := s.Relationships()
	for rel, rs := range rels.All() {
		typ, many, _, linked := rs.Linkage()
		if _, has := rs.Properties.Get("data"); has && !linked {
			b.problem(rs.at, "relationship %s has no single type", rel)
		}
		if !linked { // only links
			var ok bool
			if typ, many, ok = b.relatedType(name, rel); !ok && b.locked.field(full, snake(rel)) == nil {
				b.problem(rs.at, "relationship %s has only links, and no operation or linkage schema tells its type", rel)
			}
		}
		f := newField(rel, "", relationType(many), "RELATIONSHIP")
		f.Target, f.Deprecated = typ, rs.Deprecated
		if old := b.locked.field(full, f.Name); old != nil && !linked {
			f.Type = old.Type // as it was read when it was new
		}
		m.Fields = append(m.Fields, f)
	}
	m.Fields = append(m.Fields, own("extra")...)
	b.add(full, m)
}

func relationType(many bool) string {
	if many {
		return "asc.types.v1.ToMany"
	}
	return "asc.types.v1.ToOne"
}

// relatedType finds the type behind a relationship of which the resource
// shows only links, and whether it is to-many: the operation that reads its
// linkage tells, or the schema of that answer, or its own name.
func (b *builder) relatedType(schema, rel string) (typ string, many, ok bool) {
	for _, op := range b.doc.Operations {
		parts := strings.Split(op.ID, "_")
		if len(parts) != 3 || parts[1] != rel || op.Method != "GET" || pascal(singular(parts[0])) != schema {
			continue
		}
		doc := b.doc.Resolve(first(op.Contents))
		switch {
		case doc == nil:
		case strings.HasSuffix(parts[2], "Relationship"):
			typ, many, _, ok = doc.Linkage()
			return typ, many, ok
		case strings.HasSuffix(parts[2], "Related"):
			typ = b.primaryType(&namedOperation{Operation: op})
			many, ok = parts[2] == "getToManyRelated", typ != ""
		}
	}
	if ok {
		return typ, many, ok
	}
	for _, name := range []string{schema + pascal(rel) + "LinkageResponse", schema + pascal(rel) + "LinkagesResponse"} {
		if s, there := b.doc.Schemas.Get(name); there {
			typ, many, _, ok = s.Linkage()
			return typ, many, ok
		}
	}
	for typ := range b.schemas { // named like a type: to-many, or its singular: to-one
		if rel == typ || rel == singular(typ) {
			return typ, rel == typ, true
		}
	}
	return "", true, false
}

func first(m Map[*Schema]) *Schema {
	for _, s := range m.All() {
		return s
	}
	return nil
}

// pick chooses the schema of a type: the only one, else the one among those
// allowed here, else the first.
func (b *builder) pick(typ string, allowed []string) string {
	all := b.schemas[typ]
	for _, s := range all {
		if slices.Contains(allowed, s) {
			return s
		}
	}
	if len(all) > 0 {
		return all[0]
	}
	return ""
}
