package conformance

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/access/policy"
	"github.com/asc-gateway/asc-gateway/internal/gateway"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/keys/filekey"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
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
	s, err := sandbox.Open(sandbox.World{NoRules: true, HourLimit: 1 << 30})
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
- {name: admin, principals: ["token:admin"], methods: [read, write], teams: [team], apps: all}
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

// pointsOf are the types of price points, which the sandbox does not keep, with those of
// their products.
var pointsOf = map[string]string{
	"appPricePoints":           "apps",
	"inAppPurchasePricePoints": "inAppPurchases",
	"subscriptionPricePoints":  "subscriptions",
}

// dividePoints gives price points to whom their product belongs, which their id holds.
func (a *apps) dividePoints() {
	for typ, product := range pointsOf {
		for _, id := range a.sandbox.IDs(typ) {
			var point struct {
				Product string `json:"s"`
			}
			text, err := base64.RawURLEncoding.DecodeString(id)
			if err != nil || json.Unmarshal(text, &point) != nil {
				continue
			}
			if app := a.owner[product+"/"+point.Product]; app != "" {
				a.owner[typ+"/"+id] = app
				a.ids[app][typ] = append(a.ids[app][typ], id)
			}
		}
	}
}

// divide finds what belongs to the first app, A, and to the second, B: what is
// related to them, near or far, without leaving the app.
func (a *apps) divide(t *testing.T) {
	t.Helper()
	state := a.state(t)
	typesOf := map[string][]string{} // an id is one thing's, and perhaps that of what it has one of
	neighbours, by := map[string][]string{}, map[string]string{}
	for typ, list := range state {
		for _, o := range list {
			typesOf[o.ID] = append(typesOf[o.ID], typ)
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
			types := typesOf[id]
			if len(types) == 0 || slices.Contains(ofNoApp, types[0]) || a.owner[types[0]+"/"+id] == app {
				continue
			}
			if slices.Contains(types, "apps") && id != state["apps"][i].ID {
				t.Fatalf("%s leads to another app: the world is not divided: %s", app, chain[id])
			}
			for _, typ := range types {
				if other := a.owner[typ+"/"+id]; other != "" {
					t.Fatalf("%s %s belongs to both apps: the world is not divided: %s", typ, id, chain[id])
				}
				a.owner[typ+"/"+id] = app
				a.ids[app][typ] = append(a.ids[app][typ], id)
			}
			if app == "B" {
				a.ofB = append(a.ofB, id)
			}
			for _, n := range neighbours[id] {
				if types := typesOf[n]; len(types) == 0 || a.owner[types[0]+"/"+n] != app {
					queue = append(queue, n)
					if chain[n] == "" {
						chain[n] = chain[id] + " " + by[id+n]
					}
				}
			}
		}
	}
	a.dividePoints()
	for _, byType := range a.ids { // oldest first, as the sandbox lists them
		for typ, ids := range byType {
			if _, virtual := pointsOf[typ]; virtual {
				continue
			}
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
