package jobs

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Look says whether an operation should look now at what key names. Of all that
// wait for the same, over all replicas, one looks every so often; the others sleep
// until again. Nothing of what was seen is kept but whether to go on waiting.
func (j *Jobs) Look(
	ctx context.Context, team, key string, every time.Duration,
) (now bool, again time.Duration, err error) {
	key = team + "/" + key
	err = j.deps.Store.Tx(ctx, func(tx *sql.Tx) error {
		t := time.Now()
		var looked int64
		var waiting bool
		err := tx.QueryRowContext(ctx, "SELECT looked_at, waiting <> 0 FROM waits WHERE key = $1", key).
			Scan(&looked, &waiting)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		since := t.Sub(ofMicros(looked))
		if err == nil && since >= 0 && since < every {
			if waiting {
				again = every - since + time.Second
				return nil
			}
			now = true
			return nil
		}
		res, err := tx.ExecContext(ctx, `INSERT INTO waits (key, looked_at, waiting) VALUES ($1, $2, 1)
			ON CONFLICT (key) DO UPDATE SET looked_at = $2, waiting = 1 WHERE waits.looked_at = $3`, key, micros(t), looked)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		if now = n > 0; !now {
			again = every
		}
		return err
	})
	return now, again, err
}

// Seen says that what key names has come: all that wait for it are woken.
func (j *Jobs) Seen(ctx context.Context, team, key string) error {
	var woken []string
	var jobs []int64
	err := j.deps.Store.Tx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, "UPDATE waits SET waiting = 0 WHERE key = $1 AND waiting = 1", team+"/"+key)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); n == 0 || err != nil {
			return err
		}
		woken, jobs, err = j.wakeAll(ctx, tx, team, key)
		return err
	})
	if err != nil {
		return err
	}
	for _, id := range woken {
		j.changed.tell(id)
	}
	j.nudge(jobs...)
	return nil
}

func (j *Jobs) wakeAll(ctx context.Context, tx *sql.Tx, team, key string) (ids []string, list []int64, err error) {
	rows, err := tx.QueryContext(
		ctx,
		// awaiting_key <> '' is that of the index.
		`UPDATE operations SET wakes = wakes + 1
		WHERE awaiting_key = $1 AND awaiting_key <> '' AND team = $2 AND ended_at = 0 RETURNING id, job`,
		key,
		team,
	)
	if err != nil {
		return nil, nil, err
	}
	for rows.Next() {
		var id string
		var job int64
		if err := rows.Scan(&id, &job); err != nil {
			return nil, nil, errors.Join(err, rows.Close())
		}
		ids, list = append(ids, id), append(list, job)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, nil, err
	}
	for _, job := range list {
		if err := j.runner.wake(ctx, tx, job); err != nil {
			return nil, nil, err
		}
	}
	return ids, list, nil
}
