package sandbox

import (
	"fmt"
	"testing"
	"time"
)

const trailMix = "1500004000"

// upload brings a build to Apple, and gives the ids of the upload and the build.
func (c *client) upload(t *testing.T, app, version, number string) (upload, build string) {
	t.Helper()
	up := c.data(t, "POST", "/v1/buildUploads", resource(
		"buildUploads",
		"",
		fmt.Sprintf(
			`"cfBundleShortVersionString":%q,"cfBundleVersion":%q,"platform":"IOS"`,
			version,
			number,
		),
		to("app", "apps", app),
	))
	upload = up["id"].(string)
	file := c.data(t, "POST", "/v1/buildUploadFiles", resource(
		"buildUploadFiles",
		"",
		`"assetType":"ASSET","fileName":"a.ipa","fileSize":3,"uti":"com.apple.ipa"`,
		to("buildUpload", "buildUploads", upload),
	))
	url, _ := at(file, "attributes", "uploadOperations", 0, "url").(string)
	if w := c.raw("PUT", url, "abc", "Content-Type", "application/octet-stream"); w.Code != 200 {
		t.Fatal(w.Code, w.Body)
	}
	id := file["id"].(string)
	c.data(t, "PATCH", "/v1/buildUploadFiles/"+id, resource("buildUploadFiles", id, `"uploaded":true`, ""))
	_, _, doc := c.send("GET", "/v1/buildUploads/"+upload+"?include=build", "")
	build, _ = at(doc, "data", "relationships", "build", "data", "id").(string)
	return upload, build
}

func (c *client) external(t *testing.T, build string) string {
	t.Helper()
	state, _ := at(c.data(t, "GET", "/v1/builds/"+build+"/buildBetaDetail", ""), "attributes", "externalBuildState").(string)
	return state
}

// TestABuildReachesExternalTesters plays the way of a build from its upload to
// its testers, with every state in between.
func TestABuildReachesExternalTesters(t *testing.T) {
	c := newClient(t, World{NoAuth: true, Times: Times{Build: time.Minute}})
	_, build := c.upload(t, trailMix, "3.0", "300")
	want := func(state string) {
		t.Helper()
		if got := c.external(t, build); got != state {
			t.Fatalf("external state %s, want %s", got, state)
		}
	}
	want("PROCESSING")
	b := c.data(t, "GET", "/v1/builds/"+build, "")
	if at(b, "attributes", "usesNonExemptEncryption") != nil ||
		at(b, "attributes", "buildAudienceType") != "APP_STORE_ELIGIBLE" {
		t.Errorf("a new build: %v", b["attributes"])
	}
	c.SetClock(time.Minute, 0)
	want("MISSING_EXPORT_COMPLIANCE")
	if detail := c.data(t, "GET", "/v1/builds/"+build+"/buildBetaDetail", ""); detail["id"] != build {
		t.Errorf("the detail has the id %v", detail["id"])
	}
	submit := resource("betaAppReviewSubmissions", "", "", to("build", "builds", build))
	if status, _, doc := c.send("POST", "/v1/betaAppReviewSubmissions", submit); status != 422 {
		t.Errorf("without export compliance: %d %v", status, doc)
	}
	c.data(t, "PATCH", "/v1/builds/"+build, resource("builds", build, `"usesNonExemptEncryption":false`, ""))
	want("READY_FOR_BETA_SUBMISSION")
	group := c.IDs("betaGroups")[0]
	if status, _, doc := c.send("POST", "/v1/betaGroups/"+group+"/relationships/builds", `{"data":[{"type":"builds","id":"`+build+`"}]}`); status != 204 {
		t.Fatal(status, doc)
	}
	review := c.data(t, "POST", "/v1/betaAppReviewSubmissions", submit)["id"].(string)
	want("WAITING_FOR_BETA_REVIEW")
	if status, _, doc := c.send("POST", "/v1/betaAppReviewSubmissions", submit); status != 409 {
		t.Errorf("twice: %d %v", status, doc)
	}
	for _, x := range []struct{ do, state string }{{"start", "IN_BETA_REVIEW"}, {"approve", "READY_FOR_BETA_TESTING"}} {
		if err := c.Act(Act{Type: "betaAppReviewSubmissions", ID: review, Do: x.do}); err != nil {
			t.Fatal(err)
		}
		want(x.state)
	}
	c.data(
		t,
		"POST",
		"/v1/buildBetaNotifications",
		resource("buildBetaNotifications", "", "", to("build", "builds", build)),
	)
	want("IN_BETA_TESTING")
	c.SetClock(buildLife, 0)
	want("EXPIRED")
	if wrong := c.Check(); len(wrong) > 0 {
		t.Error(wrong)
	}
}

