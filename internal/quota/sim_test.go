package quota_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/asc"
	. "github.com/asc-gateway/asc-gateway/internal/quota"
	"github.com/asc-gateway/asc-gateway/internal/quota/memory"
)

// apple is a key's window as Apple keeps it: every arrival to the nanosecond. It
// shares nothing with the ledger.
type apple struct {
	mu       sync.Mutex
	limit    int
	arrivals []time.Time // within the hour
	ours     []time.Time // those of the gateways that were taken, all
	refused  []time.Time // those of the gateways
}

// arrive is a request; foreign ones are not the gateways'.
func (a *apple) arrive(foreign bool) (status int, header http.Header) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	for len(a.arrivals) > 0 && now.Sub(a.arrivals[0]) >= time.Hour {
		a.arrivals = a.arrivals[1:]
	}
	status = http.StatusOK
	if len(a.arrivals) >= a.limit {
		status = http.StatusTooManyRequests
		if !foreign {
			a.refused = append(a.refused, now)
		}
	} else {
		a.arrivals = append(a.arrivals, now)
		if !foreign {
			a.ours = append(a.ours, now)
		}
	}
	return status, http.Header{"X-Rate-Limit": {fmt.Sprintf("user-hour-lim:%d;user-hour-rem:%d;", a.limit, a.limit-len(a.arrivals))}}
}

// setLimit changes what is granted.
func (a *apple) setLimit(n int) { a.mu.Lock(); a.limit = n; a.mu.Unlock() }

// within counts our requests that were taken in a stretch of time.
func (a *apple) within(from, to time.Time) int {
	first, _ := slices.BinarySearchFunc(a.ours, from, time.Time.Compare)
	last, _ := slices.BinarySearchFunc(a.ours, to, time.Time.Compare)
	return last - first
}

// client sends one request for a caller: the gateways', or those it is compared with.
type client interface {
	send(ctx context.Context, w *world, replica int) (status int)
}

// world is callers, replicas and Apple in virtual time.
type world struct {
	t        *testing.T
	apple    *apple
	client   client
	replicas int
	lose     float64 // share of answers that are lost
	begun    time.Time
	ctx      context.Context
	wg       sync.WaitGroup

	mu     sync.Mutex
	rand   *rand.Rand
	served map[string][]served
}

// served is a call that was answered.
type served struct {
	at   time.Time
	wait time.Duration // until it was answered
}

func (w *world) random() float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rand.Float64()
}

func (w *world) latency() time.Duration {
	return 20*time.Millisecond + time.Duration(w.random()*float64(400*time.Millisecond))
}

// simulate runs a scenario for some time.
func simulate(t *testing.T, seed uint64, replicas int, c client, d time.Duration, scenario func(w *world)) *world {
	w := &world{t: t, apple: &apple{limit: 3600}, client: c, replicas: replicas, lose: 0.001, rand: rand.New(rand.NewPCG(seed, 7)), served: map[string][]served{}}
	synctest.Test(t, func(t *testing.T) {
		w.begun = time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		w.ctx = ctx
		if g, ok := c.(*gateways); ok {
			g.start(w)
			defer g.close()
		}
		scenario(w)
		time.Sleep(d)
		cancel()
		w.wg.Wait()
	})
	return w
}

// at does something later.
func (w *world) at(d time.Duration, do func()) {
	w.wg.Go(func() {
		select {
		case <-w.ctx.Done():
		case <-time.After(d):
			do()
		}
	})
}

// call makes one call until it is answered, and notes how long that took.
func (w *world) call(caller, class string, weight, replica int) {
	begun := time.Now()
	ctx := asc.NewContext(w.ctx, nil, &asc.Caller{ID: caller, Priority: class, Weight: weight})
	for {
		status := w.client.send(ctx, w, replica)
		switch {
		case w.ctx.Err() != nil:
			return
		case status == http.StatusOK:
			w.mu.Lock()
			w.served[caller] = append(w.served[caller], served{time.Now(), time.Since(begun)})
			w.mu.Unlock()
			return
		}
	}
}

// travel is one request there and back; ok says whether its answer arrived.
func (w *world) travel() (status int, header http.Header, ok bool) {
	time.Sleep(w.latency())
	status, header = w.apple.arrive(false)
	if w.random() < w.lose {
		time.Sleep(time.Minute - 500*time.Millisecond) // the attempt's timeout
		return 0, nil, false
	}
	time.Sleep(w.latency())
	return status, header, true
}

// saturate keeps so many calls of a caller waiting at each replica.
func (w *world) saturate(caller, class string, weight, depth int) {
	for r := range w.replicas {
		for range depth {
			w.wg.Go(func() {
				for w.ctx.Err() == nil {
					w.call(caller, class, weight, r)
				}
			})
		}
	}
}

