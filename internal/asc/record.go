package asc

import (
	"context"
	"sync"
)

// Record collects what a call's attempts were: who wants to know puts one into
// the context. It is safe for concurrent use.
type Record struct {
	mu       sync.Mutex
	keyID    string
	request  string
	attempts int
}

type recordKey struct{}

// WithRecord returns a context whose calls are recorded.
func WithRecord(ctx context.Context, r *Record) context.Context {
	return context.WithValue(ctx, recordKey{}, r)
}

// record notes an attempt.
func record(ctx context.Context, t Token, o outcome) {
	r, _ := ctx.Value(recordKey{}).(*Record)
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attempts++
	r.keyID = t.KeyID
	if id := requestID(o.header); id != "" {
		r.request = id
	}
}

// Last is the key of the last attempt and Apple's id of the last answer.
func (r *Record) Last() (keyID, requestID string, attempts int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keyID, r.request, r.attempts
}
