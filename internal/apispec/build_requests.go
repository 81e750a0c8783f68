package apispec

import (
	"cmp"
	"slices"
	"strings"
)

// operation makes the RPC with its request and response messages.
func (b *builder) operation(n *namedOperation) {
	n.rpc.Type = b.primaryType(n)
	b.request(n)
	b.response(n)
	b.model.RPCs[n.ID] = n.rpc
}

// primaryType is the JSON:API type of the body sent, else of the answer.
func (b *builder) primaryType(n *namedOperation) string {
	for _, s := range []*Schema{b.doc.Resolve(n.Body), b.doc.Resolve(first(n.Contents))} {
		if s == nil {
			continue
		}
		data, ok := s.Properties.Get("data")
		if !ok {
			continue
		}
		if data.Ref == "" && data.Type == "array" {
			data = data.Items
		}
		if typ, ok := b.doc.Resolve(data).typeOf(); ok {
			return typ
		}
	}
	return ""
}

func (s *Schema) typeOf() (string, bool) {
	if s == nil {
		return "", false
	}
	t, ok := s.Properties.Get("type")
	if !ok || len(t.Enum) != 1 {
		return "", false
	}
	return t.Enum[0], true
}

// maxIDBytes bounds the ids that callers send.
const maxIDBytes = 512

func (b *builder) request(n *namedOperation) {
	full := n.pkg + "." + n.rpc.Name + "Request"
	m := &Message{File: n.rpc.File, Comment: "Request of " + n.rpc.Name + "."}
	if strings.Contains(n.Path, "{id}") {
		m.Fields = append(m.Fields, &Field{Name: "id", Type: "string", Role: "ID", Required: true, MaxLen: maxIDBytes,
			Comment: "Id of the resource in the path."})
	}
	if n.Body != nil {
		b.body(n, full, m)
	}
	paged := b.query(n, full, m)
	m.Fields = append(m.Fields, own("extra_query")...)
	if n.Body != nil {
		m.Fields = append(m.Fields, own("validate_only")...)
	}
	if paged {
		m.Fields = append(m.Fields, own("page_size", "page_token")...)
	}
	b.add(full, m)
}

// body makes the fields of the document that is sent.
func (b *builder) body(n *namedOperation, full string, m *Message) {
	doc := b.doc.Resolve(n.Body)
	data, ok := doc.Properties.Get("data")
	if !ok {
		b.problem(n.ID, "the request document has no data")
		return
	}
	if strings.Contains(n.rpc.Shape, "RELATIONSHIP") {
		many := data.Type == "array"
		f := newField(n.rel, "", relationType(many), "LINKAGE")
		f.Target, f.Required, f.Nullable = n.rpc.Type, true, data.Nullable
		m.Fields = append(m.Fields, f)
		return
	}
	b.writeFields(m, full, b.resourceName(n), data, b.inlineSchemas(doc), n.rpc.Shape == "CREATE_INSTANCE")
	b.choices(m, data)
	m.Fields = append(m.Fields, own("extra", "clear")...)
	if n.rpc.Shape == "CREATE_INSTANCE" {
		m.Fields = append(m.Fields, own("request_id")...)
	}
}

// resourceName is the schema whose enums a write shares: that of the answer,
// else the noun of the operation.
func (b *builder) resourceName(n *namedOperation) string {
	if doc := b.doc.Resolve(first(n.Contents)); doc != nil {
		if data, ok := doc.Properties.Get("data"); ok && data.Ref != "" {
			return data.Ref
		}
	}
	if name := b.pick(n.rpc.Type, []string{n.noun}); name != "" {
		return name
	}
	return n.noun
}

