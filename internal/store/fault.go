package store

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Reasons.
const (
	ReasonNone        = "STORE_NOT_CONFIGURED" // the setting store.url is missing
	ReasonUnavailable = "STORE_UNAVAILABLE"    // the database is away, or being opened
	ReasonFull        = "STORE_FULL"           // it has no room
	ReasonBusy        = "STORE_BUSY"           // another process or transaction holds it
	ReasonBroken      = "STORE_BROKEN"         // its file is no database, or damaged; or a right is missing
)

// ErrConflict says that a unique value is there already.
var ErrConflict = errors.New("store: it is there already")

// NotConfigured is the fault of what needs a store where there is none.
func NotConfigured() error {
	return fault.New(fault.FailedPrecondition, ReasonNone,
		"this needs a store: set store.url, such as sqlite:/var/lib/asc-gateway/store.db")
}

// errHeld says that another process has the file.
var errHeld = errors.New("another process uses this store: several replicas need PostgreSQL")

// Fault makes a fault of an error of the database, nil of nil. Faults stay what
// they are.
func Fault(err error) error {
	var f *fault.Error
	switch {
	case err == nil, errors.Is(err, sql.ErrNoRows), errors.Is(err, ErrConflict), errors.As(err, &f):
		return err
	case unique(err):
		return errors.Join(ErrConflict, err)
	case errors.Is(err, context.Canceled):
		return fault.New(fault.Canceled, "CANCELLED", "the call was given up").WithCause(err)
	}
	return unavailable(err)
}

// unavailable tells what is wrong with the database, in the words of an operator.
// The database's own text stays in the log: it may show values.
func unavailable(err error) error {
	f := fault.New(fault.Unavailable, ReasonUnavailable, "the store does not answer: call again")
	f.RetryAfter = 2 * time.Second
	switch classOf(err) {
	case ReasonFull:
		f = fault.New(fault.Unavailable, ReasonFull, "the store has no room: nothing was written")
	case ReasonBusy:
		f = fault.New(fault.Unavailable, ReasonBusy, "the store is held by another process or transaction: call again")
		f.RetryAfter = time.Second
	case ReasonBroken:
		f = fault.New(fault.Unavailable, ReasonBroken, "the store is damaged, or may not be used: the log says why")
	}
	return f.WithCause(err)
}

func classOf(err error) string {
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		return sqliteClass(lite.Code() & 0xff)
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return postgresClass(pg.Code)
	}
	var network net.Error
	if errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded) {
		return ReasonUnavailable
	}
	if errors.Is(err, errHeld) {
		return ReasonBusy
	}
	return ReasonUnavailable
}

func sqliteClass(code int) string {
	switch code {
	case sqlite3.SQLITE_FULL:
		return ReasonFull
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return ReasonBusy
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH:
		return ReasonBroken
	}
	return ReasonUnavailable
}

// postgresClass reads a SQLSTATE. Source: PostgreSQL's appendix A.
func postgresClass(code string) string {
	switch {
	case code == "53100", code == "53200": // disk_full, out_of_memory
		return ReasonFull
	case code == "55P03",
		code == "57014",
		strings.HasPrefix(code, "40"): // lock_not_available, query_canceled, rollback
		return ReasonBusy
	case code == "42501", strings.HasPrefix(code, "28"), strings.HasPrefix(code, "XX"), strings.HasPrefix(code, "3D"):
		return ReasonBroken // insufficient_privilege, authorization, corrupted, no such database
	}
	return ReasonUnavailable
}

// unique says whether an error is about a value that must occur once.
func unique(err error) bool {
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		code := lite.Code()
		return code == sqlite3.SQLITE_CONSTRAINT_UNIQUE || code == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY
	}
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "23505"
}
