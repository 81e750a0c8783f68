package restrict

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"github.com/asc-gateway/asc-gateway/internal/access"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxHops bounds a walk up to an app, and a way down from it.
const (
	maxHops = 5
	maxDown = 5
)

// graph is what the descriptors say of how types are related, and with what
// requests Apple tells it.
type graph struct {
	up        map[string][]edge // by type: to-one relationships towards an app, nearest first
	down      map[string][]step // by type: the way to its ids from an app
	hops      map[string]int    // by type: to-one relationships up to an app; types that walk only
	madeFrom  map[string]bool   // types that are created with a parent
	shown     map[string]bool   // types that answers about an app's resources show
	testers   string            // path of a tester's apps
	relations map[string]map[string]relation
}

// relation is a relationship of a type, over all of its schemas.
type relation struct {
	typ  string
	many bool
}

// edge is a to-one relationship, and how Apple tells where it points.
type edge struct {
	name, typ string
	path      string // "/v1/builds/{id}/relationships/app", or that of the instance
	include   bool   // the path is the instance's: it must include the relationship
}

// step is a request that lists ids of a type from an id of another.
type step struct {
	path    string // with {id}
	typ     string // of what it lists
	many    bool
	include string // the path is the instance's: it must include this relationship; "": it is the relationship's own
}

// source is how related ids can be asked for.
type source struct {
	root, relation, typ string
	path                string
	many, ids           bool // ids: it lists linkage only
	include             bool // the path is the instance's
}

func newGraph(methods []*access.Method) (*graph, error) {
	g := &graph{
		up:        map[string][]edge{},
		down:      map[string][]step{},
		hops:      map[string]int{},
		madeFrom:  map[string]bool{},
		shown:     map[string]bool{},
		relations: map[string]map[string]relation{},
	}
	var sources []source
	instances := map[string]*access.Method{}
	plans := messages{}
	for _, m := range methods {
		if m.Own {
			continue
		}
		g.addRelations(m.Desc().Output())
		segments := strings.Split(m.Template, "/")
		root := segments[2]
		switch m.Shape {
		case optionsv1.Shape_SHAPE_GET_INSTANCE:
			if old := instances[root]; old == nil || old.Template < m.Template { // the newest version
				instances[root] = m
			}
		case optionsv1.Shape_SHAPE_GET_TO_ONE_RELATIONSHIP, optionsv1.Shape_SHAPE_GET_TO_ONE_RELATED,
			optionsv1.Shape_SHAPE_GET_TO_MANY_RELATIONSHIP, optionsv1.Shape_SHAPE_GET_TO_MANY_RELATED:
			ids := segments[4] == "relationships"
			many := m.Shape == optionsv1.Shape_SHAPE_GET_TO_MANY_RELATIONSHIP ||
				m.Shape == optionsv1.Shape_SHAPE_GET_TO_MANY_RELATED
			sources = append(sources, source{root, segments[len(segments)-1], m.Type, m.Template, many, ids, false})
		case optionsv1.Shape_SHAPE_CREATE_INSTANCE:
			if classes[m.Type].class == owned &&
				slices.ContainsFunc(
					plans.of(m.Desc().Input()).relations,
					func(f relationField) bool { return classes[f.typ].class == owned },
				) {
				g.madeFrom[m.Type] = true
			}
		}
	}
	g.findUp(sources, instances)
	g.findDown(append(sources, g.included(sources, instances)...))
	g.findLearnedUp(sources, instances)
	g.findShown()
	for _, s := range sources {
		if s.root == "betaTesters" && s.relation == "apps" && s.ids {
			g.testers = s.path
		}
	}
	if g.testers == "" {
		return nil, fmt.Errorf("restrict: there is no operation that tells a tester's apps")
	}
	return g, nil
}

