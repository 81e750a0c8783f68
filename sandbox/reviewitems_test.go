package sandbox

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// about is the request that adds something other than a version to a submission.
func about(submission, rel, typ, id string) string {
	return resource("reviewSubmissionItems", "", "",
		to("reviewSubmission", "reviewSubmissions", submission)+","+to(rel, typ, id))
}

// event makes an in-app event of the first app.
func (c *client) event(t *testing.T, name string) string {
	t.Helper()
	return c.data(t, "POST", "/v1/appEvents", resource("appEvents", "", fmt.Sprintf(`"referenceName":%q`, name),
		to("app", "apps", trailMix)))["id"].(string)
}

// wantAttr compares an attribute of a resource.
func (c *client) wantAttr(t *testing.T, typ, id, name, want string) {
	t.Helper()
	if got := at(c.data(t, "GET", "/v1/"+typ+"/"+id, ""), "attributes", name); got != want {
		t.Fatalf("%s of %s is %v, want %s", name, typ, got, want)
	}
}

// refused sends a request that must be refused with a conflict whose text holds a
// word.
func (c *client) refused(t *testing.T, method, path, body, word string) {
	t.Helper()
	status, _, doc := c.send(method, path, body)
	if status != 409 || !strings.Contains(fmt.Sprint(doc), word) {
		t.Errorf("%s %s: %d, want a 409 about %q: %v", method, path, status, word, doc)
	}
}

// TestEveryKindOfItemGoesThroughReview follows the state of one of each kind from a
// draft to its approval.
func TestEveryKindOfItemGoesThroughReview(t *testing.T) {
	for typ, k := range kindsOfReview() {
		t.Run(typ, func(t *testing.T) {
			c := newClient(t, World{NoAuth: true})
			thing := c.store.all(typ)[0]
			thing.attrs[k.attr] = k.drafts[0]
			rel := strings.TrimSuffix(typ, "s")
			submission := c.draft(t)
			state := func(want string) {
				t.Helper()
				if got := thing.text(k.attr); got != want {
					t.Fatalf("it is %s, want %s", got, want)
				}
			}
			body := about(submission, rel, typ, thing.id)
			added := c.data(t, "POST", "/v1/reviewSubmissionItems", body)["id"].(string)
			state("READY_FOR_REVIEW")
			c.refused(
				t,
				"POST",
				"/v1/reviewSubmissionItems",
				about(submission, rel, typ, thing.id),
				"ITEM_PART_OF_ANOTHER",
			)
			c.patch(t, "reviewSubmissions", submission, `"submitted":true`)
			state("WAITING_FOR_REVIEW")
			c.refused(t, "DELETE", "/v1/reviewSubmissionItems/"+added, "", "already submitted")
			c.act(t, "reviewSubmissions", submission, "start")
			state("IN_REVIEW")
			c.act(t, "reviewSubmissions", submission, "reject")
			state("REJECTED")
			c.patch(t, "reviewSubmissionItems", added, `"resolved":true`)
			c.patch(t, "reviewSubmissions", submission, `"submitted":true`)
			state("WAITING_FOR_REVIEW")
			c.act(t, "reviewSubmissions", submission, "approve")
			state(k.approved)
			c.refused(t, "POST", "/v1/reviewSubmissionItems", about(c.draft(t), rel, typ, thing.id), "associatedErrors")
		})
	}
}

// TestABackgroundAssetIsReviewedByItsRelease: the asset itself is only processed.
func TestABackgroundAssetIsReviewedByItsRelease(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	pack := c.store.all("backgroundAssetVersions")[0]
	release := c.store.one(pack, "appStoreRelease")
	release.attrs["state"] = "PREPARE_FOR_SUBMISSION"
	submission := c.draft(t)
	body := about(submission, "backgroundAssetVersion", pack.typ, pack.id)
	c.refused(t, "POST", "/v1/reviewSubmissionItems", body, "not in a state")
	c.act(t, pack.typ, pack.id, "complete")
	c.data(t, "POST", "/v1/reviewSubmissionItems", body)
	c.patch(t, "reviewSubmissions", submission, `"submitted":true`)
	c.act(t, "reviewSubmissions", submission, "approve")
	if pack.text("state") != "COMPLETE" || release.text("state") != "READY_FOR_DISTRIBUTION" {
		t.Errorf("the pack is %s, its release %s", pack.text("state"), release.text("state"))
	}
}

