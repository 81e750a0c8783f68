package sandbox

import (
	"archive/zip"
	"bytes"
	"fmt"
	"net/http"
	"strings"
)

// artifactsPath is where files of Xcode Cloud are downloaded, without a token.
const artifactsPath = "/_sandbox/artifacts/"

// artifactText is what a file of Xcode Cloud says, at most mostMessage bytes and a few
// lines. Apple's API tells only how many bytes the file has.
const artifactText = "artifactText"

// mostMessage bounds what an act says about a failure, in bytes.
const mostMessage = 4 << 10

// artifactTypes are the files that an action leaves, by its kind. Apple: CiArtifact.
var artifactTypes = map[string][]string{
	"ARCHIVE": {"LOG_BUNDLE", "RESULT_BUNDLE", "ARCHIVE", "ARCHIVE_EXPORT"},
	"BUILD":   {"LOG_BUNDLE", "RESULT_BUNDLE", "XCODEBUILD_PRODUCTS"},
	"ANALYZE": {"LOG_BUNDLE", "RESULT_BUNDLE"},
	"TEST":    {"LOG_BUNDLE", "RESULT_BUNDLE", "TEST_PRODUCTS"},
}

// leftByFailure are the files of an action that failed.
var leftByFailure = []string{"LOG_BUNDLE", "RESULT_BUNDLE"}

// succeed ends an action, unless the build that it makes cannot be delivered.
func (c *call) succeed(run, action *object) {
	if action.text("actionType") == "TEST" {
		for _, name := range []string{"testItStarts()", "testItShowsMaps()"} {
			c.testResult(action, name, "SUCCESS", "")
		}
	}
	if err := c.deliver(run, action); err != nil {
		c.fail(run, action, err.Error())
		return
	}
	c.endAction(action, "SUCCEEDED")
	c.leave(run, action, artifactTypes[action.text("actionType")])
}

// fail ends an action with an issue, and a test that failed if it tests.
func (c *call) fail(run, action *object, message string) {
	message = message[:min(len(message), mostMessage)]
	kind, category := "ERROR", "Build"
	if action.text("actionType") == "TEST" {
		kind, category = "TEST_FAILURE", "Test"
		c.testResult(action, "testItWorks()", "FAILURE", message)
	}
	issue := c.spawn("ciIssues")
	issue.attrs = map[string]any{"issueType": kind, "message": message, "category": category,
		"fileSource": map[string]any{"path": "App/App.swift", "lineNumber": 1}}
	c.s.store.link(action, "issues", issue.id)
	c.endAction(action, "FAILED")
	c.leave(run, action, leftByFailure)
}

// endAction completes an action, and counts its issues.
func (c *call) endAction(action *object, status string) {
	action.attrs["executionProgress"], action.attrs["completionStatus"] = "COMPLETE", status
	action.attrs["finishedDate"] = c.stamp()
	action.attrs["issueCounts"] = issueCounts(c.s.store.related(action, "issues"))
	if action.attrs["startedDate"] == nil {
		action.attrs["startedDate"] = c.stamp()
	}
}

func (c *call) testResult(action *object, name, status, message string) {
	result := c.spawn("ciTestResults")
	result.attrs = map[string]any{
		"className": "AppTests", "name": name, "status": status, "message": message,
		"fileSource": map[string]any{"path": "AppTests/AppTests.swift", "lineNumber": 1},
		"destinationTestResults": []any{map[string]any{"uuid": c.s.store.newID(""), "deviceName": "iPhone 17",
			"osVersion": "26.1", "status": status, "duration": 0.25}},
	}
	c.s.store.link(action, "testResults", result.id)
}

