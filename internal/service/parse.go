package service

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxParams bounds the parameters of a query.
const maxParams = 500

// ParseQuery reads a query in Apple's own syntax into a request. `limit` is the
// page size, `cursor` the page token, also under the names that the answer and
// the message give them; extra_query[NAME] sends what is not known.
func (m *Method) ParseQuery(raw string, into protoreflect.Message) error {
	seen := map[string]bool{}
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		k, v, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(k)
		if err != nil || len(seen) >= maxParams {
			return fault.New(
				fault.InvalidArgument,
				fault.ReasonInvalidRequest,
				"the query is malformed, or has more than %d parameters",
				maxParams,
			)
		}
		as := m.ownName(name)
		if seen[as] {
			return fault.Invalid(clip(name), "the parameter stands twice")
		}
		seen[as] = true
		var texts []string
		for s := range strings.SplitSeq(v, ",") {
			value, err := url.QueryUnescape(s)
			if err != nil {
				return fault.Invalid(clip(name), "the value is malformed")
			}
			texts = append(texts, splitDecoded(value)...)
		}
		if err := m.parseParam(as, texts, into); err != nil {
			return err
		}
	}
	return nil
}

// ownName is the name by which a parameter of the gateway's own is parsed, of all
// those under which callers know it.
func (m *Method) ownName(name string) string {
	switch name {
	case "pageToken", "page_token", "nextPageToken", "next_page_token":
		if m.pageToken != nil {
			return "cursor"
		}
	case "pageSize", "page_size":
		if m.pageSize != nil {
			return "limit"
		}
	}
	return name
}

// splitDecoded splits at commas that came escaped: Apple takes both.
func splitDecoded(s string) []string { return strings.Split(s, ",") }

func (m *Method) parseParam(name string, texts []string, into protoreflect.Message) error {
	kind, key, keyed := strings.Cut(strings.TrimSuffix(name, "]"), "[")
	fields := into.Descriptor().Fields()
	switch {
	case name == "limit" && m.pageSize != nil:
		n, err := strconv.ParseInt(texts[0], 10, 32)
		if err != nil || n < 1 || len(texts) > 1 {
			return fault.Invalid("limit", "want a number from 1")
		}
		into.Set(m.pageSize, protoreflect.ValueOfInt32(int32(n)))
	case name == "cursor" && m.pageToken != nil:
		into.Set(m.pageToken, protoreflect.ValueOfString(strings.Join(texts, ",")))
	case keyed && kind == "extra_query" && m.Query.extra != nil:
		m.Query.addExtra(into, key, texts)
	case keyed && kind == "fields" && m.Query.fields[key] != nil:
		var all values
		for _, s := range texts {
			all.add(s)
		}
		if err := all.check(name); err != nil {
			return err
		}
		into.Mutable(fields.ByName("fields")).Map().Set(protoreflect.ValueOfString(key).MapKey(),
			protoreflect.ValueOfMessage((&typesv1.FieldNames{Names: all.list}).ProtoReflect()))
	case keyed && kind == "limit" && m.Query.knows(name):
		n, err := strconv.ParseInt(texts[0], 10, 32)
		if err != nil {
			return fault.Invalid(name, "want a number")
		}
		into.Mutable(
			fields.ByName("limit"),
		).Map().Set(
			protoreflect.ValueOfString(key).MapKey(),
			protoreflect.ValueOfInt32(int32(n)),
		)
	default:
		p := m.Query.byName[name]
		if p == nil || p.role == optionsv1.Role_ROLE_FIELDS || p.role == optionsv1.Role_ROLE_LIMIT {
			return fault.Invalid(clip(name), "no such parameter%s", hint(name, m.Query.Names()))
		}
		return m.Query.parse(p, texts, into)
	}
	return nil
}

// addExtra adds values to a parameter of extra_query.
func (q *Query) addExtra(into protoreflect.Message, name string, texts []string) {
	values, key := into.Mutable(q.extra).Map(), protoreflect.ValueOfString(name).MapKey()
	if values.Has(key) {
		texts = append([]string{values.Get(key).String()}, texts...)
	}
	values.Set(key, protoreflect.ValueOfString(strings.Join(texts, ",")))
}

// parse reads the values of a parameter. New values of an enum go to
// extra_query.
func (q *Query) parse(p *param, texts []string, into protoreflect.Message) error {
	if !p.fd.IsList() {
		texts = []string{strings.Join(texts, ",")}
	}
	var all values
	for _, s := range texts {
		all.add(s)
	}
	if err := all.check(p.name); err != nil {
		return err
	}
	var news []string
	for _, s := range all.list {
		v, known, err := p.value(s)
		switch {
		case err != nil:
			return err
		case !known && q.extra == nil:
			return fault.Invalid(p.name, "%q is no value of it", clip(s))
		case !known:
			news = append(news, s)
		case p.fd.IsList():
			p.holder(into).Mutable(p.fd).List().Append(v)
		default:
			p.holder(into).Set(p.fd, v)
		}
	}
	if news != nil {
		q.addExtra(into, p.name, news)
	}
	return nil
}

// holder is the message that holds a parameter's field.
func (p *param) holder(into protoreflect.Message) protoreflect.Message {
	if p.outer != nil {
		return into.Mutable(p.outer).Message()
	}
	return into
}

// value reads one value; known is false for a new value of an enum.
func (p *param) value(s string) (v protoreflect.Value, known bool, err error) {
	switch p.fd.Kind() {
	case protoreflect.BoolKind:
		b, err := strconv.ParseBool(s)
		if err != nil {
			return v, false, fault.Invalid(p.name, "want true or false")
		}
		return protoreflect.ValueOfBool(b), true, nil
	case protoreflect.EnumKind:
		if n, ok := p.values()[s]; ok {
			return protoreflect.ValueOfEnum(n), true, nil
		}
		if why := Newer(s, slices.Collect(maps.Keys(p.values())), "extra_query["+p.name+"]"); why != "" {
			return v, false, fault.Invalid(p.name, "%s", why)
		}
		return v, false, nil
	}
	return protoreflect.ValueOfString(s), true, nil
}
