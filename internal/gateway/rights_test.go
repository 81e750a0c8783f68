package gateway

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	operationsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/operations/v1"
	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/access/policy"
	"github.com/asc-gateway/asc-gateway/internal/usecase/workflows"
	"github.com/asc-gateway/asc-gateway/sandbox"
)

// guarded is a shop whose callers are known by tokens, with a policy.
type guarded struct {
	*shop
	authn   *authn.Authenticator
	records *records
	cfg     authn.Config
	tokens  map[string]string
}

func newGuarded(t *testing.T, like sandbox.World, rules string, callers ...string) *guarded {
	t.Helper()
	g := &guarded{records: &records{}, tokens: map[string]string{}}
	for _, name := range callers {
		token, sum := authn.NewToken()
		g.tokens[name] = token
		g.cfg.Tokens = append(g.cfg.Tokens, authn.StaticToken{Name: name, SHA256: sum})
	}
	var err error
	if g.authn, err = authn.New(g.cfg, authn.Deps{}); err != nil {
		t.Fatal(err)
	}
	g.shop = newShop(t, like, Deps{Authn: g.authn, Audit: g.records, Passthrough: true})
	g.policy(rules)
	return g
}

func (g *guarded) policy(rules string) {
	g.t.Helper()
	p, err := policy.Parse("policy.yaml", []byte("version: 1\nrules:\n"+rules), g.gateway.Guard.Methods())
	if err == nil {
		err = g.gateway.Guard.SetPolicy(p)
	}
	if err != nil {
		g.t.Fatal(err)
	}
}

// as are the headers of a caller.
func (g *guarded) as(name string) []string {
	return []string{"Authorization", "Bearer " + g.tokens[name]}
}

const jobRule = `- {name: %s, principals: ["token:%s"], methods: [%s], teams: [team], apps: %s}` + "\n"

// everything is a job that uses all that DistributeBuild can need.
func everything(app, number, group string) string {
	return fmt.Sprintf(
		`{"app":%q,"version":"5.0","number":%q,"groups":[%q,"Friends"],"createGroups":true,"notify":true,`+
			`"notes":{"en-US":"One","de-DE":"Zwei"},"usesNonExemptEncryption":false}`,
		app,
		number,
		group,
	)
}

// TestTheSetOfAJobIsExact runs DistributeBuild with its set, and then without each
// method of it: it always ends at the missing one.
func TestTheSetOfAJobIsExact(t *testing.T) {
	like := sandbox.World{Auto: sandbox.Auto{BetaReview: 200 * time.Millisecond}}
	g := newGuarded(t, like, fmt.Sprintf(jobRule, "all", "root", "read, write", "all")+
		fmt.Sprintf(jobRule, "job", "ci", `"job:DistributeBuild"`, "all"), "root", "ci")
	upload := func(number string) { g.uploadAs(trailMix, "5.0", number, g.as("root")...) }
	number := 100
	next := func() string { number++; upload(fmt.Sprint(number)); return fmt.Sprint(number) }
	id := g.begin(everything("com.example.trailmix", next(), "Exact"), g.as("ci")...)
	md, op := g.until(id, over, g.as("ci")...)
	if op["error"] != nil {
		t.Fatalf("with the set: %v %v", md, op["error"])
	}
	for _, m := range workflows.Jobs["DistributeBuild"] {
		short := m[strings.LastIndex(m, "/")+1:]
		if strings.HasPrefix(m, "ascgateway.") ||
			slices.Contains([]string{"ListAppBuildUploads", "UpdateBetaBuildLocalization"}, short) {
			continue // own methods steer the job; the others have tests of their own
		}
		t.Run("without "+short, func(t *testing.T) {
			without := fmt.Sprintf(
				`- {name: job, principals: ["token:ci"], methods: ["job:DistributeBuild"], except: [%q], teams: [team], apps: all}`,
				m,
			)
			g.policy(fmt.Sprintf(jobRule, "all", "root", "read, write", "all") + without + "\n")
			id := g.begin(everything("com.example.trailmix", next(), "Without "+short), g.as("ci")...)
			_, op := g.until(id, over, g.as("ci")...)
			if text := fmt.Sprint(op["error"]); !strings.Contains(text, m) ||
				!strings.Contains(text, policy.ReasonDenied) {
				t.Errorf("%v", op)
			}
		})
	}
}

