// Package guard is what every call passes, over gRPC, REST and the passthrough:
// who calls, for which team, whether policy allows it, whether it keeps to the
// caller's apps, and that it stands on record before it changes anything.
//
// It puts the packages below internal/access and internal/audit in order and
// decides nothing by itself. It must let nothing pass that one of them refuses.
package guard

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/access/policy"
	"github.com/asc-gateway/asc-gateway/internal/access/restrict"
	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/audit"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/overload"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Log is where calls go on record: *audit.Log has it.
type Log interface {
	// Begin puts an intent on record, and keeps room for its outcome: end takes it.
	Begin(ctx context.Context, intent audit.Record) (end func(outcome audit.Record) error, err error)
	// Append puts a record on the log that needs no outcome.
	Append(ctx context.Context, r audit.Record) error
	// Deny counts a denial, and never waits.
	Deny(r audit.Record)
}

// Deps are the parts that a guard puts in order.
type Deps struct {
	Authn    *authn.Authenticator
	Methods  []*access.Method
	Upstream restrict.Upstream // to find out whose things are
	Audit    Log               // nil: nothing goes on record
	Teams    func() []string
	Log      *slog.Logger
}

// Guard is safe for concurrent use.
type Guard struct {
	deps     Deps
	methods  map[string]*access.Method
	routes   *routes
	names    *restrict.Names
	restrict func() (*restrict.Guard, error) // made when a policy first keeps callers to apps: it needs all descriptors
	policy   atomic.Pointer[policy.Policy]   // nil: everything is allowed
	reads    atomic.Int64
	denied   atomic.Int64
	refusals refusals

	strangers overload.Seldom // lines of the log
	asking    chan struct{}   // holds one for each caller that waits for an issuer
}

// New makes a guard without a policy.
func New(deps Deps) *Guard {
	g := &Guard{
		deps:    deps,
		asking:  make(chan struct{}, askMost),
		methods: make(map[string]*access.Method, len(deps.Methods)),
		routes:  newRoutes(deps.Methods),
		names:   restrict.NewNames(deps.Methods),
	}
	g.restrict = sync.OnceValues(func() (*restrict.Guard, error) {
		table, err := restrict.New(deps.Methods)
		if err != nil {
			return nil, err
		}
		return restrict.NewGuard(table, deps.Upstream), nil
	})
	for _, m := range deps.Methods {
		g.methods[m.FullName] = m
	}
	return g
}

// SetPolicy puts a policy in place; nil allows everything. Its error says that
// callers cannot be kept to apps: a method has no rule.
func (g *Guard) SetPolicy(p *policy.Policy) error {
	if p != nil && p.Restricts() {
		if _, err := g.restrict(); err != nil {
			return err
		}
	}
	g.policy.Store(p)
	return nil
}

// HasPolicy says whether a policy is in place.
func (g *Guard) HasPolicy() bool { return g.policy.Load() != nil }

// Methods are all that can be called, for parsing policies.
func (g *Guard) Methods() []*access.Method { return g.deps.Methods }

// Identify finds out who brings the credentials, and says so in the context.
func (g *Guard) Identify(ctx context.Context, c authn.Credentials) (context.Context, error) {
	who, ok, err := g.deps.Authn.Known(ctx, c)
	if !ok {
		who, err = g.ask(ctx, c)
	}
	if err != nil {
		if ok, leftOut := g.strangers.Pass(time.Now()); ok {
			g.deps.Log.InfoContext(ctx, "a caller is not known", "error", err, "left_out", leftOut)
		}
		if f := fault.As(err); f.Kind == fault.Unauthenticated && g.deps.Audit != nil {
			g.deps.Audit.Deny(audit.Record{Event: audit.Denial, Outcome: f.Kind.String(), Reason: f.Reason})
		}
		return ctx, err
	}
	return access.NewContext(ctx, who), nil
}

// askMost is how many callers may wait for the keys of issuers at once. They are
// not known yet: each holds memory.
const askMost = 64

// ask authenticates a caller for whose token an issuer must be asked.
func (g *Guard) ask(ctx context.Context, c authn.Credentials) (*access.Principal, error) {
	select {
	case g.asking <- struct{}{}:
		defer func() { <-g.asking }()
		return g.deps.Authn.Authenticate(ctx, c)
	default:
	}
	f := fault.New(
		fault.Unavailable,
		authn.ReasonIssuerUnavailable,
		"too many callers wait for an issuer's keys: call again",
	)
	f.RetryAfter = time.Second
	return nil, f
}

// Call is a call at the door.
type Call struct {
	Method  string // full name
	Team    string // as the caller named it, "": the only one
	Request proto.Message
	Trace   string // W3C trace id, "" if none
	// Priority is the class that the caller asks for: interactive, default or
	// batch; "": default. Policy says which is the highest it gets.
	Priority string
	// CacheControl is the header of this name: with no-cache, an answer that was
	// kept will not do.
	CacheControl string
	// Valid says whether the request is right by itself; it is asked before
	// Apple is asked anything for it. nil: it is known to be.
	Valid func() error
	// Opaque requests have a body that is not in Request: they are refused to
	// callers that are kept to apps.
	Opaque bool
}

