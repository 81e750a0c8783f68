// Package comments reads the comments of the .proto files, which Go's
// descriptors do not hold. They are kept in gen/comments, in gzip (146 KB of the
// program's file), and unpacked for each [Read]: a program that never asks spends
// no memory on them.
package comments

import (
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"strings"

	gen "github.com/asc-gateway/asc-gateway/gen/comments"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Set holds the comments of all .proto files of this project.
type Set struct {
	files map[string]*descriptorpb.SourceCodeInfo // by path
	texts map[string]map[string]string            // by path and place, made when first asked
}

// Read unpacks the comments. It takes some milliseconds.
func Read() (*Set, error) {
	z, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(gen.Packed)))
	if err != nil {
		return nil, fmt.Errorf("comments: %w", err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		return nil, fmt.Errorf("comments: %w", err)
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(b, set); err != nil {
		return nil, fmt.Errorf("comments: %w", err)
	}
	s := &Set{files: map[string]*descriptorpb.SourceCodeInfo{}, texts: map[string]map[string]string{}}
	for _, f := range set.GetFile() {
		s.files[f.GetName()] = f.GetSourceCodeInfo()
	}
	return s, nil
}

// Attach gives a file its comments. Every comment stands at line 0: the source's
// lines are not kept.
func (s *Set) Attach(file *descriptorpb.FileDescriptorProto) {
	info := s.files[file.GetName()]
	if info == nil {
		return
	}
	info = proto.CloneOf(info)
	for _, l := range info.GetLocation() {
		l.Span = []int32{0, 0, 0}
	}
	file.SourceCodeInfo = info
}

// Of is the comment before a declaration, in lines without leading blanks. It is
// "" if there is none.
func (s *Set) Of(d protoreflect.Descriptor) string {
	path, ok := sourcePath(d)
	if !ok {
		return ""
	}
	name := d.ParentFile().Path()
	if s.texts[name] == nil {
		s.texts[name] = map[string]string{}
		for _, l := range s.files[name].GetLocation() {
			s.texts[name][fmt.Sprint(l.GetPath())] = plain(l.GetLeadingComments())
		}
	}
	return s.texts[name][fmt.Sprint(path)]
}

func plain(comment string) string {
	lines := strings.Split(strings.TrimSpace(comment), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "\n")
}

// sourcePath is where a declaration stands in its FileDescriptorProto: field
// numbers and indices in turn.
func sourcePath(d protoreflect.Descriptor) ([]int32, bool) {
	if _, whole := d.(protoreflect.FileDescriptor); whole {
		return nil, true
	}
	parent, ok := sourcePath(d.Parent())
	number := member(d)
	return append(parent, number, int32(d.Index())), ok && number != 0
}

// member is the number of the field that holds d in its parent's descriptor, 0
// if it is not known.
func member(d protoreflect.Descriptor) int32 {
	_, top := d.Parent().(protoreflect.FileDescriptor)
	inFile := func(file, inner int32) int32 {
		if top {
			return file
		}
		return inner
	}
	switch d := d.(type) {
	case protoreflect.ServiceDescriptor:
		return 6
	case protoreflect.MessageDescriptor:
		return inFile(4, 3)
	case protoreflect.EnumDescriptor:
		return inFile(5, 4)
	case protoreflect.FieldDescriptor:
		if d.IsExtension() {
			return inFile(7, 6)
		}
		return 2
	case protoreflect.OneofDescriptor:
		return 8
	case protoreflect.MethodDescriptor, protoreflect.EnumValueDescriptor:
		return 2
	}
	return 0
}
