package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/reflect/protoreflect"
)

func grpcContext(ctx context.Context, s grpc.ServerTransportStream) context.Context {
	return grpc.NewContextWithServerTransportStream(ctx, s)
}

// maxViolations bounds what is told of a body that is wrong.
const maxViolations = 100

// ownFieldsFrom is where the numbers of the gateway's own fields begin.
const ownFieldsFrom = 2000

// speller writes and reads messages as JSON with enum values as Apple spells
// them, which is not always a name that protobuf allows.
type speller struct {
	shapes sync.Map // protoreflect.FullName → *shape
}

func newSpeller() *speller { return &speller{} }

// unmarshal reads a request's JSON. Its keys are the states of a write: a key
// with null clears, a key with a value sets, no key leaves alone. Everything that
// is wrong with it is told at once, by the names that the caller used.
func (s *speller) unmarshal(b []byte, into protoreflect.Message) error {
	v, err := decodeAny(b)
	if err != nil {
		return fault.New(fault.InvalidArgument, fault.ReasonInvalidRequest, "the body is not valid JSON%s", offset(err))
	}
	object, ok := v.(map[string]any)
	if !ok {
		return fault.New(fault.InvalidArgument, fault.ReasonInvalidRequest,
			"the body must be a JSON object, such as %s", example(into.Descriptor()))
	}
	r := &reader{top: into.Descriptor()}
	r.message(into, object, place{})
	if len(r.violations) == 0 {
		return nil
	}
	first := r.violations[0]
	out := fault.New(fault.InvalidArgument, fault.ReasonInvalidRequest, "%s: %s", first.Field, first.Description)
	out.Violations = r.violations
	return out
}

func offset(err error) string {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf(": it breaks off or goes wrong at byte %d", syntax.Offset)
	}
	return ""
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

// reader reads a decoded JSON object into a message.
type reader struct {
	top        protoreflect.MessageDescriptor
	violations []fault.Violation
}

// place is where the reader is.
type place struct {
	path  string               // as the caller wrote it: "prices.create[3].planType"
	extra protoreflect.Message // the message around it that has extra, nil if none has
	key   string               // the place's key in that extra: "settings.0.key"
	bare  bool                 // the next member has no name of Apple's: an array inside an array
}

func (p place) member(name, apple string) place {
	if p.bare {
		apple = ""
	}
	p.path, p.key, p.bare = dotted(p.path, name), dotted(p.key, apple), false
	return p
}

func (p place) element(i int) place {
	p.path, p.key = fmt.Sprintf("%s[%d]", p.path, i), dotted(p.key, fmt.Sprint(i))
	return p
}

func dotted(path, name string) string {
	if path == "" || name == "" {
		return path + name
	}
	return path + "." + name
}

func (r *reader) wrong(at, format string, args ...any) {
	if len(r.violations) < maxViolations {
		r.violations = append(r.violations, fault.Invalid(at, format, args...).Violations[0])
	}
}

// message reads the members of an object. What is new in them goes to extra of
// the message, if it has one.
func (r *reader) message(m protoreflect.Message, object map[string]any, at place) {
	md := m.Descriptor()
	if md.Fields().ByName("extra") != nil {
		at.extra, at.key = m, ""
	}
	given := map[string]string{} // extra
	for _, name := range slices.Sorted(maps.Keys(object)) {
		fd := fieldNamed(md, name)
		switch v := object[name]; {
		case fd == nil:
			r.unknown(md, name, at)
		case v == nil:
			r.null(m, fd)
		case fd.Name() == "extra" && fd.IsMap():
			r.extra(v, at.member(name, ""), given)
		case m.Has(fd):
			r.wrong(dotted(at.path, name), "stands twice, under two names")
		case other(m, fd) != nil:
			r.wrong(dotted(at.path, name), "excludes %s: only one of them may be set", other(m, fd).JSONName())
		default:
			r.field(m, fd, v, at.member(name, appleName(fd)))
		}
	}
	r.putExtra(m, given, at)
}

