package redisledger

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/quota"
	"github.com/asc-gateway/asc-gateway/internal/quota/memory"
	"github.com/asc-gateway/asc-gateway/internal/redisdb"
)

// Bounds on believing that Redis is there.
const (
	failuresMost = 3               // in a row, before Redis is left alone
	restLeast    = time.Second     // how long, doubled each time
	restMost     = 8 * time.Second //
	beatEvery    = 2 * time.Second
	beatCounts   = 3 * beatEvery // a replica that was silent for so long is gone
)

// Ledger is the shared ledger with a substitute for while it is away. It
// implements [quota.Ledger].
type Ledger struct {
	shared *shared
	local  *memory.Ledger
	log    *slog.Logger

	replicas atomic.Int64
	stop     context.CancelFunc
	beating  sync.WaitGroup

	mu       sync.Mutex
	failures int
	rest     time.Duration
	until    time.Time // Redis is left alone
	away     bool      // the substitute is in use
	trying   bool      // one call finds out whether Redis is back
	known    map[[2]string]quota.Balance
}

// New makes a ledger on a Redis, which need not be there yet. It closes the
// client with itself.
func New(db *redisdb.DB, rules quota.Rules, log *slog.Logger) *Ledger {
	l := &Ledger{shared: newShared(db, rules, log), log: log, known: map[[2]string]quota.Balance{}}
	l.replicas.Store(1)
	l.local = memory.Beside(rules, time.Now, func() int { return l.Replicas() - 1 })
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.beat(ctx)
	l.beating.Go(func() {
		tick := time.NewTicker(beatEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				l.beat(ctx)
			}
		}
	})
	return l
}

// beat keeps the number of replicas; while Redis is away it is the last one known.
func (l *Ledger) beat(ctx context.Context) {
	if n, err := l.shared.live(ctx, beatCounts); err == nil {
		l.replicas.Store(int64(max(n, 1)))
	}
}

// Replicas is how many gateways share the keys.
func (l *Ledger) Replicas() int { return int(l.replicas.Load()) }

// Away says whether Redis is not used just now.
func (l *Ledger) Away() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.away
}

// Close implements [quota.Ledger].
func (l *Ledger) Close() error {
	l.stop()
	l.beating.Wait()
	return l.shared.Close()
}

// ask says whether Redis is to be asked.
func (l *Ledger) ask() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.away {
		return true
	}
	if l.trying || time.Now().Before(l.until) {
		return false
	}
	l.trying = true
	return true
}

// told counts what came of asking Redis. It says whether the substitute is to be
// used.
func (l *Ledger) told(ctx context.Context, err error) (substitute bool) {
	if err != nil && ctx.Err() != nil { // the caller went away: that tells nothing
		l.mu.Lock()
		l.trying = false
		l.mu.Unlock()
		return false
	}
	l.mu.Lock()
	back, gone := false, false
	l.trying = false
	if err == nil {
		back = l.away
		l.away, l.failures, l.rest = false, 0, 0
	} else if l.failures++; l.failures >= failuresMost || l.away {
		gone = !l.away
		l.away = true
		l.rest = min(max(2*l.rest, restLeast), restMost)
		l.until = time.Now().Add(l.rest)
	}
	if gone {
		for k, b := range l.known {
			l.local.Believe(k[0], k[1], b)
		}
	}
	l.mu.Unlock()
	switch {
	case back:
		l.log.Info("the ledger of requests is shared again")
		l.settleUp(ctx)
	case gone:
		l.log.Error(
			"Redis is away: this replica takes its share of what Apple's answers leave, and batch calls wait",
			"replicas",
			l.Replicas(),
			"error",
			err,
		)
	}
	return err != nil
}

// settleUp enters what was used while Redis was away.
func (l *Ledger) settleUp(ctx context.Context) {
	type use struct {
		team, of string
		keys     []string
		ages     []time.Duration
	}
	var uses []use
	l.local.Own(func(team, id string, ages []time.Duration) {
		uses = append(uses, use{team, id, l.shared.names(nil, team, id, quota.Endpoint{}), ages})
	})
	l.local.OwnBudgets(func(team, caller string, ages []time.Duration) {
		uses = append(uses, use{team, caller, []string{l.shared.purse(team, caller)}, ages})
	})
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	for _, u := range uses {
		if err := l.shared.enter(ctx, u.keys, u.ages); err != nil {
			l.log.Warn(
				"requests made while Redis was away are not in its books: Apple's answers will tell",
				"team",
				u.team,
				"books",
				u.of,
				"requests",
				len(u.ages),
				"error",
				err,
			)
		}
	}
}

// Admit implements [quota.Ledger].
func (l *Ledger) Admit(ctx context.Context, a *quota.Ask) (quota.Answer, error) {
	if l.ask() {
		answer, err := l.shared.Admit(ctx, a)
		if !l.told(ctx, err) {
			if answer.Admitted {
				answer.Ticket.Ledger = l
				l.know(a.Team, answer.Ticket.KeyID, quota.Balance{Limit: answer.Ticket.Limit, Used: answer.Ticket.Used})
			}
			return answer, err
		}
		if !l.Away() { // one slip: ask again soon
			return quota.Answer{Wait: Timeout}, nil
		}
	}
	return l.local.Admit(ctx, a)
}

// know remembers how a key stands, for the substitute to begin with.
func (l *Ledger) know(team, key string, b quota.Balance) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known[[2]string{team, key}] = b
}

// Settle implements [quota.Ledger], of tickets that Redis gave: those of the
// substitute name that. While Redis is away their charges stay, and expire late.
func (l *Ledger) Settle(ctx context.Context, s *quota.Settlement) (quota.Balance, error) {
	if l.Away() {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.known[[2]string{s.Team, s.KeyID}], nil
	}
	b, err := l.shared.Settle(ctx, s)
	if l.told(ctx, err); err == nil {
		l.know(s.Team, s.KeyID, b)
		if s.Status > 0 || s.Writes > 0 {
			l.local.Shadow(s.Team, s.KeyID, max(s.Writes, 1))
			if s.Caller != "" {
				l.local.ShadowBudget(s.Team, s.Caller, max(s.Writes, 1))
			}
		}
	}
	return b, err
}

// Leave implements [quota.Ledger].
func (l *Ledger) Leave(ctx context.Context, a *quota.Ask) {
	if l.Away() {
		l.local.Leave(ctx, a)
		return
	}
	l.shared.Leave(ctx, a)
}

// Budget implements [quota.Ledger].
func (l *Ledger) Budget(ctx context.Context, team, caller string, hour int) (quota.Budget, error) {
	if l.Away() {
		return l.local.Budget(ctx, team, caller, hour)
	}
	return l.shared.Budget(ctx, team, caller, hour)
}

// States implements [quota.Ledger].
func (l *Ledger) States(ctx context.Context, team string) ([]quota.State, error) {
	if l.Away() {
		return l.local.States(ctx, team)
	}
	return l.shared.States(ctx, team)
}
