package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/access/restrict"
	"github.com/asc-gateway/asc-gateway/internal/gateway"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// TestAppRestriction calls all methods with the ids of app B, as a caller that is
// kept to app A: nothing of B's may come back or change. And it calls them with
// the ids of A, for a policy that denies everything is none.
func TestAppRestriction(t *testing.T) {
	marked := func(a *apps) http.Handler { return http.HandlerFunc(a.marked) }
	a := newApps(t, marked)
	before := a.snapshot(t)
	denied := map[restrict.Kind]int{}
	table, err := restrict.New(gateway.Methods(a.gateway.Engine.Entries))
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	for _, m := range a.gateway.Engine.Methods() {
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
			if strings.HasPrefix(name, "analyticsReport") {
				continue // a read of analytics counts as use, and makes instances of the days that are over
			}
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
	for _, m := range a.gateway.Engine.Methods() {
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
	table, err := restrict.New(gateway.Methods(a.gateway.Engine.Entries))
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
	for _, m := range a.gateway.Engine.Methods() {
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
