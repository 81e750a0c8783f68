package sandbox

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// prepare makes a version of the first app, with a build and all texts, and tells
// its id and that of its localization.
func (c *client) prepare(t *testing.T, number, attributes string) (version, localization string) {
	t.Helper()
	version = c.data(t, "POST", "/v1/appStoreVersions", resource("appStoreVersions", "",
		fmt.Sprintf(`"platform":"IOS","versionString":%q`+attributes, number), to("app", "apps", trailMix)))["id"].(string)
	_, _, doc := c.send("GET", "/v1/appStoreVersions/"+version+"/appStoreVersionLocalizations", "")
	localization = at(doc, "data", 0, "id").(string)
	c.data(
		t,
		"PATCH",
		"/v1/appStoreVersionLocalizations/"+localization,
		resource("appStoreVersionLocalizations", localization, `"whatsNew":"Maps"`, ""),
	)
	_, build := c.upload(t, trailMix, number, "1")
	c.data(t, "PATCH", "/v1/builds/"+build, resource("builds", build, `"usesNonExemptEncryption":false`, ""))
	if status, _, doc := c.send("PATCH", "/v1/appStoreVersions/"+version+"/relationships/build", `{"data":{"type":"builds","id":"`+build+`"}}`); status != 204 {
		t.Fatal(status, doc)
	}
	return version, localization
}

func (c *client) draft(t *testing.T) string {
	t.Helper()
	return c.draftFor(t, "IOS")
}

func (c *client) draftFor(t *testing.T, platform string) string {
	t.Helper()
	return c.data(t, "POST", "/v1/reviewSubmissions", resource("reviewSubmissions", "",
		fmt.Sprintf(`"platform":%q`, platform), to("app", "apps", trailMix)))["id"].(string)
}

// item is the request that adds a version to a submission.
func item(submission, version string) string {
	return resource(
		"reviewSubmissionItems",
		"",
		"",
		to("reviewSubmission", "reviewSubmissions", submission)+","+to("appStoreVersion", "appStoreVersions", version),
	)
}

func (c *client) patch(t *testing.T, typ, id, attributes string) {
	t.Helper()
	c.data(t, "PATCH", "/v1/"+typ+"/"+id, resource(typ, id, attributes, ""))
}

func (c *client) act(t *testing.T, typ, id, do string) {
	t.Helper()
	if err := c.Act(Act{Type: typ, ID: id, Do: do}); err != nil {
		t.Fatal(err)
	}
}

func (c *client) wantStates(t *testing.T, version, submission, of, in string) {
	t.Helper()
	v := c.data(t, "GET", "/v1/appStoreVersions/"+version, "")
	s := c.data(t, "GET", "/v1/reviewSubmissions/"+submission, "")
	if got, state := at(v, "attributes", "appVersionState"), at(s, "attributes", "state"); got != of || state != in {
		t.Fatalf("version %v in a submission %v, want %s and %s", got, state, of, in)
	}
}

