//go:build clients

package protofiles

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/comments"
	"google.golang.org/protobuf/reflect/protoregistry"

	_ "github.com/asc-gateway/asc-gateway/gen/asc/appclips/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/commerce/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/distribution/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/gamecenter/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/provisioning/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/users/v1"
	_ "github.com/asc-gateway/asc-gateway/gen/asc/xcodecloud/v1"
)

// jar is where Debian's libprotobuf-java puts its classes.
const jar = "/usr/share/java/protobuf.jar"

// TestLanguagesOfProtoc generates from all files with protoc itself: no two names
// of a language clash as far as it checks.
func TestLanguagesOfProtoc(t *testing.T) {
	dir := protos(t)
	for _, language := range []string{"csharp", "objc", "php", "ruby"} {
		t.Run(language, func(t *testing.T) {
			args := []string{"--" + language + "_out=" + t.TempDir()}
			if language == "csharp" {
				args = append(args, "--csharp_opt=base_namespace=")
			}
			protoc(t, dir, args...)
		})
	}
}

// TestJavaOfAnArea compiles the Java classes of one area, which are about a tenth
// of all.
func TestJavaOfAnArea(t *testing.T) {
	one, all := t.TempDir(), t.TempDir()
	protoc(t, protos(t, "testflight"), "--java_out="+one)
	protoc(t, protos(t), "--java_out="+all)
	area, whole := size(t, one), size(t, all)
	t.Logf("Java sources: testflight %.1f MB, all areas %.1f MB (%.1f %%)", float64(area)/1e6, float64(whole)/1e6, 100*float64(area)/float64(whole))
	if area*8 > whole {
		t.Errorf("testflight is %d bytes of %d", area, whole)
	}
	list := filepath.Join(t.TempDir(), "sources")
	if err := os.WriteFile(list, []byte(strings.Join(find(t, one, ".java"), "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "javac", "-nowarn", "-J-Xmx1500m", "-cp", jar, "-d", t.TempDir(), "@"+list)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// protos writes the files of some areas as `gateway protos` does.
func protos(t *testing.T, areas ...string) string {
	t.Helper()
	files, err := Area(protoregistry.GlobalFiles, areas...)
	if err != nil {
		t.Fatal(err)
	}
	set, err := comments.Read()
	if err != nil {
		t.Fatal(err)
	}
	change := Change{Comments: set, Languages: true, Without: []string{"asc.options.v1", "buf.validate"}}
	if files, err = change.Files(files...); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := Write(dir, files...); err != nil {
		t.Fatal(err)
	}
	return dir
}

func protoc(t *testing.T, dir string, args ...string) {
	t.Helper()
	args = append(args, "-I", ".")
	for _, name := range find(t, dir, ".proto") {
		args = append(args, strings.TrimPrefix(name, dir+"/"))
	}
	cmd := exec.CommandContext(t.Context(), "protoc", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func find(t *testing.T, dir, suffix string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, suffix) {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func size(t *testing.T, dir string) (n int64) {
	t.Helper()
	for _, name := range find(t, dir, ".java") {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		n += info.Size()
	}
	return n
}
