package sandbox

import (
	"fmt"
	"strings"
	"testing"
)

// TestEachThingThatMayBeMissing takes one thing away from a version that is ready,
// and wants to be told of it, by the path of the resource and a word.
func TestEachThingThatMayBeMissing(t *testing.T) {
	// first is the resource that a chain of relationships leads to.
	first := func(c *client, o *object, rels ...string) *object {
		for _, rel := range rels {
			o = c.store.one(o, rel)
		}
		return o
	}
	unset := func(typ, attr string, value any, rels ...string) func(c *client, v *object) string {
		return func(c *client, v *object) string {
			o := first(c, v, rels...)
			if o.attrs[attr] = value; o.typ != typ {
				return "no " + typ + " but " + o.typ
			}
			return "/v1/" + typ + "/" + o.id
		}
	}
	cut := func(rel string, rels ...string) func(c *client, v *object) string {
		return func(c *client, v *object) string {
			o := first(c, v, rels...)
			c.store.set(o, rel, nil)
			return "/v1/" + o.typ + "/" + o.id
		}
	}
	info := func(then func(c *client, info *object) string) func(c *client, v *object) string {
		return func(c *client, v *object) string {
			call := c.inner(c.now)
			return then(c, call.editInfo(c.store.appOf(v)))
		}
	}
	toldOf := func(spoil func(c *client, v *object) string, rels ...string) func(c *client, v *object) string {
		return func(c *client, v *object) string {
			spoil(c, v)
			o := first(c, v, rels...)
			return "/v1/" + o.typ + "/" + o.id
		}
	}
	const localizations, detail = "appStoreVersionLocalizations", "appStoreReviewDetail"
	for _, x := range []struct {
		name, told string
		spoil      func(c *client, v *object) string
	}{
		{"no build", "'build'", cut("build")},
		{"a build that is processed", "PROCESSING", unset("builds", "processingState", "PROCESSING", "build")},
		{"an expired build", "expired", unset("builds", "expired", true, "build")},
		{"a build of another version", "does not match", toldOf(unset("preReleaseVersions", "version", "9.9", "build", "preReleaseVersion"), "build")},
		{"no word about encryption", "'usesNonExemptEncryption'", unset("builds", "usesNonExemptEncryption", nil, "build")},
		{"encryption undeclared", "'appEncryptionDeclaration'", unset("builds", "usesNonExemptEncryption", true, "build")},
		{"no copyright", "'copyright'", unset("appStoreVersions", "copyright", nil)},
		{"scheduled without a date", "'earliestReleaseDate'", unset("appStoreVersions", "releaseType", "SCHEDULED")},
		{"no description", "'description'", unset(localizations, "description", nil, localizations)},
		{"no keywords", "'keywords'", unset(localizations, "keywords", "", localizations)},
		{"no support", "'supportUrl'", unset(localizations, "supportUrl", nil, localizations)},
		{"nothing new", "'whatsNew'", unset(localizations, "whatsNew", nil, localizations)},
		{"a screenshot that failed", "has failed", unset("appScreenshots", "assetDeliveryState", map[string]any{"state": "FAILED"},
			localizations, "appScreenshotSets", "appScreenshots")},
		{"no screenshot", "SCREENSHOT_REQUIRED.APP_IPHONE_67", toldOf(unset("appScreenshotSets", "screenshotDisplayType", "APP_IPHONE_55",
			localizations, "appScreenshotSets"), localizations)},
		{"nobody to ask", "'contactEmail'", unset("appStoreReviewDetails", "contactEmail", nil, detail)},
		{"a phone without its country", "plus sign", unset("appStoreReviewDetails", "contactPhone", "0555 123", detail)},
		{"a phone that is none", "plus sign", unset("appStoreReviewDetails", "contactPhone", "+call me", detail)},
		{"a demo account unnamed", "'demoAccountName'", func(c *client, v *object) string {
			o := first(c, v, detail)
			o.attrs["demoAccountRequired"], o.attrs["demoAccountName"] = true, ""
			return "/v1/appStoreReviewDetails/" + o.id
		}},
		{"content rights", "'contentRightsDeclaration'", unset("apps", "contentRightsDeclaration", nil, "app")},
		{"no price", "'appPriceSchedule'", cut("appPriceSchedule", "app")},
		{"nowhere to be had", "'appAvailabilityV2'", cut("appAvailabilityV2", "app")},
		{"no category", "'primaryCategory'", info(cut("primaryCategory"))},
		{"no privacy policy", "'privacyPolicyUrl'", info(unset("appInfoLocalizations", "privacyPolicyUrl", nil, "appInfoLocalizations"))},
		{"a question of 2025", "'lootBox'", info(unset("ageRatingDeclarations", "lootBox", nil, "ageRatingDeclaration"))},
		{"a question of 2026", "'socialMedia'", info(unset("ageRatingDeclarations", "socialMedia", nil, "ageRatingDeclaration"))},
		{"an old question", "'violenceRealistic'", info(unset("ageRatingDeclarations", "violenceRealistic", nil, "ageRatingDeclaration"))},
		{"privacy unpublished", "App Privacy", func(c *client, v *object) string {
			c.act(t, "apps", trailMix, "unpublish privacy")
			return "/v1/appDataUsages/"
		}},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := newClient(t, World{NoAuth: true})
			version, _ := c.prepare(t, "3.0", "")
			at := x.spoil(c, c.store.get("appStoreVersions", version))
			missing := c.associated(t, version)
			if len(missing) != 1 || !strings.Contains(fmt.Sprint(missing[at]), x.told) {
				t.Errorf("told %v, want %q of %s alone", missing, x.told, at)
			}
		})
	}
}

