package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// disk is a file system of its own, in memory, that can be filled.
type disk struct {
	dir    string
	filler *os.File
}

func newDisk(t *testing.T, kib int) *disk {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dk", kib)); err != nil {
		t.Skipf("cannot mount a file system here: %v; TestAFullDiskRefusesAndRecovers shows the same without one", err)
	}
	d := &disk{dir: dir}
	t.Cleanup(func() {
		if d.filler != nil {
			d.filler.Close()
		}
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *disk) log() string { return filepath.Join(d.dir, "audit.log") }

// fill takes the last byte.
func (d *disk) fill(t *testing.T) {
	t.Helper()
	var err error
	if d.filler == nil {
		if d.filler, err = os.Create(filepath.Join(d.dir, "filler")); err != nil {
			t.Fatal(err)
		}
	}
	for size := 64 << 10; size > 0; {
		if _, err = d.filler.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

func (d *disk) free(t *testing.T) {
	t.Helper()
	if err := d.filler.Truncate(0); err != nil {
		t.Fatal(err)
	}
	if _, err := d.filler.Seek(0, 0); err != nil {
		t.Fatal(err)
	}
}

// await waits until the log is healthy by itself: no record comes.
func await(t *testing.T, l *Log) {
	t.Helper()
	begun := time.Now()
	for l.Healthy() != nil {
		if time.Since(begun) > 20*time.Second {
			t.Fatal(l.Healthy())
		}
	}
	t.Logf("healthy %v after there was room", time.Since(begun).Round(time.Millisecond))
}

// begin begins calls, as many as there may be.
func begin(t *testing.T, l *Log, most int) (ends []func() error) {
	t.Helper()
	for i := range most {
		id := fmt.Sprint(i)
		end, err := l.Begin(t.Context(), Record{Event: Intent, Call: id, Principal: "token:writer", Method: "asc.provisioning.v1.BundleIdsService/CreateBundleId"})
		if err != nil {
			return ends
		}
		ends = append(ends, func() error {
			return end(Record{Event: Outcome, Call: id, Principal: "token:writer", Method: "asc.provisioning.v1.BundleIdsService/CreateBundleId", Outcome: "OK", Resources: []string{"bundleIds/1234567890"}})
		})
	}
	return ends
}

// TestOutcomesHaveRoomOnAFullDisk: every call that was let in gets its outcome
// although the last byte is taken, and no other is let in.
func TestOutcomesHaveRoomOnAFullDisk(t *testing.T) {
	for _, kib := range []int{256, 64 << 10} {
		t.Run(fmt.Sprint(kib, " KiB"), func(t *testing.T) {
			d := newDisk(t, kib)
			l := open(t, Config{Path: d.log()})
			ends := begin(t, l, 10_000)
			d.fill(t)
			if _, err := l.Begin(t.Context(), Record{Event: Intent, Call: "refused"}); err == nil {
				t.Error("a call was let in")
			}
			for _, end := range ends {
				if err := end(); err != nil {
					t.Fatalf("an outcome is not on record: %v", err)
				}
			}
			t.Logf("%d outcomes on a full disk", len(ends))
			d.free(t)
			await(t, l)
			more := begin(t, l, 1)
			if len(more) != 1 {
				t.Fatal("no call is let in again")
			}
			if err := errors.Join(more[0](), l.Close()); err != nil {
				t.Fatal(err)
			}
			if r := verify(t, d.log()); len(r.Problems) > 0 || r.Lines != 2*len(ends)+4 {
				t.Errorf("%d lines, %v", r.Lines, r.Problems)
			}
		})
	}
}

// TestOutcomesAreKeptWithoutAnyRoom: somebody took the reserve too.
func TestOutcomesAreKeptWithoutAnyRoom(t *testing.T) {
	d := newDisk(t, 1024)
	l := open(t, Config{Path: d.log()})
	ends := begin(t, l, 20)
	if err := os.Truncate(d.log()+reserveSuffix, 0); err != nil {
		t.Fatal(err)
	}
	d.fill(t)
	failed := 0
	for _, end := range ends {
		begun := time.Now()
		if end() != nil {
			failed++
		}
		if took := time.Since(begun); took > DefaultTimeout/2 {
			t.Errorf("an answer waited %v for its record", took)
		}
	}
	if failed == 0 {
		t.Fatal("there was room")
	}
	d.free(t)
	await(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if r := verify(t, d.log()); len(r.Problems) > 0 || r.Lines != 42 {
		t.Errorf("%d lines, %v", r.Lines, r.Problems)
	}
}

// TestARestartOnAFullDiskStarts: not healthy, and well when there is room.
func TestARestartOnAFullDiskStarts(t *testing.T) {
	for _, c := range []struct {
		name  string
		runs  int // before
		lines int
	}{{"the first start", 0, 3}, {"a later one", 1, 5}} {
		t.Run(c.name, func(t *testing.T) {
			d := newDisk(t, 1024)
			for range c.runs {
				if err := open(t, Config{Path: d.log()}).Close(); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Remove(d.log() + reserveSuffix); err != nil && c.runs > 0 {
				t.Fatal(err)
			}
			d.fill(t)
			l := open(t, Config{Path: d.log()})
			if l.Healthy() == nil || len(begin(t, l, 1)) > 0 {
				t.Error("a call was let in")
			}
			l.Deny(Record{Event: Denial, Principal: "token:x"})
			d.free(t)
			await(t, l)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if r := verify(t, d.log()); len(r.Problems) > 0 || r.Lines != c.lines || r.Chains != c.runs+1 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestAFileThatMayNotGrow is another kind of no room: a limit of the process.
func TestAFileThatMayNotGrow(t *testing.T) {
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "audit.log")
	l := open(t, Config{Path: path, Reserve: 64 << 10})
	ends := begin(t, l, 3)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: uint64(info.Size()) + 100, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	refused, kept := len(begin(t, l, 1)) == 0, ends[0]() != nil
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	if !refused || !kept {
		t.Errorf("refused %v, kept %v", refused, kept)
	}
	await(t, l)
	if err := errors.Join(ends[1](), ends[2](), l.Close()); err != nil {
		t.Fatal(err)
	}
	if r := verify(t, path); len(r.Problems) > 0 || r.Lines != 8 {
		t.Errorf("%+v", r)
	}
}
