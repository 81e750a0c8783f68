package sandbox

import "testing"

// TestAnUploadFailsWithItsFile: the upload tells what was wrong, and its number is
// free again.
func TestAnUploadFailsWithItsFile(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	reserve := resource("buildUploads", "", `"cfBundleShortVersionString":"6.0","cfBundleVersion":"9","platform":"IOS"`,
		to("app", "apps", trailMix))
	upload := c.data(t, "POST", "/v1/buildUploads", reserve)["id"].(string)
	file := c.data(t, "POST", "/v1/buildUploadFiles", resource("buildUploadFiles", "",
		`"assetType":"ASSET","fileName":"a.ipa","fileSize":3,"uti":"com.apple.ipa"`,
		to("buildUpload", "buildUploads", upload)))["id"].(string)
	got := c.data(t, "GET", "/v1/buildUploads/"+upload+"?include=assetFile", "")
	if at(got, "relationships", "assetFile", "data", "id") != file {
		t.Errorf("the file is not that of the upload: %v", got)
	}
	c.data(t, "PATCH", "/v1/buildUploadFiles/"+file, resource("buildUploadFiles", file, `"uploaded":true`, ""))
	state := at(c.data(t, "GET", "/v1/buildUploads/"+upload, ""), "attributes", "state")
	if at(state, "state") != "FAILED" || at(state, "errors", 0, "code") != "FILE_INCOMPLETE" {
		t.Errorf("%v", state)
	}
	again := resource(
		"buildUploadFiles",
		"",
		`"assetType":"ASSET","fileName":"a.ipa","fileSize":3,"uti":"com.apple.ipa"`,
		to("buildUpload", "buildUploads", upload),
	)
	if status, _, doc := c.send("POST", "/v1/buildUploadFiles", again); status != 409 {
		t.Errorf("another file for an upload that failed: %d %v", status, doc)
	}
	c.data(t, "POST", "/v1/buildUploads", reserve)
}

// TestBuildsOfANewWorldUseTheirNumbers: what is there already cannot be uploaded
// again, and every build has what belongs to it.
func TestBuildsOfANewWorldUseTheirNumbers(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	for _, id := range c.IDs("builds") {
		build := c.data(t, "GET", "/v1/builds/"+id+
			"?include=preReleaseVersion,app,buildUpload,buildBetaDetail,betaAppReviewSubmission", "")
		for _, rel := range []string{"buildUpload", "betaAppReviewSubmission"} {
			if at(build, "relationships", rel, "data", "id") == nil {
				t.Errorf("build %s has no %s", id, rel)
			}
		}
		if at(build, "relationships", "buildBetaDetail", "data", "id") != id {
			t.Errorf("the detail of build %s has another id", id)
		}
		train := c.store.get(
			"preReleaseVersions",
			at(build, "relationships", "preReleaseVersion", "data", "id").(string),
		)
		up := c.store.get("buildUploads", at(build, "relationships", "buildUpload", "data", "id").(string))
		number, _ := at(build, "attributes", "version").(string)
		if up.text("cfBundleVersion") != number || up.text("cfBundleShortVersionString") != train.text("version") {
			t.Errorf("build %s came of %v", id, up.attrs)
		}
		app, _ := at(build, "relationships", "app", "data", "id").(string)
		_, _, doc := c.send("POST", "/v1/buildUploads", resource("buildUploads", "",
			`"cfBundleShortVersionString":"`+train.text("version")+`","cfBundleVersion":"`+number+`","platform":"IOS"`,
			to("app", "apps", app)))
		if code(doc) != "ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE" {
			t.Errorf("build %s: %v", id, doc)
		}
	}
}

// TestUploadsAreFilteredByState: the attribute is an object, the filter names its state.
func TestUploadsAreFilteredByState(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	for state, want := range map[string]int{"COMPLETE": 1, "FAILED": 0} {
		_, _, doc := c.send("GET", "/v1/apps/"+trailMix+"/buildUploads?filter[state]="+state, "")
		if list, _ := doc["data"].([]any); len(list) != want {
			t.Errorf("%s: %d uploads, want %d", state, len(list), want)
		}
	}
}
