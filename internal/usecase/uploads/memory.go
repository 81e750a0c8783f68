package uploads

import (
	"bytes"
	"context"
	"io"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// page is the unit in which memory is given out, in bytes.
const page = 64 << 10

// arena is the memory of all parts on their way. It is beside Go's heap: there, 24
// MiB of parts would let garbage grow by another 12 (GOGC is 50). While no part is on
// its way, the system has it back.
type arena struct {
	size int64               // bytes, whole pages
	left *semaphore.Weighted // bytes

	waiting atomic.Int32 // who waits for memory

	mu   sync.Mutex
	all  []byte   // nil until the first part comes
	free [][]byte // pages, those that were used last at the end
}

func newArena(size int64) *arena {
	size = max(size/page, 1) * page
	return &arena{size: size, left: semaphore.NewWeighted(size)}
}

// take waits for memory for so many bytes, at most those of the arena. Who waits
// longest is first.
func (a *arena) take(ctx context.Context, n int64) (*pages, error) {
	whole := (n + page - 1) / page * page
	a.waiting.Add(1)
	err := a.left.Acquire(ctx, whole)
	a.waiting.Add(-1)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.all == nil {
		a.open()
	}
	cut := len(a.free) - int(whole/page)
	p := &pages{of: a, list: append([][]byte(nil), a.free[cut:]...), n: n}
	a.free = a.free[:cut]
	return p, nil
}

// wanted says whether somebody waits for memory.
func (a *arena) wanted() bool { return a.waiting.Load() > 0 }

// open gets the memory from the system.
func (a *arena) open() {
	all, unmap := mapMemory(int(a.size))
	a.all = all
	runtime.AddCleanup(a, func(b []byte) { unmap(b) }, all)
	for at := 0; at < len(all); at += page {
		a.free = append(a.free, all[at:at+page:at+page])
	}
}

// give takes pages back.
func (a *arena) give(list [][]byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.free = append(a.free, list...)
	if int64(len(a.free))*page == a.size {
		idleMemory(a.all)
	}
	a.left.Release(int64(len(list)) * page)
}

// pages are the memory of one part.
type pages struct {
	of   *arena
	list [][]byte
	n    int64 // bytes of the part
}

// fill reads the part. What was read is written to all as well.
func (p *pages) fill(r io.Reader, all io.Writer) (read int64, err error) {
	for _, b := range p.pieces() {
		n, err := io.ReadFull(r, b)
		_, _ = all.Write(b[:n]) // a digest, which never fails
		if read += int64(n); err != nil {
			return read, err
		}
	}
	return read, nil
}

// pieces are the bytes of the part, page by page.
func (p *pages) pieces() [][]byte {
	list := append([][]byte(nil), p.list...)
	last := len(list) - 1
	list[last] = list[last][:p.n-int64(last)*page]
	return list
}

// reader reads the part from its beginning.
func (p *pages) reader() io.Reader {
	readers := make([]io.Reader, 0, len(p.list))
	for _, b := range p.pieces() {
		readers = append(readers, bytes.NewReader(b))
	}
	return io.MultiReader(readers...)
}

// free gives the memory back: nobody may use it any more.
func (p *pages) free() { p.of.give(p.list) }
