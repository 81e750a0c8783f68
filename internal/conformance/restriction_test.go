package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/access/policy"
	"github.com/asc-gateway/asc-gateway/internal/access/restrict"
	"github.com/asc-gateway/asc-gateway/internal/gateway"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/keys/filekey"
	"github.com/asc-gateway/asc-gateway/internal/sandbox"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// leak marks every resource object of app B in what the sandbox answers.
const leak = "LEAKED-FROM-B"

// ofNoApp are the types that belong to no single app. They are stated here
// again, so that the table under test is not its own judge.
var ofNoApp = strings.Fields(`actors alternativeDistributionDomains appCategories betaRecruitmentCriterionOptions certificates ciMacOsVersions ciXcodeVersions
	devices financeReports gameCenterGroups gameCenterMatchmakingQueues gameCenterMatchmakingRuleSetTests gameCenterMatchmakingRuleSets
	gameCenterMatchmakingRules gameCenterMatchmakingTeams gameCenterMatchmakingTestPlayerProperties marketplaceWebhooks merchantIds nominations passTypeIds
	salesReports sandboxTesters scmGitReferences scmProviders scmPullRequests scmRepositories territories userInvitations users`)

// beyondTheApp are relationships that lead from one app to another.
var beyondTheApp = strings.Fields(`groupAchievement groupLeaderboard groupLeaderboardSet defaultGroupLeaderboard compatibleVersions compatibilityVersions`)

// object is what the sandbox's control API tells of one.
type object struct {
	ID            string
	Attributes    json.RawMessage
	Relationships map[string][]string
}

// apps is a gateway before a sandbox with the apps A and B, and a caller that is
// kept to A.
type apps struct {
	sandbox *sandbox.Sandbox
	gateway *gateway.Gateway
	conn    *grpc.ClientConn
	token   string // of the caller that is kept to A
	admin   string

	owner map[string]string // "type/id" → "A", "B"
	ids   map[string]map[string][]string
	ofB   []string // all ids of B's
}

// newApps makes the world. What goes to the sandbox passes through between.
func newApps(t *testing.T, between func(a *apps) http.Handler) *apps {
	t.Helper()
	s, err := sandbox.New(sandbox.Config{HourLimit: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	a := &apps{sandbox: s}
	a.divide(t)
	private, err := s.NewKey("KEY")
	if err != nil {
		t.Fatal(err)
	}
	upstream := httptest.NewServer(between(a))
	t.Cleanup(upstream.Close)
	log := slog.New(slog.DiscardHandler)
	ring := keys.NewRing(map[string][]keys.Credential{"team": {{ID: "KEY", Key: filekey.FromPrivate("KEY", private), Issuer: sandbox.DefaultIssuer}}}, time.Now, log, nil)
	t.Cleanup(ring.Close)
	var sums [2]string
	a.token, sums[0] = authn.NewToken()
	a.admin, sums[1] = authn.NewToken()
	callers, err := authn.New(authn.Config{Tokens: []authn.StaticToken{{Name: "a", SHA256: sums[0]}, {Name: "admin", SHA256: sums[1]}}}, authn.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	if a.gateway, err = gateway.New(gateway.Deps{BaseURL: upstream.URL, Ring: ring, Log: log, Authn: callers, Passthrough: true}); err != nil {
		t.Fatal(err)
	}
	p, err := policy.Parse("policy.yaml", fmt.Appendf(nil, `
version: 1
rules:
- {name: kept to A, principals: ["token:a"], methods: [read, write], teams: [team], apps: [%q]}
- {name: admin, principals: ["token:admin"], methods: [read, write], teams: [team]}
`, a.id("A", "apps")), a.gateway.Guard.Methods())
	if err != nil {
		t.Fatal(err)
	}
	if err := a.gateway.Guard.SetPolicy(p); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = a.gateway.Server.GRPC().Serve(l) }()
	t.Cleanup(a.gateway.Server.GRPC().Stop)
	if a.conn, err = grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.conn.Close(); a.gateway.Close() })
	return a
}

