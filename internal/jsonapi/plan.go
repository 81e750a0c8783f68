// Package jsonapi is the codec between JSON:API documents and the messages
// generated from Apple's document. Descriptors in, bytes out: it knows the
// options of asc.options.v1, but no HTTP, no Apple, no request in particular.
//
// What it reads is never lost: attributes, enum values and included types that
// the messages have no place for are kept as JSON text in `extra`. It must
// never fail on something new, and never trust the size or depth of anything.
//
// A plan is compiled once a message descriptor; reading and writing then walk
// plan and bytes together, with nothing built in between.
package jsonapi

import (
	"fmt"
	"sync"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Codec compiles plans and keeps them. It is safe for concurrent use; the zero
// value is ready.
type Codec struct {
	plans sync.Map // protoreflect.FullName → *messagePlan
	mu    sync.Mutex
}

// messagePlan is what is known of one message.
type messagePlan struct {
	md     protoreflect.MessageDescriptor
	typ    string // JSON:API type of a resource
	fields []*fieldPlan
	byName map[string]*fieldPlan // by Apple's name; relationships apart
	rels   map[string]*fieldPlan
	extra  protoreflect.FieldDescriptor // nil: none
	clear  protoreflect.FieldDescriptor
}

// fieldPlan is what is known of one field.
type fieldPlan struct {
	fd       protoreflect.FieldDescriptor
	name     string // Apple's
	kind     kind
	role     optionsv1.Role
	target   string // JSON:API type of what a relationship points to
	nullable bool
	required bool
	date     bool         // a Timestamp that stands for a date
	message  *messagePlan // of message kinds
	enum     *enumPlan
}

// kind is how a value is read and written.
type kind uint8

const (
	kindString kind = iota
	kindBool
	kindInt32
	kindInt64
	kindDouble
	kindEnum
	kindTime
	kindValue  // google.protobuf.Value: any JSON
	kindObject // a value object
	kindList   // an array inside an array, wrapped in a message
	kindMap    // an object of strings
	kindToOne  // a relationship
	kindToMany
	kindOther // not part of a document
)

type enumPlan struct {
	byName   map[string]protoreflect.EnumNumber
	byNumber map[protoreflect.EnumNumber]string
}

const (
	unspecified protoreflect.EnumNumber = 0
	unknown     protoreflect.EnumNumber = 1
)

// plan compiles a message, or finds it compiled.
func (c *Codec) plan(md protoreflect.MessageDescriptor) *messagePlan {
	if p, ok := c.plans.Load(md.FullName()); ok {
		return p.(*messagePlan)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	building := map[protoreflect.FullName]*messagePlan{}
	p := c.compile(md, building)
	for name, done := range building {
		c.plans.Store(name, done)
	}
	return p
}

// compile puts the plan into building before filling it: messages may be
// recursive.
func (c *Codec) compile(
	md protoreflect.MessageDescriptor,
	building map[protoreflect.FullName]*messagePlan,
) *messagePlan {
	if p, ok := c.plans.Load(md.FullName()); ok {
		return p.(*messagePlan)
	}
	if p := building[md.FullName()]; p != nil {
		return p
	}
	p := &messagePlan{md: md, byName: map[string]*fieldPlan{}, rels: map[string]*fieldPlan{}}
	building[md.FullName()] = p
	if r, ok := proto.GetExtension(md.Options(), optionsv1.E_Resource).(*optionsv1.Resource); ok && r != nil {
		p.typ = r.GetType()
	}
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		switch {
		case fd.Name() == "extra" && fd.IsMap():
			p.extra = fd
		case fd.Name() == "clear" && fd.Number() > ownFieldsFrom:
			p.clear = fd
		case fd.Number() < ownFieldsFrom:
			f := c.compileField(fd, building)
			p.fields = append(p.fields, f)
			if f.role == optionsv1.Role_ROLE_RELATIONSHIP {
				p.rels[f.name] = f
			} else {
				p.byName[f.name] = f
			}
		}
	}
	return p
}

// ownFieldsFrom is where the numbers of the gateway's own fields begin.
const ownFieldsFrom = 2000

func (c *Codec) compileField(
	fd protoreflect.FieldDescriptor,
	building map[protoreflect.FullName]*messagePlan,
) *fieldPlan {
	o, _ := proto.GetExtension(fd.Options(), optionsv1.E_Field).(*optionsv1.Field)
	f := &fieldPlan{
		fd:       fd,
		name:     fd.JSONName(),
		role:     o.GetRole(),
		target:   o.GetType(),
		nullable: o.GetNullable(),
		required: o.GetRequired(),
	}
	if o.GetName() != "" {
		f.name = o.GetName()
	}
	f.kind = kindOf(fd, o)
	f.date = f.kind == kindTime && o.GetFormat() == optionsv1.Format_FORMAT_DATE
	switch f.kind {
	case kindEnum:
		f.enum = compileEnum(fd.Enum())
	case kindObject, kindList:
		f.message = c.compile(fd.Message(), building)
	case kindToOne, kindToMany:
		if create := fd.Message().Fields().ByName("create"); create != nil {
			f.message = c.compile(create.Message(), building)
		}
	}
	return f
}

func kindOf(fd protoreflect.FieldDescriptor, o *optionsv1.Field) kind {
	if fd.IsMap() {
		if fd.MapValue().Kind() == protoreflect.StringKind {
			return kindMap
		}
		return kindOther
	}
	switch fd.Kind() {
	case protoreflect.StringKind:
		return kindString
	case protoreflect.BoolKind:
		return kindBool
	case protoreflect.Int32Kind:
		return kindInt32
	case protoreflect.Int64Kind:
		return kindInt64
	case protoreflect.DoubleKind:
		return kindDouble
	case protoreflect.EnumKind:
		return kindEnum
	case protoreflect.MessageKind:
		return messageKind(fd, o)
	}
	panic(fmt.Sprintf("jsonapi: %s has a kind that the generator never emits", fd.FullName()))
}

func messageKind(fd protoreflect.FieldDescriptor, o *optionsv1.Field) kind {
	switch fd.Message().FullName() {
	case "google.protobuf.Timestamp":
		return kindTime
	case "google.protobuf.Value":
		return kindValue
	}
	if r := o.GetRole(); r == optionsv1.Role_ROLE_RELATIONSHIP || r == optionsv1.Role_ROLE_LINKAGE {
		if fd.Message().Fields().ByName("ids") != nil {
			return kindToMany
		}
		return kindToOne
	}
	if o.GetArray() {
		return kindList
	}
	return kindObject
}

func compileEnum(ed protoreflect.EnumDescriptor) *enumPlan {
	p := &enumPlan{byName: map[string]protoreflect.EnumNumber{}, byNumber: map[protoreflect.EnumNumber]string{}}
	for i := range ed.Values().Len() {
		v := ed.Values().Get(i)
		if v.Number() == unspecified {
			continue
		}
		name := EnumValueName(v)
		p.byName[name] = v.Number()
		p.byNumber[v.Number()] = name
	}
	return p
}

// EnumValueName is how Apple spells an enum value.
func EnumValueName(v protoreflect.EnumValueDescriptor) string {
	if o, ok := proto.GetExtension(v.Options(), optionsv1.E_Value).(*optionsv1.EnumValue); ok && o.GetName() != "" {
		return o.GetName()
	}
	return string(v.Name())
}
