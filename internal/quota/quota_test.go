package quota

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func told(limit, remaining int) http.Header {
	return http.Header{"X-Rate-Limit": {fmt.Sprintf("user-hour-lim:%d;user-hour-rem:%d;", limit, remaining)}}
}

var builds = asc.Charge{Team: "t", KeyID: "K", Method: "GET", Template: "/v1/builds/{id}"}

// TestTheFirstGoesAlone holds calls back until a header has told the limit.
func TestTheFirstGoesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(Config{}, time.Now)
		defer m.Close()
		first, err := m.Admit(t.Context(), builds)
		if err != nil {
			t.Fatal(err)
		}
		var admitted atomic.Int32
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				p, err := m.Admit(t.Context(), builds)
				if err != nil {
					t.Error(err)
					return
				}
				admitted.Add(1)
				p.Done(1, 200, told(3600, 3000))
			})
		}
		synctest.Wait()
		if admitted.Load() != 0 {
			t.Errorf("%d went before the first answer", admitted.Load())
		}
		first.Done(1, 200, told(3600, 3000))
		wg.Wait()
		if s := m.States()[0]; s.Limit != 3600 || s.Foreign < 580 || s.Foreign > 600 || s.Used > 625 {
			t.Errorf("got %+v", s)
		}
	})
}

func TestAWaitThatIsTooLongIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(Config{}, time.Now)
		defer m.Close()
		p, _ := m.Admit(t.Context(), builds)
		p.Done(1, 200, told(100, 0))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begun := time.Now()
		_, err := m.Admit(ctx, builds)
		if f := fault.As(err); f.Kind != fault.ResourceExhausted || f.Reason != ReasonExhausted || f.RetryAfter < time.Minute || time.Since(begun) > 0 {
			t.Errorf("got %v after %v", err, time.Since(begun))
		}
		long, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
		defer cancel()
		if _, err := m.Admit(long, builds); err != nil || time.Since(begun) < 59*time.Minute {
			t.Errorf("who has time does not wait: %v after %v", err, time.Since(begun))
		}
	})
}

func TestWhoLeavesFreesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(Config{}, time.Now)
		defer m.Close()
		p, _ := m.Admit(t.Context(), builds)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { _, err := m.Admit(ctx, builds); done <- err }()
		synctest.Wait()
		cancel()
		if err := <-done; fault.As(err).Kind != fault.Canceled {
			t.Errorf("got %v", err)
		}
		p.Done(1, 200, told(3600, 3599))
		if s := m.States()[0]; s.Waiting != 0 || s.InFlight != 0 || s.Used != 1 {
			t.Errorf("got %+v", s)
		}
	})
}

// TestARefusalBlocksEveryone: nobody runs into the same 429 again.
func TestARefusalBlocksEveryone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(Config{}, time.Now)
		defer m.Close()
		p, _ := m.Admit(t.Context(), builds)
		h := told(3600, 3000)
		h.Set("Retry-After", "30")
		begun := time.Now()
		p.Done(1, http.StatusTooManyRequests, h)
		if _, err := m.Admit(t.Context(), asc.Charge{Team: "t", KeyID: "K", Method: "POST", Template: "/v1/apps"}); err != nil || time.Since(begun) != 30*time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		other := time.Now()
		if _, err := m.Admit(t.Context(), asc.Charge{Team: "t", KeyID: "OTHER", Method: "GET", Template: "/v1/apps"}); err != nil || time.Since(other) != 0 {
			t.Errorf("another key waits: %v", err)
		}
	})
}

// TestMinutesAreLearned keeps an endpoint within the minute that its header told.
func TestMinutesAreLearned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(Config{}, time.Now)
		defer m.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		begun := time.Now()
		for i := range 25 {
			p, err := m.Admit(ctx, builds)
			if err != nil {
				t.Fatal(err)
			}
			p.Done(1, 200, http.Header{"X-Rate-Limit": {fmt.Sprintf("user-hour-lim:36000;user-hour-rem:35000;, user-minute-lim:10;user-minute-rem:%d;", 9-i%10)}})
		}
		if d := time.Since(begun); d < 2*time.Minute || d > 2*time.Minute+time.Second {
			t.Errorf("25 calls at 10 a minute took %v", d)
		}
		apps := time.Now()
		if _, err := m.Admit(t.Context(), asc.Charge{Team: "t", KeyID: "K", Method: "GET", Template: "/v1/apps"}); err != nil || time.Since(apps) != 0 {
			t.Errorf("another endpoint waits: %v", err)
		}
	})
}

func TestNothingIsForgottenEarly(t *testing.T) {
	l := newLedger(100)
	now := t0
	a := l.charge(now, now.Add(time.Minute), endpoint{"GET", "builds"})
	l.settle(now.Add(time.Minute), a, 1, 0, nil) // no answer: it may have arrived at the last moment
	if n := l.used(now.Add(time.Hour + 59*time.Second)); n != 1 {
		t.Errorf("%d", n)
	}
	b := l.charge(now, now.Add(time.Minute), endpoint{"GET", "builds"})
	l.settle(now.Add(time.Second), b, 3, 200, told(100, 90)) // net/http wrote it three times
	if n := l.hour.used(now.Add(time.Hour)); n != 4 {
		t.Errorf("%d", n)
	}
	c := l.charge(now, now.Add(time.Minute), endpoint{"GET", "builds"})
	l.settle(now.Add(time.Second), c, 0, 0, nil) // never sent
	if n := l.hour.used(now.Add(2 * time.Second)); n != 4 {
		t.Errorf("%d", n)
	}
}

func TestLimitsAreAdopted(t *testing.T) {
	l := newLedger(0)
	answer := func(limit int) {
		x := l.charge(t0, t0.Add(time.Minute), endpoint{"GET", "builds"})
		l.settle(t0, x, 1, 200, told(limit, limit-l.used(t0)))
	}
	for _, step := range []struct{ told, want int }{{3600, 3600}, {3500, 3500}, {3600, 3500}, {3600, 3500}, {3600, 3600}, {20, 20}} {
		if answer(step.told); l.limit != step.want {
			t.Errorf("told %d: %d, want %d", step.told, l.limit, step.want)
		}
	}
}

// The goal: at most 1 µs.
func BenchmarkDecision(b *testing.B) {
	m := New(Config{HourLimit: 2_000_000_000}, time.Now)
	defer m.Close()
	ctx := asc.WithCaller(b.Context(), &asc.Caller{ID: "token:a", Priority: "default", Weight: 1})
	h := told(2_000_000_000, 2_000_000_000)
	p, _ := m.Admit(ctx, builds)
	p.Done(1, 200, h)
	b.ReportAllocs()
	for b.Loop() {
		p, err := m.Admit(ctx, builds)
		if err != nil {
			b.Fatal(err)
		}
		p.Done(1, 200, h)
	}
}
