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
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/quota"
	"github.com/redis/go-redis/v9"
)

//go:embed *.lua
var sources embed.FS

// Timeout bounds each call of Redis: Apple grants about one request a second.
const Timeout = 25 * time.Millisecond

// shared is the ledger in Redis, as long as that is there.
type shared struct {
	db     redis.UniversalClient
	rules  quota.Rules
	prefix string        // of what this replica puts there
	limit  time.Duration // of each call
	seq    atomic.Uint64

	admit, settle, leave, merge, state, beat *redis.Script

	mu   sync.Mutex
	used map[string]map[string]bool // key ids by team, as far as known
}

// part names what is kept of a key, in the order of common.lua.
var parts = [...]string{"own", "foreign", "flight", "meta", "", "seen", "tags0", "tags1", "tags2", "finish0", "finish1", "finish2"}

func newShared(db redis.UniversalClient, rules quota.Rules) *shared {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	s := &shared{db: db, rules: rules.Settled(), prefix: hex.EncodeToString(id[:]), limit: Timeout, used: map[string]map[string]bool{}}
	head := s.constants() + source("common")
	script := func(name string) *redis.Script { return redis.NewScript(head + source(name)) }
	s.admit, s.settle, s.leave = script("admit"), script("settle"), script("leave")
	s.merge, s.state, s.beat = script("merge"), script("state"), script("beat")
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

// names are those of a key's parts. The braces keep a team's keys together.
func names(list []string, team, key string, at quota.Endpoint) []string {
	head := "asc:{" + strings.NewReplacer("{", "(", "}", ")").Replace(team) + "}:" + key + ":"
	for _, p := range parts {
		if p == "" {
			p = "minute:" + at.String()
		}
		list = append(list, head+p)
	}
	return list
}

// run calls a script. Where Redis does not know it yet, it is sent there.
func (s *shared) run(ctx context.Context, script *redis.Script, keys []string, args ...any) ([]any, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	res, err := script.Run(ctx, s.db, keys, args...).Slice()
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	return res, nil
}

// number reads an integer of an answer.
func number(list []any, i int) int64 {
	if i >= len(list) {
		return 0
	}
	n, _ := list[i].(int64)
	return n
}

func micro(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// Admit implements [quota.Ledger].
func (s *shared) Admit(ctx context.Context, a *quota.Ask) (quota.Answer, error) {
	keys := make([]string, 0, len(a.Keys)*len(parts))
	id := s.prefix + strconv.FormatUint(s.seq.Add(1), 36)
	args := []any{id, a.Endpoint.String(), a.Caller, int(a.Class), max(a.Weight, 1), a.Attempt.Microseconds()}
	for _, c := range a.Keys {
		keys = names(keys, a.Team, c.KeyID, a.Endpoint)
		args = append(args, c.Rank)
		s.note(a.Team, c.KeyID)
	}
	res, err := s.run(ctx, s.admit, keys, args...)
	if err != nil {
		return quota.Answer{}, err
	}
	if number(res, 0) == 0 {
		return quota.Answer{Wait: micro(number(res, 1)), Each: micro(number(res, 2)), First: number(res, 3) == 1}, nil
	}
	i := number(res, 1) - 1
	if i < 0 || i >= int64(len(a.Keys)) {
		return quota.Answer{}, errors.New("redis: the script's answer makes no sense")
	}
	return quota.Answer{Admitted: true, Ticket: quota.Ticket{Team: a.Team, KeyID: a.Keys[i].KeyID, Endpoint: a.Endpoint, ID: id,
		Sent: number(res, 2), Stamp: number(res, 3), Limit: int(number(res, 4)), Used: int(number(res, 5)), Ledger: s}}, nil
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
	res, err := s.run(ctx, s.settle, names(nil, x.Team, x.KeyID, x.Endpoint), x.ID, x.Endpoint.String(), x.Sent, x.Stamp, x.Writes, x.Status, hl, hr, ml, mr, retry)
	if err != nil {
		return quota.Balance{}, err
	}
	return quota.Balance{Limit: int(number(res, 0)), Used: int(number(res, 1))}, nil
}

// Leave implements [quota.Ledger].
func (s *shared) Leave(ctx context.Context, a *quota.Ask) {
	keys := make([]string, 0, len(a.Keys)*len(parts))
	for _, c := range a.Keys {
		keys = names(keys, a.Team, c.KeyID, a.Endpoint)
	}
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	_ = s.leave.Run(ctx, s.db, keys, a.Caller, int(a.Class)).Err() // else it is forgotten after TagLife
}

// States implements [quota.Ledger].
func (s *shared) States(ctx context.Context, team string) (list []quota.State, err error) {
	s.mu.Lock()
	type key struct{ team, id string }
	var keys []key
	for t, ids := range s.used {
		for id := range ids {
			if team == "" || t == team {
				keys = append(keys, key{t, id})
			}
		}
	}
	s.mu.Unlock()
	for _, k := range keys {
		res, err := s.run(ctx, s.state, names(nil, k.team, k.id, quota.Endpoint{}))
		if err != nil {
			return nil, err
		}
		st := quota.State{Team: k.team, KeyID: k.id, Balance: quota.Balance{Limit: int(number(res, 0)), Used: int(number(res, 1))},
			Foreign: int(number(res, 2)), InFlight: int(number(res, 3)), BlockedFor: micro(number(res, 4))}
		for i := 5; i+2 < len(res); i += 3 {
			name, _ := res[i].(string)
			verb, resource, _ := strings.Cut(name, " ")
			at := quota.Endpoint{Verb: verb, Resource: resource}
			e := quota.EndpointState{Endpoint: at, Balance: quota.Balance{Limit: int(number(res, i+1))}, BlockedFor: micro(number(res, i+2))}
			countCtx, cancel := context.WithTimeout(ctx, s.limit)
			n, err := s.db.ZCard(countCtx, names(nil, k.team, k.id, at)[4]).Result()
			cancel()
			if err != nil {
				return nil, fmt.Errorf("redis: %w", err)
			}
			e.Used = int(n)
			st.Endpoints = append(st.Endpoints, e)
		}
		list = append(list, st)
	}
	return list, nil
}

// mergeMost is how many stamps are entered in one call.
const mergeMost = 2000

// enter puts requests into the books that were made while Redis was away.
func (s *shared) enter(ctx context.Context, team, key string, ages []time.Duration) error {
	for len(ages) > 0 {
		n := min(len(ages), mergeMost)
		args := make([]any, 0, n+1)
		args = append(args, s.prefix+"m"+strconv.FormatUint(s.seq.Add(1), 36))
		for _, a := range ages[:n] {
			args = append(args, a.Microseconds())
		}
		if _, err := s.merge.Run(ctx, s.db, names(nil, team, key, quota.Endpoint{}), args...).Result(); err != nil {
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
	n, err := s.beat.Run(ctx, s.db, []string{"asc:{replicas}"}, s.prefix, counts.Microseconds()).Int()
	return n, err
}

// Close implements [quota.Ledger].
func (s *shared) Close() error { return s.db.Close() }
