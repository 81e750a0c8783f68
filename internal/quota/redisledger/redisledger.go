// Package redisledger is the ledger that replicas share. It implements
// [quota.Ledger].
//
// A decision is one call of a script: Redis' clock is the only one that counts,
// and the keys of a team lie together, so that one call can choose among them,
// on a Redis Cluster too. Nothing is queued in Redis. While it is away a ledger
// in memory takes this replica's share of what Apple's answers leave, and what
// was used meanwhile is entered afterwards.
package redisledger

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/quota"
	"github.com/asc-gateway/asc-gateway/internal/redisdb"
	"github.com/redis/go-redis/v9"
)

//go:embed *.lua
var sources embed.FS

// Timeout bounds each call of Redis: Apple grants about one request a second.
const Timeout = 25 * time.Millisecond

// shared is the ledger in Redis, as long as that is there.
type shared struct {
	db     *redisdb.DB
	rules  quota.Rules
	log    *slog.Logger
	prefix string        // of what this replica puts there
	limit  time.Duration // of each call
	seq    atomic.Uint64
	healed atomic.Int64 // when something was last told to be no ledger's, in Unix seconds

	admit, settle, leave, merge, state, budget, beat, heal *redis.Script

	mu   sync.Mutex
	used map[string]map[string]bool // key ids by team, as far as known
}

// parts name what is kept of a key, in the order of common.lua.
var parts = [...]string{
	"own",
	"foreign",
	"flight",
	"meta",
	"",
	"seen",
	"tags0",
	"tags1",
	"tags2",
	"finish0",
	"finish1",
	"finish2",
}

func newShared(db *redisdb.DB, rules quota.Rules, log *slog.Logger) *shared {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	s := &shared{
		db:     db,
		rules:  rules.Settled(),
		log:    log,
		prefix: hex.EncodeToString(id[:]),
		limit:  Timeout,
		used:   map[string]map[string]bool{},
	}
	head := s.constants() + source("common")
	script := func(name string) *redis.Script { return redis.NewScript(head + source(name)) }
	s.admit, s.settle, s.leave = script("admit"), script("settle"), script("leave")
	s.merge, s.state, s.budget = script("merge"), script("state"), script("budget")
	s.beat, s.heal = script("beat"), script("heal")
	return s
}

func source(name string) string {
	b, err := sources.ReadFile(name + ".lua")
	if err != nil {
		panic(err) // it is embedded
	}
	return string(b)
}

// constants are the rules as Lua reads them.
func (s *shared) constants() string {
	var b strings.Builder
	span := func(name string, d time.Duration) { fmt.Fprintf(&b, "local %s = %d\n", name, d.Microseconds()) }
	count := func(name string, n int) { fmt.Fprintf(&b, "local %s = %d\n", name, n) }
	r := s.rules
	span("HOUR", r.Hour)
	span("AHEAD_MOST", r.MaxAhead())
	span("BLOCK_LEAST", r.BlockLeast())
	span("BLOCK_MOST", r.BlockMost())
	span("PROBE_EVERY", r.ProbeEvery())
	span("PROBE_FIRST", r.ProbeFirst())
	span("PROBE_MOST", r.ProbeMost())
	span("AGING_AFTER", r.AgingAfter())
	span("SLACK", r.Slack())
	span("TAG_LIFE", quota.TagLife)
	span("FIRST_POLL", quota.FirstPoll)
	count("HOUR_LIMIT", r.HourLimit)
	count("LIMIT_MOST", s.limitMost())
	count("ENDPOINTS_MOST", endpointsMost)
	count("MIN_LIMIT", quota.MinLimit)
	count("AGREEING", quota.Agreeing)
	count("RESERVE_SHARE", quota.ReserveShare)
	count("BURST_SHARE", quota.BurstShare)
	count("BURST_LEAST", quota.BurstLeast)
	b.WriteString("local SEEDS = {")
	for at, limit := range r.Minutes {
		fmt.Fprintf(&b, "[%q] = %d, ", at.String(), limit)
	}
	b.WriteString("}\n")
	return b.String()
}

