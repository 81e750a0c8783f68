package restrict

import (
	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// answer is what can be learned from a response message: the fields that hold
// ids of types that no walk leads up from.
type answer struct {
	data, included []*resourceField
	linkage        protoreflect.FieldDescriptor
	linkageType    string
}

// resourceField is a field that holds resources, and what to learn from them.
type resourceField struct {
	fd        protoreflect.FieldDescriptor
	typ       string // to learn; "" if the type needs no learning
	id        protoreflect.FieldDescriptor
	app       protoreflect.FieldDescriptor // the relationship to the app, nil if there is none
	relations []relationField              // to learn
}

// answerOf makes the plan of a response message, nil if nothing can be learned
// from it.
func (g *graph) answerOf(md protoreflect.MessageDescriptor) *answer {
	a := &answer{}
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		switch o := fieldOptions(fd); o.GetRole() {
		case optionsv1.Role_ROLE_DATA:
			if f := g.resourceField(fd); f != nil {
				a.data = append(a.data, f)
			}
		case optionsv1.Role_ROLE_INCLUDED:
			for j := range fd.Message().Fields().Len() {
				if f := g.resourceField(fd.Message().Fields().Get(j)); f != nil {
					a.included = append(a.included, f)
				}
			}
		case optionsv1.Role_ROLE_LINKAGE:
			if g.learns(o.GetType()) {
				a.linkage, a.linkageType = fd, o.GetType()
			}
		}
	}
	return a
}

// learns says whether the app of a type's resources must be remembered.
func (g *graph) learns(typ string) bool {
	return classes[typ].class == owned && !g.walks(typ)
}

// resourceField plans a field, nil if it holds no app's resources.
func (g *graph) resourceField(fd protoreflect.FieldDescriptor) *resourceField {
	typ := ""
	if fd.Message() != nil && !fd.IsMap() {
		typ = resourceType(fd.Message())
	}
	if typ == "" || classes[typ].class != owned {
		return nil
	}
	f := &resourceField{fd: fd, id: fd.Message().Fields().ByName("id")}
	if g.learns(typ) {
		f.typ = typ
	}
	for i := range fd.Message().Fields().Len() {
		r := fd.Message().Fields().Get(i)
		o := fieldOptions(r)
		if o.GetRole() != optionsv1.Role_ROLE_RELATIONSHIP {
			continue
		}
		if o.GetType() == "apps" && appleName(r) == "app" {
			f.app = r
		}
		if g.learns(o.GetType()) && g.crosses(typ, appleName(r)) == "" {
			f.relations = append(f.relations, relationField{fd: r, typ: o.GetType()})
		}
	}
	return f
}

// learn calls found for every id in an answer whose app must be remembered. app
// is whose the whole answer is, "" if only some resources tell it themselves.
func (a *answer) learn(res proto.Message, app string, found func(typ, id, app string)) {
	msg := res.ProtoReflect()
	for _, f := range a.data {
		f.each(msg, func(r protoreflect.Message) { f.learn(r, app, found) })
	}
	if app == "" {
		return // what is included could be anyone's
	}
	if a.linkage != nil && msg.Has(a.linkage) {
		for _, ref := range linked(relationField{fd: a.linkage, typ: a.linkageType}, msg) {
			found(ref.typ, ref.id, app)
		}
	}
	for i := range msg.Descriptor().Fields().Len() {
		fd := msg.Descriptor().Fields().Get(i)
		if fieldOptions(fd).GetRole() != optionsv1.Role_ROLE_INCLUDED || !msg.Has(fd) {
			continue
		}
		for _, f := range a.included {
			f.each(msg.Get(fd).Message(), func(r protoreflect.Message) { f.learn(r, app, found) })
		}
	}
}

func (f *resourceField) each(msg protoreflect.Message, do func(protoreflect.Message)) {
	if !f.fd.IsList() {
		if msg.Has(f.fd) {
			do(msg.Get(f.fd).Message())
		}
		return
	}
	list := msg.Get(f.fd).List()
	for i := range list.Len() {
		do(list.Get(i).Message())
	}
}

func (f *resourceField) learn(r protoreflect.Message, app string, found func(typ, id, app string)) {
	if f.app != nil && r.Has(f.app) {
		one := r.Get(f.app).Message()
		if id := one.Get(one.Descriptor().Fields().ByName("id")).String(); id != "" {
			app = id // what it says itself is truer than where it was found
		}
	}
	if app == "" {
		return
	}
	if f.typ != "" {
		found(f.typ, r.Get(f.id).String(), app)
	}
	for _, rel := range f.relations {
		if r.Has(rel.fd) {
			for _, ref := range linked(rel, r) {
				found(ref.typ, ref.id, app)
			}
		}
	}
}

// linked are the ids that a relationship of an answer holds.
func linked(r relationField, msg protoreflect.Message) []reference {
	m := message{relations: []relationField{r}}
	return m.references(msg, "")
}
