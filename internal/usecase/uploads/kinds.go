package uploads

import (
	"fmt"
	"strings"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// kind is a resource that has a file, as the descriptors tell.
type kind struct {
	fact
	schema, typ string // Apple's names: AppScreenshot, appScreenshots
	target      protoreflect.FieldDescriptor
	uploaded    protoreflect.FieldDescriptor
	create      *method
	get         *method
	update      *method
	remove      *method            // nil: there is none
	siblings    map[string]*method // reads all files of an owner, by the relationship that names it
}

// method is an RPC of the ground floor.
type method struct {
	name    string // full, with its leading slash
	in, out protoreflect.MessageType
	data    protoreflect.FieldDescriptor // of the answer: the resource, or the list of them; nil: none
}

// kinds are all of them.
type kinds struct {
	byTarget map[protoreflect.FieldNumber]*kind
	bySchema map[string]*kind
	list     []*kind // in the order of the fields of [uploadsv1.Target]
	build    *kind   // buildUploadFiles
}

// findKinds finds the kinds that a [uploadsv1.Target] can name, and their methods.
func findKinds() (*kinds, error) {
	all := &kinds{byTarget: map[protoreflect.FieldNumber]*kind{}, bySchema: map[string]*kind{}}
	target := (&uploadsv1.Target{}).ProtoReflect().Descriptor().Oneofs().ByName("what").Fields()
	uploaded := (&uploadsv1.Uploaded{}).ProtoReflect().Descriptor().Fields()
	for i := range target.Len() {
		fd := target.Get(i)
		if fd.Message().FullName() == "ascgateway.uploads.v1.BuildTarget" {
			continue
		}
		k := &kind{target: fd, uploaded: uploaded.ByName(fd.Name()), siblings: map[string]*method{}}
		r, _ := proto.GetExtension(k.uploaded.Message().Options(), optionsv1.E_Resource).(*optionsv1.Resource)
		k.schema, k.typ = r.GetSchema(), r.GetType()
		f, ok := facts[k.schema]
		if !ok {
			return nil, fmt.Errorf("uploads: nothing is known of %s", k.schema)
		}
		k.fact = f
		all.byTarget[fd.Number()], all.bySchema[k.schema] = k, k
		all.list = append(all.list, k)
	}
	all.build = all.bySchema["BuildUploadFile"]
	if err := all.findMethods(); err != nil {
		return nil, err
	}
	for _, k := range all.list {
		if k.create == nil || k.get == nil || k.update == nil || (k.remove == nil) != k.kept {
			return nil, fmt.Errorf("uploads: %s has not the methods that are known of it", k.schema)
		}
	}
	return all, nil
}

// findMethods looks through all of Apple's operations.
func (all *kinds) findMethods() (err error) {
	protoregistry.GlobalFiles.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		if !strings.HasPrefix(string(fd.Package()), "asc.") {
			return true
		}
		for i := range fd.Services().Len() {
			methods := fd.Services().Get(i).Methods()
			for j := range methods.Len() {
				if err = all.method(methods.Get(j)); err != nil {
					return false
				}
			}
		}
		return true
	})
	return err
}

// method notes an operation with the kind that it is about.
func (all *kinds) method(md protoreflect.MethodDescriptor) error {
	o, _ := proto.GetExtension(md.Options(), optionsv1.E_Method).(*optionsv1.Method)
	shape := o.GetShape()
	data := dataOf(md.Output())
	var k *kind
	switch {
	case shape == optionsv1.Shape_SHAPE_DELETE_INSTANCE: // its answer is empty: its name tells
		k = all.bySchema[strings.TrimPrefix(string(md.Name()), "Delete")]
	case data != nil:
		k = all.bySchema[string(data.Message().Name())]
	}
	if k == nil {
		return nil
	}
	m, err := methodOf(md, data)
	if err != nil {
		return err
	}
	switch shape {
	case optionsv1.Shape_SHAPE_CREATE_INSTANCE:
		k.create = m
	case optionsv1.Shape_SHAPE_GET_INSTANCE:
		k.get = m
	case optionsv1.Shape_SHAPE_UPDATE_INSTANCE:
		k.update = m
	case optionsv1.Shape_SHAPE_DELETE_INSTANCE:
		k.remove = m
	case optionsv1.Shape_SHAPE_GET_TO_MANY_RELATED, optionsv1.Shape_SHAPE_GET_TO_ONE_RELATED:
		k.sibling(md, m)
	}
	return nil
}

// sibling notes a read of all files of an owner. One that lists several goes
// before one that shows a single one.
func (k *kind) sibling(md protoreflect.MethodDescriptor, m *method) {
	rule, _ := proto.GetExtension(md.Options(), annotations.E_Http).(*annotations.HttpRule)
	parts := strings.Split(rule.GetGet(), "/") // "", v1, owner's type, {id}, relationship
	if len(parts) != 5 {
		return
	}
	fields := k.target.Message().Fields()
	for i := range fields.Len() {
		o, _ := proto.GetExtension(fields.Get(i).Options(), optionsv1.E_Field).(*optionsv1.Field)
		name := string(fields.Get(i).Name())
		if o.GetRole() != optionsv1.Role_ROLE_RELATIONSHIP || o.GetType() != parts[2] || fields.Get(i).IsList() {
			continue
		}
		if old := k.siblings[name]; old == nil || m.data.IsList() {
			k.siblings[name] = m
		}
	}
}

// dataOf is the field of an answer that holds its resources, nil if none does.
func dataOf(md protoreflect.MessageDescriptor) protoreflect.FieldDescriptor {
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		o, _ := proto.GetExtension(fd.Options(), optionsv1.E_Field).(*optionsv1.Field)
		if o.GetRole() == optionsv1.Role_ROLE_DATA && fd.Message() != nil {
			return fd
		}
	}
	return nil
}

func methodOf(md protoreflect.MethodDescriptor, data protoreflect.FieldDescriptor) (*method, error) {
	in, err := protoregistry.GlobalTypes.FindMessageByName(md.Input().FullName())
	if err != nil {
		return nil, err
	}
	out, err := protoregistry.GlobalTypes.FindMessageByName(md.Output().FullName())
	if err != nil {
		return nil, err
	}
	return &method{name: "/" + string(md.Parent().FullName()) + "/" + string(md.Name()), in: in, out: out, data: data}, nil
}

// owner is the relationship by which a create request names what its file belongs
// to, and the id; empty where it names none.
func (k *kind) owner(create protoreflect.Message) (relation, id string) {
	for name := range k.siblings {
		if one := create.Get(create.Descriptor().Fields().ByName(protoreflect.Name(name))).Message(); one.IsValid() {
			if id := text(one, "id"); id != "" {
				return name, id
			}
		}
	}
	return "", ""
}

// text is a field of text, "" if there is no such field.
func text(m protoreflect.Message, name protoreflect.Name) string {
	fd := m.Descriptor().Fields().ByName(name)
	if fd == nil || fd.Kind() != protoreflect.StringKind || fd.IsList() {
		return ""
	}
	return m.Get(fd).String()
}

// number is a field of a whole number, 0 if there is no such field.
func number(m protoreflect.Message, name protoreflect.Name) int64 {
	fd := m.Descriptor().Fields().ByName(name)
	if fd == nil || fd.Kind() != protoreflect.Int64Kind || fd.IsList() {
		return 0
	}
	return m.Get(fd).Int()
}

// set sets a field, if there is such a one.
func set(m protoreflect.Message, name protoreflect.Name, v any) {
	if fd := m.Descriptor().Fields().ByName(name); fd != nil {
		m.Set(fd, protoreflect.ValueOf(v))
	}
}
