package apispec

import (
	"cmp"
	"slices"
	"strings"
)

// query makes the fields of the query parameters. It says whether the
// operation has pages.
func (b *builder) query(n *namedOperation, full string, m *Message) (paged bool) {
	filter := &Message{File: m.File, Comment: "Filters: a resource must meet all that are set, each by one of its values."}
	exists := &Message{File: m.File, Comment: "Filters by whether there is a value at all."}
	q := &n.rpc.Query
	for _, p := range n.Parameters {
		kind, key, keyed := strings.Cut(strings.TrimSuffix(p.Name, "]"), "[")
		switch {
		case p.In != "query" || p.Schema == nil || p.Schema.Type == "array" && p.Schema.Items == nil,
			(kind == "fields" || p.Name == "include" || p.Name == "sort") && p.Schema.Items == nil:
			b.problem(n.ID, "parameter %s is not understood", p.Name)
		case keyed && kind == "filter":
			filter.Fields = append(filter.Fields, b.filter(n, full+".Filter", key, p))
		case keyed && kind == "exists":
			f := newField(key, "optional", "bool", "EXISTS")
			f.Deprecated = p.Deprecated
			exists.Fields = append(exists.Fields, f)
		case keyed && kind == "fields":
			q.Fieldsets = append(q.Fieldsets, b.fieldset(key, p.Schema.Items.Enum))
		case keyed && kind == "limit":
			q.Limits = append(q.Limits, Limit{key, maximum(p.Schema)})
		case p.Name == "include":
			q.Include = p.Schema.Items.Enum
		case p.Name == "sort":
			q.Sort = p.Schema.Items.Enum
		case p.Name == "limit":
			q.PageLimit, paged = maximum(p.Schema), true
		case p.Name == "granularity" || p.Name == "period" || p.Name == "groupBy":
			m.Fields = append(m.Fields, b.parameter(n, p))
		default:
			b.problem(n.ID, "parameter %s is not understood", p.Name)
		}
	}
	m.Fields = append(m.Fields, b.queryFields(full, filter, exists, q)...)
	return paged
}

func (b *builder) queryFields(full string, filter, exists *Message, q *Query) (out []*Field) {
	if len(filter.Fields) > 0 {
		b.add(full+".Filter", filter)
		out = append(out, &Field{Name: "filter", Type: full + ".Filter", Role: "FILTER",
			Required: slices.ContainsFunc(filter.Fields, func(f *Field) bool { return f.Required })})
	}
	if len(exists.Fields) > 0 {
		b.add(full+".Exists", exists)
		out = append(out, &Field{Name: "exists", Type: full + ".Exists", Role: "EXISTS"})
	}
	if len(q.Include) > 0 {
		out = append(out, &Field{Name: "include", Label: "repeated", Type: "string", Role: "INCLUDE",
			Comment: "Relationships to include: " + strings.Join(q.Include, ", ") + "."})
	}
	if len(q.Fieldsets) > 0 {
		out = append(out, &Field{Name: "fields", Type: "map<string, asc.types.v1.FieldNames>", Role: "FIELDS",
			Comment: "The fields to return, by JSON:API type."})
	}
	if len(q.Sort) > 0 {
		out = append(out, &Field{Name: "sort", Label: "repeated", Type: "string", Role: "SORT",
			Comment: "Order: " + strings.Join(q.Sort, ", ") + "."})
	}
	if len(q.Limits) > 0 {
		out = append(out, &Field{Name: "limit", Type: "map<string, int32>", Role: "LIMIT",
			Comment: "How many of an included to-many relationship to return, by its name."})
	}
	return out
}

func maximum(s *Schema) int64 {
	if s.Maximum != nil {
		return *s.Maximum
	}
	return 0
}

