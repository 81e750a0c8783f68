package guard

import (
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/access"
)

// routes finds the operations of Apple's that a request can stand for, as a mux
// would, but for one thing: it finds all, not only the most specific.
type routes struct {
	verbs map[string]*route
}

// route is what follows after some segments of a path.
type route struct {
	named   map[string]*route
	any     *route // {id}
	methods []*access.Method
}

func newRoutes(methods []*access.Method) *routes {
	r := &routes{verbs: map[string]*route{}}
	for _, m := range methods {
		if m.Template == "" {
			continue // the gateway's own
		}
		at := r.verbs[m.Verb]
		if at == nil {
			at = &route{}
			r.verbs[m.Verb] = at
		}
		for s := range strings.SplitSeq(strings.TrimPrefix(m.Template, "/"), "/") {
			at = at.child(s)
		}
		at.methods = append(at.methods, m)
	}
	return r
}

// child is the route behind one more segment of a template.
func (r *route) child(segment string) *route {
	if strings.HasPrefix(segment, "{") {
		if r.any == nil {
			r.any = &route{}
		}
		return r.any
	}
	if r.named == nil {
		r.named = map[string]*route{}
	}
	if r.named[segment] == nil {
		r.named[segment] = &route{}
	}
	return r.named[segment]
}

// find are the operations of a verb and the decoded segments of a path.
func (r *routes) find(verb string, segments []string) []*access.Method {
	return r.verbs[verb].find(segments, func(at *route, s string) []*route {
		if next := at.named[s]; next != nil {
			return []*route{next}
		}
		return nil
	})
}

// resembles says that a path differs from that of an operation in nothing but
// capital letters, or not at all.
func (r *routes) resembles(verb string, segments []string) bool {
	return len(r.verbs[verb].find(segments, func(at *route, s string) (list []*route) {
		for name, next := range at.named {
			if strings.EqualFold(name, s) {
				list = append(list, next)
			}
		}
		return list
	})) > 0
}

func (r *route) find(segments []string, named func(*route, string) []*route) (found []*access.Method) {
	if r == nil {
		return nil
	}
	if len(segments) == 0 {
		return r.methods
	}
	for _, next := range named(r, segments[0]) {
		found = append(found, next.find(segments[1:], named)...)
	}
	return append(found, r.any.find(segments[1:], named)...)
}