// Admission is a call that was let in.
type Admission struct {
	Team     string
	Decision policy.Decision
	Pass     *restrict.Pass // nil: the caller is kept to no app

	guard    *Guard
	named    bool            // what the call is about is on record
	apps     *restrict.Guard // nil: the policy keeps nobody to apps
	method   *access.Method
	call     Call
	recorded audit.Record
	end      func(audit.Record) error // puts the outcome on record; nil: none is wanted
	made     asc.Record
	noted    atomic.Pointer[string] // what the call itself has to say
}

// Enter lets a call in or says why not. The context of an admitted call is to be
// used for it, and [Admission.Done] called after it.
func (g *Guard) Enter(ctx context.Context, c Call) (context.Context, *Admission, error) {
	m := g.methods[c.Method]
	if m == nil {
		return ctx, nil, fault.New(fault.Unimplemented, "UNIMPLEMENTED", "no such method")
	}
	who := access.FromContext(ctx)
	a := &Admission{guard: g, method: m, call: c}
	var err error
	if a.Team, err = g.team(m, c); err != nil {
		return ctx, nil, err
	}
	a.recorded = audit.Record{Method: m.Name(), Team: a.Team, Trace: c.Trace, Via: access.Via(ctx)}
	if err := a.name(); err != nil {
		return ctx, nil, err
	}
	if who != nil {
		a.recorded.Principal = who.ID
	}
	a.Decision = policy.Open()
	right := rightOf(m, c.Request)
	if p := g.policy.Load(); p != nil {
		a.Decision = p.Decide(who, right, a.Team)
	} else if who == nil {
		a.Decision = policy.Decision{Reason: "nobody is known to call"}
	}
	a.recorded.Rule = a.Decision.Rule
	switch {
	case !a.Decision.Allowed:
		err := a.Decision.Denied(who, right)
		g.deny(a.record(), err, "")
		return ctx, nil, err
	case a.Decision.WouldDeny:
		g.deny(a.record(), a.Decision.Denied(who, right), auditMode)
	}
	ctx, err = a.share(ctx, c.Priority, c.CacheControl)
	if err != nil {
		return ctx, nil, err
	}
	if err := a.keepToApps(ctx); err != nil {
		return ctx, nil, err
	}
	if a.Decision.Restricted {
		ctx = context.WithValue(ctx, restrictedKey{}, a.recorded.Principal)
	}
	return ctx, a, a.begin(ctx)
}

// priorities, the highest first.
var priorities = []string{policy.Interactive, policy.Default, policy.Batch}

// share says for whom the call is, where callers must share what Apple grants.
func (a *Admission) share(ctx context.Context, asked, cacheControl string) (context.Context, error) {
	if asked == "" {
		asked = policy.Default
	}
	want, highest := slices.Index(priorities, asked), slices.Index(priorities, a.Decision.Priority)
	if want < 0 {
		return ctx, fault.Invalid("asc-priority", "want interactive, default or batch")
	}
	c := &asc.Caller{ID: a.recorded.Principal, Priority: priorities[max(want, highest)], Weight: a.Decision.Weight,
		Hour:  a.Decision.Budget(),
		Fresh: strings.Contains(cacheControl, "no-cache") || strings.Contains(cacheControl, "no-store")}
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.SetAttributes(
			attribute.String("enduser.id", c.ID),
			attribute.String("ascgateway.team", a.Team),
			attribute.String("ascgateway.class", c.Priority),
			attribute.String("ascgateway.method", a.recorded.Method),
		)
	}
	return asc.NewContext(&callContext{ctx, a}, &a.made, c), nil
}

// record is what goes on record of a call. What it is about is found when it is
// first needed: most calls are reads that are allowed.
func (a *Admission) record() audit.Record {
	if a.named && a.recorded.Resources == nil {
		a.recorded.Resources = a.guard.names.Resources(a.method.FullName, a.call.Request)
	}
	return a.recorded
}

// name says whether what the call is about goes on record, and finds what keeps
// it to its caller's apps.
func (a *Admission) name() error {
	p := a.guard.policy.Load()
	if a.guard.deps.Audit == nil && p == nil {
		return nil
	}
	a.named = true
	if p == nil || !p.Restricts() {
		return nil
	}
	var err error
	a.apps, err = a.guard.restrict()
	return err
}

