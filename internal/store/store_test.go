package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/store"
	"github.com/asc-gateway/asc-gateway/internal/store/pgtest"
)

// each runs a test over a file and over a real PostgreSQL.
func each(t *testing.T, f func(t *testing.T, cfg store.Config)) {
	pg := pgtest.Start(t)
	t.Run("sqlite", func(t *testing.T) {
		f(t, store.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "with space", "store.db")})
	})
	t.Run("postgres", func(t *testing.T) { f(t, store.Config{URL: pg.URL()}) })
}

// open opens a store and waits until it can be used.
func open(t *testing.T, cfg store.Config) *store.Store {
	t.Helper()
	s := start(t, cfg)
	select {
	case <-s.Ready():
	case <-time.After(20 * time.Second):
		t.Fatal(s.Err(), fault.As(s.Err()).Unwrap())
	}
	return s
}

func start(t *testing.T, cfg store.Config) *store.Store {
	t.Helper()
	s, err := store.Open(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { s.Start(ctx) })
	t.Cleanup(func() { cancel(); running.Wait(); s.Close() })
	return s
}

func insert(ctx context.Context, s *store.Store, id string) error {
	_, err := s.Exec(ctx, "INSERT INTO replays (id, value, written_at) VALUES ($1, $2, $3)", id, []byte("v"), 1)
	return err
}

func count(t *testing.T, s *store.Store) (n int) {
	t.Helper()
	err := s.Query(
		t.Context(),
		"SELECT count(*) FROM replays",
		nil,
		func(scan func(...any) error) error { return scan(&n) },
	)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestContract is what both databases keep to.
func TestContract(t *testing.T) {
	each(t, func(t *testing.T, cfg store.Config) {
		s := open(t, cfg)
		ctx := t.Context()
		if err := insert(ctx, s, "a"); err != nil {
			t.Fatal(err)
		}
		if err := insert(ctx, s, "a"); !errors.Is(err, store.ErrConflict) {
			t.Errorf("the same id twice: %v", err)
		}
		failed := errors.New("no")
		err := s.Tx(ctx, func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, "DELETE FROM replays"); err != nil {
				return err
			}
			return fault.Invalid("x", "no").WithCause(failed)
		})
		if !errors.Is(err, failed) || count(t, s) != 1 {
			t.Errorf("a transaction that failed changed something: %v, %d rows", err, count(t, s))
		}
		if n, err := s.Size(ctx); err != nil || n < 4096 {
			t.Errorf("size: %d, %v", n, err)
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if err := insert(ended, s, "b"); err == nil || fault.As(err).Kind != fault.Canceled {
			t.Errorf("a call that was given up: %v", err)
		}
	})
}

// TestTwiceIsTheSame opens a store again and again, at the same time where
// several may: the tables are made once, and what is written stays.
func TestTwiceIsTheSame(t *testing.T) {
	each(t, func(t *testing.T, cfg store.Config) {
		if cfg.Shared() {
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() { open(t, cfg) })
			}
			all.Wait()
		}
		s := open(t, cfg)
		if err := insert(t.Context(), s, "a"); err != nil {
			t.Fatal(err)
		}
		s.Close()
		if n := count(t, open(t, cfg)); n != 1 {
			t.Errorf("%d rows after opening again", n)
		}
	})
}

// TestANewerReleaseIsBeside: what a newer release added does not disturb.
func TestANewerReleaseIsBeside(t *testing.T) {
	each(t, func(t *testing.T, cfg store.Config) {
		s := open(t, cfg)
		for _, q := range []string{
			"INSERT INTO asc_gateway_migrations (version_id, is_applied) VALUES (9000, true)",
			"ALTER TABLE operations ADD COLUMN of_the_future TEXT NOT NULL DEFAULT ''",
		} {
			if _, err := s.Exec(t.Context(), q); err != nil {
				t.Fatal(err)
			}
		}
		s.Close()
		if err := insert(t.Context(), open(t, cfg), "a"); err != nil {
			t.Fatal(err)
		}
	})
}

// wantReason waits until a store says why it cannot be used.
func wantReason(t *testing.T, s *store.Store, reason string) {
	t.Helper()
	for begun := time.Now(); time.Since(begun) < 10*time.Second; time.Sleep(20 * time.Millisecond) {
		if err := s.Err(); err != nil && fault.As(err).Reason == reason {
			if f := fault.As(err); f.Kind != fault.Unavailable || strings.Contains(f.Message, "/") {
				t.Errorf("%v %s: want UNAVAILABLE without a path", f.Kind, f.Message)
			}
			return
		}
	}
	t.Fatalf("%v: want %s", s.Err(), reason)
}