// parameter makes the field of granularity, period or groupBy.
func (b *builder) parameter(n *namedOperation, p Parameter) *Field {
	label, s := "optional", p.Schema
	if s.Type == "array" {
		label, s = "repeated", s.Items
	}
	typ := "string"
	if len(s.Enum) > 0 {
		typ = b.enum(n.noun+pascal(n.rel)+pascal(p.Name), s.Enum)
	}
	f := newField(p.Name, label, typ, "PARAMETER")
	f.Required = p.Required
	return f
}

// filter makes the field of one filter[…] parameter. Its enum is that of the
// attribute it filters by, where there is one.
func (b *builder) filter(n *namedOperation, message, key string, p Parameter) *Field {
	label, s := "optional", p.Schema
	if s.Type == "array" {
		label, s = "repeated", s.Items
	}
	typ := "string"
	if len(s.Enum) > 0 {
		typ = b.enum(b.filterEnum(n, key), s.Enum)
	}
	f := newField(key, label, typ, "FILTER")
	f.Required, f.Deprecated = p.Required, p.Deprecated
	return f
}

// filterEnum is the name of the enum behind a filter: the attribute's own, by
// way of a relationship where the key has a dot.
func (b *builder) filterEnum(n *namedOperation, key string) string {
	schema := b.resourceOf(n)
	rel, attr, dotted := strings.Cut(key, ".")
	if !dotted {
		attr = rel
	} else if s, ok := b.doc.Schemas.Get(schema); ok {
		rels, _ := s.Relationships()
		if r, ok := rels.Get(rel); ok {
			typ, _, _, _ := r.Linkage()
			schema = b.pick(typ, includedSchemas(b.doc.Resolve(first(n.Contents))))
		}
	}
	if s, ok := b.doc.Schemas.Get(schema); ok {
		attrs, _ := s.Attributes()
		if a, ok := attrs.Get(attr); ok {
			if a.Ref == "" && a.Type == "array" {
				a = a.Items
			}
			if r := b.doc.Resolve(a); a.Ref != "" && r != nil && len(r.Enum) > 0 {
				return a.Ref
			}
			if len(a.Enum) > 0 {
				return b.ownEnumName(schema, attr, a.Enum)
			}
		}
	}
	return inlineEnumName(n.noun+pascal(n.rel), strings.ReplaceAll(key, ".", "_"))
}

// resourceOf is the schema of the answer's primary data, "" if none.
func (b *builder) resourceOf(n *namedOperation) string {
	doc := b.doc.Resolve(first(n.Contents))
	if doc == nil {
		return ""
	}
	data, ok := doc.Properties.Get("data")
	if !ok {
		return ""
	}
	if data.Ref == "" && data.Items != nil {
		return data.Items.Ref
	}
	return data.Ref
}

// fieldset is fields[typ]. Where the names allowed are just those of a
// resource's schema, the option refers to it.
func (b *builder) fieldset(typ string, names []string) Fieldset {
	for _, schema := range b.schemas[typ] {
		s, _ := b.doc.Schemas.Get(schema)
		attrs, _ := s.Attributes()
		rels, _ := s.Relationships()
		all := append(slices.Clone(attrs.Keys), rels.Keys...)
		if len(all) > 0 && sameSet(all, names) && !b.vanished(schema, all) {
			return Fieldset{Type: typ, Resource: schema}
		}
	}
	return Fieldset{Type: typ, Names: names}
}

// vanished says whether the message of a resource keeps fields that the document
// has no more: Apple refuses to be asked for them.
func (b *builder) vanished(schema string, names []string) bool {
	if b.locked == nil || b.locked.Messages["asc.resources.v1."+schema] == nil {
		return false
	}
	return slices.ContainsFunc(b.locked.Messages["asc.resources.v1."+schema].Fields, func(f *Field) bool {
		return (f.Role == "ATTRIBUTE" || f.Role == "RELATIONSHIP") &&
			!slices.Contains(names, cmp.Or(f.Apple, f.JSON, jsonName(f.Name)))
	})
}

func sameSet(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}
