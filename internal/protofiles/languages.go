package protofiles

import (
	"path"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// own says whether a file is of this project.
func own(fd protoreflect.FileDescriptor) bool {
	name := string(fd.Package())
	return strings.HasPrefix(name, "asc.") || strings.HasPrefix(name, "ascgateway.")
}

// setLanguages sets what buf's managed mode sets, for "asc.testflight.v1" in
// asc/testflight/v1/builds.proto: Java "com.asc.testflight.v1" with a file a
// message and BuildsProto around the rest, C# and Ruby and PHP "Asc Testflight V1".
// Objective-C has no packages: there "ASCTestflight" stands before each name.
// Swift is left alone, whose default is Asc_Testflight_V1_.
func setLanguages(p *descriptorpb.FileDescriptorProto) {
	parts := strings.Split(p.GetPackage(), ".")
	names := make([]string, len(parts))
	for i := range parts {
		names[i] = pascal(parts[i])
	}
	if p.Options == nil {
		p.Options = &descriptorpb.FileOptions{}
	}
	o := p.Options
	o.JavaPackage = proto.String("com." + p.GetPackage())
	o.JavaMultipleFiles = proto.Bool(true)
	o.JavaOuterClassname = proto.String(pascal(strings.TrimSuffix(path.Base(p.GetName()), ".proto")) + "Proto")
	o.CsharpNamespace = proto.String(strings.Join(names, "."))
	o.RubyPackage = proto.String(strings.Join(names, "::"))
	o.PhpNamespace = proto.String(strings.Join(names, `\`))
	o.PhpMetadataNamespace = proto.String(strings.Join(names, `\`) + `\GPBMetadata`)
	o.ObjcClassPrefix = proto.String("ASC" + strings.Join(names[1:len(names)-1], ""))
	if parts[0] == "ascgateway" {
		o.ObjcClassPrefix = proto.String("ASCGateway" + strings.Join(names[1:len(names)-1], ""))
	}
}

// pascal writes snake_case as PascalCase.
func pascal(s string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(s, "_") {
		if word != "" {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}
