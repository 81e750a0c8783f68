package policy

import "strings"

// Separators of the segments of names. A star never crosses one.
const (
	methodSeparators    = "./"
	principalSeparators = "/:"
)

// MatchMethod matches "asc.testflight.v1.BuildsService/List*".
func MatchMethod(pattern, name string) bool { return match(pattern, name, methodSeparators) }

// matchPrincipal matches "spiffe://example.org/ns/ci/sa/*".
func matchPrincipal(pattern, id string) bool { return match(pattern, id, principalSeparators) }

// match compares segment by segment: * stands for any part of one segment,
// however short; a last segment ** stands for one or more segments. Case
// matters, and the separators must be the same.
func match(pattern, s, separators string) bool {
	for {
		if pattern == "**" {
			return s != ""
		}
		p, q := strings.IndexAny(pattern, separators), strings.IndexAny(s, separators)
		if p < 0 || q < 0 {
			return p < 0 && q < 0 && segment(pattern, s)
		}
		if pattern[p] != s[q] || !segment(pattern[:p], s[:q]) {
			return false
		}
		pattern, s = pattern[p+1:], s[q+1:]
	}
}

// segment matches one segment.
func segment(pattern, s string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == s
	}
	if !strings.HasPrefix(s, first) {
		return false
	}
	s = s[len(first):]
	for {
		next, more, star := strings.Cut(rest, "*")
		if !star {
			return strings.HasSuffix(s, rest)
		}
		i := strings.Index(s, next)
		if i < 0 {
			return false
		}
		s, rest = s[i+len(next):], more
	}
}
