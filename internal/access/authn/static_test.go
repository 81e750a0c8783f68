package authn

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/fifotest"
)

// TestFirstTokenIsMadeThroughNoLink also shows that nothing is made where the
// name is taken already.
func TestFirstTokenIsMadeThroughNoLink(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "token")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if created, err := FirstToken(link); err == nil || created {
		t.Errorf("a token was made through a symbolic link: %v %v", created, err)
	}
	if _, err := os.Lstat(target); err == nil {
		t.Error("the link's target was made")
	}
	if err := os.WriteFile(target, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if created, err := FirstToken(link); err != nil || created { // as Kubernetes mounts secrets
		t.Errorf("a link to a file: %v %v", created, err)
	}
	if b, err := os.ReadFile(target); err != nil || string(b) != "kept" {
		t.Errorf("the file was written: %q %v", b, err)
	}
}

// TestFilesThatAreNone: what is no regular file is refused without waiting, and
// the error names it.
func TestFilesThatAreNone(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	fifotest.Make(t, fifo)
	for _, name := range []string{fifo, dir, "/dev/zero"} {
		for what, cfg := range map[string]Config{
			"a token":     {Tokens: []StaticToken{{Name: "a", File: name}}},
			"a CA bundle": {Issuers: []Issuer{{Name: "i", Issuer: "https://issuer.example", Audiences: []string{"a"}, CAFile: name}}},
		} {
			if _, err := New(cfg, Deps{}); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s, %s: %v", what, name, err)
			}
		}
	}
}
