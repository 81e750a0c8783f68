package replay

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/secrets"
	"github.com/asc-gateway/asc-gateway/internal/store"
	"github.com/asc-gateway/asc-gateway/internal/store/pgtest"
)

func newSQL(t *testing.T, cfg store.Config, s *secrets.Secrets) SQL {
	t.Helper()
	db, err := store.Open(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { db.Start(ctx) })
	t.Cleanup(func() { cancel(); running.Wait(); db.Close() })
	<-db.Ready()
	return SQL{DB: db, Secrets: s}
}

// TestSQL: a name is carried out once, over processes and replicas; its answer is
// kept, and cannot be read in the database.
func TestSQL(t *testing.T) {
	pg := pgtest.Start(t)
	for name, cfg := range map[string]store.Config{
		"sqlite":   {URL: "sqlite:" + filepath.Join(t.TempDir(), "store.db")},
		"postgres": {URL: pg.URL()},
	} {
		t.Run(name, func(t *testing.T) {
			s := secrets.New()
			first := newSQL(t, cfg, s)
			other := first
			if cfg.Shared() {
				other = newSQL(t, cfg, s)
			}
			replicas := []*Replays{newReplays(t, first), newReplays(t, other)}
			var made atomic.Int32
			var all sync.WaitGroup
			for i := range 20 {
				all.Go(func() {
					got, err := replicas[i%2].Do(t.Context(), "id", []byte("asked"), func() ([]byte, error) {
						made.Add(1)
						time.Sleep(50 * time.Millisecond)
						return []byte("tester@example.com"), nil
					})
					if err != nil || string(got) != "tester@example.com" {
						t.Errorf("%q %v", got, err)
					}
				})
			}
			all.Wait()
			if made.Load() != 1 {
				t.Errorf("made %d times", made.Load())
			}
			var value []byte
			err := first.DB.Query(t.Context(), "SELECT value FROM replays", nil,
				func(scan func(...any) error) error { return scan(&value) })
			if err != nil || strings.Contains(string(value), "tester@") || len(value) < headBytes {
				t.Errorf("%q %v", value, err)
			}
			_, err = replicas[0].Do(t.Context(), "id", []byte("another"), nil)
			if fault.As(err).Reason != ReasonReused {
				t.Errorf("another request: %v", err)
			}
			stranger := newReplays(t, SQL{DB: first.DB, Secrets: secrets.New()})
			if _, err := stranger.Do(t.Context(), "id", []byte("asked"), nil); fault.As(err).Reason != fault.ReasonOutcomeUnknown {
				t.Errorf("without the secret: %v", err)
			}
		})
	}
}

// TestSQLForgets what is older than any name is remembered, and nothing else.
func TestSQLForgets(t *testing.T) {
	s := newSQL(t, store.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "store.db")}, secrets.New())
	for id, age := range map[string]time.Duration{"old": 3 * Window, "late": Window + time.Minute, "new": 0} {
		_, err := s.DB.Exec(t.Context(), "INSERT INTO replays (id, value, written_at) VALUES ($1, 'v', $2)", id,
			time.Now().Add(-age).UnixMicro())
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Claim(t.Context(), "another", []byte("v")); err != nil {
		t.Fatal(err)
	}
	var ids []string
	err := s.DB.Query(t.Context(), "SELECT id FROM replays WHERE id IN ('old', 'late', 'new') ORDER BY id", nil,
		func(scan func(...any) error) error { ids = append(ids, ""); return scan(&ids[len(ids)-1]) })
	if err != nil || strings.Join(ids, " ") != "late new" {
		t.Errorf("%v %v", ids, err)
	}
}

// TestWhatIsLostEndsEarlier where its caller says how long a create may take.
func TestWhatIsLostEndsEarlier(t *testing.T) {
	r := newReplays(t, NewMemory(time.Now))
	e := entry{state: sent, owner: newOwner(), at: time.Now().Add(-90 * time.Second), asked: sha256.Sum256([]byte("asked"))}
	if _, err := r.store.Claim(t.Context(), "id", e.bytes()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := r.Do(ctx, "id", []byte("asked"), nil); fault.As(err).Kind != fault.DeadlineExceeded {
		t.Errorf("%v", err)
	}
	_, err := r.Do(WithLongest(t.Context(), time.Minute), "id", []byte("asked"), nil)
	if fault.As(err).Reason != fault.ReasonOutcomeUnknown {
		t.Errorf("%v", err)
	}
}