// control asks the sandbox's control API.
func (a *apps) control(path string, into any) error {
	w := httptest.NewRecorder()
	a.sandbox.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return json.Unmarshal(w.Body.Bytes(), into)
}

func (a *apps) state(t *testing.T) map[string][]object {
	t.Helper()
	var counts struct{ Objects map[string]int }
	if err := a.control("/_sandbox/state", &counts); err != nil {
		t.Fatal(err)
	}
	out := map[string][]object{}
	for typ := range counts.Objects {
		var list struct{ Objects []object }
		if err := a.control("/_sandbox/state/"+typ, &list); err != nil {
			t.Fatal(err)
		}
		out[typ] = list.Objects
	}
	return out
}

// divide finds what belongs to the first app, A, and to the second, B: what is
// related to them, near or far, without leaving the app.
func (a *apps) divide(t *testing.T) {
	t.Helper()
	state := a.state(t)
	typeOf := map[string]string{} // ids are unique in the sandbox
	neighbours, by := map[string][]string{}, map[string]string{}
	for typ, list := range state {
		for _, o := range list {
			typeOf[o.ID] = typ
			for rel, ids := range o.Relationships {
				if slices.Contains(beyondTheApp, rel) {
					continue
				}
				for _, id := range ids {
					neighbours[o.ID] = append(neighbours[o.ID], id)
					by[o.ID+id], by[id+o.ID] = typ+"."+rel, typ+"."+rel
					neighbours[id] = append(neighbours[id], o.ID)
				}
			}
		}
	}
	a.owner, a.ids = map[string]string{}, map[string]map[string][]string{"A": {}, "B": {}}
	for i, app := range []string{"A", "B"} {
		queue, chain := []string{state["apps"][i].ID}, map[string]string{}
		for len(queue) > 0 {
			id := queue[0]
			queue = queue[1:]
			typ := typeOf[id]
			if typ == "" || slices.Contains(ofNoApp, typ) || a.owner[typ+"/"+id] == app {
				continue
			}
			if typ == "apps" && id != state["apps"][i].ID {
				t.Fatalf("%s leads to another app: the world is not divided: %s", app, chain[id])
			}
			if other := a.owner[typ+"/"+id]; other != "" {
				t.Fatalf("%s %s belongs to both apps: the world is not divided: %s", typ, id, chain[id])
			}
			a.owner[typ+"/"+id] = app
			a.ids[app][typ] = append(a.ids[app][typ], id)
			if app == "B" {
				a.ofB = append(a.ofB, id)
			}
			for _, n := range neighbours[id] {
				if a.owner[typeOf[n]+"/"+n] != app {
					queue = append(queue, n)
					if chain[n] == "" {
						chain[n] = chain[id] + " " + by[id+n]
					}
				}
			}
		}
	}
	for _, byType := range a.ids { // oldest first, as the sandbox lists them
		for typ, ids := range byType {
			var ordered []string
			for _, o := range state[typ] {
				if slices.Contains(ids, o.ID) {
					ordered = append(ordered, o.ID)
				}
			}
			byType[typ] = ordered
		}
	}
	if len(a.ids["A"]) < 150 || len(a.ids["B"]) < 150 {
		t.Fatalf("the world is too small: %d and %d types", len(a.ids["A"]), len(a.ids["B"]))
	}
}

// id is an id of an app's; of what belongs to no app, any.
func (a *apps) id(app, typ string) string {
	if ids := a.ids[app][typ]; len(ids) > 0 {
		return ids[0]
	}
	if ids := a.sandbox.IDs(typ); len(ids) > 0 {
		return ids[0]
	}
	return "no-" + typ
}

