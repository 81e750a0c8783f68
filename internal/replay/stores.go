package replay

import (
	"context"
	"errors"
	"strings"

	"github.com/maypok86/otter/v2"
	"github.com/redis/go-redis/v9"
)

// maxBytes bounds what a [Memory] holds: then the oldest ids are forgotten.
const maxBytes = 32 << 20

// Memory remembers the ids of one process.
type Memory struct{ kept *otter.Cache[string, []byte] }

// NewMemory makes a store. [Memory.Close] ends it.
func NewMemory() *Memory {
	return &Memory{otter.Must(&otter.Options[string, []byte]{
		MaximumWeight:    maxBytes,
		Weigher:          func(k string, v []byte) uint32 { return uint32(len(k) + len(v) + 128) },
		ExpiryCalculator: otter.ExpiryWriting[string, []byte](Window),
	})}
}

// Close ends what runs in the background.
func (m *Memory) Close() { m.kept.StopAllGoroutines() }

// Claim implements [Store].
func (m *Memory) Claim(_ context.Context, id string, value []byte) ([]byte, error) {
	present, set := m.kept.SetIfAbsent(id, value)
	if set {
		return nil, nil
	}
	return present, nil
}

// Put implements [Store].
func (m *Memory) Put(_ context.Context, id string, value []byte) error {
	m.kept.Set(id, value)
	return nil
}

// Delete implements [Store].
func (m *Memory) Delete(_ context.Context, id string) error {
	m.kept.Invalidate(id)
	return nil
}

// Redis remembers the ids of all replicas. Each key lies with its team.
type Redis struct{ DB redis.UniversalClient }

func redisKey(id string) string {
	team, name, _ := strings.Cut(id, "\x00")
	return "asc:{" + strings.NewReplacer("{", "(", "}", ")").Replace(team) + "}:replay:" + name
}

// Claim implements [Store].
func (r Redis) Claim(ctx context.Context, id string, value []byte) ([]byte, error) {
	present, err := r.DB.SetArgs(ctx, redisKey(id), value, redis.SetArgs{Mode: "NX", Get: true, TTL: Window}).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	return present, err
}

// Put implements [Store].
func (r Redis) Put(ctx context.Context, id string, value []byte) error {
	return r.DB.Set(ctx, redisKey(id), value, Window).Err()
}

// Delete implements [Store].
func (r Redis) Delete(ctx context.Context, id string) error {
	return r.DB.Del(ctx, redisKey(id)).Err()
}
