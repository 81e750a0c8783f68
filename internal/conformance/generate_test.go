package conformance

import (
	"strings"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"github.com/getkin/kin-openapi/openapi3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// variant is how much of what is optional a request holds. All of it at once
// would not fit into Apple's URLs.
type variant string

const (
	minimal  variant = "required only"
	narrowed variant = "every filter, sort, limit and attribute"
	widened  variant = "every include and type of fields"
)

func optionsOf(fd protoreflect.FieldDescriptor) *optionsv1.Field {
	o, _ := proto.GetExtension(fd.Options(), optionsv1.E_Field).(*optionsv1.Field)
	return o
}

// request makes a valid request of a method.
func (g *generator) request(m *service.Method, v variant) proto.Message {
	req := m.Input.New()
	fields := req.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		o := optionsOf(fd)
		if !o.GetRequired() && v == minimal || fd.Number() > 2000 {
			continue
		}
		switch o.GetRole() {
		case optionsv1.Role_ROLE_ID:
			req.Set(fd, protoreflect.ValueOfString(g.id(strings.Split(m.Template, "/")[2])))
		case optionsv1.Role_ROLE_ATTRIBUTE, optionsv1.Role_ROLE_RELATIONSHIP, optionsv1.Role_ROLE_LINKAGE:
			g.set(req, fd, v)
		case optionsv1.Role_ROLE_FILTER, optionsv1.Role_ROLE_EXISTS:
			inner := req.Mutable(fd).Message()
			for j := range inner.Descriptor().Fields().Len() {
				if f := inner.Descriptor().Fields().Get(j); v == narrowed || optionsOf(f).GetRequired() {
					g.setFilter(inner, f, m.Options.GetType(), v)
				}
			}
		case optionsv1.Role_ROLE_PARAMETER:
			g.set(req, fd, v)
		default:
			g.lists(m, req, fd, o.GetRole(), v)
		}
	}
	g.together(req, v)
	if f := fields.ByName("page_size"); f != nil && v == narrowed {
		req.Set(f, protoreflect.ValueOfInt32(m.Options.GetQuery().GetPageLimit()))
	}
	return req.Interface()
}

// together sets the first combination of each choice of what must be sent
// together.
func (g *generator) together(m protoreflect.Message, v variant) {
	choices, _ := proto.GetExtension(m.Descriptor().Options(), optionsv1.E_Choice).([]*optionsv1.Choice)
	for _, c := range choices {
		for _, name := range c.GetAnyOf()[0].GetFields() {
			if fd := m.Descriptor().Fields().ByName(protoreflect.Name(name)); !m.Has(fd) {
				g.set(m, fd, v)
			}
		}
	}
}

func (g *generator) setFilter(inner protoreflect.Message, f protoreflect.FieldDescriptor, typ string, v variant) {
	value := ""
	if g.filter != nil && f.Kind() == protoreflect.StringKind {
		name := optionsOf(f).GetName()
		if name == "" {
			name = f.JSONName()
		}
		value = g.filter(name, typ)
	}
	switch {
	case value == "":
		g.set(inner, f, v)
	case f.IsList():
		inner.Mutable(f).List().Append(protoreflect.ValueOfString(value))
	default:
		inner.Set(f, protoreflect.ValueOfString(value))
	}
}

func (g *generator) lists(m *service.Method, req protoreflect.Message, fd protoreflect.FieldDescriptor, role optionsv1.Role, v variant) {
	q := m.Options.GetQuery()
	switch {
	case role == optionsv1.Role_ROLE_INCLUDE && v == widened:
		for _, name := range q.GetInclude() {
			req.Mutable(fd).List().Append(protoreflect.ValueOfString(name))
		}
	case role == optionsv1.Role_ROLE_SORT && v == narrowed:
		for _, name := range q.GetSort() {
			req.Mutable(fd).List().Append(protoreflect.ValueOfString(name))
		}
	case role == optionsv1.Role_ROLE_LIMIT && v == narrowed:
		for _, l := range q.GetRelationLimits() {
			req.Mutable(fd).Map().Set(protoreflect.ValueOfString(l.GetName()).MapKey(), protoreflect.ValueOfInt32(l.GetMaximum()))
		}
	case role == optionsv1.Role_ROLE_FIELDS && v == widened && g.doc != nil:
		op := g.doc.Paths.Value(m.Template).GetOperation(m.Verb)
		for _, f := range q.GetFieldsets() {
			p := op.Parameters.GetByInAndName("query", "fields["+f.GetType()+"]")
			var names []string
			for i, n := range p.Schema.Value.Items.Value.Enum {
				if i < 3 {
					names = append(names, n.(string))
				}
			}
			if len(names) > 0 {
				req.Mutable(fd).Map().Set(protoreflect.ValueOfString(f.GetType()).MapKey(), protoreflect.ValueOfMessage((&typesv1.FieldNames{Names: names}).ProtoReflect()))
			}
		}
	}
}

// generator makes requests.
type generator struct {
	id  func(typ string) string // of an object to name
	doc *openapi3.T             // for the names in fields[…]; nil: none are asked for
	// filter gives a value for a filter of a list of a type; nil or "": any text.
	filter func(name, typ string) string
}

// set gives a field a valid value.
func (g *generator) set(m protoreflect.Message, fd protoreflect.FieldDescriptor, v variant) {
	o := optionsOf(fd)
	if o.GetRole() == optionsv1.Role_ROLE_RELATIONSHIP || o.GetRole() == optionsv1.Role_ROLE_LINKAGE {
		g.relate(m.Mutable(fd).Message(), o.GetType(), v)
		return
	}
	switch {
	case fd.IsMap():
		m.Mutable(fd).Map().Set(protoreflect.ValueOfString("key").MapKey(), protoreflect.ValueOfString("value"))
	case fd.IsList():
		list := m.Mutable(fd).List()
		if fd.Message() != nil {
			el := list.NewElement()
			g.fill(el.Message(), v)
			list.Append(el)
			return
		}
		list.Append(scalar(fd))
	case fd.Message() != nil && fd.Message().FullName() == "google.protobuf.Timestamp":
		m.Set(fd, protoreflect.ValueOfMessage(timestamppb.New(moment).ProtoReflect()))
	case fd.Message() != nil:
		g.fill(m.Mutable(fd).Message(), v)
	default:
		m.Set(fd, scalar(fd))
	}
}

func (g *generator) fill(m protoreflect.Message, v variant) {
	for i := range m.Descriptor().Fields().Len() {
		if fd := m.Descriptor().Fields().Get(i); fd.Number() < 2000 {
			g.set(m, fd, v)
		}
	}
}

// relate fills ToOne, ToMany or a relation that creates inline.
func (g *generator) relate(rel protoreflect.Message, typ string, v variant) {
	fields := rel.Descriptor().Fields()
	if f := fields.ByName("create"); f != nil && v == narrowed {
		object := rel.NewField(f)
		if f.IsList() {
			el := rel.Mutable(f).List().NewElement()
			g.fill(el.Message(), v)
			rel.Mutable(f).List().Append(el)
		} else {
			g.fill(object.Message(), v)
			rel.Set(f, object)
			return
		}
	}
	if f := fields.ByName("ids"); f != nil {
		rel.Mutable(f).List().Append(protoreflect.ValueOfString(g.id(typ)))
	} else {
		rel.Set(fields.ByName("id"), protoreflect.ValueOfString(g.id(typ)))
	}
}
