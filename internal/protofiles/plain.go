package protofiles

import (
	"slices"

	"github.com/asc-gateway/asc-gateway/internal/comments"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Change is what files get or lose on their way to users of other languages. The
// zero value changes nothing.
type Change struct {
	// Without are packages whose options are left out, such as "asc.options.v1":
	// those are for the program itself, and some parsers of .proto files, such as
	// protobufjs', stumble over lists of messages in options.
	Without []string
	// Comments are added to the files. Nil: none.
	Comments *comments.Set
	// Languages gives the project's own files the packages and prefixes of Java,
	// C#, Ruby, PHP and Objective-C.
	Languages bool
}

// Files gives the files, which lean on changed files in turn.
func (c Change) Files(files ...protoreflect.FileDescriptor) ([]protoreflect.FileDescriptor, error) {
	w := &walk{change: c, set: &descriptorpb.FileDescriptorSet{}, seen: map[string]bool{}, dropped: map[string]bool{}}
	for _, fd := range files {
		w.add(fd)
	}
	registry, err := protodesc.NewFiles(w.set)
	if err != nil {
		return nil, err
	}
	var out []protoreflect.FileDescriptor
	for _, fd := range files {
		if changed, err := registry.FindFileByPath(fd.Path()); err == nil {
			out = append(out, changed)
		}
	}
	return out, nil
}

// walk collects files, each after those that it imports.
type walk struct {
	change  Change
	set     *descriptorpb.FileDescriptorSet
	seen    map[string]bool
	dropped map[string]bool // files that hold nothing but options left out
}

func (w *walk) add(fd protoreflect.FileDescriptor) {
	if w.seen[fd.Path()] {
		return
	}
	w.seen[fd.Path()] = true
	if slices.Contains(w.change.Without, string(fd.Package())) {
		w.dropped[fd.Path()] = true
		return
	}
	for i := range fd.Imports().Len() {
		w.add(fd.Imports().Get(i).FileDescriptor)
	}
	p := protodesc.ToFileDescriptorProto(fd)
	if w.change.Comments != nil {
		w.change.Comments.Attach(p)
	}
	if len(w.change.Without) > 0 {
		p.Dependency = slices.DeleteFunc(p.GetDependency(), func(name string) bool { return w.dropped[name] })
		strip(p.ProtoReflect(), w.change.Without)
	}
	if w.change.Languages && own(fd) {
		setLanguages(p)
	}
	w.set.File = append(w.set.File, p)
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
