package sandbox

import (
	"fmt"
	"testing"
	"time"
)

// readyBuild uploads a build that says nothing about encryption yet, and gives its id.
func (c *client) readyBuild(t *testing.T, number string) string {
	t.Helper()
	_, build := c.upload(t, trailMix, "5.0", number)
	c.data(t, "PATCH", "/v1/builds/"+build, resource("builds", build, `"usesNonExemptEncryption":false`, ""))
	return build
}

// group makes a group of Trail Mix and gives its id.
func (c *client) group(t *testing.T, name, attributes string) string {
	t.Helper()
	return c.data(t, "POST", "/v1/betaGroups", resource("betaGroups", "", fmt.Sprintf(`"name":%q`, name)+attributes,
		to("app", "apps", trailMix)))["id"].(string)
}

func list(typ, id string) string { return fmt.Sprintf(`{"data":[{"type":%q,"id":%q}]}`, typ, id) }

func (c *client) tester(t *testing.T, email, relationships string) string {
	t.Helper()
	return c.data(t, "POST", "/v1/betaTesters",
		resource("betaTesters", "", fmt.Sprintf(`"email":%q`, email), relationships))["id"].(string)
}

func (c *client) stateOf(t *testing.T, tester string) any {
	t.Helper()
	return at(c.data(t, "GET", "/v1/betaTesters/"+tester, ""), "attributes", "state")
}

// TestTestersAreInvitedWhenThereIsABuild: those of an internal group at once, others
// after Beta App Review.
func TestTestersAreInvitedWhenThereIsABuild(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	inside, outside := c.group(
		t,
		"Team",
		`,"isInternalGroup":true,"hasAccessToAllBuilds":true`,
	), c.group(
		t,
		"World",
		"",
	)
	user := at(c.data(t, "GET", "/v1/users/"+c.IDs("users")[0], ""), "attributes", "username").(string)
	var member string
	for _, id := range c.IDs("betaTesters") {
		if at(c.data(t, "GET", "/v1/betaTesters/"+id, ""), "attributes", "email") == user {
			member = id
		}
	}
	if status, _, doc := c.send("POST", "/v1/betaGroups/"+inside+"/relationships/betaTesters", list("betaTesters", member)); status != 204 {
		t.Fatal(status, doc)
	}
	stranger := c.tester(t, "out@example.org", many("betaGroups", "betaGroups", outside))
	invite := resource(
		"betaTesterInvitations",
		"",
		"",
		to("betaTester", "betaTesters", stranger)+","+to("app", "apps", trailMix),
	)
	if _, _, doc := c.send("POST", "/v1/betaTesterInvitations", invite); code(
		doc,
	) != "STATE_ERROR.TESTER_INVITE.NO_INSTALLABLE_BUILDS" {
		t.Errorf("without a build: %v", doc)
	}
	build := c.readyBuild(t, "1")
	if status, _, doc := c.send("POST", "/v1/betaGroups/"+outside+"/relationships/builds", list("builds", build)); status != 204 {
		t.Fatal(status, doc)
	}
	detail := c.data(t, "GET", "/v1/builds/"+build+"/buildBetaDetail", "")
	if got := at(detail, "attributes", "internalBuildState"); got != "IN_BETA_TESTING" {
		t.Errorf("for the internal group the build is %v", got)
	}
	if got := c.stateOf(t, stranger); got != "NOT_INVITED" {
		t.Errorf("before the review: %v", got)
	}
	review := c.data(t, "POST", "/v1/betaAppReviewSubmissions",
		resource("betaAppReviewSubmissions", "", "", to("build", "builds", build)))["id"].(string)
	if err := c.Act(Act{Type: "betaAppReviewSubmissions", ID: review, Do: "approve"}); err != nil {
		t.Fatal(err)
	}
	if got := c.stateOf(t, stranger); got != "INVITED" {
		t.Errorf("after the review: %v", got)
	}
	if err := c.Act(Act{Type: "betaTesters", ID: stranger, Do: "accept"}); err != nil {
		t.Fatal(err)
	}
	if _, _, doc := c.send("POST", "/v1/betaTesterInvitations", invite); code(
		doc,
	) != "STATE_ERROR.TESTER_INVITE.ALREADY_ACCEPTED" {
		t.Errorf("who accepted is invited again: %v", doc)
	}
	if w := c.raw("DELETE", "/v1/betaTesters/"+stranger+"/relationships/apps", list("apps", trailMix)); w.Code/100 != 2 {
		t.Fatal(w.Code, w.Body)
	}
	if got := c.stateOf(t, stranger); got != "REVOKED" ||
		len(c.store.get("betaTesters", stranger).rels["betaGroups"]) > 0 {
		t.Errorf("without the app: %v", got)
	}
	for _, wrong := range c.Check() {
		t.Error(wrong)
	}
}

