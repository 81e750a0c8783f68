package guard

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	tokensv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/tokens/v1"
	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/access/policy"
	"github.com/asc-gateway/asc-gateway/internal/audit"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// notes is a record in memory.
type notes struct{ list []audit.Record }

func (n *notes) Begin(context.Context, audit.Record) (func(audit.Record) error, error) {
	return func(audit.Record) error { return nil }, nil
}
func (n *notes) Append(context.Context, audit.Record) error { return nil }
func (n *notes) Deny(r audit.Record)                        { n.list = append(n.list, r) }

// everyMethod is Apple's operations and MintToken.
func everyMethod(t testing.TB) (list []*access.Method) {
	t.Helper()
	entries, _, err := service.Entries()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, &access.Method{FullName: e.FullName, Verb: e.Verb, Template: e.Template, Area: e.Area(),
			Type: e.Type, Shape: e.Shape, Describe: e.Desc})
	}
	md := tokensv1.File_ascgateway_tokens_v1_tokens_proto.Services().ByName("TokenService").Methods().ByName("MintToken")
	return append(list, &access.Method{FullName: mintMethod, Verb: "POST", Area: "tokens", Own: true,
		Describe: func() protoreflect.MethodDescriptor { return md }})
}

// guarded is a guard with a policy, "" for none, and its record.
func guarded(t testing.TB, text string) (*Guard, *notes) {
	t.Helper()
	n := &notes{}
	teams := func() []string { return []string{"main"} }
	g := New(Deps{Methods: everyMethod(t), Audit: n, Teams: teams, Log: slog.New(slog.DiscardHandler)})
	if text == "" {
		return g, n
	}
	p, err := policy.Parse("policy.yaml", []byte(text), g.Methods())
	if err != nil {
		t.Fatal(err)
	}
	g.policy.Store(p) // what restricts is not needed here
	return g, n
}

const mintPolicy = `version: 1
rules:
- {name: reads, principals: ["token:reader"], methods: [read, "ascgateway.tokens.v1.TokenService/*"], except: [revenue], teams: [main], apps: all}
- {name: no token, principals: ["token:other"], methods: [read], teams: [main], apps: all}
- {name: kept, principals: ["token:kept"], methods: [read, write], teams: [main], apps: ["1"]}
- {name: mints, principals: ["token:half", "token:ahead"], methods: [access], teams: [main], apps: all}
- {name: half, principals: ["token:half"], methods: [read], teams: [main], apps: ["1"]}
- {name: ahead, principals: ["token:ahead"], paths: ["GET /v1/newThings/*", "GET /v1/**"], teams: [main], apps: all}
`