// TestOneRejectedItemHoldsUpTheOthers: they are accepted, and approved once it is
// gone. Nothing is added meanwhile.
func TestOneRejectedItemHoldsUpTheOthers(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	version, _ := c.prepare(t, "3.0", "")
	event, submission := c.event(t, "Summer"), c.draft(t)
	c.data(t, "POST", "/v1/reviewSubmissionItems", item(submission, version))
	bad := c.data(t, "POST", "/v1/reviewSubmissionItems", about(submission, "appEvent", "appEvents", event))["id"].(string)
	c.patch(t, "reviewSubmissions", submission, `"submitted":true`)
	with := map[string]any{"item": bad}
	if err := c.Act(Act{Type: "reviewSubmissions", ID: submission, Do: "reject", With: with}); err != nil {
		t.Fatal(err)
	}
	c.wantStates(t, version, submission, "ACCEPTED", "UNRESOLVED_ISSUES")
	c.wantAttr(t, "appEvents", event, "eventState", "REJECTED")
	c.refused(t, "POST", "/v1/reviewSubmissionItems",
		about(submission, "appEvent", "appEvents", c.event(t, "Winter")), "UNRESOLVED_ISSUES")
	c.patch(t, "reviewSubmissionItems", bad, `"removed":true`)
	c.wantAttr(t, "appEvents", event, "eventState", "DRAFT")
	c.wantStates(t, version, submission, "READY_FOR_DISTRIBUTION", "COMPLETE")
	if wrong := c.Check(); len(wrong) > 0 {
		t.Error(wrong)
	}
}

func TestWhatAnItemTakes(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	version, localization := c.prepare(t, "3.0", "")
	submission, event := c.draft(t), c.event(t, "Summer")
	onSale := c.IDs("appStoreVersions")[0]
	c.refused(t, "POST", "/v1/reviewSubmissionItems", item(submission, onSale), "not in a state")
	c.refused(t, "POST", "/v1/reviewSubmissionItems", resource("reviewSubmissionItems", "", "",
		to("reviewSubmission", "reviewSubmissions", submission)), "RELATIONSHIP.REQUIRED")
	c.refused(t, "POST", "/v1/reviewSubmissionItems", resource("reviewSubmissionItems", "", "",
		to("reviewSubmission", "reviewSubmissions", submission)+","+to("appEvent", "appEvents", event)+","+
			to("appStoreVersion", "appStoreVersions", version)), "one thing")
	added := c.data(t, "POST", "/v1/reviewSubmissionItems", item(submission, version))["id"].(string)
	resolve := resource("reviewSubmissionItems", added, `"resolved":true`, "")
	c.refused(t, "PATCH", "/v1/reviewSubmissionItems/"+added, resolve, "no issues")
	c.patch(t, "appStoreVersionLocalizations", localization, `"whatsNew":null`)
	submit := resource("reviewSubmissions", submission, `"submitted":true`, "")
	c.refused(t, "PATCH", "/v1/reviewSubmissions/"+submission, submit, "'whatsNew'")
	c.patch(t, "appStoreVersionLocalizations", localization, `"whatsNew":"Maps"`)
	c.patch(t, "reviewSubmissions", submission, `"submitted":true`)
	c.act(t, "reviewSubmissions", submission, "start")
	remove := resource("reviewSubmissionItems", added, `"removed":true`, "")
	c.refused(t, "PATCH", "/v1/reviewSubmissionItems/"+added, remove, "cannot be removed")
}

// TestASubmissionWithoutItemsDoesNotWait: it is canceled when its last item goes, and
// what was in it can be submitted anew.
func TestASubmissionWithoutItemsDoesNotWait(t *testing.T) {
	c := newClient(t, World{NoAuth: true, Times: Times{Cancel: time.Minute}})
	version, _ := c.prepare(t, "3.0", "")
	submission := c.draft(t)
	first := c.data(t, "POST", "/v1/reviewSubmissionItems", item(submission, version))["id"].(string)
	second := c.data(t, "POST", "/v1/reviewSubmissionItems",
		about(submission, "appEvent", "appEvents", c.event(t, "Summer")))["id"].(string)
	c.patch(t, "reviewSubmissions", submission, `"submitted":true`)
	c.patch(t, "reviewSubmissionItems", second, `"removed":true`)
	c.wantStates(t, version, submission, "WAITING_FOR_REVIEW", "WAITING_FOR_REVIEW")
	c.patch(t, "reviewSubmissionItems", first, `"removed":true`)
	c.wantStates(t, version, submission, "DEVELOPER_REJECTED", "CANCELING")
	c.SetClock(time.Minute, 0)
	c.wantStates(t, version, submission, "DEVELOPER_REJECTED", "COMPLETE")
	again := c.draft(t)
	c.data(t, "POST", "/v1/reviewSubmissionItems", item(again, version))
	c.patch(t, "reviewSubmissions", again, `"submitted":true`)
	c.wantStates(t, version, again, "WAITING_FOR_REVIEW", "WAITING_FOR_REVIEW")
}

