package audit

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// failing is a file system that is full now and then.
type failing struct {
	mu   sync.Mutex
	b    bytes.Buffer
	full bool
	hang chan struct{}
}

func (f *failing) heal() error { return nil }
func (f *failing) write(b batch) error {
	f.mu.Lock()
	full, hang := f.full, f.hang
	f.mu.Unlock()
	if hang != nil {
		<-hang
	}
	if full {
		return syscall.ENOSPC
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.b.Write(b.text)
	return nil
}
func (f *failing) close() error { return nil }
func (f *failing) set(full bool, hang chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.full, f.hang = full, hang
}

func withSink(cfg Config, s sink, now func() time.Time) *Log {
	cfg.setDefaults()
	l := newLog(cfg, s, now, slog.New(slog.DiscardHandler))
	l.queue = make(chan *entry, 4)
	l.notes = make(chan *entry, 4)
	l.keep(Record{Event: Start, Detail: beforeText + "none"})
	go l.run()
	return l
}

// lines are what is on record, as "event call outcome".
func (f *failing) lines(t *testing.T) (list []string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for text, err := range Texts(bytes.NewReader(f.b.Bytes())) {
		l, ok := Parse(text)
		if err != nil || !ok {
			t.Fatalf("%v: %s", err, text)
		}
		list = append(list, strings.TrimSpace(strings.Join([]string{l.Event, l.Call, l.Outcome}, " ")))
	}
	var v Verifier
	if err := v.File("f", bytes.NewReader(f.b.Bytes()), nil); err != nil || len(v.Report().Problems) > 0 {
		t.Errorf("%v %+v", err, v.Report())
	}
	return list
}

func (f *failing) want(t *testing.T, want ...string) {
	t.Helper()
	if got := f.lines(t); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("on record:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func call(id string) Record { return Record{Event: Intent, Call: id} }

func ended(id string) Record { return Record{Event: Outcome, Call: id, Outcome: "OK"} }

func TestAFullDiskRefusesAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &failing{}
		l := withSink(Config{Timeout: time.Minute}, s, time.Now)
		end, err := l.Begin(t.Context(), call("a"))
		if err != nil {
			t.Fatal(err)
		}
		s.set(true, nil)
		_, err = l.Begin(t.Context(), call("b"))
		if f := fault.As(err); f.Kind != fault.Unavailable || f.Reason != ReasonUnavailable || !errors.Is(err, syscall.ENOSPC) || l.Healthy() == nil {
			t.Errorf("got %v", err)
		}
		if err := end(ended("a")); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("the outcome: %v", err)
		}
		s.set(false, nil)
		time.Sleep(2 * healEvery) // by itself: no record comes
		if err := l.Healthy(); err != nil {
			t.Errorf("it does not recover: %v", err)
		}
		s.want(t, "start", "intent a", "outcome a OK")
		if err := l.Append(t.Context(), call("c")); err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		s.want(t, "start", "intent a", "outcome a OK", "intent c", "stop")
	})
}

func TestAHangingDiskIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, hang := &failing{}, make(chan struct{})
		s.set(false, hang)
		l := withSink(Config{}, s, time.Now)
		var refused int
		for range 8 { // one is being written, four wait, the others find no room
			if _, err := l.Begin(t.Context(), call("a")); fault.As(err).Reason == ReasonUnavailable {
				refused++
			}
		}
		for range 10 {
			l.Note(Record{Event: Signing})
		}
		s.set(false, nil)
		close(hang)
		if err := l.Close(); err != nil || refused != 8 || l.Dropped() != 6 || l.room.Load() != l.cfg.Reserve {
			t.Errorf("%v, %d refused, %d dropped, room %d", err, refused, l.Dropped(), l.room.Load())
		}
		s.want(t, "start", "intent a", "outcome a CANCELLED", "signing", "signing", "signing", "signing", "stop")
	})
}

// TestCloseDoesNotHang: a disk that hangs must not keep the process from ending.
func TestCloseDoesNotHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, hang := &failing{}, make(chan struct{})
		s.set(false, hang)
		l := withSink(Config{}, s, time.Now)
		begun := time.Now()
		if err := l.Close(); err == nil || time.Since(begun) != closeLimit {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		close(hang)
		<-l.done
	})
}

