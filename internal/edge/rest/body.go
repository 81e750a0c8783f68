package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/jsonapi"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

func grpcContext(ctx context.Context, s grpc.ServerTransportStream) context.Context {
	return grpc.NewContextWithServerTransportStream(ctx, s)
}

// speller writes and reads messages as JSON with enum values as Apple spells
// them, which is not always a name that protobuf allows.
type speller struct {
	odd sync.Map // protoreflect.FullName → bool: the message can hold such a value
}

func newSpeller() *speller { return &speller{} }

func (s *speller) marshal(m proto.Message) ([]byte, error) {
	b, err := protojson.Marshal(m)
	if err != nil || !s.isOdd(m.ProtoReflect().Descriptor()) {
		return b, err
	}
	v, err := decodeAny(b)
	if err != nil {
		return nil, err
	}
	return json.Marshal(s.walk(v, m.ProtoReflect().Descriptor(), appleName))
}

// unmarshal reads a request's JSON. Its keys are the states of a write: a key
// with null clears, a key with a value sets, no key leaves alone.
func (s *speller) unmarshal(b []byte, into protoreflect.Message) error {
	v, err := decodeAny(b)
	if err != nil {
		return fault.New(fault.InvalidArgument, fault.ReasonInvalidRequest, "the body is not valid JSON")
	}
	object, ok := v.(map[string]any)
	if !ok {
		return fault.New(fault.InvalidArgument, fault.ReasonInvalidRequest, "the body must be a JSON object")
	}
	if err := nullsToClear(object, into.Descriptor()); err != nil {
		return err
	}
	plain, err := json.Marshal(s.walk(object, into.Descriptor(), protoName))
	if err != nil {
		return err
	}
	if err := (protojson.UnmarshalOptions{RecursionLimit: 100}).Unmarshal(plain, into.Interface()); err != nil {
		return fault.New(fault.InvalidArgument, fault.ReasonInvalidRequest, "the body does not fit: %s", reason(err))
	}
	return nil
}

// reason is protojson's complaint, which quotes nothing but names and tokens.
func reason(err error) string {
	text := strings.ReplaceAll(err.Error(), "\u00a0", " ")
	if _, after, ok := strings.Cut(text, "): "); ok {
		text = after
	}
	if len(text) > 200 {
		text = text[:200]
	}
	return strings.ToValidUTF8(text, "")
}

func decodeAny(b []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return v, nil
}

// nullsToClear moves keys with null into clear. Where a message has no clear,
// null means an empty message: none.
func nullsToClear(object map[string]any, md protoreflect.MessageDescriptor) error {
	clearField := md.Fields().ByName("clear")
	var names []any
	for key, v := range object {
		if v != nil {
			continue
		}
		fd := fieldNamed(md, key)
		switch {
		case fd == nil:
			continue // protojson says so
		case clearField != nil:
			names = append(names, string(fd.Name()))
			delete(object, key)
		case fd.Message() != nil && !fd.IsMap():
			object[key] = map[string]any{}
		}
	}
	if len(names) > 0 {
		given, _ := object["clear"].([]any)
		object["clear"] = append(given, names...)
	}
	return nil
}

func fieldNamed(md protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if fd := md.Fields().ByJSONName(name); fd != nil {
		return fd
	}
	return md.Fields().ByTextName(name)
}

// isOdd says whether a message can hold an enum value with a spelling of its own.
func (s *speller) isOdd(md protoreflect.MessageDescriptor) bool {
	if v, ok := s.odd.Load(md.FullName()); ok {
		return v.(bool)
	}
	odd := hasOdd(md, map[protoreflect.FullName]bool{})
	s.odd.Store(md.FullName(), odd)
	return odd
}

func hasOdd(md protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) bool {
	if seen[md.FullName()] {
		return false
	}
	seen[md.FullName()] = true
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if fd.Enum() != nil {
			for j := range fd.Enum().Values().Len() {
				if v := fd.Enum().Values().Get(j); jsonapi.EnumValueName(v) != string(v.Name()) {
					return true
				}
			}
		}
		if fd.Message() != nil && hasOdd(fd.Message(), seen) {
			return true
		}
	}
	return false
}

// walk renames the enum values of a decoded JSON value in place.
func (s *speller) walk(v any, md protoreflect.MessageDescriptor, rename func(protoreflect.EnumDescriptor, string) string) any {
	object, ok := v.(map[string]any)
	if !ok || !s.isOdd(md) {
		return v
	}
	for key, value := range object {
		fd := fieldNamed(md, key)
		if fd == nil || fd.IsMap() {
			continue
		}
		if list, ok := value.([]any); ok && fd.IsList() {
			for i := range list {
				list[i] = s.walkField(list[i], fd, rename)
			}
			continue
		}
		object[key] = s.walkField(value, fd, rename)
	}
	return object
}

func (s *speller) walkField(v any, fd protoreflect.FieldDescriptor, rename func(protoreflect.EnumDescriptor, string) string) any {
	if text, ok := v.(string); ok && fd.Enum() != nil {
		return rename(fd.Enum(), text)
	}
	if fd.Message() != nil {
		return s.walk(v, fd.Message(), rename)
	}
	return v
}

func appleName(ed protoreflect.EnumDescriptor, name string) string {
	if v := ed.Values().ByName(protoreflect.Name(name)); v != nil {
		return jsonapi.EnumValueName(v)
	}
	return name
}

func protoName(ed protoreflect.EnumDescriptor, apple string) string {
	for i := range ed.Values().Len() {
		if v := ed.Values().Get(i); jsonapi.EnumValueName(v) == apple {
			return string(v.Name())
		}
	}
	return apple
}
