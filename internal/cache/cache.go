// Package cache spends less of what Apple grants: answers of reads are kept for
// a while, and equal reads that are under way share one request.
//
// It must never give an answer that was read before a write of the same family
// through this gateway had ended. Whether a caller may have an answer is decided
// before it is asked for: nothing here knows callers.
package cache

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/maypok86/otter/v2"
)

// Mode says where an answer came from.
type Mode string

// The modes.
const (
	Miss      Mode = "MISS"      // from Apple
	Hit       Mode = "HIT"       // it was kept
	Coalesced Mode = "COALESCED" // from Apple, asked for by an equal read
)

// largestShare is how much of the cache one answer may take: 1/largestShare.
const largestShare = 8

// entryCost is what an answer costs beside its bytes.
const entryCost = 256

// Families number what is written and read, such as JSON:API types, from 0.
type Families []int

// Read is what is asked for.
type Read struct {
	Team     string
	Key      string   // names the request within a team
	Families Families // that the answer may hold anything of; the same for the same key
	Class    string   // reads wait together only if they are equally urgent
	Life     time.Duration
	Fresh    bool // neither a kept answer nor a read that is under way will do
}

// Fetched is an answer of Apple's.
type Fetched struct {
	Value any // never changed from now on
	Bytes int // about what it takes in memory
}

// Cache is safe for concurrent use.
type Cache struct {
	max      int64
	families int
	kept     *otter.Cache[string, *entry]
	teams    sync.Map // name → *team

	mu      sync.Mutex
	flights map[flightName]*flight // the latest of each name
	begun   uint64                 // flights so far: each has a number of its own

	tell atomic.Pointer[func(team string, f Families)] // hears of writes; nil: nobody

	hits, misses, coalesced atomic.Int64
}

// team counts writes, by family.
type team struct {
	all      atomic.Uint64
	families []atomic.Uint64
}

type entry struct {
	value any
	stamp uint64 // writes of its families when it was asked for
	begun uint64 // number of the flight that brought it
	bytes uint32
	life  time.Duration
	since time.Time
}

type flightName struct{ key, class string }

// flight is a read under way.
type flight struct {
	stamp uint64
	begun uint64 // counts up: a later flight has a newer answer
	done  chan struct{}
	value any
	err   error
}

// New makes a cache of at most so many bytes, for so many families. With 0 bytes
// nothing is kept; equal reads still share a request.
func New(maxBytes int64, families int) *Cache {
	c := &Cache{max: maxBytes, families: families, flights: map[flightName]*flight{}}
	if maxBytes > 0 {
		c.kept = otter.Must(&otter.Options[string, *entry]{
			MaximumWeight:    uint64(maxBytes),
			Weigher:          func(k string, e *entry) uint32 { return e.bytes },
			ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[string, *entry]) time.Duration { return e.Value.life }),
		})
	}
	return c
}

// Close ends what runs in the background.
func (c *Cache) Close() {
	if c.kept != nil {
		c.kept.StopAllGoroutines()
	}
}

func (c *Cache) team(name string) *team {
	if t, ok := c.teams.Load(name); ok {
		return t.(*team)
	}
	t, _ := c.teams.LoadOrStore(name, &team{families: make([]atomic.Uint64, c.families)})
	return t.(*team)
}

// stamp counts the writes that a read must not be older than.
func (t *team) stamp(f Families) uint64 {
	n := t.all.Load()
	for _, i := range f {
		n += t.families[i].Load()
	}
	return n
}

// Wrote tells that a write to some families has ended, however it did; nil: to
// any.
func (c *Cache) Wrote(team string, f Families) {
	c.Heard(team, f)
	if tell := c.tell.Load(); tell != nil {
		(*tell)(team, f)
	}
}

// OnWrite lets somebody hear of every write here. It must not block.
func (c *Cache) OnWrite(tell func(team string, f Families)) { c.tell.Store(&tell) }

// Forget empties the cache: writes elsewhere may have been missed.
func (c *Cache) Forget() {
	c.teams.Range(func(_, t any) bool { t.(*team).all.Add(1); return true })
}

// Heard is [Cache.Wrote] of a write by another replica: nobody is told of it. Of a
// team that was never read here nothing is kept, and nothing is noted.
func (c *Cache) Heard(name string, f Families) {
	known, ok := c.teams.Load(name)
	if !ok {
		return
	}
	t := known.(*team)
	if f == nil {
		t.all.Add(1)
	}
	for _, i := range f {
		if i >= 0 && i < len(t.families) {
			t.families[i].Add(1)
		}
	}
}

