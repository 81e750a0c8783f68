package protofiles

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	// What errors bring.
	_ "google.golang.org/genproto/googleapis/rpc/errdetails"
	_ "google.golang.org/genproto/googleapis/rpc/status"
)

// Gateway is the name that stands for the gateway's own services among areas.
const Gateway = "gateway"

// errorFiles describe the details of errors: every client needs them.
var errorFiles = []string{"google/rpc/status.proto", "google/rpc/error_details.proto"}

// Area gives the files of some areas, such as "testflight", and those of errors;
// [Write] adds what they import. No area means all of them.
func Area(registry *protoregistry.Files, areas ...string) ([]protoreflect.FileDescriptor, error) {
	var out []protoreflect.FileDescriptor
	var known []string
	registry.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		if !own(fd) {
			return true
		}
		name := area(fd)
		if name != "" && !slices.Contains(known, name) {
			known = append(known, name)
		}
		if len(areas) == 0 || slices.Contains(areas, name) {
			out = append(out, fd)
		}
		return true
	})
	slices.Sort(known)
	for _, name := range areas {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("there is no area %q: there are %s", name, strings.Join(known, ", "))
		}
	}
	for _, name := range errorFiles {
		fd, err := registry.FindFileByPath(name)
		if err != nil {
			return nil, err
		}
		out = append(out, fd)
	}
	slices.SortFunc(out, func(a, b protoreflect.FileDescriptor) int { return strings.Compare(a.Path(), b.Path()) })
	return out, nil
}

// area is the area of a file that has services, "" if it has none.
func area(fd protoreflect.FileDescriptor) string {
	parts := strings.Split(string(fd.Package()), ".")
	switch {
	case fd.Services().Len() == 0:
		return ""
	case parts[0] == "ascgateway":
		return Gateway
	}
	return parts[1]
}
