package authn

import (
	"context"
	"errors"
	"sync"
)

// fetches are the requests to issuers that are in flight, of all configurations.
type fetches struct {
	ctx    context.Context
	cancel context.CancelFunc

	mu     sync.Mutex // guards the start of one against close
	flying sync.WaitGroup
}

var errClosed = errors.New("authn: closed")

func newFetches() *fetches {
	f := &fetches{}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f
}

// start runs a request in the background; false: they are closed.
func (f *fetches) start(fetch func(ctx context.Context)) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ctx.Err() != nil {
		return false
	}
	f.flying.Go(func() { fetch(f.ctx) })
	return true
}

// close ends those in flight, and waits for their end.
func (f *fetches) close() {
	f.mu.Lock()
	f.cancel()
	f.mu.Unlock()
	f.flying.Wait()
}