// TestEveryIntentHasAnOutcome: whatever becomes of a call.
func TestEveryIntentHasAnOutcome(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(t *testing.T, l *Log, s *failing)
		want []string
	}{
		{"it ends", func(t *testing.T, l *Log, _ *failing) {
			end, err := l.Begin(t.Context(), call("a"))
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(end(ended("a")), end(Record{Event: Outcome, Call: "a", Outcome: "again"})); err != nil {
				t.Error(err)
			}
		}, []string{"intent a", "outcome a OK"}},
		{"cancelled while it is written", func(t *testing.T, l *Log, s *failing) {
			cancelledWhileWritten(t, l, s, false)
		}, []string{"intent a", "outcome a CANCELLED"}},
		{"cancelled while it is written, which fails", func(t *testing.T, l *Log, s *failing) {
			cancelledWhileWritten(t, l, s, true)
		}, nil},
		{"cancelled while it waits", func(t *testing.T, l *Log, s *failing) {
			hang := make(chan struct{})
			s.set(false, hang)
			l.Note(Record{Event: Signing}) // is being written
			synctest.Wait()
			ctx, cancel := context.WithCancel(t.Context())
			go cancel()
			if _, err := l.Begin(ctx, call("a")); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			s.set(false, nil)
			close(hang)
		}, []string{"signing"}},
		{"the log is closed before it ends", func(t *testing.T, l *Log, _ *failing) {
			end, err := l.Begin(t.Context(), call("a"))
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(l.Close(), end(ended("a"))); !errors.Is(err, errClosed) {
				t.Error(err)
			}
		}, []string{"intent a", "outcome a UNKNOWN"}},
		{"a grant, cancelled while it is written", func(t *testing.T, l *Log, s *failing) {
			hang := make(chan struct{})
			s.set(false, hang)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- l.Append(ctx, Record{Event: Grant, Call: "g"}) }()
			synctest.Wait()
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			s.set(false, nil)
			close(hang)
		}, []string{"grant g", "outcome g CANCELLED"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &failing{}
				l := withSink(Config{Timeout: time.Minute}, s, time.Now)
				l.wakeUp()
				synctest.Wait()
				c.do(t, l, s)
				if err := l.Close(); err != nil {
					t.Error(err)
				}
				s.want(t, append(append([]string{"start"}, c.want...), "stop")...)
				if l.room.Load() != l.cfg.Reserve {
					t.Errorf("%d of the room is lost", l.cfg.Reserve-l.room.Load())
				}
			})
		})
	}
}

func cancelledWhileWritten(t *testing.T, l *Log, s *failing, fails bool) {
	t.Helper()
	hang := make(chan struct{})
	s.set(fails, hang)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := l.Begin(ctx, call("a"))
		done <- err
	}()
	synctest.Wait() // it is being written
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	s.set(false, nil)
	close(hang)
	synctest.Wait()
	time.Sleep(2 * healEvery)
}

// TestAForgottenCallGetsAnOutcome: nobody is left who could end it, as after a
// panic.
func TestAForgottenCallGetsAnOutcome(t *testing.T) {
	s := &failing{}
	l := withSink(Config{}, s, time.Now)
	if _, err := l.Begin(t.Context(), call("a")); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); l.room.Load() != l.cfg.Reserve && time.Now().Before(deadline); {
		runtime.GC()
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s.want(t, "start", "intent a", "outcome a UNKNOWN", "stop")
}

// TestCallsWithoutOutcomeAreBounded: what is kept in memory, and the room on the
// disk for it, have an end.
func TestCallsWithoutOutcomeAreBounded(t *testing.T) {
	s := &failing{}
	l := withSink(Config{Reserve: 64 << 10}, s, time.Now)
	var ends []func(Record) error
	for range 100 {
		end, err := l.Begin(t.Context(), call("a"))
		if err != nil {
			break
		}
		ends = append(ends, end)
	}
	if len(ends) < 32 || len(ends) > 64 {
		t.Errorf("%d calls", len(ends))
	}
	for _, end := range ends {
		if err := end(ended("a")); err != nil {
			t.Error(err)
		}
	}
	if _, err := l.Begin(t.Context(), call("b")); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
