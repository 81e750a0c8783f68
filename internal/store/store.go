// Package store is the database of what must last beyond a process: operations,
// and the request_ids that were seen. It is a file of SQLite, or PostgreSQL.
//
// It opens without asking the database anything: a database that is away, locked
// or broken ends no gateway. What needs the store then answers UNAVAILABLE until
// the database is back. Whatever is written here is nothing that Apple knows
// better: no truth about Apple is kept.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/files"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the driver
)

// Config says where the store is.
type Config struct {
	// URL is "sqlite:PATH" or "postgres://USER@HOST/DATABASE?…"; "": there is none.
	URL string `json:"url"`
	// PasswordFile holds the password of a PostgreSQL user, "": the URL has it, or
	// none is needed.
	PasswordFile string `json:"password_file"`
}

// Bounds of connections.
const (
	readers     = 4               // of SQLite, beside one writer
	busyTimeout = 5 * time.Second // how long SQLite waits for another process's lock
	connections = 10              // of PostgreSQL
	dialTimeout = 5 * time.Second
	tryTimeout  = 15 * time.Second // for one try to open
	tryFirst    = 500 * time.Millisecond
	tryMost     = 15 * time.Second
	firstOpen   = 5 * time.Second  // for calls that come while it is opened for the first time
	statement   = 10 * time.Second // a statement of PostgreSQL
	maxPassword = 1024             // bytes
)

// Store is safe for concurrent use.
type Store struct {
	Log *slog.Logger

	dir     dialect
	write   *sql.DB
	read    *sql.DB
	pool    *pgxpool.Pool // nil: SQLite
	path    string        // of SQLite's file
	lock    *os.File
	ready   chan struct{} // closed when the tables are there
	tried   chan struct{} // closed after the first try to open it
	once    sync.Once
	trouble atomic.Pointer[error] // why not yet
}

// dialect is what SQLite and PostgreSQL spell differently.
type dialect string

const (
	sqliteDialect   dialect = "sqlite"
	postgresDialect dialect = "postgres"
)

// Open makes a store. Its error says that the URL is wrong; the database is asked
// by [Store.Start].
func Open(cfg Config, log *slog.Logger) (*Store, error) {
	s := &Store{Log: log, ready: make(chan struct{}), tried: make(chan struct{})}
	if path, ok := strings.CutPrefix(cfg.URL, "sqlite:"); ok {
		return s, s.openSQLite(path)
	}
	if strings.HasPrefix(cfg.URL, "postgres://") || strings.HasPrefix(cfg.URL, "postgresql://") {
		return s, s.openPostgres(cfg)
	}
	return nil, errors.New(`want "sqlite:PATH" or "postgres://USER@HOST/DATABASE"`)
}

// Check says what is wrong with a configuration, without opening anything.
func (c Config) Check() error {
	path, sqlite := strings.CutPrefix(c.URL, "sqlite:")
	switch {
	case c.URL == "":
		return nil
	case sqlite && (path == "" || strings.ContainsAny(path, "?#") || strings.HasPrefix(path, "//") || path == ":memory:"):
		return errors.New("want sqlite:PATH with the path of a file, such as sqlite:/var/lib/asc-gateway/store.db")
	case sqlite:
		return nil
	case !strings.HasPrefix(c.URL, "postgres://") && !strings.HasPrefix(c.URL, "postgresql://"):
		return errors.New(`want "sqlite:PATH" or "postgres://USER@HOST/DATABASE"`)
	}
	if _, err := pgxpool.ParseConfig(c.URL); err != nil {
		return errors.New(
			"is no URL of PostgreSQL: want postgres://USER@HOST/DATABASE",
		) // the cause may show a password
	}
	return nil
}

// Shared says whether several replicas can use the store.
func (c Config) Shared() bool { return c.URL != "" && !strings.HasPrefix(c.URL, "sqlite:") }

func (s *Store) openSQLite(path string) (err error) {
	if err := (Config{URL: "sqlite:" + path}).Check(); err != nil {
		return err
	}
	s.dir, s.path = sqliteDialect, path
	pragmas := url.Values{"_pragma": {
		fmt.Sprintf("busy_timeout(%d)", busyTimeout.Milliseconds()), "journal_mode(WAL)", "synchronous(FULL)",
		"foreign_keys(1)", "journal_size_limit(16777216)", "temp_store(MEMORY)",
	}, "_txlock": {"immediate"}}
	name := "file:" + (&url.URL{Path: path}).EscapedPath()
	if s.write, err = sql.Open("sqlite", name+"?"+pragmas.Encode()); err != nil {
		return err
	}
	s.write.SetMaxOpenConns(1)
	pragmas["_pragma"] = append(pragmas["_pragma"], "query_only(1)")
	pragmas.Del("_txlock")
	if s.read, err = sql.Open("sqlite", name+"?"+pragmas.Encode()); err != nil {
		return err
	}
	s.read.SetMaxOpenConns(readers)
	return nil
}

