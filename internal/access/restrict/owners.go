package restrict

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	lru "github.com/hashicorp/golang-lru/v2"
)

// Bounds of look-ups.
const (
	rememberedMost = 100_000          // owners kept, about 200 bytes each
	sharedFor      = 30 * time.Second // how long a tester's apps are believed
	unknownFor     = 30 * time.Second // how long it is believed that nobody knows
	lookupsMost    = 120              // requests for one call, all ids together
	listsMost      = 20               // of these, pages of lists, for one id
	pagesMost      = 3                // of one list
)

// Upstream is what finding owners needs of the client: *asc.Client has it.
type Upstream interface {
	Do(ctx context.Context, call *asc.Call) (*asc.Response, error)
}

// owners finds out whose things are, and remembers. What an app owns stays its
// own for ever, so that only what is shared and what is not known grows old.
type owners struct {
	graph    *graph
	upstream Upstream
	memory   *lru.Cache[thing, ownership]
	now      func() time.Time
}

type thing struct{ team, typ, id string }

type ownership struct {
	apps  []string
	until time.Time // zero: for ever
}

func newOwners(g *graph, upstream Upstream) *owners {
	memory, _ := lru.New[thing, ownership](rememberedMost) // fails for no positive size
	return &owners{graph: g, upstream: upstream, memory: memory, now: time.Now}
}

func (o *owners) remember(team, typ, id string, apps []string) {
	if id != "" && len(apps) > 0 {
		o.memory.Add(thing{team, typ, id}, ownership{apps: apps})
	}
}

// remembered is the one app of a thing that is known already, "" if none is.
func (o *owners) remembered(team, typ, id string) string {
	if typ == "apps" {
		return id
	}
	if m, ok := o.memory.Get(thing{team, typ, id}); ok && len(m.apps) == 1 && m.until.IsZero() {
		return m.apps[0]
	}
	return ""
}

// look is the looking up for one call: it holds the budget.
type look struct {
	*owners
	team    string
	apps    []string // of the caller: whose lists are read
	left    int
	spent   asc.Spent // all requests together take no longer than one may
	lists   int
	unknown bool // the last answer is "nobody knows", not "another's"
}

func (o *owners) begin(team string, apps []string) *look {
	return &look{owners: o, team: team, apps: apps, left: lookupsMost}
}

// of tells the apps of a thing. None: there is no such thing, or nobody
// knows; an error: Apple could not be asked.
func (l *look) of(ctx context.Context, typ, id string) ([]string, error) {
	l.unknown, l.lists = false, listsMost
	if typ == "apps" {
		return []string{id}, nil
	}
	if m, ok := l.memory.Get(l.thing(typ, id)); ok && (m.until.IsZero() || l.now().Before(m.until)) {
		l.unknown = len(m.apps) == 0
		return m.apps, nil
	}
	if classes[typ].class == shared {
		return l.sharers(ctx, id)
	}
	apps, err := l.walk(ctx, typ, id, maxHops)
	if err != nil || len(apps) > 0 {
		return apps, err
	}
	l.unknown = true
	l.memory.Add(l.nobody(typ, id), ownership{until: l.now().Add(unknownFor)})
	return nil, nil
}

func (l *look) thing(typ, id string) thing { return thing{l.team, typ, id} }

// nobody names what could not be found for these very apps: others may know.
func (l *look) nobody(typ, id string) thing {
	return thing{l.team, typ + " of " + strings.Join(l.apps, " "), id}
}

// walk goes up from a thing, or finds it in the lists of the caller's apps.
func (l *look) walk(ctx context.Context, typ, id string, hops int) ([]string, error) {
	if typ == "apps" {
		return []string{id}, nil
	}
	if m, ok := l.memory.Get(l.thing(typ, id)); ok && m.until.IsZero() {
		return m.apps, nil
	}
	if m, ok := l.memory.Get(l.nobody(typ, id)); ok && l.now().Before(m.until) {
		return nil, nil
	}
	var apps []string
	if edges := l.graph.up[typ]; len(edges) > 0 && hops > 0 {
		parents, err := l.parents(ctx, edges, id)
		if err != nil {
			return nil, err
		}
		for _, p := range parents {
			above, err := l.walk(ctx, p.typ, p.id, hops-1)
			if err != nil {
				return nil, err
			}
			if len(above) == 0 {
				return nil, nil // one parent's owner is not known, so its own is not
			}
			for _, app := range above {
				if !slices.Contains(apps, app) {
					apps = append(apps, app)
				}
			}
		}
	}
	if len(apps) == 0 && !l.graph.walks(typ) {
		return l.search(ctx, typ, id)
	}
	l.remember(l.team, typ, id, apps)
	return apps, nil
}

