package overload

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// fill takes room until there is no more.
func fill(l *Limiter, class Class, caller string, weight int) (slots []Slot) {
	for {
		s, err := l.Enter(class, caller, weight)
		if err != nil {
			return slots
		}
		slots = append(slots, s)
	}
}

func TestCallsAreBounded(t *testing.T) {
	l := New(Config{MaxCalls: 8})
	slots := fill(l, Calls, "a", 1000)
	_, err := l.Enter(Calls, "b", 1000)
	if f := fault.As(err); len(slots) != 8 || f.Kind != fault.ResourceExhausted || f.Reason != Reason || f.RetryAfter <= 0 {
		t.Errorf("%d let in, then %v", len(slots), err)
	}
	slots[0].Leave()
	if _, err := l.Enter(Calls, "b", 1); err != nil {
		t.Error(err)
	}
	if inside, shed := l.Counts(Calls); inside != 8 || shed != 2 {
		t.Errorf("%d inside, %d shed", inside, shed)
	}
	l.Configure(Config{MaxCalls: 9})
	if _, err := l.Enter(Calls, "c", 1); err != nil {
		t.Error(err)
	}
	if _, err := (*Limiter)(nil).Enter(Calls, "a", 1); err != nil {
		t.Error(err)
	}
}

func TestEveryCallerHasAShare(t *testing.T) {
	l := New(Config{MaxCalls: 100})
	greedy := len(fill(l, Calls, "greedy", 1))
	if greedy != 50 {
		t.Errorf("a single caller got %d of 100", greedy)
	}
	for i := range 5 { // each next one finds something
		if got := len(fill(l, Calls, fmt.Sprint("caller ", i), 1)); got == 0 {
			t.Errorf("caller %d found no room", i)
		}
	}
}

func TestSharesGoByWeight(t *testing.T) {
	l := New(Config{MaxCalls: 700})
	var light, heavy []Slot
	for range 2000 { // calls end, and both want all there is
		for _, c := range []struct {
			caller string
			weight int
			held   *[]Slot
		}{{"light", 1, &light}, {"heavy", 5, &heavy}} {
			if len(*c.held) > 0 {
				(*c.held)[0].Leave()
				*c.held = (*c.held)[1:]
			}
			*c.held = append(*c.held, fill(l, Calls, c.caller, c.weight)...)
		}
	}
	if n, m := len(light), len(heavy); n < 95 || n > 105 || m < 495 || m > 505 {
		t.Errorf("%d for weight 1, %d for weight 5 of 700: want 100 and 500", n, m)
	}
}

func TestClassesDoNotTouch(t *testing.T) {
	l := New(Config{MaxCalls: 4, MaxBodies: 4, MaxWatches: 4})
	fill(l, Bodies, "a", 1000)
	fill(l, Watches, "a", 1000)
	fill(l, Probes, "a", 1000)
	if got := len(fill(l, Calls, "a", 1000)); got != 4 {
		t.Errorf("%d calls beside bodies and watches, want 4", got)
	}
}

func TestManyAtOnce(t *testing.T) {
	l := New(Config{MaxCalls: 10})
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			for range 1000 {
				if s, err := l.Enter(Calls, fmt.Sprint(i%7), 1); err == nil {
					if inside, _ := l.Counts(Calls); inside > 10 {
						t.Error(inside)
					}
					s.Leave()
				}
			}
		})
	}
	wg.Wait()
	if inside, _ := l.Counts(Calls); inside != 0 || len(l.pools[Calls].held) != 0 {
		t.Errorf("%d inside, %d callers remembered", inside, len(l.pools[Calls].held))
	}
}

func TestMemoryIsBounded(t *testing.T) {
	l := New(Config{MaxMemory: 1})
	if _, err := l.Enter(Calls, "a", 1); fault.As(err).Reason != Reason {
		t.Error("let in without memory")
	}
	l.Configure(Config{MaxMemory: 1 << 50})
	l.looked.Store(time.Now().Add(-2 * sampleEvery).UnixNano())
	if _, err := l.Enter(Calls, "a", 1); err != nil {
		t.Error(err)
	}
}

func TestSeldom(t *testing.T) {
	var s Seldom
	t0 := time.Now()
	for _, c := range []struct {
		after time.Duration
		ok    bool
		left  int64
	}{{0, true, 0}, {1, false, 0}, {seldomEvery / 2, false, 0}, {seldomEvery, true, 2}, {2 * seldomEvery, true, 0}} {
		if ok, left := s.Pass(t0.Add(c.after)); ok != c.ok || left != c.left {
			t.Errorf("after %v: %v, %d left out", c.after, ok, left)
		}
	}
}

func BenchmarkEnter(b *testing.B) {
	l := New(Config{})
	for b.Loop() {
		s, err := l.Enter(Calls, "a", 1)
		if err != nil {
			b.Fatal(err)
		}
		s.Leave()
	}
}

func TestCallers(t *testing.T) {
	l := New(Config{MaxCalls: 100})
	fill(l, Calls, "a", 1)
	one, err := l.Enter(Calls, "b", 1)
	if err != nil {
		t.Fatal(err)
	}
	if got := l.Callers(Calls, 10); len(got) != 2 || got[0].Caller != "a" || got[1] != (Held{"b", 1}) {
		t.Errorf("got %v", got)
	}
	one.Leave()
	if got := l.Callers(Calls, 10); len(got) != 1 {
		t.Errorf("got %v", got)
	}
	if got := (*Limiter)(nil).Callers(Calls, 1); got != nil {
		t.Errorf("got %v", got)
	}
}
