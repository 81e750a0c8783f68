package protofiles

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

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
