package service

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/jsonapi"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// Query is the plan of an operation's query: which parameter is which field.
// It writes the query of a request, and reads one in Apple's own syntax.
type Query struct {
	params []*param                 // in message order
	byName map[string]*param        // by Apple's parameter name
	lists  map[string]*names        // include, sort: the names allowed
	fields map[string]func() *names // by JSON:API type
	limits map[string]int32         // by relationship
	page   int32                    // greatest limit, 0: no pages
	extra  protoreflect.FieldDescriptor
}

// param is one parameter that is a field.
type param struct {
	name   string                       // "filter[version]"
	outer  protoreflect.FieldDescriptor // the filter or exists message, nil: none
	fd     protoreflect.FieldDescriptor
	values func() map[string]protoreflect.EnumNumber // of an enum, by Apple's spelling
	role   optionsv1.Role
}

// names are the words that a list allows, nil set: any.
type names struct {
	set   map[string]bool
	snake map[string]string
}

// fieldNames keeps what fields[type] allows by resource: most operations share
// it. The names are read when they are first asked for: resources are large.
type fieldNames struct {
	mu  sync.Mutex
	all map[string]func() *names
}

func (shared *fieldNames) compileQuery(md protoreflect.MessageDescriptor, o *optionsv1.Query) (*Query, error) {
	q := &Query{byName: map[string]*param{}, lists: map[string]*names{}, fields: map[string]func() *names{},
		limits: map[string]int32{}, page: o.GetPageLimit(), extra: md.Fields().ByName("extra_query")}
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		switch role, name := fieldRole(fd); role {
		case optionsv1.Role_ROLE_FILTER, optionsv1.Role_ROLE_EXISTS:
			for j := range fd.Message().Fields().Len() {
				inner := fd.Message().Fields().Get(j)
				_, key := fieldRole(inner)
				q.add(&param{name: name + "[" + key + "]", outer: fd, fd: inner, role: role})
			}
		case optionsv1.Role_ROLE_INCLUDE, optionsv1.Role_ROLE_SORT, optionsv1.Role_ROLE_PARAMETER,
			optionsv1.Role_ROLE_FIELDS, optionsv1.Role_ROLE_LIMIT:
			q.add(&param{name: name, fd: fd, role: role})
		}
	}
	q.lists["include"], q.lists["sort"] = newNames(o.GetInclude()), newNames(o.GetSort())
	for _, f := range o.GetFieldsets() {
		allowed, err := shared.of(f)
		if err != nil {
			return nil, err
		}
		q.fields[f.GetType()] = allowed
	}
	for _, l := range o.GetRelationLimits() {
		q.limits[l.GetName()] = l.GetMaximum()
	}
	return q, nil
}

// fieldRole is a field's role and Apple's name for it.
func fieldRole(fd protoreflect.FieldDescriptor) (optionsv1.Role, string) {
	o, _ := proto.GetExtension(fd.Options(), optionsv1.E_Field).(*optionsv1.Field)
	if o.GetName() != "" {
		return o.GetRole(), o.GetName()
	}
	return o.GetRole(), fd.JSONName()
}

func (q *Query) add(p *param) {
	if p.fd.Kind() == protoreflect.EnumKind {
		p.values = sync.OnceValue(func() map[string]protoreflect.EnumNumber { return valuesOf(p.fd.Enum()) })
	}
	q.params = append(q.params, p)
	q.byName[p.name] = p
}

// valuesOf are the values that Apple has, by its spelling.
func valuesOf(ed protoreflect.EnumDescriptor) map[string]protoreflect.EnumNumber {
	values := map[string]protoreflect.EnumNumber{}
	for i := range ed.Values().Len() {
		if v := ed.Values().Get(i); v.Number() > 1 {
			values[jsonapi.EnumValueName(v)] = v.Number()
		}
	}
	return values
}

// of finds what fields[type] allows. The names of a resource are
// those of its message, so that they are not said twice.
func (shared *fieldNames) of(f *optionsv1.Fieldset) (func() *names, error) {
	if f.GetResource() == "" {
		list := f.GetNames()
		return sync.OnceValue(func() *names {
			if len(list) == 0 {
				return &names{}
			}
			return newNames(list)
		}), nil
	}
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if n := shared.all[f.GetResource()]; n != nil {
		return n, nil
	}
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName("asc.resources.v1." + f.GetResource()))
	if err != nil {
		return nil, fmt.Errorf("fieldset %s: %w", f.GetType(), err)
	}
	md, ok := d.(protoreflect.MessageDescriptor)
	if !ok {
		return nil, fmt.Errorf("fieldset %s: %s is no message", f.GetType(), f.GetResource())
	}
	if shared.all == nil {
		shared.all = map[string]func() *names{}
	}
	shared.all[f.GetResource()] = sync.OnceValue(func() *names { return resourceNames(md) })
	return shared.all[f.GetResource()], nil
}

