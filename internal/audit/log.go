package audit

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Defaults of [Config].
const (
	DefaultMaxBytes = 100 << 20
	DefaultTimeout  = time.Second
	DefaultLockWait = 30 * time.Second
	DefaultReserve  = 4 << 20
)

const (
	queueLen   = 4096
	noteLen    = 1024
	batchMost  = 256                    // lines of one write and one fsync
	healEvery  = time.Second            // how often a log that is ill, or idle, is looked at
	healSoon   = 100 * time.Millisecond // how soon a record may ask for that
	lockEvery  = 100 * time.Millisecond
	closeLimit = 5 * time.Second // the longest that Close waits for a disk that hangs
)

// Config of a [Log].
type Config struct {
	Path     string        // "-" is standard output
	MaxBytes int64         // of a file, before it is rotated; 100 MiB if 0
	MaxFiles int           // rotated files to keep; 0: all
	Timeout  time.Duration // the longest that an intent waits; 1 s if 0
	NoSync   bool          // do not fsync: faster, and a power cut loses the last lines
	// LockWait is how long Open waits for another process to let go of the log:
	// as long as a drain may take. 30 s if 0; below 0: not at all.
	LockWait time.Duration
	// Reserve is the disk room in bytes that is kept for outcomes. It bounds how
	// many calls can be without their outcome: each takes 1 KiB and twice its
	// intent. 4 MiB if 0, at most an eighth of the file system.
	Reserve int64
	// Waiting is called when Open begins to wait, and what it returns when that
	// ends. It may be nil.
	Waiting func() (stop func())
}

func (c *Config) setDefaults() {
	if c.MaxBytes <= 0 {
		c.MaxBytes = DefaultMaxBytes
	}
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	if c.LockWait == 0 {
		c.LockWait = DefaultLockWait
	}
	if c.Reserve <= 0 {
		c.Reserve = DefaultReserve
	}
	if c.Waiting == nil {
		c.Waiting = func() func() { return func() {} }
	}
}

// Log appends records. One goroutine writes; [Log.Close] ends it. It is safe for
// concurrent use.
type Log struct {
	cfg     Config
	now     func() time.Time
	log     *slog.Logger
	out     sink
	chain   string
	denials *denials

	queue   chan *entry   // intents and grants: somebody waits
	notes   chan *entry   // nobody waits
	wake    chan struct{} // outcomes or denials are there
	closing chan struct{}
	done    chan struct{}
	once    sync.Once
	room    atomic.Int64 // of the reserve, not yet taken by calls without outcome

	mu    sync.Mutex
	open  map[*pending]struct{} // calls whose intent is on record, and whose outcome has not come; nil: the log is closed
	ended []*entry              // outcomes that have come

	// Of the writing goroutine alone.
	kept   []*entry // that must be written, when there is room
	tried  time.Time
	text   []byte
	ending bool // nothing more is taken from the queue

	closeErr error // before done is closed
	dropped  atomic.Int64
	last     atomic.Pointer[Position]
	broken   atomic.Pointer[error]
}

// Position is the end of a chain.
type Position struct {
	Seq  uint64
	Hash string
}

// Open begins a chain. The file is appended to. While another process holds it,
// Open waits, at most [Config.LockWait] or until ctx ends. A full disk is no
// error: the log is then not healthy, and recovers by itself.
func Open(ctx context.Context, cfg Config, now func() time.Time, log *slog.Logger) (*Log, error) {
	cfg.setDefaults()
	before := beforeStream
	var out sink = &stream{w: os.Stdout}
	if cfg.Path != "-" {
		f := newFile(cfg, now, log)
		if err := f.begin(ctx); err != nil {
			return nil, fmt.Errorf("audit: %w", errors.Join(err, f.close()))
		}
		if before = f.end(); before == "" {
			before = "none"
		}
		cfg.Reserve, out = f.reserve.size, f
	}
	l := newLog(cfg, out, now, log)
	l.keep(Record{Event: Start, Detail: beforeText + before})
	l.batch(nil)
	if err := l.Healthy(); err != nil && !full(err) {
		return nil, fmt.Errorf("audit: %w", errors.Join(err, out.close()))
	}
	go l.run()
	return l, nil
}

// The detail of a start is beforeText and the end of the chain before: "none" if
// there is none, and beforeStream where nothing can be read.
const (
	beforeText   = "before: "
	beforeStream = "not known"
)

func newLog(cfg Config, out sink, now func() time.Time, log *slog.Logger) *Log {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	l := &Log{
		cfg:     cfg,
		now:     now,
		log:     log,
		out:     out,
		chain:   hex.EncodeToString(id[:]),
		denials: newDenials(cfg.MaxBytes),
		queue:   make(chan *entry, queueLen),
		notes:   make(chan *entry, noteLen),
		wake:    make(chan struct{}, 1),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
		open:    map[*pending]struct{}{},
	}
	l.room.Store(cfg.Reserve)
	l.last.Store(&Position{})
	return l
}

// begin takes the lock and opens the file. A full disk is no error.
func (f *file) begin(ctx context.Context) error {
	err := f.lock.try()
	if errors.Is(err, errBusy) && f.cfg.LockWait > 0 {
		err = f.await(ctx)
	}
	if err == nil {
		err = f.ready()
	}
	if full(err) {
		return nil
	}
	return err
}

// await waits for the process that holds the lock.
func (f *file) await(ctx context.Context) error {
	f.log.Warn("another process writes the audit log: waiting for it to end",
		"file", f.cfg.Path, "at_most", f.cfg.LockWait.String())
	defer f.cfg.Waiting()()
	limit := time.NewTimer(f.cfg.LockWait)
	defer limit.Stop()
	tick := time.NewTicker(lockEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w; stopped waiting: %w", f.cfg.Path, errBusy, ctx.Err())
		case <-limit.C:
			return fmt.Errorf("%s: %w, still after %v: each process needs its own", f.cfg.Path, errBusy, f.cfg.LockWait)
		case <-tick.C:
			if err := f.lock.try(); !errors.Is(err, errBusy) {
				return err
			}
		}
	}
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
	case l.notes <- &entry{record: r.bounded(maxContent)}:
	default:
		l.dropped.Add(1)
	}
}

// Deny counts a denial. The first of a caller, team and reason is written at
// once, those after it together, every 10 s at most, and slower when there are
// many. It never waits, and takes nothing from other records.
func (l *Log) Deny(r Record) {
	if l.denials.add(r, l.now()) {
		l.wakeUp()
	}
}

func (l *Log) wakeUp() {
	select {
	case l.wake <- struct{}{}:
	default: // it will look
	}
}

// Last is where the chain ends. A file that ends before has lost its tail.
func (l *Log) Last() Position { return *l.last.Load() }

// Dropped counts the records that [Log.Note] had no room for.
func (l *Log) Dropped() int64 { return l.dropped.Load() }

// Healthy says why calls that change something cannot be put on record now, nil
// if they can.
func (l *Log) Healthy() error {
	if err := l.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// Close writes what waits and a last line, and frees the file. Calls that have
// not ended get the outcome UNKNOWN. It waits 5 s at most for a disk that hangs.
func (l *Log) Close() error {
	l.once.Do(func() { close(l.closing) })
	timer := time.NewTimer(closeLimit)
	defer timer.Stop()
	select {
	case <-l.done:
		return l.closeErr
	case <-timer.C:
		return errors.New("audit: the disk hangs: the last records are not written")
	}
}
