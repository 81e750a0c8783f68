package rest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"github.com/asc-gateway/asc-gateway/internal/jsonapi"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// shape is what is known of a message that is written as JSON.
type shape struct {
	known  bool // one of google.protobuf, which protojson writes
	fields []*member
}

// member is what is known of a field.
type member struct {
	fd    protoreflect.FieldDescriptor
	key   []byte // `"name":`
	enum  map[protoreflect.EnumNumber][]byte
	value protoreflect.FieldDescriptor // of a map
	whole bool                         // an empty list is [] in an answer
	ids   protoreflect.FieldDescriptor // total, where this is ids of a ToMany
}

// shapeOf compiles a message, or finds it compiled.
func (s *speller) shapeOf(md protoreflect.MessageDescriptor) *shape {
	if known, ok := s.shapes.Load(md.FullName()); ok {
		return known.(*shape)
	}
	out := &shape{known: md.ParentFile().Package() == "google.protobuf"}
	if !out.known {
		for i := range md.Fields().Len() {
			out.fields = append(out.fields, memberOf(md.Fields().Get(i)))
		}
	}
	s.shapes.Store(md.FullName(), out)
	return out
}

func memberOf(fd protoreflect.FieldDescriptor) *member {
	m := &member{fd: fd, key: append(jsonapi.AppendString(nil, fd.JSONName()), ':')}
	if fd.IsMap() {
		m.value = fd.MapValue()
	}
	if fd.Enum() != nil {
		m.enum = map[protoreflect.EnumNumber][]byte{}
		for i := range fd.Enum().Values().Len() {
			if v := fd.Enum().Values().Get(i); m.enum[v.Number()] == nil {
				m.enum[v.Number()] = jsonapi.AppendString(nil, jsonapi.EnumValueName(v))
			}
		}
	}
	if fd.IsList() {
		role := fieldOptions(fd).GetRole()
		apples := strings.HasPrefix(string(fd.FullName()), "asc.")
		m.whole = !apples || role == optionsv1.Role_ROLE_DATA || role == optionsv1.Role_ROLE_LINKAGE
		if fd.Parent().FullName() == "asc.types.v1.ToMany" && fd.Name() == "ids" {
			m.ids = fd.ContainingMessage().Fields().ByName("total")
		}
	}
	return m
}

func fieldOptions(fd protoreflect.FieldDescriptor) *optionsv1.Field {
	o, _ := proto.GetExtension(fd.Options(), optionsv1.E_Field).(*optionsv1.Field)
	return o
}

// marshal writes an answer: proto JSON, with enum values as Apple spells them,
// integers of 64 bits as numbers where every reader of JSON has them exactly, and
// the lists that Apple answered with there even if they are empty.
func (s *speller) marshal(m proto.Message) ([]byte, error) {
	w := &writer{spell: s, buf: make([]byte, 0, 1<<10)}
	w.message(m.ProtoReflect(), true)
	return w.buf, w.err
}

type writer struct {
	spell *speller
	buf   []byte
	err   error
}

// message writes an object. top: it is the answer itself.
func (w *writer) message(m protoreflect.Message, top bool) {
	sh := w.spell.shapeOf(m.Descriptor())
	if sh.known {
		w.wellKnown(m)
		return
	}
	w.buf = append(w.buf, '{')
	empty := len(w.buf)
	for _, f := range sh.fields {
		has := m.Has(f.fd)
		if !has && !(top && f.whole) && (f.ids == nil || m.Get(f.ids).Int() != 0) {
			continue
		}
		if len(w.buf) > empty {
			w.buf = append(w.buf, ',')
		}
		w.buf = append(w.buf, f.key...)
		switch {
		case !has:
			w.buf = append(w.buf, '[', ']')
		case f.value != nil:
			w.mapping(f, m.Get(f.fd).Map())
		case f.fd.IsList():
			w.list(f, m.Get(f.fd).List())
		default:
			w.single(f, f.fd, m.Get(f.fd))
		}
	}
	w.buf = append(w.buf, '}')
}

func (w *writer) list(f *member, list protoreflect.List) {
	w.buf = append(w.buf, '[')
	for i := range list.Len() {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		w.single(f, f.fd, list.Get(i))
	}
	w.buf = append(w.buf, ']')
}