// TestAVersionGoesThroughReview plays a rejection, its mending, the approval, and
// a phased release by its developer.
func TestAVersionGoesThroughReview(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	version, localization := c.prepare(t, "3.0", `,"releaseType":"MANUAL"`)
	submission := c.draft(t)
	added := c.data(t, "POST", "/v1/reviewSubmissionItems", item(submission, version))["id"].(string)
	c.wantStates(t, version, submission, "READY_FOR_REVIEW", "READY_FOR_REVIEW")
	c.patch(t, "reviewSubmissions", submission, `"submitted":true`)
	c.wantStates(t, version, submission, "WAITING_FOR_REVIEW", "WAITING_FOR_REVIEW")
	c.locked(t, version, localization)
	c.act(t, "reviewSubmissions", submission, "start")
	c.wantStates(t, version, submission, "IN_REVIEW", "IN_REVIEW")
	c.act(t, "reviewSubmissions", submission, "reject")
	c.wantStates(t, version, submission, "REJECTED", "UNRESOLVED_ISSUES")
	c.patch(t, "appStoreVersionLocalizations", localization, `"whatsNew":"Better maps"`)
	c.patch(t, "reviewSubmissionItems", added, `"resolved":true`)
	c.patch(t, "reviewSubmissions", submission, `"submitted":true`)
	c.wantStates(t, version, submission, "WAITING_FOR_REVIEW", "WAITING_FOR_REVIEW")
	c.data(
		t,
		"POST",
		"/v1/appStoreVersionPhasedReleases",
		resource(
			"appStoreVersionPhasedReleases",
			"",
			`"phasedReleaseState":"INACTIVE"`,
			to("appStoreVersion", "appStoreVersions", version),
		),
	)
	c.act(t, "reviewSubmissions", submission, "approve")
	c.wantStates(t, version, submission, "PENDING_DEVELOPER_RELEASE", "COMPLETE")
	c.data(
		t,
		"POST",
		"/v1/appStoreVersionReleaseRequests",
		resource("appStoreVersionReleaseRequests", "", "", to("appStoreVersion", "appStoreVersions", version)),
	)
	c.wantStates(t, version, submission, "READY_FOR_DISTRIBUTION", "COMPLETE")
	c.SetClock(50*time.Hour, 0)
	phased := c.data(t, "GET", "/v1/appStoreVersions/"+version+"/appStoreVersionPhasedRelease", "")
	if at(phased, "attributes", "phasedReleaseState") != "ACTIVE" ||
		fmt.Sprint(at(phased, "attributes", "currentDayNumber")) != "3" {
		t.Errorf("after two days: %v", phased["attributes"])
	}
	_, _, doc := c.send(
		"GET",
		"/v1/apps/"+trailMix+"/appStoreVersions?filter[appVersionState]=REPLACED_WITH_NEW_VERSION",
		"",
	)
	if at(doc, "data", 0) == nil {
		t.Error("the version before was not replaced")
	}
	_, _, doc = c.send("GET", "/v1/apps/"+trailMix+"/appInfos", "")
	if list := doc["data"].([]any); len(list) != 1 || at(list[0], "attributes", "state") != "READY_FOR_DISTRIBUTION" {
		t.Errorf("the app's information: %v", list)
	}
	if wrong := c.Check(); len(wrong) > 0 {
		t.Error(wrong)
	}
}

// locked tries all that cannot be done while a version waits.
func (c *client) locked(t *testing.T, version, localization string) {
	t.Helper()
	st := c.store
	set := st.one(st.get("appStoreVersionLocalizations", localization), "appScreenshotSets")
	picture := st.ids(set, "appScreenshots")[0]
	detail := st.ids(st.get("appStoreVersions", version), "appStoreReviewDetail")[0]
	info := st.related(st.get("apps", trailMix), "appInfos")[1]
	name, rating := st.ids(info, "appInfoLocalizations")[0], st.ids(info, "ageRatingDeclaration")[0]
	for _, x := range [][3]string{
		{"PATCH", "/v1/appStoreVersionLocalizations/" + localization, resource("appStoreVersionLocalizations", localization, `"whatsNew":"later"`, "")},
		{"DELETE", "/v1/appStoreVersionLocalizations/" + localization, ""},
		{"DELETE", "/v1/appStoreVersions/" + version, ""},
		{"PATCH", "/v1/appStoreVersions/" + version, resource("appStoreVersions", version, `"copyright":"later"`, "")},
		{"POST", "/v1/appStoreVersions", resource("appStoreVersions", "", `"platform":"IOS","versionString":"9.9"`, to("app", "apps", trailMix))},
		{"POST", "/v1/appScreenshotSets", resource("appScreenshotSets", "", `"screenshotDisplayType":"APP_IPHONE_55"`, to("appStoreVersionLocalization", "appStoreVersionLocalizations", localization))},
		{"PATCH", "/v1/appStoreVersions/" + version + "/relationships/build", `{"data":null}`},
		{"PATCH", "/v1/appScreenshotSets/" + set.id + "/relationships/appScreenshots", `{"data":[{"type":"appScreenshots","id":"` + picture + `"}]}`},
		{"DELETE", "/v1/appScreenshots/" + picture, ""},
		{"DELETE", "/v1/appScreenshotSets/" + set.id, ""},
		{"PATCH", "/v1/appStoreReviewDetails/" + detail, resource("appStoreReviewDetails", detail, `"notes":"later"`, "")},
		{"PATCH", "/v1/appInfos/" + info.id, resource("appInfos", info.id, "", to("primaryCategory", "appCategories", "MUSIC"))},
		{"PATCH", "/v1/appInfoLocalizations/" + name, resource("appInfoLocalizations", name, `"subtitle":"later"`, "")},
		{"DELETE", "/v1/appInfoLocalizations/" + name, ""},
		{"PATCH", "/v1/ageRatingDeclarations/" + rating, resource("ageRatingDeclarations", rating, `"gambling":true`, "")},
	} {
		if status, _, doc := c.send(x[0], x[1], x[2]); status != 409 {
			t.Errorf("%s %s while the version waits: %d %v", x[0], x[1], status, doc)
		}
	}
	c.patch(t, "appStoreVersionLocalizations", localization, `"promotionalText":"any time"`)
}

