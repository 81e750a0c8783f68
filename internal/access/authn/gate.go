package authn

import (
	"context"
	"errors"
	"runtime"
)

// lookup is how a credential is looked into: by a caller that can wait, or by
// one that cannot.
type lookup interface {
	// key returns the public key with an id.
	key(ctx context.Context, s *keySet, kid, alg string) (any, error)
	// verifying is asked before a signature is verified; leave is called after.
	verifying(ctx context.Context) (leave func(), err error)
}

// errNotAtHand says that a credential cannot be judged without waiting.
var errNotAtHand = errors.New("authn: not at hand")

// gate holds how many signatures of tokens are verified at once: half as many as
// there are processors, and one at least. So whatever unknown callers send,
// callers that are known by a static token, by a certificate or by a token that
// was verified before keep the other half.
type gate chan struct{}

func newGate() gate { return make(gate, max(1, runtime.GOMAXPROCS(0)/2)) }

func (g gate) leave() { <-g }

// patient waits for keys, and for its turn.
type patient struct{ gate gate }

func (patient) key(ctx context.Context, s *keySet, kid, alg string) (any, error) {
	return s.find(ctx, kid, alg)
}

func (p patient) verifying(ctx context.Context) (func(), error) {
	select {
	case p.gate <- struct{}{}:
		return p.gate.leave, nil
	case <-ctx.Done():
		return nil, away("the token could not be verified in time", ctx.Err())
	}
}

// hasty waits for nothing.
type hasty struct{ gate gate }

func (hasty) key(_ context.Context, s *keySet, kid, alg string) (any, error) {
	key, wait, err := s.atHand(kid, alg)
	if wait != nil {
		return nil, errNotAtHand
	}
	return key, err
}

func (h hasty) verifying(context.Context) (func(), error) {
	select {
	case h.gate <- struct{}{}:
		return h.gate.leave, nil
	default:
		return nil, errNotAtHand
	}
}
