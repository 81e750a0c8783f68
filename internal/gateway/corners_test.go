package gateway

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	operationsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/operations/v1"
	"github.com/asc-gateway/asc-gateway/sandbox"
)

func (s *shop) group(name string) string {
	s.t.Helper()
	g := s.call(201, "POST", "/v1/betaGroups", fmt.Sprintf(`{"name":%q,"app":{"id":%q}}`, name, trailMix))
	return g["betaGroup"].(map[string]any)["id"].(string)
}

// that have the build are not given it again.
func TestMoreGroupsThanAPage(t *testing.T) {
	s := newShop(t, sandbox.World{}, Deps{})
	s.upload(trailMix, "6.0", "1")
	var list []string
	for i := range 210 {
		list = append(list, fmt.Sprintf(`"many-%03d"`, i))
		s.group(fmt.Sprintf("many-%03d", i))
	}
	body := func(from, to int) string {
		return `{"app":"` + trailMix + `","version":"6.0","number":"1","createGroups":true,"waitFor":"SUBMISSION",` +
			`"usesNonExemptEncryption":false,"groups":[` + strings.Join(list[from:to], ",") + `]}`
	}
	for _, part := range [][2]int{{0, 70}, {70, 140}, {140, 210}} {
		md, op := s.until(s.begin(body(part[0], part[1])), over)
		if op["error"] != nil || slices.Contains(names(md), "createGroup") {
			t.Fatalf("%v %v", names(md), op["error"])
		}
	}
	plan := s.call(200, "POST", distribute+"/plan", body(0, 70))["plan"].(map[string]any)
	if plan["changes"] != nil {
		t.Errorf("those that have it get it again: %v", plan)
	}
	_, op := s.until(s.begin(body(140, 210)), over)
	if got := len(op["response"].(map[string]any)["groups"].([]any)); got != 210 {
		t.Errorf("%d groups are told", got)
	}
}

func (s *shop) newest(version string) string {
	s.t.Helper()
	for begun := time.Now(); time.Since(begun) < 10*time.Second; time.Sleep(50 * time.Millisecond) {
		list := s.call(200, "GET", "/v1/builds?filter[preReleaseVersion.version]="+version+
			"&filter[processingState]=VALID&sort=-uploadedDate&limit=1", "", "Cache-Control", "no-cache")["builds"].([]any)
		if len(list) > 0 {
			return list[0].(map[string]any)["id"].(string)
		}
	}
	s.t.Fatal("no build")
	return ""
}

// TestComplianceInReview is waited for: the build is submitted after it.
func TestComplianceInReview(t *testing.T) {
	s := newShop(t, sandbox.World{}, Deps{})
	s.upload(trailMix, "6.1", "1")
	build := s.newest("6.1")
	s.call(200, "PATCH", "/v1/builds/"+build, `{"usesNonExemptEncryption":true}`)
	declaration := s.call(201, "POST", "/v1/appEncryptionDeclarations",
		`{"appDescription":"Maps","app":{"id":"`+trailMix+`"},`+
			`"containsProprietaryCryptography":true,"containsThirdPartyCryptography":false,"availableOnFrenchStore":true}`,
	)["appEncryptionDeclaration"].(map[string]any)["id"].(string)
	s.call(204, "PATCH", "/v1/builds/"+build+"/relationships/appEncryptionDeclaration",
		`{"appEncryptionDeclaration":{"id":"`+declaration+`"}}`)
	id := s.begin(`{"app":"` + trailMix + `","version":"6.1","number":"1",` +
		`"groups":["Friends"],"waitFor":"SUBMISSION"}`)
	md, _ := s.until(id, func(md *operationsv1.OperationMetadata) bool {
		return over(md) || strings.Contains(md.GetAwaiting(), "compliance")
	})
	if over(md) {
		t.Fatalf("it did not wait: %v", md)
	}
	if err := s.sandbox.Act(sandbox.Act{Type: "appEncryptionDeclarations", ID: declaration, Do: "approve"}); err != nil {
		t.Fatal(err)
	}
	if md, op := s.until(id, over); op["error"] != nil || !slices.Contains(names(md), "submitForReview") {
		t.Errorf("%v %v", md, op["error"])
	}
}

// TestAPlanIsOfABuildAndARequest: it lets nothing else go.
func TestAPlanIsOfABuildAndARequest(t *testing.T) {
	s := newShop(t, sandbox.World{}, Deps{})
	body := `{"app":"` + trailMix + `","build":"newest","notes":{"en-US":"Only notes"}%s}`
	etag := func(more string) string {
		plan := s.call(200, "POST", distribute+"/plan", fmt.Sprintf(body, more))["plan"].(map[string]any)
		return plan["etag"].(string)
	}
	s.upload(trailMix, "6.2", "1")
	s.newest("6.2")
	one := etag("")
	if etag(`,"notify":true`) == one {
		t.Error("the plan does not cover whether testers are told")
	}
	s.upload(trailMix, "6.3", "2")
	s.newest("6.3")
	if etag("") == one {
		t.Error("the plan is the same for another build")
	}
	waits := `{"app":"` + trailMix + `","version":"66.0","number":"1","groups":["%s"],"createGroups":true}`
	a := s.call(200, "POST", distribute+"/plan", fmt.Sprintf(waits, "Friends"))["plan"].(map[string]any)
	b := s.call(200, "POST", distribute+"/plan", fmt.Sprintf(waits, "Everybody"))["plan"].(map[string]any)
	if a["etag"] == b["etag"] {
		t.Error("while the build is awaited the plan is the same for other groups")
	}
	if !strings.Contains(fmt.Sprint(b), "Everybody") {
		t.Errorf("the plan does not say which groups are asked for: %v", b)
	}
}

