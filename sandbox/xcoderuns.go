package sandbox

import (
	"cmp"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// runAllowed: a run is one of a workflow that is switched on, of a branch, tag or pull
// request of its repository. The workflow must be named also where a run is run again
// (seen live).
func runAllowed(c *call, o, old *object) []apiError {
	st := c.s.store
	workflow := st.one(o, "workflow")
	if old != nil {
		return nil
	}
	if workflow == nil {
		return []apiError{{
			Status: 409, Code: "ENTITY_ERROR.RELATIONSHIP.REQUIRED",
			Title:   "The provided entity is missing a required relationship",
			Detail:  "You must provide a value for the relationship 'workflow' with this request",
			Pointer: "/data/relationships/workflow",
		}}
	}
	if workflow.attrs["isEnabled"] == false {
		return stateError("/data/relationships/workflow", "The workflow is not enabled.")
	}
	for _, rel := range []string{"sourceBranchOrTag", "pullRequest"} {
		source := st.one(o, rel)
		switch {
		case source == nil:
		case st.one(source, "repository") != st.one(workflow, "repository"):
			return []apiError{wrongRelationship(rel, "It is not of the workflow's repository.")}
		case source.attrs["isDeleted"] == true:
			return stateError("/data/relationships/"+rel, "The branch or tag has been deleted.")
		case source.attrs["isClosed"] == true:
			return stateError("/data/relationships/"+rel, "The pull request is closed.")
		}
	}
	if again := st.one(o, "buildRun"); again != nil && st.one(again, "workflow") != workflow {
		return []apiError{wrongRelationship("buildRun", "It is a run of another workflow.")}
	}
	return nil
}

// runCreated: somebody starts a run by the API, perhaps one again.
func runCreated(c *call, o *object) {
	st, reason := c.s.store, "MANUAL"
	if again := st.one(o, "buildRun"); again != nil {
		reason = "MANUAL_REBUILD"
		for _, rel := range []string{"workflow", "sourceBranchOrTag", "pullRequest"} {
			if len(st.ids(o, rel)) == 0 {
				st.link(o, rel, st.ids(again, rel)...)
			}
		}
	}
	c.begin(o, reason, "Manual build")
}

// begin lets a run of a workflow wait for its turn, with all of its actions.
func (c *call) begin(run *object, reason, message string) {
	st := c.s.store
	workflow := st.one(run, "workflow")
	if workflow == nil { // only in a world without rules
		return
	}
	if len(st.ids(run, "sourceBranchOrTag")) == 0 && len(st.ids(run, "pullRequest")) == 0 {
		if repository := st.one(workflow, "repository"); repository != nil {
			st.link(run, "sourceBranchOrTag", st.ids(repository, "defaultBranch")...)
		}
	}
	run.attrs["number"] = c.nextRun(workflow)
	st.link(run, "product", st.ids(workflow, "product")...)
	run.attrs["createdDate"], run.attrs["startReason"] = c.stamp(), reason
	run.attrs["isPullRequestBuild"] = len(st.ids(run, "pullRequest")) > 0
	run.attrs["executionProgress"], run.attrs["issueCounts"] = "PENDING", issueCounts(nil)
	run.attrs["sourceCommit"] = commit(run, message)
	actions, _ := workflow.attrs["actions"].([]any)
	for _, x := range actions {
		plan, _ := x.(map[string]any)
		action := c.spawn(ciActions)
		action.attrs = map[string]any{
			"name": plan["name"], "actionType": plan["actionType"], "executionProgress": "PENDING",
			"isRequiredToPass": plan["isRequiredToPass"] != false, "issueCounts": issueCounts(nil),
			planned: plan,
		}
		st.link(action, "buildRun", run.id)
	}
	took := cmp.Or(c.s.cfg.Times.Run, c.s.cfg.Processing)
	c.at(c.now.Add(took/4), run, "start", nil)
	c.at(c.now.Add(took), run, "finish", nil)
}

// planned is what the workflow says of an action, as it was when the run began. No part
// of Apple's API tells it.
const planned = "planned"

// nextRun is the number of a product's next run.
func (c *call) nextRun(workflow *object) int {
	product := c.s.store.one(workflow, "product")
	if product == nil {
		return 1
	}
	last := 0
	for _, run := range c.s.store.related(product, "buildRuns") {
		last = max(last, intOf(run.attrs["number"]))
	}
	return last + 1
}

// intOf is a number that the sandbox has set itself, also after it was restored.
func intOf(v any) int {
	if n, is := v.(int); is {
		return n
	}
	n, _ := number(v)
	return int(n)
}

// commit is made of the run's id: another run builds another commit.
func commit(run *object, message string) map[string]any {
	sum := sha1.Sum([]byte(run.id))
	sha := hex.EncodeToString(sum[:])
	who := map[string]any{"displayName": "Ada Lovelace", "avatarUrl": "https://example.com/ada.png"}
	return map[string]any{"commitSha": sha, "message": message, "author": who, "committer": who,
		"webUrl": "https://example.com/commit/" + sha}
}

// issueCounts counts issues by their kind.
func issueCounts(issues []*object) map[string]any {
	counts := map[string]any{}
	for name, kind := range map[string]string{"analyzerWarnings": "ANALYZER_WARNING", "errors": "ERROR",
		"testFailures": "TEST_FAILURE", "warnings": "WARNING"} {
		n := 0
		for _, issue := range issues {
			if issue.text("issueType") == kind {
				n++
			}
		}
		counts[name] = n
	}
	return counts
}

func runStarted(c *call, run *object, _ map[string]any) error {
	if err := c.move(run, "start"); err != nil {
		return err
	}
	run.attrs["startedDate"] = c.stamp()
	for _, action := range c.s.store.related(run, "actions") {
		if action.text("executionProgress") == "PENDING" {
			action.attrs["executionProgress"], action.attrs["startedDate"] = "RUNNING", c.stamp()
		}
	}
	return nil
}

// runFinished ends the actions that still run, and the run: it fails with an action that
// it needs.
func runFinished(c *call, run *object, _ map[string]any) error {
	if !c.may(run, "end") {
		return fmt.Errorf("the run is %s", run.text("executionProgress"))
	}
	status, issues := "SUCCEEDED", []*object{}
	for _, action := range c.s.store.related(run, "actions") {
		if action.text("executionProgress") != "COMPLETE" {
			c.succeed(run, action)
		}
		if action.text("completionStatus") == "FAILED" && action.attrs["isRequiredToPass"] == true {
			status = "FAILED"
		}
		issues = append(issues, c.s.store.related(action, "issues")...)
	}
	run.attrs["issueCounts"] = issueCounts(issues)
	return c.end(run, status)
}

// end completes a run.
func (c *call) end(run *object, status string) error {
	run.attrs["completionStatus"], run.attrs["finishedDate"] = status, c.stamp()
	return c.move(run, "end")
}

// runFails fails an action of a run that goes on.
func runFails(c *call, run *object, with map[string]any) error {
	name, _ := with["action"].(string)
	message, _ := with["message"].(string)
	for _, action := range c.s.store.related(run, "actions") {
		if name != "" && action.text("name") != name {
			continue
		}
		if action.text("executionProgress") == "COMPLETE" {
			return fmt.Errorf("the action %q has ended already", action.text("name"))
		}
		c.fail(run, action, cmp.Or(message, "It does not work."))
		return nil
	}
	return fmt.Errorf("action: the run has no action %q", name)
}

// runCanceled ends a run and what it does.
func runCanceled(c *call, run *object, _ map[string]any) error {
	return c.cancelRun(run, "MANUALLY_BY_USER")
}

func (c *call) cancelRun(run *object, reason string) error {
	if !c.may(run, "end") {
		return fmt.Errorf("the run is %s", run.text("executionProgress"))
	}
	for _, action := range c.s.store.related(run, "actions") {
		if action.text("executionProgress") != "COMPLETE" {
			c.endAction(action, "CANCELED")
		}
	}
	run.attrs["cancelReason"] = reason
	return c.end(run, "CANCELED")
}

// pushed starts a run of each workflow that waits for pushes to a branch or tag. One
// that cancels by itself ends its earlier runs of the same.
func pushed(c *call, ref *object, with map[string]any) error {
	st := c.s.store
	message, _ := with["message"].(string)
	if ref.attrs["isDeleted"] == true {
		return fmt.Errorf("%s is deleted", ref.text("name"))
	}
	condition := "branchStartCondition"
	if ref.text("kind") == "TAG" {
		condition = "tagStartCondition"
	}
	for _, workflow := range st.all("ciWorkflows") {
		start, _ := workflow.attrs[condition].(map[string]any)
		if workflow.attrs["isEnabled"] != true || st.one(workflow, "repository") != st.one(ref, "repository") ||
			!startsWith(start, ref.text("name")) {
			continue
		}
		for _, run := range st.related(workflow, "buildRuns") {
			if start["autoCancel"] == true && slices.Contains(st.ids(run, "sourceBranchOrTag"), ref.id) &&
				c.may(run, "end") {
				if err := c.cancelRun(run, "AUTOMATICALLY_BY_NEWER_BUILD"); err != nil {
					return err
				}
			}
		}
		run := c.spawn(ciRuns)
		run.attrs = map[string]any{}
		st.link(run, "workflow", workflow.id)
		st.link(run, "sourceBranchOrTag", ref.id)
		c.begin(run, "GIT_REF_CHANGE", cmp.Or(message, "A push"))
	}
	return nil
}

// startsWith says whether a start condition is about a branch or tag.
func startsWith(condition map[string]any, name string) bool {
	source, _ := condition["source"].(map[string]any)
	if source["isAllMatch"] == true {
		return true
	}
	patterns, _ := source["patterns"].([]any)
	return slices.ContainsFunc(patterns, func(x any) bool {
		p, _ := x.(map[string]any)
		pattern, _ := p["pattern"].(string)
		return pattern == name || p["isPrefix"] == true && strings.HasPrefix(name, pattern)
	})
}
