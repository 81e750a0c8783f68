// Package watch tells when files change. It looks at them every few seconds, and
// so also sees what notifications miss: the swap of symbolic links by which
// Kubernetes replaces mounted secrets, and network file systems.
//
// It must never wait for a file system that does not answer: such a file counts
// as unchanged until it answers again, and is asked only once meanwhile.
package watch

import (
	"context"
	"maps"
	"os"
	"slices"
	"time"
)

// Every is how often files are looked at.
const Every = 2 * time.Second

// patience is how long one look at all files may take.
const patience = time.Second

// Files remembers what files were when it was made.
type Files struct {
	names func() []string
	stat  func(name string) (os.FileInfo, error) // of what a link points to
	known []seen
	asked map[string]chan os.FileInfo // what the system has not answered yet
}

// New looks at files for the first time: before they are read, so that no change
// is missed. names is asked at every look: a new configuration may name others.
func New(names func() []string) *Files { return newFiles(names, os.Stat) }

func newFiles(names func() []string, stat func(string) (os.FileInfo, error)) *Files {
	f := &Files{names: names, stat: stat, asked: map[string]chan os.FileInfo{}}
	f.known = f.look(context.Background(), nil)
	return f
}

// Run calls changed whenever one of the files is another than before, until ctx
// ends. A file that is being written is reported when it has stood still from
// one look to the next. Run may be called once.
func (f *Files) Run(ctx context.Context, every time.Duration, changed func()) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	before := f.known
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := f.look(ctx, before)
		still := slices.EqualFunc(now, before, seen.same)
		before = now
		if still && !slices.EqualFunc(now, f.known, seen.same) {
			f.known = now
			changed()
		}
	}
}

// seen is what a look at a file tells; info is nil if it is not there.
type seen struct {
	name string
	info os.FileInfo
}

// look asks for all files at once. One that does not answer in time is as it was
// before.
func (f *Files) look(ctx context.Context, before []seen) []seen {
	names := slices.Compact(slices.Sorted(slices.Values(f.names())))
	for _, n := range names {
		if f.asked[n] == nil {
			f.asked[n] = ask(f.stat, n)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	list := make([]seen, 0, len(names))
	for _, n := range names {
		list = append(list, seen{n, f.answer(ctx, n, before)})
	}
	maps.DeleteFunc(f.asked, func(_ string, answered chan os.FileInfo) bool { return len(answered) > 0 })
	return list
}

// answer waits for what was asked about a file.
func (f *Files) answer(ctx context.Context, name string, before []seen) os.FileInfo {
	answered := f.asked[name]
	select {
	case info := <-answered:
		delete(f.asked, name)
		return info
	default:
	}
	select {
	case info := <-answered:
		delete(f.asked, name)
		return info
	case <-ctx.Done():
	}
	if i := slices.IndexFunc(before, func(s seen) bool { return s.name == name }); i >= 0 {
		return before[i].info
	}
	return nil
}

// ask looks at a file. If its file system hangs, so does the goroutine, and
// nobody waits for it.
func ask(stat func(string) (os.FileInfo, error), name string) chan os.FileInfo {
	answered := make(chan os.FileInfo, 1)
	go func() {
		info, err := stat(name)
		if err != nil {
			info = nil
		}
		answered <- info
	}()
	return answered
}

func (a seen) same(b seen) bool {
	if a.name != b.name || (a.info == nil) != (b.info == nil) {
		return false
	}
	return a.info == nil ||
		os.SameFile(a.info, b.info) && a.info.ModTime().Equal(b.info.ModTime()) && a.info.Size() == b.info.Size()
}