// putExtra adds the caller's own extra to what was new in the fields.
func (r *reader) putExtra(m protoreflect.Message, given map[string]string, at place) {
	if len(given) == 0 {
		return
	}
	values := m.Mutable(m.Descriptor().Fields().ByName("extra")).Map()
	for k, text := range given {
		key := protoreflect.ValueOfString(k).MapKey()
		if values.Has(key) {
			r.wrong(dotted(at.path, "extra"), "%q has a value in its field already", clip(k))
		}
		values.Set(key, protoreflect.ValueOfString(text))
	}
}

func (r *reader) extra(v any, at place, into map[string]string) {
	object, ok := v.(map[string]any)
	if !ok {
		r.wrong(at.path, `takes an object of JSON texts, such as {"newAttribute": "\"text\""}`)
		return
	}
	for k, v := range object {
		text, ok := v.(string)
		if !ok {
			r.wrong(at.path, `%q takes JSON text in a string, such as "\"text\"" or "7"`, clip(k))
			continue
		}
		into[k] = text
	}
}

// other is the member of a oneof that is set already, nil if none is.
func other(m protoreflect.Message, fd protoreflect.FieldDescriptor) protoreflect.FieldDescriptor {
	if o := fd.ContainingOneof(); o != nil && !o.IsSynthetic() {
		return m.WhichOneof(o)
	}
	return nil
}

// null clears a field of a write; for the linkage of a relationship's own
// request it means none. Elsewhere it is as if the key were not there.
func (r *reader) null(m protoreflect.Message, fd protoreflect.FieldDescriptor) {
	clear := m.Descriptor().Fields().ByName("clear")
	switch role := fieldOptions(fd).GetRole(); {
	case role == optionsv1.Role_ROLE_LINKAGE && fd.Message() != nil:
		m.Mutable(fd)
	case clear != nil && clear.IsList() && fd.Number() < ownFieldsFrom:
		m.Mutable(clear).List().Append(protoreflect.ValueOfString(string(fd.Name())))
	case fd.Message() != nil && fd.Message().FullName() == "google.protobuf.Value" && !fd.IsList() && !fd.IsMap():
		r.field(m, fd, nil, place{})
	}
}

func fieldNamed(md protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if fd := md.Fields().ByJSONName(name); fd != nil {
		return fd
	}
	return md.Fields().ByTextName(name)
}

// appleName is a field's name in Apple's document.
func appleName(fd protoreflect.FieldDescriptor) string {
	if n := fieldOptions(fd).GetName(); n != "" {
		return n
	}
	return fd.JSONName()
}

// unknown refuses a key that is no field.
func (r *reader) unknown(md protoreflect.MessageDescriptor, name string, at place) {
	path := dotted(at.path, clip(name))
	apples := strings.HasPrefix(string(r.top.FullName()), "asc.")
	top := md == r.top
	switch {
	case apples && top && slices.Contains([]string{"data", "attributes", "relationships", "included", "type"}, name):
		r.wrong(path, "belongs to Apple's own document: bodies are flat here, such as %s; "+
			"the passthrough (setting passthrough.listen) takes Apple's own", example(md))
	case apples && top && linkageOf(md) != nil:
		r.wrong(path, "is no field: the body is %s", example(md))
	case isRelation(md):
		r.wrong(path, "is no member of a relationship: it takes %s", takesRelation(md))
	default:
		r.wrong(path, "is no field of it%s", service.Hint(name, jsonNames(md)))
	}
}

func jsonNames(md protoreflect.MessageDescriptor) (out []string) {
	for i := range md.Fields().Len() {
		out = append(out, md.Fields().Get(i).JSONName())
	}
	return out
}

func clip(s string) string {
	if len(s) > 100 {
		return strings.ToValidUTF8(s[:100], "") + "…"
	}
	return s
}
