// Package protofiles prints linked-in file descriptors as .proto sources: what
// buf needs of google/api and buf/validate to build the project, and what users
// of other languages need to generate their clients, with nothing downloaded.
//
// The sources come from descriptors, so they carry no comments.
package protofiles

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/jhump/protoreflect/v2/protoprint"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Write prints the files and everything they import below dir, and returns how
// many it wrote. The files of google/protobuf are left out: every compiler
// brings them.
func Write(dir string, files ...protoreflect.FileDescriptor) (int, error) {
	printer := protoprint.Printer{SortElements: false}
	written := map[string]bool{}
	var walk func(fd protoreflect.FileDescriptor) error
	walk = func(fd protoreflect.FileDescriptor) error {
		if written[fd.Path()] || strings.HasPrefix(fd.Path(), "google/protobuf/") {
			return nil
		}
		written[fd.Path()] = true
		imports := fd.Imports()
		for i := range imports.Len() {
			if err := walk(imports.Get(i).FileDescriptor); err != nil {
				return err
			}
		}
		return writeFile(printer, dir, fd)
	}
	for _, fd := range files {
		if err := walk(fd); err != nil {
			return len(written), err
		}
	}
	return len(written), nil
}

func writeFile(printer protoprint.Printer, dir string, fd protoreflect.FileDescriptor) error {
	name := filepath.Join(dir, filepath.FromSlash(fd.Path()))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := printer.PrintProtoFile(fd, f); err != nil {
		return fmt.Errorf("printing %s: %w", fd.Path(), err)
	}
	return f.Close()
}
