package openapi

import (
	"maps"
	"slices"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"github.com/asc-gateway/asc-gateway/internal/jsonapi"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// direction is where a value stands: what may be written is not always what is
// read.
type direction int

const (
	answers direction = iota
	bodies
	queries
)

// message describes a message and returns a reference to it.
func (b *builder) message(md protoreflect.MessageDescriptor, dir direction) object {
	return b.describe(md, dir, func(protoreflect.FieldDescriptor) bool { return false })
}

// answer describes a message that is an answer itself: the lists that Apple
// answered with are there even if they are empty, and so are those of the
// gateway's own services.
func (b *builder) answer(md protoreflect.MessageDescriptor) object {
	ref := b.message(md, answers)
	s := b.schemas[string(md.FullName())].(object)
	required, _ := s["required"].([]string)
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		whole := !strings.HasPrefix(string(fd.FullName()), "asc.") ||
			roleOf(fd) == optionsv1.Role_ROLE_DATA || roleOf(fd) == optionsv1.Role_ROLE_LINKAGE
		if fd.IsList() && whole && !slices.Contains(required, fd.JSONName()) {
			required = append(required, fd.JSONName())
		}
	}
	if len(required) > 0 {
		s["required"] = required
	}
	return ref
}

// body describes a request without the fields that do not travel in its body.
func (b *builder) body(md protoreflect.MessageDescriptor, elsewhere func(protoreflect.FieldDescriptor) bool) object {
	return b.describe(md, bodies, elsewhere)
}

func (b *builder) describe(
	md protoreflect.MessageDescriptor,
	dir direction,
	without func(protoreflect.FieldDescriptor) bool,
) object {
	name := schemaName(md, dir)
	if b.schemas[name] != nil {
		return reference(name)
	}
	properties, required := object{}, []string{}
	s := object{"type": "object", "properties": properties}
	b.schemas[name] = s // before its fields: messages may hold themselves
	if text := b.comments.Of(md); text != "" {
		s["description"] = text
	}
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if without(fd) || dir == bodies && (fd.Name() == "clear" || isToMany(md) && fd.Name() == "total") {
			continue
		}
		properties[fd.JSONName()] = b.field(fd, dir)
		if dir == bodies && (isRequired(fd) || isLinkage(md)) || dir == answers && roleOf(fd) == optionsv1.Role_ROLE_ID {
			required = append(required, fd.JSONName())
		}
	}
	if len(required) > 0 {
		s["required"] = required
	}
	if dir == bodies {
		s["additionalProperties"] = false
		b.together(md, name)
	}
	return reference(name)
}

// schemaName is the full name of a message. What may be written into a message
// that is also read stands apart.
func schemaName(md protoreflect.MessageDescriptor, dir direction) string {
	name := string(md.FullName())
	if dir == bodies && !strings.HasSuffix(name, "Request") && !strings.Contains(name, "Inline") {
		return name + "Input"
	}
	return name
}

// field describes a member of an object.
func (b *builder) field(fd protoreflect.FieldDescriptor, dir direction) object {
	s := b.values(fd, dir)
	if dir == bodies && isNullable(fd) {
		s = orNull(s)
	}
	text := b.comments.Of(fd)
	if roleOf(fd) == optionsv1.Role_ROLE_RELATIONSHIP && dir == bodies && s["anyOf"] != nil {
		text += "\nnull detaches."
	}
	if text != "" {
		s["description"] = text
	}
	if isDeprecated(fd) {
		s["deprecated"] = true
	}
	return s
}

// values describes what a field holds: a value, or a list or map of them.
func (b *builder) values(fd protoreflect.FieldDescriptor, dir direction) object {
	switch {
	case fd.IsMap():
		return object{"type": "object", "additionalProperties": b.value(fd.MapValue(), dir)}
	case fd.IsList():
		s := object{"type": "array", "items": b.value(fd, dir)}
		if n := rules(fd).GetRepeated().GetMaxItems(); n > 0 {
			s["maxItems"] = n
		}
		return s
	}
	return b.value(fd, dir)
}

// value describes one value of a field.
func (b *builder) value(fd protoreflect.FieldDescriptor, dir direction) object {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return object{"type": "boolean"}
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind,
		protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		s := object{"type": "integer", "format": "int32"}
		if r, ok := rules(fd).GetInt32().GetGreaterThan().(*validate.Int32Rules_Gte); ok {
			s["minimum"] = r.Gte
		}
		return s
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind,
		protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		// A string where JavaScript's numbers end, at 2^53.
		return object{"type": []string{"integer", "string"}, "format": "int64"}
	case protoreflect.DoubleKind, protoreflect.FloatKind:
		return object{"type": "number"}
	case protoreflect.BytesKind:
		return object{"type": "string", "contentEncoding": "base64"}
	case protoreflect.EnumKind:
		return b.enum(fd.Enum(), dir)
	case protoreflect.MessageKind, protoreflect.GroupKind:
		if s := wellKnown(fd.Message()); s != nil {
			return s
		}
		return b.message(fd.Message(), dir)
	}
	return text(fd, dir)
}

