package guard

import (
	"context"
	"slices"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/audit"
	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// Approach decides by policy before a request is read: its caller, method and
// team are known by then. [Guard.Enter] decides again, with the request. It
// returns the caller's weight among others.
func (g *Guard) Approach(ctx context.Context, method, team string) (weight int, err error) {
	m, who := g.methods[method], access.FromContext(ctx)
	switch {
	case m == nil:
		return 0, fault.New(fault.Unimplemented, "UNIMPLEMENTED", "no such method")
	case who == nil:
		return 0, fault.New(fault.Unauthenticated, authn.ReasonUnauthenticated, "the caller is not known")
	}
	inBody := m.Own && m.Desc().Input().Fields().ByName("team") != nil
	if !inBody {
		if team, err = g.team(m, Call{Team: team}); err != nil {
			return 0, err
		}
	}
	p := g.policy.Load()
	if p == nil {
		return 1, nil
	}
	d := before(p, who, m.FullName, team)
	if !d.Allowed {
		err := d.Denied(who, m.FullName)
		g.deny(audit.Record{Method: m.Name(), Team: team, Principal: who.ID, Rule: d.Rule}, err, "")
		return 0, err
	}
	return d.Weight, nil
}

// Anonymous says whether nobody is authenticated: then only this machine may
// call.
func (g *Guard) Anonymous() bool { return g.deps.Authn.Open() }

// Continue says whether what a principal asked for before may go on without it:
// its token or tool key is still configured, and policy still allows the method.
// That a certificate or a token of an issuer has expired stops nothing.
func (g *Guard) Continue(who *access.Principal, method, team string) error {
	if !g.deps.Authn.Configured(who.ID) {
		return fault.New(
			fault.Unauthenticated,
			authn.ReasonUnauthenticated,
			"the credential of %s was taken away",
			who.ID,
		)
	}
	if g.methods[method] == nil {
		return fault.New(fault.Unimplemented, "UNIMPLEMENTED", "no such method")
	}
	if !slices.Contains(g.deps.Teams(), team) {
		return fault.New(fault.FailedPrecondition, fault.ReasonUnknownTeam, "the team %s is no longer configured", team)
	}
	if p := g.policy.Load(); p != nil {
		if d := p.Decide(who, method, team); !d.Allowed {
			return d.Denied(who, method)
		}
	}
	return nil
}

// Still says whether the caller of a stream that is open may go on: it asks
// authentication and policy again, without a request. expired says that only the
// time of the credential is over.
func (g *Guard) Still(ctx context.Context, c authn.Credentials, method, team string) (expired bool, err error) {
	who, err := g.deps.Authn.Authenticate(ctx, c)
	if err != nil {
		was := access.FromContext(ctx)
		static := was != nil && strings.HasPrefix(was.ID, "token:") // its end was configured
		switch reason := fault.As(err).Reason; {
		case reason == authn.ReasonTokenExpired && !static, reason == authn.ReasonCertificateExpired:
			expired, who = true, was
		case reason == authn.ReasonIssuerUnavailable:
			return false, nil // nothing was taken away
		default:
			return false, err
		}
	}
	if p := g.policy.Load(); p != nil && who != nil && g.methods[method] != nil {
		if d := before(p, who, method, team); !d.Allowed {
			return expired, d.Denied(who, method)
		}
	}
	return expired, nil
}
