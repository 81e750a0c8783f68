package cli

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoregistry"
)

var testDeps = Deps{Getenv: func(string) string { return "" }}

// requestOf is the request that arguments make, and its message.
func requestOf(t testing.TB, args ...string) (proto.Message, error) {
	t.Helper()
	c := &caller{deps: testDeps, stdin: strings.NewReader("")}
	m, rest, err := c.method(args)
	if err != nil {
		return nil, err
	}
	return c.request(m, rest)
}

func TestFieldsOfArguments(t *testing.T) {
	for _, c := range []struct{ name, args, want string }{
		{"a number", "ListBuilds page_size=5", `{"pageSize":5}`},
		{"a list with commas", "ListBuilds filter.app=1,2", `{"filter":{"app":["1","2"]}}`},
		{"a list in several arguments", "ListBuilds filter.app=1 filter.app=2", `{"filter":{"app":["1","2"]}}`},
		{"a comma of a value", `ListBuilds filter.version=1\,2,3`, `{"filter":{"version":["1,2","3"]}}`},
		{"a list as JSON", `ListBuilds filter.version=["1,2"]`, `{"filter":{"version":["1,2"]}}`},
		{"an enum", "ListBuilds filter.processing_state=VALID,failed", `{"filter":{"processingState":["VALID","FAILED"]}}`},
		{"an odd enum, as Apple spells it", "CreateDevice platform=MAC_OS", `{"platform":"MAC_OS"}`},
		{"JSON's name", "ListBuilds pageSize=5 filter.processingState=VALID", `{"pageSize":5,"filter":{"processingState":["VALID"]}}`},
		{"Apple's name with a dot", "ListBuilds filter.preReleaseVersion.version=3", `{"filter":{"preReleaseVersionVersion":["3"]}}`},
		{"Apple's brackets", "ListBuilds filter[preReleaseVersion.version]=3", `{"filter":{"preReleaseVersionVersion":["3"]}}`},
		{"a fieldset", "ListBuilds fields.builds=version,icons", `{"fields":{"builds":{"names":["version","icons"]}}}`},
		{"a limit of a relation", "ListBuilds limit.icons=3", `{"limit":{"icons":3}}`},
		{"Apple's own limit and cursor", "ListBuilds limit=3 cursor=x", `{"pageSize":3,"pageToken":"x"}`},
		{"exists", "ListBuilds exists.uses_non_exempt_encryption=true", `{"exists":{"usesNonExemptEncryption":true}}`},
		{"a query of its own", "ListBuilds extra_query.a.b=c", `{"extraQuery":{"a.b":"c"}}`},
		{"a relationship", "CreateBetaGroup app.id=1", `{"app":{"id":"1"}}`},
		{"a relationship in short", "CreateBetaGroup app=1 beta_testers=2,3", `{"app":{"id":"1"},"betaTesters":{"ids":["2","3"]}}`},
		{"none of a relationship", "CreateBetaGroup app={} builds={}", `{"app":{},"builds":{}}`},
		{"clear", "UpdateBetaGroup id=1 clear=public_link_limit", `{"id":"1","clear":["public_link_limit"]}`},
		{"a value with =", "CreateBetaGroup name=a=b", `{"name":"a=b"}`},
		{"an empty text", "CreateBetaGroup name=", `{"name":""}`},
		{"a bool", "CreateBetaGroup is_internal_group=false", `{"isInternalGroup":false}`},
		{"the id of the path alone", "GetBuild 7 include=app", `{"id":"7","include":["app"]}`},
		{"a time", "UpdateAppStoreVersion 7 earliest_release_date=2026-01-31T15:04:05+01:00", `{"id":"7","earliestReleaseDate":"2026-01-31T14:04:05Z"}`},
		{"a day as a time", "UpdateAppStoreVersion 7 earliest_release_date=2026-01-31", `{"id":"7","earliestReleaseDate":"2026-01-31T00:00:00Z"}`},
		{"a duration", "WatchQuota interval=90s", `{"interval":"90s"}`},
		{"Apple's request", "GET /v1/builds/7?include=app&fields[apps]=name,sku", `{"id":"7","include":["app"],"fields":{"apps":{"names":["name","sku"]}}}`},
		{"Apple's operation id", "builds_getInstance 7", `{"id":"7"}`},
		{"a full name", "asc.testflight.v1.BuildsService/GetBuild 7", `{"id":"7"}`},
		{"a service's name", "BuildsService/GetBuild 7", `{"id":"7"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := requestOf(t, strings.Split(c.args, " ")...)
			if err != nil {
				t.Fatal(err)
			}
			want := got.ProtoReflect().New().Interface()
			if err := protojson.Unmarshal([]byte(c.want), want); err != nil {
				t.Fatal(err)
			}
			if !proto.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

func TestWrongArguments(t *testing.T) {
	for _, c := range []struct{ name, args, want string }{
		{"a method", "ListBuild", "there is no method ListBuild; did you mean ListBuilds?"},
		{"a path", "GET /v1/build", "there is no operation GET /v1/build; did you mean /v1/builds?"},
		{"a verb", "DELETE /v1/builds", "the path takes GET"},
		{"no path", "GET", "missing the path"},
		{"a field", "ListBuilds filter.ap=1", "filter.ap: no such field; did you mean filter.app?"},
		{"a field of nothing", "ListBuilds page_size.x=1", "page_size is a single value"},
		{"no value", "ListBuilds page_size", "want FIELD=VALUE"},
		{"a number", "ListBuilds page_size=many", `page_size: want a whole number, not "many"`},
		{"a number that is too large", "ListBuilds page_size=99999999999", "want a whole number"},
		{"an enum", "ListBuilds filter.processing_state=VALD", `"VALD" is no value of it; did you mean VALID?`},
		{"a bool", "CreateBetaGroup is_internal_group=maybe", "want true or false"},
		{"twice", "ListBuilds page_size=1 page_size=2", "page_size: stands twice"},
		{"a map without a name", "ListBuilds fields=1", "fields.NAME=VALUE"},
		{"an empty id", "CreateBetaGroup app=", "for none at all write app={}"},
		{"an empty element", "ListBuilds filter.app=1,,2", "an empty value"},
		{"a time", "UpdateAppStoreVersion 7 earliest_release_date=soon", "want a time such as"},
		{"broken JSON", "CreateBetaGroup app={", "is not JSON"},
		{"JSON of another type", `CreateBetaGroup app={"id":7}`, "another type"},
		{"two bodies", "CreateBetaGroup @a @b", "one request as JSON is enough"},
		{"no file", "CreateBetaGroup @/none/x", "cannot be read"},
		{"standard input without JSON", "CreateBetaGroup -", "standard input is not JSON"},
		{"a malformed query", "GET /v1/builds?a=%zz", "the value is malformed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := requestOf(t, strings.Split(c.args, " ")...)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if ExitCode(err) != ExitUsage {
				t.Errorf("exit code %d", ExitCode(err))
			}
		})
	}
}

func TestBodies(t *testing.T) {
	for _, c := range []struct{ name, args, body, want, says string }{
		{"values", "CreateBetaGroup -", `{"name":"a","app":{"id":"1"},"publicLinkLimit":5}`, `{"name":"a","app":{"id":"1"},"publicLinkLimit":5}`, ""},
		{"null clears", "UpdateBetaGroup - id=1", `{"name":null}`, `{"id":"1","clear":["name"]}`, ""},
		{"arguments count more", "CreateBetaGroup - name=b", `{"name":"a"}`, `{"name":"b"}`, ""},
		{"an enum as Apple spells it", "CreateDevice -", `{"platform":"IOS"}`, `{"platform":"IOS"}`, ""},
		{"a list of a list", "ListBuilds @-", `{"filter":{"app":["1"]},"fields":{"apps":{"names":["name"]}}}`, `{"filter":{"app":["1"]},"fields":{"apps":{"names":["name"]}}}`, ""},
		{"a field that is not there", "CreateBetaGroup -", `{"nam":"a"}`, "", "did you mean name?"},
		{"a line that is broken", "CreateBetaGroup -", "{\n\"name\":\n x}", "", "(line 3)"},
		{"more than one", "CreateBetaGroup -", "{} {}", "", "more than one JSON value"},
		{"no object", "CreateBetaGroup -", "[]", "", "want a JSON object"},
		{"too deep", "CreateBetaGroup -", strings.Repeat(`{"app":`, 200) + strings.Repeat("}", 200), "", "not JSON"},
	} {
		t.Run(c.name, func(t *testing.T) {
			call := &caller{deps: testDeps, stdin: strings.NewReader(c.body)}
			m, rest, err := call.method(strings.Split(c.args, " "))
			if err != nil {
				t.Fatal(err)
			}
			got, err := call.request(m, rest)
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Errorf("got %v, want %q", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := got.ProtoReflect().New().Interface()
			if err := protojson.Unmarshal([]byte(c.want), want); err != nil {
				t.Fatal(err)
			}
			if !proto.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// TestEveryMethodIsFound finds each method by each of its names, and by Apple's
// request.
func TestEveryMethodIsFound(t *testing.T) {
	all := newCatalog(protoregistry.GlobalFiles)
	if len(all.methods) < 1200 {
		t.Fatalf("%d methods", len(all.methods))
	}
	names := all.names()
	for i, m := range all.methods {
		for _, name := range []string{names[i], m.fullName(), "/" + m.fullName()} {
			if got, err := all.find(name); err != nil || got != m {
				t.Errorf("%s: %v", name, err)
			}
		}
		if m.path == "" {
			continue
		}
		path := strings.NewReplacer("{", "", "}", "").Replace(m.path)
		if got, _, _, err := all.route(m.verb, path); err != nil || got != m {
			t.Errorf("%s %s: %v", m.verb, path, err)
		}
	}
}

func FuzzArguments(f *testing.F) {
	for _, s := range []string{"page_size=5", "filter.app=1,2", "filter[app]=1", "fields.builds=a", `filter={"app":["1"]}`, "limit=3",
		`include=["a"]`, "extra_query.x=y", "=", "a[", "filter.preReleaseVersion.version=3", `filter.app=\,`, "fields={}"} {
		f.Add(s, s)
	}
	all := newCatalog(protoregistry.GlobalFiles)
	list, err := all.find("ListBuilds")
	if err != nil {
		f.Fatal(err)
	}
	write, err := all.find("CreateSubscriptionIntroductoryOffer")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, m := range []*method{list, write} {
			req, err := newMessage(m.input())
			if err != nil {
				t.Fatal(err)
			}
			s := &setter{seen: map[string]bool{}}
			for _, arg := range []string{a, b} {
				if err := s.set(req.ProtoReflect(), arg); err != nil && ExitCode(err) != ExitUsage {
					t.Errorf("%q: %v", arg, err)
				}
			}
			if _, err := proto.Marshal(req); err != nil {
				t.Errorf("%q %q: %v", a, b, err)
			}
			if _, err := appendJSON(nil, req.ProtoReflect()); err != nil {
				t.Errorf("%q %q: %v", a, b, err)
			}
		}
	})
}
