package quota_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	. "github.com/asc-gateway/asc-gateway/internal/quota"
	"github.com/asc-gateway/asc-gateway/internal/quota/memory"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func told(limit, remaining int) http.Header {
	return http.Header{"X-Rate-Limit": {fmt.Sprintf("user-hour-lim:%d;user-hour-rem:%d;", limit, remaining)}}
}

var builds = charge("K", "GET", "/v1/builds/{id}")

func charge(key, method, template string) asc.Charge {
	return asc.Charge{Team: "t", Keys: []asc.Candidate{{KeyID: key}}, Method: method, Template: template}
}

func newManager(rules Rules) *Manager {
	return New(Config{}, memory.New(rules, time.Now), slog.New(slog.DiscardHandler))
}

// key is how the only key of a manager stands.
func key(t *testing.T, m *Manager) (s State, waiting int) {
	t.Helper()
	keys, lines, err := m.Now(t.Context(), "t")
	if err != nil || len(keys) != 1 {
		t.Fatalf("%v %v", keys, err)
	}
	for _, l := range lines {
		waiting += l.Calls
	}
	return keys[0], waiting
}

// TestTheFirstGoesAlone holds calls back until a header has told the limit.
func TestTheFirstGoesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(Rules{})
		defer func() { _ = m.Close() }()
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
		if s, _ := key(t, m); s.Limit != 3600 || s.Foreign < 580 || s.Foreign > 600 || s.Used > 625 {
			t.Errorf("got %+v", s)
		}
	})
}

func TestAWaitThatIsTooLongIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(Rules{})
		defer func() { _ = m.Close() }()
		p, _ := m.Admit(t.Context(), builds)
		p.Done(1, 200, told(100, 0)) // others have used all of it: a probe in a minute
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		begun := time.Now()
		_, err := m.Admit(ctx, builds)
		if f := fault.As(err); f.Kind != fault.ResourceExhausted || f.Reason != fault.ReasonQuotaExhausted || f.RetryAfter != time.Minute || time.Since(begun) > 0 {
			t.Errorf("got %v after %v", err, time.Since(begun))
		}
		long, cancel := context.WithTimeout(t.Context(), 2*time.Hour)
		defer cancel()
		if _, err := m.Admit(long, builds); err != nil || time.Since(begun) != time.Minute {
			t.Errorf("who has time does not wait: %v after %v", err, time.Since(begun))
		}
	})
}

// spending is a context of a caller with a budget.
func spending(t *testing.T, hour int) context.Context {
	return asc.NewContext(t.Context(), nil, &asc.Caller{ID: "token:ci", Priority: "default", Weight: 1, Hour: hour})
}

// TestABudgetThatIsSpentRefusesAtOnce, also calls that wait already.
func TestABudgetThatIsSpentRefusesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(Rules{})
		defer func() { _ = m.Close() }()
		ctx := spending(t, 2)
		first, err := m.Admit(ctx, builds)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var went, refused atomic.Int32
		for range 5 { // they wait for the first answer
			wg.Go(func() {
				p, err := m.Admit(ctx, builds)
				if err == nil {
					went.Add(1)
					p.Done(1, 200, told(3600, 3598))
				} else if fault.As(err).Reason == fault.ReasonBudgetExhausted {
					refused.Add(1)
				}
			})
		}
		synctest.Wait()
		first.Done(1, 200, told(3600, 3599))
		begun := time.Now()
		wg.Wait()
		if went.Load() != 1 || refused.Load() != 4 || time.Since(begun) > time.Second {
			t.Errorf("%d went and %d were refused after %v", went.Load(), refused.Load(), time.Since(begun))
		}
		begun = time.Now()
		_, err = m.Admit(ctx, builds)
		f := fault.As(err)
		if f.Kind != fault.ResourceExhausted || f.Reason != fault.ReasonBudgetExhausted || time.Since(begun) > 0 ||
			f.RetryAfter > time.Hour || f.RetryAfter < time.Hour-time.Second {
			t.Errorf("got %v, again in %v", err, f.RetryAfter)
		}
		if b, err := m.Budget(t.Context(), "t", "token:ci", 2); err != nil || b.Spent != 2 || b.Room != f.RetryAfter {
			t.Errorf("got %+v %v", b, err)
		}
		time.Sleep(f.RetryAfter)
		if _, err := m.Admit(ctx, builds); err != nil {
			t.Errorf("then there is room: %v", err)
		}
	})
}

// TestALineIsFirstInFirstOut, and a call that Apple has refused goes before it.
func TestALineIsFirstInFirstOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(Rules{})
		defer func() { _ = m.Close() }()
		p, _ := m.Admit(t.Context(), builds)
		p.Done(1, 200, told(3600, 3000))
		for { // until calls are paced, a second apart
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			_, err := m.Admit(ctx, builds)
			if cancel(); err != nil {
				break
			}
		}
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		for i := range 5 {
			c := builds
			c.Front = i == 4
			wg.Go(func() {
				if _, err := m.Admit(t.Context(), c); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, i) // one a second
			})
			synctest.Wait()
		}
		wg.Wait()
		if got := fmt.Sprint(order); got != "[4 0 1 2 3]" {
			t.Errorf("got %s", got)
		}
	})
}

func TestWhoLeavesFreesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(Rules{})
		defer func() { _ = m.Close() }()
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
		time.Sleep(3 * time.Second) // an empty line ends
		if s, waiting := key(t, m); waiting != 0 || s.InFlight != 0 || s.Used != 1 {
			t.Errorf("got %+v", s)
		}
	})
}

// TestARefusalBlocksEveryone: nobody runs into the same 429 again.
func TestARefusalBlocksEveryone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(Rules{})
		defer func() { _ = m.Close() }()
		p, _ := m.Admit(t.Context(), builds)
		h := http.Header{"Retry-After": {"30"}}
		begun := time.Now()
		p.Done(1, http.StatusTooManyRequests, h)
		if _, err := m.Admit(t.Context(), charge("K", "POST", "/v1/apps")); err != nil || time.Since(begun) != 30*time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		other := time.Now()
		if _, err := m.Admit(t.Context(), charge("OTHER", "GET", "/v1/apps")); err != nil || time.Since(other) != 0 {
			t.Errorf("another key waits: %v", err)
		}
	})
}

// TestMinutesAreLearned keeps an endpoint within the minute that its header told.
func TestMinutesAreLearned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newManager(Rules{})
		defer func() { _ = m.Close() }()
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
		if _, err := m.Admit(t.Context(), charge("K", "GET", "/v1/apps")); err != nil || time.Since(apps) != 0 {
			t.Errorf("another endpoint waits: %v", err)
		}
	})
}

// The goal: at most 1 µs.
func BenchmarkDecision(b *testing.B) { benchmarkDecision(b, 0) }

// BenchmarkDecisionWithinABudget is of a caller that has one.
func BenchmarkDecisionWithinABudget(b *testing.B) { benchmarkDecision(b, 1_000_000_000) }

func benchmarkDecision(b *testing.B, hour int) {
	m := newManager(Rules{HourLimit: 2_000_000_000})
	defer func() { _ = m.Close() }()
	ctx := asc.NewContext(b.Context(), nil, &asc.Caller{ID: "token:a", Priority: "default", Weight: 1, Hour: hour})
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