func TestOneBetaReviewAtATime(t *testing.T) {
	c := newClient(t, World{NoAuth: true, Auto: Auto{BetaReview: time.Hour}})
	var builds []string
	for _, number := range []string{"1", "2"} {
		_, build := c.upload(t, trailMix, "3.1", number)
		c.data(t, "PATCH", "/v1/builds/"+build, resource("builds", build, `"usesNonExemptEncryption":false`, ""))
		builds = append(builds, build)
	}
	submit := func(build string) (int, string) {
		status, _, doc := c.send(
			"POST",
			"/v1/betaAppReviewSubmissions",
			resource("betaAppReviewSubmissions", "", "", to("build", "builds", build)),
		)
		return status, code(doc)
	}
	if status, _ := submit(builds[0]); status != 201 {
		t.Fatal(status)
	}
	if status, code := submit(builds[1]); status != 422 || code != "ENTITY_UNPROCESSABLE.ANOTHER_BUILD_IN_REVIEW" {
		t.Errorf("%d %s", status, code)
	}
	c.SetClock(time.Hour, 0)
	if state := c.external(t, builds[0]); state != "BETA_APPROVED" {
		t.Errorf("after its time: %s", state)
	}
	if status, _ := submit(builds[1]); status != 201 {
		t.Errorf("afterwards: %d", status)
	}
}

func TestABuildNumberIsFreeAfterAFailure(t *testing.T) {
	c := newClient(t, World{NoAuth: true, Times: Times{Build: time.Hour}})
	upload, build := c.upload(t, trailMix, "4.0", "7")
	again := resource(
		"buildUploads",
		"",
		`"cfBundleShortVersionString":"4.0","cfBundleVersion":"7","platform":"IOS"`,
		to("app", "apps", trailMix),
	)
	if _, _, doc := c.send("POST", "/v1/buildUploads", again); code(doc) != "ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE" {
		t.Errorf("%v", doc)
	}
	errs := []any{map[string]any{"code": "90062", "description": "The version was closed."}}
	if err := c.Act(Act{Type: "builds", ID: build, Do: "fail", With: map[string]any{"errors": errs}}); err != nil {
		t.Fatal(err)
	}
	state := at(c.data(t, "GET", "/v1/buildUploads/"+upload, ""), "attributes", "state")
	if at(state, "state") != "FAILED" || at(state, "errors", 0, "code") != "90062" {
		t.Errorf("the upload is %v", state)
	}
	c.data(t, "POST", "/v1/buildUploads", again)
}

func TestGroupsAndTesters(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	internal, build := c.IDs("betaGroups")[2], c.IDs("builds")[5]
	for _, x := range [][2]string{{"/v1/betaGroups/" + internal + "/relationships/builds", `{"data":[{"type":"builds","id":"` + build + `"}]}`},
		{"/v1/builds/" + build + "/relationships/betaGroups", `{"data":[{"type":"betaGroups","id":"` + internal + `"}]}`}} {
		if status, _, doc := c.send("POST", x[0], x[1]); status != 422 || code(doc) != "ENTITY_UNPROCESSABLE" {
			t.Errorf("%s: %d %v", x[0], status, doc)
		}
	}
	tester := resource(
		"betaTesters",
		"",
		`"email":"qa1@example.com"`,
		`"betaGroups":{"data":[{"type":"betaGroups","id":"`+c.IDs("betaGroups")[0]+`"}]}`,
	)
	id := c.data(t, "POST", "/v1/betaTesters", tester)["id"].(string)
	if status, _, _ := c.send("POST", "/v1/betaTesters", tester); status != 409 {
		t.Errorf("one address twice: %d", status)
	}
	if status, _, _ := c.send("POST", "/v1/betaGroups/"+c.IDs("betaGroups")[0]+"/relationships/betaTesters", `{"data":[{"type":"betaTesters","id":"`+id+`"}]}`); status != 409 {
		t.Errorf("in the group twice: %d", status)
	}
	c.data(
		t,
		"POST",
		"/v1/betaTesterInvitations",
		resource("betaTesterInvitations", "", "", to("betaTester", "betaTesters", id)+","+to("app", "apps", trailMix)),
	)
	for _, do := range []string{"accept", "install"} {
		if err := c.Act(Act{Type: "betaTesters", ID: id, Do: do}); err != nil {
			t.Error(err)
		}
	}
	if got := at(c.data(t, "GET", "/v1/betaTesters/"+id, ""), "attributes", "state"); got != "INSTALLED" {
		t.Errorf("the tester is %v", got)
	}
	if err := c.Act(Act{Type: "betaTesters", ID: id, Do: "accept"}); err == nil {
		t.Error("an installed tester accepts again")
	}
	before := len(c.IDs("betaFeedbackCrashSubmissions"))
	if err := c.Act(Act{Type: "betaFeedbackCrashSubmissions", Do: "arrive", With: map[string]any{"build": build, "comment": "It closed."}}); err != nil {
		t.Fatal(err)
	}
	if len(c.IDs("betaFeedbackCrashSubmissions")) != before+1 {
		t.Error("no feedback arrived")
	}
}
