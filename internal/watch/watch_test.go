package watch

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// TestFilesSeesEveryKindOfChange writes in place, renames over, swaps a symbolic
// link as Kubernetes does, and removes.
func TestFilesSeesEveryKindOfChange(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "..data", "key")
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write(file, "a")
	write(filepath.Join(dir, "v1", "key"), "1")
	write(filepath.Join(dir, "v2", "key"), "1")
	must(os.Symlink("v1", filepath.Join(dir, "..data")))
	ctx, cancel := context.WithCancel(t.Context())
	var n atomic.Int32
	heard, done := make(chan bool, 100), make(chan bool)
	f := New(func() []string { return []string{file, link} })
	go func() {
		f.Run(ctx, time.Millisecond, func() { n.Add(1); heard <- true })
		close(done)
	}()
	for name, change := range map[string]func(){
		"in place": func() { write(file, "abc") },
		"renamed":  func() { write(file+".new", "abc"); must(os.Rename(file+".new", file)) },
		"a link": func() {
			must(os.Symlink("v2", filepath.Join(dir, "tmp")))
			must(os.Rename(filepath.Join(dir, "tmp"), filepath.Join(dir, "..data")))
		},
	} {
		for len(heard) > 0 {
			<-heard
		}
		change()
		select {
		case <-heard:
		case <-time.After(10 * time.Second):
			t.Errorf("%s: not seen", name)
		}
	}
	must(os.Remove(file))
	<-heard
	cancel()
	<-done
}