// bursts lets a caller ask now and then for several at once.
func (w *world) bursts(caller, class string, perSecond float64, most int) {
	w.wg.Go(func() {
		for w.ctx.Err() == nil {
			w.mu.Lock()
			n, pause := 1+w.rand.IntN(most), w.rand.ExpFloat64()
			w.mu.Unlock()
			for i := range n {
				w.wg.Go(func() { w.call(caller, class, 1, i%w.replicas) })
			}
			select {
			case <-w.ctx.Done():
			case <-time.After(time.Duration(pause * float64(n) / perSecond * 1e9)):
			}
		}
	})
}

// foreign lets others use the key evenly for a while.
func (w *world) foreign(from, d time.Duration, n int) {
	w.at(from, func() {
		for range n {
			w.apple.arrive(true)
			if d > 0 {
				time.Sleep(d / time.Duration(n))
			}
		}
	})
}

// gateways are managers that share a ledger, as replicas share Redis.
type gateways struct {
	rules    Rules
	ledger   Ledger
	mu       sync.Mutex
	managers []*Manager
	gone     []*Manager
}

func (g *gateways) start(w *world) {
	g.ledger = memory.New(g.rules, time.Now)
	for range w.replicas {
		g.managers = append(g.managers, New(Config{MaxWait: 24 * time.Hour, MaxWaitBatch: 24 * time.Hour}, g.ledger, slog.New(slog.DiscardHandler)))
	}
}

func (g *gateways) close() {
	for _, m := range append(g.managers, g.gone...) {
		_ = m.Close()
	}
}

// restart loses what the ledger knows, as a crash does.
func (g *gateways) restart(w *world) {
	g.mu.Lock()
	defer g.mu.Unlock()
	old := g.managers
	g.managers = nil
	g.start(w)
	for _, m := range old {
		_ = m.Close()
	}
}

func (g *gateways) manager(i int) *Manager {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.managers[i]
}

func (g *gateways) send(ctx context.Context, w *world, replica int) int {
	p, err := g.manager(replica).Admit(ctx, builds)
	if err != nil {
		time.Sleep(time.Second)
		return 0
	}
	status, header, _ := w.travel()
	p.Done(1, status, header)
	return status
}

// jain is the fairness of shares: 1 is equal.
func jain(x []float64) float64 {
	var sum, squares float64
	for _, v := range x {
		sum += v
		squares += v * v
	}
	if squares == 0 { // nobody got anything
		return 1 / float64(len(x))
	}
	return sum * sum / (float64(len(x)) * squares)
}

// p99 of the waits of a caller in a stretch of time.
func (w *world) p99(caller string, from, to time.Duration) time.Duration {
	var list []time.Duration
	for _, s := range w.served[caller] {
		if d := s.at.Sub(w.begun); d >= from && d < to {
			list = append(list, s.wait)
		}
	}
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[len(list)*99/100]
}

// least is the least that we used of an hour, of all hours in a stretch of time.
func (w *world) least(from, to time.Duration) int {
	n := 1 << 30
	for at := from; at+time.Hour <= to; at += time.Minute {
		n = min(n, w.apple.within(w.begun.Add(at), w.begun.Add(at+time.Hour)))
	}
	return n
}

// fairness is the worst of any ten minutes in a stretch of time.
func (w *world) fairness(callers []string, from, to time.Duration) float64 {
	worst := 1.0
	for at := from; at+10*time.Minute <= to; at += time.Minute {
		shares := make([]float64, len(callers))
		for i, c := range callers {
			for _, s := range w.served[c] {
				if d := s.at.Sub(w.begun); d >= at && d < at+10*time.Minute {
					shares[i]++
				}
			}
		}
		worst = min(worst, jain(shares))
	}
	return worst
}

// back is what an interactive call takes at most when it does not wait: the way
// there and back, once.
const back = 2 * 420 * time.Millisecond

