package guard

import (
	"context"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/access/policy"
)

type teamKey struct{}

// callContext is a context that knows its call.
type callContext struct {
	context.Context
	admission *Admission
}

type (
	methodKey   struct{}
	decisionKey struct{}
	callKey     struct{}
)

// Value implements [context.Context].
func (c *callContext) Value(key any) any {
	switch key.(type) {
	case teamKey:
		return c.admission.Team
	case methodKey:
		return c.admission.recorded.Method
	case decisionKey:
		return &c.admission.Decision
	case callKey:
		return c.admission
	}
	return c.Context.Value(key)
}

// Decision is what policy says of an admitted call.
func Decision(ctx context.Context) policy.Decision {
	if d, ok := ctx.Value(decisionKey{}).(*policy.Decision); ok {
		return *d
	}
	return policy.Decision{}
}

// Method is the name of an admitted call's method, without a leading slash.
func Method(ctx context.Context) string { s, _ := ctx.Value(methodKey{}).(string); return s }

// Team is the team of an admitted call.
func Team(ctx context.Context) string { s, _ := ctx.Value(teamKey{}).(string); return s }

// Note puts a text on the record of an admitted call: its outcome will have it.
func Note(ctx context.Context, text string) {
	if a, ok := ctx.Value(callKey{}).(*Admission); ok {
		a.noted.Store(&text)
	}
}

type restrictedKey struct{}

// Restricted is the caller of an admitted call that is kept to apps, "" if it is
// not: such a caller is told nothing of others.
func Restricted(ctx context.Context) string { s, _ := ctx.Value(restrictedKey{}).(string); return s }

// Budget is the caller of an admitted call and the budget that the policy gives
// it for the call's team, 0 if it gives none.
func (g *Guard) Budget(ctx context.Context) (caller string, hour int) {
	who, p := access.FromContext(ctx), g.policy.Load()
	if who == nil || p == nil {
		return "", 0
	}
	return who.ID, p.Budget(who, Team(ctx))
}
