// Package overload sheds calls that there is no room for, so that those let in
// are answered as fast as ever, and keeps a share of the room for every caller.
//
// Room is divided by class: a request whose body is still on its way takes no
// room from calls, and an open stream takes none from either.
package overload

import (
	"cmp"
	"runtime/metrics"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// Reason of calls that are shed.
const Reason = "OVERLOADED"

// Class is what kind of room a call needs.
type Class int

// The classes.
const (
	Calls   Class = iota // calls under way, those that wait for the quota included
	Bodies               // requests whose body is being read
	Watches              // streams that end only with their caller
	Probes               // health and reflection, which may come from callers that nobody knows
	Uploads              // files on their way: their callers send as long as the file is
	classes
)

var classNames = [classes]string{"calls", "bodies", "watches", "probes", "uploads"}

// String is the name of a class, as metrics have it.
func (c Class) String() string { return classNames[c] }

// Defaults of [Config].
const (
	DefaultMaxCalls   = 4096
	DefaultMaxBodies  = 1024
	DefaultMaxWatches = 512
	DefaultMaxUploads = 128
	maxProbes         = 256
)

// retryAfter is told to calls that are shed.
const retryAfter = time.Second

// sampleEvery is how long a look at the memory is believed.
const sampleEvery = 100 * time.Millisecond

// Config of a [Limiter]. A zero takes the default.
type Config struct {
	MaxCalls   int   // at once, those that wait for the quota included
	MaxBodies  int   // request bodies that are read at once
	MaxWatches int   // open-ended streams at once
	MaxUploads int   // files on their way at once
	MaxMemory  int64 // bytes of live heap beyond which calls are shed; 0: no bound
}

// Limiter lets calls in. It is safe for concurrent use; nil lets everything in.
type Limiter struct {
	memory atomic.Int64
	looked atomic.Int64 // when memory was looked at, Unix nanoseconds
	full   atomic.Bool
	pools  [classes]pool
}

// pool is the room of one class.
type pool struct {
	mu   sync.Mutex
	max  int
	all  int
	held map[string]int // by caller
	shed int64
}

// New makes a limiter.
func New(c Config) *Limiter {
	l := &Limiter{}
	for i := range l.pools {
		l.pools[i].held = map[string]int{}
	}
	l.Configure(c)
	return l
}

// Configure changes the bounds.
func (l *Limiter) Configure(c Config) {
	for i, max := range [classes]int{
		or(c.MaxCalls, DefaultMaxCalls),
		or(c.MaxBodies, DefaultMaxBodies),
		or(c.MaxWatches, DefaultMaxWatches),
		maxProbes,
		or(c.MaxUploads, DefaultMaxUploads),
	} {
		p := &l.pools[i]
		p.mu.Lock()
		p.max = max
		p.mu.Unlock()
	}
	l.memory.Store(c.MaxMemory)
	l.looked.Store(0)
}

func or(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}

// Slot is room that a call holds until [Slot.Leave].
type Slot struct {
	pool   *pool
	caller string
}

// Enter takes room for a call, or says why there is none. A caller of weight w
// may hold w times what is still free: one caller alone gets half of the room
// (w = 1), two get a third each, and there is always something left for the next.
func (l *Limiter) Enter(class Class, caller string, weight int) (Slot, error) {
	if l == nil {
		return Slot{}, nil
	}
	short := class != Probes && l.short()
	p := &l.pools[class]
	p.mu.Lock()
	defer p.mu.Unlock()
	free, held := p.max-p.all, p.held[caller]
	if short || free <= 0 || held >= free*max(weight, 1) {
		p.shed++
		return Slot{}, refused(!short && free > 0)
	}
	p.all++
	p.held[caller] = held + 1
	return Slot{p, caller}, nil
}

func refused(share bool) error {
	f := fault.New(fault.ResourceExhausted, Reason, "the gateway has no room for more calls just now")
	if share {
		f.Message = "the caller has its share of the gateway's room already: wait for calls to end"
	}
	f.RetryAfter = retryAfter
	return f
}

// Leave gives the room back. It is called once.
func (s Slot) Leave() {
	p := s.pool
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all--
	if p.held[s.caller]--; p.held[s.caller] == 0 {
		delete(p.held, s.caller)
	}
}

// short says whether memory is.
func (l *Limiter) short() bool {
	most := l.memory.Load()
	if most <= 0 {
		return false
	}
	now, last := time.Now().UnixNano(), l.looked.Load()
	if now-last > int64(sampleEvery) && l.looked.CompareAndSwap(last, now) {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		metrics.Read(sample)
		l.full.Store(int64(sample[0].Value.Uint64()) > most)
	}
	return l.full.Load()
}

// Counts are the calls of a class inside now, and those shed so far.
func (l *Limiter) Counts(class Class) (inside, shed int64) {
	if l == nil {
		return 0, 0
	}
	p := &l.pools[class]
	p.mu.Lock()
	defer p.mu.Unlock()
	return int64(p.all), p.shed
}

// Held is the room that one caller holds.
type Held struct {
	Caller string
	Calls  int
}

// Callers lists who holds room of a class, those with the most first, at most so
// many.
func (l *Limiter) Callers(class Class, most int) (list []Held) {
	if l == nil {
		return nil
	}
	p := &l.pools[class]
	p.mu.Lock()
	for caller, n := range p.held {
		list = append(list, Held{caller, n})
	}
	p.mu.Unlock()
	slices.SortFunc(list, func(a, b Held) int { return cmp.Or(b.Calls-a.Calls, cmp.Compare(a.Caller, b.Caller)) })
	return list[:min(len(list), most)]
}
