package service

import (
	"fmt"
	"slices"
	"strings"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// together is the plan of what must be sent together: Apple's anyOf in the body
// of a write. It is nil for a message that asks for nothing.
type together struct {
	choices []*optionsv1.Choice
	created map[protoreflect.FieldDescriptor]*together // relationships that create inline
}

// newTogether compiles the plan of a request or of an object created inline.
// seen ends the recursion where objects nest in themselves.
func newTogether(md protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) *together {
	if seen[md.FullName()] {
		return nil
	}
	seen[md.FullName()] = true
	t := &together{created: map[protoreflect.FieldDescriptor]*together{}}
	t.choices, _ = proto.GetExtension(md.Options(), optionsv1.E_Choice).([]*optionsv1.Choice)
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if create := createField(fd); create != nil {
			if inner := newTogether(create.Message(), seen); inner != nil {
				t.created[fd] = inner
			}
		}
	}
	if len(t.choices)+len(t.created) == 0 {
		return nil
	}
	return t
}

// createField is the field of a relationship that holds objects to create, nil
// if the field is no such relationship.
func createField(fd protoreflect.FieldDescriptor) protoreflect.FieldDescriptor {
	if fd.Message() == nil || fd.IsMap() || fd.IsList() {
		return nil
	}
	create := fd.Message().Fields().ByName("create")
	if create == nil || create.Message() == nil {
		return nil
	}
	return create
}

// check says whether a message holds one whole combination of each choice. A
// message with extra is not checked by itself: its sender knows more than the
// document does.
func (t *together) check(msg protoreflect.Message, path string) error {
	if t == nil {
		return nil
	}
	extra := msg.Descriptor().Fields().ByName("extra")
	for _, c := range t.choices {
		if extra != nil && msg.Has(extra) {
			break
		}
		if field, text := unmet(msg, c); field != "" {
			return fault.Invalid(path+field, "%s", text)
		}
	}
	for fd, inner := range t.created {
		if !msg.Has(fd) {
			continue
		}
		rel, create, at := msg.Get(fd).Message(), createField(fd), path+string(fd.Name())+".create"
		if !create.IsList() {
			if rel.Has(create) {
				if err := inner.check(rel.Get(create).Message(), at+"."); err != nil {
					return err
				}
			}
			continue
		}
		list := rel.Get(create).List()
		for i := range list.Len() {
			if err := inner.check(list.Get(i).Message(), fmt.Sprintf("%s[%d].", at, i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// unmet names the first field that is missing from the combination that is
// nearest to whole, "" if one is whole.
func unmet(msg protoreflect.Message, c *optionsv1.Choice) (field, text string) {
	least, all := 1<<30, []string{}
	for _, combination := range c.GetAnyOf() {
		missing := slices.DeleteFunc(slices.Clone(combination.GetFields()), func(name string) bool {
			return given(msg, name)
		})
		if len(missing) == 0 {
			return "", ""
		}
		if len(missing) < least {
			least, field = len(missing), missing[0]
		}
		all = append(all, strings.Join(combination.GetFields(), " + "))
	}
	return field, "is required: one of these must be sent together: " + strings.Join(all, "; ")
}

// given says whether a write says something of a field: a value, or by clear
// that it is null.
func given(msg protoreflect.Message, name string) bool {
	fields := msg.Descriptor().Fields()
	fd := fields.ByName(protoreflect.Name(name))
	if fd == nil || msg.Has(fd) {
		return fd != nil
	}
	if clearing := fields.ByName("clear"); clearing != nil {
		list := msg.Get(clearing).List()
		for i := range list.Len() {
			if s := list.Get(i).String(); s == name || s == fd.JSONName() {
				return true
			}
		}
	}
	return false
}