// marked is the sandbox, with a mark in every resource object of B's.
func (a *apps) marked(w http.ResponseWriter, r *http.Request) {
	rec := httptest.NewRecorder()
	a.sandbox.ServeHTTP(rec, r)
	body := rec.Body.Bytes()
	var doc any
	if strings.Contains(rec.Header().Get("Content-Type"), "json") && json.Unmarshal(body, &doc) == nil && a.mark(doc) {
		body, _ = json.Marshal(doc)
		rec.Header().Del("Content-Length")
	}
	maps.Copy(w.Header(), rec.Header())
	w.WriteHeader(rec.Code)
	_, _ = w.Write(body)
}

func (a *apps) mark(v any) (marked bool) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			marked = a.mark(x) || marked
		}
	case map[string]any:
		typ, _ := v["type"].(string)
		id, _ := v["id"].(string)
		if a.owner[typ+"/"+id] == "B" && (v["attributes"] != nil || v["relationships"] != nil) {
			attributes, _ := v["attributes"].(map[string]any)
			if attributes == nil {
				attributes = map[string]any{}
				v["attributes"] = attributes
			}
			attributes["leak"] = leak
			marked = true
		}
		for _, x := range v {
			marked = a.mark(x) || marked
		}
	}
	return marked
}

// call makes a call and returns all that came back, as text.
func (a *apps) call(m *service.Method, req proto.Message, token string) (string, error) {
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+token), 30*time.Second)
	defer cancel()
	if !m.Stream {
		res := m.Output.New().Interface()
		err := a.conn.Invoke(ctx, m.FullName, req, res)
		return text(res, err), err
	}
	stream, err := a.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, m.FullName)
	if err != nil {
		return "", err
	}
	if err := stream.SendMsg(req); err != nil {
		return "", err
	}
	_ = stream.CloseSend()
	var all strings.Builder
	for {
		part := m.Output.New().Interface()
		if err = stream.RecvMsg(part); err != nil {
			break
		}
		all.WriteString(text(part, nil))
	}
	if err == io.EOF {
		err = nil
	}
	return all.String() + text(nil, err), err
}

func text(res proto.Message, err error) string {
	if err != nil {
		b, _ := protojson.Marshal(status.Convert(err).Proto())
		return string(b)
	}
	if res == nil {
		return ""
	}
	b, _ := protojson.Marshal(res)
	return string(b)
}

// filter gives ids of an app's to the filters that take some.
func (a *apps) filter(app string) func(name, typ string) string {
	return func(name, typ string) string {
		for _, guess := range []string{name, name + "s", strings.TrimSuffix(name, "V2") + "s", strings.TrimSuffix(name, "y") + "ies",
			map[string]string{"id": typ, "tester": "betaTesters", "build.preReleaseVersion": "preReleaseVersions", "relatedApps": "apps", "visibleApps": "apps",
				"upfrontPricePointId": "subscriptionPricePoints", "reviewTerritory": "territories"}[name]} {
			if ids := a.sandbox.IDs(guess); guess != "" && len(ids) > 0 {
				return a.id(app, guess)
			}
		}
		return ""
	}
}

// TestAppRestriction calls all methods with the ids of app B, as a caller that is
// kept to app A: nothing of B's may come back or change. And it calls them with
// the ids of A, for a policy that denies everything is none.
func TestAppRestriction(t *testing.T) {
	marked := func(a *apps) http.Handler { return http.HandlerFunc(a.marked) }
	a := newApps(t, marked)
	before := a.snapshot(t)
	denied := map[restrict.Kind]int{}
	table, err := restrict.New(gateway.Methods(a.gateway.Engine.Methods))
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	for _, m := range a.gateway.Engine.Methods {
		kind := table.Rule(m.FullName).Kind
		allDenied := true
		for how, req := range a.attacks(t, m) {
			answer, err := a.call(m, req, a.token)
			calls++
			if what := a.leaked(answer, req); what != "" {
				t.Errorf("%s (%s): %s came back: %.300s", m.FullName, how, what, answer)
			}
			switch code := status.Code(err); {
			case strings.HasPrefix(how, "all of B's"):
				if allDenied = allDenied && code == codes.PermissionDenied; code != codes.PermissionDenied && kind != restrict.Catalog && !a.namesNothing(m, req) {
					t.Errorf("%s (%s): %v", m.FullName, how, err)
				}
			case code == codes.Internal:
				t.Errorf("%s (%s): %v", m.FullName, how, err)
			}
		}
		if allDenied {
			denied[kind]++
		}
	}
	if after := a.snapshot(t); !maps.Equal(before, after) {
		for name, text := range before {
			if after[name] != text {
				t.Errorf("%s was changed:\n%s\n%s", name, text, after[name])
			}
		}
	}
	t.Logf("%d calls with ids of B; methods that denied them all: %v", calls, denied)
	newApps(t, marked).allowed(t, table) // nothing is remembered of a world that is gone
}

