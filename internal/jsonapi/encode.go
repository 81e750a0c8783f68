package jsonapi

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// maxInline bounds the objects that one request may create, and maxViolations
// what is told of a request that is wrong.
const (
	maxInline     = 10_000
	maxViolations = 100
)

// encoder writes one request document.
type encoder struct {
	codec      *Codec
	included   [][]byte
	violations []fault.Violation
	path       []string // of proto fields, for violations
}

// Encode writes the JSON:API document of a request message: its resource, or
// the linkage of a relationship. typ is the JSON:API type of the primary data.
// The violations of the request, up to a hundred, are reported at once, as one
// [fault.Error].
func (c *Codec) Encode(msg proto.Message, typ string) ([]byte, error) {
	m := msg.ProtoReflect()
	p := c.plan(m.Descriptor())
	e := &encoder{codec: c}
	b := []byte(`{"data":`)
	if f := p.withRole(optionsv1.Role_ROLE_LINKAGE); f != nil {
		b = e.linkageData(b, f, m)
	} else {
		id := ""
		if f := p.byName["id"]; f != nil && f.role == optionsv1.Role_ROLE_ID {
			id = m.Get(f.fd).String()
		}
		b = e.resource(b, p, m, typ, id)
	}
	if len(e.included) > 0 {
		b = append(b, `,"included":[`...)
		for i, inc := range e.included {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, inc...)
		}
		b = append(b, ']')
	}
	if len(e.violations) > 0 {
		v := e.violations[0]
		err := fault.New(fault.InvalidArgument, fault.ReasonInvalidRequest, "%s: %s", v.Field, v.Description)
		err.Violations = e.violations
		return nil, err
	}
	return append(b, '}'), nil
}

func (e *encoder) violate(field, format string, args ...any) {
	if len(e.violations) >= maxViolations {
		return
	}
	at := append(slices.Clone(e.path), field)
	v := fault.Invalid(strings.Join(at, "."), format, args...).Violations[0]
	e.violations = append(e.violations, v)
}

// resource writes a resource object.
func (e *encoder) resource(b []byte, p *messagePlan, m protoreflect.Message, typ, id string) []byte {
	b = append(b, `{"type":`...)
	b = appendString(b, typ)
	if id != "" {
		b = append(b, `,"id":`...)
		b = appendString(b, id)
	}
	clear := e.cleared(p, m)
	attrs, rels := []byte(nil), []byte(nil)
	for _, f := range p.fields {
		switch f.role {
		case optionsv1.Role_ROLE_ATTRIBUTE:
			attrs = e.attribute(attrs, f, m, clear)
		case optionsv1.Role_ROLE_RELATIONSHIP:
			rels = e.relationship(rels, f, m, clear)
		}
	}
	attrs, rels = e.extra(attrs, rels, p, m)
	if len(attrs) > 0 {
		b = append(append(append(b, `,"attributes":{`...), attrs...), '}')
	}
	if len(rels) > 0 {
		b = append(append(append(b, `,"relationships":{`...), rels...), '}')
	}
	return append(b, '}')
}

// cleared finds the fields that clear names, by their proto or Apple's name.
func (e *encoder) cleared(p *messagePlan, m protoreflect.Message) map[*fieldPlan]bool {
	if p.clear == nil || m.Get(p.clear).List().Len() == 0 {
		return nil
	}
	out := map[*fieldPlan]bool{}
	list := m.Get(p.clear).List()
	for i := range list.Len() {
		name := list.Get(i).String()
		f := p.named(name)
		switch {
		case f == nil || f.role != optionsv1.Role_ROLE_ATTRIBUTE && f.role != optionsv1.Role_ROLE_RELATIONSHIP:
			e.violate("clear", "no field %q can be cleared", bounded(name))
		case m.Has(f.fd):
			e.violate(string(f.fd.Name()), "is both set and named in clear")
		default:
			out[f] = true
		}
	}
	return out
}

func bounded(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}

// named finds a field by its proto name, JSON name or Apple's name.
func (p *messagePlan) named(name string) *fieldPlan {
	for _, f := range p.fields {
		if string(f.fd.Name()) == name || f.fd.JSONName() == name || f.name == name {
			return f
		}
	}
	return nil
}

