package protofiles

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	reportingv1 "github.com/asc-gateway/asc-gateway/gen/asc/reporting/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/testflight/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/webhooks/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/ascgateway/quota/v1"
	"github.com/asc-gateway/asc-gateway/internal/comments"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

func TestWritePrintsWhatIsImported(t *testing.T) {
	dir := t.TempDir()
	n, err := Write(dir, annotations.File_google_api_annotations_proto)
	if err != nil || n != 2 {
		t.Fatal(n, err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "google/api/http.proto"))
	if err != nil || !strings.Contains(string(b), "message HttpRule") {
		t.Errorf("%v %s", err, b)
	}
	if _, err := os.Stat(filepath.Join(dir, "google/protobuf")); err == nil {
		t.Error("every compiler brings google/protobuf")
	}
}

// printed writes files and gives what was written by path.
func printed(t *testing.T, change Change, files ...protoreflect.FileDescriptor) map[string]string {
	t.Helper()
	changed, err := change.Files(files...)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := Write(dir, changed...); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		out[filepath.ToSlash(strings.TrimPrefix(path, dir+string(filepath.Separator)))] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestWithout leaves out the options of a package, and nothing else.
func TestWithout(t *testing.T) {
	files := printed(t, Change{Without: []string{"google.api"}}, reportingv1.File_asc_reporting_v1_sales_reports_proto)
	got := files["asc/reporting/v1/sales_reports.proto"]
	for text, want := range map[string]bool{
		"google.api.http": false, "google/api/annotations.proto": false, "asc.options.v1.method": true,
		"rpc ListSalesReports": true, "buf.validate": true,
	} {
		if strings.Contains(got, text) != want {
			t.Errorf("%s: want %v in\n%s", text, want, got)
		}
	}
	if files["google/api/annotations.proto"] != "" {
		t.Error("files that hold nothing else are written")
	}
}

// TestLanguages gives our files what generators of other languages go by, and
// leaves those of others alone.
func TestLanguages(t *testing.T) {
	files := printed(t, Change{Languages: true}, reportingv1.File_asc_reporting_v1_sales_reports_proto)
	for name, c := range map[string]struct{ file, line string }{
		"Java package":  {"asc/reporting/v1/sales_reports.proto", `option java_package = "com.asc.reporting.v1";`},
		"Java files":    {"asc/reporting/v1/sales_reports.proto", `option java_multiple_files = true;`},
		"Java class":    {"asc/reporting/v1/sales_reports.proto", `option java_outer_classname = "SalesReportsProto";`},
		"C#":            {"asc/reporting/v1/sales_reports.proto", `option csharp_namespace = "Asc.Reporting.V1";`},
		"Ruby":          {"asc/types/v1/common.proto", `option ruby_package = "Asc::Types::V1";`},
		"PHP":           {"asc/types/v1/common.proto", `option php_namespace = "Asc\\Types\\V1";`},
		"PHP metadata":  {"asc/types/v1/common.proto", `option php_metadata_namespace = "Asc\\Types\\V1\\GPBMetadata";`},
		"Objective-C":   {"asc/types/v1/common.proto", `option objc_class_prefix = "ASCTypes";`},
		"Go stays":      {"asc/types/v1/common.proto", `option go_package = "github.com/asc-gateway/asc-gateway/gen/asc/types/v1;typesv1";`},
		"Google's file": {"google/api/http.proto", `option java_package = "com.google.api";`},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(files[c.file], c.line) {
				t.Errorf("no %s in\n%s", c.line, files[c.file])
			}
		})
	}
}

// TestArea takes what an area needs and nothing else.
func TestArea(t *testing.T) {
	for name, c := range map[string]struct {
		areas           []string
		there, notThere string
		err             string
	}{
		"all": {nil, "asc/testflight/v1/builds.proto ascgateway/quota/v1/quota.proto google/rpc/status.proto", "", ""},
		"one": {[]string{"reporting"}, "asc/reporting/v1/sales_reports.proto asc/types/v1/common.proto google/rpc/error_details.proto",
			"asc/testflight/v1/builds.proto ascgateway/quota/v1/quota.proto asc/resources/v1/game_center_group.proto", ""},
		"two":         {[]string{"webhooks", "gateway"}, "asc/webhooks/v1/webhooks.proto ascgateway/quota/v1/quota.proto", "asc/testflight/v1/builds.proto", ""},
		"none such":   {[]string{"testfligth"}, "", "", "testflight"},
		"no services": {[]string{"enums"}, "", "", "no area"},
	} {
		t.Run(name, func(t *testing.T) {
			files, err := Area(protoregistry.GlobalFiles, c.areas...)
			if err != nil || c.err != "" {
				if err == nil || c.err == "" || !strings.Contains(err.Error(), c.err) {
					t.Errorf("%v, want %q", err, c.err)
				}
				return
			}
			got := printed(t, Change{}, files...)
			for _, name := range strings.Fields(c.there) {
				if got[name] == "" {
					t.Errorf("%s is not there", name)
				}
			}
			for _, name := range strings.Fields(c.notThere) {
				if got[name] != "" {
					t.Errorf("%s is there", name)
				}
			}
		})
	}
}

// TestComments compares with the sources: each comment stands before what it
// stood before, in the same order.
func TestComments(t *testing.T) {
	set, err := comments.Read()
	if err != nil {
		t.Fatal(err)
	}
	files, err := Area(protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	change := Change{Comments: set, Without: []string{"asc.options.v1", "buf.validate"}, Languages: true}
	lines := 0
	for name, got := range printed(t, change, files...) {
		if strings.HasPrefix(name, "google/") {
			continue
		}
		source, err := os.ReadFile(filepath.Join("..", "..", "proto", name))
		if err != nil {
			t.Fatal(err)
		}
		want := commented(string(source))
		if have := commented(got); !slices.Equal(have, want) {
			t.Errorf("%s:\n%s\nwant\n%s", name, strings.Join(have, "\n"), strings.Join(want, "\n"))
		}
		lines += len(want)
	}
	if lines < 5000 {
		t.Errorf("%d lines of comments: too few", lines)
	}
}

// commented lists the lines of comments, each block with the words of the
// declaration that follows.
func commented(source string) (out []string) {
	inside := false
	for line := range strings.Lines(source) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "//"):
			out, inside = append(out, line), true
		case inside && line != "":
			name, _, _ := strings.Cut(strings.Trim(line, "{};"), " = ")
			name, _, _ = strings.Cut(name, "(")
			words := strings.Fields(name)
			out, inside = append(out, words[len(words)-1]), false
		}
	}
	return out
}
