package redisledger

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/quota"
	"github.com/redis/go-redis/v9"
)

// Bounds of what is believed of Redis: others may write there, too.
const (
	limitsMost    = 1_000_000 // requests an hour, unless more are configured
	usedMost      = 1_000_000_000
	endpointsMost = 64 // minutes of a key that are told
	replicasMost  = 1000
	healEvery     = time.Minute // how often it is told
)

var errNonsense = errors.New("redis: the script's answer makes no sense")

func (s *shared) limitMost() int { return max(limitsMost, s.rules.HourLimit) }

// run calls a script within the ledger's time.
func (s *shared) run(ctx context.Context, script *redis.Script, keys []string, args ...any) ([]any, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	return s.within(ctx, script, keys, args...)
}

// within calls a script. Where Redis does not know it yet, it is sent there.
// Where it stumbles over what is no ledger's, that is discarded, and the script
// is called once more.
func (s *shared) within(ctx context.Context, script *redis.Script, keys []string, args ...any) ([]any, error) {
	res, err := script.Run(ctx, s.db, keys, args...).Slice()
	if poisoned(err) {
		if n, failed := s.heal.Run(ctx, s.db, keys).Int(); failed == nil {
			s.discarded(n, err)
			res, err = script.Run(ctx, s.db, keys, args...).Slice()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	return res, nil
}

// poisoned says whether a script stumbled over what it read. Other refusals of
// Redis (LOADING, READONLY, OOM, NOPERM, MOVED …) have words of their own.
func poisoned(err error) bool {
	var refused redis.Error
	if !errors.As(err, &refused) {
		return false
	}
	text := err.Error()
	return strings.HasPrefix(text, "WRONGTYPE ") ||
		strings.HasPrefix(text, "ERR ") && strings.Contains(text, "user_script")
}

// discarded tells, now and then, that something in Redis was no ledger's.
func (s *shared) discarded(n int, err error) {
	now, before := time.Now().Unix(), s.healed.Load()
	if now-before < int64(healEvery/time.Second) || !s.healed.CompareAndSwap(before, now) {
		return
	}
	s.log.Warn("keys of the ledger in Redis held what no gateway writes: they were discarded", "keys", n, "error", err)
}

// number reads an integer of an answer: not below zero, and not above most.
func number(list []any, i int, most int64) (int64, bool) {
	if i >= len(list) {
		return 0, false
	}
	n, ok := list[i].(int64)
	return n, ok && n >= 0 && n <= most
}

// span reads a time of an answer: at most two hours, as Apple counts them.
func (s *shared) span(list []any, i int) time.Duration {
	n, ok := list[i].(int64)
	if !ok || n < 0 {
		return 0
	}
	return time.Duration(min(n, (2*s.rules.Hour).Microseconds())) * time.Microsecond
}

// balance reads limit and used of an answer, which stand at i.
func (s *shared) balance(list []any, i int) (quota.Balance, error) {
	limit, ok := number(list, i, int64(s.limitMost()))
	used, too := number(list, i+1, usedMost)
	if !ok || !too {
		return quota.Balance{}, errNonsense
	}
	return quota.Balance{Limit: int(limit), Used: int(used)}, nil
}

// What admit.lua says first, if it does not say to wait.
const (
	admitted = 1
	spent    = 2 // the caller's budget is
)

// answer reads what admit.lua says.
func (s *shared) answer(a *quota.Ask, id string, res []any) (quota.Answer, error) {
	if len(res) < 4 {
		return quota.Answer{}, errNonsense
	}
	switch said, ok := number(res, 0, spent); {
	case !ok:
		return quota.Answer{}, errNonsense
	case said == spent && a.Hour > 0:
		return quota.Answer{Spent: true, Wait: s.span(res, 1)}, nil
	case said != admitted:
		first, _ := number(res, 3, 1)
		return quota.Answer{Wait: s.span(res, 1), Each: s.span(res, 2), First: first == 1}, nil
	}
	i, ok := number(res, 1, int64(len(a.Keys)))
	sent, okSent := number(res, 2, math.MaxInt64)
	stamp, okStamp := number(res, 3, math.MaxInt64)
	balance, err := s.balance(res, 4)
	if !ok || !okSent || !okStamp || i < 1 || err != nil || stamp < sent {
		return quota.Answer{}, errNonsense
	}
	caller := ""
	if a.Hour > 0 {
		caller = a.Caller
	}
	return quota.Answer{Admitted: true, Ticket: quota.Ticket{
		Caller:   caller,
		Team:     a.Team,
		KeyID:    a.Keys[i-1].KeyID,
		Endpoint: a.Endpoint,
		ID:       id,
		Sent:     sent,
		Stamp:    stamp,
		Limit:    balance.Limit,
		Used:     balance.Used,
		Ledger:   s,
	}}, nil
}
