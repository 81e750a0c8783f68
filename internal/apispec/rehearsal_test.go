package apispec

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// specDir is where the documents to rehearse with are, "" when they are not
// there: the project must test without them.
func specDir() string {
	for _, dir := range []string{os.Getenv("ASC_SPECS"), "../../../shared/spec"} {
		if _, err := os.Stat(filepath.Join(dir, "4.5.1.json")); dir != "" && err == nil {
			return dir
		}
	}
	return ""
}

// TestUpgradeRehearsal generates four versions of Apple's document with one
// lock. Where the documents are, buf judges each step; without them the same
// way is walked with small documents of our own, by TestLock.
func TestUpgradeRehearsal(t *testing.T) {
	dir := specDir()
	if dir == "" {
		t.Log("no documents of Apple's here: TestLock rehearses with small ones")
		return
	}
	root := rehearsalTree(t)
	previous := ""
	var before *Lock
	for _, version := range []string{"4.3", "4.4", "4.4.1", "4.5.1"} {
		g := Generation{Root: root, Spec: filepath.Join(dir, version+".json")}
		r, err := g.Run()
		if err != nil {
			t.Fatalf("%s: %v", version, err)
		}
		if err := g.Write(r); err != nil {
			t.Fatal(err)
		}
		lock, err := ParseLock(r.Files[lockFile])
		if err != nil {
			t.Fatal(err)
		}
		if before != nil {
			keeps(t, before, lock)
		}
		before = lock
		image := filepath.Join(t.TempDir(), version+".binpb")
		buf(t, root, "build", "-o", image)
		buf(t, root, "lint")
		if previous != "" {
			buf(t, root, "breaking", image, "--against", previous, "--config", `{"version":"v2","breaking":{"use":["FILE"]}}`)
		}
		previous = image
		t.Logf("%s: %+v, %d notices", version, r.Counts, len(r.Notices))
	}
}

// rehearsalTree is a project with nothing generated yet.
func rehearsalTree(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range append([]string{"buf.yaml", "spec/areas.yaml", "spec/patches.yaml"}, handWritten...) {
		b, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	deps := exec.Command("go", "run", "./cmd/ascspec", "protodeps", "--out", filepath.Join(root, ".cache/proto"))
	deps.Dir = "../.."
	if out, err := deps.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return root
}

func buf(t *testing.T, dir string, args ...string) {
	t.Helper()
	bin, err := filepath.Abs("../../bin/buf")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(bin); err != nil {
		t.Fatal("bin/buf is missing: `make bin/buf` builds it")
	}
	cmd := exec.Command(bin, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		lines := strings.SplitN(string(out), "\n", 15)
		t.Fatalf("buf %s: %v\n%s", args[0], err, strings.Join(lines[:min(len(lines), 14)], "\n"))
	}
}

// keeps says that everything in one lock is in the next, under its number.
func keeps(t *testing.T, before, after *Lock) {
	t.Helper()
	numbers := func(l *Lock) map[string]string {
		out := map[string]string{}
		for name, m := range l.Messages {
			for _, f := range m.Fields {
				out[name+"."+f.Name] = fmt.Sprint(f.Number, f.Label, f.Type)
			}
		}
		for name, e := range l.Enums {
			for _, v := range e.Values {
				out[name+"."+v.Name] = fmt.Sprint(v.Number)
			}
		}
		for id, r := range l.RPCs {
			out[id] = r.Package + "." + r.Service + "/" + r.Name
		}
		return out
	}
	next := numbers(after)
	for name, number := range numbers(before) {
		if next[name] != number {
			t.Errorf("%s was %s, is %q", name, number, next[name])
		}
	}
}