// TestAQuestionOfAppReview leaves the version as it is, and goes on when the
// submission comes again.
func TestAQuestionOfAppReview(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	version, _ := c.prepare(t, "3.0", "")
	submission := c.draft(t)
	c.data(t, "POST", "/v1/reviewSubmissionItems", item(submission, version))
	c.patch(t, "reviewSubmissions", submission, `"submitted":true`)
	c.act(t, "reviewSubmissions", submission, "start")
	c.act(t, "reviewSubmissions", submission, "ask")
	c.wantStates(t, version, submission, "IN_REVIEW", "UNRESOLVED_ISSUES")
	c.patch(t, "reviewSubmissions", submission, `"submitted":true`)
	c.wantStates(t, version, submission, "WAITING_FOR_REVIEW", "WAITING_FOR_REVIEW")
}

// TestSubmissionsOfTwoKindsRunSideBySide: one with a version, one without.
func TestSubmissionsOfTwoKindsRunSideBySide(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	version, _ := c.prepare(t, "3.0", "")
	events := c.draft(t)
	c.data(t, "POST", "/v1/reviewSubmissionItems", about(events, "appEvent", "appEvents", c.event(t, "Summer")))
	versions := c.draft(t) // beside a draft without a version
	c.data(t, "POST", "/v1/reviewSubmissionItems", item(versions, version))
	c.patch(t, "reviewSubmissions", events, `"submitted":true`)
	c.patch(t, "reviewSubmissions", versions, `"submitted":true`)
	c.wantStates(t, version, versions, "WAITING_FOR_REVIEW", "WAITING_FOR_REVIEW")
	third := c.draft(t)
	c.data(t, "POST", "/v1/reviewSubmissionItems", about(third, "appEvent", "appEvents", c.event(t, "Winter")))
	submit := resource("reviewSubmissions", third, `"submitted":true`, "")
	c.refused(t, "PATCH", "/v1/reviewSubmissions/"+third, submit, events)
}

// TestAVersionIsTakenBack in the older way, before and after its approval.
func TestAVersionIsTakenBack(t *testing.T) {
	c := newClient(t, World{NoAuth: true, Times: Times{Cancel: time.Minute}})
	version, _ := c.prepare(t, "3.0", `,"releaseType":"MANUAL"`)
	older := func() string {
		_, _, doc := c.send("GET", "/v1/appStoreVersions/"+version+"/appStoreVersionSubmission", "")
		return "/v1/appStoreVersionSubmissions/" + at(doc, "data", "id").(string)
	}
	send := func() string {
		submission := c.draft(t)
		c.data(t, "POST", "/v1/reviewSubmissionItems", item(submission, version))
		c.patch(t, "reviewSubmissions", submission, `"submitted":true`)
		return submission
	}
	first := send()
	c.data(t, "DELETE", older(), "")
	c.wantStates(t, version, first, "WAITING_FOR_REVIEW", "CANCELING")
	c.SetClock(time.Minute, 0)
	c.wantStates(t, version, first, "DEVELOPER_REJECTED", "COMPLETE")
	second := send()
	c.act(t, "reviewSubmissions", second, "approve")
	c.wantStates(t, version, second, "PENDING_DEVELOPER_RELEASE", "COMPLETE")
	c.data(t, "DELETE", older(), "")
	c.wantStates(t, version, second, "DEVELOPER_REJECTED", "COMPLETE")
	onSale := c.IDs("appStoreVersionSubmissions")[0]
	c.refused(t, "DELETE", "/v1/appStoreVersionSubmissions/"+onSale, "", "cannot be taken back")
}

// TestSeededSetsHaveOneOwner: what a new sandbox has of sets and placements belongs
// to one localization, and some of it can be edited.
func TestSeededSetsHaveOneOwner(t *testing.T) {
	s := newClient(t, World{NoAuth: true})
	for _, typ := range []string{"appScreenshotSets", "appPreviewSets", "appAssetLibraryPlacements"} {
		free, kinds := 0, map[string]int{}
		for _, o := range s.store.all(typ) {
			owners := 0
			for _, rel := range partOf[typ] {
				owners += len(s.store.ids(o, rel))
				kinds[rel] += len(s.store.ids(o, rel))
			}
			if owners != 1 {
				t.Errorf("%s %s has %d owners", typ, o.id, owners)
			}
			if whole, _ := (&call{s: s.Sandbox}).lockedBy(o); whole == nil {
				free++
			}
		}
		if free == 0 || len(kinds) != len(partOf[typ]) {
			t.Errorf("%s: %d can be edited, owners %v", typ, free, kinds)
		}
	}
}