func TestWhatIsMissingIsToldAtOnce(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	c.act(t, "apps", trailMix, "unpublish privacy")
	version := c.data(t, "POST", "/v1/appStoreVersions", resource("appStoreVersions", "", `"platform":"TV_OS","versionString":"1.0"`, to("app", "apps", trailMix)))["id"].(string)
	submission := c.draftFor(t, "TV_OS")
	if _, _, doc := c.send("PATCH", "/v1/reviewSubmissions/"+submission, resource("reviewSubmissions", submission, `"submitted":true`, "")); code(
		doc,
	) != "ENTITY_ERROR.RELATIONSHIP.REQUIRED" {
		t.Errorf("an empty one: %v", doc)
	}
	status, _, doc := c.send("POST", "/v1/reviewSubmissionItems", item(submission, version))
	if status != 409 || code(doc) != "STATE_ERROR.ENTITY_STATE_INVALID" {
		t.Fatal(status, doc)
	}
	text := fmt.Sprint(at(doc, "errors", 0, "meta", "associatedErrors"))
	for _, want := range []string{"'build'", "'description'", "'keywords'", "'supportUrl'", "SCREENSHOT_REQUIRED.APP_APPLE_TV", "'appStoreReviewDetail'", "/v1/appDataUsages/", "'copyright'"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not told: %s", want, text)
		}
	}
	if strings.Contains(text, "whatsNew") {
		t.Error("the first version of a platform has nothing new")
	}
}