// TestMayMint holds that a token's scope covers at most what its caller may do.
func TestMayMint(t *testing.T) {
	for _, mode := range []string{"enforce", "audit"} {
		g, record := guarded(t, strings.Replace(mintPolicy, "version: 1", "version: 1\nmode: "+mode, 1))
		for _, c := range []struct {
			name, who, team, verb, target string
			want                          fault.Kind // OK: allowed
		}{
			{"a read", "token:reader", "main", "GET", "/v1/apps", allowed},
			{"with a query", "token:reader", "main", "GET", "/v1/apps?filter[platform]=IOS", allowed},
			{"with an encoded query", "token:reader", "main", "GET", "/v1/apps?filter%5Bplatform%5D=IOS&limit=1", allowed},
			{"one thing", "token:reader", "main", "GET", "/v1/apps/15", allowed},
			{"what belongs to it", "token:reader", "main", "GET", "/v1/apps/15/relationships/builds", allowed},
			{"a write", "token:reader", "main", "POST", "/v1/bundleIds", fault.PermissionDenied},
			{"a delete", "token:reader", "main", "DELETE", "/v1/bundleIds/1", fault.PermissionDenied},
			{"what is excepted", "token:reader", "main", "GET", "/v1/salesReports?filter[vendorNumber]=1", fault.PermissionDenied},
			{"another team", "token:reader", "other", "GET", "/v1/apps", fault.PermissionDenied},
			{"an unknown path", "token:reader", "main", "GET", "/v1/newThings/1", fault.PermissionDenied},
			{"a caller that may not mint", "token:other", "main", "GET", "/v1/apps", fault.PermissionDenied},
			{"a caller that is kept to apps", "token:kept", "main", "GET", "/v1/apps", fault.PermissionDenied},
			{"even for its app", "token:kept", "main", "GET", "/v1/apps/1", fault.PermissionDenied},
			{"one that is kept for reads alone", "token:half", "main", "GET", "/v1/apps", fault.PermissionDenied},
			{"what it is not kept for", "token:half", "main", "GET", "/v1/users", allowed},
			{"a stranger", "token:none", "main", "GET", "/v1/apps", fault.PermissionDenied},
			{"nobody", "", "main", "GET", "/v1/apps", fault.PermissionDenied},
			{"a path that a rule names", "token:ahead", "main", "GET", "/v1/newThings/1", allowed},
			{"with another verb", "token:ahead", "main", "POST", "/v1/newThings/1", fault.PermissionDenied},
			{"a known path is not unknown", "token:ahead", "main", "GET", "/v1/apps/1", fault.PermissionDenied},
			{"not in other letters either", "token:ahead", "main", "GET", "/v1/Apps/1", fault.PermissionDenied},
			{"not in other letters, reader", "token:reader", "main", "GET", "/v1/APPS", fault.PermissionDenied},
			{"up and down again", "token:ahead", "main", "GET", "/v1/newThings/../users", fault.InvalidArgument},
			{"encoded", "token:reader", "main", "GET", "/v1/%61pps", fault.InvalidArgument},
			{"an encoded slash", "token:ahead", "main", "GET", "/v1/newThings/1%2Fx", fault.InvalidArgument},
			{"an encoded dot", "token:ahead", "main", "GET", "/v1/newThings/%2e", fault.InvalidArgument},
			{"an encoded percent", "token:ahead", "main", "GET", "/v1/newThings/%252e", fault.InvalidArgument},
			{"a semicolon", "token:ahead", "main", "GET", "/v1/newThings/1;x", fault.InvalidArgument},
			{"a slash at the end", "token:reader", "main", "GET", "/v1/apps/", fault.InvalidArgument},
			{"two slashes", "token:reader", "main", "GET", "/v1//apps", fault.InvalidArgument},
			{"a star", "token:reader", "main", "GET", "/v1/apps/*", fault.InvalidArgument},
			{"two stars", "token:ahead", "main", "GET", "/v1/**", fault.InvalidArgument},
			{"a star in the query", "token:reader", "main", "GET", "/v1/apps?*", fault.InvalidArgument},
			{"an encoded star in the query", "token:reader", "main", "GET", "/v1/apps?a=%2A", fault.InvalidArgument},
			{"a second question mark", "token:reader", "main", "GET", "/v1/apps?a=b?c", fault.InvalidArgument},
			{"a fragment", "token:reader", "main", "GET", "/v1/apps#x", fault.InvalidArgument},
			{"a fragment in the query", "token:reader", "main", "GET", "/v1/apps?a#x", fault.InvalidArgument},
			{"a space in the query", "token:reader", "main", "GET", "/v1/apps?a=b GET /v1/users", fault.InvalidArgument},
			{"a line break in the query", "token:reader", "main", "GET", "/v1/apps?a=%0aGET", fault.InvalidArgument},
			{"broken encoding in the query", "token:reader", "main", "GET", "/v1/apps?a=%2", fault.InvalidArgument},
			{"a semicolon in the query", "token:reader", "main", "GET", "/v1/apps?a=b;c=d", fault.InvalidArgument},
		} {
			t.Run(mode+"/"+c.name, func(t *testing.T) {
				ctx := t.Context()
				if c.who != "" {
					ctx = access.NewContext(ctx, &access.Principal{ID: c.who})
				}
				record.list = nil
				err := g.MayMint(ctx, c.team, c.verb, c.target)
				if got := kindOf(err); got != c.want {
					t.Errorf("got %v (%v), want %v", got, err, c.want)
				}
				if denied := c.want == fault.PermissionDenied; denied != (len(record.list) == 1) {
					t.Errorf("on record: %+v", record.list)
				} else if denied {
					r := record.list[0]
					if r.Principal != c.who || r.Resources[0] != c.verb+" "+c.target || r.Method != mintMethod[1:] {
						t.Errorf("on record: %+v", r)
					}
				}
			})
		}
	}
}

