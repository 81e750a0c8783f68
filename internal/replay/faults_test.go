package replay

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/quota/redistest"
)

var errLost = errors.New("the answer was lost")

// faulty is a store on a bad network. fate says of each command what happens.
type faulty struct {
	Store
	fate func(n int) fate
	slow func() time.Duration // how long a command is on its way; nil: no time
	mu   sync.Mutex
	n    int
	late []func()
}

type fate int

const (
	well     fate = iota
	lost          // it is done, its answer is lost
	dropped       // it is not done
	deferred      // its answer is lost, and it is done later
)

func do[T any](f *faulty, command func() (T, error)) (none T, err error) {
	f.mu.Lock()
	f.n++
	what, way := f.fate(f.n), time.Duration(0)
	if f.slow != nil {
		way = f.slow()
	}
	if what == deferred {
		f.late = append(f.late, func() { _, _ = command() })
	}
	f.mu.Unlock()
	time.Sleep(way)
	switch what {
	case lost:
		_, _ = command()
		return none, errLost
	case dropped, deferred:
		return none, errLost
	}
	return command()
}

// arrive carries out what is late.
func (f *faulty) arrive() {
	f.mu.Lock()
	late := f.late
	f.late = nil
	f.mu.Unlock()
	for _, c := range late {
		c()
	}
}

func (f *faulty) Claim(ctx context.Context, id string, value []byte) ([]byte, error) {
	ctx = context.WithoutCancel(ctx)
	return do(f, func() ([]byte, error) { return f.Store.Claim(ctx, id, value) })
}

func (f *faulty) Swap(ctx context.Context, id string, old, value []byte) (bool, error) {
	ctx = context.WithoutCancel(ctx)
	return do(f, func() (bool, error) { return f.Store.Swap(ctx, id, old, value) })
}

// TestARefusedCreateGoesThrough: what was refused because the store did not answer
// is sent again with its id, by the same replica and by another.
func TestARefusedCreateGoesThrough(t *testing.T) {
	server := redistest.Start(t)
	stores := map[string]func() Store{
		"memory": func() Store { return NewMemory(time.Now) },
		"redis":  func() Store { return newRedis(t, server.URL()) },
	}
	for name, open := range stores {
		for what, f := range map[string]fate{"answer lost": lost, "command lost": dropped, "command late": deferred} {
			for at, step := range []string{"claim", "mark"} {
				t.Run(name+"/"+step+"/"+what, func(t *testing.T) { refusedThenSent(t, open(), at+1, f) })
			}
		}
	}
}

func refusedThenSent(t *testing.T, store Store, at int, f fate) {
	bad := &faulty{Store: store, fate: func(n int) fate {
		if n == at {
			return f
		}
		return well
	}}
	here, elsewhere := newReplays(t, bad), newReplays(t, store)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, second := range []*Replays{here, elsewhere} {
		bad.n = 0
		id := ID("team", "caller", "CreateX", fmt.Sprint(second == here))
		_, err := here.Do(ctx, id, []byte("a"), func() ([]byte, error) { t.Error("sent"); return nil, nil })
		if fault.As(err).Reason != ReasonUnavailable {
			t.Fatalf("got %v", err)
		}
		made := 0
		begun := time.Now()
		got, err := second.Do(ctx, id, []byte("a"), func() ([]byte, error) { made++; return []byte("made"), nil })
		if err != nil || string(got) != "made" || made != 1 {
			t.Errorf("%q %v, made %d", got, err, made)
		}
		if took := time.Since(begun); took > 3*time.Second {
			t.Errorf("it waited %v", took)
		}
		bad.arrive()
		if got, err = elsewhere.Do(ctx, id, []byte("a"), nil); err != nil || string(got) != "made" {
			t.Errorf("afterwards %q %v", got, err)
		}
	}
}

