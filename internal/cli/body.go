package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// jsonMessage fills a message from JSON: a key with null clears, a key with a
// value sets, no key leaves alone. Enum values are in Apple's spelling.
func jsonMessage(m protoreflect.Message, text, whole string) error {
	v, err := decode([]byte(text))
	if err != nil {
		return usagef("%s: %v", clip(whole), err)
	}
	object, ok := v.(map[string]any)
	if !ok {
		return usagef("%s: want a JSON object", clip(whole))
	}
	return fromObject(m, object, whole, 0)
}

// jsonField fills one list or map from JSON.
func jsonField(m protoreflect.Message, fd protoreflect.FieldDescriptor, text, whole string) error {
	v, err := decode([]byte(text))
	if err != nil {
		return usagef("%s: %v", clip(whole), err)
	}
	return fromValue(m, fd, v, whole, 0)
}

// decode reads one JSON value. Its errors are sentences of our own.
func decode(b []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			line := 1 + bytes.Count(b[:min(int(syntax.Offset), len(b))], []byte("\n"))
			return nil, usagef("is not JSON (line %d)", line)
		}
		return nil, usagef("is not JSON: it ends too early")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, usagef("holds more than one JSON value")
	}
	return v, nil
}

func fromObject(m protoreflect.Message, object map[string]any, at string, depth int) error {
	if depth > maxDepth {
		return usagef("the JSON is nested too deep")
	}
	for _, key := range sortedKeys(object) {
		path := key
		if at != "" {
			path = at + "." + key
		}
		fd := named(m.Descriptor(), key)
		if fd == nil {
			return unknownField(m.Descriptor(), []string{key}, path)
		}
		if object[key] == nil {
			if err := clearField(m, fd, path); err != nil {
				return err
			}
			continue
		}
		if err := fromValue(m, fd, object[key], path, depth); err != nil {
			return err
		}
	}
	return nil
}

// clearField is what null means: the field is named in clear. Where a message has
// no clear, null is an empty message.
func clearField(m protoreflect.Message, fd protoreflect.FieldDescriptor, path string) error {
	names := m.Descriptor().Fields().ByName("clear")
	switch {
	case names != nil && names.IsList():
		m.Mutable(names).List().Append(protoreflect.ValueOfString(string(fd.Name())))
	case fd.Message() != nil && !fd.IsMap() && !fd.IsList():
		m.Mutable(fd)
	default:
		return usagef("%s: cannot be null", clip(path))
	}
	return nil
}

func fromValue(m protoreflect.Message, fd protoreflect.FieldDescriptor, v any, at string, depth int) error {
	switch {
	case fd.IsMap():
		return fromMap(m.Mutable(fd).Map(), fd, v, at, depth)
	case fd.IsList():
		items, ok := v.([]any)
		if !ok || len(items) > maxElements {
			return usagef("%s: want a list", clip(at))
		}
		list := m.Mutable(fd).List()
		for _, item := range items {
			if fd.Message() != nil {
				if err := fromAny(list.AppendMutable().Message(), item, at, depth); err != nil {
					return err
				}
				continue
			}
			value, err := fromScalar(fd, item, at)
			if err != nil {
				return err
			}
			list.Append(value)
		}
		return nil
	case fd.Message() != nil:
		return fromAny(m.Mutable(fd).Message(), v, at, depth)
	}
	value, err := fromScalar(fd, v, at)
	if err == nil {
		m.Set(fd, value)
	}
	return err
}

func fromMap(entries protoreflect.Map, fd protoreflect.FieldDescriptor, v any, at string, depth int) error {
	object, ok := v.(map[string]any)
	if !ok {
		return usagef("%s: want a JSON object", clip(at))
	}
	for _, key := range sortedKeys(object) {
		path := at + "." + key
		k, err := scalar(fd.MapKey(), key, path)
		if err != nil {
			return err
		}
		if fd.MapValue().Message() != nil {
			if err := fromAny(entries.Mutable(k.MapKey()).Message(), object[key], path, depth); err != nil {
				return err
			}
			continue
		}
		value, err := fromScalar(fd.MapValue(), object[key], path)
		if err != nil {
			return err
		}
		entries.Set(k.MapKey(), value)
	}
	return nil
}

// fromAny fills a message from an object, or a time or duration from a string.
func fromAny(m protoreflect.Message, v any, at string, depth int) error {
	if text, ok := v.(string); ok && wellKnown(m.Descriptor().FullName()) {
		return setWellKnown(m, text, at)
	}
	object, ok := v.(map[string]any)
	if !ok || wellKnown(m.Descriptor().FullName()) {
		return usagef("%s: want a JSON object", clip(at))
	}
	return fromObject(m, object, at, depth+1)
}

// fromScalar reads a number, a string or a bool. Numbers may be written as
// strings, as protobuf's JSON writes those of 64 bits.
func fromScalar(fd protoreflect.FieldDescriptor, v any, at string) (protoreflect.Value, error) {
	switch t := v.(type) {
	case string:
		if fd.Kind() == protoreflect.BoolKind {
			break
		}
		return scalar(fd, t, at)
	case json.Number:
		if fd.Kind() == protoreflect.StringKind || fd.Kind() == protoreflect.BoolKind || fd.Kind() == protoreflect.BytesKind {
			break
		}
		return scalar(fd, t.String(), at)
	case bool:
		if fd.Kind() == protoreflect.BoolKind {
			return protoreflect.ValueOfBool(t), nil
		}
	}
	return protoreflect.Value{}, usagef("%s: the JSON value has another type than the field", clip(at))
}
