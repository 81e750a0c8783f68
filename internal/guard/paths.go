package guard

import (
	"context"
	"errors"
	"slices"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/access/policy"
	"github.com/asc-gateway/asc-gateway/internal/audit"
	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// errNotUnknown tells of a path that is another spelling of a known one.
var errNotUnknown = errors.New("an operation is known for this path: write it as Apple's documentation does")

// EnterPath lets a request pass to a path of Apple's that no operation is known
// for, if a rule of the policy names it. The path is as it is sent on, encoded
// and without the query. One that could be read in two ways, or that is an
// operation's but for capital letters, is refused as InvalidArgument.
func (g *Guard) EnterPath(ctx context.Context, verb, path, team, trace string) (context.Context, *Admission, error) {
	segments, err := access.Segments(path)
	if err == nil && g.routes.resembles(verb, segments) {
		err = errNotUnknown
	}
	if err != nil {
		return ctx, nil, fault.New(fault.InvalidArgument, fault.ReasonInvalidRequest, "%v", err)
	}
	who := access.FromContext(ctx)
	method := &access.Method{FullName: "/passthrough/" + verb + " " + path, Verb: verb}
	a := &Admission{guard: g, method: method}
	teams := g.deps.Teams()
	if a.Team = team; team == "" && len(teams) == 1 {
		a.Team = teams[0]
	}
	if !slices.Contains(teams, a.Team) {
		return ctx, nil, fault.New(
			fault.InvalidArgument,
			fault.ReasonUnknownTeam,
			"there is no such team, or several: name one in asc-team",
		)
	}
	a.recorded = audit.Record{Method: method.Name(), Team: a.Team, Trace: trace}
	if who != nil {
		a.recorded.Principal = who.ID
	}
	a.Decision = policy.Decision{Reason: "no operation is known for the path, and there is no policy that names it"}
	if p := g.policy.Load(); p != nil {
		a.Decision = p.DecidePath(who, verb, path, a.Team)
	} else if g.Anonymous() { // every operation is open, so those that are not known yet are too
		a.Decision = policy.Open()
	}
	a.recorded.Rule = a.Decision.Rule
	if !a.Decision.Allowed {
		err := a.Decision.Denied(who, verb+" "+path)
		g.deny(a.recorded, err, "")
		return ctx, nil, err
	}
	ctx, err = a.share(ctx, "", "")
	if err != nil {
		return ctx, nil, err
	}
	return ctx, a, a.begin(ctx)
}
