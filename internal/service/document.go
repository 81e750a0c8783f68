package service

import (
	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	"google.golang.org/protobuf/proto"
)

// Document names Apple's document that is served: its version, such as
// "4.5.1", and the SHA-256 of its file.
func Document() *optionsv1.Document {
	options := (&typesv1.AppleDocument{}).ProtoReflect().Descriptor().Options()
	d, _ := proto.GetExtension(options, optionsv1.E_Document).(*optionsv1.Document)
	return d
}
