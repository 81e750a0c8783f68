// Package protofiles prints linked-in file descriptors as .proto sources: what
// buf needs of google/api and buf/validate to build the project, and what users
// of other languages need to generate their clients, with nothing downloaded.
//
// It prints what it is given: comments, which linked-in descriptors do not hold,
// come by [Change].
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
	printer := protoprint.Printer{CustomSortFunction: before}
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

// before keeps to the order in which things are declared, with services first, as
// in the sources. The printer itself goes by line numbers, which are not kept.
func before(a, b protoprint.Element) bool { return rank(a) < rank(b) }

func rank(e protoprint.Element) int {
	switch e.Kind() {
	case protoprint.KindPackage:
		return 0
	case protoprint.KindImport:
		return 1
	case protoprint.KindOption:
		return 2
	case protoprint.KindService:
		return 3
	}
	return 4
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
