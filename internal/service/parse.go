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
// page size, `cursor` the page token; extra_query[NAME] sends what is not known.
func (m *Method) ParseQuery(raw string, into protoreflect.Message) error {
	seen := map[string]bool{}
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		k, v, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(k)
		if err != nil || len(seen) >= maxParams {
			return fault.New(fault.InvalidArgument, fault.ReasonInvalidRequest, "the query is malformed, or has more than %d parameters", maxParams)
		}
		if seen[name] {
			return fault.Invalid(clip(name), "the parameter stands twice")
		}
		seen[name] = true
		var texts []string
		for s := range strings.SplitSeq(v, ",") {
			value, err := url.QueryUnescape(s)
			if err != nil {
				return fault.Invalid(clip(name), "the value is malformed")
			}
			texts = append(texts, splitDecoded(value)...)
		}
		if err := m.parseParam(name, texts, into); err != nil {
			return err
		}
	}
	return nil
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
		into.Mutable(m.Query.extra).Map().Set(protoreflect.ValueOfString(key).MapKey(), protoreflect.ValueOfString(strings.Join(texts, ",")))
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
		into.Mutable(fields.ByName("limit")).Map().Set(protoreflect.ValueOfString(key).MapKey(), protoreflect.ValueOfInt32(int32(n)))
	default:
		p := m.Query.byName[name]
		if p == nil || p.role == optionsv1.Role_ROLE_FIELDS || p.role == optionsv1.Role_ROLE_LIMIT {
			return fault.Invalid(clip(name), "no such parameter%s", hint(name, m.Query.Names()))
		}
		return p.parse(texts, into)
	}
	return nil
}

func (p *param) parse(texts []string, into protoreflect.Message) error {
	if p.outer != nil {
		into = into.Mutable(p.outer).Message()
	}
	if !p.fd.IsList() {
		v, err := p.value(strings.Join(texts, ","))
		if err == nil {
			into.Set(p.fd, v)
		}
		return err
	}
	var all values
	for _, s := range texts {
		all.add(s)
	}
	if err := all.check(p.name); err != nil {
		return err
	}
	list := into.Mutable(p.fd).List()
	for _, s := range all.list {
		v, err := p.value(s)
		if err != nil {
			return err
		}
		list.Append(v)
	}
	return nil
}

func (p *param) value(s string) (protoreflect.Value, error) {
	switch p.fd.Kind() {
	case protoreflect.BoolKind:
		b, err := strconv.ParseBool(s)
		if err != nil {
			return protoreflect.Value{}, fault.Invalid(p.name, "want true or false")
		}
		return protoreflect.ValueOfBool(b), nil
	case protoreflect.EnumKind:
		n, ok := p.values()[s]
		if !ok {
			return protoreflect.Value{}, fault.Invalid(p.name, "%q is no value of it%s", clip(s), hint(s, slices.Collect(maps.Keys(p.values()))))
		}
		return protoreflect.ValueOfEnum(n), nil
	}
	return protoreflect.ValueOfString(s), nil
}

// hint says which of the right words comes nearest.
func hint(wrong string, right []string) string {
	if len(right) == 0 || len(wrong) > 100 {
		return ""
	}
	slices.Sort(right)
	best, least := "", 1<<30
	for _, r := range right {
		if d := distance(strings.ToLower(wrong), strings.ToLower(r)); d < least {
			best, least = r, d
		}
	}
	return "; did you mean " + best + "?"
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
