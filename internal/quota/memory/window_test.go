package memory

import (
	"math/rand/v2"
	"testing"
	"time"
)

var t0 = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// TestWindowAgainstAList compares with a list of stamps, kept to the nanosecond:
// the window never counts less, and never one stretch longer than needed.
func TestWindowAgainstAList(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	w := newWindow(int64(time.Hour), int64(time.Second), int64(2*time.Minute))
	var list []time.Time
	now := t0
	for range 5_000 {
		now = now.Add(time.Duration(r.Int64N(int64(2 * time.Second))))
		if r.IntN(50) == 0 {
			now = now.Add(time.Duration(r.Int64N(int64(20 * time.Minute))))
		}
		stamp := now.Add(time.Duration(r.Int64N(int64(time.Minute))))
		w.add(now.UnixNano(), stamp.UnixNano(), 1)
		list = append(list, stamp)
		exact, late := 0, 0
		for _, s := range list {
			if s.Add(time.Hour).After(now) {
				exact++
			}
			if s.Add(time.Hour + time.Second).After(now) {
				late++
			}
		}
		if got := w.used(now.UnixNano()); got < exact || got > late {
			t.Fatalf("at %v: %d, want %d to %d", now, got, exact, late)
		}
	}
}

func TestWindowTellsWhenThereIsRoom(t *testing.T) {
	w := newWindow(int64(time.Minute), int64(100*time.Millisecond), int64(2*time.Minute))
	for i := range 10 {
		w.add(t0.UnixNano(), t0.Add(time.Duration(i)*time.Second).UnixNano(), 1)
	}
	at := time.Unix(0, w.free(t0.Add(9*time.Second).UnixNano(), 7))
	if want := t0.Add(2*time.Second + 100*time.Millisecond + time.Minute); !at.Equal(want) {
		t.Errorf("got %v, want %v", at, want)
	}
	if n := w.used(at.Add(-time.Nanosecond).UnixNano()); n != 8 {
		t.Errorf("just before: %d", n)
	}
	if n := w.used(at.UnixNano()); n != 7 {
		t.Errorf("then: %d", n)
	}
	if n := w.used(t0.Add(time.Hour).UnixNano()); n != 0 {
		t.Errorf("an hour later: %d", n)
	}
}
