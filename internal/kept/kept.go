// Package kept keeps files of Apple's on disk that never change: reports of days that
// are over. Who reads a file says so in the context, and settles whether it was whole;
// only then it is kept. Every file is sealed, as some tell of single people, and read
// through before it is used: one that is damaged, or sealed with a secret that is
// gone, is dropped.
package kept

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// DefaultBytes is how much is kept at most.
const DefaultBytes = 1 << 30

const (
	// share is how much of the bytes one file may take: half.
	share = 2

	suffix  = ".kept"
	writing = ".writing" // until it is settled
)

// Sealer encrypts: what was sealed for a place opens only there.
type Sealer interface {
	Seal(place string, data []byte) []byte
	Unseal(place string, sealed []byte) ([]byte, error)
}

// Store keeps files in a folder of its own, up to a number of bytes: what was not
// asked for the longest goes first. It is safe for concurrent use.
type Store struct {
	dir  string
	most int64
	seal Sealer

	mu    sync.Mutex
	used  int64 // bytes, those that are being written included
	files map[string]*list.Element
	order *list.List // of *kept, the one that was used last in front
}

// kept is a file on disk.
type kept struct {
	name string
	size int64
}

// Open opens a folder, or makes it. What was left unfinished there is removed.
func Open(dir string, most int64, seal Sealer) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	s := &Store{dir: dir, most: most, seal: seal, files: map[string]*list.Element{}, order: list.New()}
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	type found struct {
		kept
		used time.Time
	}
	var all []found
	for _, n := range names {
		info, err := n.Info()
		switch {
		case err != nil || !info.Mode().IsRegular():
		case strings.HasSuffix(n.Name(), writing):
			err = os.Remove(filepath.Join(dir, n.Name()))
		case strings.HasSuffix(n.Name(), suffix):
			all = append(all, found{kept{n.Name(), info.Size()}, info.ModTime()})
		}
		if err != nil {
			return nil, fmt.Errorf("reports.cache_dir: %w", err)
		}
	}
	slices.SortFunc(all, func(a, b found) int { return a.used.Compare(b.used) })
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range all {
		s.files[f.name] = s.order.PushFront(&f.kept)
		s.used += f.size
	}
	s.room(0)
	return s, nil
}

// Used is how many bytes are on disk.
func (s *Store) Used() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used
}

// name is that of the file of a place: it tells nothing.
func name(place string) string {
	sum := sha256.Sum256([]byte(place))
	return hex.EncodeToString(sum[:]) + suffix
}

// room makes room for n bytes, if it can.
func (s *Store) room(n int64) bool {
	for s.used+n > s.most {
		last := s.order.Back()
		if last == nil {
			return false
		}
		s.remove(last)
	}
	s.used += n
	return true
}

func (s *Store) remove(e *list.Element) {
	k := s.order.Remove(e).(*kept)
	delete(s.files, k.name)
	s.used -= k.size
	_ = os.Remove(filepath.Join(s.dir, k.name)) // what stays is found at the next start
}

// reserve makes room for bytes that are written.
func (s *Store) reserve(n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.room(n)
}

func (s *Store) release(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used -= n
}

// drop removes a file that is of no use.
func (s *Store) drop(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.files[name]; e != nil {
		s.remove(e)
	}
}

// add takes a file that was written: its bytes are reserved.
func (s *Store) add(temporary, name string, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.files[name]; e != nil {
		s.remove(e)
	}
	if err := os.Rename(temporary, filepath.Join(s.dir, name)); err != nil {
		_ = os.Remove(temporary)
		s.used -= size
		return
	}
	s.files[name] = s.order.PushFront(&kept{name, size})
	s.stamp(name)
}

// stamp notes when a file was used, for the next start. The time that the system gives
// what is written lags by some milliseconds.
func (s *Store) stamp(name string) {
	_ = os.Chtimes(filepath.Join(s.dir, name), time.Time{}, time.Now()) // else it goes earlier
}

// touch notes that a file was used, also for the next start.
func (s *Store) touch(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.files[name]
	if e == nil {
		return false
	}
	s.order.MoveToFront(e)
	s.stamp(name)
	return true
}

// Mark is one file that may be kept, from whoever reads it to whoever asks Apple.
type Mark struct {
	// Absent: that Apple has no such file may be kept too.
	Absent bool

	mu      sync.Mutex
	settled bool
	write   *Writer
	hit     func() // drops what was used
}

type markKey struct{}

// NewContext returns a context in which a file is asked for that may be kept.
func NewContext(ctx context.Context, m *Mark) context.Context {
	return context.WithValue(ctx, markKey{}, m)
}

// FromContext is the mark of a context, nil if there is none.
func FromContext(ctx context.Context) *Mark {
	m, _ := ctx.Value(markKey{}).(*Mark)
	return m
}

// Settle says whether the file was whole. It must be called once it is read, or not
// wanted. What was kept already and is no good is dropped.
func (m *Mark) Settle(whole bool) {
	if m == nil {
		return
	}
	m.mu.Lock()
	w, hit := m.write, m.hit
	again := m.settled
	m.settled, m.write, m.hit = true, nil, nil
	m.mu.Unlock()
	switch {
	case again:
	case w != nil:
		w.settle(whole)
	case hit != nil && !whole:
		hit()
	}
}

// begin takes a writer, and says whether it is still wanted.
func (m *Mark) begin(w *Writer) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.settled {
		return false
	}
	if m.write != nil {
		m.write.settle(false)
	}
	m.write = w
	return true
}

func (m *Mark) used(drop func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.write != nil { // of what was asked for before, and was wrong
		m.write.settle(false)
	}
	m.write, m.hit = nil, drop
}
