package audit

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestOneWriter(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	t.Run("a second one is refused", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.log")
			first := open(t, Config{Path: path})
			begun, told := time.Now(), 0
			_, err := Open(t.Context(), Config{Path: path, Waiting: func() func() { told++; return func() { told++ } }}, time.Now, quiet)
			if !errors.Is(err, errBusy) || !strings.Contains(err.Error(), path) || time.Since(begun) != DefaultLockWait || told != 2 {
				t.Errorf("%v after %v, told %d times", err, time.Since(begun), told)
			}
			if err := first.Close(); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("a second one goes on where the first ended", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.log")
			first := open(t, Config{Path: path})
			second := make(chan *Log)
			go func() { second <- open(t, Config{Path: path}) }()
			for range 5 {
				time.Sleep(time.Second)
				if err := first.Append(t.Context(), Record{Event: Intent}); err != nil {
					t.Error(err)
				}
			}
			if err := errors.Join(first.Close(), (<-second).Close()); err != nil {
				t.Error(err)
			}
			if r := verify(t, path); len(r.Problems)+len(r.Notes) > 0 || r.Chains != 2 || r.Lines != 9 {
				t.Errorf("%+v", r)
			}
		})
	})
	t.Run("waiting ends with its context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.log")
			first := open(t, Config{Path: path})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := Open(ctx, Config{Path: path}, time.Now, quiet); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			if err := first.Close(); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("whoever lost the lock writes no more", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "audit.log")
			first := open(t, Config{Path: path})
			if err := os.Remove(path + lockSuffix); err != nil {
				t.Fatal(err)
			}
			second := open(t, Config{Path: path}) // nothing tells it of the first
			if err := first.Append(t.Context(), Record{Event: Intent}); !errors.Is(err, errBusy) {
				t.Errorf("two write: %v", err)
			}
			if err := second.Append(t.Context(), Record{Event: Intent}); err != nil {
				t.Error(err)
			}
			if err := errors.Join(second.Close(), first.Close()); err != nil {
				t.Error(err)
			}
		})
	})
}

// TestOneWriterOfTwoProcesses asks the kernel: the first is killed.
func TestOneWriterOfTwoProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "AUDIT_WRITE_UNTIL_KILLED="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{Path: path, LockWait: -1}, time.Now, slog.New(slog.DiscardHandler)); !errors.Is(err, errBusy) {
		t.Errorf("got %v", err)
	}
	killed := func() func() { _ = cmd.Process.Kill(); _ = cmd.Wait(); return func() {} }
	if err := open(t, Config{Path: path, Waiting: killed}).Close(); err != nil {
		t.Fatal(err)
	}
	if r := verify(t, path); len(r.Problems) > 0 || r.Chains != 2 {
		t.Errorf("%+v", r)
	}
}

// TestStandardOutput: nothing can be read there, so that a start says so.
func TestStandardOutput(t *testing.T) {
	s := &failing{}
	for range 2 {
		l := newLog(Config{MaxBytes: 1 << 20, Timeout: time.Second, Reserve: 1 << 20}, s, time.Now, slog.New(slog.DiscardHandler))
		l.keep(Record{Event: Start, Detail: beforeText + beforeStream})
		go l.run()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var v Verifier
	if err := v.File("f", bytes.NewReader(s.b.Bytes()), nil); err != nil || len(v.Report().Problems) > 0 || len(v.Report().Notes) != 1 {
		t.Errorf("%v %+v", err, v.Report())
	}
}
