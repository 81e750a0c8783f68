package service

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// newer are values of parameters that have a field, by the parameter's name,
// escaped: values that the field cannot say yet, because they are newer than
// Apple's document. They come from extra_query and are sent after the field's
// own values, in one parameter.
type newer map[string][]string

// newer reads them from a request. A parameter is in it when at least one of its
// values is new: a new value of an enum, or a new name in include, sort or
// fields.
func (q *Query) newer(m protoreflect.Message) (newer, error) {
	if q.extra == nil || !m.Has(q.extra) {
		return nil, nil
	}
	out := newer{}
	values := m.Get(q.extra).Map()
	for _, name := range sortedKeys(values) {
		says := q.vocabulary(name)
		if says == nil {
			continue
		}
		list := strings.Split(values.Get(protoreflect.ValueOfString(name).MapKey()).String(), ",")
		if !slices.ContainsFunc(list, func(s string) bool { return !says(s) }) {
			continue
		}
		if len(list) > asc.MaxFilterValues {
			return nil, fault.Invalid("extra_query", "%q takes at most %d values", clip(name), asc.MaxFilterValues)
		}
		for _, s := range list {
			if s == "" || len(s) > maxValueBytes || strings.ContainsFunc(s, isControl) {
				return nil, fault.Invalid("extra_query", "%q: values have 1 to %d bytes and no control characters",
					clip(name), maxValueBytes)
			}
			out[name] = append(out[name], url.QueryEscape(s))
		}
		if p := q.byName[name]; p != nil && !p.fd.IsList() && len(list) > 1 {
			return nil, fault.Invalid("extra_query", "%q takes one value", clip(name))
		}
	}
	return out, nil
}

// vocabulary tells which values a parameter's field can say; nil: the parameter
// has no field, or its field can say anything.
func (q *Query) vocabulary(name string) func(string) bool {
	p := q.byName[name]
	switch {
	case p != nil && p.role != optionsv1.Role_ROLE_FIELDS && p.values != nil:
		return func(s string) bool { _, ok := p.values()[s]; return ok }
	case p != nil && q.lists[name] != nil:
		return func(s string) bool { _, ok := q.lists[name].find(s); return ok }
	}
	kind, typ, keyed := strings.Cut(strings.TrimSuffix(name, "]"), "[")
	if find := q.fields[typ]; keyed && kind == "fields" && find != nil {
		allowed := find()
		return func(s string) bool { _, ok := allowed.find(s); return ok }
	}
	return nil
}

// types are the types of fields, of the field and of new names, sorted.
func (n newer) types(m protoreflect.Map) []string {
	out := sortedKeys(m)
	if len(n) == 0 {
		return out
	}
	for name := range n {
		if typ, ok := strings.CutPrefix(name, "fields["); ok && !slices.Contains(out, strings.TrimSuffix(typ, "]")) {
			out = append(out, strings.TrimSuffix(typ, "]"))
		}
	}
	slices.Sort(out)
	return out
}

// unknown says whether a value is UNKNOWN, which stands for a text in
// extra_query.
func (p *param) unknown(v protoreflect.Value) bool {
	return p.fd.Kind() == protoreflect.EnumKind && v.Enum() == 1
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// fewWords is up to how many right words are listed.
const fewWords = 8

// notAllowed refuses a name in include, sort or fields, and says how a new one is
// sent.
func notAllowed(field, name, param, typ string, allowed *names) error {
	words := make([]string, 0, len(allowed.set))
	for w := range allowed.set {
		words = append(words, w)
	}
	near := hint(name, words)
	if near == "" && len(words) > 0 && len(words) <= fewWords {
		slices.Sort(words)
		near = "; it takes " + strings.Join(words, ", ")
	}
	if !strings.HasPrefix(near, "; did") {
		near += "; a name newer than Apple's document goes into extra_query[" + strconv.Quote(param) + "]"
	}
	if typ != "" {
		return fault.Invalid(field, "%s has no field %q%s", typ, clip(name), near)
	}
	return fault.Invalid(field, "%q is not allowed here%s", clip(name), near)
}

// toldByExtra says whether extra of a message holds a field's value. Whether it
// may, the codec says.
func toldByExtra(msg protoreflect.Message, fd protoreflect.FieldDescriptor) bool {
	extra := msg.Descriptor().Fields().ByName("extra")
	if extra == nil || !extra.IsMap() || !msg.Has(extra) {
		return false
	}
	_, name := fieldRole(fd)
	return msg.Get(extra).Map().Has(protoreflect.ValueOfString(name).MapKey())
}
