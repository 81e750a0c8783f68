package protofiles

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	reportingv1 "github.com/asc-gateway/asc-gateway/gen/asc/reporting/v1"
	"google.golang.org/genproto/googleapis/api/annotations"
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

// TestPlain leaves out the options of a package, and nothing else.
func TestPlain(t *testing.T) {
	dir := t.TempDir()
	files, err := Plain([]string{"google.api"}, reportingv1.File_asc_reporting_v1_sales_reports_proto)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Write(dir, files...); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "asc/reporting/v1/sales_reports.proto"))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{"google.api.http": false, "google/api/annotations.proto": false, "asc.options.v1.method": true, "rpc ListSalesReports": true, "buf.validate": true} {
		if strings.Contains(string(b), text) != want {
			t.Errorf("%s: want %v in\n%s", text, want, b)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "google/api")); err == nil {
		t.Error("files that hold nothing else are written")
	}
}
