package restrict

import (
	"fmt"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// message is what a request message, or one nested in it, can name.
type message struct {
	relations []relationField
	filter    protoreflect.FieldDescriptor
	filters   []filterField
	include   protoreflect.FieldDescriptor
	unknown   []protoreflect.FieldDescriptor // extra and extra_query
	id        protoreflect.FieldDescriptor
}

type relationField struct {
	fd       protoreflect.FieldDescriptor
	typ      string
	required bool
	children *message // of what is created inline; nil if nothing can be
}

type filterField struct {
	fd   protoreflect.FieldDescriptor
	name string
}

// messages are the plans made so far; a message may hold itself.
type messages map[protoreflect.FullName]*message

func (all messages) of(md protoreflect.MessageDescriptor) *message {
	if m := all[md.FullName()]; m != nil {
		return m
	}
	m := &message{}
	all[md.FullName()] = m
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		switch name := fd.Name(); {
		case name == "extra" || name == "extra_query":
			m.unknown = append(m.unknown, fd)
			continue
		}
		switch o := fieldOptions(fd); o.GetRole() {
		case optionsv1.Role_ROLE_ID:
			m.id = fd
		case optionsv1.Role_ROLE_INCLUDE:
			m.include = fd
		case optionsv1.Role_ROLE_RELATIONSHIP, optionsv1.Role_ROLE_LINKAGE:
			r := relationField{fd: fd, typ: o.GetType(), required: o.GetRequired()}
			if create := fd.Message(); create != nil {
				if c := create.Fields().ByName("create"); c != nil {
					r.children = all.of(c.Message())
				}
			}
			m.relations = append(m.relations, r)
		case optionsv1.Role_ROLE_FILTER:
			if fd.Kind() != protoreflect.MessageKind {
				continue
			}
			m.filter = fd
			for j := range fd.Message().Fields().Len() {
				f := fd.Message().Fields().Get(j)
				m.filters = append(m.filters, filterField{f, appleName(f)})
			}
		}
	}
	return m
}

// reference is an id that a request names.
type reference struct {
	typ, id string
	field   string // proto field path
}

// references are the ids in the relationships of a request's body.
func (m *message) references(msg protoreflect.Message, prefix string) (refs []reference) {
	for _, r := range m.relations {
		if !msg.Has(r.fd) {
			continue
		}
		path := prefix + string(r.fd.Name())
		if r.fd.IsList() && r.fd.Kind() == protoreflect.StringKind {
			refs = appendIDs(refs, r.typ, path, msg.Get(r.fd).List())
			continue
		}
		if r.fd.Kind() == protoreflect.StringKind {
			refs = append(refs, reference{r.typ, msg.Get(r.fd).String(), path})
			continue
		}
		value := msg.Get(r.fd).Message()
		fields := value.Descriptor().Fields()
		if fd := fields.ByName("id"); fd != nil && value.Has(fd) {
			refs = append(refs, reference{r.typ, value.Get(fd).String(), path + ".id"})
		}
		if fd := fields.ByName("ids"); fd != nil {
			refs = appendIDs(refs, r.typ, path+".ids", value.Get(fd).List())
		}
		if fd := fields.ByName("create"); fd != nil && r.children != nil {
			refs = append(refs, r.children.created(value, fd, path)...)
		}
	}
	return refs
}

// created are the references of what a relationship creates inline: one object
// or several.
func (m *message) created(value protoreflect.Message, fd protoreflect.FieldDescriptor, path string) (refs []reference) {
	if !fd.IsList() {
		if value.Has(fd) {
			refs = m.references(value.Get(fd).Message(), path+".create.")
		}
		return refs
	}
	list := value.Get(fd).List()
	for i := range list.Len() {
		refs = append(refs, m.references(list.Get(i).Message(), fmt.Sprintf("%s.create[%d].", path, i))...)
	}
	return refs
}

func appendIDs(refs []reference, typ, path string, list protoreflect.List) []reference {
	for i := range list.Len() {
		refs = append(refs, reference{typ, list.Get(i).String(), fmt.Sprintf("%s[%d]", path, i)})
	}
	return refs
}

// beyond names a field with which a request says what the descriptors do not
// know, "" if it has none.
func (m *message) beyond(msg protoreflect.Message) string {
	for _, fd := range m.unknown {
		if msg.Has(fd) {
			return string(fd.Name())
		}
	}
	for _, r := range m.relations {
		if r.children == nil || !msg.Has(r.fd) {
			continue
		}
		value := msg.Get(r.fd).Message()
		fd := value.Descriptor().Fields().ByName("create")
		if !fd.IsList() {
			if value.Has(fd) {
				if what := r.children.beyond(value.Get(fd).Message()); what != "" {
					return string(r.fd.Name()) + ".create." + what
				}
			}
			continue
		}
		for i := range value.Get(fd).List().Len() {
			if what := r.children.beyond(value.Get(fd).List().Get(i).Message()); what != "" {
				return fmt.Sprintf("%s.create[%d].%s", r.fd.Name(), i, what)
			}
		}
	}
	return ""
}

// noField stands in for a field without options.
var noField = &optionsv1.Field{}

func fieldOptions(fd protoreflect.FieldDescriptor) *optionsv1.Field {
	if o, _ := proto.GetExtension(fd.Options(), optionsv1.E_Field).(*optionsv1.Field); o != nil {
		return o
	}
	return noField
}

// appleName is Apple's name of a field.
func appleName(fd protoreflect.FieldDescriptor) string {
	if n := fieldOptions(fd).GetName(); n != "" {
		return n
	}
	return fd.JSONName()
}

// resourceType is the JSON:API type that a message stands for, "" if none.
func resourceType(md protoreflect.MessageDescriptor) string {
	if md == nil {
		return ""
	}
	o, _ := proto.GetExtension(md.Options(), optionsv1.E_Resource).(*optionsv1.Resource)
	return o.GetType()
}

// relationType is the type that a resource's relationship points to, "" if it
// has none of this name.
func relationType(md protoreflect.MessageDescriptor, name string) string {
	if md == nil {
		return ""
	}
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if o := fieldOptions(fd); o.GetRole() == optionsv1.Role_ROLE_RELATIONSHIP && appleName(fd) == name {
			return o.GetType()
		}
	}
	return ""
}
