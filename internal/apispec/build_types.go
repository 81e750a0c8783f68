package apispec

import (
	"cmp"
	"slices"
	"strings"
)

// attribute tells where a member stands: the message it goes to, the schema
// that names its inline enums, and the file for nested messages.
type attribute struct {
	message string // full name of the message that gets the field
	owner   string // "BundleId": prefix of the names of inline enums
	file    string
	value   bool // a member of a value object, not of attributes
}

// attribute makes the field of an attribute or of a value object's member.
func (b *builder) attribute(at attribute, name string, s *Schema) *Field {
	role := "ATTRIBUTE"
	if at.value {
		role = ""
	}
	label, typ := "optional", ""
	item := s
	if s.Ref == "" && s.Type == "array" {
		label, item = "repeated", s.Items
		if item != nil && item.Ref == "" && item.Type == "array" {
			return b.listOfLists(at, role, name, s)
		}
	}
	typ = b.valueType(at, name, item)
	switch {
	case strings.HasPrefix(typ, "map<"):
		label = ""
	case label == "optional" && !scalar(typ) && !strings.HasPrefix(typ, "asc.enums."):
		label = ""
	}
	f := newField(name, label, typ, role)
	f.Format = formats[item.Format]
	f.Nullable, f.Deprecated = s.Nullable, s.Deprecated
	if typ == "int32" || typ == "int64" {
		f.Min, f.Max = item.Minimum, item.Maximum
	}
	return f
}

var formats = map[string]string{
	"date":          "DATE",
	"number":        "DECIMAL",
	"duration":      "DURATION",
	"uri":           "URI",
	"uri-reference": "URI",
	"email":         "EMAIL",
}

func scalar(typ string) bool {
	switch typ {
	case "string", "bool", "int32", "int64", "double":
		return true
	}
	return false
}

// timestampType is the type of a date-time.
const timestampType = "google.protobuf.Timestamp"

// valueType is the protobuf type of one value. It creates the enum or message
// that it names.
func (b *builder) valueType(at attribute, name string, s *Schema) string {
	if s.Ref != "" {
		return b.namedType(s.Ref)
	}
	if len(s.Enum) > 0 {
		return b.enum(b.ownEnumName(at.owner, name, s.Enum), s.Enum)
	}
	switch s.Type {
	case "string":
		if s.Format == "date-time" {
			return timestampType
		}
		return "string"
	case "boolean":
		return "bool"
	case "number":
		return "double"
	case "integer":
		if s.Format == "int64" || bigInteger(name) {
			return "int64"
		}
		return "int32"
	case "object":
		if s.Properties.Len() > 0 {
			return b.nested(at, name, s)
		}
		return "map<string, string>"
	case "":
		return "google.protobuf.Value"
	}
	b.problem(cmp.Or(s.at, at.owner+"."+name), "unknown type %q", s.Type)
	return "string"
}

// bigInteger says whether a plain integer may exceed 31 bits: sizes and places
// in files. Anything else that does is kept in extra.
func bigInteger(name string) bool {
	low := strings.ToLower(name)
	for _, word := range []string{"size", "bytes", "offset", "length", "milliseconds"} {
		if strings.HasSuffix(low, word) {
			return true
		}
	}
	return false
}

// inlineEnumName is "BundleId" + "Platform", without saying a word twice:
// "Profile" + "profileType" is "ProfileType".
func inlineEnumName(owner, name string) string {
	p := pascal(name)
	if strings.HasPrefix(p, owner) && len(p) > len(owner) {
		return p
	}
	return owner + p
}

// ownEnumName keeps an inline enum apart from a named schema that would have the
// same name but has other values.
func (b *builder) ownEnumName(owner, attr string, values []string) string {
	for _, name := range []string{inlineEnumName(owner, attr), owner + pascal(attr)} {
		named, taken := b.doc.Schemas.Get(name)
		if !taken || len(named.Enum) > 0 && sameSet(named.Enum, values) {
			return name
		}
	}
	return owner + "Inline" + pascal(attr)
}

// namedType makes the enum or message of a named schema, once.
func (b *builder) namedType(ref string) string {
	s, ok := b.doc.Schemas.Get(ref)
	if !ok {
		b.problem(ref, "is referred to, but not there")
		return "string"
	}
	switch {
	case len(s.Enum) > 0:
		return b.enum(ref, s.Enum)
	case s.Type == "object" && s.Properties.Len() == 0:
		return "map<string, string>"
	case s.Type != "object":
		return b.valueType(attribute{owner: ref}, ref, s)
	}
	name := pascal(ref)
	full := "asc.types.v1." + name
	if b.made(full, s) {
		return full
	}
	m := &Message{File: "asc/types/v1/" + snake(lowerFirst(ref)) + ".proto", Comment: "Apple's schema " + ref + "."}
	b.model.Messages[full] = m // before its members: schemas may be recursive
	b.members(m, attribute{message: full, owner: name, file: m.File, value: true}, s)
	return full
}

// nested makes the message of an object that has no name of its own.
func (b *builder) nested(at attribute, name string, s *Schema) string {
	short := pascal(singular(name))
	full := at.message + "." + short
	if b.made(full, s) {
		return full
	}
	m := &Message{File: at.file}
	b.model.Messages[full] = m
	b.members(m, attribute{message: full, owner: inlineEnumName(at.owner, short), file: at.file, value: true}, s)
	return full
}

func (b *builder) members(m *Message, at attribute, s *Schema) {
	for name, ms := range s.Properties.All() {
		if name == "links" && at.value {
			continue // links are not part of the data
		}
		m.Fields = append(m.Fields, b.attribute(at, name, ms))
	}
}

// listOfLists wraps the inner array in a message, for protobuf cannot nest
// repeated fields.
func (b *builder) listOfLists(at attribute, role, name string, s *Schema) *Field {
	short := pascal(singular(name)) + "List"
	full := at.message + "." + short
	if _, done := b.model.Messages[full]; !done {
		m := &Message{File: at.file, Comment: "An array inside an array."}
		b.model.Messages[full] = m
		inner := b.attribute(
			attribute{message: full, owner: at.owner, file: at.file, value: true},
			"items",
			&Schema{Type: "array", Items: s.Items.Items},
		)
		m.Fields = append(m.Fields, inner)
	}
	f := newField(name, "repeated", full, role)
	f.Array, f.Nullable, f.Deprecated = true, s.Nullable, s.Deprecated
	return f
}

// enum makes or widens an enum: a resource, its writes and its filters share
// one, and it holds what any of them allows.
func (b *builder) enum(name string, values []string) string {
	wrapper := "asc.enums.v1." + pascal(name) + "Enum"
	e := b.model.Enums[wrapper]
	if e == nil {
		e = &Enum{File: "asc/enums/v1/" + snake(lowerFirst(pascal(name))) + ".proto"}
		b.model.Enums[wrapper] = e
	}
	for _, v := range values {
		if v == "UNKNOWN" || slices.ContainsFunc(e.Values, func(x *EnumValue) bool { return x.apple() == v }) {
			continue
		}
		ev := &EnumValue{Name: enumValueName(v)}
		if ev.Name != v {
			ev.Apple = v
		}
		if ev.Name == "UNSPECIFIED" || slices.ContainsFunc(e.Values, func(x *EnumValue) bool { return x.Name == ev.Name }) {
			b.problem(wrapper, "two values named %s", ev.Name)
			continue
		}
		e.Values = append(e.Values, ev)
	}
	return wrapper + "." + pascal(name)
}

func (v *EnumValue) apple() string {
	if v.Apple != "" {
		return v.Apple
	}
	return v.Name
}