// addRelations collects the relationships of all resources in an answer.
func (g *graph) addRelations(md protoreflect.MessageDescriptor) {
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if fd.Message() == nil || fd.IsMap() {
			continue
		}
		switch fieldOptions(fd).GetRole() {
		case optionsv1.Role_ROLE_INCLUDED:
			if resourceType(fd.Message()) == "" {
				g.addRelations(fd.Message())
				continue
			}
		case optionsv1.Role_ROLE_DATA:
		default:
			continue
		}
		typ := resourceType(fd.Message())
		if g.relations[typ] == nil {
			g.relations[typ] = map[string]relation{}
		}
		for j := range fd.Message().Fields().Len() {
			f := fd.Message().Fields().Get(j)
			if o := fieldOptions(f); o.GetRole() == optionsv1.Role_ROLE_RELATIONSHIP {
				g.relations[typ][appleName(f)] = relation{o.GetType(), f.Message().Name() != "ToOne"}
			}
		}
	}
}

// toOnes are the to-one relationships of a type that lead to what may be an
// app's, with the cheapest way to ask for each.
func (g *graph) toOnes(typ string, sources []source, instances map[string]*access.Method) (edges []edge) {
	for _, name := range slices.Sorted(maps.Keys(g.relations[typ])) {
		r := g.relations[typ][name]
		if only := onlyParents[typ]; only != "" && only != name {
			continue
		}
		if r.many || r.typ == typ || classes[r.typ].class != owned || g.crosses(typ, name) != "" {
			continue
		}
		e := edge{name: name, typ: r.typ}
		if m := instances[typ]; m != nil && slices.Contains(m.Options().GetQuery().GetInclude(), name) {
			e.path, e.include = m.Template, true
		}
		for _, s := range sources {
			if s.root == typ && s.relation == name && !s.many && s.ids {
				e.path, e.include = s.path, false
			} else if s.root == typ && s.relation == name && !s.many && e.path == "" {
				e.path = s.path
			}
		}
		if e.path != "" {
			edges = append(edges, e)
		}
	}
	return edges
}

// findUp finds the types whose to-one relationships lead up to an app.
func (g *graph) findUp(sources []source, instances map[string]*access.Method) {
	g.rise(map[string]int{"apps": 0}, g.hops, sources, instances)
	delete(g.hops, "apps")
}

// findLearnedUp does the same towards the types that are found below an app.
func (g *graph) findLearnedUp(sources []source, instances map[string]*access.Method) {
	roots := maps.Clone(g.hops)
	roots["apps"] = 0
	for typ, way := range g.down {
		if _, walks := g.hops[typ]; !walks && len(way) == 1 {
			roots[typ] = 1
		}
	}
	g.rise(roots, map[string]int{}, sources, instances)
}

// rise spreads distances from the roots over to-one relationships, and keeps for
// every type reached the relationships that lead no farther away.
func (g *graph) rise(roots, reached map[string]int, sources []source, instances map[string]*access.Method) {
	maps.Copy(reached, roots)
	all := map[string][]edge{}
	for typ := range g.relations {
		if classes[typ].class == owned {
			all[typ] = g.toOnes(typ, sources, instances)
		}
	}
	for range maxHops {
		next := maps.Clone(reached)
		for typ, edges := range all {
			for _, e := range edges {
				if d, ok := reached[e.typ]; ok {
					if old, has := next[typ]; !has || d+1 < old {
						next[typ] = d + 1
					}
				}
			}
		}
		maps.Copy(reached, next)
	}
	for typ, edges := range all {
		if _, has := reached[typ]; !has || g.up[typ] != nil || typ == "apps" {
			continue
		}
		if _, root := roots[typ]; root {
			continue
		}
		g.up[typ] = nearest(edges, reached, reached[typ])
	}
}

// nearest keeps the edges that lead towards an app. One that leads straight to
// an app says all there is to say.
func nearest(edges []edge, reached map[string]int, own int) (out []edge) {
	for _, e := range edges {
		if e.typ == "apps" {
			return []edge{e}
		}
		if d, ok := reached[e.typ]; ok && d <= own {
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b edge) int { return cmp.Compare(reached[a.typ], reached[b.typ]) })
	return out
}