func TestAnItemIsInOneSubmission(t *testing.T) {
	c := newClient(t, World{NoAuth: true, Times: Times{Cancel: time.Minute}})
	version, _ := c.prepare(t, "3.0", "")
	first := c.draft(t)
	c.data(t, "POST", "/v1/reviewSubmissionItems", item(first, version))
	status, _, doc := c.send("POST", "/v1/reviewSubmissionItems", item(first, version))
	if text := fmt.Sprint(doc); status != 409 || !strings.Contains(text, "ITEM_PART_OF_ANOTHER_SUBMISSION") ||
		!strings.Contains(text, first) {
		t.Errorf("twice: %d %v", status, doc)
	}
	if status, _, doc := c.send("POST", "/v1/reviewSubmissions", resource("reviewSubmissions", "", `"platform":"IOS"`, to("app", "apps", trailMix))); status != 409 ||
		!strings.Contains(fmt.Sprint(doc), first) {
		t.Errorf("a second draft: %d %v", status, doc)
	}
	c.patch(t, "reviewSubmissions", first, `"submitted":true`)
	c.act(t, "reviewSubmissions", first, "reject")
	second := c.draft(t) // beside one with unresolved issues
	status, _, doc = c.send("POST", "/v1/reviewSubmissionItems", item(second, version))
	if status != 409 || !strings.Contains(fmt.Sprint(doc), first) {
		t.Errorf("in another: %d %v", status, doc)
	}
	c.patch(t, "reviewSubmissions", first, `"canceled":true`)
	c.wantStates(t, version, first, "REJECTED", "CANCELING")
	c.SetClock(time.Minute, 0)
	c.wantStates(t, version, first, "DEVELOPER_REJECTED", "COMPLETE")
	if _, _, doc := c.send("PATCH", "/v1/reviewSubmissions/"+first, resource("reviewSubmissions", first, `"canceled":true`, "")); !strings.Contains(
		fmt.Sprint(doc),
		"not in cancellable state",
	) {
		t.Errorf("what is over was canceled: %v", doc)
	}
	c.data(t, "POST", "/v1/reviewSubmissionItems", item(second, version))
}

func TestReviewsHappenByThemselves(t *testing.T) {
	c := newClient(t, World{NoAuth: true, Auto: Auto{Review: time.Hour}})
	version, _ := c.prepare(t, "3.0", "")
	submission := c.draft(t)
	c.data(t, "POST", "/v1/reviewSubmissionItems", item(submission, version))
	c.patch(t, "reviewSubmissions", submission, `"submitted":true`)
	c.SetClock(40*time.Minute, 0)
	c.wantStates(t, version, submission, "IN_REVIEW", "IN_REVIEW")
	c.SetClock(20*time.Minute, 0)
	c.wantStates(t, version, submission, "READY_FOR_DISTRIBUTION", "COMPLETE")
}

// TestADecisionIsOfItsSubmit: what was to come of a first submit does not come of a
// second, not even after a restart.
func TestADecisionIsOfItsSubmit(t *testing.T) {
	c := newClient(t, World{NoAuth: true, Auto: Auto{Review: time.Hour}})
	version, _ := c.prepare(t, "3.0", "")
	submission := c.draft(t)
	added := c.data(t, "POST", "/v1/reviewSubmissionItems", item(submission, version))["id"].(string)
	c.patch(t, "reviewSubmissions", submission, `"submitted":true`)
	c.SetClock(20*time.Minute, 0)
	c.act(t, "reviewSubmissions", submission, "start")
	c.act(t, "reviewSubmissions", submission, "reject")
	c.patch(t, "reviewSubmissionItems", added, `"resolved":true`)
	c.patch(t, "reviewSubmissions", submission, `"submitted":true`)
	kept, err := c.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Restore(kept); err != nil {
		t.Fatal(err)
	}
	c.SetClock(15*time.Minute, 0) // past the time at which the first review would have begun
	c.wantStates(t, version, submission, "WAITING_FOR_REVIEW", "WAITING_FOR_REVIEW")
	c.SetClock(30*time.Minute, 0) // past the end of the first, and the begin of the second
	c.wantStates(t, version, submission, "IN_REVIEW", "IN_REVIEW")
	c.SetClock(15*time.Minute, 0)
	c.wantStates(t, version, submission, "READY_FOR_DISTRIBUTION", "COMPLETE")
}

func TestADuplicateVersionHasTwoErrors(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	body := resource("appStoreVersions", "", `"platform":"IOS","versionString":"7.0"`, to("app", "apps", trailMix))
	c.data(t, "POST", "/v1/appStoreVersions", body)
	_, _, doc := c.send("POST", "/v1/appStoreVersions", body)
	if code(doc) != "ENTITY_ERROR.RELATIONSHIP.INVALID" ||
		at(doc, "errors", 1, "code") != "ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE" {
		t.Errorf("%v", doc)
	}
}