// team is the one that the call is for. The gateway's own methods may be for
// none.
func (g *Guard) team(m *access.Method, c Call) (string, error) {
	name, teams := c.Team, g.deps.Teams()
	inBody := false
	if m.Own {
		fd := m.Desc().Input().Fields().ByName("team")
		if inBody = fd != nil; inBody && fd.Kind() == protoreflect.StringKind && c.Request != nil {
			if s := c.Request.ProtoReflect().Get(fd).String(); s != "" {
				name = s
			}
		}
	}
	if name == "" && len(teams) == 1 {
		name = teams[0]
	}
	switch {
	case name == "" && m.Own && !inBody && m.Area == "catalog":
		return "", nil
	case name == "":
		return "", fault.New(
			fault.InvalidArgument,
			fault.ReasonUnknownTeam,
			"there are several teams: name one in asc-team",
		)
	case !slices.Contains(teams, name):
		return "", fault.New(fault.InvalidArgument, fault.ReasonUnknownTeam, "there is no such team")
	}
	return name, nil
}

// keepToApps checks the ids of callers that are kept to apps.
func (a *Admission) keepToApps(ctx context.Context) error {
	if !a.Decision.Restricted {
		return nil
	}
	if a.call.Valid != nil {
		if err := a.call.Valid(); err != nil {
			return err
		}
	}
	req := a.call.Request
	if a.Decision.Audit { // nothing may be changed in the request
		req = proto.Clone(req)
	}
	pass, err := a.apps.Check(
		ctx,
		a.Team,
		a.method.FullName,
		req,
		restrict.Grant{Apps: a.Decision.Apps, Org: a.Decision.Org || picked(ctx, a.method.FullName)},
	)
	if err == nil && a.call.Opaque {
		err = fault.New(
			fault.PermissionDenied,
			restrict.ReasonOwnershipUnknown,
			"what the body names is not checked here: use the typed method %s",
			a.method.Name(),
		)
	}
	denied := err != nil && fault.As(err).Kind == fault.PermissionDenied
	switch {
	case denied && a.Decision.Audit:
		a.guard.deny(a.record(), err, auditMode)
		return nil
	case denied:
		a.guard.deny(a.record(), err, "")
	case err == nil && !a.Decision.Audit:
		a.Pass = pass
	}
	return err
}

// auditMode is the detail of what is denied by a policy that is only tried out.
const auditMode = "allowed: the policy's mode is audit"

func (g *Guard) deny(r audit.Record, err error, detail string) {
	g.denied.Add(1)
	if g.deps.Audit == nil {
		return
	}
	f := fault.As(err)
	r.Event, r.Outcome, r.Reason, r.Detail = audit.Denial, f.Kind.String(), f.Reason, f.Message
	if detail != "" {
		r.Detail = detail + ": " + r.Detail
	}
	g.deps.Audit.Deny(r)
}

// begin puts a call that changes something on record.
func (a *Admission) begin(ctx context.Context) (err error) {
	if a.method.Verb == "GET" || validateOnly(a.call.Request) {
		a.guard.reads.Add(1)
		return nil
	}
	if a.guard.deps.Audit == nil {
		return nil
	}
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	a.recorded.Call = hex.EncodeToString(id[:])
	r := a.record()
	r.Event = audit.Intent
	a.end, err = a.guard.deps.Audit.Begin(ctx, r)
	return err
}

func validateOnly(req proto.Message) bool {
	if req == nil {
		return false
	}
	fd := req.ProtoReflect().Descriptor().Fields().ByName("validate_only")
	return fd != nil && fd.Kind() == protoreflect.BoolKind && req.ProtoReflect().Get(fd).Bool()
}

// Done tells how the call ended. res may be nil.
func (a *Admission) Done(ctx context.Context, res proto.Message, err error) {
	if err == nil && res != nil && a.call.Request != nil && a.apps != nil {
		a.apps.Learn(a.Team, a.method.FullName, a.call.Request, res, a.Pass)
	}
	if a.end == nil {
		return
	}
	r := a.recorded
	r.Event, r.Outcome = audit.Outcome, "OK"
	if text := a.noted.Load(); text != nil {
		r.Detail = *text
	}
	made := a.made.Made()
	r.Key, r.Request = made.KeyID, made.RequestID
	if err != nil {
		f := fault.As(err)
		r.Outcome, r.Reason = f.Kind.String(), f.Reason
	} else if !a.named {
		// a path that no operation is known for: nothing tells what it made
	} else if created := a.guard.names.Created(a.method.FullName, res); created != "" {
		r.Resources = append([]string{created}, r.Resources...) // ahead: what is cut is at the end
	}
	if err := a.end(r); err != nil {
		a.guard.deps.Log.ErrorContext(ctx, "an outcome is not on record yet",
			"call", r.Call, "method", r.Method, "outcome", r.Outcome, "error", err)
	}
}

// Counts are how many reads passed and how many calls were denied.
func (g *Guard) Counts() (reads, denied int64) { return g.reads.Load(), g.denied.Load() }

// TraceID finds the trace id in a traceparent header, "" if there is none.
func TraceID(traceparent string) string {
	parts := strings.Split(traceparent, "-")
	if len(parts) < 4 || len(parts[1]) != 32 || strings.Trim(parts[1], "0123456789abcdef") != "" {
		return ""
	}
	return parts[1]
}
