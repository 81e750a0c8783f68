package access

import (
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
)

func TestSegments(t *testing.T) {
	for _, c := range []struct {
		name, path string
		want       []string // nil: refused
	}{
		{"plain", "/v1/apps/1", []string{"v1", "apps", "1"}},
		{"the root", "/", []string{}},
		{"dots within a segment", "/v1/a.b..c", []string{"v1", "a.b..c"}},
		{"an encoded letter", "/v1/%61pps", []string{"v1", "apps"}},
		{"an encoded space", "/v1/a%20b", []string{"v1", "a b"}},
		{"base64", "/v1/x/YQ%3D%3D", []string{"v1", "x", "YQ=="}},
		{"other signs", "/v1/a~b_c-d!$&'()*+,:@=", []string{"v1", "a~b_c-d!$&'()*+,:@="}},
		{"empty", "", nil},
		{"relative", "v1/apps", nil},
		{"two slashes", "//v1/apps", nil},
		{"two slashes within", "/v1//apps", nil},
		{"a slash at the end", "/v1/apps/", nil},
		{"a dot segment", "/v1/./apps", nil},
		{"two dots", "/v1/../apps", nil},
		{"two dots at the end", "/v1/apps/..", nil},
		{"an encoded dot", "/v1/%2e%2e/apps", nil},
		{"one encoded dot", "/v1/.%2E/apps", nil},
		{"an encoded dot within", "/v1/a%2Eb", nil},
		{"an encoded slash", "/v1/newThings/1%2Fapps", nil},
		{"the same in small letters", "/v1/newThings/1%2fapps", nil},
		{"an encoded percent", "/v1/newThings/%252e%252e", nil},
		{"an encoded backslash", "/v1/newThings/..%5capps", nil},
		{"a backslash", `/v1/newThings\..\apps`, nil},
		{"a semicolon", "/v1/newThings/..;/apps", nil},
		{"an encoded semicolon", "/v1/newThings/x%3Bv=1", nil},
		{"a question mark", "/v1/a?b", nil},
		{"an encoded question mark", "/v1/a%3Fb", nil},
		{"an encoded number sign", "/v1/a%23b", nil},
		{"a null", "/v1/a%00", nil},
		{"a line break", "/v1/a%0d%0ab", nil},
		{"a delete", "/v1/a%7f", nil},
		{"a raw control", "/v1/a\tb", nil},
		{"a raw space", "/v1/a b", nil},
		{"an overlong dot", "/v1/%c0%ae%c0%ae/apps", nil},
		{"a wide dot", "/v1/%EF%BC%8E%EF%BC%8E/apps", nil},
		{"raw bytes", "/v1/\xc0\xae", nil},
		{"broken encoding", "/v1/a%2", nil},
		{"no encoding", "/v1/a%zz", nil},
		{"unicode encoding", "/v1/a%u002e", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Segments(c.path)
			if (err == nil) != (c.want != nil) || err == nil && !slices.Equal(got, c.want) {
				t.Errorf("%q: %q, %v, want %q", c.path, got, err, c.want)
			}
			if err != nil && len(c.path) > 4 && strings.Contains(err.Error(), c.path) {
				t.Errorf("the error quotes the path: %v", err)
			}
		})
	}
}

// FuzzSegments reads what is accepted in the other ways that servers and proxies
// read paths: all must find the same segments.
func FuzzSegments(f *testing.F) {
	for _, s := range []string{"/v1/apps/1", "/v1/%61pps", "/v1/a%20b", "/v1/%2e%2e", "/v1/..;/x", "/v1/%252e", "/v1//x", `/v1/..\x`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		segments, err := Segments(s)
		if err != nil {
			return
		}
		want := "/" + strings.Join(segments, "/")
		once, err := url.PathUnescape(s)
		if err != nil || once != want {
			t.Fatalf("%q: net/url reads %q, %v", s, once, err)
		}
		if twice, err := url.PathUnescape(once); err != nil || twice != want {
			t.Fatalf("%q: decoded twice it is %q, %v", s, twice, err)
		}
		for name, read := range map[string]string{
			"cleaned": path.Clean(once), "cleaned before it is decoded": path.Clean(s),
			"backslashes taken for slashes": path.Clean(strings.ReplaceAll(once, `\`, "/")), "parameters left out": path.Clean(withoutParameters(once)),
		} {
			if read != want && read != s {
				t.Fatalf("%q, %s, is %q", s, name, read)
			}
		}
		u, err := url.ParseRequestURI(s)
		if err != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != want {
			t.Fatalf("%q: as a request's target it is %+v, %v", s, u, err)
		}
		if again, err := Segments(u.EscapedPath()); err != nil || !slices.Equal(again, segments) {
			t.Fatalf("%q: sent on as %q it is %q, %v", s, u.EscapedPath(), again, err)
		}
	})
}

// withoutParameters reads a path as servlet containers do.
func withoutParameters(p string) string {
	parts := strings.Split(p, "/")
	for i := range parts {
		parts[i], _, _ = strings.Cut(parts[i], ";")
	}
	return strings.Join(parts, "/")
}
