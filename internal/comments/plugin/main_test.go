package main

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// TestRun answers as protoc wants it: the same bytes whatever the order of the
// files, and nothing of files that are only imported.
func TestRun(t *testing.T) {
	file := func(name, comment string) *descriptorpb.FileDescriptorProto {
		return &descriptorpb.FileDescriptorProto{Name: proto.String(name), SourceCodeInfo: &descriptorpb.SourceCodeInfo{
			Location: []*descriptorpb.SourceCodeInfo_Location{
				{Path: []int32{4, 0}, Span: []int32{1, 2, 3}, LeadingComments: proto.String(comment)},
				{Path: []int32{4, 1}, Span: []int32{4, 5, 6}},
			}}}
	}
	answer := func(files ...*descriptorpb.FileDescriptorProto) string {
		in, err := proto.Marshal(&pluginpb.CodeGeneratorRequest{FileToGenerate: []string{"a.proto", "b.proto"}, ProtoFile: files})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := run(bytes.NewReader(in), &out); err != nil {
			t.Fatal(err)
		}
		res := &pluginpb.CodeGeneratorResponse{}
		if err := proto.Unmarshal(out.Bytes(), res); err != nil || len(res.GetFile()) != 1 {
			t.Fatal(err, res)
		}
		return res.GetFile()[0].GetContent()
	}
	a, b, other := file("a.proto", "of a"), file("b.proto", "of b"), file("other.proto", "of another")
	first := answer(a, b)
	if !strings.HasPrefix(first, "// Code generated") || answer(b, a, other) != first {
		t.Errorf("%s\n%s", first, answer(b, a, other))
	}
	if answer(a, file("b.proto", "of b, changed")) == first {
		t.Error("a comment is lost")
	}
	if err := run(strings.NewReader("no request"), &bytes.Buffer{}); err == nil {
		t.Error("no error")
	}
}
