package replay

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/redisdb"
	"github.com/redis/go-redis/v9"
)

// redisTimeout bounds each command.
const redisTimeout = time.Second

// Redis remembers the ids of all replicas, one key each, which lies with its
// team. Where the memory policy of Redis lets it forget, it takes no id.
type Redis struct{ DB *redisdb.DB }

// claiming remembers ARGV[1] for ARGV[2] ms, or answers what is there. What is of
// another type, or longer than ARGV[3] bytes, is not ours: it answers "". No key
// lives longer than ours do.
var claiming = redis.NewScript(`
local life = redis.call('PTTL', KEYS[1])
if life == -2 then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return false
end
if life < 0 or life > tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
if redis.call('TYPE', KEYS[1]).ok ~= 'string' or redis.call('STRLEN', KEYS[1]) > tonumber(ARGV[3]) then return '' end
return redis.call('GET', KEYS[1])
`)

// swapping puts ARGV[2] (empty: nothing) in the place of what begins with
// ARGV[1], for ARGV[3] ms.
var swapping = redis.NewScript(`
if redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1
`)

func (r Redis) key(id string) string {
	team, name, _ := strings.Cut(id, "\x00")
	return r.DB.Key(team, "replay", name)
}

// Claim implements [Store].
func (r Redis) Claim(ctx context.Context, id string, value []byte) ([]byte, error) {
	if why := r.DB.Forgets(); why != "" {
		return nil, fmt.Errorf("%w: %s", ErrForgets, why)
	}
	ctx, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	present, err := claiming.Run(ctx, r.DB, []string{r.key(id)}, value, Window.Milliseconds(), maxEntry).Text()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	return []byte(present), nil
}

// Swap implements [Store].
func (r Redis) Swap(ctx context.Context, id string, old, value []byte) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, redisTimeout)
	defer cancel()
	n, err := swapping.Run(ctx, r.DB, []string{r.key(id)}, old, value, Window.Milliseconds()).Int()
	if err != nil {
		return false, fmt.Errorf("redis: %w", err)
	}
	return n == 1, nil
}