// TestWhoCanTestWhat tells what is refused to groups, testers and builds.
func TestWhoCanTestWhat(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	inside, outside := c.group(t, "Team", `,"isInternalGroup":true`), c.group(t, "World", "")
	build := c.readyBuild(t, "1")
	stranger := c.tester(t, "out@example.org", "")
	groups := "/v1/betaGroups/"
	group := func(attributes string) string {
		return resource("betaGroups", "", `"name":"New",`+attributes, to("app", "apps", trailMix))
	}
	for _, x := range []struct {
		name, method, path, body string
		status                   int
		code                     string
	}{
		{"a stranger in an internal group", "POST", groups + inside + "/relationships/betaTesters", list("betaTesters", stranger), 409, "STATE_ERROR"},
		{"the same from the tester's side", "POST", "/v1/betaTesters/" + stranger + "/relationships/betaGroups", list("betaGroups", inside), 409, "STATE_ERROR"},
		{"a new stranger in an internal group", "POST", "/v1/betaTesters", resource("betaTesters", "", `"email":"b@example.org"`, many("betaGroups", "betaGroups", inside)), 409, "STATE_ERROR"},
		{"a tester of groups and builds", "POST", "/v1/betaTesters", resource("betaTesters", "", `"email":"b@example.org"`,
			many("betaGroups", "betaGroups", outside)+","+many("builds", "builds", build)), 409, "ENTITY_ERROR.RELATIONSHIP.INVALID"},
		{"a stranger for a build that was not submitted", "POST", "/v1/builds/" + build + "/relationships/individualTesters", list("betaTesters", stranger), 422, "STATE_ERROR.ENTITY_STATE_INVALID"},
		{"the same from the tester's side", "POST", "/v1/betaTesters/" + stranger + "/relationships/builds", list("builds", build), 422, "STATE_ERROR.ENTITY_STATE_INVALID"},
		{"all builds for strangers", "POST", "/v1/betaGroups", group(`"hasAccessToAllBuilds":true`), 409, "ENTITY_ERROR.ATTRIBUTE.INVALID"},
		{"a public link of an internal group", "PATCH", groups + inside, resource("betaGroups", inside, `"publicLinkEnabled":true`, ""), 409, "ENTITY_ERROR.ATTRIBUTE.INVALID"},
		{"a limit without a number", "PATCH", groups + outside, resource("betaGroups", outside, `"publicLinkLimitEnabled":true`, ""), 409, "ENTITY_ERROR.ATTRIBUTE.INVALID"},
		{"a limit of nobody", "PATCH", groups + outside, resource("betaGroups", outside, `"publicLinkLimit":0`, ""), 409, "ENTITY_ERROR.ATTRIBUTE.INVALID"},
		{"a notification before the review", "POST", "/v1/buildBetaNotifications", resource("buildBetaNotifications", "", "", to("build", "builds", build)), 409, "STATE_ERROR.ENTITY_STATE_INVALID"},
		{"criteria of an internal group", "POST", "/v1/betaRecruitmentCriteria", resource("betaRecruitmentCriteria", "",
			`"deviceFamilyOsVersionFilters":[]`, to("betaGroup", "betaGroups", inside)), 409, "STATE_ERROR.ENTITY_STATE_INVALID"},
		{"a minimum above the maximum", "POST", "/v1/betaRecruitmentCriteria", resource("betaRecruitmentCriteria", "",
			`"deviceFamilyOsVersionFilters":[{"deviceFamily":"IPHONE","minimumOsInclusive":"18.0","maximumOsInclusive":"9.3"}]`,
			to("betaGroup", "betaGroups", outside)), 409, "ENTITY_ERROR.ATTRIBUTE.INVALID"},
		{"criteria", "POST", "/v1/betaRecruitmentCriteria", resource("betaRecruitmentCriteria", "",
			`"deviceFamilyOsVersionFilters":[{"deviceFamily":"IPHONE","minimumOsInclusive":"17.0","maximumOsInclusive":"26.1"}]`,
			to("betaGroup", "betaGroups", outside)), 201, ""},
	} {
		if status, _, doc := c.send(x.method, x.path, x.body); status != x.status || code(doc) != x.code {
			t.Errorf("%s: %d %v", x.name, status, doc)
		}
	}
}

