package cli

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/asc-gateway/asc-gateway/internal/jsonapi"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// scalar reads a value of a field's type.
func scalar(fd protoreflect.FieldDescriptor, text, whole string) (v protoreflect.Value, err error) {
	wrong := func(want string) (protoreflect.Value, error) {
		return v, usagef("%s: want %s, not %q", clip(whole), want, clip(text))
	}
	switch fd.Kind() {
	case protoreflect.BoolKind:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return wrong("true or false")
		}
		return protoreflect.ValueOfBool(b), nil
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return wrong("a whole number")
		}
		return protoreflect.ValueOfInt32(int32(n)), nil
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return wrong("a whole number")
		}
		return protoreflect.ValueOfInt64(n), nil
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil {
			return wrong("a whole number from 0")
		}
		return protoreflect.ValueOfUint32(uint32(n)), nil
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return wrong("a whole number from 0")
		}
		return protoreflect.ValueOfUint64(n), nil
	}
	return otherScalar(fd, text, whole, wrong)
}

// otherScalar reads what is no whole number. wrong makes the error that says what
// is wanted.
func otherScalar(
	fd protoreflect.FieldDescriptor, text, whole string, wrong func(string) (protoreflect.Value, error),
) (v protoreflect.Value, err error) {
	switch fd.Kind() {
	case protoreflect.FloatKind:
		f, err := strconv.ParseFloat(text, 32)
		if err != nil {
			return wrong("a number")
		}
		return protoreflect.ValueOfFloat32(float32(f)), nil
	case protoreflect.DoubleKind:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return wrong("a number")
		}
		return protoreflect.ValueOfFloat64(f), nil
	case protoreflect.StringKind:
		if !utf8.ValidString(text) {
			return v, usagef("%s: the value is not UTF-8", clip(whole))
		}
		return protoreflect.ValueOfString(text), nil
	case protoreflect.BytesKind:
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return wrong("base64")
		}
		return protoreflect.ValueOfBytes(b), nil
	case protoreflect.EnumKind:
		return enum(fd.Enum(), text, whole)
	}
	return wrong("another type")
}

// enum reads a value as Apple spells it, in any case.
func enum(ed protoreflect.EnumDescriptor, text, whole string) (v protoreflect.Value, err error) {
	for _, same := range []func(a, b string) bool{func(a, b string) bool { return a == b }, strings.EqualFold} {
		for i := range ed.Values().Len() {
			if ev := ed.Values().Get(i); same(jsonapi.EnumValueName(ev), text) || same(string(ev.Name()), text) {
				return protoreflect.ValueOfEnum(ev.Number()), nil
			}
		}
	}
	names := enumNames(ed)
	word := hint(text, names)
	if word == "" && len(names) <= 20 {
		word = "; want " + strings.Join(names, ", ")
	}
	return v, usagef("%s: %q is no value of it%s", clip(whole), clip(text), word)
}

// enumNames are the values of an enum, as Apple spells them.
func enumNames(ed protoreflect.EnumDescriptor) (names []string) {
	for i := range ed.Values().Len() {
		if ev := ed.Values().Get(i); ev.Number() != 0 {
			names = append(names, jsonapi.EnumValueName(ev))
		}
	}
	return names
}

func wellKnown(name protoreflect.FullName) bool {
	return name == "google.protobuf.Timestamp" || name == "google.protobuf.Duration"
}

// setWellKnown reads a time or a duration.
func setWellKnown(m protoreflect.Message, text, whole string) error {
	var value proto.Message
	if m.Descriptor().FullName() == "google.protobuf.Duration" {
		d, err := time.ParseDuration(text)
		if err != nil {
			return usagef("%s: want a duration such as 90s or 10m, not %q", clip(whole), clip(text))
		}
		value = durationpb.New(d)
	} else {
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t, err = time.Parse(time.DateOnly, text)
		}
		if err != nil {
			return usagef("%s: want a time such as 2026-01-31T15:04:05Z or 2026-01-31, not %q", clip(whole), clip(text))
		}
		value = timestamppb.New(t)
	}
	proto.Merge(m.Interface(), value)
	return nil
}