func (s *Store) openPostgres(cfg Config) error {
	if err := cfg.Check(); err != nil {
		return err
	}
	pg, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		return cfg.Check()
	}
	if cfg.PasswordFile != "" {
		password, err := files.Read(cfg.PasswordFile, maxPassword)
		if err != nil {
			return err
		}
		pg.ConnConfig.Password = strings.TrimSpace(string(password))
	}
	s.dir = postgresDialect
	pg.MaxConns = connections
	pg.ConnConfig.ConnectTimeout = dialTimeout
	set := pg.ConnConfig.RuntimeParams
	for name, value := range map[string]string{
		"application_name":                    "asc-gateway",
		"statement_timeout":                   fmt.Sprint(statement.Milliseconds()),
		"idle_in_transaction_session_timeout": fmt.Sprint(statement.Milliseconds()),
	} {
		if set[name] == "" {
			set[name] = value
		}
	}
	if s.pool, err = pgxpool.NewWithConfig(context.Background(), pg); err != nil {
		return err
	}
	s.write = stdlib.OpenDBFromPool(s.pool)
	s.write.SetMaxIdleConns(0) // the pool keeps them
	s.read = s.write
	return nil
}

// Start makes the tables, and tries again while that fails, until ctx ends.
func (s *Store) Start(ctx context.Context) {
	for pause := tryFirst; ; pause = min(2*pause, tryMost) {
		err := s.try(ctx)
		if err == nil {
			s.trouble.Store(nil)
			close(s.ready)
			s.tellTried()
			s.Log.InfoContext(ctx, "the store is open", "kind", string(s.dir))
			return
		}
		if s.trouble.Swap(&err) == nil {
			s.Log.ErrorContext(ctx, "the store cannot be opened, and is tried again", "error", err)
		}
		s.tellTried()
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// tellTried lets go who waits for the first try.
func (s *Store) tellTried() { s.once.Do(func() { close(s.tried) }) }

// usable says why the store cannot be used. While it is opened for the first time
// it waits for that.
func (s *Store) usable(ctx context.Context) error {
	select {
	case <-s.tried:
		return s.Err()
	default:
	}
	timer := time.NewTimer(firstOpen)
	defer timer.Stop()
	select {
	case <-s.tried:
	case <-timer.C:
	case <-ctx.Done():
	}
	return s.Err()
}

func (s *Store) try(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	if s.path != "" {
		if err := s.own(); err != nil {
			return err
		}
	}
	return s.migrate(ctx)
}

// own keeps a second process away from the file: one gateway runs its jobs.
func (s *Store) own() error {
	if s.lock != nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(s.path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(s.path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	free, err := files.Lock(f)
	if err == nil && !free {
		err = fmt.Errorf("%s: %w", s.path, errHeld)
	}
	if err != nil {
		f.Close()
		return err
	}
	if g, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE, 0o600); err == nil {
		g.Close() // made here, so that only its owner may read it
	}
	s.lock = f
	return nil
}

// Ready is closed when the store can be used.
func (s *Store) Ready() <-chan struct{} { return s.ready }

// Err says why the store cannot be used, nil if it can as far as is known.
func (s *Store) Err() error {
	select {
	case <-s.ready:
		return nil
	default:
	}
	if why := s.trouble.Load(); why != nil {
		return unavailable(*why)
	}
	return unavailable(errors.New("it is being opened"))
}

// Close ends its connections.
func (s *Store) Close() {
	if s.read != nil && s.read != s.write {
		_ = s.read.Close() // nothing is lost with it
	}
	if s.write != nil {
		_ = s.write.Close()
	}
	if s.pool != nil {
		s.pool.Close()
	}
	if s.lock != nil {
		s.lock.Close()
	}
}

// Kind is "sqlite" or "postgres".
func (s *Store) Kind() string { return string(s.dir) }

// Pool is the pool of PostgreSQL, nil of SQLite.
func (s *Store) Pool() *pgxpool.Pool { return s.pool }

// DB is the database for writing: of SQLite one connection.
func (s *Store) DB() *sql.DB { return s.write }

// Tx does something in one transaction, all of it or nothing.
func (s *Store) Tx(ctx context.Context, do func(tx *sql.Tx) error) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return Fault(err)
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if err := do(tx); err != nil {
		return Fault(err)
	}
	return Fault(tx.Commit())
}

// Exec carries out one statement, and returns how many rows it changed.
func (s *Store) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	if err := s.usable(ctx); err != nil {
		return 0, err
	}
	res, err := s.write.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, Fault(err)
	}
	return res.RowsAffected()
}

// Query calls each with every row.
func (s *Store) Query(ctx context.Context, query string, args []any, each func(scan func(...any) error) error) error {
	if err := s.usable(ctx); err != nil {
		return err
	}
	rows, err := s.read.QueryContext(ctx, query, args...)
	if err != nil {
		return Fault(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return Fault(err)
		}
	}
	return Fault(rows.Err())
}

// Size is how many bytes the store takes on the database's disk.
func (s *Store) Size(ctx context.Context) (int64, error) {
	query := "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
	if s.dir == postgresDialect {
		query = `SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c
			WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
			AND (c.relname IN ('operations', 'replays', 'uploads') OR c.relname LIKE 'river\_%')`
	}
	var n int64
	err := s.Query(ctx, query, nil, func(scan func(...any) error) error { return scan(&n) })
	return n, err
}
