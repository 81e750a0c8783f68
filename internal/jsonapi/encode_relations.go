package jsonapi

import (
	"strconv"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// relationship writes a member of relationships: its data, and what extra holds
// beside it.
func (e *encoder) relationship(b []byte, f *fieldPlan, m protoreflect.Message, clear map[*fieldPlan]bool) []byte {
	var in []byte
	switch {
	case clear[f] && f.kind == kindToMany:
		in = append(key(in, "data"), "[]"...)
	case clear[f]:
		in = append(key(in, "data"), "null"...)
	case m.Has(f.fd):
		in = e.linkage(key(in, "data"), f, m.Get(f.fd).Message())
	default:
		if raw, ok := e.misfitRelationship(f, m); ok {
			return append(key(b, f.name), raw...)
		}
		if f.required {
			e.violate(string(f.fd.Name()), "is required")
		}
	}
	if in = e.extra.appendMembers(in); len(in) == 0 {
		return b
	}
	return append(append(append(key(b, f.name), '{'), in...), '}')
}

// linkageData writes the primary data of a relationship request.
func (e *encoder) linkageData(b []byte, f *fieldPlan, m protoreflect.Message) []byte {
	if !m.Has(f.fd) {
		e.violate(string(f.fd.Name()), "is required: an empty message means none")
		return b
	}
	return e.linkage(b, f, m.Get(f.fd).Message())
}

// linkage writes ToOne or ToMany as resource identifiers, with what is to be
// created inline put into included.
func (e *encoder) linkage(b []byte, f *fieldPlan, rel protoreflect.Message) []byte {
	e.path = append(e.path, step{name: string(f.fd.Name()), apple: f.name, index: -1})
	defer func() { e.path = e.path[:len(e.path)-1] }()
	fields := rel.Descriptor().Fields()
	create := fields.ByName("create")
	if f.kind == kindToOne {
		idField := fields.ByName("id")
		switch {
		case rel.Has(idField):
			return e.identifier(b, f.target, rel.Get(idField).String(), step{name: "id", index: -1})
		case create != nil && rel.Has(create):
			at := step{name: "create", index: -1}
			return e.identifier(b, f.target, e.create(f, rel.Get(create).Message(), at), at)
		}
		return append(b, "null"...)
	}
	b = append(b, '[')
	first := true
	next := func() {
		if !first {
			b = append(b, ',')
		}
		first = false
	}
	ids := rel.Get(fields.ByName("ids")).List()
	for i := range ids.Len() {
		next()
		b = e.identifier(b, f.target, ids.Get(i).String(), step{name: "ids", index: i})
	}
	if create != nil {
		objects := rel.Get(create).List()
		for i := range objects.Len() {
			next()
			at := step{name: "create", index: i}
			b = e.identifier(b, f.target, e.create(f, objects.Get(i).Message(), at), at)
		}
	}
	return append(b, ']')
}

func (e *encoder) identifier(b []byte, typ, id string, at step) []byte {
	if err := CheckID(id); err != "" {
		e.path = append(e.path, at)
		e.wrong("%s", err)
		e.path = e.path[:len(e.path)-1]
	}
	b = append(b, `{"type":`...)
	b = appendString(b, typ)
	b = append(b, `,"id":`...)
	return append(appendString(b, id), '}')
}

// created is an object that a request creates inline.
type created struct {
	localID string
	path    string // proto field path
	plan    *messagePlan
	msg     protoreflect.Message
}

// create writes an object to be created inline into included, and returns its
// local id.
func (e *encoder) create(f *fieldPlan, m protoreflect.Message, at step) (localID string) {
	e.path = append(e.path, at)
	x := e.extra
	defer func() { e.path, e.extra = e.path[:len(e.path)-1], x }()
	slot := len(e.included)
	if slot >= maxInline {
		e.wrong("more than %d objects to create", maxInline)
		return "${none}"
	}
	localID = "${" + f.target + "-" + strconv.Itoa(slot+1) + "}"
	if e.note != nil {
		e.note(created{localID, fieldPath(e.path), f.message, m})
	}
	e.included = append(e.included, nil) // children come after their parent
	e.path[len(e.path)-1].object = true
	e.included[slot] = e.resource(nil, f.message, m, f.target, localID)
	return localID
}
