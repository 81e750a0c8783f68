package quota

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"
)

// apple is a key's window as Apple keeps it: every arrival to the nanosecond. It
// shares nothing with the ledger.
type apple struct {
	limit    int
	arrivals []int64 // within the hour
	refused  int
	peak     int
}

func (a *apple) arrive(at int64) (ok bool, header http.Header) {
	for len(a.arrivals) > 0 && a.arrivals[0] <= at-int64(time.Hour) {
		a.arrivals = a.arrivals[1:]
	}
	if len(a.arrivals) >= a.limit {
		a.refused++
		return false, http.Header{"X-Rate-Limit": {fmt.Sprintf("user-hour-lim:%d;user-hour-rem:0;", a.limit)}}
	}
	a.arrivals = append(a.arrivals, at)
	a.peak = max(a.peak, len(a.arrivals))
	return true, http.Header{"X-Rate-Limit": {fmt.Sprintf("user-hour-lim:%d;user-hour-rem:%d;", a.limit, a.limit-len(a.arrivals))}}
}

// event is something that happens at a moment of the simulated time.
type event struct {
	at  int64
	seq int
	do  func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	x := old[len(old)-1]
	*e = old[:len(old)-1]
	return x
}

// world is a discrete-event simulation of callers, one gateway and Apple.
type world struct {
	now    int64
	seq    int
	events events
	rand   *rand.Rand
	apple  *apple
	queue  *queue
	wake   int64
	served map[string][]int64 // when calls were admitted, by caller
	waits  map[string][]time.Duration
	lose   float64 // share of answers that are lost
	done   map[*waiter]func()
}

func newSim(seed uint64, limit int) *world {
	return &world{rand: rand.New(rand.NewPCG(seed, 7)), now: t0.UnixNano(), apple: &apple{limit: limit}, queue: newQueue(0), served: map[string][]int64{}, waits: map[string][]time.Duration{}, done: map[*waiter]func(){}}
}

func (w *world) at(t int64, do func()) { w.seq++; heap.Push(&w.events, event{t, w.seq, do}) }

func (w *world) time() time.Time { return time.Unix(0, w.now) }

// call lets a caller ask.
func (w *world) call(name string, class Class, weight int, then func()) {
	begun := w.now
	x := &waiter{caller: name, class: class, weight: weight, endpoint: endpoint{"GET", "builds"}, since: w.time()}
	w.done[x] = func() {
		w.served[name] = append(w.served[name], w.now)
		w.waits[name] = append(w.waits[name], time.Duration(w.now-begun))
		w.send(x, then)
	}
	w.queue.push(x)
	w.admit()
}

func (w *world) admit() {
	for {
		x, wake := w.queue.next(w.time())
		if x == nil {
			if !wake.IsZero() && (w.wake <= w.now || wake.UnixNano() < w.wake) {
				w.wake = wake.UnixNano()
				w.at(w.wake, w.admit)
			}
			return
		}
		x.ticket = w.queue.ledger.charge(w.time(), until(w.time(), x.ends), x.endpoint)
		f := w.done[x]
		delete(w.done, x)
		f()
	}
}

// send is one attempt: there, back, and settled; or lost.
func (w *world) send(x *waiter, then func()) {
	there := int64(20*time.Millisecond) + w.rand.Int64N(int64(400*time.Millisecond))
	back := int64(20*time.Millisecond) + w.rand.Int64N(int64(400*time.Millisecond))
	w.at(w.now+there, func() {
		ok, header := w.apple.arrive(w.now)
		if w.rand.Float64() < w.lose {
			w.at(x.ticket.stamp.UnixNano(), func() { w.queue.ledger.settle(w.time(), x.ticket, 1, 0, nil); w.admit(); then() })
			return
		}
		w.at(w.now+back, func() {
			status := 200
			if !ok {
				status = 429
			}
			w.queue.ledger.settle(w.time(), x.ticket, 1, status, header)
			w.admit()
			then()
		})
	})
}

// saturate keeps so many calls of a caller waiting at all times.
func (w *world) saturate(name string, class Class, weight, depth int) {
	var again func()
	again = func() { w.call(name, class, weight, again) }
	for range depth {
		w.at(w.now, again)
	}
}

