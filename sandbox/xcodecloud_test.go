package sandbox

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// runOf starts a run of a workflow and tells its id.
func (c *client) runOf(t *testing.T, workflow, more string) string {
	t.Helper()
	return c.data(t, "POST", "/v1/ciBuildRuns", resource(ciRuns, "", `"clean":true`,
		to("workflow", "ciWorkflows", workflow)+more))["id"].(string)
}

// later sets the clock ahead.
func (c *client) later(t *testing.T, d time.Duration) {
	t.Helper()
	c.SetClock(d, 0)
}

// actionsOf are the actions of a run, and their names with their states.
func (c *client) actionsOf(t *testing.T, run string) (ids []string, states string) {
	t.Helper()
	_, _, doc := c.send("GET", "/v1/ciBuildRuns/"+run+"/actions", "")
	for _, a := range doc["data"].([]any) {
		ids = append(ids, at(a, "id").(string))
		states += fmt.Sprintln(at(a, "attributes", "name"), at(a, "attributes", "executionProgress"),
			at(a, "attributes", "completionStatus"))
	}
	return ids, states
}

// TestARunGoesThroughItsStates, makes a build for testers, and leaves files that can be
// downloaded.
func TestARunGoesThroughItsStates(t *testing.T) {
	c := newClient(t, World{NoAuth: true, Times: Times{Run: time.Hour}})
	run := c.runOf(t, c.IDs("ciWorkflows")[0], "")
	attributes := func() any {
		_, _, doc := c.send("GET", "/v1/ciBuildRuns/"+run, "")
		return at(doc, "data", "attributes")
	}
	if a := attributes(); at(a, "executionProgress") != "PENDING" || at(a, "startReason") != "MANUAL" ||
		at(a, "startedDate") != nil || at(a, "completionStatus") != nil || at(a, "number") != 2.0 {
		t.Error("at first", a)
	}
	c.later(t, 16*time.Minute)
	ids, states := c.actionsOf(t, run)
	if a := attributes(); at(a, "executionProgress") != "RUNNING" || at(a, "startedDate") == nil ||
		len(ids) != 2 || strings.Count(states, "RUNNING <nil>") != 2 {
		t.Error("after a quarter", a, states)
	}
	c.later(t, 45*time.Minute)
	ids, states = c.actionsOf(t, run)
	if a := attributes(); at(a, "executionProgress") != "COMPLETE" || at(a, "completionStatus") != "SUCCEEDED" ||
		at(a, "finishedDate") == nil || strings.Count(states, "COMPLETE SUCCEEDED") != 2 {
		t.Error("in the end", a, states)
	}
	for i, want := range []string{"LOG_BUNDLE RESULT_BUNDLE ARCHIVE ARCHIVE_EXPORT", "LOG_BUNDLE RESULT_BUNDLE TEST_PRODUCTS"} {
		_, _, doc := c.send("GET", "/v1/ciBuildActions/"+ids[i]+"/artifacts", "")
		var types []string
		for _, a := range doc["data"].([]any) {
			types = append(types, at(a, "attributes", "fileType").(string))
			c.download(t, at(a, "attributes"))
		}
		if got := strings.Join(types, " "); got != want {
			t.Errorf("left %s, want %s", got, want)
		}
	}
	_, _, doc := c.send("GET", "/v1/ciBuildActions/"+ids[1]+"/testResults", "")
	if n := len(doc["data"].([]any)); n != 2 || at(doc, "data", 0, "attributes", "status") != "SUCCESS" {
		t.Error("results of tests", doc)
	}
	_, _, doc = c.send("GET", "/v1/ciBuildRuns/"+run+"/builds", "")
	if at(doc, "data", 0, "attributes", "version") != "2" ||
		at(doc, "data", 0, "attributes", "processingState") != "VALID" {
		t.Error("the build for testers", doc)
	}
	c.mustFit(t)
}

