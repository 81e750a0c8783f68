package asc

import "context"

// Caller is for whom calls are made, where they must share what Apple grants.
type Caller struct {
	ID       string
	Priority string // interactive, default or batch
	Weight   int
	Hour     int  // budget of requests within an hour; 0: none
	Fresh    bool // an answer that was kept will not do
}

type callerKey struct{}

var nobody = &Caller{Priority: "default", Weight: 1}

// CallerOf is for whom the calls of a context are made.
func CallerOf(ctx context.Context) *Caller {
	if c, _ := ctx.Value(callerKey{}).(*Caller); c != nil {
		return c
	}
	return nobody
}