// names are those of a key's parts.
func (s *shared) names(list []string, team, key string, at quota.Endpoint) []string {
	for _, p := range parts {
		if p == "" {
			list = append(list, s.db.Key(team, "quota", key, "minute", at.String()))
			continue
		}
		list = append(list, s.db.Key(team, "quota", key, p))
	}
	return list
}

// purse names the requests that a caller's budget is charged with.
func (s *shared) purse(team, caller string) string { return s.db.Key(team, "budget", caller) }

// Admit implements [quota.Ledger].
func (s *shared) Admit(ctx context.Context, a *quota.Ask) (quota.Answer, error) {
	keys := make([]string, 0, len(a.Keys)*len(parts)+1)
	id := s.prefix + strconv.FormatUint(s.seq.Add(1), 36)
	args := []any{id, a.Endpoint.String(), a.Caller, int(a.Class), max(a.Weight, 1), a.Attempt.Microseconds(), a.Hour}
	for _, c := range a.Keys {
		keys = s.names(keys, a.Team, c.KeyID, a.Endpoint)
		args = append(args, c.Rank)
		s.note(a.Team, c.KeyID)
	}
	if a.Hour > 0 {
		keys = append(keys, s.purse(a.Team, a.Caller))
	}
	res, err := s.run(ctx, s.admit, keys, args...)
	if err != nil {
		return quota.Answer{}, err
	}
	return s.answer(a, id, res)
}

// note remembers that a key is used.
func (s *shared) note(team, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used[team] == nil {
		s.used[team] = map[string]bool{}
	}
	s.used[team][key] = true
}

// Settle implements [quota.Ledger].
func (s *shared) Settle(ctx context.Context, x *quota.Settlement) (quota.Balance, error) {
	pair := func(p quota.Pair) (limit, remaining int) {
		if !p.Known {
			return -1, -1
		}
		return p.Limit, p.Remaining
	}
	hl, hr := pair(x.Limits.Hour)
	ml, mr := pair(x.Limits.Minute)
	retry := x.RetryAfter.Microseconds()
	if x.RetryAfter < 0 {
		retry = -1
	}
	keys := s.names(nil, x.Team, x.KeyID, x.Endpoint)
	if x.Caller != "" {
		keys = append(keys, s.purse(x.Team, x.Caller))
	}
	res, err := s.run(ctx, s.settle, keys,
		x.ID, x.Endpoint.String(), x.Sent, x.Stamp, x.Writes, x.Status, hl, hr, ml, mr, retry)
	if err != nil {
		return quota.Balance{}, err
	}
	return s.balance(res, 0)
}

// Leave implements [quota.Ledger].
func (s *shared) Leave(ctx context.Context, a *quota.Ask) {
	keys := make([]string, 0, len(a.Keys)*len(parts))
	for _, c := range a.Keys {
		keys = s.names(keys, a.Team, c.KeyID, a.Endpoint)
	}
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	_ = s.leave.Run(ctx, s.db, keys, a.Caller, int(a.Class)).Err() // else it is forgotten after TagLife
}

// mergeMost is how many stamps are entered in one call.
const mergeMost = 2000

// enter puts requests into the books that were made while Redis was away: into
// the first of some keys.
func (s *shared) enter(ctx context.Context, keys []string, ages []time.Duration) error {
	for len(ages) > 0 {
		n := min(len(ages), mergeMost)
		args := make([]any, 0, n+1)
		args = append(args, s.prefix+"m"+strconv.FormatUint(s.seq.Add(1), 36))
		for _, a := range ages[:n] {
			args = append(args, a.Microseconds())
		}
		if _, err := s.within(ctx, s.merge, keys, args...); err != nil {
			return err
		}
		ages = ages[n:]
	}
	return nil
}

// live tells Redis that this replica lives, and learns how many do.
func (s *shared) live(ctx context.Context, counts time.Duration) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	n, err := s.beat.Run(ctx, s.db, []string{s.db.Common("replicas")}, s.prefix, counts.Microseconds()).Int()
	return min(max(n, 1), replicasMost), err
}

// Close implements [quota.Ledger].
func (s *shared) Close() error { return s.db.Close() }
