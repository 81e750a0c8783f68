package apispec

import "strings"

// response makes the response message of an operation.
func (b *builder) response(n *namedOperation) {
	full := n.pkg + "." + n.rpc.Name + "Response"
	m := &Message{File: n.rpc.File, Comment: "Response of " + n.rpc.Name + "."}
	switch doc := b.doc.Resolve(first(n.Contents)); {
	case n.rpc.Stream:
		m.Comment = "One part of the file: its description first, then its bytes in order."
		m.Fields = []*Field{{Name: "info", Type: "asc.types.v1.FileInfo", Oneof: "part"},
			{Name: "data", Type: "bytes", Oneof: "part", Comment: "At most 64 KiB."}}
	case doc == nil:
		// No content.
	case strings.HasSuffix(n.rpc.Shape, "RELATIONSHIP"):
		b.linkageResponse(n, m, doc)
	default:
		b.documentResponse(n, full, m, doc)
	}
	b.add(full, m)
}

func (b *builder) linkageResponse(n *namedOperation, m *Message, doc *Schema) {
	typ, many, _, ok := doc.Linkage()
	if !ok {
		b.problem(n.ID, "the linkage has no type")
	}
	if many {
		m.Fields = append([]*Field{{Name: "ids", Label: "repeated", Type: "string", Role: "LINKAGE", Target: typ}},
			own("extra", "next_page_token", "total_size")...)
		return
	}
	m.Fields = append([]*Field{{Name: "id", Label: "optional", Type: "string", Role: "LINKAGE", Target: typ,
		Comment: "Unset: there is none."}}, own("extra")...)
}

// documentResponse makes the fields of a document with resources, of a metrics
// document, or of JSON that is no JSON:API document.
func (b *builder) documentResponse(n *namedOperation, full string, m *Message, doc *Schema) {
	data, isDocument := doc.Properties.Get("data")
	if !isDocument {
		name := pascal(first(n.Contents).Ref)
		m.Fields = append(
			[]*Field{{Name: snake(lowerFirst(name)), Type: b.namedType(first(n.Contents).Ref), Role: "BODY"}},
			own("extra")...)
		return
	}
	list := data.Ref == "" && data.Type == "array"
	item := data
	if list {
		item = data.Items
	}
	switch {
	case item.Ref != "":
		m.Fields = append(m.Fields, b.dataField(item.Ref, list))
	case n.rpc.Shape == "GET_METRICS" && list:
		f := &Field{Name: "data", Label: "repeated", Role: "DATA"}
		f.Type = b.nested(attribute{message: full, owner: n.noun + pascal(n.rel), file: m.File, value: true}, "data", item)
		m.Fields = append(m.Fields, f)
	default:
		b.problem(n.ID, "the primary data of the answer is not understood")
	}
	if inc := includedSchemas(doc); len(inc) > 0 {
		b.included(full, m, inc)
	}
	m.Fields = append(m.Fields, own("extra")...)
	if list {
		m.Fields = append(m.Fields, own("next_page_token", "total_size")...)
	}
}

// dataField is named for what it holds: build, or builds.
func (b *builder) dataField(schema string, list bool) *Field {
	s, _ := b.doc.Schemas.Get(schema)
	typ, _ := s.IsResource()
	f := &Field{Name: snake(lowerFirst(schema)), Type: "asc.resources.v1." + schema, Role: "DATA", Target: typ,
		Comment: "Unset: there is none."}
	if list {
		f.Name, f.Label, f.Comment = snake(typ), "repeated", ""
	}
	return f
}

// included makes the message with one list a type that Apple may include.
func (b *builder) included(full string, m *Message, schemas []string) {
	inc := &Message{File: m.File, Comment: "The resources included, by type."}
	for _, name := range schemas {
		s, _ := b.doc.Schemas.Get(name)
		typ, ok := s.IsResource()
		if !ok {
			b.problem(full, "included schema %s is no resource", name)
			continue
		}
		inc.Fields = append(inc.Fields, &Field{Name: snake(typ), Label: "repeated", Type: "asc.resources.v1." + name,
			Role: "INCLUDED", Target: typ})
	}
	b.add(full+".Included", inc)
	m.Fields = append(m.Fields, &Field{Name: "included", Type: full + ".Included", Role: "INCLUDED"})
}
