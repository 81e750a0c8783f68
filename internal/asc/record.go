package asc

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// Record collects what a call's attempts were: who wants to know puts one into
// the context. It is safe for concurrent use.
type Record struct {
	mu   sync.Mutex
	made Made
}

// Made is what a call's attempts were.
type Made struct {
	KeyID     string // of the last attempt
	RequestID string // Apple's, of the last answer
	Attempts  int
	Waited    time.Duration // for the quota, all attempts together
	Limit     int           // of the key's hour; 0: not known
	Remaining int           // of it, after the last attempt
	Cache     string        // HIT, MISS, COALESCED, REPLAYED; "": not asked
}

// measured permits tell how a key's hour stands.
type measured interface {
	Quota() (limit, remaining int)
	Waited() time.Duration
}

type recordKey struct{}

// NewContext returns a context whose calls are made for a caller, and recorded;
// either may be nil.
func NewContext(ctx context.Context, r *Record, c *Caller) context.Context {
	return &callContext{Context: ctx, record: r, caller: c}
}

// callContext is one context for what every call has.
type callContext struct {
	context.Context
	record *Record
	caller *Caller
}

// Value implements [context.Context].
func (c *callContext) Value(key any) any {
	switch key.(type) {
	case recordKey:
		return c.record
	case callerKey:
		return c.caller
	}
	return c.Context.Value(key)
}

// record notes an attempt.
func record(ctx context.Context, t Token, p Permit, o outcome) {
	r, _ := ctx.Value(recordKey{}).(*Record)
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.made.Attempts++
	r.made.KeyID = t.KeyID
	if id := requestID(o.header); id != "" {
		r.made.RequestID = id
	}
	if m, ok := p.(measured); ok {
		r.made.Limit, r.made.Remaining = m.Quota()
		r.made.Waited += m.Waited()
	}
}

// NoteCache notes where the answer to a call came from.
func NoteCache(ctx context.Context, mode string) {
	note(ctx, "cache", attribute.String("ascgateway.cache", mode))
	if r, _ := ctx.Value(recordKey{}).(*Record); r != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.made.Cache = mode
	}
}

// Made is what the attempts were so far.
func (r *Record) Made() Made {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.made
}

// MadeIn is what the attempts of a context's calls were so far.
func MadeIn(ctx context.Context) Made {
	if r, _ := ctx.Value(recordKey{}).(*Record); r != nil {
		return r.Made()
	}
	return Made{}
}
