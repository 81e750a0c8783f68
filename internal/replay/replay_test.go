package replay

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/quota/redistest"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestContract runs on both stores.
func TestContract(t *testing.T) {
	server := redistest.Start(t)
	memory := NewMemory()
	defer memory.Close()
	db := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer db.Close()
	for name, store := range map[string]Store{"memory": memory, "redis": Redis{db}} {
		t.Run(name, func(t *testing.T) { contract(t, New(store, slog.New(slog.DiscardHandler))) })
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
	t.Run("a replica that died leaves an unknown outcome", func(t *testing.T) {
		id := id()
		old := entry{state: pending, at: time.Now().Add(-pendingMost - time.Second), asked: sha256.Sum256([]byte("a"))}
		if _, err := r.store.Claim(t.Context(), id, old.bytes()); err != nil {
			t.Fatal(err)
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
func (broken) Put(context.Context, string, []byte) error             { return errors.New("away") }
func (broken) Delete(context.Context, string) error                  { return errors.New("away") }

// TestTheStoreIsAway sends nothing: the promise could not be kept.
func TestTheStoreIsAway(t *testing.T) {
	_, err := New(broken{}, slog.New(slog.DiscardHandler)).Do(t.Context(), "id", nil, func() ([]byte, error) { t.Error("carried out"); return nil, nil })
	if f := fault.As(err); f.Kind != fault.Unavailable || f.Reason != ReasonUnavailable {
		t.Errorf("got %v", err)
	}
}

func FuzzEntry(f *testing.F) {
	f.Add([]byte("p12345678"))
	f.Add(entry{state: done, at: time.UnixMilli(5), answer: []byte("x")}.bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, ok := parse(b); ok && !bytes.Equal(e.bytes(), b) {
			t.Errorf("%x becomes %x", b, e.bytes())
		}
	})
}