// namesNothing says whether a request holds no id that could be B's.
func (a *apps) namesNothing(m *service.Method, req proto.Message) bool {
	b, _ := protojson.Marshal(req)
	return !slices.ContainsFunc(a.ofB, func(id string) bool { return bytes.Contains(b, []byte(id)) })
}

// leaked finds what of B's is in an answer. An id that the request named proves
// nothing.
func (a *apps) leaked(answer string, req proto.Message) string {
	if strings.Contains(answer, leak) {
		return "a resource of B's"
	}
	sent, _ := protojson.Marshal(req)
	for _, id := range a.ofB {
		if strings.Contains(answer, id) && !bytes.Contains(sent, []byte(id)) {
			return "the id " + id
		}
	}
	return ""
}

// attacks are requests that reach for B's, by how they do it.
func (a *apps) attacks(t *testing.T, m *service.Method) map[string]proto.Message {
	ofB := &generator{id: func(typ string) string { return a.id("B", typ) }, filter: a.filter("B")}
	// The id in the path is A's, and all the others are B's.
	mixed := &generator{id: func(typ string) string { return a.id("B", typ) }, filter: a.filter("B")}
	out := map[string]proto.Message{"all of B's": ofB.request(m, minimal), "all of B's, every filter and child": ofB.request(m, narrowed)}
	id := m.Desc.Input().Fields().ByName("id")
	for _, v := range []variant{minimal, narrowed, widened} {
		req := mixed.request(m, v)
		if id != nil {
			req.ProtoReflect().Set(id, protoreflect.ValueOfString(a.id("A", strings.Split(m.Template, "/")[2])))
		}
		if m.Verb == "GET" || v != minimal { // a mutation of A's with nothing of B's is no attack
			out["A's path, the rest B's: "+string(v)] = req
		}
	}
	for i, f := range idFilters(m) {
		req := mixed.request(m, minimal)
		if id != nil {
			req.ProtoReflect().Set(id, protoreflect.ValueOfString(a.id("A", strings.Split(m.Template, "/")[2])))
		}
		filters := req.ProtoReflect().Mutable(m.Desc.Input().Fields().ByName("filter")).Message()
		if !filters.Has(f) {
			mixed.setFilter(filters, f, m.Options.GetType(), narrowed)
		}
		out[fmt.Sprintf("filter %d of B's", i)] = req
	}
	for _, name := range m.Options.GetQuery().GetInclude() {
		req := mixed.request(m, minimal)
		if id != nil {
			req.ProtoReflect().Set(id, protoreflect.ValueOfString(a.id("A", strings.Split(m.Template, "/")[2])))
		}
		req.ProtoReflect().Mutable(m.Desc.Input().Fields().ByName("include")).List().Append(protoreflect.ValueOfString(name))
		out["include "+name] = req
	}
	if size := m.Desc.Input().Fields().ByName("page_size"); size != nil {
		maps.Copy(out, a.tokenAttacks(t, m, size))
	}
	return out
}

func idFilters(m *service.Method) (list []protoreflect.FieldDescriptor) {
	fd := m.Desc.Input().Fields().ByName("filter")
	if fd == nil {
		return nil
	}
	for i := range fd.Message().Fields().Len() {
		if f := fd.Message().Fields().Get(i); f.Kind() == protoreflect.StringKind {
			list = append(list, f)
		}
	}
	return list
}

