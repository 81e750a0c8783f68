package cli

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"strings"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"github.com/asc-gateway/asc-gateway/internal/jsonapi"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"sigs.k8s.io/yaml"
)

// outputs are the forms of an answer.
var outputs = []string{"json", "jsonl", "yaml", "table"}

func checkOutput(form string) error {
	if !slices.Contains(outputs, form) {
		return usagef("--output: want %s, not %q", strings.Join(outputs, ", "), clip(form))
	}
	return nil
}

// print writes an answer in the form that is asked for.
func (c *caller) print(m proto.Message) error {
	r := m.ProtoReflect()
	switch c.output {
	case "table":
		return c.table(r)
	case "jsonl":
		return c.lines(r)
	}
	b, err := appendJSON(nil, r)
	if err != nil {
		return err
	}
	if c.output == "yaml" {
		if b, err = yaml.JSONToYAML(b); err != nil {
			return err
		}
		_, err = c.stdout.Write(b)
		return err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		return err
	}
	out.WriteByte('\n')
	_, err = c.stdout.Write(out.Bytes())
	return err
}

// lines writes each resource of an answer on a line of its own; an answer without
// a list is one line.
func (c *caller) lines(m protoreflect.Message) error {
	fd := dataOf(m.Descriptor())
	if fd == nil || !fd.IsList() {
		return writeLine(c.stdout, m)
	}
	list := m.Get(fd).List()
	for i := range list.Len() {
		if fd.Message() == nil {
			b, err := appendScalar(nil, fd, list.Get(i))
			if err != nil {
				return err
			}
			if _, err := c.stdout.Write(append(b, '\n')); err != nil {
				return err
			}
			continue
		}
		if err := writeLine(c.stdout, list.Get(i).Message()); err != nil {
			return err
		}
	}
	return nil
}

func writeLine(w io.Writer, m protoreflect.Message) error {
	b, err := appendJSON(nil, m)
	if err == nil {
		_, err = w.Write(append(b, '\n'))
	}
	return err
}

// dataOf is the field of an answer that holds what was asked for, nil if there is
// none.
func dataOf(md protoreflect.MessageDescriptor) protoreflect.FieldDescriptor {
	var lists []protoreflect.FieldDescriptor
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if r := optionsOf(fd).GetRole(); r == optionsv1.Role_ROLE_DATA || r == optionsv1.Role_ROLE_LINKAGE {
			return fd
		}
		if fd.IsList() {
			lists = append(lists, fd)
		}
	}
	if len(lists) > 0 {
		return lists[0]
	}
	return nil
}

// appendJSON writes a message as the gateway's REST face does: enum values in
// Apple's spelling, fields in the descriptor's order.
func appendJSON(b []byte, m protoreflect.Message) ([]byte, error) {
	md := m.Descriptor()
	if strings.HasPrefix(string(md.FullName()), "google.protobuf.") {
		text, err := protojson.Marshal(m.Interface())
		if err != nil {
			return nil, err
		}
		out := bytes.NewBuffer(b)
		err = json.Compact(out, text)
		return out.Bytes(), err
	}
	var err error
	b = append(b, '{')
	first := true
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if !m.Has(fd) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(appendText(b, fd.JSONName()), ':')
		if b, err = appendValue(b, fd, m.Get(fd)); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func appendValue(b []byte, fd protoreflect.FieldDescriptor, v protoreflect.Value) (_ []byte, err error) {
	switch {
	case fd.IsMap():
		return appendMap(b, fd, v.Map())
	case fd.IsList():
		b = append(b, '[')
		for i := range v.List().Len() {
			if i > 0 {
				b = append(b, ',')
			}
			if b, err = appendScalar(b, fd, v.List().Get(i)); err != nil {
				return nil, err
			}
		}
		return append(b, ']'), nil
	}
	return appendScalar(b, fd, v)
}

func appendMap(b []byte, fd protoreflect.FieldDescriptor, entries protoreflect.Map) (_ []byte, err error) {
	byKey := map[string]protoreflect.Value{}
	entries.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		byKey[k.String()] = v
		return true
	})
	b = append(b, '{')
	for i, k := range sortedKeys(byKey) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, k), ':')
		if b, err = appendScalar(b, fd.MapValue(), byKey[k]); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

// appendScalar writes one value, a message too. Numbers of 64 bits are strings, as
// in protobuf's JSON.
func appendScalar(b []byte, fd protoreflect.FieldDescriptor, v protoreflect.Value) ([]byte, error) {
	switch fd.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return appendJSON(b, v.Message())
	case protoreflect.EnumKind:
		if ev := fd.Enum().Values().ByNumber(v.Enum()); ev != nil {
			return appendText(b, jsonapi.EnumValueName(ev)), nil
		}
		return strconv.AppendInt(b, int64(v.Enum()), 10), nil
	case protoreflect.BoolKind:
		return strconv.AppendBool(b, v.Bool()), nil
	case protoreflect.StringKind:
		return appendText(b, v.String()), nil
	case protoreflect.BytesKind:
		return appendText(b, base64.StdEncoding.EncodeToString(v.Bytes())), nil
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		text, err := json.Marshal(v.Float())
		if err != nil {
			return appendText(b, v.String()), nil // NaN and infinities, as in protobuf's JSON
		}
		return append(b, text...), nil
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind,
		protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return appendText(b, v.String()), nil
	}
	return append(b, v.String()...), nil
}

// appendText writes a JSON string.
func appendText(b []byte, s string) []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // strings always can
	return append(b, bytes.TrimSuffix(out.Bytes(), []byte("\n"))...)
}
