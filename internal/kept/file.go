package kept

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// A file is records: a length of four bytes, and that many that are sealed. The first
// holds what is known of the file. Each begins with a byte that says whether it is the
// last, and opens only at its place: a file that was cut or mixed does not open.
const (
	chunk     = 64 << 10
	maxRecord = chunk + 1<<10 // a nonce and a tag are 28 bytes
	more      = 0
	last      = 1
)

var errDamaged = errors.New("kept: the file is damaged")

// Writer writes a file while it is read.
type Writer struct {
	store *Store
	place string

	mu    sync.Mutex
	file  *os.File // nil: it was given up, or settled
	n     int      // records
	size  int64
	buf   []byte
	whole bool // it was read to its end
}

// Put begins to keep a file: head is what is known of it, at most 64 KiB, and length
// is -1 where it is not known. nil: it is not kept.
func (s *Store) Put(m *Mark, place string, head []byte, length int64) *Writer {
	if len(head) > chunk || length > s.most/share {
		return nil
	}
	f, err := os.CreateTemp(s.dir, "*"+writing) // mode 0600
	if err != nil {
		return nil
	}
	w := &Writer{store: s, place: place, file: f}
	w.mu.Lock()
	w.record(more, head)
	w.mu.Unlock()
	if !m.begin(w) {
		w.settle(false)
		return nil
	}
	return w
}

// Write takes bytes of the file. What fails is not kept, and is no error of the
// reader's.
func (w *Writer) Write(p []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(p) > 0 && w.file != nil {
		n := min(len(p), chunk-len(w.buf))
		w.buf, p = append(w.buf, p[:n]...), p[n:]
		if len(w.buf) == chunk {
			w.record(more, w.buf)
			w.buf = w.buf[:0]
		}
	}
}

// End says that the file was read to its end.
func (w *Writer) End() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file != nil && !w.whole {
		w.record(last, w.buf)
		w.whole = w.file != nil
	}
}

// record writes one.
func (w *Writer) record(kind byte, data []byte) {
	sealed := w.store.seal.Seal(at(w.place, w.n), append([]byte{kind}, data...))
	rec := append(binary.BigEndian.AppendUint32(nil, uint32(len(sealed))), sealed...)
	if w.size+int64(len(rec)) > w.store.most/share || !w.store.reserve(int64(len(rec))) {
		w.giveUp()
		return
	}
	w.n++
	w.size += int64(len(rec))
	if _, err := w.file.Write(rec); err != nil {
		w.giveUp()
	}
}

// giveUp removes what was written.
func (w *Writer) giveUp() {
	_ = w.file.Close()
	_ = os.Remove(w.file.Name())
	w.store.release(w.size)
	w.file, w.buf = nil, nil
}

// settle keeps the file, if it is whole and was read to its end.
func (w *Writer) settle(whole bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.file == nil:
	case !whole || !w.whole:
		w.giveUp()
	default:
		temporary := w.file.Name()
		if w.file.Close() != nil {
			w.giveUp()
			return
		}
		w.file = nil
		w.store.add(temporary, name(w.place), w.size)
	}
}

// at is the place of a record.
func at(place string, n int) string { return fmt.Sprintf("%s\x00%d", place, n) }

// Reader reads a file that is kept.
type Reader struct {
	Head []byte

	store *Store
	place string
	file  *os.File
	in    *bufio.Reader
	n     int
	rest  []byte
	end   bool
}

// Get opens a file that is kept, after it was read through; nil if there is none.
func (s *Store) Get(m *Mark, place string) *Reader {
	base := name(place)
	if !s.touch(base) {
		return nil
	}
	r := &Reader{store: s, place: place}
	err := r.open(filepath.Join(s.dir, base))
	for err == nil && !r.end {
		_, err = r.next()
	}
	if err == nil {
		if _, err = r.in.ReadByte(); errors.Is(err, io.EOF) {
			err = r.rewind()
		} else {
			err = errDamaged
		}
	}
	if err != nil {
		_ = r.Close()
		s.drop(base)
		return nil
	}
	m.used(func() { s.drop(base) })
	return r
}

func (r *Reader) open(path string) (err error) {
	if r.file, err = os.Open(path); err != nil {
		return err
	}
	return r.rewind()
}

// rewind goes to the first byte after the head.
func (r *Reader) rewind() (err error) {
	if _, err = r.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	r.in, r.n, r.end, r.rest = bufio.NewReaderSize(r.file, maxRecord), 0, false, nil
	r.Head, err = r.next()
	return err
}

// next reads a record.
func (r *Reader) next() ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r.in, length[:]); err != nil {
		return nil, errDamaged
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > maxRecord {
		return nil, errDamaged
	}
	sealed := make([]byte, n)
	if _, err := io.ReadFull(r.in, sealed); err != nil {
		return nil, errDamaged
	}
	data, err := r.store.seal.Unseal(at(r.place, r.n), sealed)
	if err != nil || len(data) == 0 {
		return nil, errDamaged
	}
	r.n++
	r.end = data[0] == last
	return data[1:], nil
}

// Read implements [io.Reader].
func (r *Reader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.end {
			return 0, io.EOF
		}
		var err error
		if r.rest, err = r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// Close implements [io.Closer].
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}