// included are the relationships that only their resource itself tells.
func (g *graph) included(sources []source, instances map[string]*access.Method) (out []source) {
	for root, m := range instances {
		for _, name := range m.Options().GetQuery().GetInclude() {
			r, ok := g.relations[root][name]
			if !ok || slices.ContainsFunc(sources, func(s source) bool { return s.root == root && s.relation == name }) {
				continue
			}
			out = append(out, source{root: root, relation: name, typ: r.typ, path: m.Template, many: r.many, include: true})
		}
	}
	return out
}

// findDown finds the shortest way to the ids of the other types, over lists
// that start at an app.
func (g *graph) findDown(sources []source) {
	ways := map[string][]step{"apps": {}}
	slices.SortStableFunc(sources, func(a, b source) int {
		if a.ids != b.ids { // linkage is smaller
			if a.ids {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(b.path, a.path), cmp.Compare(a.relation, b.relation))
	})
	for range maxDown {
		next := maps.Clone(ways)
		for _, s := range sources {
			way, ok := ways[s.root]
			if !ok || classes[s.typ].class != owned || g.crosses(s.root, s.relation) != "" {
				continue
			}
			if old, has := next[s.typ]; !has || len(way)+1 < len(old) {
				name := ""
				if s.include {
					name = s.relation
				}
				next[s.typ] = append(slices.Clip(way), step{s.path, s.typ, s.many, name})
			}
		}
		ways = next
	}
	delete(ways, "apps")
	g.down = ways
}

// findShown finds the types that are related to what is known to be an app's.
func (g *graph) findShown() {
	for range maxHops {
		for typ, relations := range g.relations {
			if classes[typ].class != owned || !g.known(typ) {
				continue
			}
			for name, r := range relations {
				if classes[r.typ].class == owned && g.crosses(typ, name) == "" {
					g.shown[r.typ] = true
				}
			}
		}
	}
}

// crosses says why a relationship may leave the app, "" if it does not.
func (g *graph) crosses(typ, name string) string {
	if why := crossings[typ][name]; why != "" {
		return why
	}
	if r, ok := g.relations[typ][name]; ok && classes[r.typ].class == organisation {
		return r.typ + ": " + classes[r.typ].reason
	}
	return ""
}

// walks says whether to-one relationships lead up from a type to an app.
func (g *graph) walks(typ string) bool {
	_, ok := g.hops[typ]
	return ok || typ == "apps"
}

// known says whether the app of a type's resources can be found.
func (g *graph) known(typ string) bool {
	return g.walks(typ) || g.down[typ] != nil || g.madeFrom[typ] || g.shown[typ]
}

// relates says whether a filter of this name follows a relationship of the type.
func (g *graph) relates(typ, name, to string) bool {
	r, ok := g.relations[typ][name]
	return ok && r.typ == to || classes[typ].class == shared
}

// walkText tells the walk: "builds → app".
func (g *graph) walkText(typ string) string {
	text := typ
	for typ != "apps" && len(g.up[typ]) > 0 {
		names := make([]string, 0, 2)
		for _, e := range g.up[typ] {
			names = append(names, e.name)
		}
		text += " → " + strings.Join(names, " or ")
		typ = g.up[typ][0].typ
	}
	return text
}

// learnText tells where a type's ids are found.
func (g *graph) learnText(typ string) string {
	var ways []string
	if len(g.up[typ]) > 0 {
		ways = append(ways, g.walkText(typ))
	}
	if way := g.down[typ]; way != nil {
		last := way[len(way)-1]
		if last.include != "" {
			last.path += " include " + last.include
		}
		ways = append(ways, "below "+last.path)
	}
	if g.madeFrom[typ] {
		ways = append(ways, "from creates")
	}
	if len(ways) == 0 {
		ways = append(ways, "from answers that show it")
	}
	return typ + ": " + strings.Join(ways, ", ")
}
