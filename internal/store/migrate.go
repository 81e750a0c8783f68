package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
)

//go:embed migrations
var migrations embed.FS

// versions is the table of goose that says which migrations were made.
const versions = "asc_gateway_migrations"

// migrationLock is the advisory lock under which one replica makes the tables:
// "asc-gate" in ASCII.
const migrationLock = 0x6173632d67617465

// migrate makes the tables that are missing. Migrations only add: a release and
// the one before it run side by side.
func (s *Store) migrate(ctx context.Context) error {
	if s.pool == nil {
		return s.migrateLocked(ctx)
	}
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	for _, query := range []string{"SET statement_timeout = 0", fmt.Sprintf("SELECT pg_advisory_lock(%d)", migrationLock)} {
		if _, err := conn.Exec(ctx, query); err != nil {
			return err
		}
	}
	err = s.migrateLocked(ctx)
	// The lock ends with the session at the latest: so does the setting.
	return errors.Join(err, conn.Conn().Close(context.WithoutCancel(ctx)))
}

func (s *Store) migrateLocked(ctx context.Context) error {
	dialect, folder := goose.DialectSQLite3, "migrations/sqlite"
	if s.pool != nil {
		dialect, folder = goose.DialectPostgres, "migrations/postgres"
	}
	sub, err := fs.Sub(migrations, folder)
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(
		dialect,
		s.write,
		sub,
		goose.WithTableName(versions),
		goose.WithDisableGlobalRegistry(true),
	)
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("making the tables: %w", err)
	}
	return s.migrateRiver(ctx)
}

// migrateRiver makes the tables of River, which runs the jobs.
func (s *Store) migrateRiver(ctx context.Context) error {
	cfg := &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)} // its errors are ours
	if s.pool != nil {
		m, err := rivermigrate.New(riverpgxv5.New(s.pool), cfg)
		if err != nil {
			return err
		}
		_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
		return err
	}
	m, err := rivermigrate.New(riversqlite.New(s.write), cfg)
	if err != nil {
		return err
	}
	_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}
