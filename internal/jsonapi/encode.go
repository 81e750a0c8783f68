package jsonapi

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"

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
	path       []step     // where in the request the encoder is
	extra      *extraNode // what extra holds for that place, nil if nothing
	note       func(created)
}

// Encode writes the JSON:API document of a request message: its resource, or
// the linkage of a relationship. typ is the JSON:API type of the primary data.
// The violations of the request, up to a hundred, are reported at once, as one
// [fault.Error].
func (c *Codec) Encode(msg proto.Message, typ string) ([]byte, error) {
	e := &encoder{codec: c}
	b := e.document(msg.ProtoReflect(), typ)
	if len(e.violations) > 0 {
		v := e.violations[0]
		err := fault.New(fault.InvalidArgument, fault.ReasonInvalidRequest, "%s: %s", v.Field, v.Description)
		err.Violations = e.violations
		return nil, err
	}
	return b, nil
}

func (e *encoder) document(m protoreflect.Message, typ string) []byte {
	p := e.codec.plan(m.Descriptor())
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
	return append(b, '}')
}

// resource writes a resource object.
func (e *encoder) resource(b []byte, p *messagePlan, m protoreflect.Message, typ, id string) []byte {
	b = append(b, `{"type":`...)
	b = appendString(b, typ)
	if id != "" {
		b = append(b, `,"id":`...)
		b = appendString(b, id)
	}
	clear, x := e.cleared(p, m), e.extraOf(p, m)
	attrs, rels := []byte(nil), []byte(nil)
	for _, f := range p.fields {
		switch f.role {
		case optionsv1.Role_ROLE_ATTRIBUTE:
			e.extra = x.attribute(f)
			attrs = e.attribute(attrs, f, m, clear)
		case optionsv1.Role_ROLE_RELATIONSHIP:
			e.extra = x.relationship(f)
			rels = e.relationship(rels, f, m, clear)
		}
	}
	e.extra = nil
	if x != nil {
		attrs, rels = x.attributes.appendMembers(attrs), x.relationships.appendMembers(rels)
		e.unwritten(x)
	}
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
	}
	if raw, ok := e.misfit(f, m); ok {
		return append(key(b, f.name), raw...)
	}
	if f.required {
		e.violate(string(f.fd.Name()), "is required")
	}
	return b
}

// field writes the value of a field that is set. e.extra is what extra holds
// for it.
func (e *encoder) field(b []byte, f *fieldPlan, v protoreflect.Value) []byte {
	e.path = append(e.path, step{name: string(f.fd.Name()), apple: f.name, index: -1})
	b = e.value(b, f, v)
	e.path = e.path[:len(e.path)-1]
	return b
}

func (e *encoder) value(b []byte, f *fieldPlan, v protoreflect.Value) []byte {
	switch {
	case f.kind == kindMap:
		return stringMap(b, v.Map())
	case f.fd.IsList():
		list, of := v.List(), e.extra
		b = append(b, '[')
		for i := range list.Len() {
			if i > 0 {
				b = append(b, ',')
			}
			e.path[len(e.path)-1].index = i
			e.extra = of.element(i)
			b = e.single(b, f, list.Get(i))
		}
		e.extra = of
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
			e.wrong("is not a finite number")
			return b
		}
		n, _ := json.Marshal(v.Float())
		return append(b, n...)
	case kindEnum:
		return e.enum(b, f, v.Enum())
	case kindTime:
		return e.time(b, v)
	case kindValue:
		n, err := protojson.Marshal(v.Message().Interface().(*structpb.Value))
		if err != nil {
			e.wrong("is not a JSON value")
		}
		return append(b, n...)
	case kindList:
		inner := f.message.fields[0]
		e.path = append(e.path, step{name: string(inner.fd.Name()), index: -1}) // no name of Apple's
		b = e.value(b, inner, v.Message().Get(inner.fd))
		e.path = e.path[:len(e.path)-1]
		return b
	}
	return e.object(b, f.message, v.Message())
}

// enum writes a value of an enum. UNKNOWN is written with its text in extra.
func (e *encoder) enum(b []byte, f *fieldPlan, n protoreflect.EnumNumber) []byte {
	name, ok := f.enum.byNumber[n]
	switch {
	case n == unknown && e.extra.isString():
		return append(b, e.extra.write()...)
	case n == unknown && e.extra.has():
		e.extra.used = true
		e.wrong("is UNKNOWN: extra[%q] must be a JSON string, such as \"\\\"NEW_VALUE\\\"\"", e.key())
	case n == unknown:
		e.wrong("is UNKNOWN: extra[%q] must hold the value's text as a JSON string, such as \"\\\"NEW_VALUE\\\"\"", e.key())
	case !ok:
		e.wrong("is UNSPECIFIED or no value of the enum")
	}
	return appendString(b, name)
}

// time writes a date-time. Where extra holds Apple's own text of the very same
// time, that text is written.
func (e *encoder) time(b []byte, v protoreflect.Value) []byte {
	ts, ok := v.Message().Interface().(*timestamppb.Timestamp)
	if !ok || !ts.IsValid() {
		e.wrong("is not a time between the years 1 and 9999")
		return b
	}
	if e.extra.isString() {
		if told, ok := parseTime(e.extra.text[1 : len(e.extra.text)-1]); ok && proto.Equal(told, ts) {
			return append(b, e.extra.write()...)
		}
	}
	return appendTime(b, ts)
}

// object writes a value object: what is set of it, and what extra holds for it.
func (e *encoder) object(b []byte, p *messagePlan, m protoreflect.Message) []byte {
	x := e.extra
	var in []byte
	for _, f := range p.fields {
		e.extra = x.member(f)
		if m.Has(f.fd) {
			in = e.field(key(in, f.name), f, m.Get(f.fd))
		} else if raw, ok := e.misfit(f, m); ok {
			in = append(key(in, f.name), raw...)
		}
	}
	e.extra = x
	in = x.appendMembers(in)
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
