package audit

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func denial(principal, method string) Record {
	return Record{Event: Denial, Principal: principal, Method: method, Reason: "POLICY_DENIED", Outcome: "PERMISSION_DENIED", Detail: "no rule allows it"}
}

// denialsOf are the denials on record, as "principal method count detail".
func denialsOf(t *testing.T, b []byte) (list []string, counted, size int) {
	t.Helper()
	for text, err := range Texts(bytes.NewReader(b)) {
		l, ok := Parse(text)
		if err != nil || !ok {
			t.Fatalf("%v %s", err, text)
		}
		if l.Event == Denial {
			list = append(list, fmt.Sprintf("%s %s %d %s", l.Principal, l.Method, l.Count, l.Detail))
			counted += max(1, l.Count)
			size += len(text) + 1
		}
	}
	return list, counted, size
}

// TestDenialsAreCounted: the first at once, those after it together.
func TestDenialsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &failing{}
		l := withSink(Config{}, s, time.Now)
		step := func(wait time.Duration, want ...string) {
			t.Helper()
			time.Sleep(wait)
			synctest.Wait()
			s.mu.Lock()
			got, _, _ := denialsOf(t, s.b.Bytes())
			s.mu.Unlock()
			if strings.Join(got, "\n") != strings.Join(want, "\n") {
				t.Errorf("on record:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
		l.Deny(denial("a", "m"))
		want := []string{"a m 0 no rule allows it"}
		step(0, want...)
		for range 500 {
			l.Deny(denial("a", "m"))
		}
		l.Deny(denial("a", "n"))
		l.Deny(denial("b", "m")) // another caller: at once
		want = append(want, "b m 0 no rule allows it")
		step(5*time.Second, want...)
		want = append(want, "a m 501 no rule allows it; also n")
		step(7*time.Second, want...)
		l.Deny(denial("b", "m")) // only one more: as it is
		want = append(want, "b m 0 no rule allows it")
		step(0, want...)
		step(time.Minute, want...)
		l.Deny(denial("a", "m")) // quiet for long: at once again
		want = append(want, "a m 0 no rule allows it")
		step(0, want...)
		l.Deny(denial("a", "m"))
		step(0, want...)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		step(0, append(want, "a m 0 no rule allows it")...)
	})
}

// TestDenialsOnAFullDisk: what could not be written is counted on.
func TestDenialsOnAFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &failing{}
		l := withSink(Config{}, s, time.Now)
		synctest.Wait()
		s.set(true, nil)
		for i := range 1000 {
			l.Deny(denial("a", fmt.Sprint("m", i%20)))
			if i%100 == 0 {
				time.Sleep(3 * time.Second)
			}
		}
		s.set(false, nil)
		time.Sleep(time.Minute)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if list, counted, _ := denialsOf(t, s.b.Bytes()); counted != 1000 {
			t.Errorf("%d counted: %v", counted, list)
		}
	})
}

// TestAFloodOfDenials: 200,000 denials of 4,000 callers in an hour take no
// more than their budget of the disk, refuse no write, and rotate no intent away.
func TestAFloodOfDenials(t *testing.T) {
	for _, c := range []struct {
		name     string
		maxBytes int64
	}{{"small files", 20_000}, {"files of 1 MiB", 1 << 20}, {"files as they are by default", DefaultMaxBytes}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "audit.log")
				l, err := Open(t.Context(), Config{Path: path, MaxBytes: c.maxBytes, MaxFiles: 1, NoSync: true}, time.Now, slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				if err := l.Append(t.Context(), Record{Event: Intent, Call: "the-first"}); err != nil {
					t.Fatal(err)
				}
				const hours, steps, each = 1, 50, 4_000
				for i := range steps {
					flood(l, each)
					if i%5 == 0 {
						if err := l.Append(t.Context(), Record{Event: Intent}); err != nil {
							t.Fatal(err)
						}
					}
					time.Sleep(hours * time.Hour / steps)
				}
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				bytes, counted, all := 0, 0, ""
				for _, name := range filesOf(t, path) {
					b, err := os.ReadFile(name)
					if err != nil {
						t.Fatal(err)
					}
					_, n, size := denialsOf(t, b)
					bytes, counted, all = bytes+size, counted+n, all+string(b)
				}
				bound := int(min(c.maxBytes/16, denialBurst)+hours*min(c.maxBytes/100, denialHour)) + 2*denialLine // the last is that of Close
				t.Logf("%d denials counted, %d bytes on record, bound %d", counted, bytes, bound)
				if bytes > bound || !strings.Contains(all, "the-first") {
					t.Errorf("the first intent is there: %v", strings.Contains(all, "the-first"))
				}
				if counted != steps*each {
					t.Errorf("%d counted", counted)
				}
				l.denials.mu.Lock()
				defer l.denials.mu.Unlock()
				if len(l.denials.held) > denialKeys+1 {
					t.Errorf("%d callers are held", len(l.denials.held))
				}
			})
		})
	}
}

func flood(l *Log, n int) {
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range n / 4 {
				l.Deny(denial(fmt.Sprint("token:", w, i), fmt.Sprint("m", i)))
			}
		})
	}
	wg.Wait()
}
