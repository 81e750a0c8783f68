package replay

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/quota/redistest"
	"github.com/asc-gateway/asc-gateway/internal/redisdb"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// newRedis is a store on a real Redis that keeps what it is told.
func newRedis(t testing.TB, url string) Redis {
	t.Helper()
	return newRedisOf(t, redisdb.Config{URL: url})
}

func newRedisOf(t testing.TB, c redisdb.Config) Redis {
	t.Helper()
	db, err := redisdb.Open(c, "https://api.example")
	if err != nil {
		t.Fatal(err)
	}
	db.Watch(quiet)
	t.Cleanup(func() { _ = db.Close() })
	for deadline := time.Now().Add(10 * time.Second); db.Forgets() != ""; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal(db.Forgets())
		}
	}
	return Redis{db}
}

func newReplays(t testing.TB, store Store) *Replays {
	r := New(store, quiet)
	t.Cleanup(r.Close)
	return r
}

// TestContract runs on both stores.
func TestContract(t *testing.T) {
	server := redistest.Start(t)
	for name, store := range map[string]Store{"memory": NewMemory(time.Now), "redis": newRedis(t, server.URL())} {
		t.Run(name, func(t *testing.T) { contract(t, newReplays(t, store)) })
	}
}

func contract(t *testing.T, r *Replays) {
	n := 0
	id := func() string { n++; return ID("team", "caller", "CreateX", fmt.Sprint(n)) }
	t.Run("the same request is carried out once", func(t *testing.T) {
		id, made := id(), 0
		for range 3 {
			got, err := r.Do(t.Context(), id, []byte("a"), func() ([]byte, error) { made++; return []byte("made"), nil })
			if err != nil || string(got) != "made" || made != 1 {
				t.Errorf("%q %v, made %d", got, err, made)
			}
		}
	})
	t.Run("an empty answer is one too", func(t *testing.T) {
		id, made := id(), 0
		for range 2 {
			if got, err := r.Do(t.Context(), id, []byte("a"), func() ([]byte, error) { made++; return nil, nil }); err != nil || len(got) != 0 || made != 1 {
				t.Errorf("%q %v, made %d", got, err, made)
			}
		}
	})
	t.Run("another request must not take the id", func(t *testing.T) {
		id := id()
		_, _ = r.Do(t.Context(), id, []byte("a"), func() ([]byte, error) { return nil, nil })
		_, err := r.Do(t.Context(), id, []byte("b"), func() ([]byte, error) { t.Error("carried out"); return nil, nil })
		if f := fault.As(err); f.Kind != fault.InvalidArgument || f.Reason != ReasonReused {
			t.Errorf("got %v", err)
		}
	})
	t.Run("what was surely not carried out may be tried again", func(t *testing.T) {
		id := id()
		_, _ = r.Do(t.Context(), id, []byte("a"), func() ([]byte, error) { return nil, fault.New(fault.AlreadyExists, "X", "x") })
		if got, err := r.Do(t.Context(), id, []byte("a"), func() ([]byte, error) { return []byte("now"), nil }); err != nil || string(got) != "now" {
			t.Errorf("%q %v", got, err)
		}
	})
	t.Run("an unknown outcome stays unknown", func(t *testing.T) {
		id := id()
		_, _ = r.Do(t.Context(), id, []byte("a"), func() ([]byte, error) {
			return nil, fault.New(fault.Unknown, fault.ReasonOutcomeUnknown, "x")
		})
		_, err := r.Do(t.Context(), id, []byte("a"), func() ([]byte, error) { t.Error("carried out"); return nil, nil })
		if fault.As(err).Reason != fault.ReasonOutcomeUnknown {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a write whose answer was empty is not carried out again", func(t *testing.T) {
		id := id()
		_, _ = r.Do(t.Context(), id, []byte("a"), func() ([]byte, error) { return nil, fault.ExecutedUnread("POST", "it is empty") })
		_, err := r.Do(t.Context(), id, []byte("a"), func() ([]byte, error) { t.Error("carried out"); return nil, nil })
		if fault.As(err).Reason != fault.ReasonOutcomeUnknown {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a panic leaves an unknown outcome", func(t *testing.T) {
		id := id()
		func() {
			defer func() { _ = recover() }()
			_, _ = r.Do(t.Context(), id, []byte("a"), func() ([]byte, error) { panic("oops") })
		}()
		if _, err := r.Do(t.Context(), id, []byte("a"), nil); fault.As(err).Reason != fault.ReasonOutcomeUnknown {
			t.Errorf("got %v", err)
		}
	})
	put := func(id string, e entry) entry {
		t.Helper()
		e.owner, e.asked = newOwner(), sha256.Sum256([]byte("a"))
		if present, err := r.store.Claim(t.Context(), id, e.bytes()); err != nil || present != nil {
			t.Fatal(present, err)
		}
		return e
	}
	t.Run("a replica that died after sending leaves an unknown outcome", func(t *testing.T) {
		id := id()
		put(id, entry{state: sent, at: time.Now().Add(-pendingMost - time.Second)})
		if _, err := r.Do(t.Context(), id, []byte("a"), nil); fault.As(err).Reason != fault.ReasonOutcomeUnknown {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a replica that died before sending blocks nobody", func(t *testing.T) {
		id := id()
		old := put(id, entry{state: claimed, at: time.Now()})
		if got, err := r.Do(t.Context(), id, []byte("a"), func() ([]byte, error) { return []byte("made"), nil }); err != nil || string(got) != "made" {
			t.Errorf("%q %v", got, err)
		}
		if swapped, err := r.store.Swap(t.Context(), id, old.head(), entry{state: sent}.bytes()); swapped || err != nil {
			t.Errorf("who lost its claim may send: %v", err)
		}
	})
	t.Run("who loses its claim does not send", func(t *testing.T) {
		id := id()
		slow := &attempt{Replays: r, id: id, mine: put(id, entry{state: claimed, at: time.Now()})}
		if _, err := r.Do(t.Context(), id, []byte("a"), func() ([]byte, error) { return nil, nil }); err != nil {
			t.Fatal(err)
		}
		if mine, err := slow.mark(t.Context()); mine || err != nil {
			t.Errorf("it sends: %v", err)
		}
	})
	t.Run("what no gateway wrote is answered, not believed", func(t *testing.T) {
		good := entry{state: done, at: time.Now(), asked: sha256.Sum256([]byte("a"))}
		future, odd := good, good
		future.at, odd.state = time.Now().Add(24*time.Hour), 'x'
		for name, b := range map[string][]byte{"text": []byte("junk"), "one byte": {0}, "the future": future.bytes(), "no known state": odd.bytes(),
			"an answer of what is not done": append(entry{state: sent, at: time.Now()}.bytes(), 'x'), "too long": make([]byte, maxEntry+1)} {
			id := id()
			if _, err := r.store.Claim(t.Context(), id, b); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Do(t.Context(), id, []byte("a"), nil); fault.As(err).Reason != fault.ReasonOutcomeUnknown {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("an answer that is too long is not kept, and not made again", func(t *testing.T) {
		id := id()
		long := make([]byte, maxAnswer+1)
		if got, err := r.Do(t.Context(), id, []byte("a"), func() ([]byte, error) { return long, nil }); err != nil || len(got) != len(long) {
			t.Errorf("%d %v", len(got), err)
		}
		if _, err := r.Do(t.Context(), id, []byte("a"), nil); fault.As(err).Reason != fault.ReasonOutcomeUnknown {
			t.Errorf("got %v", err)
		}
	})
	t.Run("many at once get one answer", func(t *testing.T) {
		id := id()
		var made atomic.Int32
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				got, err := r.Do(t.Context(), id, []byte("a"), func() ([]byte, error) {
					time.Sleep(50 * time.Millisecond)
					return fmt.Append(nil, made.Add(1)), nil
				})
				if err != nil || string(got) != "1" {
					t.Errorf("%q %v", got, err)
				}
			})
		}
		wg.Wait()
	})
	t.Run("who waits leaves at its deadline", func(t *testing.T) {
		id := id()
		hold, begun, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			_, _ = r.Do(context.Background(), id, []byte("a"), func() ([]byte, error) { close(begun); <-hold; return nil, nil })
		}()
		<-begun
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := r.Do(ctx, id, []byte("a"), nil); fault.As(err).Kind != fault.DeadlineExceeded {
			t.Errorf("got %v", err)
		}
		close(hold)
		<-ended
	})
}

// broken is a store that is away.
type broken struct{}

func (broken) Claim(context.Context, string, []byte) ([]byte, error) { return nil, errors.New("away") }
func (broken) Swap(context.Context, string, []byte, []byte) (bool, error) {
	return false, errors.New("away")
}

// TestTheStoreIsAway sends nothing: the promise could not be kept.
func TestTheStoreIsAway(t *testing.T) {
	_, err := newReplays(t, broken{}).Do(t.Context(), "id", nil, func() ([]byte, error) { t.Error("carried out"); return nil, nil })
	if f := fault.As(err); f.Kind != fault.Unavailable || f.Reason != ReasonUnavailable {
		t.Errorf("got %v", err)
	}
}

func FuzzEntry(f *testing.F) {
	now := time.UnixMilli(1_700_000_000_000)
	f.Add([]byte("1234567890"))
	f.Add(entry{state: done, at: now, answer: []byte("x")}.bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, ok := parse(b, now); ok && !bytes.Equal(e.bytes(), b) {
			t.Errorf("%x becomes %x", b, e.bytes())
		}
	})
}