func (w *writer) mapping(f *member, m protoreflect.Map) {
	keys := make([]string, 0, m.Len())
	values := make(map[string]protoreflect.Value, m.Len())
	m.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		keys = append(keys, k.String())
		values[k.String()] = v
		return true
	})
	slices.Sort(keys)
	w.buf = append(w.buf, '{')
	for i, k := range keys {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		w.buf = append(jsonapi.AppendString(w.buf, k), ':')
		w.single(f, f.value, values[k])
	}
	w.buf = append(w.buf, '}')
}

// exactly is the greatest integer up to which a double holds every one.
const exactly = 1 << 53

func (w *writer) single(f *member, fd protoreflect.FieldDescriptor, v protoreflect.Value) {
	switch fd.Kind() {
	case protoreflect.StringKind:
		w.buf = jsonapi.AppendString(w.buf, v.String())
	case protoreflect.BoolKind:
		w.buf = strconv.AppendBool(w.buf, v.Bool())
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		w.buf = strconv.AppendInt(w.buf, v.Int(), 10)
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		n := v.Int()
		w.quoted(n > exactly || n < -exactly, func(b []byte) []byte { return strconv.AppendInt(b, n, 10) })
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		n := v.Uint()
		w.quoted(n > exactly, func(b []byte) []byte { return strconv.AppendUint(b, n, 10) })
	case protoreflect.FloatKind:
		w.float(v.Float(), 32)
	case protoreflect.DoubleKind:
		w.float(v.Float(), 64)
	case protoreflect.BytesKind:
		w.buf = append(base64.StdEncoding.AppendEncode(append(w.buf, '"'), v.Bytes()), '"')
	case protoreflect.EnumKind:
		w.enum(f, fd, v.Enum())
	default:
		w.message(v.Message(), false)
	}
}

func (w *writer) enum(f *member, fd protoreflect.FieldDescriptor, n protoreflect.EnumNumber) {
	if name := f.enum[n]; name != nil {
		w.buf = append(w.buf, name...)
	} else if v := fd.Enum().Values().ByNumber(n); v != nil { // of a map
		w.buf = jsonapi.AppendString(w.buf, jsonapi.EnumValueName(v))
	} else {
		w.buf = strconv.AppendInt(w.buf, int64(n), 10)
	}
}

func (w *writer) quoted(quotes bool, number func([]byte) []byte) {
	if !quotes {
		w.buf = number(w.buf)
		return
	}
	w.buf = append(number(append(w.buf, '"')), '"')
}

// float writes what protojson writes: NaN and the infinities are strings.
func (w *writer) float(n float64, bits int) {
	switch {
	case math.IsNaN(n):
		w.buf = append(w.buf, `"NaN"`...)
	case math.IsInf(n, 1):
		w.buf = append(w.buf, `"Infinity"`...)
	case math.IsInf(n, -1):
		w.buf = append(w.buf, `"-Infinity"`...)
	default:
		form := byte('f')
		if a := math.Abs(n); a != 0 && (a < 1e-6 || a >= 1e21) {
			form = 'e'
		}
		w.buf = strconv.AppendFloat(w.buf, n, form, -1, bits)
	}
}

// wellKnown writes the messages of google.protobuf, times without help.
func (w *writer) wellKnown(m protoreflect.Message) {
	if ts, ok := m.Interface().(*timestamppb.Timestamp); ok && ts.IsValid() {
		w.buf = append(w.buf, '"')
		w.time(ts.AsTime())
		w.buf = append(w.buf, '"')
		return
	}
	b, err := protojson.Marshal(m.Interface())
	if err != nil {
		w.err = err
		return
	}
	out := bytes.NewBuffer(w.buf)
	w.err = json.Compact(out, b) // protojson spaces at random
	w.buf = out.Bytes()
}

// time writes 0, 3, 6 or 9 digits of a second, as protobuf's JSON does.
func (w *writer) time(t time.Time) {
	layout := "2006-01-02T15:04:05Z"
	switch n := t.Nanosecond(); {
	case n == 0:
	case n%1e6 == 0:
		layout = "2006-01-02T15:04:05.000Z"
	case n%1e3 == 0:
		layout = "2006-01-02T15:04:05.000000Z"
	default:
		layout = "2006-01-02T15:04:05.000000000Z"
	}
	w.buf = t.UTC().AppendFormat(w.buf, layout)
}