// allowed is no kind of fault.
const allowed fault.Kind = 255

func kindOf(err error) fault.Kind {
	if err == nil {
		return allowed
	}
	return fault.As(err).Kind
}

func TestMayMintWithoutAPolicy(t *testing.T) {
	g, _ := guarded(t, "")
	ctx := access.NewContext(t.Context(), &access.Principal{ID: "token:x"})
	for target, want := range map[string]fault.Kind{"/v1/apps": allowed, "/v1/newThings": fault.PermissionDenied, "/v1/apps/..": fault.InvalidArgument} {
		if err := g.MayMint(ctx, "main", "GET", target); kindOf(err) != want {
			t.Errorf("%s: %v, want %v", target, err, want)
		}
	}
	if err := g.MayMint(t.Context(), "main", "GET", "/v1/apps"); kindOf(err) != fault.PermissionDenied {
		t.Errorf("nobody: %v", err)
	}
}

// TestEnterPath holds that a path is refused by the guard itself.
func TestEnterPath(t *testing.T) {
	g, _ := guarded(t, "version: 1\nrules:\n- {name: a, principals: ['token:x'], teams: [main], apps: all,\n"+
		"   paths: ['GET /v1/newThings/*', 'GET /v1/**', 'DELETE /v1/**']}\n")
	ctx := access.NewContext(t.Context(), &access.Principal{ID: "token:x"})
	for path, want := range map[string]fault.Kind{
		"/v1/newThings/1": allowed, "/v1/newThings/a%20b": allowed, "/v2/newThings/1": fault.PermissionDenied, "/": fault.PermissionDenied,
		"/v1/newThings/%2e%2e": fault.InvalidArgument, "/v1/newThings/1%2Fx": fault.InvalidArgument, "/v1/newThings/%25": fault.InvalidArgument,
		"/v1/newThings/;": fault.InvalidArgument, "/v1/newThings/%00": fault.InvalidArgument, "/v1/../v1/apps": fault.InvalidArgument,
		"/v1/apps": fault.InvalidArgument, "/v1/APPS/1": fault.InvalidArgument, "/v1/%61pps": fault.InvalidArgument, "/v1/apps/1/apps": allowed,
	} {
		_, _, err := g.EnterPath(ctx, "GET", path, "main", "")
		if kindOf(err) != want {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
	if _, _, err := g.EnterPath(ctx, "DELETE", "/v1/apps/1", "main", ""); err != nil {
		t.Errorf("a verb that no operation has: %v", err)
	}
}

// FuzzRoutes lets net/http's mux find the operations too.
func FuzzRoutes(f *testing.F) {
	methods := everyMethod(f)
	mux, r := http.NewServeMux(), newRoutes(methods)
	for _, m := range methods {
		if m.Template != "" {
			mux.HandleFunc(m.Verb+" "+m.Template, func(http.ResponseWriter, *http.Request) {})
		}
	}
	for _, m := range methods[:len(methods)-1] {
		if len(m.FullName)%9 == 0 {
			f.Add(m.Verb, strings.ReplaceAll(m.Template, "{id}", "1"))
		}
	}
	f.Add("GET", "/v1/apps/builds")
	f.Fuzz(func(t *testing.T, verb, path string) {
		segments, err := access.Segments(path)
		if err != nil || verb == http.MethodHead {
			return
		}
		u, err := url.ParseRequestURI(path)
		if err != nil {
			return
		}
		_, pattern := mux.Handler(&http.Request{Method: verb, URL: u})
		found := r.find(verb, segments)
		ok := pattern == "" && len(found) == 0
		for _, m := range found {
			ok = ok || pattern == m.Verb+" "+m.Template
		}
		if !ok || len(found) > 0 && !r.resembles(verb, segments) {
			t.Errorf("%s %q: the mux finds %q, routes find %d", verb, path, pattern, len(found))
		}
	})
}
