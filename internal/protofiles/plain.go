package protofiles

import (
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Plain gives the files and what they import without the options of some packages,
// such as "asc.options.v1": those are for the program itself, and some parsers of
// .proto files, such as protobufjs', stumble over lists of messages in options.
func Plain(packages []string, files ...protoreflect.FileDescriptor) ([]protoreflect.FileDescriptor, error) {
	set, seen := &descriptorpb.FileDescriptorSet{}, map[string]bool{}
	dropped := map[string]bool{} // files that hold nothing but such options
	var walk func(fd protoreflect.FileDescriptor)
	walk = func(fd protoreflect.FileDescriptor) {
		if seen[fd.Path()] {
			return
		}
		seen[fd.Path()] = true
		if slices.Contains(packages, string(fd.Package())) {
			dropped[fd.Path()] = true
			return
		}
		imports := fd.Imports()
		for i := range imports.Len() {
			walk(imports.Get(i).FileDescriptor)
		}
		p := protodesc.ToFileDescriptorProto(fd)
		p.Dependency = slices.DeleteFunc(p.GetDependency(), func(name string) bool { return dropped[name] })
		strip(p.ProtoReflect(), packages)
		set.File = append(set.File, p)
	}
	for _, fd := range files {
		walk(fd)
	}
	registry, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, err
	}
	var out []protoreflect.FileDescriptor
	for _, fd := range files {
		if plain, err := registry.FindFileByPath(fd.Path()); err == nil {
			out = append(out, plain)
		}
	}
	return out, nil
}

// strip clears extensions of some packages, in all options below.
func strip(m protoreflect.Message, packages []string) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.FullName() == "google.protobuf.FieldOptions.debug_redact": // protoc knows it from release 22 on
			m.Clear(fd)
		case fd.IsExtension() && slices.Contains(packages, string(fd.ParentFile().Package())):
			m.Clear(fd)
		case fd.IsMap() || fd.Message() == nil:
		case fd.IsList():
			for i := range v.List().Len() {
				strip(v.List().Get(i).Message(), packages)
			}
		default:
			strip(v.Message(), packages)
			if fd.Name() == "options" && proto.Size(v.Message().Interface()) == 0 {
				m.Clear(fd)
			}
		}
		return true
	})
}