// associated adds a version to a draft, which must be refused, and gives what is
// told to be missing.
func (c *client) associated(t *testing.T, version string) map[string]any {
	t.Helper()
	status, _, doc := c.send("POST", "/v1/reviewSubmissionItems", item(c.draft(t), version))
	missing, _ := at(doc, "errors", 0, "meta", "associatedErrors").(map[string]any)
	if status != 409 || code(doc) != "STATE_ERROR.ENTITY_STATE_INVALID" || missing == nil {
		t.Fatal(status, doc)
	}
	return missing
}

// TestADeclarationMustBeApproved: to declare encryption is not enough.
func TestADeclarationMustBeApproved(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	version, _ := c.prepare(t, "3.0", "")
	build := c.store.one(c.store.get("appStoreVersions", version), "build")
	declaration := c.store.one(c.store.get("apps", trailMix), "appEncryptionDeclarations")
	build.attrs["usesNonExemptEncryption"] = true
	c.store.link(build, "appEncryptionDeclaration", declaration.id)
	declaration.attrs["appEncryptionDeclarationState"] = "IN_REVIEW"
	missing := c.associated(t, version)
	if told := fmt.Sprint(missing["/v1/appEncryptionDeclarations/"+declaration.id]); !strings.Contains(
		told,
		"IN_REVIEW",
	) {
		t.Error(missing)
	}
}

// TestAPictureOfTheLibraryWillDo instead of one in a set.
func TestAPictureOfTheLibraryWillDo(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	version, localization := c.prepare(t, "3.0", "")
	for _, set := range c.store.related(c.store.get("appStoreVersionLocalizations", localization), "appScreenshotSets") {
		c.data(t, "DELETE", "/v1/appScreenshotSets/"+set.id, "")
	}
	c.associated(t, version)
	image := c.IDs("appAssetLibraryImages")[0]
	c.data(t, "POST", "/v1/appAssetLibraryPlacements", resource("appAssetLibraryPlacements", "",
		`"placementType":"APP_SCREENSHOT","placementGroup":"IPHONE_FACE_ID_LARGE_PROFILE"`,
		to("image", "appAssetLibraryImages", image)+","+
			to("appStoreVersionLocalization", "appStoreVersionLocalizations", localization)))
	_, _, doc := c.send("GET", "/v1/reviewSubmissions?filter[app]="+trailMix+"&filter[state]=READY_FOR_REVIEW", "")
	c.data(t, "POST", "/v1/reviewSubmissionItems", item(at(doc, "data", 0, "id").(string), version))
}

// TestEveryAppCanReleaseAVersion: a new world lacks nothing but what is new.
func TestEveryAppCanReleaseAVersion(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	for _, app := range c.IDs("apps") {
		version := c.data(t, "POST", "/v1/appStoreVersions", resource("appStoreVersions", "",
			`"platform":"IOS","versionString":"3.0"`, to("app", "apps", app)))["id"].(string)
		_, build := c.upload(t, app, "3.0", "1")
		c.patch(t, "builds", build, `"usesNonExemptEncryption":false`)
		c.send(
			"PATCH",
			"/v1/appStoreVersions/"+version+"/relationships/build",
			`{"data":{"type":"builds","id":"`+build+`"}}`,
		)
		_, _, doc := c.send("GET", "/v1/appStoreVersions/"+version+"/appStoreVersionLocalizations", "")
		for _, l := range doc["data"].([]any) {
			c.patch(t, "appStoreVersionLocalizations", at(l, "id").(string), `"whatsNew":"Maps"`)
		}
		draft := c.data(t, "POST", "/v1/reviewSubmissions", resource("reviewSubmissions", "", `"platform":"IOS"`,
			to("app", "apps", app)))["id"].(string)
		c.data(t, "POST", "/v1/reviewSubmissionItems", item(draft, version))
		c.patch(t, "reviewSubmissions", draft, `"submitted":true`)
		c.act(t, "reviewSubmissions", draft, "approve")
		c.wantStates(t, version, draft, "READY_FOR_DISTRIBUTION", "COMPLETE")
	}
}
