package files

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fifotest"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(path("ten"), []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("ten", path("link")); err != nil {
		t.Fatal(err)
	}
	fifotest.Make(t, path("fifo"))
	for _, c := range []struct {
		name string
		most int64
		want error
	}{
		{path("ten"), 10, nil}, {path("link"), 10, nil}, {path("ten"), 9, ErrTooLarge},
		{path("fifo"), 10, ErrNotRegular}, {dir, 10, ErrNotRegular}, {"/dev/zero", 10, ErrNotRegular}, {"/dev/tty", 10, nil},
		{path("none"), 10, os.ErrNotExist}, {"/proc/self/status", 10, ErrTooLarge},
	} {
		begun := time.Now()
		b, err := Read(c.name, c.most)
		if c.name == "/dev/tty" { // not there, or no regular file: by where the test runs
			if err == nil {
				t.Error("a terminal was read")
			}
			continue
		}
		if !errors.Is(err, c.want) || c.want == nil && string(b) != "0123456789" {
			t.Errorf("%s: %q, %v, want %v", c.name, b, err, c.want)
		}
		if c.want != nil && !strings.Contains(err.Error(), c.name) {
			t.Errorf("the error does not name %s: %v", c.name, err)
		}
		if took := time.Since(begun); took > patience {
			t.Errorf("%s: waited %v", c.name, took)
		}
	}
}

func TestOpenRefusesWhatIsNoRegularFile(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	fifotest.Make(t, fifo)
	for _, name := range []string{fifo, dir, "/dev/zero"} {
		if _, _, err := Open(name); !errors.Is(err, ErrNotRegular) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCreate(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(path("there"), []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"link": "there", "dangling": "elsewhere"} {
		if err := os.Symlink(target, path(link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		want error
	}{
		{"new", nil}, {"there", os.ErrExist}, {"link", os.ErrExist}, {"dangling", os.ErrExist}, {"none/new", os.ErrNotExist},
	} {
		if err := Create(path(c.name), []byte("new")); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	if b, err := os.ReadFile(path("there")); err != nil || string(b) != "old" {
		t.Errorf("a file was written over: %q %v", b, err)
	}
	if _, err := os.Lstat(path("elsewhere")); err == nil {
		t.Error("a file was made through a symbolic link")
	}
	if info, err := os.Stat(path("new")); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
}