func TestPeopleJoinOverAPublicLink(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	group := c.group(t, "World", `,"publicLinkEnabled":true,"publicLinkLimitEnabled":true,"publicLinkLimit":1`)
	join := func() error { return c.Act(Act{Type: "betaGroups", ID: group, Do: "join"}) }
	check := func() any {
		return at(c.data(t, "GET", "/v1/betaGroups/"+group+"/betaRecruitmentCriterionCompatibleBuildCheck", ""),
			"attributes", "hasCompatibleBuild")
	}
	if join() == nil || check() != false {
		t.Error("somebody joins a group without a build")
	}
	approvedBuild := c.IDs("builds")[0]
	if status, _, doc := c.send("POST", "/v1/betaGroups/"+group+"/relationships/builds", list("builds", approvedBuild)); status != 204 {
		t.Fatal(status, doc)
	}
	if err := join(); err != nil || check() != true {
		t.Error(err)
	}
	if join() == nil {
		t.Error("one more than the limit joins")
	}
	_, _, doc := c.send("GET", "/v1/betaGroups/"+group+"/betaTesters", "")
	if at(doc, "data", 0, "attributes", "inviteType") != "PUBLIC_LINK" ||
		at(doc, "data", 0, "attributes", "state") != "ACCEPTED" {
		t.Errorf("%v", doc)
	}
	c.SetClock(buildLife+24*time.Hour, 0)
	if check() != false {
		t.Error("an expired build is compatible")
	}
}

// TestBetaReviewWantsTestInformation: what is missing is told at once, and submitted
// when it is there.
func TestBetaReviewWantsTestInformation(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	build := c.readyBuild(t, "1")
	detail := c.data(t, "GET", "/v1/apps/"+trailMix+"/betaAppReviewDetail", "")["id"].(string)
	texts := c.IDs("betaAppLocalizations")[0]
	set := func(typ, id, attributes string) {
		c.data(t, "PATCH", "/v1/"+typ+"/"+id, resource(typ, id, attributes, ""))
	}
	set(
		"betaAppReviewDetails",
		detail,
		`"contactPhone":null,"demoAccountRequired":true,"demoAccountName":"a","demoAccountPassword":null`,
	)
	set("betaAppLocalizations", texts, `"description":null`)
	submit := resource("betaAppReviewSubmissions", "", "", to("build", "builds", build))
	status, _, doc := c.send("POST", "/v1/betaAppReviewSubmissions", submit)
	if errs, _ := doc["errors"].([]any); status != 422 || len(errs) != 3 ||
		at(errs, 2, "title") != "Beta App Description is missing." {
		t.Errorf("%d %v", status, doc)
	}
	set("betaAppReviewDetails", detail, `"contactPhone":"+1 555 010 0199","demoAccountRequired":false`)
	set("betaAppLocalizations", texts, `"description":"Trails"`)
	c.data(t, "POST", "/v1/betaAppReviewSubmissions", submit)
}