// TestSaturation runs hours of more work than Apple grants, on several replicas.
func TestSaturation(t *testing.T) {
	var mu sync.Mutex
	var pooled []time.Duration
	t.Run("replicas", func(t *testing.T) {
		for _, replicas := range []int{1, 4, 10} {
			t.Run(fmt.Sprint(replicas), func(t *testing.T) {
				t.Parallel()
				hours := 4 * time.Hour
				if replicas > 4 { // it takes long
					hours = 150 * time.Minute
				}
				w := simulate(t, uint64(replicas), replicas, &gateways{}, hours, func(w *world) {
					for i := range 5 {
						w.saturate(fmt.Sprint("default-", i), "default", 1, 1+4*i/replicas)
					}
					w.saturate("batch", "batch", 1, 1)
					w.bursts("person", "interactive", 0.28, 10)
				})
				callers := []string{"default-0", "default-1", "default-2", "default-3", "default-4"}
				least, fair, wait := w.least(time.Hour, hours), w.fairness(callers, time.Hour, hours), w.p99("person", 0, hours)-back
				mean := float64(w.apple.within(w.begun.Add(time.Hour), w.begun.Add(hours))) / (hours.Hours() - 1)
				t.Logf("refused %d, used %.0f of 3600 an hour, in the worst %d, Jain %.4f, interactive p99 %v of %d calls, batch calls served %d",
					len(w.apple.refused), mean, least, fair, wait, len(w.served["person"]), len(w.served["batch"]))
				if n := len(w.apple.refused); n > 0 {
					t.Errorf("Apple refused %d requests", n)
				}
				if mean < 3564 || least < 3546 { // 99 %, and 98.5 % in the worst of all hours
					t.Errorf("only %.0f of 3600 were used an hour, in the worst %d", mean, least)
				}
				if fair < 0.98 {
					t.Errorf("Jain %.4f", fair)
				}
				if len(w.served["batch"]) < int(hours.Minutes())/2 {
					t.Errorf("batch calls starve: %d in %v", len(w.served["batch"]), hours)
				}
				mu.Lock()
				defer mu.Unlock()
				for _, s := range w.served["person"] {
					pooled = append(pooled, s.wait-back)
				}
			})
		}
	})
	slices.Sort(pooled)
	wait := pooled[len(pooled)*99/100]
	t.Logf("interactive p99 of all %d calls: %v", len(pooled), wait)
	if wait > 2*time.Second {
		t.Errorf("interactive calls wait %v", wait)
	}
}

// TestForeignUse lets others use half of the key's hour: at once, or over ten
// minutes.
func TestForeignUse(t *testing.T) {
	for _, over := range []time.Duration{0, 10 * time.Minute} {
		t.Run(fmt.Sprint("over ", over), func(t *testing.T) {
			t.Parallel()
			w := simulate(t, 9, 2, &gateways{}, 5*time.Hour, func(w *world) {
				w.saturate("a", "default", 1, 5)
				w.saturate("b", "default", 1, 5)
				w.foreign(90*time.Minute, over, 1800)
			})
			last := w.apple.within(w.begun.Add(4*time.Hour), w.begun.Add(5*time.Hour))
			t.Logf("refused %d; used in the third hour %d, in the fifth %d", len(w.apple.refused), w.apple.within(w.begun.Add(2*time.Hour), w.begun.Add(3*time.Hour)), last)
			if n := len(w.apple.refused); n > 1+2*int(over/time.Minute) { // a burst: one; who takes every slot for minutes is met at ever longer intervals
				t.Errorf("%d refusals", n)
			}
			if last < 3564 {
				t.Errorf("only %d of 3600 were used in the last hour", last)
			}
		})
	}
}

// TestLimitsChange lowers the limit and raises it again.
func TestLimitsChange(t *testing.T) {
	t.Parallel()
	w := simulate(t, 3, 4, &gateways{}, 6*time.Hour, func(w *world) {
		w.saturate("a", "default", 1, 5)
		w.at(2*time.Hour+11*time.Minute, func() { w.apple.setLimit(3000) })
		w.at(4*time.Hour, func() { w.apple.setLimit(3600) })
	})
	low, high := w.apple.within(w.begun.Add(3*time.Hour), w.begun.Add(4*time.Hour)), w.apple.within(w.begun.Add(5*time.Hour), w.begun.Add(6*time.Hour))
	t.Logf("refused %d; used %d of 3000, then %d of 3600", len(w.apple.refused), low, high)
	if n := len(w.apple.refused); n > 4 { // at most those that were under way
		t.Errorf("%d refusals", n)
	}
	if low < 2970 || high < 3564 {
		t.Errorf("used %d of 3000, then %d of 3600", low, high)
	}
}

// TestRestart loses the ledger while the hour is used up.
func TestRestart(t *testing.T) {
	t.Parallel()
	g := &gateways{}
	w := simulate(t, 5, 3, g, 4*time.Hour, func(w *world) {
		w.saturate("a", "default", 1, 5)
		w.bursts("person", "interactive", 0.1, 3)
		w.at(2*time.Hour+7*time.Minute, func() { g.restart(w) })
	})
	at := w.begun.Add(2*time.Hour + 7*time.Minute)
	t.Logf("refused %d; in the ten minutes after it %d, in the next hour %d", len(w.apple.refused), w.apple.within(at, at.Add(10*time.Minute)), w.apple.within(at.Add(10*time.Minute), at.Add(70*time.Minute)))
	if n := len(w.apple.refused); n > 1 {
		t.Errorf("%d refusals", n)
	}
	if n := w.apple.within(at, at.Add(10*time.Minute)); n < 400 {
		t.Errorf("only %d in the ten minutes after the restart", n)
	}
	if n := w.apple.within(at.Add(10*time.Minute), at.Add(70*time.Minute)); n < 3500 {
		t.Errorf("only %d in the hour after that", n)
	}
}
