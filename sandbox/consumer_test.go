package sandbox

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"
)

// consumerTest is a test that somebody else writes with the sandbox.
const consumerTest = `package consumer

import (
	"net/http"
	"testing"

	"github.com/asc-gateway/asc-gateway/sandbox"
)

func TestApps(t *testing.T) {
	box := sandbox.New(t, sandbox.World{})
	res, err := box.Client().Get(box.URL + "/v1/apps")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || len(box.Requests()) != 1 {
		t.Errorf("%s, %d requests", res.Status, len(box.Requests()))
	}
}
`

// TestAConsumer uses the sandbox from a module of its own, as if it were
// released: its go.mod stays small, and holds no replace directive.
func TestAConsumer(t *testing.T) {
	proxy, dir := t.TempDir(), t.TempDir()
	version := module.Version{Path: "github.com/asc-gateway/asc-gateway", Version: "v0.0.1"}
	release(t, proxy, version)
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("go.mod", "module example.com/consumer\n\ngo 1.26.0\n\nrequire "+version.Path+" "+version.Version+"\n")
	write("consumer_test.go", consumerTest)
	known := filepath.Join(strings.TrimSpace(output(t, "go", "env", "GOMODCACHE")), "cache", "download")
	others := strings.TrimSpace(output(t, "go", "env", "GOPROXY"))
	goIn := func(args ...string) string {
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GONOSUMDB="+version.Path, "GOWORK=off",
			"GOMODCACHE="+filepath.Join(dir, "cache"), "GOPROXY=file://"+proxy+",file://"+known+","+others)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	t.Cleanup(func() { goIn("clean", "-modcache") })
	goIn("mod", "tidy")
	goIn("test", "./...")
	var mod struct {
		Require []struct{ Path string }
		Replace []any
	}
	if err := json.Unmarshal([]byte(goIn("mod", "edit", "-json")), &mod); err != nil {
		t.Fatal(err)
	}
	for _, r := range mod.Require {
		if !slices.Contains(allowedModules, r.Path) {
			t.Errorf("a consumer's go.mod requires %s", r.Path)
		}
	}
	if len(mod.Require) == 0 || len(mod.Replace) > 0 {
		t.Errorf("%+v", mod)
	}
}

// release writes this module into a proxy's folder.
func release(t *testing.T, proxy string, v module.Version) {
	t.Helper()
	at := filepath.Join(proxy, filepath.FromSlash(v.Path), "@v")
	if err := os.MkdirAll(at, 0o700); err != nil {
		t.Fatal(err)
	}
	root := filepath.Dir(strings.TrimSpace(output(t, "go", "env", "GOMOD")))
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{".mod": mod, ".info": []byte(`{"Version":"` + v.Version + `"}`)} {
		if err := os.WriteFile(filepath.Join(at, v.Version+name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Create(filepath.Join(at, v.Version+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := modzip.CreateFromVCS(f, v, root, "HEAD", ""); err != nil {
		t.Fatal(err)
	}
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
