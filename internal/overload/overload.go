// Package overload sheds calls that there is no room for, so that those let in
// are answered as fast as ever.
package overload

import (
	"runtime/metrics"
	"sync/atomic"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// Reason of calls that are shed.
const Reason = "OVERLOADED"

// Defaults of [Config].
const DefaultMaxCalls = 4096

// retryAfter is told to calls that are shed.
const retryAfter = time.Second

// sampleEvery is how long a look at the memory is believed.
const sampleEvery = 100 * time.Millisecond

// Config of a [Limiter].
type Config struct {
	MaxCalls  int   // at once, those that wait for the quota included; default 4096
	MaxMemory int64 // bytes of live heap beyond which calls are shed; 0: no bound
}

// Limiter lets calls in. It is safe for concurrent use; nil lets everything in.
type Limiter struct {
	max    atomic.Int64
	memory atomic.Int64

	calls, shed atomic.Int64
	looked      atomic.Int64 // when memory was looked at, Unix nanoseconds
	full        atomic.Bool
}

// New makes a limiter.
func New(c Config) *Limiter {
	l := &Limiter{}
	l.Configure(c)
	return l
}

// Configure changes the bounds.
func (l *Limiter) Configure(c Config) {
	if c.MaxCalls <= 0 {
		c.MaxCalls = DefaultMaxCalls
	}
	l.max.Store(int64(c.MaxCalls))
	l.memory.Store(c.MaxMemory)
	l.looked.Store(0)
}

// Enter lets a call in, or says why not. [Limiter.Leave] ends it.
func (l *Limiter) Enter() error {
	if l == nil {
		return nil
	}
	if l.calls.Add(1) > l.max.Load() || l.short() {
		l.calls.Add(-1)
		l.shed.Add(1)
		f := fault.New(fault.ResourceExhausted, Reason, "the gateway has no room for more calls just now")
		f.RetryAfter = retryAfter
		return f
	}
	return nil
}

// Leave ends a call that was let in.
func (l *Limiter) Leave() {
	if l != nil {
		l.calls.Add(-1)
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

// Counts are the calls inside now, and those shed so far.
func (l *Limiter) Counts() (calls, shed int64) {
	if l == nil {
		return 0, 0
	}
	return l.calls.Load(), l.shed.Load()
}