// TestTrouble: what is wrong with a database is told, and the store opens once
// that is over.
func TestTrouble(t *testing.T) {
	t.Run("a file that is no database", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "store.db")
		if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
			t.Fatal(err)
		}
		s := start(t, store.Config{URL: "sqlite:" + path})
		wantReason(t, s, store.ReasonBroken)
		if err := insert(t.Context(), s, "a"); fault.As(err).Reason != store.ReasonBroken {
			t.Error(err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		<-s.Ready()
	})
	t.Run("another process", func(t *testing.T) {
		cfg := store.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "store.db")}
		first := open(t, cfg)
		second := start(t, cfg)
		wantReason(t, second, store.ReasonBusy)
		first.Close()
		<-second.Ready()
	})
	t.Run("no room", func(t *testing.T) {
		s := open(t, store.Config{URL: "sqlite:" + filepath.Join(t.TempDir(), "store.db")})
		if _, err := s.DB().Exec("PRAGMA max_page_count = 40"); err != nil {
			t.Fatal(err)
		}
		var err error
		for i := 0; err == nil && i < 2000; i++ {
			err = insert(t.Context(), s, fmt.Sprintf("%0500d", i))
		}
		if fault.As(err).Reason != store.ReasonFull {
			t.Fatal(err)
		}
		before := count(t, s)
		if _, err := s.DB().Exec("PRAGMA max_page_count = 4000"); err != nil {
			t.Fatal(err)
		}
		if err := insert(t.Context(), s, "a"); err != nil || count(t, s) != before+1 {
			t.Errorf("with room again: %v", err)
		}
	})
	t.Run("PostgreSQL is away", func(t *testing.T) {
		pg := pgtest.Start(t)
		cfg := store.Config{URL: pg.URL()}
		pg.Stop()
		s := start(t, cfg)
		wantReason(t, s, store.ReasonUnavailable)
		pg.Run()
		<-s.Ready()
		if err := insert(t.Context(), s, "a"); err != nil {
			t.Fatal(err)
		}
		pg.Stop()
		if err := insert(t.Context(), s, "b"); fault.As(err).Reason != store.ReasonUnavailable {
			t.Error(err)
		}
		pg.Run()
		if err := insert(t.Context(), s, "b"); err != nil {
			t.Error("after PostgreSQL came back:", err)
		}
		if count(t, s) != 2 {
			t.Error("something was lost")
		}
	})
	t.Run("no right", func(t *testing.T) {
		pg := pgtest.Start(t)
		pg.SQL(
			"postgres",
			"CREATE DATABASE other",
			"CREATE ROLE stranger LOGIN",
			"REVOKE CONNECT ON DATABASE other FROM PUBLIC",
		)
		s := start(t, store.Config{URL: "postgres://stranger@" + pg.Addr + "/other?sslmode=disable"})
		wantReason(t, s, store.ReasonBroken)
	})
}

// TestLeastRights: a role that owns one schema, and has no other right, does.
func TestLeastRights(t *testing.T) {
	pg := pgtest.Start(t)
	pg.SQL("postgres", "CREATE ROLE gateway LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE", "CREATE DATABASE org")
	pg.SQL("org", "REVOKE ALL ON SCHEMA public FROM PUBLIC", "CREATE SCHEMA asc_gateway AUTHORIZATION gateway")
	s := open(t, store.Config{URL: "postgres://gateway@" + pg.Addr + "/org?sslmode=disable&search_path=asc_gateway"})
	if err := insert(t.Context(), s, "a"); err != nil {
		t.Fatal(err)
	}
	if got := pg.SQL("org", "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"); got != "0" {
		t.Errorf("%s tables in public", got)
	}
	if n, err := s.Size(t.Context()); err != nil || n == 0 {
		t.Error(n, err)
	}
}

// TestWrongURLs are told before anything is opened, without a password.
func TestWrongURLs(t *testing.T) {
	for _, url := range []string{
		"sqlite:", "sqlite::memory:", "sqlite:a?mode=memory", "sqlite://host/a", "mysql://x", "/var/store.db",
		"postgres://user:hunter2@host:port/db", "postgres://user:hunter2@host/db?sslmode=maybe",
	} {
		err := store.Config{URL: url}.Check()
		if err == nil {
			t.Errorf("%s is taken", url)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("a password is shown: %v", err)
		}
	}
	for _, url := range []string{"", "sqlite:store.db", "sqlite:/var/lib/x.db", "postgres://u@h/d?sslmode=verify-full"} {
		if err := (store.Config{URL: url}).Check(); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}
