package service

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	catalogv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/catalog/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// Version says which document of Apple's is served, and how much of it is linked
// in. The version given is that of the program.
func Version(program string) *catalogv1.GetVersionResponse {
	document := Document()
	out := &catalogv1.GetVersionResponse{
		DocumentVersion: document.GetVersion(),
		DocumentSha256:  document.GetSha256(),
		GatewayVersion:  program,
		ProtosSha256:    fingerprint(protoregistry.GlobalFiles),
	}
	areas := map[string]int32{}
	protoregistry.GlobalFiles.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		for i := range fd.Services().Len() {
			methods := fd.Services().Get(i).Methods()
			for j := range methods.Len() {
				if options := methods.Get(j).Options(); proto.HasExtension(options, optionsv1.E_Method) {
					areas[strings.Split(string(fd.Package()), ".")[1]]++
					out.OperationCount++
					if deprecated(options) {
						out.DeprecatedOperationCount++
					}
				}
			}
		}
		return true
	})
	for _, name := range slices.Sorted(maps.Keys(areas)) {
		out.Areas = append(out.Areas, &catalogv1.Area{Name: name, OperationCount: areas[name]})
	}
	eachResource(func(protoreflect.MessageDescriptor, *optionsv1.Resource) bool {
		out.ResourceCount++
		return true
	})
	return out
}

// fingerprint is a hash over the descriptors of all files of ours.
func fingerprint(files *protoregistry.Files) string {
	byPath := map[string]protoreflect.FileDescriptor{}
	files.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		if name := string(fd.Package()); strings.HasPrefix(name, "asc.") || strings.HasPrefix(name, "ascgateway.") {
			byPath[fd.Path()] = fd
		}
		return true
	})
	sum := sha256.New()
	for _, path := range slices.Sorted(maps.Keys(byPath)) {
		sum.Write(descriptorBytes(byPath[path]))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// descriptorBytes is a file's descriptor as it is linked in: to build it anew
// would keep the options of every field in memory.
func descriptorBytes(fd protoreflect.FileDescriptor) []byte {
	if linked, ok := fd.(interface{ ProtoLegacyRawDesc() []byte }); ok {
		return linked.ProtoLegacyRawDesc()
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(protodesc.ToFileDescriptorProto(fd))
	if err != nil { // every descriptor that is linked in can be encoded
		panic(err)
	}
	return b
}
