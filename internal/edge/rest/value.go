package rest

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/jsonapi"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// field reads a value into a field.
func (r *reader) field(m protoreflect.Message, fd protoreflect.FieldDescriptor, v any, at place) {
	switch {
	case fd.IsMap():
		object, ok := v.(map[string]any)
		if !ok {
			r.wrong(at.path, "takes an object, not %s", kindOf(v))
			return
		}
		r.mapping(m.Mutable(fd).Map(), fd, object, at)
	case fd.IsList():
		elements, ok := v.([]any)
		if !ok {
			r.wrong(at.path, "takes a list, such as %s, not %s", takes(fd), kindOf(v))
			return
		}
		list := m.Mutable(fd).List()
		for i, v := range elements {
			el := list.NewElement()
			if fd.Message() == nil {
				list.Append(r.scalar(fd, v, at.element(i)))
				continue
			}
			r.object(fd, el.Message(), v, at.element(i))
			list.Append(el)
		}
	case fd.Message() != nil:
		r.object(fd, m.Mutable(fd).Message(), v, at)
	default:
		m.Set(fd, r.scalar(fd, v, at))
	}
}

func (r *reader) mapping(m protoreflect.Map, fd protoreflect.FieldDescriptor, object map[string]any, at place) {
	value := fd.MapValue()
	for _, k := range slices.Sorted(maps.Keys(object)) {
		v := object[k]
		key, ok := mapKey(fd.MapKey(), k)
		inner := at.member(clip(k), clip(k))
		switch {
		case !ok:
			r.wrong(inner.path, "is no key of it")
		case value.Message() != nil:
			el := m.NewValue()
			r.object(value, el.Message(), v, inner)
			m.Set(key, el)
		default:
			m.Set(key, r.scalar(value, v, inner))
		}
	}
}

// mapKey reads a key: those of all maps here are strings.
func mapKey(fd protoreflect.FieldDescriptor, k string) (protoreflect.MapKey, bool) {
	return protoreflect.ValueOfString(k).MapKey(), fd.Kind() == protoreflect.StringKind
}

// object reads a message.
func (r *reader) object(fd protoreflect.FieldDescriptor, m protoreflect.Message, v any, at place) {
	if m.Descriptor().ParentFile().Package() == "google.protobuf" {
		b, err := json.Marshal(v)
		if err == nil {
			err = protojson.UnmarshalOptions{RecursionLimit: 100}.Unmarshal(b, m.Interface())
		}
		if err != nil {
			r.misfit(fd, v, at)
		}
		return
	}
	object, ok := v.(map[string]any)
	if !ok {
		r.misfit(fd, v, at)
		return
	}
	at.bare = fieldOptions(fd).GetArray()
	r.message(m, object, at)
}

// misfit tells what a field takes. It quotes nothing.
func (r *reader) misfit(fd protoreflect.FieldDescriptor, v any, at place) {
	not := ", not " + kindOf(v)
	switch v.(type) {
	case string, json.Number:
		plain := fd.Kind() == protoreflect.StringKind || fd.Kind() == protoreflect.BoolKind
		if !plain && (fd.Message() == nil || !isRelation(fd.Message())) {
			not = "" // the kind of JSON is right, or says nothing
		}
	}
	r.wrong(at.path, "takes %s%s", takesOne(fd), not)
}

// scalar reads a value that is no message; a zero value where it does not fit.
func (r *reader) scalar(fd protoreflect.FieldDescriptor, v any, at place) protoreflect.Value {
	var out protoreflect.Value
	switch fd.Kind() {
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(r.enum(fd, v, at))
	case protoreflect.StringKind:
		if s, ok := v.(string); ok {
			return protoreflect.ValueOfString(s)
		}
	case protoreflect.BoolKind:
		if b, ok := v.(bool); ok {
			return protoreflect.ValueOfBool(b)
		}
	case protoreflect.BytesKind:
		if s, ok := v.(string); ok {
			if b, err := base64.StdEncoding.DecodeString(s); err == nil {
				return protoreflect.ValueOfBytes(b)
			}
		}
	default:
		if text, ok := numberText(v); ok {
			out = number(fd.Kind(), text)
		}
	}
	if !out.IsValid() {
		r.misfit(fd, v, at)
		return fd.Default()
	}
	return out
}

// numberText is the text of a number: numbers come as numbers or as strings.
func numberText(v any) (string, bool) {
	switch n := v.(type) {
	case json.Number:
		return n.String(), true
	case string:
		return n, n == strings.TrimSpace(n) && n != ""
	}
	return "", false
}

// number reads a number of a kind; the result is invalid where it does not fit.
func number(kind protoreflect.Kind, text string) (v protoreflect.Value) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil && !math.IsInf(f, 0) {
		return v
	}
	whole := f == math.Trunc(f) && math.Abs(f) <= exactly
	switch kind {
	case protoreflect.DoubleKind:
		if err == nil {
			return protoreflect.ValueOfFloat64(f)
		}
	case protoreflect.FloatKind:
		if err == nil {
			return protoreflect.ValueOfFloat32(float32(f))
		}
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		if whole && f >= math.MinInt32 && f <= math.MaxInt32 {
			return protoreflect.ValueOfInt32(int32(f))
		}
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		if whole && f >= 0 && f <= math.MaxUint32 {
			return protoreflect.ValueOfUint32(uint32(f))
		}
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return protoreflect.ValueOfInt64(n)
		}
		if whole {
			return protoreflect.ValueOfInt64(int64(f))
		}
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		if n, err := strconv.ParseUint(text, 10, 64); err == nil {
			return protoreflect.ValueOfUint64(n)
		}
		if whole && f >= 0 {
			return protoreflect.ValueOfUint64(uint64(f))
		}
	}
	return v
}

// unknownValue is the number that stands for a value with its text in extra.
const unknownValue protoreflect.EnumNumber = 1

// enum reads a value as Apple spells it, by its proto name, or by its number. A
// new value of Apple's becomes UNKNOWN with its text in extra.
func (r *reader) enum(fd protoreflect.FieldDescriptor, v any, at place) protoreflect.EnumNumber {
	values := fd.Enum().Values()
	if n, ok := v.(json.Number); ok {
		if i, err := strconv.ParseInt(n.String(), 10, 32); err == nil {
			return protoreflect.EnumNumber(i)
		}
	}
	text, ok := v.(string)
	if !ok {
		r.misfit(fd, v, at)
		return 0
	}
	var known []string
	for i := range values.Len() {
		d := values.Get(i)
		if name := jsonapi.EnumValueName(d); name == text || string(d.Name()) == text {
			return d.Number()
		} else if d.Number() > unknownValue {
			known = append(known, name)
		}
	}
	if at.extra == nil || values.ByNumber(unknownValue) == nil || values.ByNumber(unknownValue).Name() != "UNKNOWN" {
		r.wrong(at.path, "%q is no value of it%s", clip(text), service.Hint(text, known))
		return 0
	}
	if why := service.Newer(text, known, "UNKNOWN and extra["+strconv.Quote(at.key)+"]"); why != "" {
		r.wrong(at.path, "%s", why)
		return 0
	}
	extra := at.extra.Mutable(at.extra.Descriptor().Fields().ByName("extra")).Map()
	quoted := string(jsonapi.AppendString(nil, text))
	extra.Set(protoreflect.ValueOfString(at.key).MapKey(), protoreflect.ValueOfString(quoted))
	return unknownValue
}