// TestAJobStaysWithinItsApps: a caller that is kept to one app can distribute its
// builds, and nothing of another's, whatever the request says.
func TestAJobStaysWithinItsApps(t *testing.T) {
	like := sandbox.World{Auto: sandbox.Auto{BetaReview: 200 * time.Millisecond}}
	g := newGuarded(t, like, fmt.Sprintf(jobRule, "all", "root", "read, write", "all")+
		fmt.Sprintf(jobRule, "kept", "kept", `"job:DistributeBuild"`, `["1500004000"]`)+
		fmt.Sprintf(jobRule, "other", "other", `"job:DistributeBuild"`, `["1500004001"]`), "root", "kept", "other")
	g.uploadAs(trailMix, "5.0", "1", g.as("root")...)
	g.uploadAs("1500004001", "5.0", "1", g.as("root")...)
	theirs := g.call(200, "GET", "/v1/builds?filter[app]=1500004001&limit=1", "", g.as("root")...)["builds"].([]any)[0].(map[string]any)["id"].(string)
	group := g.call(200, "GET", "/v1/betaGroups?filter[app]=1500004001&limit=1", "", g.as("root")...)["betaGroups"].([]any)[0].(map[string]any)["id"].(string)
	mine := g.begin(everything("com.example.trailmix", "1", "Mine"), g.as("kept")...)
	if md, op := g.until(mine, over, g.as("kept")...); op["error"] != nil || md.GetApp() != trailMix {
		t.Errorf("its own app: %v %v", md, op["error"])
	}
	before := len(g.sandbox.Requests())
	for name, body := range map[string]string{
		"by id":         everything("1500004001", "1", "Theirs"),
		"by bundle id":  everything("com.example.nightsky", "1", "Theirs"),
		"a build alone": `{"build":"` + theirs + `","groups":["Friends"],"notes":{"en-US":"x"}}`,
		"a build of another app": `{"app":"` + trailMix + `","build":"` + theirs + `","groups":["Friends"],` +
			`"notes":{"en-US":"x"}}`,
		"a group of another app": `{"app":"` + trailMix + `","version":"5.0","number":"1","groups":["` + group + `"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			status, _, b := g.do(t, "POST", distribute, body, g.as("kept")...)
			if status == 403 {
				return // refused at once: the request names the app
			}
			var op struct{ Name string }
			if err := json.Unmarshal(b, &op); err != nil || status != 200 {
				t.Fatalf("%d %s", status, b)
			}
			md, end := g.until(strings.TrimPrefix(op.Name, "operations/"), over, g.as("kept")...)
			if end["error"] == nil {
				t.Errorf("%v %v", md, end)
			}
		})
	}
	for _, r := range g.sandbox.Requests()[before:] {
		if r.Method != "GET" {
			t.Errorf("%s %s %s", r.Method, r.Path, r.Body)
		}
	}
	status, _, body := g.do(t, "GET", "/ascgateway/v1/operations/"+mine, "", g.as("other")...)
	if status != 404 || strings.Contains(string(body), "trailmix") {
		t.Errorf("another caller's operation: %d %s", status, body)
	}
	if list := g.call(200, "GET", "/ascgateway/v1/operations", "", g.as("other")...); len(
		list["operations"].([]any),
	) != 0 {
		t.Errorf("%v", list)
	}
	status, _, body = g.do(t, "POST", "/v1/betaGroups", `{"name":"x","app":{"id":"1500004001"}}`, g.as("kept")...)
	if status != 403 {
		t.Errorf("%d %s", status, body)
	}
}

// TestOthersOperations are seen by whom policy names.
func TestOthersOperations(t *testing.T) {
	rules := fmt.Sprintf(jobRule, "ci", "ci", `"job:DistributeBuild"`, "all") +
		fmt.Sprintf(jobRule, "peer", "peer", `"job:DistributeBuild"`, "all") +
		`- {name: boss, principals: ["token:boss"], methods: ["ascgateway.operations.v1.OperationService/*"], operations: all, teams: [team], apps: all}` + "\n"
	g := newGuarded(t, sandbox.World{}, rules, "ci", "peer", "boss")
	id := g.begin(`{"app":"`+trailMix+`","version":"77.0","number":"1","groups":["Friends"]}`, g.as("ci")...)
	for who, want := range map[string]int{"ci": 200, "peer": 404, "boss": 200} {
		if status, _, b := g.do(t, "GET", "/ascgateway/v1/operations/"+id, "", g.as(who)...); status != want {
			t.Errorf("%s: %d %s", who, status, b)
		}
	}
	g.call(404, "POST", "/ascgateway/v1/operations/"+id+"/cancel", "{}", g.as("peer")...)
	g.call(200, "POST", "/ascgateway/v1/operations/"+id+"/cancel", "{}", g.as("boss")...)
	md, _ := g.until(id, over, g.as("ci")...)
	if md.GetCancelledBy() != "token:boss" || md.GetState() != operationsv1.OperationStateEnum_CANCELLED {
		t.Errorf("%v", md)
	}
}

// TestASecondPerson must let a job go where policy asks for one.
func TestASecondPerson(t *testing.T) {
	rules := `- {name: ci, principals: ["token:ci"], methods: ["job:DistributeBuild"], approval: {of: ["token:lead-*", "token:ci"]}, teams: [team], apps: all}` + "\n" +
		`- {name: lead, principals: ["token:lead-*", "token:ci", "token:other"], methods: ["ascgateway.operations.v1.OperationService/*"], teams: [team], apps: all}` + "\n"
	g := newGuarded(t, sandbox.World{}, rules, "ci", "lead-a", "other")
	body := `{"app":"` + trailMix + `","build":"newest","groups":["Friends"],"notes":{"en-US":"Approved"}}`
	before := len(g.sandbox.Requests())
	id := g.begin(body, g.as("ci")...)
	md, _ := g.operation(id, g.as("lead-a")...)
	if md.GetState() != operationsv1.OperationStateEnum_WAITING_FOR_APPROVAL ||
		len(md.GetPlan().GetChanges()) != 1 {
		t.Fatalf("%v", md)
	}
	g.call(404, "POST", "/ascgateway/v1/operations/"+id+"/approve", "{}", g.as("other")...)
	if e := g.call(403, "POST", "/ascgateway/v1/operations/"+id+"/approve", "{}", g.as("ci")...); !strings.Contains(
		fmt.Sprint(e),
		"second person",
	) {
		t.Errorf("who asked approved it: %v", e)
	}
	for _, r := range g.sandbox.Requests()[before:] {
		if r.Method != "GET" {
			t.Errorf("before it was approved: %s %s", r.Method, r.Path)
		}
	}
	g.call(200, "POST", "/ascgateway/v1/operations/"+id+"/approve", "{}", g.as("lead-a")...)
	md, op := g.until(id, over, g.as("ci")...)
	if op["error"] != nil || md.GetApprover() != "token:lead-a" || len(md.GetActions()) != 1 {
		t.Errorf("%v %v", md, op["error"])
	}
}

// TestWhatIsTakenAway stops a job that waits: a right, and a token.
func TestWhatIsTakenAway(t *testing.T) {
	all := fmt.Sprintf(jobRule, "all", "root", "read, write", "all") +
		`- {name: see, principals: ["token:root"], methods: ["ascgateway.operations.v1.OperationService/*"], operations: all, teams: [team], apps: all}` + "\n"
	job := fmt.Sprintf(jobRule, "job", "ci", `"job:DistributeBuild"`, "all")
	waits := `{"app":"` + trailMix + `","version":"78.0","number":"%d","groups":["Friends"]}`
	for i, c := range []struct {
		name, reason string
		take         func(g *guarded)
	}{
		{"a right", policy.ReasonDenied, func(g *guarded) { g.policy(all) }},
		{"a token", authn.ReasonUnauthenticated, func(g *guarded) {
			if err := g.authn.Replace(authn.Config{Tokens: g.cfg.Tokens[:1]}); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGuarded(t, sandbox.World{}, all+job, "root", "ci")
			id := g.begin(fmt.Sprintf(waits, i), g.as("ci")...)
			g.until(
				id,
				func(md *operationsv1.OperationMetadata) bool { return md.GetAwaiting() != "" },
				g.as("root")...)
			c.take(g)
			md, op := g.until(id, over, g.as("root")...)
			if !strings.Contains(fmt.Sprint(op["error"]), c.reason) {
				t.Errorf("%v %v", md, op["error"])
			}
		})
	}
}

// TestInnerCallsAreOnRecord, with the operation that made them.
func TestInnerCallsAreOnRecord(t *testing.T) {
	g := newGuarded(t, sandbox.World{}, fmt.Sprintf(jobRule, "job", "ci", `"job:DistributeBuild"`, "all"), "ci")
	id := g.begin(
		`{"app":"`+trailMix+`","build":"newest","groups":["Friends"],"notes":{"en-US":"On record"}}`,
		g.as("ci")...)
	g.until(id, over, g.as("ci")...)
	g.records.mu.Lock()
	defer g.records.mu.Unlock()
	found := 0
	for _, r := range g.records.list {
		if strings.HasSuffix(r.Method, "BetaBuildLocalization") && r.Via == "operations/"+id &&
			r.Principal == "token:ci" {
			found++
		}
		if strings.HasSuffix(r.Method, "/DistributeBuild") && r.Via != "" {
			t.Errorf("%+v", r)
		}
	}
	if found != 2 { // the intent and the outcome
		t.Errorf("%d records of the inner write: %+v", found, g.records.list)
	}
}