// tokenAttacks use a page token that another caller got for a list of B's.
func (a *apps) tokenAttacks(t *testing.T, m *service.Method, size protoreflect.FieldDescriptor) map[string]proto.Message {
	g := &generator{id: func(typ string) string { return a.id("B", typ) }, filter: a.filter("B")}
	req := g.request(m, minimal)
	req.ProtoReflect().Set(size, protoreflect.ValueOfInt32(1))
	res := m.Output.New()
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+a.admin)
	if a.conn.Invoke(ctx, m.FullName, req, res.Interface()) != nil {
		return nil
	}
	token := res.Get(m.Desc.Output().Fields().ByName("next_page_token")).String()
	if token == "" {
		return nil
	}
	tokenField := m.Desc.Input().Fields().ByName("page_token")
	same := proto.Clone(req)
	same.ProtoReflect().Set(tokenField, protoreflect.ValueOfString(token))
	out := map[string]proto.Message{"all of B's, with its page token": same}
	if id := m.Desc.Input().Fields().ByName("id"); id != nil {
		other := proto.Clone(same)
		other.ProtoReflect().Set(id, protoreflect.ValueOfString(a.id("A", strings.Split(m.Template, "/")[2])))
		out["A's path with B's page token"] = other
	}
	return out
}

// snapshot is the state of everything of B's.
func (a *apps) snapshot(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for typ, list := range a.state(t) {
		for _, o := range list {
			maps.DeleteFunc(o.Relationships, func(_ string, ids []string) bool { return len(ids) == 0 })
			if name := typ + "/" + o.ID; a.owner[name] == "B" {
				b, _ := json.Marshal(o)
				out[name] = string(b)
			}
		}
	}
	return out
}

