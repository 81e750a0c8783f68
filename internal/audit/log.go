package audit

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// ReasonUnavailable is the reason of calls refused because they could not be
// put on record.
const ReasonUnavailable = "AUDIT_UNAVAILABLE"

// Defaults of [Config].
const (
	DefaultMaxBytes = 100 << 20
	DefaultTimeout  = time.Second
	queueLen        = 4096
	batchMost       = 256 // lines of one write and one fsync
)

// Config of a [Log].
type Config struct {
	Path     string        // "-" is standard output
	MaxBytes int64         // of a file, before it is rotated; 100 MiB if 0
	MaxFiles int           // rotated files to keep; 0: all
	Timeout  time.Duration // the longest that an intent waits; 1 s if 0
	NoSync   bool          // do not fsync: faster, and a power cut loses the last lines
}

// Log appends records. One goroutine writes; [Log.Close] ends it.
type Log struct {
	cfg   Config
	now   func() time.Time
	log   *slog.Logger
	out   sink
	chain string

	queue   chan *entry
	closing chan struct{}
	done    chan struct{}
	once    sync.Once

	dropped atomic.Int64
	last    atomic.Pointer[Position]
	broken  atomic.Pointer[error]
}

// Position is the end of a chain.
type Position struct {
	Seq  uint64
	Hash string
}

// sink is where lines go.
type sink interface {
	// write takes whole lines, or none: after an error nothing of them is there.
	write(lines []byte, sync bool) error
	close() error
}

// The states of an entry.
const (
	waiting int32 = iota
	taken
	abandoned
)

type entry struct {
	record Record
	state  atomic.Int32
	result chan error // nil: nobody waits
}

// Open begins a chain. The file is appended to.
func Open(cfg Config, now func() time.Time, log *slog.Logger) (*Log, error) {
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = DefaultMaxBytes
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = DefaultTimeout
	}
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	l := &Log{cfg: cfg, now: now, log: log, chain: hex.EncodeToString(id[:]), queue: make(chan *entry, queueLen), closing: make(chan struct{}), done: make(chan struct{})}
	before := "none"
	if cfg.Path == "-" {
		l.out = stream{os.Stdout}
	} else {
		f, err := openFile(cfg, now)
		if err != nil {
			return nil, fmt.Errorf("audit: %w", err)
		}
		if f.before != "" {
			before = f.before
		}
		l.out = f
	}
	l.last.Store(&Position{})
	if err := l.writeAll([]*entry{{record: Record{Event: Start, Detail: "before: " + before}}}); err != nil {
		_ = l.out.close()
		return nil, fmt.Errorf("audit: %w", err)
	}
	go l.run()
	return l, nil
}

// Append puts a record on the log and returns when it is there, or when that
// took too long: then the record is not written later either, unless it was
// being written at that moment.
func (l *Log) Append(ctx context.Context, r Record) error {
	e := &entry{record: r, result: make(chan error, 1)}
	timer := time.NewTimer(l.cfg.Timeout)
	defer timer.Stop()
	select {
	case l.queue <- e:
	case <-timer.C:
		return l.unavailable(errors.New("the queue is full"))
	case <-l.closing:
		return l.unavailable(errors.New("the log is closed"))
	case <-ctx.Done():
		return l.unavailable(ctx.Err())
	}
	select {
	case err := <-e.result:
		return l.unavailable(err)
	case <-timer.C:
	case <-ctx.Done():
	case <-l.done:
	}
	if !e.state.CompareAndSwap(waiting, abandoned) {
		select {
		case err := <-e.result: // written in this moment
			return l.unavailable(err)
		default:
		}
	}
	return l.unavailable(errors.New("it was not written in time"))
}

func (l *Log) unavailable(err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Unavailable, ReasonUnavailable, "the call cannot be put on record, so it is not made").WithCause(err)
}

// Note puts a record on the log if there is room for it, and never waits.
func (l *Log) Note(r Record) {
	select {
	case <-l.closing:
		l.dropped.Add(1)
		return
	default:
	}
	select {
	case l.queue <- &entry{record: r}:
	default:
		l.dropped.Add(1)
	}
}

// Last is where the chain ends. A file that ends before has lost its tail.
func (l *Log) Last() Position { return *l.last.Load() }

// Dropped counts the records that [Log.Note] had no room for.
func (l *Log) Dropped() int64 { return l.dropped.Load() }

