package watch

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
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

// TestAFileSystemThatHangs: a look that gets no answer stops neither the other
// files nor the end, and is not repeated.
func TestAFileSystemThatHangs(t *testing.T) {
	good := filepath.Join(t.TempDir(), "good")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(good, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a")
	synctest.Test(t, func(t *testing.T) {
		back := make(chan bool)
		var asked, heard atomic.Int32
		stat := func(name string) (os.FileInfo, error) {
			if name == "dead" {
				asked.Add(1)
				<-back
				return os.Stat(good)
			}
			return os.Stat(name)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan bool)
		f := newFiles(func() []string { return []string{good, "dead", good} }, stat)
		go func() {
			f.Run(ctx, Every, func() { heard.Add(1) })
			close(done)
		}()
		time.Sleep(time.Hour)
		if asked.Load() != 1 || heard.Load() != 0 {
			t.Errorf("asked %d times in an hour, heard %d changes", asked.Load(), heard.Load())
		}
		write("abc")
		time.Sleep(3 * Every)
		if heard.Load() != 1 {
			t.Errorf("heard %d changes of the other file", heard.Load())
		}
		back <- true
		time.Sleep(3 * Every)
		if heard.Load() != 2 {
			t.Errorf("heard %d changes after the file system was back", heard.Load())
		}
		began := time.Now()
		cancel()
		<-done
		if took := time.Since(began); took > 0 {
			t.Errorf("the end took %v", took)
		}
		close(back)
	})
}