// resourceNames are the attributes and relationships of a resource.
func resourceNames(md protoreflect.MessageDescriptor) *names {
	var list []string
	for i := range md.Fields().Len() {
		role, name := fieldRole(md.Fields().Get(i))
		if role == optionsv1.Role_ROLE_ATTRIBUTE || role == optionsv1.Role_ROLE_RELATIONSHIP {
			list = append(list, name)
		}
	}
	return newNames(list)
}

func newNames(list []string) *names {
	n := &names{set: map[string]bool{}, snake: map[string]string{}}
	for _, s := range list {
		n.set[s] = true
		n.snake[snake(s)] = s
	}
	return n
}

// find accepts Apple's spelling and snake_case.
func (n *names) find(s string) (string, bool) {
	if n.set == nil || n.set[s] {
		return s, true
	}
	apple, ok := n.snake[s]
	return apple, ok
}

// snake writes a camelCase name as protobuf would.
func snake(s string) string {
	var b strings.Builder
	for i, r := range s {
		if r >= 'A' && r <= 'Z' {
			if i > 0 && s[i-1] != '-' {
				b.WriteByte('_')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// pair is a parameter ready to be sent.
type pair struct {
	name   string
	values []string // escaped
}

// encode lists the parameters of a request, page parameters apart.
func (q *Query) encode(m protoreflect.Message) ([]pair, error) {
	newer, err := q.newer(m)
	if err != nil {
		return nil, err
	}
	e := &queryEncoder{q: q, newer: newer}
	for _, p := range q.params {
		holder := m
		if p.outer != nil {
			holder = m.Get(p.outer).Message()
		}
		switch {
		case holder.Has(p.fd):
			err = e.param(p, holder.Get(p.fd))
		case p.role == optionsv1.Role_ROLE_FIELDS:
			err = e.fieldsets(m.Get(p.fd).Map())
		case newer[p.name] != nil:
			e.add(p.name, newer[p.name]...)
		default:
			err = e.missing(p)
		}
		if err != nil {
			return nil, err
		}
	}
	return e.out, e.extra(m)
}

type queryEncoder struct {
	q     *Query
	newer newer
	out   []pair
}

func (e *queryEncoder) missing(p *param) error {
	o, _ := proto.GetExtension(p.fd.Options(), optionsv1.E_Field).(*optionsv1.Field)
	if o.GetRequired() {
		return fault.Invalid(p.path(), "is required")
	}
	return nil
}

// path is the proto field path of a parameter.
func (p *param) path() string {
	if p.outer != nil {
		return string(p.outer.Name()) + "." + string(p.fd.Name())
	}
	return string(p.fd.Name())
}

func (e *queryEncoder) add(name string, values ...string) {
	e.out = append(e.out, pair{name, values})
}

func (e *queryEncoder) param(p *param, v protoreflect.Value) error {
	switch p.role {
	case optionsv1.Role_ROLE_FIELDS:
		return e.fieldsets(v.Map())
	case optionsv1.Role_ROLE_LIMIT:
		return e.limits(v.Map())
	}
	more := e.newer[p.name]
	if !p.fd.IsList() {
		if more != nil && p.unknown(v) {
			e.add(p.name, more...)
			return nil
		}
		if more != nil {
			return fault.Invalid("extra_query", "%q has a field of its own, which is set", clip(p.name))
		}
		s, err := p.text(v)
		e.add(p.name, s)
		return err
	}
	var all values
	list := v.List()
	for i := range list.Len() {
		if more != nil && p.unknown(list.Get(i)) {
			continue // extra_query holds its text
		}
		s, err := p.text(list.Get(i))
		if err != nil {
			return err
		}
		if allowed := e.q.lists[p.name]; allowed != nil {
			apple, ok := allowed.find(list.Get(i).String())
			if !ok {
				return notAllowed(p.path(), list.Get(i).String(), p.name, "", allowed)
			}
			s = apple
		}
		all.add(s)
	}
	for _, s := range more {
		all.add(s)
	}
	if err := all.check(p.path()); err != nil {
		return err
	}
	e.add(p.name, all.list...)
	return nil
}

// maxValueBytes bounds one value of a query.
const maxValueBytes = 1024

// text is one value, escaped.
func (p *param) text(v protoreflect.Value) (string, error) {
	switch p.fd.Kind() {
	case protoreflect.BoolKind:
		return strconv.FormatBool(v.Bool()), nil
	case protoreflect.EnumKind:
		d := p.fd.Enum().Values().ByNumber(v.Enum())
		if d == nil || v.Enum() <= 1 {
			return "", fault.Invalid(
				p.path(),
				"UNSPECIFIED, UNKNOWN without its text in extra_query[%q], or no value of the enum",
				p.name,
			)
		}
		return url.QueryEscape(jsonapi.EnumValueName(d)), nil
	}
	s := v.String()
	switch {
	case s == "":
		return "", fault.Invalid(p.path(), "a value must not be empty")
	case len(s) > maxValueBytes:
		return "", fault.Invalid(p.path(), "a value has at most %d bytes", maxValueBytes)
	case strings.ContainsRune(s, ','):
		return "", fault.Invalid(p.path(), "a value must not hold a comma: Apple would split it")
	case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "", fault.Invalid(p.path(), "a value must not hold control characters")
	}
	return url.QueryEscape(s), nil
}

func (e *queryEncoder) fieldsets(m protoreflect.Map) error {
	for _, typ := range e.newer.types(m) {
		find, param := e.q.fields[typ], "fields["+typ+"]"
		if find == nil {
			return fault.Invalid(
				"fields",
				"type %q is not allowed here%s",
				clip(typ),
				hint(typ, slices.Collect(maps.Keys(e.q.fields))),
			)
		}
		allowed := find()
		var all values
		if k := protoreflect.ValueOfString(typ).MapKey(); m.Has(k) {
			for _, name := range m.Get(k).Message().Interface().(*typesv1.FieldNames).GetNames() {
				apple, ok := allowed.find(name)
				if !ok || strings.ContainsAny(apple, ",&= ") {
					return notAllowed("fields", name, param, typ, allowed)
				}
				all.add(url.QueryEscape(apple))
			}
		}
		for _, s := range e.newer[param] {
			all.add(s)
		}
		if err := all.check("fields"); err != nil {
			return err
		}
		e.add(param, all.list...)
	}
	return nil
}

func (e *queryEncoder) limits(m protoreflect.Map) error {
	for _, rel := range sortedKeys(m) {
		most, ok := e.q.limits[rel]
		n := m.Get(protoreflect.ValueOfString(rel).MapKey()).Int()
		switch {
		case !ok:
			return fault.Invalid(
				"limit",
				"relationship %q cannot be limited here%s",
				clip(rel),
				hint(rel, slices.Collect(maps.Keys(e.q.limits))),
			)
		case n < 1 || most > 0 && n > int64(most):
			return fault.Invalid("limit", "%s must be from 1 to %d", rel, most)
		}
		e.add("limit["+rel+"]", strconv.FormatInt(n, 10))
	}
	return nil
}

// extra adds what the caller sends beyond the parameters known.
func (e *queryEncoder) extra(m protoreflect.Message) error {
	if e.q.extra == nil || !m.Has(e.q.extra) {
		return nil
	}
	values := m.Get(e.q.extra).Map()
	for _, name := range sortedKeys(values) {
		v := values.Get(protoreflect.ValueOfString(name).MapKey()).String()
		if e.newer[name] != nil {
			continue // written with the parameter's other values
		}
		if e.q.knows(name) {
			return fault.Invalid("extra_query", "%q has a field of its own", clip(name))
		}
		if name == "" || len(name) > maxValueBytes || len(v) > maxValueBytes {
			return fault.Invalid("extra_query", "names and values have 1 to %d bytes", maxValueBytes)
		}
		e.out = append(e.out, pair{name, []string{url.QueryEscape(v)}})
	}
	return nil
}

// knows says whether a parameter, by Apple's name, has a field.
func (q *Query) knows(name string) bool {
	kind, key, keyed := strings.Cut(strings.TrimSuffix(name, "]"), "[")
	switch {
	case q.byName[name] != nil, name == "cursor", name == "limit":
		return true
	case keyed && kind == "fields":
		return q.fields[key] != nil
	case keyed && kind == "limit":
		_, ok := q.limits[key]
		return ok
	}
	return false
}

// Names lists the parameters that an operation takes, sorted.
func (q *Query) Names() []string {
	var out []string
	for name, p := range q.byName {
		if p.role != optionsv1.Role_ROLE_FIELDS && p.role != optionsv1.Role_ROLE_LIMIT {
			out = append(out, name)
		}
	}
	for t := range q.fields {
		out = append(out, "fields["+t+"]")
	}
	for r := range q.limits {
		out = append(out, "limit["+r+"]")
	}
	if q.page > 0 {
		out = append(out, "limit", "cursor")
	}
	slices.Sort(out)
	return out
}

func sortedKeys(m protoreflect.Map) []string {
	out := make([]string, 0, m.Len())
	m.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool { out = append(out, k.String()); return true })
	slices.Sort(out)
	return out
}

func clip(s string) string {
	if len(s) > 100 {
		return strings.ToValidUTF8(s[:100], "") + "…"
	}
	return s
}

// joined is the query of pairs.
func joined(pairs []pair) string {
	var b strings.Builder
	for i, p := range pairs {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(p.name))
		b.WriteByte('=')
		b.WriteString(strings.Join(p.values, ","))
	}
	return b.String()
}
