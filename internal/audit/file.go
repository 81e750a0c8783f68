package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// file is a sink that rotates, and notices when others do.
type file struct {
	cfg     Config
	now     func() time.Time
	log     *slog.Logger
	lock    lock
	reserve reserve

	f     *os.File // nil: not open
	info  fs.FileInfo
	size  int64 // of whole lines
	torn  bool  // the last line is not whole: it ends here
	dirty bool  // half a write could not be taken back
}

func newFile(cfg Config, now func() time.Time, log *slog.Logger) *file {
	return &file{
		cfg:     cfg,
		now:     now,
		log:     log,
		lock:    lock{path: cfg.Path + lockSuffix, log: log},
		reserve: reserve{path: cfg.Path + reserveSuffix, size: reserveSize(cfg.Path, cfg.Reserve), log: log},
	}
}

// ready makes sure that the lock is ours, and that the path names the open file:
// if it was moved away or removed, a new one is begun.
func (f *file) ready() error {
	if !f.lock.held() {
		if err := f.lock.try(); err != nil {
			return err
		}
	}
	if f.dirty && !f.undo() {
		return errors.New("half a line is in the log, and cannot be taken back")
	}
	if f.f == nil {
		return f.open()
	}
	there, err := os.Lstat(f.cfg.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && !os.SameFile(there, f.info):
		f.log.Warn("somebody else moved or removed the audit log: a new file is begun, the chain goes on", "file", f.cfg.Path)
		if err := f.release(); err != nil {
			return err
		}
		return f.open()
	case err != nil:
		return fmt.Errorf("%s: %w", f.cfg.Path, err)
	case there.Size() != f.size:
		f.log.Warn("somebody else changed the audit log", "file", f.cfg.Path, "bytes", there.Size(), "expected", f.size)
		return f.adopt()
	}
	return nil
}

// release closes the file that is open.
func (f *file) release() error {
	open := f.f
	f.f = nil
	return errors.Join(open.Sync(), open.Close())
}

func (f *file) open() error {
	open, err := openOwn(f.cfg.Path, os.O_APPEND, f.log)
	if err != nil {
		return err
	}
	f.f = open
	if f.info, err = open.Stat(); err == nil {
		err = f.adopt()
	}
	if err != nil {
		f.f = nil
		return errors.Join(err, open.Close())
	}
	return nil
}

// adopt takes the file as it is.
func (f *file) adopt() error {
	info, err := f.f.Stat()
	if err != nil {
		return err
	}
	f.size, f.torn = info.Size(), false
	if f.size == 0 {
		return nil
	}
	last := make([]byte, 1)
	if _, err := f.f.ReadAt(last, f.size-1); err != nil {
		return err
	}
	f.torn = last[0] != '\n' // a crash, or a full disk, tore the last line
	return nil
}

// write implements [sink].
func (f *file) write(b batch) error {
	for {
		err := f.try(b)
		if err == nil {
			f.lock.mark(b.end)
			return nil
		}
		if !b.urgent || !full(err) || !f.reserve.free(len(b.text)) {
			return err
		}
	}
}

func (f *file) try(b batch) error {
	if err := f.ready(); err != nil {
		return err
	}
	if !b.urgent { // what others need room for later must be there first
		if err := f.reserve.fill(); err != nil {
			return fmt.Errorf("no room is kept for outcomes: %w", err)
		}
	}
	if f.size > 0 && f.size+int64(len(b.text)) > f.cfg.MaxBytes {
		if err := f.rotate(); err != nil {
			return err
		}
	}
	for range 3 {
		if err := f.put(b); err != nil {
			return err
		}
		if info, err := f.f.Stat(); err != nil || links(info) > 0 {
			return nil
		}
		if err := f.ready(); err != nil { // removed while it was written: the lines are nowhere
			return err
		}
	}
	return fmt.Errorf("%s is removed again and again", f.cfg.Path)
}

func (f *file) put(b batch) error {
	text := b.text
	if f.torn {
		text = append([]byte{'\n'}, text...)
	}
	_, err := f.f.Write(text)
	if err == nil && b.sync {
		err = f.f.Sync()
	}
	if err != nil {
		f.undo()
		return err
	}
	f.size += int64(len(text))
	f.torn = false
	return nil
}

// undo takes back half a write, so that no line is torn or there twice.
func (f *file) undo() bool {
	info, err := f.f.Stat()
	if err == nil && info.Size() > f.size {
		err = f.f.Truncate(f.size)
	}
	f.dirty = err != nil
	return !f.dirty
}

// heal implements [sink].
func (f *file) heal() error {
	if err := f.ready(); err != nil {
		return err
	}
	return f.reserve.fill()
}

// end is where the chain ends that was written last: "chain seq hash", "" if
// there is none.
func (f *file) end() string {
	known, found := f.lock.end(), ""
	if f.f != nil && f.size > 0 {
		tail := make([]byte, min(f.size, 2*maxLineBytes))
		n, _ := f.f.ReadAt(tail, f.size-int64(len(tail)))
		for _, text := range slices.Backward(strings.Split(string(tail[:n]), "\n")) {
			if l, err := parseLine([]byte(text)); err == nil {
				found = endText(l.Chain, l.Seq, l.Hash)
				break
			}
		}
	}
	if found == "" {
		return known
	}
	chain, seq, _, _ := parseEnd(found)
	if c, s, _, _ := parseEnd(known); c == chain && s > seq {
		f.log.Error("the audit log ends too early: lines are missing", "file", f.cfg.Path, "last", seq, "written", s)
	}
	return found
}

func endText(chain string, seq uint64, hash string) string {
	return chain + " " + strconv.FormatUint(seq, 10) + " " + hash
}

func parseEnd(s string) (chain string, seq uint64, hash string, ok bool) {
	parts := strings.Fields(s)
	if len(parts) != 3 || len(parts[2]) != 64 {
		return "", 0, "", false
	}
	seq, err := strconv.ParseUint(parts[1], 10, 64)
	return parts[0], seq, parts[2], err == nil
}

// close implements [sink].
func (f *file) close() error {
	var err error
	if f.f != nil {
		err = f.release()
	}
	return errors.Join(err, f.reserve.close(), f.lock.close())
}