// download reads a file of a run without a token: a zip of the size that was told.
func (c *client) download(t *testing.T, artifact any) {
	t.Helper()
	path := c.local(at(artifact, "downloadUrl"))
	w := c.raw("GET", path, "")
	body := w.Body.Bytes()
	z, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	if w.Code != 200 || err != nil || float64(len(body)) != at(artifact, "fileSize") {
		t.Fatalf("%s: %d, %d bytes, told %v, %v", path, w.Code, len(body), at(artifact, "fileSize"), err)
	}
	f, err := z.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(f); err != nil || !strings.HasPrefix(string(text), "Build ") {
		t.Errorf("%s holds %q, %v", path, text, err)
	}
	if w := c.raw("GET", strings.Split(path, "?")[0], ""); w.Code != 403 {
		t.Errorf("%s without its signature: %d", path, w.Code)
	}
}

// TestARunFails with an action that it needs, which leaves an issue and logs.
func TestARunFails(t *testing.T) {
	c := newClient(t, World{NoAuth: true, Times: Times{Run: time.Hour}})
	run := c.runOf(t, c.IDs("ciWorkflows")[0], "")
	fail := func(action string) error {
		return c.Act(
			Act{Type: ciRuns, ID: run, Do: "fail", With: map[string]any{"action": action, "message": "no maps"}},
		)
	}
	if fail("Ship it") == nil {
		t.Error("an action that is not there fails")
	}
	if err := fail("Test - iOS"); err != nil {
		t.Fatal(err)
	}
	if fail("Test - iOS") == nil {
		t.Error("it fails twice")
	}
	c.later(t, time.Hour)
	_, _, doc := c.send("GET", "/v1/ciBuildRuns/"+run, "")
	if a := at(doc, "data", "attributes"); at(a, "completionStatus") != "FAILED" ||
		at(a, "issueCounts", "testFailures") != 1.0 || at(a, "issueCounts", "errors") != 0.0 {
		t.Error(a)
	}
	ids, states := c.actionsOf(t, run)
	if !strings.Contains(states, "Test - iOS COMPLETE FAILED") ||
		!strings.Contains(states, "Archive - iOS COMPLETE SUCCEEDED") {
		t.Error(states)
	}
	for path, want := range map[string]string{"issues": "TEST_FAILURE", "testResults": "FAILURE", "artifacts": "LOG_BUNDLE"} {
		if _, _, doc := c.send("GET", "/v1/ciBuildActions/"+ids[1]+"/"+path, ""); !strings.Contains(
			fmt.Sprint(doc),
			want,
		) {
			t.Errorf("%s: %v", path, doc)
		}
	}
	if fail("Archive - iOS") == nil || c.Act(Act{Type: ciRuns, ID: run, Do: "cancel"}) == nil {
		t.Error("a run that has ended fails, or is canceled")
	}
	c.mustFit(t)
}

// TestWhatCanRun: runs are of a workflow that is on, and of its own repository.
func TestWhatCanRun(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	workflows, refs := c.IDs("ciWorkflows"), c.IDs("scmGitReferences")
	path := "/v1/ciBuildRuns"
	mine := to("workflow", "ciWorkflows", workflows[0])
	run := c.runOf(t, workflows[0], "")
	c.refused(t, "POST", path, resource(ciRuns, "", "", ""), "workflow")
	c.refused(t, "POST", path, resource(ciRuns, "", "", to("buildRun", ciRuns, run)), "workflow")
	c.refused(t, "POST", path, resource(ciRuns, "", "", mine+","+to("sourceBranchOrTag", "scmGitReferences", refs[1])),
		"repository")
	c.refused(t, "POST", path, resource(ciRuns, "", "", to("workflow", "ciWorkflows", workflows[1])+","+
		to("buildRun", ciRuns, run)), "another workflow")
	again := c.runOf(t, workflows[0], ","+to("buildRun", ciRuns, run))
	c.wantAttr(t, ciRuns, again, "startReason", "MANUAL_REBUILD")
	c.patch(t, "ciWorkflows", workflows[0], `"isEnabled":false`)
	c.refused(t, "POST", path, resource(ciRuns, "", "", mine), "not enabled")
	c.refused(
		t,
		"PATCH",
		"/v1/ciWorkflows/"+workflows[0],
		resource("ciWorkflows", workflows[0], `"actions":[]`, ""),
		"action",
	)
	c.store.get("scmGitReferences", refs[1]).attrs["isDeleted"] = true
	c.refused(t, "POST", path, resource(ciRuns, "", "", to("workflow", "ciWorkflows", workflows[1])+","+
		to("sourceBranchOrTag", "scmGitReferences", refs[1])), "deleted")
	c.mustFit(t)
}

