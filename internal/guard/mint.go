package guard

import (
	"context"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/access/policy"
	"github.com/asc-gateway/asc-gateway/internal/access/restrict"
	"github.com/asc-gateway/asc-gateway/internal/audit"
	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// mintMethod gives out tokens of Apple's.
const mintMethod = "/ascgateway.tokens.v1.TokenService/MintToken"

// MayMint says whether the caller may get a token of Apple's that is good for
// one request: a verb, and a path with its query, as they stand in the token's
// scope. What is done with a token is seen by nobody, so the policy is asked now,
// for every operation that the request can stand for, and as it would be with
// the mode enforce. A caller that is kept to apps gets no token: Apple's scopes
// do not keep it to them.
//
// Its errors are faults: InvalidArgument for what could be read in two ways,
// PermissionDenied for what is not allowed. Refusals go on record.
func (g *Guard) MayMint(ctx context.Context, team, verb, target string) error {
	path, query, _ := strings.Cut(target, "?")
	segments, err := access.Segments(path)
	if err != nil {
		return fault.Invalid("scope", "%v", err)
	}
	if strings.ContainsAny(path, "%*") || !plainQuery(query) {
		return fault.Invalid(
			"scope",
			"is one request, written plainly: no wildcards, and nothing in its path is encoded",
		)
	}
	who := access.FromContext(ctx)
	d := g.decideMint(who, team, verb, path, segments)
	if d.Allowed && !d.Restricted {
		return nil
	}
	err = d.Denied(who, verb+" "+path)
	if d.Restricted {
		err = fault.New(fault.PermissionDenied, restrict.ReasonOwnershipUnknown,
			"a token of Apple's for %s %s would not be kept to the caller's apps: call the gateway for it", verb, path)
	}
	r := audit.Record{Method: strings.TrimPrefix(mintMethod, "/"), Team: team, Rule: d.Rule}
	r.Resources = []string{verb + " " + target}
	if who != nil {
		r.Principal = who.ID
	}
	g.deny(r, err, "")
	return err
}

// decideMint is the first decision that allows no token, or the last that does.
func (g *Guard) decideMint(who *access.Principal, team, verb, path string, segments []string) (d policy.Decision) {
	if who == nil {
		return policy.Decision{Reason: "nobody is known to call"}
	}
	known := g.routes.find(verb, segments)
	p := g.policy.Load()
	switch {
	case len(known) == 0 && (p == nil || g.routes.resembles(verb, segments)):
		return policy.Decision{Reason: "no operation is known for the path, and no rule names it for the caller"}
	case p == nil:
		return policy.Open()
	}
	p = p.Enforced()
	if d = p.Decide(who, mintMethod, team); !d.Allowed || d.Restricted {
		return d
	}
	if len(known) == 0 {
		return p.DecidePath(who, verb, path, team)
	}
	for _, m := range known {
		if d = p.Decide(who, m.FullName, team); d.Allowed && mayBePersonal(m.FullName) {
			d = p.Decide(who, subscriberMethod, team) // the token would be good for every report
		}
		if !d.Allowed || d.Restricted {
			break
		}
	}
	return d
}

// plainQuery says that a query can be read in one way.
func plainQuery(query string) bool {
	for i := range len(query) {
		if c := query[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`;*?#\`, c) >= 0 {
			return false
		}
		if query[i] != '%' {
			continue
		}
		// Two hexadecimal digits that are no percent, star, semicolon or control.
		if len(query) < i+3 || strings.Trim(query[i+1:i+3], "0123456789abcdefABCDEF") != "" || query[i+1] < '2' {
			return false
		}
		switch strings.ToLower(query[i+1 : i+3]) {
		case "25", "2a", "3b", "7f":
			return false
		}
	}
	return true
}