// allowed calls every method with ids of A's, in a fresh world each.
func (a *apps) allowed(t *testing.T, table *restrict.Table) {
	type count struct{ ok, total int }
	counts := map[restrict.Kind]*count{}
	g := &generator{id: func(typ string) string { return a.id("A", typ) }, filter: a.filter("A")}
	for _, m := range a.gateway.Engine.Methods {
		rule := table.Rule(m.FullName)
		if counts[rule.Kind] == nil {
			counts[rule.Kind] = &count{}
		}
		counts[rule.Kind].total++
		a.sandbox.Reset()
		req := g.request(m, minimal)
		if strings.HasPrefix(rule.By, "wants filter") {
			for _, f := range idFilters(m) {
				if filters := req.ProtoReflect().Mutable(m.Desc.Input().Fields().ByName("filter")).Message(); strings.Contains(rule.By, "["+f.JSONName()+"]") && !filters.Has(f) {
					g.setFilter(filters, f, m.Options.GetType(), narrowed)
					break
				}
			}
		}
		if rule.Kind == restrict.Parent {
			g.tie(m, req)
		}
		answer, err := a.call(m, req, a.token)
		if what := a.leaked(answer, req); what != "" {
			t.Errorf("%s with A's ids: %s came back: %.300s", m.FullName, what, answer)
		}
		if err == nil {
			counts[rule.Kind].ok++
		} else if rule.Kind != restrict.Org && rule.Kind != restrict.Learned {
			t.Errorf("%s (%s) with A's ids: %v", m.FullName, rule.Kind, err)
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("A's ids: %-8s %4d of %4d succeed", kind, counts[kind].ok, counts[kind].total)
	}
}

// tie sets a parent where none is required: the first relationship.
func (g *generator) tie(m *service.Method, req proto.Message) {
	msg := req.ProtoReflect()
	fields := m.Desc.Input().Fields()
	for i := range fields.Len() {
		if fd := fields.Get(i); fd.Message() != nil && optionsOf(fd).GetType() != "" && optionsOf(fd).GetRequired() {
			return
		}
	}
	for i := range fields.Len() {
		fd := fields.Get(i)
		if fd.Message() != nil && optionsOf(fd).GetType() != "" && !slices.Contains(ofNoApp, optionsOf(fd).GetType()) {
			g.set(msg, fd, minimal)
			return
		}
	}
}

// raw sends a request of Apple's own kind through the passthrough.
func (a *apps) raw(method, target, body string) (int, string) {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+a.token)
	w := httptest.NewRecorder()
	a.gateway.Passthrough.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// TestAppRestrictionPassthrough does the same on Apple's own paths: B's ids in
// the path, in every filter and in bodies, and every include.
func TestAppRestrictionPassthrough(t *testing.T) {
	a := newApps(t, func(a *apps) http.Handler { return http.HandlerFunc(a.marked) })
	table, err := restrict.New(gateway.Methods(a.gateway.Engine.Methods))
	if err != nil {
		t.Fatal(err)
	}
	before, calls, reads := a.snapshot(t), 0, map[restrict.Kind][2]int{}
	attack := func(m *service.Method, method, target, body string) {
		calls++
		status, answer := a.raw(method, target, body)
		req, _ := url.QueryUnescape(target)
		if strings.Contains(answer, leak) {
			t.Errorf("%s %s: a resource of B's came back", method, req)
		}
		for _, id := range a.ofB {
			if strings.Contains(answer, id) && !strings.Contains(req, id) {
				t.Errorf("%s %s: the id %s came back", method, req, id)
			}
		}
		if method != "GET" && body != "" && status/100 == 2 {
			t.Errorf("%s %s: a body that was not checked went through", method, req)
		}
	}
	for _, m := range a.gateway.Engine.Methods {
		root := strings.Split(m.Template, "/")[2]
		ofA, ofB := strings.Replace(m.Template, "{id}", a.id("A", root), 1), strings.Replace(m.Template, "{id}", a.id("B", root), 1)
		body := ""
		if m.HasBody {
			body = fmt.Sprintf(`{"data": {"type": %q, "id": %q, "relationships": {"app": {"data": {"type": "apps", "id": %q}}}}}`, m.Options.GetType(), a.id("B", root), a.id("B", "apps"))
		}
		attack(m, m.Verb, ofB, body)
		if m.HasBody {
			attack(m, m.Verb, ofA, body)
		}
		if m.Verb != "GET" {
			continue
		}
		for _, f := range idFilters(m) {
			name := optionsOf(f).GetName()
			if name == "" {
				name = f.JSONName()
			}
			if id := a.filter("B")(name, m.Options.GetType()); id != "" {
				attack(m, "GET", ofA+"?"+url.QueryEscape("filter["+name+"]")+"="+id, "")
			}
		}
		for _, name := range m.Options.GetQuery().GetInclude() {
			attack(m, "GET", ofA+"?include="+name, "")
		}
		attack(m, "GET", ofA+"?anything="+a.id("B", "apps"), "")
		if kind := table.Rule(m.FullName).Kind; !required(m) {
			status, answer := a.raw("GET", ofA, "")
			n := reads[kind]
			if n[1]++; status/100 == 2 {
				n[0]++
			} else if kind != restrict.Org && !strings.HasPrefix(table.Rule(m.FullName).By, "wants filter") {
				t.Errorf("GET %s (%s) with A's id: %d %s", ofA, kind, status, answer)
			}
			reads[kind] = n
		}
	}
	if after := a.snapshot(t); !maps.Equal(before, after) {
		t.Error("something of B's was changed")
	}
	t.Logf("%d requests with ids of B; reads with A's ids that succeed, of all: %v", calls, reads)
}

// required says whether a query must hold something.
func required(m *service.Method) bool {
	if fd := m.Desc.Input().Fields().ByName("filter"); fd != nil {
		for i := range fd.Message().Fields().Len() {
			if optionsOf(fd.Message().Fields().Get(i)).GetRequired() {
				return true
			}
		}
	}
	for i := range m.Desc.Input().Fields().Len() {
		if fd := m.Desc.Input().Fields().Get(i); optionsOf(fd).GetRequired() && fd.Name() != "id" {
			return true
		}
	}
	return false
}
