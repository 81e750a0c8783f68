package replay

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// TestAFullMemoryRefuses the next name, and forgets none before its time: the
// attack is a caller with more names than there is room for.
func TestAFullMemoryRefuses(t *testing.T) {
	now := time.Now()
	r := newReplays(t, newMemory(func() time.Time { return now }, 1<<20))
	made := map[string]int{}
	create := func(i int) (answer []byte, err error) {
		name := fmt.Sprint(i)
		return r.Do(t.Context(), ID("team", "caller", "CreateX", name), []byte(name), func() ([]byte, error) {
			made[name]++
			return []byte("answer " + name), nil
		})
	}
	accepted := 0
	for ; ; accepted++ {
		now = now.Add(time.Millisecond)
		_, err := create(accepted)
		if f := fault.As(err); err != nil && (f.Kind != fault.Unavailable || f.Reason != ReasonUnavailable) {
			t.Fatal(err)
		}
		if err != nil {
			break
		}
	}
	if accepted < 1000 || made[fmt.Sprint(accepted)] != 0 {
		t.Fatalf("%d names in 1 MiB; the refused one was carried out %d times", accepted, made[fmt.Sprint(accepted)])
	}
	now = now.Add(time.Millisecond)
	for i := range accepted {
		if got, err := create(i); err != nil || string(got) != fmt.Sprint("answer ", i) {
			t.Fatalf("name %d of %d: %q %v", i, accepted, got, err)
		}
	}
	for name, n := range made {
		if n != 1 {
			t.Errorf("%s was carried out %d times", name, n)
		}
	}
	half := time.Duration(accepted/2) * time.Millisecond
	now = now.Add(Window - time.Duration(accepted+1)*time.Millisecond + half) // the older half has had its time
	if _, err := create(accepted - 1); err != nil || made[fmt.Sprint(accepted-1)] != 1 {
		t.Errorf("a younger name is forgotten: %v", err)
	}
	fresh := 0
	for i := accepted; ; i++ {
		if _, err := create(i); err != nil {
			break
		}
		fresh++
	}
	t.Logf("| names beyond 1 MiB | refused | %d names taken, %d of them replayed, 0 carried out again; %d when half had expired |", accepted, accepted, fresh)
	if fresh < accepted/3 || fresh > accepted {
		t.Errorf("%d of about %d found room", fresh, accepted/2)
	}
}

// TestTheMemoryIsMeasured: what it counts is what the process takes.
func TestTheMemoryIsMeasured(t *testing.T) {
	for _, answer := range []int{0, 3000} {
		t.Run(fmt.Sprint(answer), func(t *testing.T) {
			heap := func() int {
				var s runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&s)
				return int(s.HeapAlloc)
			}
			before := heap()
			m := NewMemory(time.Now)
			n := 0
			for ; ; n++ {
				e := entry{state: done, at: time.Now(), answer: make([]byte, answer)}
				if _, err := m.Claim(t.Context(), ID("team", "caller", "CreateX", fmt.Sprint(n)), e.bytes()); errors.Is(err, ErrFull) {
					break
				} else if err != nil {
					t.Fatal(err)
				}
			}
			took := heap() - before
			t.Logf("| %d names with answers of %d bytes | 32 MiB | %.1f MiB |", n, answer, float64(took)/(1<<20))
			if took > maxBytes*5/4 {
				t.Errorf("%d bytes for %d", took, m.bytes)
			}
			runtime.KeepAlive(m)
		})
	}
}

// TestAnAnswerWithoutRoom keeps its name all the same.
func TestAnAnswerWithoutRoom(t *testing.T) {
	r := newReplays(t, newMemory(time.Now, 10<<10))
	long := strings.Repeat("x", 20<<10)
	if got, err := r.Do(t.Context(), "id", nil, func() ([]byte, error) { return []byte(long), nil }); err != nil || string(got) != long {
		t.Errorf("%d %v", len(got), err)
	}
	_, err := r.Do(t.Context(), "id", nil, func() ([]byte, error) { t.Error("carried out again"); return nil, nil })
	if fault.As(err).Reason != fault.ReasonOutcomeUnknown {
		t.Errorf("got %v", err)
	}
}
