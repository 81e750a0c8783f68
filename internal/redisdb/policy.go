package redisdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// How often the memory policy is asked for.
const (
	policyEvery = time.Minute
	policyAgain = 2 * time.Second // after no answer, and between new connections
)

// keeps is the only policy under which Redis forgets nothing before its time.
const keeps = "noeviction"

// Watch asks for the memory policy of Redis at once, whenever a connection was
// made, and each minute, until [DB.Close]. It may be called once.
func (db *DB) Watch(log *slog.Logger) {
	ctx, stop := context.WithCancel(context.Background())
	db.stop = stop
	db.watch.Go(func() { db.watching(ctx, log) })
}

func (db *DB) watching(ctx context.Context, log *slog.Logger) {
	for {
		wait := policyEvery
		policy, err := db.memoryPolicy(ctx)
		if err != nil {
			wait = policyAgain
		} else if before := db.policy.Swap(&policy); before == nil || *before != policy {
			tell(log, policy)
		}
		if !pause(ctx, policyAgain, nil) || !pause(ctx, wait-policyAgain, db.dialed) {
			return
		}
	}
}

// pause waits, or until there is something to hear. It says whether ctx goes on.
func pause(ctx context.Context, d time.Duration, hear <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-hear:
	case <-timer.C:
	}
	return ctx.Err() == nil
}

func tell(log *slog.Logger, policy string) {
	switch policy {
	case keeps:
		log.Info("the memory policy of Redis is noeviction: it forgets nothing before its time")
	case "":
		log.Warn(
			"the memory policy of Redis cannot be asked for: CONFIG GET and INFO are forbidden; make sure it is noeviction",
		)
	default:
		log.Error("the memory policy of Redis lets it forget: creates with a request_id are refused until it is noeviction",
			"maxmemory_policy", policy)
	}
}

// Forgets says why what is written to Redis may be gone before its time, "" if
// it stays, or if Redis does not let its policy be asked for.
func (db *DB) Forgets() string {
	switch policy := db.policy.Load(); {
	case policy == nil:
		return "the memory policy of Redis is not known yet"
	case *policy == keeps || *policy == "":
		return ""
	default:
		return "the maxmemory-policy of Redis is " + *policy + ", want noeviction: it may forget request_ids"
	}
}

// Degraded is [DB.Forgets] once Redis has answered.
func (db *DB) Degraded() string {
	if db.policy.Load() == nil {
		return ""
	}
	return db.Forgets()
}

// memoryPolicy asks each node that writes. It answers the first policy that lets
// it forget, else noeviction, or "" where none may be asked.
func (db *DB) memoryPolicy(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	cluster, ok := db.UniversalClient.(*redis.ClusterClient)
	if !ok {
		return policyOf(ctx, db.UniversalClient)
	}
	var mu sync.Mutex // nodes are asked at once
	worst := keeps
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		policy, err := policyOf(ctx, node)
		mu.Lock()
		defer mu.Unlock()
		if worst == keeps || worst == "" && policy != keeps {
			worst = policy
		}
		return err
	})
	if worst != keeps && worst != "" {
		return worst, nil // one such node is enough, whatever the others say
	}
	return worst, err
}

// policyOf asks one node by CONFIG GET, or by INFO where that is forbidden.
func policyOf(ctx context.Context, node redis.Cmdable) (string, error) {
	var refused redis.Error
	settings, err := node.ConfigGet(ctx, "maxmemory-policy").Result()
	if policy := settings["maxmemory-policy"]; err == nil && policy != "" {
		return word(policy), nil
	} else if err != nil && (!errors.As(err, &refused) || passing(err)) {
		return "", fmt.Errorf("redis: %w", err)
	}
	info, err := node.Info(ctx, "memory").Result()
	if err != nil && (!errors.As(err, &refused) || passing(err)) {
		return "", fmt.Errorf("redis: %w", err)
	}
	for line := range strings.Lines(info) {
		if policy, ok := strings.CutPrefix(line, "maxmemory_policy:"); ok {
			return word(strings.TrimSpace(policy)), nil
		}
	}
	return "", nil
}

// passing says whether Redis refuses for a moment only: that tells nothing of
// what it allows.
func passing(err error) bool {
	for _, p := range []string{
		"LOADING", "BUSY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOAUTH", "WRONGPASS", "MOVED", "ASK",
		"ERR max number of clients",
	} {
		if strings.HasPrefix(err.Error(), p) {
			return true
		}
	}
	return false
}

// word keeps what a server calls its policy fit for a log and for /readyz.
func word(s string) string {
	for _, c := range s {
		if (c < 'a' || c > 'z') && c != '-' || len(s) > 32 {
			return "of no known form"
		}
	}
	return s
}
