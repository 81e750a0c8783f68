// Package watch tells when files change. It looks at them every few seconds, and
// so also sees what notifications miss: the swap of symbolic links by which
// Kubernetes replaces mounted secrets, and network file systems.
package watch

import (
	"context"
	"os"
	"slices"
	"time"
)

// Every is how often files are looked at.
const Every = 2 * time.Second

// Files remembers what files were when it was made.
type Files struct {
	names func() []string
	known []seen
}

// New looks at files for the first time: before they are read, so that no change
// is missed. names is asked at every look: a new configuration may name others.
func New(names func() []string) *Files { return &Files{names, look(names())} }

// Run calls changed whenever one of the files is another than before, until ctx
// ends. A file that is being written is reported when it has stood still from
// one look to the next.
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
		now := look(f.names())
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

func look(names []string) []seen {
	list := make([]seen, 0, len(names))
	for _, n := range names {
		info, err := os.Stat(n) // of what a link points to
		if err != nil {
			info = nil
		}
		list = append(list, seen{n, info})
	}
	return list
}

func (a seen) same(b seen) bool {
	if a.name != b.name || (a.info == nil) != (b.info == nil) {
		return false
	}
	return a.info == nil || os.SameFile(a.info, b.info) && a.info.ModTime().Equal(b.info.ModTime()) && a.info.Size() == b.info.Size()
}