func key(b []byte, name string) []byte {
	if len(b) > 0 {
		b = append(b, ',')
	}
	return append(appendString(b, name), ':')
}

func (e *encoder) attribute(b []byte, f *fieldPlan, m protoreflect.Message, clear map[*fieldPlan]bool) []byte {
	switch {
	case clear[f] && f.fd.IsList() && !f.nullable:
		return append(key(b, f.name), "[]"...)
	case clear[f]:
		return append(key(b, f.name), "null"...)
	case m.Has(f.fd):
		return e.field(key(b, f.name), f, m.Get(f.fd))
	case f.required:
		e.violate(string(f.fd.Name()), "is required")
	}
	return b
}

// field writes the value of a field that is set.
func (e *encoder) field(b []byte, f *fieldPlan, v protoreflect.Value) []byte {
	switch {
	case f.kind == kindMap:
		return stringMap(b, v.Map())
	case f.fd.IsList():
		list := v.List()
		b = append(b, '[')
		for i := range list.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			b = e.single(b, f, list.Get(i))
		}
		return append(b, ']')
	}
	return e.single(b, f, v)
}

func (e *encoder) single(b []byte, f *fieldPlan, v protoreflect.Value) []byte {
	switch f.kind {
	case kindString:
		return appendString(b, v.String())
	case kindBool:
		return strconv.AppendBool(b, v.Bool())
	case kindInt32, kindInt64:
		return strconv.AppendInt(b, v.Int(), 10)
	case kindDouble:
		if n := v.Float(); math.IsNaN(n) || math.IsInf(n, 0) {
			e.violate(string(f.fd.Name()), "is not a finite number")
			return b
		}
		n, _ := json.Marshal(v.Float())
		return append(b, n...)
	case kindEnum:
		name, ok := f.enum.byNumber[v.Enum()]
		if !ok || v.Enum() == unknown {
			e.violate(string(f.fd.Name()), "is UNSPECIFIED, UNKNOWN or no value of the enum")
		}
		return appendString(b, name)
	case kindTime:
		return e.time(b, f, v)
	case kindValue:
		n, err := protojson.Marshal(v.Message().Interface().(*structpb.Value))
		if err != nil {
			e.violate(string(f.fd.Name()), "is not a JSON value")
		}
		return append(b, n...)
	case kindList:
		inner := f.message.fields[0]
		return e.field(b, inner, v.Message().Get(inner.fd))
	}
	return e.object(b, f, v.Message())
}

func (e *encoder) time(b []byte, f *fieldPlan, v protoreflect.Value) []byte {
	ts, ok := v.Message().Interface().(*timestamppb.Timestamp)
	if !ok || !ts.IsValid() {
		e.violate(string(f.fd.Name()), "is not a time between the years 1 and 9999")
		return b
	}
	return appendTime(b, ts)
}

// object writes a value object: what is set of it.
func (e *encoder) object(b []byte, f *fieldPlan, m protoreflect.Message) []byte {
	e.path = append(e.path, string(f.fd.Name()))
	var in []byte
	for _, mf := range f.message.fields {
		if m.Has(mf.fd) {
			in = e.field(key(in, mf.name), mf, m.Get(mf.fd))
		}
	}
	e.path = e.path[:len(e.path)-1]
	return append(append(append(b, '{'), in...), '}')
}

func stringMap(b []byte, m protoreflect.Map) []byte {
	keys := make([]string, 0, m.Len())
	m.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool { keys = append(keys, k.String()); return true })
	slices.Sort(keys)
	var in []byte
	for _, k := range keys {
		in = appendString(key(in, k), m.Get(protoreflect.ValueOfString(k).MapKey()).String())
	}
	return append(append(append(b, '{'), in...), '}')
}