// Healthy says why the log could not be written the last time, nil if it could.
func (l *Log) Healthy() error {
	if err := l.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// Close writes what waits and a last line, and frees the file.
func (l *Log) Close() error {
	l.once.Do(func() { close(l.closing) })
	<-l.done
	return l.out.close()
}

func (l *Log) run() {
	defer close(l.done)
	for {
		select {
		case e := <-l.queue:
			l.batch(e)
		case <-l.closing:
			for {
				select {
				case e := <-l.queue:
					l.batch(e)
					continue
				default:
				}
				break
			}
			_ = l.writeAll([]*entry{{record: Record{Event: Stop}}}) // reported by Healthy
			return
		}
	}
}

// batch writes an entry and what waits behind it.
func (l *Log) batch(first *entry) {
	batch := []*entry{first}
	for len(batch) < batchMost {
		select {
		case e := <-l.queue:
			batch = append(batch, e)
			continue
		default:
		}
		break
	}
	batch = slices.DeleteFunc(batch, func(e *entry) bool { return !e.state.CompareAndSwap(waiting, taken) })
	err := l.writeAll(batch)
	for _, e := range batch {
		if e.result != nil {
			e.result <- err
		} else if err != nil {
			l.dropped.Add(1)
		}
	}
}

// writeAll writes lines at once, or none of them.
func (l *Log) writeAll(batch []*entry) error {
	if len(batch) == 0 {
		return nil
	}
	at, sync := *l.last.Load(), false
	var b bytes.Buffer
	for _, e := range batch {
		var text []byte
		text, at.Hash = seal(at.Seq+1, l.now(), l.chain, at.Hash, e.record)
		at.Seq++
		b.Write(text)
		sync = sync || e.result != nil && !l.cfg.NoSync
	}
	if err := l.out.write(b.Bytes(), sync); err != nil {
		if l.broken.Swap(&err) == nil {
			l.log.Error("the audit log cannot be written: calls that change something are refused", "error", err)
		}
		return err
	}
	if l.broken.Swap(nil) != nil {
		l.log.Info("the audit log can be written again")
	}
	l.last.Store(&at)
	return nil
}

// stream is a sink without a file.
type stream struct{ w io.Writer }

func (s stream) write(b []byte, _ bool) error { _, err := s.w.Write(b); return err }
func (s stream) close() error                 { return nil }

// file is a sink that rotates.
type file struct {
	cfg    Config
	now    func() time.Time
	f      *os.File
	size   int64 // of whole lines
	before string
}

func openFile(cfg Config, now func() time.Time) (*file, error) {
	f := &file{cfg: cfg, now: now}
	var err error
	if f.before, err = endOf(cfg.Path); err != nil {
		return nil, err
	}
	return f, f.open()
}

func (f *file) open() error {
	var err error
	if f.f, err = os.OpenFile(f.cfg.Path, os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return err
	}
	if f.size, err = f.f.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	if f.size == 0 {
		return nil
	}
	last := make([]byte, 1)
	if _, err := f.f.ReadAt(last, f.size-1); err != nil {
		return err
	}
	if last[0] != '\n' { // a crash tore the last line: it ends here
		n, err := f.f.Write([]byte("\n"))
		f.size += int64(n)
		return err
	}
	return nil
}

func (f *file) write(b []byte, sync bool) error {
	if f.f == nil {
		if err := f.open(); err != nil {
			return err
		}
	}
	if f.size > 0 && f.size+int64(len(b)) > f.cfg.MaxBytes {
		if err := f.rotate(); err != nil {
			return err
		}
	}
	_, err := f.f.Write(b)
	if err == nil && sync {
		err = f.f.Sync()
	}
	if err != nil {
		f.undo()
		return err
	}
	f.size += int64(len(b))
	return nil
}

// undo takes back half a write, so that no line is torn in the middle.
func (f *file) undo() {
	if f.f.Truncate(f.size) == nil {
		if _, err := f.f.Seek(f.size, io.SeekStart); err == nil {
			return
		}
	}
	_ = f.f.Close()
	f.f = nil // opened anew by the next write
}

// rotate moves the file aside. The chain goes on in the next one.
func (f *file) rotate() error {
	if err := f.f.Close(); err != nil {
		return err
	}
	f.f = nil
	aside := f.cfg.Path + "." + f.now().UTC().Format("20060102T150405.000000000")
	if err := os.Rename(f.cfg.Path, aside); err != nil {
		return err
	}
	f.prune()
	return f.open()
}

// prune removes the oldest files that were moved aside.
func (f *file) prune() {
	if f.cfg.MaxFiles <= 0 {
		return
	}
	old, err := filepath.Glob(f.cfg.Path + ".*T*")
	if err != nil {
		return
	}
	slices.Sort(old)
	for len(old) > f.cfg.MaxFiles {
		_ = os.Remove(old[0]) // tried again with the next
		old = old[1:]
	}
}

func (f *file) close() error {
	if f.f == nil {
		return nil
	}
	return errors.Join(f.f.Sync(), f.f.Close())
}

// endOf finds where the chain in an existing file ends: "chain seq hash".
func endOf(name string) (string, error) {
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return "", err
	}
	tail := make([]byte, min(size, 2*maxLineBytes))
	if _, err := f.ReadAt(tail, size-int64(len(tail))); err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	lines := strings.Split(string(tail), "\n")
	for _, text := range slices.Backward(lines) {
		if l, err := parseLine([]byte(text)); err == nil {
			return fmt.Sprintf("%s %d %s", l.Chain, l.Seq, l.Hash), nil
		}
	}
	return "", nil
}
