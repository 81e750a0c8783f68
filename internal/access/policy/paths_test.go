package policy

import (
	"regexp"
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/access"
)

const pathRules = `
version: 1
mode: audit
rules:
- {name: one, principals: ["token:x"], paths: ["GET /v1/newThings/*"], teams: [main], apps: all}
- {name: rest, principals: ["token:x"], paths: ["POST /v2/open/**", "GET /v2/a*b/c"], teams: [main], apps: all}
`

func TestDecidePath(t *testing.T) {
	p := parse(t, pathRules)
	for _, c := range []struct {
		name, who, verb, path, team string
		rule                        string // "": denied
	}{
		{"one segment", "token:x", "GET", "/v1/newThings/1", "main", "one"},
		{"an encoded letter is that letter", "token:x", "GET", "/v1/new%54hings/1", "main", "one"},
		{"two segments", "token:x", "GET", "/v1/newThings/1/apps", "main", ""},
		{"no segment", "token:x", "GET", "/v1/newThings", "main", ""},
		{"an empty one", "token:x", "GET", "/v1/newThings/", "main", ""},
		{"another verb", "token:x", "POST", "/v1/newThings/1", "main", ""},
		{"a verb in small letters", "token:x", "get", "/v1/newThings/1", "main", ""},
		{"small letters", "token:x", "GET", "/v1/newthings/1", "main", ""},
		{"another team", "token:x", "GET", "/v1/newThings/1", "other", ""},
		{"another caller", "token:y", "GET", "/v1/newThings/1", "main", ""},
		{"up and down again", "token:x", "GET", "/v1/newThings/..", "main", ""},
		{"the same, encoded", "token:x", "GET", "/v1/newThings/%2e%2e", "main", ""},
		{"an encoded slash", "token:x", "GET", "/v1/newThings/1%2Fapps", "main", ""},
		{"an encoded percent", "token:x", "GET", "/v1/newThings/%252e", "main", ""},
		{"a semicolon", "token:x", "GET", "/v1/newThings/1;v=2", "main", ""},
		{"a query", "token:x", "GET", "/v1/newThings/1?a=b", "main", ""},
		{"the rest, one segment", "token:x", "POST", "/v2/open/a", "main", "rest"},
		{"the rest, three", "token:x", "POST", "/v2/open/a/b/c", "main", "rest"},
		{"the rest is not nothing", "token:x", "POST", "/v2/open", "main", ""},
		{"the rest does not leave", "token:x", "POST", "/v2/open/../apps", "main", ""},
		{"nor by the side", "token:x", "POST", "/v2/openings/a", "main", ""},
		{"part of a segment", "token:x", "GET", "/v2/a-x-b/c", "main", "rest"},
		{"none of it", "token:x", "GET", "/v2/ab/c", "main", "rest"},
		{"a star crosses no slash", "token:x", "GET", "/v2/a/b/c", "main", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := p.DecidePath(&access.Principal{ID: c.who}, c.verb, c.path, c.team)
			if d.Allowed != (c.rule != "") || d.Rule != c.rule || d.WouldDeny {
				t.Errorf("got %+v, want %q", d, c.rule)
			}
		})
	}
	if p.DecidePath(nil, "GET", "/v1/newThings/1", "main").Allowed {
		t.Error("nobody is allowed")
	}
}

func TestPathsOfRules(t *testing.T) {
	known := few(t)
	for text, want := range map[string]string{
		"GET /v1/newThings": "", "GET /v1/newThings/*": "", "GET /v1/newThings/**": "", "DELETE /v3/*/x*y": "",
		"GET /v1/**/apps": "** stands only", "GET /v1/a**": "** stands only", "GET /v1/***": "** stands only", "GET /v1/**/**": "** stands only", "GET /v**": "** stands only",
		"GET /**": "want a method and a path", "GET v1/x": "want a method and a path", "HEAD /v1/x": "want a method and a path", "get /v1/x": "want a method and a path",
		"* /v1/x": "want a method and a path", "/v1/x": "want a method and a path", "GET  /v1/x": "want a method and a path",
		"GET /v1/x/": "empty segment", "GET /v1//x": "empty segment", "GET /v1/../x": "dot segments", "GET /v1/x?a=b": "question mark", "GET /v1/x;a": "semicolon",
		"GET /v1/%41": "without percent-encoding", "GET /v1/x y": "control", "GET /v1/ü": "non-ASCII",
	} {
		rule := "- {name: a, principals: ['token:x'], teams: [t], paths: [\"" + text + "\"], apps: all}\n"
		_, err := Parse("p", []byte("version: 1\nrules:\n"+rule), known)
		bad := err != nil && strings.HasPrefix(err.Error(), "p:3: ") && strings.Contains(err.Error(), want)
		if want == "" && err != nil || want != "" && !bad {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
	const kept = "version: 1\nrules:\n- {name: a, principals: ['token:x'], teams: [t], paths: [GET /v1/x], apps: ['1']}\n"
	_, err := Parse("p", []byte(kept), known)
	if err == nil || !strings.Contains(err.Error(), "p:3: ") || !strings.Contains(err.Error(), "apps: all") {
		t.Errorf("got %v", err)
	}
}

// FuzzPaths compares with a regular expression made of the pattern, over the
// decoded path.
func FuzzPaths(f *testing.F) {
	for _, pattern := range []string{"GET /v1/newThings/*", "GET /v1/a*b/**", "GET /v1/x"} {
		for _, path := range []string{"/v1/newThings/1", "/v1/new%54hings/1", "/v1/newThings/%2e%2e/x", "/v1/aXb/c/d", "/v1/x", "/v1/x/..;/y", "/v1//x"} {
			f.Add(pattern, path)
		}
	}
	f.Fuzz(func(t *testing.T, text, path string) {
		p, err := parsePath(text)
		if err != nil || len(text) > 60 {
			return
		}
		pattern, rest := strings.CutSuffix(text, "/**")
		expr := strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `[^/]*`)
		if rest {
			expr += `(/[^/]+)+`
		}
		want := false
		segments, err := access.Segments(path)
		if err == nil {
			want = regexp.MustCompile(`\A` + expr + `\z`).MatchString("GET /" + strings.Join(segments, "/"))
		}
		r := &rule{name: "a", principals: []string{"token:x"}, teams: []string{"t"}, paths: []pathPattern{p}}
		policy := &Policy{rules: []*rule{r}, views: newViews()}
		if got := policy.DecidePath(&access.Principal{ID: "token:x"}, "GET", path, "t").Allowed; got != want {
			t.Errorf("%q, %q: got %v", text, path, got)
		}
	})
}