// TestNonExemptEncryptionWantsADeclaration follows a declaration to its approval.
func TestNonExemptEncryptionWantsADeclaration(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	_, build := c.upload(t, trailMix, "5.0", "1")
	c.data(t, "PATCH", "/v1/builds/"+build, resource("builds", build, `"usesNonExemptEncryption":true`, ""))
	declare := resource(
		"appEncryptionDeclarations",
		"",
		`"appDescription":"Maps","containsProprietaryCryptography":true,
		"containsThirdPartyCryptography":false,"availableOnFrenchStore":true`,
		to("app", "apps", trailMix),
	)
	refused := c.data(t, "POST", "/v1/appEncryptionDeclarations", declare)["id"].(string)
	declaration := c.data(t, "POST", "/v1/appEncryptionDeclarations", declare)["id"].(string)
	act := func(id, do string) {
		t.Helper()
		if err := c.Act(Act{Type: "appEncryptionDeclarations", ID: id, Do: do}); err != nil {
			t.Fatal(err)
		}
	}
	act(refused, "reject")
	assign := func(id string) int {
		status, _, _ := c.send("PATCH", "/v1/builds/"+build+"/relationships/appEncryptionDeclaration",
			`{"data":{"type":"appEncryptionDeclarations","id":"`+id+`"}}`)
		return status
	}
	want := func(state string) {
		t.Helper()
		if got := c.external(t, build); got != state {
			t.Errorf("%s, want %s", got, state)
		}
	}
	want("MISSING_EXPORT_COMPLIANCE")
	if status := assign(refused); status != 409 {
		t.Errorf("a rejected declaration is taken: %d", status)
	}
	if status := assign(declaration); status != 204 {
		t.Fatal(status)
	}
	want("IN_EXPORT_COMPLIANCE_REVIEW")
	c.sendFile(t, "/v1/appEncryptionDeclarationDocuments", "appEncryptionDeclarationDocuments", "",
		to("appEncryptionDeclaration", "appEncryptionDeclarations", declaration), "a document")
	got := at(
		c.data(t, "GET", "/v1/appEncryptionDeclarations/"+declaration, ""),
		"attributes",
		"appEncryptionDeclarationState",
	)
	if got != "IN_REVIEW" {
		t.Errorf("with its document the declaration is %v", got)
	}
	act(declaration, "approve")
	want("READY_FOR_BETA_SUBMISSION")
}

// TestCrashesHaveLogs: what a tester sends can be read, with the log of a crash.
func TestCrashesHaveLogs(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	tester := c.IDs("betaTesters")[0]
	for _, x := range []struct {
		with map[string]any
		ok   bool
	}{
		{map[string]any{"build": c.IDs("builds")[0], "tester": tester, "comment": "It closed."}, true},
		{map[string]any{"build": "none"}, false},
		{map[string]any{"build": c.IDs("builds")[0], "tester": "none"}, false},
	} {
		if err := c.Act(Act{Type: "betaFeedbackCrashSubmissions", Do: "arrive", With: x.with}); (err == nil) != x.ok {
			t.Errorf("%v: %v", x.with, err)
		}
	}
	ids := c.IDs("betaFeedbackCrashSubmissions")
	crash := "/v1/betaFeedbackCrashSubmissions/" + ids[len(ids)-1]
	log, _ := at(c.data(t, "GET", crash+"/crashLog", ""), "attributes", "logText").(string)
	sent := c.data(t, "GET", crash, "")
	if len(log) < 100 || at(sent, "attributes", "comment") != "It closed." || at(sent, "attributes", "email") == nil {
		t.Errorf("%v\n%s", sent, log)
	}
	logs := len(c.IDs("betaCrashLogs"))
	if w := c.raw("DELETE", crash, ""); w.Code != 204 || len(c.IDs("betaCrashLogs")) != logs-1 {
		t.Errorf("%d; %d logs of %d are left", w.Code, len(c.IDs("betaCrashLogs")), logs)
	}
}
