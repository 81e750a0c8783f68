package restrict

import (
	"context"
	"slices"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Reasons of refusals.
const (
	ReasonRestricted       = "APP_RESTRICTED"    // of another app, or not there at all: the caller is not told which
	ReasonOwnershipUnknown = "OWNERSHIP_UNKNOWN" // whose it is cannot be found out
	ReasonOrgOnly          = "ORG_ONLY"          // belongs to the organisation
)

// maxReferences bounds the ids that one request of a restricted caller names:
// each may cost a look-up.
const maxReferences = 100

// Grant is what a caller may reach.
type Grant struct {
	Apps []string // Apple's ids of apps
	Org  bool     // also what belongs to the organisation
}

// Guard checks requests against the table.
type Guard struct {
	table  *Table
	owners *owners
}

// NewGuard makes a guard that asks upstream whose things are. What it asks is
// charged to whoever ctx says is calling.
func NewGuard(table *Table, upstream Upstream) *Guard {
	return &Guard{table: table, owners: newOwners(table.graph, upstream)}
}

// Table is the guard's table.
func (g *Guard) Table() *Table { return g.table }

// Pass is a request that was let through.
type Pass struct {
	Rule *Rule
	// App is the one app that all of the answer belongs to, "" if there may be
	// several.
	App string
	// Parameter and Apps are the filter that was set in the request, "" if none
	// was: a caller of Apple's own paths must send it too.
	Parameter string
	Apps      []string
}

// Check lets a request pass or says why not. It may set a filter in it. The
// request must be valid by itself.
func (g *Guard) Check(ctx context.Context, team, fullMethod string, req proto.Message, grant Grant) (*Pass, error) {
	r := g.table.byName[fullMethod]
	if r == nil {
		return nil, denied(ReasonOrgOnly, "the method has no rule for callers that are kept to apps")
	}
	msg := req.ProtoReflect()
	c := &check{ctx: ctx, guard: g, rule: r, team: team, grant: grant, msg: msg, look: g.owners.begin(team, grant.Apps)}
	return c.run()
}

// check is one request on its way.
type check struct {
	ctx   context.Context
	guard *Guard
	rule  *Rule
	team  string
	grant Grant
	msg   protoreflect.Message
	look  *look
}

func (c *check) run() (*Pass, error) {
	r := c.rule
	if r.Kind == Org && !c.grant.Org {
		return nil, denied(ReasonOrgOnly, "%s", r.By)
	}
	if field := r.request.beyond(c.msg); field != "" {
		return nil, denied(ReasonOwnershipUnknown, "%s is not for callers that are kept to apps", field)
	}
	if err := c.includes(); err != nil {
		return nil, err
	}
	pass := &Pass{Rule: r}
	if err := c.path(pass); err != nil {
		return nil, err
	}
	if err := c.body(pass); err != nil {
		return nil, err
	}
	if err := c.filters(pass); err != nil {
		return nil, err
	}
	return pass, nil
}

// includes refuses relationships that lead away from the app.
func (c *check) includes() error {
	fd := c.rule.request.include
	if fd == nil || c.grant.Org {
		return nil
	}
	list := c.msg.Get(fd).List()
	for i := range list.Len() {
		name := list.Get(i).String()
		why, ok := c.rule.includes[name]
		if !ok {
			why, ok = c.rule.includes[camel(name)]
		}
		if !ok {
			why = "is not known"
		}
		if why != "" {
			return denied(ReasonOrgOnly, "include %s: %s", clip(name), why)
		}
	}
	return nil
}

// path checks the id in the path.
func (c *check) path(pass *Pass) error {
	if c.rule.pathType == "" || c.rule.request.id == nil && !c.rule.Method.Own {
		return nil
	}
	id := c.msg.Descriptor().Fields().ByName("id")
	ref := reference{c.rule.pathType, c.msg.Get(id).String(), "id"}
	whole := c.rule.Method.Verb == "DELETE" && len(c.rule.request.relations) == 0
	owners, err := c.reference(ref, whole)
	if err != nil {
		return err
	}
	if len(owners) == 1 && classes[ref.typ].class == owned {
		pass.App = owners[0]
	}
	return nil
}

// body checks the ids in relationships. What is created must have a parent.
func (c *check) body(pass *Pass) error {
	refs := once(c.rule.request.references(c.msg, ""))
	if len(refs) > maxReferences {
		return denied(
			ReasonOwnershipUnknown,
			"names %d ids; a caller that is kept to apps may name %d",
			len(refs),
			maxReferences,
		)
	}
	parents := map[string]bool{}
	for _, ref := range refs {
		owners, err := c.reference(ref, false)
		if err != nil {
			return err
		}
		if classes[ref.typ].class == owned {
			for _, app := range owners {
				parents[app] = true
			}
		}
	}
	if c.rule.Kind != Parent {
		return nil
	}
	if len(parents) == 0 {
		return denied(ReasonOwnershipUnknown, "what is created must be tied to an app: %s", c.rule.By)
	}
	if len(parents) == 1 {
		for app := range parents {
			pass.App = app
		}
	}
	return nil
}

// filters checks the ids in filters, and makes sure that a list is confined.
func (c *check) filters(pass *Pass) error {
	confined := false
	m := c.rule.request
	var filter protoreflect.Message
	if m.filter != nil {
		filter = c.msg.Get(m.filter).Message()
	}
	for _, f := range m.filters {
		if !filter.Has(f.fd) || !f.fd.IsList() && f.fd.Kind() != protoreflect.StringKind {
			continue
		}
		typ, known := c.rule.filters[f.name]
		if typ == "" {
			if f.fd.Kind() == protoreflect.StringKind && (!known || !slices.Contains(plainFilters, f.name)) {
				return denied(ReasonOwnershipUnknown, "filter %s is not for callers that are kept to apps", f.name)
			}
			continue
		}
		apps, err := c.filterIDs(typ, f, filter)
		if err != nil {
			return err
		}
		if slices.Contains(c.rule.confine, f.name) || f.name == c.rule.inject {
			confined = true
			if len(apps) == 1 {
				pass.App = apps[0]
			}
		}
	}
	if c.rule.Kind != Filter || confined {
		return nil
	}
	if c.rule.inject == "" {
		return denied(ReasonOwnershipUnknown, "%s: it %s", c.rule.Method.Desc().Name(), c.rule.By)
	}
	return c.inject(pass)
}

// filterIDs checks the ids of one filter, and tells their apps.
func (c *check) filterIDs(typ string, f filterField, filter protoreflect.Message) (apps []string, err error) {
	field := "filter." + string(f.fd.Name())
	refs := []reference{{typ, filter.Get(f.fd).String(), field}}
	if f.fd.IsList() {
		refs = once(appendIDs(nil, typ, field, filter.Get(f.fd).List()))
	}
	switch {
	case len(refs) > asc.MaxFilterValues:
		return nil, tooManyValues(field, len(refs))
	case len(refs) > maxReferences && typ != "apps":
		return nil, denied(
			ReasonOwnershipUnknown,
			"%s: names %d ids; a caller that is kept to apps may name %d",
			field,
			len(refs),
			maxReferences,
		)
	}
	for _, ref := range refs {
		owners, err := c.reference(ref, false)
		if err != nil {
			return nil, err
		}
		for _, app := range owners {
			if !slices.Contains(apps, app) {
				apps = append(apps, app)
			}
		}
	}
	return apps, nil
}

// once keeps the first of references to the same thing.
func once(refs []reference) []reference {
	seen := make(map[thing]bool, len(refs))
	return slices.DeleteFunc(refs, func(r reference) bool {
		id := thing{typ: r.typ, id: r.id}
		before := seen[id]
		seen[id] = true
		return before
	})
}

func tooManyValues(field string, n int) error {
	return fault.Invalid(
		field,
		"takes at most %d values; there are %d, doubles not counted: ask for them in several requests",
		asc.MaxFilterValues,
		n,
	)
}

// inject sets the filter to the caller's apps.
func (c *check) inject(pass *Pass) error {
	if n := len(c.grant.Apps); n > asc.MaxFilterValues {
		return denied(
			ReasonOwnershipUnknown,
			"filter.%s: name at most %d of the %d apps that the caller is kept to: a filter takes no more",
			c.rule.inject,
			asc.MaxFilterValues,
			n,
		)
	}
	filter := c.msg.Mutable(c.rule.request.filter).Message()
	for _, f := range c.rule.request.filters {
		if f.name != c.rule.inject {
			continue
		}
		list := filter.Mutable(f.fd).List()
		for _, app := range c.grant.Apps {
			list.Append(protoreflect.ValueOfString(app))
		}
	}
	pass.Parameter, pass.Apps = "filter["+c.rule.inject+"]", c.grant.Apps
	if len(c.grant.Apps) == 1 {
		pass.App = c.grant.Apps[0]
	}
	return nil
}

// reference checks one id and tells its apps. whole: all of its apps must be the
// caller's, even if it is shared.
func (c *check) reference(ref reference, whole bool) ([]string, error) {
	switch k := classes[ref.typ]; k.class {
	case catalog:
		return nil, nil
	case organisation:
		if c.grant.Org {
			return nil, nil
		}
		return nil, denied(ReasonOrgOnly, "%s: %s: %s", ref.field, ref.typ, k.reason)
	}
	if ref.id == "" || ref.id == "." || ref.id == ".." || len(ref.id) > 512 || strings.ContainsAny(ref.id, `/\?#%`) {
		return nil, denied(ReasonRestricted, "%s: is no id", ref.field) // it would lead elsewhere
	}
	apps, err := c.look.of(c.ctx, ref.typ, ref.id)
	if err != nil {
		return nil, err
	}
	mine := slices.ContainsFunc(apps, func(app string) bool { return slices.Contains(c.grant.Apps, app) })
	others := slices.ContainsFunc(apps, func(app string) bool { return !slices.Contains(c.grant.Apps, app) })
	switch {
	case len(apps) == 0 && c.look.unknown:
		return nil, denied(ReasonOwnershipUnknown, "%s: whose it is cannot be found out", ref.field)
	case !mine, others && (whole || classes[ref.typ].class != shared):
		return nil, denied(ReasonRestricted, "%s: is no resource of the apps that the caller is kept to", ref.field)
	}
	return apps, nil
}

// Learn remembers what an answer says of whose things are. pass may be nil for
// a caller that is kept to no app.
func (g *Guard) Learn(team, fullMethod string, req, res proto.Message, pass *Pass) {
	r := g.table.byName[fullMethod]
	if r == nil || r.answer == nil || res == nil {
		return
	}
	app := ""
	switch {
	case pass != nil:
		app = pass.App
	case r.pathType == "apps":
		app = req.ProtoReflect().Get(r.request.id).String()
	case r.pathType != "" && r.request.id != nil && (r.Kind == Own || r.Kind == Learned):
		app = g.owners.remembered(team, r.pathType, req.ProtoReflect().Get(r.request.id).String())
	}
	if r.Kind == Org || r.pathType != "" && classes[r.pathType].class != owned {
		return
	}
	r.answer.learn(res, app, func(typ, id, app string) { g.owners.remember(team, typ, id, []string{app}) })
}

func denied(reason, format string, args ...any) error {
	return fault.New(fault.PermissionDenied, reason, format, args...)
}

// camel makes Apple's name of a field's.
func camel(name string) string {
	var b strings.Builder
	up := false
	for _, r := range name {
		switch {
		case r == '_':
			up = true
		case up && r >= 'a' && r <= 'z':
			b.WriteRune(r - 'a' + 'A')
			up = false
		default:
			b.WriteRune(r)
			up = false
		}
	}
	return b.String()
}

func clip(s string) string {
	if len(s) > 100 {
		return strings.ToValidUTF8(s[:100], "") + "…"
	}
	return s
}
