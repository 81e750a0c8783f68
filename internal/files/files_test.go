package files

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
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
	if err := syscall.Mkfifo(path("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
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
