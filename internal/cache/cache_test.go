package cache

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, bytes int64) *Cache {
	c := New(bytes, 4)
	t.Cleanup(c.Close)
	return c
}

// counter is an upstream that counts.
type counter struct{ n atomic.Int64 }

func (u *counter) fetch(context.Context) (Fetched, error) {
	return Fetched{u.n.Add(1), 10}, nil
}

func read(key string, life time.Duration, f ...int) Read {
	return Read{Team: "team", Key: key, Families: f, Life: life}
}

func TestModes(t *testing.T) {
	c, u := open(t, 1<<20), &counter{}
	fresh := read("a", time.Minute, 0, 1)
	fresh.Fresh = true
	other := read("a", time.Minute, 0)
	other.Team = "other"
	for i, step := range []struct {
		read  Read
		wrote Families
		all   bool
		mode  Mode
		value int64
	}{
		{read: read("a", time.Minute, 0, 1), mode: Miss, value: 1},
		{read: read("a", time.Minute, 0, 1), mode: Hit, value: 1},
		{read: other, mode: Miss, value: 2},
		{read: read("a", time.Minute, 0, 1), wrote: Families{2}, mode: Hit, value: 1},
		{read: read("a", time.Minute, 0, 1), wrote: Families{1}, mode: Miss, value: 3},
		{read: read("a", time.Minute, 0, 1), all: true, mode: Miss, value: 4},
		{read: read("a", time.Minute, 0, 1), mode: Hit, value: 4},
		{read: fresh, mode: Miss, value: 5},
		{read: read("a", time.Minute, 0, 1), mode: Hit, value: 5},
		{read: read("b", 0, 0), mode: Miss, value: 6},
		{read: read("b", 0, 0), mode: Miss, value: 7},
		{read: other, mode: Hit, value: 2},
	} {
		if step.wrote != nil || step.all {
			c.Wrote("team", step.wrote)
		}
		v, mode, _, err := c.Do(t.Context(), step.read, u.fetch)
		if err != nil || mode != step.mode || v != step.value {
			t.Errorf("step %d: %v %v %v, want %v %v", i, v, mode, err, step.mode, step.value)
		}
	}
}

func TestAThousandEqualReadsAreOneRequest(t *testing.T) {
	c := open(t, 1<<20)
	var n atomic.Int64
	hold := make(chan struct{})
	var wg sync.WaitGroup
	modes := map[Mode]int{}
	var mu sync.Mutex
	for range 1000 {
		wg.Go(func() {
			_, mode, _, err := c.Do(t.Context(), read("a", 0, 0), func(context.Context) (Fetched, error) {
				n.Add(1)
				<-hold
				return Fetched{"x", 1}, nil
			})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			modes[mode]++
			mu.Unlock()
		})
	}
	for {
		c.mu.Lock()
		begun := len(c.flights)
		c.mu.Unlock()
		if begun == 1 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond) // let all of them board
	close(hold)
	wg.Wait()
	if n.Load() != 1 || modes[Coalesced] != 999 {
		t.Errorf("%d requests, %v", n.Load(), modes)
	}
}

// TestAFreshReadEmptiesNothingForOthers: it replaces its own answer only.
func TestAFreshReadEmptiesNothingForOthers(t *testing.T) {
	c, u := open(t, 1<<20), &counter{}
	told := 0
	c.OnWrite(func(string, Families) { told++ })
	fresh := read("a", time.Minute, 0)
	fresh.Fresh = true
	for i, step := range []struct {
		read  Read
		mode  Mode
		value int64
	}{
		{read("a", time.Minute, 0), Miss, 1},
		{read("b", time.Minute, 0), Miss, 2}, // another answer of the same family
		{fresh, Miss, 3},
		{fresh, Miss, 4},
		{read("b", time.Minute, 0), Hit, 2},
		{read("a", time.Minute, 0), Hit, 4},
	} {
		if v, mode, _, err := c.Do(t.Context(), step.read, u.fetch); err != nil || mode != step.mode || v != step.value {
			t.Errorf("step %d: %v %v %v, want %v %v", i, v, mode, err, step.mode, step.value)
		}
	}
	if told != 0 {
		t.Errorf("other replicas were told %d times to forget", told)
	}
}