// text describes a string. Apple's URIs are not always valid: they have no
// format.
func text(fd protoreflect.FieldDescriptor, dir direction) object {
	s := object{"type": "string"}
	switch fieldOptions(fd).GetFormat() {
	case optionsv1.Format_FORMAT_DATE:
		s["format"] = "date"
	case optionsv1.Format_FORMAT_DECIMAL:
		s["format"] = "decimal"
	case optionsv1.Format_FORMAT_DURATION:
		s["format"] = "duration"
	case optionsv1.Format_FORMAT_EMAIL:
		s["format"] = "email"
	}
	if dir != answers {
		own := rules(fd).GetString()
		if fd.IsList() {
			own = rules(fd).GetRepeated().GetItems().GetString()
		}
		if n := own.GetMaxBytes(); n > 0 {
			s["maxLength"] = n
		}
	}
	return s
}

// enum describes an enum, its values as Apple spells them. Answers may hold
// newer ones; UNKNOWN is sent with its text in extra.
func (b *builder) enum(ed protoreflect.EnumDescriptor, dir direction) object {
	name := string(ed.FullName())
	if b.schemas[name] == nil {
		values := []string{}
		for i := range ed.Values().Len() {
			if v := ed.Values().Get(i); v.Number() != 0 && v.Name() != "UNKNOWN" {
				values = append(values, jsonapi.EnumValueName(v))
			}
		}
		b.schemas[name] = object{"type": "string", "enum": values}
	}
	switch dir {
	case answers:
		return object{"anyOf": []object{reference(name), {"type": "string"}}}
	case bodies:
		return object{"anyOf": []object{reference(name), {"type": "string", "const": "UNKNOWN"}}}
	}
	return reference(name)
}

// wellKnown describes a message that has JSON of its own, nil if it has none.
func wellKnown(md protoreflect.MessageDescriptor) object {
	switch md.FullName() {
	case "google.protobuf.Timestamp":
		return object{"type": "string", "format": "date-time"}
	case "google.protobuf.Duration":
		return object{"type": "string", "pattern": `^-?[0-9]+(\.[0-9]{1,9})?s$`}
	case "google.protobuf.FieldMask":
		return object{"type": "string"}
	case "google.protobuf.Value":
		return object{}
	case "google.protobuf.Struct", "google.protobuf.Any":
		return object{"type": "object"}
	case "google.protobuf.ListValue":
		return object{"type": "array", "items": object{}}
	}
	return nil
}

// orNull also allows null.
func orNull(s object) object {
	if kind, ok := s["type"].(string); ok {
		out := maps.Clone(s)
		out["type"] = []string{kind, "null"}
		return out
	}
	if kinds, ok := s["type"].([]string); ok {
		out := maps.Clone(s)
		out["type"] = append(slices.Clone(kinds), "null")
		return out
	}
	null := object{"type": "null"}
	if some, ok := s["anyOf"].([]object); ok {
		return object{"anyOf": append(slices.Clone(some), null)}
	}
	return object{"anyOf": []object{s, null}}
}

func fieldOptions(fd protoreflect.FieldDescriptor) *optionsv1.Field {
	o, _ := proto.GetExtension(fd.Options(), optionsv1.E_Field).(*optionsv1.Field)
	return o
}

func roleOf(fd protoreflect.FieldDescriptor) optionsv1.Role { return fieldOptions(fd).GetRole() }

func rules(fd protoreflect.FieldDescriptor) *validate.FieldRules {
	r, _ := proto.GetExtension(fd.Options(), validate.E_Field).(*validate.FieldRules)
	return r
}

func isRequired(fd protoreflect.FieldDescriptor) bool {
	return fieldOptions(fd).GetRequired() || rules(fd).GetRequired()
}

func isDeprecated(fd protoreflect.FieldDescriptor) bool {
	o, ok := fd.Options().(*descriptorpb.FieldOptions)
	return ok && o.GetDeprecated()
}

// isNullable says whether a body may hold null: where Apple takes null, and at
// to-one relationships, which null detaches.
func isNullable(fd protoreflect.FieldDescriptor) bool {
	o := fieldOptions(fd)
	detaches := o.GetRole() == optionsv1.Role_ROLE_RELATIONSHIP && fd.Message() != nil && isToOne(fd.Message())
	return o.GetNullable() || detaches && !o.GetRequired()
}

func isToOne(md protoreflect.MessageDescriptor) bool { return md.FullName() == "asc.types.v1.ToOne" }

func isToMany(md protoreflect.MessageDescriptor) bool { return md.FullName() == "asc.types.v1.ToMany" }

func isLinkage(md protoreflect.MessageDescriptor) bool { return isToOne(md) || isToMany(md) }