// bursts lets a caller ask now and then for several at once.
func (w *world) bursts(name string, class Class, perSecond float64, most int) {
	var next func()
	next = func() {
		n := 1 + w.rand.IntN(most)
		for range n {
			w.call(name, class, 1, func() {})
		}
		w.at(w.now+int64(w.rand.ExpFloat64()*float64(n)/perSecond*1e9), next)
	}
	w.at(w.now, next)
}

func (w *world) run(d time.Duration) {
	end := w.now + int64(d)
	for len(w.events) > 0 && w.events[0].at <= end {
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.do()
	}
	w.now = end
}

func jain(x []float64) float64 {
	var sum, squares float64
	for _, v := range x {
		sum += v
		squares += v * v
	}
	return sum * sum / (float64(len(x)) * squares)
}

// between counts the moments in a stretch of time.
func between(list []int64, from, to int64) (n int) {
	for _, t := range list {
		if t >= from && t < to {
			n++
		}
	}
	return n
}

func p99(list []time.Duration) time.Duration {
	if len(list) == 0 {
		return 0
	}
	s := slices.Clone(list)
	slices.Sort(s)
	return s[len(s)*99/100]
}

// TestSaturation runs four hours of more work than Apple grants.
func TestSaturation(t *testing.T) {
	var pooled []time.Duration
	for seed := range uint64(4) {
		w := newSim(seed, 3600)
		w.lose = 0.001
		for i := range 5 {
			w.saturate(fmt.Sprint("default-", i), Default, 1, 20)
		}
		w.bursts("person", Interactive, 0.3, 10)
		w.run(4 * time.Hour)
		hour := int64(time.Hour)
		begin := t0.UnixNano()
		var shares []float64
		worst := 1.0
		for from := begin + hour; from < begin+4*hour; from += int64(10 * time.Minute) {
			shares = shares[:0]
			for i := range 5 {
				shares = append(shares, float64(between(w.served[fmt.Sprint("default-", i)], from, from+int64(10*time.Minute))))
			}
			worst = min(worst, jain(shares))
		}
		lowest := 1 << 30
		for from := begin + hour; from < begin+3*hour; from += int64(time.Minute) {
			total := 0
			for _, list := range w.served {
				total += between(list, from, from+hour)
			}
			lowest = min(lowest, total)
		}
		t.Logf("seed %d: peak %d of %d, refused %d, least used in an hour %d, Jain %.4f, interactive p99 %v of %d calls, default p99 %v",
			seed, w.apple.peak, w.apple.limit, w.apple.refused, lowest, worst, p99(w.waits["person"]), len(w.waits["person"]), p99(w.waits["default-0"]))
		if w.apple.refused > 0 {
			t.Errorf("seed %d: Apple refused %d requests", seed, w.apple.refused)
		}
		if lowest < 3564 {
			t.Errorf("seed %d: only %d of 3600 were used in some hour", seed, lowest)
		}
		if worst < 0.98 {
			t.Errorf("seed %d: Jain %.4f", seed, worst)
		}
		pooled = append(pooled, w.waits["person"]...)
	}
	t.Logf("interactive p99 of all %d calls: %v", len(pooled), p99(pooled))
	if wait := p99(pooled); wait > 2*time.Second {
		t.Errorf("interactive calls wait %v", wait)
	}
}

// TestForeignUse lets others use half of the key's hour, all at once.
func TestForeignUse(t *testing.T) {
	w := newSim(9, 3600)
	w.saturate("a", Default, 1, 10)
	w.at(w.now+int64(90*time.Minute), func() {
		for range 1800 {
			w.apple.arrive(w.now)
		}
	})
	w.run(90*time.Minute - time.Second)
	before := w.apple.refused
	w.run(5 * time.Minute)
	burst := w.apple.refused - before
	w.run(3 * time.Hour)
	recovered := between(w.served["a"], t0.UnixNano()+int64(3*time.Hour), t0.UnixNano()+int64(4*time.Hour))
	t.Logf("refused in the burst %d of the 1800 foreign ones and ours, %d after; used in the fourth hour: %d", burst, w.apple.refused-before-burst, recovered)
	if after := w.apple.refused - before - burst; after > 1 {
		t.Errorf("%d refusals after the burst", after)
	}
	if recovered < 3400 {
		t.Errorf("only %d in the hour after it was over", recovered)
	}
}
