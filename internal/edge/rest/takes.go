package rest

import (
	"encoding/json"
	"strings"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"github.com/asc-gateway/asc-gateway/internal/jsonapi"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// takes says what a field takes, with an example.
func takes(fd protoreflect.FieldDescriptor) string {
	one := takesOne(fd)
	if !fd.IsList() || fd.Message() != nil && !strings.HasPrefix(one, "{") {
		return one
	}
	switch fd.Kind() {
	case protoreflect.StringKind:
		return `["…"]`
	case protoreflect.EnumKind:
		return "[" + quotedValue(fd) + "]"
	case protoreflect.MessageKind:
		return "[" + one + "]"
	}
	return "[" + one + ", …]"
}

func takesOne(fd protoreflect.FieldDescriptor) string {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return "a string"
	case protoreflect.BoolKind:
		return "true or false"
	case protoreflect.BytesKind:
		return "base64 in a string"
	case protoreflect.EnumKind:
		return "a string such as " + quotedValue(fd)
	case protoreflect.DoubleKind, protoreflect.FloatKind:
		return "a number"
	}
	switch md := fd.Message(); {
	case md == nil:
		return "a whole number of its size"
	case isRelation(md):
		return takesRelation(md)
	case md.FullName() == "google.protobuf.Timestamp":
		return `a date-time such as "2026-01-31T12:00:00Z"`
	case md.FullName() == "google.protobuf.Duration":
		return `a duration such as "3.5s"`
	}
	return "{…}"
}

// quotedValue is the first value of an enum.
func quotedValue(fd protoreflect.FieldDescriptor) string {
	values := fd.Enum().Values()
	for i := range values.Len() {
		if v := values.Get(i); v.Number() > unknownValue {
			return string(jsonapi.AppendString(nil, jsonapi.EnumValueName(v)))
		}
	}
	return `"…"`
}

// isRelation says whether a message is a relationship: ToOne, ToMany, or one
// whose objects can be created inline.
func isRelation(md protoreflect.MessageDescriptor) bool {
	if md.ParentFile().Package() != "asc.types.v1" {
		return false
	}
	name := string(md.Name())
	return strings.HasSuffix(name, "ToOne") || strings.HasSuffix(name, "ToMany")
}

func takesRelation(md protoreflect.MessageDescriptor) string {
	create := md.Fields().ByName("create") != nil
	switch many := md.Fields().ByName("ids") != nil; {
	case many && create:
		return `{"ids": ["…"], "create": [{…}]}`
	case many:
		return `{"ids": ["…"]}`
	case create:
		return `{"id": "…"} or {"create": {…}}`
	}
	return `{"id": "…"}`
}

// linkageOf is the field of a relationship's own request that holds its linkage,
// nil if it is another request.
func linkageOf(md protoreflect.MessageDescriptor) protoreflect.FieldDescriptor {
	for i := range md.Fields().Len() {
		if fd := md.Fields().Get(i); fieldOptions(fd).GetRole() == optionsv1.Role_ROLE_LINKAGE {
			return fd
		}
	}
	return nil
}

// example is a body that a request takes: its linkage, or a field or two.
func example(md protoreflect.MessageDescriptor) string {
	var attribute, relation protoreflect.FieldDescriptor
	better := func(old, fd protoreflect.FieldDescriptor) protoreflect.FieldDescriptor {
		if old == nil || fieldOptions(fd).GetRequired() && !fieldOptions(old).GetRequired() {
			return fd
		}
		return old
	}
	for i := range md.Fields().Len() {
		switch fd := md.Fields().Get(i); fieldOptions(fd).GetRole() {
		case optionsv1.Role_ROLE_LINKAGE:
			return `{"` + fd.JSONName() + `": ` + takes(fd) + "}"
		case optionsv1.Role_ROLE_ATTRIBUTE:
			attribute = better(attribute, fd)
		case optionsv1.Role_ROLE_RELATIONSHIP:
			relation = better(relation, fd)
		}
	}
	var parts []string
	if attribute != nil {
		value := "…"
		if attribute.Kind() == protoreflect.StringKind && !attribute.IsList() {
			value = `"…"`
		}
		parts = append(parts, `"`+attribute.JSONName()+`": `+value)
	}
	if relation != nil && (attribute == nil || fieldOptions(relation).GetRequired()) {
		parts = append(parts, `"`+relation.JSONName()+`": `+takes(relation))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// kindOf names the kind of a decoded JSON value. It quotes nothing.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case json.Number:
		return "a number"
	case bool:
		return "true or false"
	case []any:
		return "a list"
	}
	return "an object"
}