// TestAPush starts the workflows that wait for it, and ends their earlier runs.
func TestAPush(t *testing.T) {
	c := newClient(t, World{NoAuth: true, Times: Times{Run: time.Hour}})
	refs, workflow := c.IDs("scmGitReferences"), c.IDs("ciWorkflows")[0]
	runs := func() []string { return c.store.ids(c.store.get("ciWorkflows", workflow), "buildRuns") }
	before := len(runs())
	c.act(t, "scmGitReferences", refs[0], "push")
	c.act(t, "scmGitReferences", refs[0], "push")
	c.act(t, "scmGitReferences", refs[perType], "push") // a tag
	now := runs()[before:]
	if len(now) != 3 {
		t.Fatalf("%d runs of three pushes", len(now))
	}
	c.wantAttr(t, ciRuns, now[0], "cancelReason", "AUTOMATICALLY_BY_NEWER_BUILD")
	c.wantAttr(t, ciRuns, now[0], "completionStatus", "CANCELED")
	c.wantAttr(t, ciRuns, now[1], "startReason", "GIT_REF_CHANGE")
	c.wantAttr(t, ciRuns, now[1], "executionProgress", "PENDING")
	c.act(t, ciRuns, now[2], "cancel")
	c.wantAttr(t, ciRuns, now[2], "cancelReason", "MANUALLY_BY_USER")
	c.store.get("scmGitReferences", refs[0]).attrs["name"] = "other"
	c.act(t, "scmGitReferences", refs[0], "push")
	if n := len(runs()); n != before+3 {
		t.Errorf("a push to a branch that no workflow waits for starts a run: %d", n)
	}
	c.later(t, time.Hour)
	c.wantAttr(t, ciRuns, now[0], "completionStatus", "CANCELED")
	c.wantAttr(t, ciRuns, now[1], "completionStatus", "SUCCEEDED")
	c.data(t, "DELETE", "/v1/ciWorkflows/"+workflow, "")
	if status, _, _ := c.send("GET", "/v1/ciBuildRuns/"+now[1], ""); status != 404 {
		t.Errorf("a run outlives its workflow: %d", status)
	}
	c.mustFit(t)
}

// TestARunIsRestored goes on from where it was in a snapshot.
func TestARunIsRestored(t *testing.T) {
	c := newClient(t, World{NoAuth: true, Times: Times{Run: time.Hour}})
	run := c.runOf(t, c.IDs("ciWorkflows")[0], "")
	saved, err := c.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	c.Reset()
	c.mustRestore(t, saved)
	c.later(t, time.Hour)
	c.wantAttr(t, ciRuns, run, "completionStatus", "SUCCEEDED")
	ids, _ := c.actionsOf(t, run)
	_, _, doc := c.send("GET", "/v1/ciBuildActions/"+ids[0]+"/artifacts", "")
	if name := at(doc, "data", 0, "attributes", "fileName"); name != "Build 2 Logs for Archive - iOS.zip" {
		t.Error("the logs are", name)
	}
	c.download(t, at(doc, "data", 0, "attributes"))
	if next := c.runOf(t, c.IDs("ciWorkflows")[0], ""); intOf(c.store.get(ciRuns, next).attrs["number"]) != 3 {
		t.Error("the next run", c.store.get(ciRuns, next).attrs)
	}
	c.mustFit(t)
}

// TestArtifactsFindTheirWorld, without a token that names it.
func TestArtifactsFindTheirWorld(t *testing.T) {
	s, _, b := twoKeys(t, World{})
	status, text := asKey(t, s, b, "POST", "/v1/ciBuildRuns",
		resource(ciRuns, "", "", to("workflow", "ciWorkflows", s.IDs("ciWorkflows")[0])))
	if status != 201 {
		t.Fatal(status, text)
	}
	w := s.knownWorld(b.ID)
	files := w.IDs(ciArtifacts)
	_, text = asKey(t, s, b, "GET", "/v1/ciArtifacts/"+files[len(files)-1], "")
	_, path, _ := strings.Cut(text, artifactsPath)
	path, _, _ = strings.Cut(path, `"`)
	if status, text := asKey(t, s, Key{}, "GET", artifactsPath+path, ""); status != 200 {
		t.Errorf("%s: %d %s", path, status, text)
	}
}
