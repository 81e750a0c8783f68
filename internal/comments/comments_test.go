package comments

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	reportingv1 "github.com/asc-gateway/asc-gateway/gen/asc/reporting/v1"
	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// TestOf finds comments by declaration, whatever it is.
func TestOf(t *testing.T) {
	s, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	reports := reportingv1.File_asc_reporting_v1_sales_reports_proto
	service := reports.Services().Get(0)
	toOne := (&typesv1.ToOne{}).ProtoReflect().Descriptor()
	role := optionsv1.Role_ROLE_ID.Descriptor()
	for name, c := range map[string]struct {
		of    protoreflect.Descriptor
		start string
	}{
		"file":      {reports, ""},
		"service":   {service, "The SalesReports of Apple's"},
		"method":    {service.Methods().Get(0), "Apple: GET /v1/salesReports"},
		"message":   {toOne, "A to-one relationship.\n\nIn a response: unset"},
		"field":     {toOne.Fields().Get(0), "Id of the related resource."},
		"enum":      {role, "What a field stands for."},
		"value":     {role.Values().ByName("ROLE_ATTRIBUTE"), "A member of `attributes`."},
		"extension": {optionsv1.E_Method.TypeDescriptor().Descriptor(), "One operation of Apple's."},
		"stranger":  {(&descriptorpb.FileOptions{}).ProtoReflect().Descriptor(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := s.Of(c.of); !strings.HasPrefix(got, c.start) || (got == "") != (c.start == "") {
				t.Errorf("got %q, want %q", got, c.start)
			}
		})
	}
}

// TestEveryComment compares with the sources: what was written is what is kept.
func TestEveryComment(t *testing.T) {
	s, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join("..", "..", "proto")
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		var kept []string
		for _, l := range s.files[filepath.ToSlash(name)].GetLocation() {
			for _, text := range append(l.GetLeadingDetachedComments(), l.GetLeadingComments(), l.GetTrailingComments()) {
				kept = append(kept, strings.Split(strings.TrimSuffix(text, "\n"), "\n")...)
			}
		}
		for i := range kept {
			kept[i] = strings.TrimSpace(kept[i])
		}
		for line := range strings.Lines(string(b)) {
			text, ok := strings.CutPrefix(strings.TrimSpace(line), "//")
			text = strings.TrimSpace(text)
			if ok && !strings.HasPrefix(text, "buf:lint:") && !slices.Contains(kept, text) { // those are for buf alone
				t.Errorf("%s: %q is lost: run make gen", name, line)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func BenchmarkRead(b *testing.B) {
	for b.Loop() {
		if _, err := Read(); err != nil {
			b.Fatal(err)
		}
	}
}
