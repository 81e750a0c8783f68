package guard

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// mostReasons bounds the reasons that are kept.
const mostReasons = 64

// Refusal is how often calls ended for one reason, and when the last one did. It
// names no caller, no method and nothing of Apple's.
type Refusal struct {
	Reason string // the gateway's, or "Apple: 409"
	Code   string // the gRPC code's name
	Count  int64
	Last   time.Time
}

// refusals counts errors by reason. The zero value is ready.
type refusals struct {
	mu     sync.Mutex
	byName map[string]*Refusal
}

// Refused notes that a call of any face was answered with an error; nil is none.
func (g *Guard) Refused(err error) {
	if err != nil {
		g.refusals.note(fault.As(err), time.Now())
	}
}

func (r *refusals) note(f *fault.Error, now time.Time) {
	reason := f.Reason
	if f.Upstream != nil {
		reason = fmt.Sprintf("Apple: %d", f.Upstream.HTTPStatus)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byName == nil {
		r.byName = map[string]*Refusal{}
	}
	x := r.byName[reason]
	if x == nil && len(r.byName) >= mostReasons {
		return
	}
	if x == nil {
		x = &Refusal{Reason: reason}
		r.byName[reason] = x
	}
	x.Code, x.Last = f.Kind.String(), now
	x.Count++
}

// Refusals lists what calls were answered with, the last first.
func (g *Guard) Refusals() (list []Refusal) {
	r := &g.refusals
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range r.byName {
		list = append(list, *x)
	}
	slices.SortFunc(list, func(a, b Refusal) int {
		return cmp.Or(b.Last.Compare(a.Last), cmp.Compare(a.Reason, b.Reason))
	})
	return list
}