// extra adds what the caller sends beyond the message's fields. What a field
// exists for must be sent by that field.
func (e *encoder) extra(attrs, rels []byte, p *messagePlan, m protoreflect.Message) ([]byte, []byte) {
	if p.extra == nil {
		return attrs, rels
	}
	values := m.Get(p.extra).Map()
	keys := make([]string, 0, values.Len())
	values.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool { keys = append(keys, k.String()); return true })
	slices.Sort(keys)
	for _, k := range keys {
		name, isRel := strings.CutPrefix(k, "relationships.")
		raw := values.Get(protoreflect.ValueOfString(k).MapKey()).String()
		s := scanner{s: raw}
		_, err := s.skip()
		switch {
		case p.named(name) != nil:
			e.violate("extra", "%q has a field of its own", bounded(k))
		case err != nil || s.end() != nil || len(raw) > maxExtra:
			e.violate("extra", "%q is not JSON text", bounded(k))
		case isRel:
			rels = append(key(rels, name), raw...)
		default:
			attrs = append(key(attrs, name), raw...)
		}
	}
	return attrs, rels
}

func (e *encoder) relationship(b []byte, f *fieldPlan, m protoreflect.Message, clear map[*fieldPlan]bool) []byte {
	switch {
	case clear[f] && f.kind == kindToMany:
		return append(key(b, f.name), `{"data":[]}`...)
	case clear[f]:
		return append(key(b, f.name), `{"data":null}`...)
	case m.Has(f.fd):
		b = append(key(b, f.name), `{"data":`...)
		return append(e.linkage(b, f, m.Get(f.fd).Message()), '}')
	case f.required:
		e.violate(string(f.fd.Name()), "is required")
	}
	return b
}

// linkageData writes the primary data of a relationship request.
func (e *encoder) linkageData(b []byte, f *fieldPlan, m protoreflect.Message) []byte {
	if !m.Has(f.fd) {
		e.violate(string(f.fd.Name()), "is required: an empty message means none")
		return b
	}
	return e.linkage(b, f, m.Get(f.fd).Message())
}

// linkage writes ToOne or ToMany as resource identifiers, with what is to be
// created inline put into included.
func (e *encoder) linkage(b []byte, f *fieldPlan, rel protoreflect.Message) []byte {
	e.path = append(e.path, string(f.fd.Name()))
	defer func() { e.path = e.path[:len(e.path)-1] }()
	fields := rel.Descriptor().Fields()
	create := fields.ByName("create")
	if f.kind == kindToOne {
		idField := fields.ByName("id")
		switch {
		case rel.Has(idField):
			return e.identifier(b, f.target, rel.Get(idField).String(), "id")
		case create != nil && rel.Has(create):
			return e.identifier(b, f.target, e.create(f, rel.Get(create).Message(), "create"), "create")
		}
		return append(b, "null"...)
	}
	b = append(b, '[')
	first := true
	next := func() {
		if !first {
			b = append(b, ',')
		}
		first = false
	}
	ids := rel.Get(fields.ByName("ids")).List()
	for i := range ids.Len() {
		next()
		b = e.identifier(b, f.target, ids.Get(i).String(), "ids["+strconv.Itoa(i)+"]")
	}
	if create != nil {
		objects := rel.Get(create).List()
		for i := range objects.Len() {
			next()
			at := "create[" + strconv.Itoa(i) + "]"
			b = e.identifier(b, f.target, e.create(f, objects.Get(i).Message(), at), at)
		}
	}
	return append(b, ']')
}

func (e *encoder) identifier(b []byte, typ, id, field string) []byte {
	if err := CheckID(id); err != "" {
		e.violate(field, "%s", err)
	}
	b = append(b, `{"type":`...)
	b = appendString(b, typ)
	b = append(b, `,"id":`...)
	return append(appendString(b, id), '}')
}

// create writes an object to be created inline into included, and returns its
// local id.
func (e *encoder) create(f *fieldPlan, m protoreflect.Message, at string) (localID string) {
	slot := len(e.included)
	if slot >= maxInline {
		e.violate(at, "more than %d objects to create", maxInline)
		return "${none}"
	}
	localID = "${" + f.target + "-" + strconv.Itoa(slot+1) + "}"
	e.included = append(e.included, nil) // children come after their parent
	e.path = append(e.path, at)
	e.included[slot] = e.resource(nil, f.message, m, f.target, localID)
	e.path = e.path[:len(e.path)-1]
	return localID
}