// Do returns the answer to a read: a kept one, that of an equal read under way,
// or a new one. A fresh read always asks anew. Its answer replaces the one that
// was kept, and equal reads that begin later share it. No other answer is
// touched, here or at another replica.
func (c *Cache) Do(
	ctx context.Context,
	r Read,
	fetch func(context.Context) (Fetched, error),
) (value any, mode Mode, age time.Duration, err error) {
	t := c.team(r.Team)
	key := r.Team + "\x00" + r.Key
	for {
		stamp := t.stamp(r.Families)
		if !r.Fresh && r.Life > 0 {
			if e := c.get(key, stamp); e != nil {
				c.hits.Add(1)
				return e.value, Hit, time.Since(e.since), nil
			}
		}
		f, leads := c.board(flightName{key, r.Class}, stamp, r.Fresh)
		if leads {
			c.misses.Add(1)
			value, err = c.lead(ctx, flightName{key, r.Class}, f, key, r, fetch)
			return value, Miss, 0, err
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return nil, Coalesced, 0, canceled(ctx)
		}
		if f.err == nil || !ownLimits(f.err) {
			c.coalesced.Add(1)
			return f.value, Coalesced, 0, f.err
		}
		if ctx.Err() != nil {
			return nil, Coalesced, 0, canceled(ctx)
		}
	}
}

func canceled(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fault.New(
			fault.DeadlineExceeded,
			"DEADLINE_EXCEEDED",
			"Apple did not answer before the deadline",
		).WithCause(
			ctx.Err(),
		)
	}
	return fault.New(fault.Canceled, "CANCELLED", "the caller went away").WithCause(ctx.Err())
}

// ownLimits says whether a read failed for what its caller brought: others may
// have more time. What Apple answered is for all.
func ownLimits(err error) bool {
	var f *fault.Error
	if !errors.As(err, &f) || f.Upstream != nil {
		return false
	}
	switch f.Kind {
	case fault.Canceled, fault.DeadlineExceeded, fault.ResourceExhausted:
		return true
	}
	return f == errBroken
}

func (c *Cache) get(key string, stamp uint64) *entry {
	if c.kept == nil {
		return nil
	}
	if e, ok := c.kept.GetIfPresent(key); ok && e.stamp == stamp {
		return e
	}
	return nil
}

// board joins the flight of a read, or begins one. A flight that began before
// the last write is not joined; a fresh read joins none.
func (c *Cache) board(name flightName, stamp uint64, fresh bool) (f *flight, leads bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.flights[name]; f != nil && f.stamp == stamp && !fresh {
		return f, false
	}
	c.begun++
	f = &flight{stamp: stamp, begun: c.begun, done: make(chan struct{}), err: errBroken}
	c.flights[name] = f
	return f, true
}

// errBroken is what followers see of a read that panicked: they ask themselves.
var errBroken = fault.New(fault.Internal, "INTERNAL", "internal error")

// lead carries out a read for all that wait for it.
func (c *Cache) lead(
	ctx context.Context,
	name flightName,
	f *flight,
	key string,
	r Read,
	fetch func(context.Context) (Fetched, error),
) (any, error) {
	defer func() {
		c.mu.Lock()
		if c.flights[name] == f {
			delete(c.flights, name)
		}
		c.mu.Unlock()
		close(f.done)
	}()
	got, err := fetch(ctx)
	f.value, f.err = got.Value, err
	if cost := got.Bytes + len(key) + entryCost; err == nil && r.Life > 0 && c.kept != nil &&
		int64(cost) <= c.max/largestShare {
		c.keep(key, &entry{got.Value, f.stamp, f.begun, uint32(cost), r.Life, time.Now()})
	}
	return got.Value, err
}

// keep puts an answer into the cache, unless a read that began later has brought
// one already.
func (c *Cache) keep(key string, e *entry) {
	c.kept.Compute(key, func(old *entry, found bool) (*entry, otter.ComputeOp) {
		if found && old.begun > e.begun {
			return old, otter.CancelOp
		}
		return e, otter.WriteOp
	})
}

// Counts are what became of the reads so far, and the bytes kept now.
func (c *Cache) Counts() (hits, misses, coalesced, bytes int64) {
	if c.kept != nil {
		bytes = int64(c.kept.WeightedSize())
	}
	return c.hits.Load(), c.misses.Load(), c.coalesced.Load(), bytes
}
