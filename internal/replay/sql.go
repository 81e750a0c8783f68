package replay

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/secrets"
	"github.com/asc-gateway/asc-gateway/internal/store"
)

// SQL remembers in the gateway's store: ids outlast the process. Answers are
// sealed: they may hold what is personal.
type SQL struct {
	DB      *store.Store
	Secrets *secrets.Secrets
}

// sealed is a value as the database holds it: its head can be compared.
func (s SQL) sealed(id string, value []byte) []byte {
	if len(value) <= headBytes {
		return value
	}
	answer := s.Secrets.Seal(secrets.Answers, id, value[headBytes:])
	return append(slices.Clip(value[:headBytes:headBytes]), answer...)
}

// opened is a value as it was given. Where the secret is gone the answer is too:
// then it is only known that the create was sent.
func (s SQL) opened(id string, value []byte) []byte {
	if len(value) <= headBytes {
		return value
	}
	answer, err := s.Secrets.Unseal(secrets.Answers, id, value[headBytes:])
	head := slices.Clone(value[:headBytes])
	if err != nil {
		head[stateAt] = byte(unknown)
		return head
	}
	return append(head, answer...)
}

// Claim implements [Store].
func (s SQL) Claim(ctx context.Context, id string, value []byte) (present []byte, err error) {
	err = s.DB.Tx(ctx, func(tx *sql.Tx) error {
		now := time.Now()
		// What is forgotten goes with the next claim. An outcome may be written late: one
		// window more is kept.
		_, err := tx.ExecContext(ctx, "DELETE FROM replays WHERE written_at < $1", now.Add(-2*Window).UnixMicro())
		if err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `INSERT INTO replays (id, value, written_at) VALUES ($1, $2, $3)
			ON CONFLICT (id) DO UPDATE SET value = $2, written_at = $3 WHERE replays.written_at < $4`,
			hexID(id), s.sealed(id, value), now.UnixMicro(), now.Add(-Window).UnixMicro())
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); n > 0 || err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, "SELECT value FROM replays WHERE id = $1", hexID(id)).Scan(&present)
	})
	return s.opened(id, present), surely(err)
}

// Swap implements [Store].
func (s SQL) Swap(ctx context.Context, id string, old, value []byte) (swapped bool, err error) {
	query, args := "DELETE FROM replays WHERE id = $1 AND substr(value, 1, $2) = $3", []any{hexID(id), len(old), old}
	if value != nil {
		query = "UPDATE replays SET value = $4, written_at = $5 WHERE id = $1 AND substr(value, 1, $2) = $3"
		args = append(args, s.sealed(id, value), time.Now().UnixMicro())
	}
	n, err := s.DB.Exec(ctx, query, args...)
	return n > 0, surely(err)
}

// surely makes [ErrFull] of an error of a database without room.
func surely(err error) error {
	if err != nil && fault.As(err).Reason == store.ReasonFull {
		return errors.Join(ErrFull, err)
	}
	return err
}

// hexID is an id as text that any database takes: it holds a zero byte.
func hexID(id string) string { return hex.EncodeToString([]byte(id)) }