// writeFields adds the attributes and relationships of an object to be
// written: the data of a request, or an object to create inline.
func (b *builder) writeFields(m *Message, full, owner string, data *Schema, inline map[string]string, create bool) {
	attrs, required := data.Attributes()
	for name, s := range attrs.All() {
		f := b.attribute(attribute{message: full, owner: owner, file: m.File}, name, s)
		f.Required = create && slices.Contains(required, name)
		m.Fields = append(m.Fields, f)
	}
	rels, required := data.Relationships()
	for name, s := range rels.All() {
		typ, many, nullable, ok := s.Linkage()
		if !ok {
			b.problem(full, "relationship %s has no data", name)
			continue
		}
		f := newField(name, "", relationType(many), "RELATIONSHIP")
		f.Target, f.Nullable, f.Deprecated = typ, nullable, s.Deprecated
		f.Required = create && slices.Contains(required, name)
		// Inside an inline object only to-many relations nest: a to-one there
		// points back at the parent.
		if schema := inline[typ]; schema != "" && (many || !strings.HasPrefix(full, "asc.types.")) {
			f.Type = b.inlineRelation(schema, many)
		}
		m.Fields = append(m.Fields, f)
	}
}

// choices notes which fields of an object to be written must be sent together.
func (b *builder) choices(m *Message, data *Schema) {
	fields := map[string]string{}
	for _, f := range m.Fields {
		fields[cmp.Or(f.Apple, f.JSON, jsonName(f.Name))] = f.Name
	}
	all := slices.Clone(data.Choices)
	for _, group := range []string{"attributes", "relationships"} {
		if g, ok := data.Properties.Get(group); ok {
			all = append(all, g.Choices...)
		}
	}
	for _, choice := range all {
		var named Choice
		for _, alternative := range choice {
			var names []string
			for _, apple := range alternative {
				name, ok := fields[apple]
				if !ok && apple != "type" && apple != "id" {
					b.problem(data.at, "oneOf or anyOf requires %s, which is no attribute or relationship", apple)
				} else if ok {
					names = append(names, name)
				}
			}
			named = append(named, names)
		}
		if !slices.ContainsFunc(named, func(names []string) bool { return len(names) == 0 }) { // else nothing satisfies it
			m.Choices = append(m.Choices, named)
		}
	}
}

// inlineRelation makes the wrapper {ids, create} or {id, create}.
func (b *builder) inlineRelation(schema string, many bool) string {
	object := b.inlineObject(schema)
	suffix := "ToOne"
	fields := []*Field{{Name: "id", Label: "optional", Type: "string", Comment: "Id of one that exists."},
		{Name: "create", Type: object, Comment: "One to create; the gateway makes its local id."}}
	if many {
		suffix = "ToMany"
		fields = []*Field{{Name: "ids", Label: "repeated", Type: "string", Comment: "Ids of those that exist."},
			{Name: "create", Label: "repeated", Type: object, Comment: "Those to create; the gateway makes their local ids."}}
	}
	full := "asc.types.v1." + strings.TrimSuffix(schema, "Create") + suffix
	if _, done := b.model.Messages[full]; !done {
		b.add(full, &Message{File: b.model.Messages[object].File, Fields: fields,
			Comment: "A relationship whose resources may be created with the request."})
	}
	return full
}

// inlineObject makes the message of an object to create inline.
func (b *builder) inlineObject(schema string) string {
	full := "asc.types.v1." + schema
	if _, done := b.model.Messages[full]; done {
		return full
	}
	s, _ := b.doc.Schemas.Get(schema)
	typ, _ := s.IsResource()
	m := &Message{File: "asc/types/v1/" + snake(lowerFirst(schema)) + ".proto",
		Resource: &Resource{Type: typ, Schema: schema, Inline: true},
		Comment:  "Created inline. Apple's schema " + schema + "."}
	b.model.Messages[full] = m // before its members: objects nest
	owner := b.pick(typ, []string{strings.TrimSuffix(schema, "InlineCreate")})
	b.writeFields(m, full, owner, s, b.inlineOf[schema], true)
	b.choices(m, s)
	m.Fields = append(m.Fields, own("extra", "clear")...)
	return full
}
