package quota

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
	w := newWindow(time.Hour, time.Second)
	var list []time.Time
	now := t0
	for range 5_000 {
		now = now.Add(time.Duration(r.Int64N(int64(2 * time.Second))))
		if r.IntN(50) == 0 {
			now = now.Add(time.Duration(r.Int64N(int64(20 * time.Minute))))
		}
		stamp := now.Add(time.Duration(r.Int64N(int64(time.Minute))))
		w.add(now, stamp, 1)
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
		if got := w.used(now); got < exact || got > late {
			t.Fatalf("at %v: %d, want %d to %d", now, got, exact, late)
		}
	}
}

func TestWindowTellsWhenThereIsRoom(t *testing.T) {
	w := newWindow(time.Minute, 100*time.Millisecond)
	for i := range 10 {
		w.add(t0, t0.Add(time.Duration(i)*time.Second), 1)
	}
	at := w.free(t0.Add(9*time.Second), 7)
	if want := t0.Add(2*time.Second + 100*time.Millisecond + time.Minute); !at.Equal(want) {
		t.Errorf("got %v, want %v", at, want)
	}
	if n := w.used(at.Add(-time.Nanosecond)); n != 8 {
		t.Errorf("just before: %d", n)
	}
	if n := w.used(at); n != 7 {
		t.Errorf("then: %d", n)
	}
	if n := w.used(t0.Add(time.Hour)); n != 0 {
		t.Errorf("an hour later: %d", n)
	}
}

func TestParseLimits(t *testing.T) {
	for _, c := range []struct {
		name   string
		values []string
		want   Limits
	}{
		{"the hour", []string{"user-hour-lim:3600;user-hour-rem:3577;"}, Limits{Hour: Pair{3600, 3577, true}}},
		{"two lines", []string{"user-hour-lim:3600;user-hour-rem:3577;", "user-minute-lim:150;user-minute-rem:149;"}, Limits{Pair{3600, 3577, true}, Pair{150, 149, true}}},
		{"joined", []string{"user-hour-lim:3600;user-hour-rem:3598;, user-minute-lim:150;user-minute-rem:149;"}, Limits{Pair{3600, 3598, true}, Pair{150, 149, true}}},
		{"the minute alone", []string{"user-minute-lim:250;user-minute-rem:249"}, Limits{Minute: Pair{250, 249, true}}},
		{"below zero", []string{"user-hour-lim:3600;user-hour-rem:-1;"}, Limits{Hour: Pair{3600, 0, true}}},
		{"unknown names", []string{"user-day-lim:9;user-hour-rem:5;user-hour-lim:10;x"}, Limits{Hour: Pair{10, 5, true}}},
		{"half", []string{"user-hour-lim:3600;"}, Limits{}},
		{"more than all", []string{"user-hour-lim:10;user-hour-rem:11"}, Limits{}},
		{"junk", []string{"::;;,user-hour-lim:abc;user-hour-rem:99999999999999999999"}, Limits{}},
		{"nothing", nil, Limits{}},
	} {
		if got := ParseLimits(c.values); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func FuzzParseLimits(f *testing.F) {
	f.Add("user-hour-lim:3600;user-hour-rem:3598;, user-minute-lim:150;")
	f.Fuzz(func(t *testing.T, s string) {
		l := ParseLimits([]string{s})
		for _, p := range []Pair{l.Hour, l.Minute} {
			if p.Known && (p.Limit <= 0 || p.Remaining < 0 || p.Remaining > p.Limit) {
				t.Errorf("%q: %+v", s, p)
			}
		}
	})
}