// TestAFreshReadJoinsNothingOlder: a read that began before may have an older
// answer. It must not replace the newer one either, when it ends later.
func TestAFreshReadJoinsNothingOlder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(1<<20, 4)
		defer c.Close()
		u := &counter{}
		taking := func(d time.Duration) func(context.Context) (Fetched, error) {
			return func(ctx context.Context) (Fetched, error) {
				got, err := u.fetch(ctx)
				time.Sleep(d)
				return got, err
			}
		}
		old := make(chan struct{})
		go func() {
			defer close(old)
			_, _, _, _ = c.Do(t.Context(), read("a", time.Hour, 0), taking(time.Minute))
		}()
		synctest.Wait()
		fresh := read("a", time.Hour, 0)
		fresh.Fresh = true
		newer := make(chan struct{})
		go func() {
			defer close(newer)
			if v, mode, _, _ := c.Do(t.Context(), fresh, taking(time.Second)); v != int64(2) || mode != Miss {
				t.Errorf("the fresh read got %v %v", v, mode)
			}
		}()
		synctest.Wait()
		if v, mode, _, _ := c.Do(t.Context(), read("a", time.Hour, 0), taking(0)); v != int64(2) || mode != Coalesced {
			t.Errorf("a later read got %v %v, not the fresh one's answer", v, mode)
		}
		<-newer
		<-old
		if v, mode, _, _ := c.Do(t.Context(), read("a", time.Hour, 0), taking(0)); v != int64(2) || mode != Hit {
			t.Errorf("the older answer replaced the newer one: %v %v", v, mode)
		}
	})
}

// TestNobodyJoinsAReadFromBeforeAWrite: it would miss its own write.
func TestNobodyJoinsAReadFromBeforeAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(1<<20, 4)
		defer c.Close()
		u := &counter{}
		slow := func(ctx context.Context) (Fetched, error) {
			got, err := u.fetch(ctx)
			time.Sleep(time.Second)
			return got, err
		}
		go func() { _, _, _, _ = c.Do(t.Context(), read("a", time.Minute, 0), slow) }()
		synctest.Wait()
		c.Wrote("team", Families{0})
		if v, mode, _, _ := c.Do(t.Context(), read("a", time.Minute, 0), slow); v != int64(2) || mode != Miss {
			t.Errorf("got %v %v", v, mode)
		}
		if v, mode, _, _ := c.Do(t.Context(), read("a", time.Minute, 0), slow); v != int64(2) || mode != Hit {
			t.Errorf("the older answer was kept: %v %v", v, mode)
		}
		time.Sleep(2 * time.Minute)
		if v, mode, _, _ := c.Do(t.Context(), read("a", time.Minute, 0), slow); v != int64(3) || mode != Miss {
			t.Errorf("after its life: %v %v", v, mode)
		}
	})
}

func TestALeaderThatGoesAwayFailsNobodyElse(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want int64 // requests
	}{
		{"gone", fault.New(fault.Canceled, "CANCELLED", "gone"), 2},
		{"its deadline", fault.New(fault.DeadlineExceeded, "DEADLINE_EXCEEDED", "late"), 2},
		{"its quota", fault.New(fault.ResourceExhausted, "QUOTA_EXHAUSTED", "too long"), 2},
		{"Apple's error", fault.New(fault.NotFound, "NOT_FOUND", "none"), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cache := New(0, 4)
				defer cache.Close()
				var n atomic.Int64
				fetch := func(context.Context) (Fetched, error) {
					time.Sleep(time.Second)
					if n.Add(1) == 1 {
						return Fetched{}, c.err
					}
					return Fetched{"x", 1}, nil
				}
				go func() { _, _, _, _ = cache.Do(t.Context(), read("a", 0, 0), fetch) }()
				synctest.Wait()
				_, _, _, err := cache.Do(t.Context(), read("a", 0, 0), fetch)
				if n.Load() != c.want || (err == nil) != (c.want == 2) {
					t.Errorf("%d requests, %v", n.Load(), err)
				}
			})
		})
	}
	t.Run("it panics", func(t *testing.T) {
		c := open(t, 0)
		boarded, hold := make(chan struct{}), make(chan struct{})
		go func() {
			defer func() { _ = recover() }()
			_, _, _, _ = c.Do(context.Background(), read("a", 0, 0), func(context.Context) (Fetched, error) { close(boarded); <-hold; panic("oops") })
		}()
		<-boarded
		time.AfterFunc(10*time.Millisecond, func() { close(hold) })
		if v, _, _, err := c.Do(t.Context(), read("a", 0, 0), (&counter{}).fetch); v != int64(1) || err != nil {
			t.Errorf("%v %v", v, err)
		}
	})
	t.Run("a follower leaves when it must", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := New(0, 4)
			defer c.Close()
			go func() {
				_, _, _, _ = c.Do(t.Context(), read("a", 0, 0), func(context.Context) (Fetched, error) { time.Sleep(3 * time.Second); return Fetched{}, nil })
			}()
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			begun := time.Now()
			if _, _, _, err := c.Do(ctx, read("a", 0, 0), nil); fault.As(err).Kind != fault.DeadlineExceeded || time.Since(begun) != time.Second {
				t.Errorf("%v after %v", err, time.Since(begun))
			}
			time.Sleep(3 * time.Second)
		})
	})
}

