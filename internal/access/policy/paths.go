package policy

import (
	"errors"
	"slices"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/access"
)

// pathPattern is "GET /v1/newThings/*": requests that no operation is known for.
type pathPattern struct {
	verb     string
	segments []string // * stands for any part of one segment
	rest     bool     // it ends in **: one or more segments follow
}

var (
	errPathPattern = errors.New("want a method and a path, such as GET /v1/newThings/*")
	errPathStars   = errors.New("** stands only as the last segment: GET /v1/newThings/**")
)

// parsePath reads a pattern. It is written plainly: nothing in it is encoded.
func parsePath(text string) (p pathPattern, err error) {
	verb, path, _ := strings.Cut(text, " ")
	if !slices.Contains([]string{"GET", "POST", "PATCH", "DELETE"}, verb) || !strings.HasPrefix(path, "/v") {
		return p, errPathPattern
	}
	if strings.Contains(path, "%") {
		return p, errors.New("a pattern is written without percent-encoding")
	}
	p.verb = verb
	if p.segments, err = access.Segments(path); err != nil {
		return p, err
	}
	if last := len(p.segments) - 1; p.segments[last] == "**" {
		p.segments, p.rest = p.segments[:last], true
	}
	if slices.ContainsFunc(p.segments, func(s string) bool { return strings.Contains(s, "**") }) {
		return p, errPathStars
	}
	return p, nil
}

// noMethod stands for the operation of a path that none is known for. Rules with
// paths are for every app, so that nobody looks for it.
const noMethod = -1

// matches compares segment by segment; segments are decoded.
func (p *pathPattern) matches(verb string, segments []string) bool {
	if verb != p.verb || len(segments) < len(p.segments) || (len(segments) > len(p.segments)) != p.rest {
		return false
	}
	for i, pattern := range p.segments {
		if !segment(pattern, segments[i]) {
			return false
		}
	}
	return true
}

// DecidePath says whether a principal may use a path of Apple's that no
// operation is known for. Only rules that name it allow it, in every mode. The
// path is as it stands in the request line, without the query; one that
// [access.Segments] refuses is denied.
func (p *Policy) DecidePath(who *access.Principal, verb, escaped, team string) Decision {
	d := Decision{Reason: "no operation is known for the path, and no rule names it for the caller"}
	segments, err := access.Segments(escaped)
	if who == nil || err != nil {
		return d
	}
	for _, r := range p.rulesOf(who) {
		if r.forTeam(team) && slices.ContainsFunc(r.paths, func(p pathPattern) bool { return p.matches(verb, segments) }) {
			d.add(r, noMethod)
		}
	}
	d.Audit = p.Mode == Audit
	return d
}