// parents asks Apple where the to-one relationships of a thing point.
func (l *look) parents(ctx context.Context, edges []edge, id string) (refs []reference, err error) {
	var included []string
	path := ""
	for _, e := range edges {
		if e.include {
			included = append(included, e.name)
			path = e.path
			continue
		}
		var doc struct{ Data *linkage }
		found, err := l.get(ctx, e.path, id, "", &doc)
		if err != nil {
			return nil, err
		}
		if found && doc.Data != nil {
			refs = append(refs, reference{typ: doc.Data.Type, id: doc.Data.ID})
		}
	}
	if len(included) == 0 {
		return refs, nil
	}
	var doc struct {
		Data struct {
			Relationships map[string]struct{ Data json.RawMessage }
		}
	}
	if _, err := l.get(ctx, path, id, "include="+strings.Join(included, ","), &doc); err != nil {
		return nil, err
	}
	for _, name := range included {
		var to *linkage
		if json.Unmarshal(doc.Data.Relationships[name].Data, &to) == nil && to != nil && to.ID != "" {
			refs = append(refs, reference{typ: to.Type, id: to.ID})
		}
	}
	return refs, nil
}

// linkage is a resource identifier of JSON:API.
type linkage struct{ Type, ID string }

// search reads the lists of the caller's apps until the thing turns up, and
// remembers all it sees.
func (l *look) search(ctx context.Context, typ, id string) ([]string, error) {
	way := l.graph.down[typ]
	for _, app := range l.apps {
		if len(way) == 0 {
			break
		}
		if err := l.descend(ctx, app, way, app, typ, id); err != nil {
			return nil, err
		}
		if m, ok := l.memory.Get(l.thing(typ, id)); ok && m.until.IsZero() {
			return m.apps, nil
		}
	}
	return nil, nil
}

// descend lists what is below an id, one step of the way after the other.
func (l *look) descend(ctx context.Context, app string, way []step, at, typ, id string) error {
	s := way[0]
	ids, _, err := l.list(ctx, s, at)
	if err != nil {
		return err
	}
	for _, x := range ids {
		if l.graph.learns(s.typ) {
			l.remember(l.team, s.typ, x, []string{app})
		}
	}
	if len(way) == 1 {
		return nil
	}
	for _, x := range ids {
		if _, ok := l.memory.Get(l.thing(typ, id)); ok || l.lists == 0 {
			return nil
		}
		if err := l.descend(ctx, app, way[1:], x, typ, id); err != nil {
			return err
		}
	}
	return nil
}

// list reads a few pages of ids, and says whether there are more.
func (l *look) list(ctx context.Context, s step, at string) (ids []string, more bool, err error) {
	query := ""
	switch {
	case s.include != "":
		query = "include=" + s.include
	case s.many:
		query = "limit=200"
	}
	for range pagesMost {
		if l.lists == 0 {
			return ids, true, nil
		}
		l.lists--
		var doc struct {
			Data  json.RawMessage
			Links struct{ Next string }
		}
		found, err := l.get(ctx, s.path, at, query, &doc)
		if err != nil {
			return nil, false, err
		}
		if !found {
			return ids, false, nil
		}
		if s.include != "" {
			return linkages(relationOf(doc.Data, s.include), s.typ), false, nil
		}
		ids = append(ids, linkages(doc.Data, s.typ)...)
		next, err := url.Parse(doc.Links.Next)
		if doc.Links.Next == "" || err != nil || next.RawQuery == query {
			return ids, false, nil
		}
		query = next.RawQuery
	}
	return ids, true, nil
}

// relationOf is the linkage of a relationship of a resource.
func relationOf(resource json.RawMessage, name string) json.RawMessage {
	var r struct {
		Relationships map[string]struct{ Data json.RawMessage }
	}
	if json.Unmarshal(resource, &r) != nil {
		return nil
	}
	return r.Relationships[name].Data
}

// linkages are the ids of a type in `data`, be it one or many.
func linkages(data json.RawMessage, typ string) (ids []string) {
	var many []linkage
	var one linkage
	if json.Unmarshal(data, &many) != nil {
		if json.Unmarshal(data, &one) != nil {
			return nil
		}
		many = []linkage{one}
	}
	for _, x := range many {
		if x.Type == typ && x.ID != "" {
			ids = append(ids, x.ID)
		}
	}
	return ids
}

// sharers are the apps of something that several may have.
func (l *look) sharers(ctx context.Context, id string) ([]string, error) {
	apps, more, err := l.list(ctx, step{path: l.graph.testers, typ: "apps", many: true}, id)
	if err != nil {
		return nil, err
	}
	if more {
		apps = append(apps, "") // and others that were not read
	}
	l.memory.Add(l.thing("betaTesters", id), ownership{apps: apps, until: l.now().Add(sharedFor)})
	return apps, nil
}

// get asks Apple. Not found is no error: who asks may not be told more.
func (l *look) get(ctx context.Context, template, id, query string, into any) (found bool, err error) {
	if l.left == 0 {
		return false, nil
	}
	l.left--
	res, err := l.upstream.Do(ctx, &asc.Call{Team: l.team, Operation: "whose", Method: http.MethodGet, Template: template,
		Path: strings.Replace(template, "{id}", url.PathEscape(id), 1), Query: query, Spent: &l.spent})
	if f := fault.As(err); err != nil {
		if f.Kind == fault.NotFound || f.Kind == fault.InvalidArgument {
			return false, nil
		}
		return false, err
	}
	if err := json.Unmarshal(res.Body, into); err != nil {
		return false, fault.New(
			fault.Unavailable,
			fault.ReasonUpstreamMalformed,
			"App Store Connect: the answer cannot be read",
		).WithCause(
			err,
		)
	}
	return true, nil
}