func TestUrgentReadsDoNotWaitForOthers(t *testing.T) {
	c := open(t, 0)
	hold := make(chan struct{})
	batch := read("a", 0, 0)
	batch.Class = "batch"
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _, _, _ = c.Do(context.Background(), batch, func(context.Context) (Fetched, error) { <-hold; return Fetched{}, nil })
	}()
	if _, mode, _, err := c.Do(t.Context(), read("a", 0, 0), (&counter{}).fetch); mode != Miss || err != nil {
		t.Errorf("%v %v", mode, err)
	}
	close(hold)
	<-done
}

func TestItIsBoundedByBytes(t *testing.T) {
	const most = 1 << 20
	c := open(t, most)
	for i := range 2000 {
		_, _, _, err := c.Do(t.Context(), read(fmt.Sprint(i), time.Hour, 0), func(context.Context) (Fetched, error) { return Fetched{i, 4096}, nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	c.kept.CleanUp()
	if _, _, _, bytes := c.Counts(); bytes > most || bytes < most/2 {
		t.Errorf("%d bytes kept", bytes)
	}
	large := func(context.Context) (Fetched, error) { return Fetched{1, most / 2}, nil }
	for range 2 {
		if _, mode, _, _ := c.Do(t.Context(), read("large", time.Hour, 0), large); mode != Miss {
			t.Error("one answer takes half of it")
		}
	}
}

// TestNeverOlderThanAWrite lets many read and write at once: nobody sees less
// than the last write that had ended before it asked.
func TestNeverOlderThanAWrite(t *testing.T) {
	c := open(t, 1<<20)
	var truth, ended atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			for range 3000 {
				if r.IntN(10) == 0 {
					n := truth.Add(1)
					c.Wrote("team", Families{0})
					for old := ended.Load(); old < n && !ended.CompareAndSwap(old, n); old = ended.Load() {
					}
					continue
				}
				least := ended.Load()
				v, _, _, err := c.Do(t.Context(), read("a", time.Minute, 0), func(context.Context) (Fetched, error) { return Fetched{truth.Load(), 8}, nil })
				if err != nil || v.(int64) < least {
					t.Errorf("%v, but %d had been written: %v", v, least, err)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkHit(b *testing.B) {
	c, u := open(b, 1<<20), &counter{}
	r := read("a", time.Hour, 0, 1, 2)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, _, err := c.Do(b.Context(), r, u.fetch); err != nil {
			b.Fatal(err)
		}
	}
}

// TestTeamsThatAreNotReadAreNotNoted: other replicas, and who else can write to
// Redis, may name any.
func TestTeamsThatAreNotReadAreNotNoted(t *testing.T) {
	c := New(1<<20, 8)
	defer c.Close()
	for i := range 100_000 {
		c.Heard(fmt.Sprint("team", i), Families{1})
	}
	n := 0
	c.teams.Range(func(_, _ any) bool { n++; return true })
	if n != 0 {
		t.Errorf("%d teams are noted", n)
	}
}