// TestTheEndIsRemembered although the store did not take it at first.
func TestTheEndIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := false
		bad := &faulty{Store: NewMemory(time.Now), fate: func(int) fate {
			if away {
				return dropped
			}
			return well
		}}
		here, elsewhere := newReplays(t, bad), newReplays(t, bad.Store)
		got, err := here.Do(t.Context(), "id", nil, func() ([]byte, error) { away = true; return []byte("made"), nil })
		if err != nil || string(got) != "made" {
			t.Fatal(got, err)
		}
		if got, err = here.Do(t.Context(), "id", nil, nil); err != nil || string(got) != "made" {
			t.Errorf("here, while the store is away: %q %v", got, err)
		}
		bad.mu.Lock()
		away = false
		bad.mu.Unlock()
		time.Sleep(2 * payMost)
		synctest.Wait()
		if got, err = elsewhere.Do(t.Context(), "id", nil, nil); err != nil || string(got) != "made" {
			t.Errorf("elsewhere, when the store is back: %q %v", got, err)
		}
	})
}

// outside is Apple: it knows what was really carried out.
type outside struct {
	t       *testing.T
	mu      sync.Mutex
	running map[string]int
	made    map[string]int
}

func (o *outside) create(rnd *rand.Rand, id string) func() ([]byte, error) {
	roll, wait := rnd.IntN(10), time.Duration(rnd.IntN(2000))*time.Millisecond
	return func() ([]byte, error) {
		o.mu.Lock()
		if o.running[id]++; o.running[id] > 1 {
			o.t.Errorf("%s: two at once", id)
		}
		o.mu.Unlock()
		time.Sleep(wait)
		o.mu.Lock()
		defer o.mu.Unlock()
		o.running[id]--
		switch roll {
		case 0:
			return nil, fault.New(fault.AlreadyExists, "X", "refused")
		case 1:
			o.made[id]++
			return nil, fault.New(fault.Unknown, fault.ReasonOutcomeUnknown, "x")
		}
		o.made[id]++
		return fmt.Append(nil, "made ", o.made[id]), nil
	}
}

// TestNeverTwice lets replicas with bad networks at the same ids: lost, dropped
// and late commands, whatever the order. Nothing runs beside another of its id or
// after one that ended; who is told that nothing was sent is told the truth.
func TestNeverTwice(t *testing.T) {
	const ids, replicas, rounds = 40, 4, 30
	var told sync.Map
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			apple := &outside{t: t, running: map[string]int{}, made: map[string]int{}}
			store := NewMemory(time.Now)
			var all []*faulty
			var nodes []*Replays
			for i := range replicas {
				own := rand.New(rand.NewPCG(seed, uint64(i+10)))
				f := &faulty{Store: store, fate: func(int) fate { return fate(max(own.IntN(16)-12, 0)) }}
				f.slow = func() time.Duration { return time.Duration(max(own.IntN(800)-400, 0)) * time.Millisecond }
				all, nodes = append(all, f), append(nodes, New(f, quiet))
			}
			var wg sync.WaitGroup
			for range rounds {
				for i := range ids {
					id, node, create := fmt.Sprint(i), nodes[rnd.IntN(replicas)], apple.create(rnd, fmt.Sprint(i))
					wg.Go(func() {
						ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
						defer cancel()
						ran := false
						got, err := node.Do(ctx, id, []byte(id), func() ([]byte, error) { ran = true; return create() })
						if err == nil && string(got) != "made 1" {
							t.Errorf("%s: %q", id, got)
						}
						reason := "OK"
						if err != nil {
							reason = fault.As(err).Reason
						}
						if ran && (reason == ReasonUnavailable || reason == "DEADLINE_EXCEEDED") {
							t.Errorf("%s: told %s, and sent", id, reason)
						}
						n, _ := told.LoadOrStore(reason, new(int))
						apple.mu.Lock()
						defer apple.mu.Unlock()
						*n.(*int)++
						if reason == fault.ReasonOutcomeUnknown && apple.made[id] == 0 {
							t.Errorf("%s: nothing was sent, and its outcome is said to be unknown", id)
						}
					})
				}
				time.Sleep(time.Duration(rnd.IntN(500)) * time.Millisecond)
				for _, f := range all {
					if rnd.IntN(2) == 0 {
						f.arrive()
					}
				}
			}
			wg.Wait()
			for _, r := range nodes {
				r.Close()
			}
			for id, n := range apple.made {
				if n > 1 {
					t.Errorf("seed %d: %s was made %d times", seed, id, n)
				}
			}
		})
	}
	told.Range(func(k, v any) bool { t.Logf("told %s: %d", k, *v.(*int)); return true })
}
