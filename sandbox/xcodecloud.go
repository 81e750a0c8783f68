package sandbox

import "fmt"

// Where the facts about Xcode Cloud stand.
const ciSource = "Apple: CiExecutionProgress"

// Types of Xcode Cloud.
const (
	ciRuns      = "ciBuildRuns"
	ciActions   = "ciBuildActions"
	ciArtifacts = "ciArtifacts"
)

// xcodeCloud: products with their workflows, and runs of these.
func xcodeCloud() map[string]behavior {
	all := sourceControl()
	for typ, b := range map[string]behavior{
		"ciProducts": {
			seed: each(cycle("name", appNames()...), cycle("productType", "APP")),
			owns: []string{"workflows", "buildRuns"},
		},
		"ciWorkflows": {
			seed: seedWorkflow,
			owns: []string{"buildRuns"}, allowed: workflowAllowed,
			created: workflowChanged, updated: workflowChanged,
		},
		ciRuns:    ciBuildRuns(),
		ciActions: {seed: seedAction, owns: []string{"artifacts", "issues", "testResults"}},
		ciArtifacts: {
			seed: func(o *object, i int) {
				o.attrs["fileType"], o.attrs["fileName"] = "LOG_BUNDLE", fmt.Sprintf("Build %d Logs.zip", i+1)
				fillArtifact(o, fmt.Sprintf("Build %d\n", i+1))
			},
			show: func(c *call, o *object) map[string]any {
				return map[string]any{"downloadUrl": fmt.Sprintf("%s%s%s?signature=%s",
					c.base, artifactsPath, o.id, signature(o.id))}
			},
		},
		"ciXcodeVersions": {seed: each(cycle("version", "26.1", "26.0.1", "16.4"),
			cycle("name", "Xcode 26.1 (17B55)", "Xcode 26.0.1 (17A400)", "Xcode 16.4 (16F6)"))},
		"ciMacOsVersions": {seed: each(cycle("version", "26.1", "26.0", "15.6"),
			cycle("name", "macOS Tahoe 26.1 (25B78)", "macOS Tahoe 26.0 (25A354)", "macOS Sequoia 15.6 (24G84)"))},
	} {
		all[typ] = b
	}
	return all
}

// sourceControl: branches and tags, to which the world pushes.
func sourceControl() map[string]behavior {
	return map[string]behavior{
		"scmGitReferences": {
			count: 2 * perType,
			seed: func(o *object, i int) {
				o.attrs["name"], o.attrs["canonicalName"], o.attrs["kind"] = "main", "refs/heads/main", "BRANCH"
				if i >= perType {
					o.attrs["name"], o.attrs["canonicalName"], o.attrs["kind"] = "v1.0", "refs/tags/v1.0", "TAG"
				}
				o.attrs["isDeleted"] = false
			},
			acts: map[string]act{"push": {
				does: "somebody pushes to the branch, or the tag: workflows that wait for it start",
				with: []string{"message"},
				do:   pushed,
			}},
		},
		"scmPullRequests": {seed: each(cycle("isClosed", false), cycle("isCrossRepository", false))},
	}
}

// ciBuildRuns: a run waits, builds, and has an end. Its actions run side by side.
func ciBuildRuns() behavior {
	return behavior{
		seed: each(
			cycle("executionProgress", "COMPLETE"),
			cycle("completionStatus", "SUCCEEDED", "FAILED", "SUCCEEDED"),
			cycle("cancelReason", nil),
			cycle("isPullRequestBuild", false),
			func(o *object, i int) {
				o.attrs["number"], o.attrs["sourceCommit"] = i+1, commit(o, "Maps")
			},
		),
		allowed: runAllowed, created: runCreated, owns: []string{"actions"},
		machines: []machine{{attr: "executionProgress", moves: []move{
			{"start", []string{"PENDING"}, "RUNNING", ciSource},
			{"end", []string{"PENDING", "RUNNING"}, "COMPLETE", ciSource},
		}}},
		acts: map[string]act{
			"start":  {own: true, do: runStarted},
			"finish": {own: true, do: runFinished},
			"fail": {
				does: "an action of the run fails, the first if none is named; the run goes on to its end",
				with: []string{"action", "message"}, on: "end", do: runFails,
			},
			"cancel": {does: "somebody cancels the run in Xcode", on: "end", do: runCanceled},
		},
	}
}

// seedWorkflow starts with each push to main, and with tags that begin with v.
func seedWorkflow(o *object, _ int) {
	named := func(pattern string, prefix bool) map[string]any {
		return map[string]any{"isAllMatch": false,
			"patterns": []any{map[string]any{"pattern": pattern, "isPrefix": prefix}}}
	}
	action := func(name, kind, destination string) map[string]any {
		return map[string]any{"name": name, "actionType": kind, "destination": destination, "scheme": "App",
			"platform": "IOS", "isRequiredToPass": true}
	}
	archive := action("Archive - iOS", "ARCHIVE", "ANY_IOS_DEVICE")
	archive["buildDistributionAudience"] = "APP_STORE_ELIGIBLE"
	test := action("Test - iOS", "TEST", "ANY_IOS_SIMULATOR")
	test["testConfiguration"] = map[string]any{"kind": "USE_SCHEME_SETTINGS", "testPlanName": "",
		"testDestinations": []any{}}
	o.attrs["name"], o.attrs["description"] = "Release", "Tests, and a build for TestFlight"
	o.attrs["isEnabled"], o.attrs["isLockedForEditing"], o.attrs["clean"] = true, false, false
	o.attrs["containerFilePath"] = "App.xcodeproj"
	o.attrs["actions"] = []any{archive, test}
	o.attrs["branchStartCondition"] = map[string]any{"source": named("main", false), "autoCancel": true}
	o.attrs["tagStartCondition"] = map[string]any{"source": named("v", true), "autoCancel": false}
}

func seedAction(o *object, i int) {
	o.attrs["name"], o.attrs["actionType"] = "Archive - iOS", "ARCHIVE"
	o.attrs["executionProgress"], o.attrs["completionStatus"] = "COMPLETE", "SUCCEEDED"
	if i%perType == 1 { // as its run
		o.attrs["completionStatus"] = "FAILED"
	}
	o.attrs["isRequiredToPass"] = true
}

// workflowAllowed: a workflow does something, with a repository of its product.
func workflowAllowed(c *call, o, _ *object) []apiError {
	if list, given := o.attrs["actions"].([]any); given && len(list) == 0 {
		return wrongAttribute("actions", "A workflow has at least one action.")
	}
	product, repository := c.s.store.one(o, "product"), c.s.store.one(o, "repository")
	if product == nil || repository == nil {
		return nil
	}
	for _, rel := range []string{"primaryRepositories", "additionalRepositories"} {
		for _, x := range c.s.store.related(product, rel) {
			if x == repository {
				return nil
			}
		}
	}
	return []apiError{wrongRelationship("repository", "The repository is none of the product's.")}
}

func workflowChanged(c *call, o *object) { o.attrs["lastModifiedDate"] = c.stamp() }