// TestTheNewestStaysTheSame for a job, even if its look fails while it waits.
func TestTheNewestStaysTheSame(t *testing.T) {
	s := newShop(t, sandbox.World{}, Deps{})
	s.upload(trailMix, "6.4", "1")
	first := s.newest("6.4")
	id := s.begin(`{"app":"` + trailMix + `","build":"newest","groups":["Friends"],"usesNonExemptEncryption":false}`)
	review := func(md *operationsv1.OperationMetadata) bool {
		return strings.Contains(md.GetAwaiting(), "beta review")
	}
	s.until(id, review)
	s.sandbox.AddFault(sandbox.Fault{Path: "/v1/builds", Status: 503, Count: 12})
	s.upload(trailMix, "6.5", "2")
	time.Sleep(10 * poll)
	s.until(id, func(md *operationsv1.OperationMetadata) bool { return over(md) || review(md) })
	for _, sub := range s.sandbox.IDs("betaAppReviewSubmissions") {
		_ = s.sandbox.Act(sandbox.Act{Type: "betaAppReviewSubmissions", ID: sub, Do: "approve"})
	}
	md, op := s.until(id, over)
	if op["error"] != nil || op["response"].(map[string]any)["build"] != first ||
		!slices.Contains(names(md), "awaitReview") {
		t.Errorf("not build %s: %v %v", first, names(md), op)
	}
}

// changed.
func TestARequestIDJoinsAPlannedJob(t *testing.T) {
	s := newShop(t, sandbox.World{}, Deps{})
	body := `{"app":"` + trailMix + `","build":"newest","groups":["Friends"],"notes":{"en-US":"Joined"}`
	plan := s.call(200, "POST", distribute+"/plan", body+"}")["plan"].(map[string]any)
	body += `,"requestId":"mine","planEtag":"` + plan["etag"].(string) + `"}`
	id := s.begin(body)
	s.until(id, over)
	if again := s.begin(body); again != id {
		t.Errorf("%s, want %s", again, id)
	}
}

// nothing that the plan does not say is made.
func TestAPlanOutlivesALostAnswer(t *testing.T) {
	s := newShop(t, sandbox.World{}, Deps{})
	body := `{"app":"` + trailMix + `","build":"newest","groups":["Friends"],"notes":{"it":"Uno","fr-FR":"Deux"}`
	plan := s.call(200, "POST", distribute+"/plan", body+"}")["plan"].(map[string]any)
	if len(plan["changes"].([]any)) < 2 {
		t.Fatal(plan)
	}
	s.sandbox.AddFault(sandbox.Fault{Path: "/v1/betaBuildLocalizations", Method: "POST", Lose: true, Count: 1})
	md, op := s.until(s.begin(body+`,"planEtag":"`+plan["etag"].(string)+`"}`), over)
	if op["error"] != nil || len(md.GetActions()) != 2 { // one that was lost, one that was made
		t.Errorf("%v %v", md.GetActions(), op["error"])
	}
}

// TestAnOldReadAfterSubmitting does not end the job: beta review is waited for.
func TestAnOldReadAfterSubmitting(t *testing.T) {
	s := newShop(t, sandbox.World{}, Deps{})
	s.upload(trailMix, "6.6", "1")
	s.newest("6.6")
	s.sandbox.AddFault(sandbox.Fault{Path: "/v1/builds", Method: "GET", Every: 2, Count: 1, Status: 200,
		Body: `{"data":[],"links":{"self":"https://api.appstoreconnect.apple.com/v1/builds"}}`})
	id := s.begin(`{"app":"` + trailMix + `","version":"6.6","number":"1",` +
		`"groups":["Friends"],"usesNonExemptEncryption":false}`)
	md, _ := s.until(id, func(md *operationsv1.OperationMetadata) bool {
		return over(md) || strings.Contains(md.GetAwaiting(), "beta review")
	})
	if over(md) || !slices.Contains(names(md), "submitForReview") {
		t.Fatalf("it did not wait for beta review: %v", md)
	}
	time.Sleep(4 * poll)
	for _, sub := range s.sandbox.IDs("betaAppReviewSubmissions") {
		_ = s.sandbox.Act(sandbox.Act{Type: "betaAppReviewSubmissions", ID: sub, Do: "approve"})
	}
	if md, op := s.until(id, over); op["error"] != nil || !slices.Contains(names(md), "awaitReview") {
		t.Errorf("%v %v", names(md), op["error"])
	}
}

// TestAGroupThatIsMadeMeanwhile, by another job or since an old read, is used.
func TestAGroupThatIsMadeMeanwhile(t *testing.T) {
	s := newShop(t, sandbox.World{}, Deps{})
	s.upload(trailMix, "6.7", "1")
	s.newest("6.7")
	s.group("Meanwhile")
	s.sandbox.AddFault(sandbox.Fault{Path: "/v1/betaGroups", Method: "GET", Count: 1, Status: 200,
		Body: `{"data":[],"links":{"self":"https://api.appstoreconnect.apple.com/v1/betaGroups"}}`})
	md, op := s.until(s.begin(`{"app":"`+trailMix+`","version":"6.7","number":"1",`+
		`"groups":["Meanwhile"],"createGroups":true,`+
		`"usesNonExemptEncryption":false,"waitFor":"SUBMISSION"}`), over)
	if op["error"] != nil || !slices.Contains(names(md), "addToGroups") {
		t.Errorf("%v %v", names(md), op["error"])
	}
}
