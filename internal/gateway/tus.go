package gateway

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/edge/tus"
	"github.com/asc-gateway/asc-gateway/internal/secrets"
	"github.com/asc-gateway/asc-gateway/internal/store"
	"github.com/asc-gateway/asc-gateway/internal/usecase/uploads"
)

// openTus makes what keeps uploads of tus between their requests.
func (g *Gateway) openTus(d Deps) *tus.Uploads {
	deps := tus.Deps{Server: g.Server, Start: uploads.StartOf, Final: uploads.Final, Idle: d.Uploads.Idle, Log: d.Log}
	if d.Jobs.Store != nil {
		deps.Records = tusRecords{d.Jobs.Store, sealing{g.secrets}}
	}
	g.tus = tus.New(deps)
	return g.tus
}

// tusRecords keeps uploads in the store, sealed. It implements [tus.Records].
type tusRecords struct {
	store   *store.Store
	sealing sealing
}

// place binds a record to its row.
func place(id string) string { return "tus/" + id }

// Get implements [tus.Records]. What cannot be unsealed any more is not there.
func (s tusRecords) Get(ctx context.Context, id string) (r *tus.Record, err error) {
	err = s.store.Query(ctx, "SELECT record, version FROM uploads WHERE id = $1", []any{id},
		func(scan func(...any) error) error {
			var sealed []byte
			var version int64
			if err := scan(&sealed, &version); err != nil {
				return err
			}
			b, err := s.sealing.Unseal(place(id), sealed)
			if err == secrets.ErrSealed {
				return nil
			}
			r = &tus.Record{ID: id, Version: version}
			return json.Unmarshal(b, r)
		})
	return r, err
}

// Put implements [tus.Records].
func (s tusRecords) Put(ctx context.Context, r *tus.Record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	sealed, expires := s.sealing.Seal(place(r.ID), b), r.Expires.UnixMicro()
	if r.Version == 0 {
		if err = s.insert(ctx, r, sealed, expires); err == nil {
			r.Version = 1
		}
		return err
	}
	n, err := s.store.Exec(ctx,
		"UPDATE uploads SET record = $1, expires_at = $2, version = version + 1 WHERE id = $3 AND version = $4",
		sealed, expires, r.ID, r.Version)
	switch {
	case err != nil:
		return err
	case n == 0:
		return tus.ErrChanged
	}
	r.Version++
	return nil
}

// insert makes a row, and takes away those that have expired.
func (s tusRecords) insert(ctx context.Context, r *tus.Record, sealed []byte, expires int64) error {
	return s.store.Tx(ctx, func(tx *sql.Tx) error {
		now := time.Now().UnixMicro()
		if _, err := tx.ExecContext(ctx, "DELETE FROM uploads WHERE expires_at < $1", now); err != nil {
			return err
		}
		var own int
		err := tx.QueryRowContext(ctx, "SELECT count(*) FROM uploads WHERE caller = $1", r.Owner.Caller).Scan(&own)
		switch {
		case err != nil:
			return err
		case own >= tus.OwnMost:
			return tus.TooMany()
		}
		_, err = tx.ExecContext(
			ctx,
			"INSERT INTO uploads (id, caller, record, version, expires_at) VALUES ($1, $2, $3, 1, $4)",
			r.ID,
			r.Owner.Caller,
			sealed,
			expires,
		)
		return err
	})
}

// Delete implements [tus.Records].
func (s tusRecords) Delete(ctx context.Context, id string) error {
	_, err := s.store.Exec(ctx, "DELETE FROM uploads WHERE id = $1", id)
	return err
}