// leave adds the files of an action.
func (c *call) leave(run, action *object, types []string) {
	var text strings.Builder
	fmt.Fprintf(&text, "Build %d, %s: %s\n", intOf(run.attrs["number"]), action.text("name"),
		action.text("completionStatus"))
	for _, issue := range c.s.store.related(action, "issues") {
		fmt.Fprintf(&text, "%s: %s\n", issue.text("issueType"), issue.text("message"))
	}
	for _, typ := range types {
		file := c.spawn(ciArtifacts)
		file.attrs = map[string]any{"fileType": typ, "fileName": fmt.Sprintf("Build %d %s for %s.zip",
			intOf(run.attrs["number"]), fileWords[typ], action.text("name"))}
		fillArtifact(file, text.String())
		c.s.store.link(action, "artifacts", file.id)
	}
}

// fileWords name the files of each type for people.
var fileWords = map[string]string{
	"ARCHIVE": "Archive", "ARCHIVE_EXPORT": "App Store Export", "LOG_BUNDLE": "Logs",
	"RESULT_BUNDLE": "Result Bundle", "TEST_PRODUCTS": "Test Products", "XCODEBUILD_PRODUCTS": "Products",
}

// fillArtifact gives a file what it says, and its size.
func fillArtifact(o *object, text string) {
	o.attrs[artifactText] = text
	o.attrs["fileSize"] = len(artifactFile(o))
}

// artifactFile is a zip with one text, the same each time.
func artifactFile(o *object) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create(strings.TrimSuffix(o.text("fileName"), ".zip") + ".txt")
	if err == nil {
		_, err = w.Write([]byte(o.text(artifactText)))
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		panic("sandbox: a buffer takes everything: " + err.Error())
	}
	return b.Bytes()
}

// getArtifact serves a file of Xcode Cloud to whoever knows its URL.
func (s *Sandbox) getArtifact(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	s.mu.Lock()
	o := s.store.get(ciArtifacts, id)
	var file []byte
	if o != nil {
		file = artifactFile(o)
	}
	s.mu.Unlock()
	switch {
	case o == nil || r.URL.Query().Get("signature") != signature(id):
		http.Error(w, "no such file", http.StatusForbidden)
		return
	case r.Header.Get("Authorization") != "":
		http.Error(w, "the URL is signed already: send no Authorization", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/zip")
	_, _ = w.Write(file) // a caller that went away needs no answer
}

// deliver makes a TestFlight build of an archive that is for testers. Its number is that
// of the run, and its version the app's newest.
func (c *call) deliver(run, action *object) error {
	plan, _ := action.attrs[planned].(map[string]any)
	product := c.s.store.one(run, "product")
	if action.text("actionType") != "ARCHIVE" || plan["buildDistributionAudience"] == nil || product == nil {
		return nil
	}
	app := c.s.store.one(product, "app")
	if app == nil {
		return nil
	}
	platform, _ := plan["platform"].(string)
	if platform = ciPlatforms[platform]; platform == "" { // watchOS comes with the app of the phone
		return nil
	}
	version := "1.0"
	for _, v := range c.s.store.related(app, "appStoreVersions") {
		if v.text("platform") == platform && compareVersions(v.text("versionString"), version) > 0 {
			version = v.text("versionString")
		}
	}
	up := &object{
		typ: "buildUploads",
		attrs: map[string]any{"platform": platform, "cfBundleShortVersionString": version,
			"cfBundleVersion": fmt.Sprint(intOf(run.attrs["number"]))},
		rels: map[string][]string{"app": {app.id}},
	}
	if errs := buildNumberFree(c, up, nil); errs != nil {
		return fmt.Errorf("%s", errs[0].Detail)
	}
	build := c.newBuild(up)
	build.attrs["buildAudienceType"] = plan["buildDistributionAudience"]
	c.s.store.link(run, "builds", build.id)
	return nil
}

// ciPlatforms are the names of platforms in the rest of the API.
var ciPlatforms = map[string]string{"IOS": "IOS", "MACOS": "MAC_OS", "TVOS": "TV_OS", "VISIONOS": "VISION_OS"}
