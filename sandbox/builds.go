package sandbox

import (
	"fmt"
	"slices"
	"time"
)

// buildLife is how long a build can be tested. Apple: TestFlight overview.
const buildLife = 90 * 24 * time.Hour

// betaStates says where the states of a build in TestFlight are written down.
const betaStates = "Apple: BuildBetaDetail, internal and external build state"

// builds: from the upload of a binary to a build that can be tested.
func builds() map[string]behavior {
	return map[string]behavior{
		"builds": {
			count: 6,
			seed: each(
				func(o *object, i int) { o.attrs["version"] = fmt.Sprint(41 + i) },
				cycle("processingState", "VALID"),
				cycle("expired", false),
				cycle("minOsVersion", "17.0"),
				cycle("usesNonExemptEncryption", false),
				cycle("buildAudienceType", "APP_STORE_ELIGIBLE"),
				livesFrom,
			),
			allowed: buildAllowed, updated: buildUpdated,
			relating: buildRelating, related: buildRelated,
			machines: []machine{{attr: "processingState", moves: []move{
				{"process", []string{"PROCESSING"}, "VALID", "Apple: Build, processingState"},
				{"fail", []string{"PROCESSING"}, "FAILED", "Apple: Build, processingState"},
				{"invalidate", []string{"PROCESSING"}, "INVALID", "Apple: Build, processingState"},
			}}},
			moved: buildMoved,
			acts: map[string]act{
				"process": moving("process", "Apple processes the build: it becomes VALID"),
				"fail":    {does: "Apple cannot process the build", with: []string{"errors"}, do: failed("fail")},
				"invalidate": {
					does: "Apple finds the build invalid",
					with: []string{"errors"},
					do:   failed("invalidate"),
				},
				"expire": {
					does: "the build is too old to be tested",
					do:   func(c *call, o *object, _ map[string]any) error { expire(c, o); return nil },
				},
			},
		},
		"buildBetaDetails": {
			count: 6,
			seed: each(cycle("internalBuildState", "IN_BETA_TESTING"), cycle("externalBuildState", "IN_BETA_TESTING"),
				cycle("autoNotifyEnabled", true)),
			machines: []machine{
				{attr: "externalBuildState", moves: append(
					processingMoves("READY_FOR_BETA_SUBMISSION"),
					move{
						"submit",
						[]string{"READY_FOR_BETA_SUBMISSION", "BETA_REJECTED"},
						"WAITING_FOR_BETA_REVIEW",
						betaStates,
					},
					move{"start", []string{"WAITING_FOR_BETA_REVIEW"}, "IN_BETA_REVIEW", betaStates},
					move{"approve", []string{"WAITING_FOR_BETA_REVIEW", "IN_BETA_REVIEW"}, "BETA_APPROVED", betaStates},
					move{"reject", []string{"WAITING_FOR_BETA_REVIEW", "IN_BETA_REVIEW"}, "BETA_REJECTED", betaStates},
					move{"offer", []string{"BETA_APPROVED"}, "READY_FOR_BETA_TESTING", betaStates},
					move{"test", []string{"BETA_APPROVED", "READY_FOR_BETA_TESTING"}, "IN_BETA_TESTING", betaStates},
				)},
				{attr: "internalBuildState", moves: append(processingMoves("READY_FOR_BETA_TESTING"),
					move{"test inside", []string{"READY_FOR_BETA_TESTING"}, "IN_BETA_TESTING", betaStates})},
			},
		},
		"buildBetaNotifications": {allowed: notificationAllowed, created: func(c *call, o *object) {
			if build := c.s.store.one(o, "build"); build != nil {
				_ = c.move(c.betaDetail(build), "test") // one that is tested already stays so
			}
		}},
		"preReleaseVersions": {seed: each(cycle("version", "1.0", "1.1", "2.0"), cycle("platform", "IOS"))},
	}
}

func livesFrom(o *object, _ int) { o.attrs["expirationDate"] = stamp(o.at.Add(buildLife)) }

// processingMoves are the moves that both states of a build have in common.
func processingMoves(ready string) []move {
	return []move{
		{"break", []string{"PROCESSING"}, "PROCESSING_EXCEPTION", betaStates},
		{"ask", []string{"PROCESSING"}, "MISSING_EXPORT_COMPLIANCE", betaStates},
		{
			"ready",
			[]string{"PROCESSING", "MISSING_EXPORT_COMPLIANCE", "IN_EXPORT_COMPLIANCE_REVIEW"},
			ready,
			betaStates,
		},
		{"expire", nil, "EXPIRED", betaStates},
	}
}

// betaDetail is that of a build: Apple makes it with the build, under its id.
func (c *call) betaDetail(build *object) *object {
	if o := c.s.store.get("buildBetaDetails", build.id); o != nil {
		return o
	}
	o := &object{typ: "buildBetaDetails", id: build.id, at: c.now, rels: map[string][]string{}, attrs: map[string]any{
		"internalBuildState": "PROCESSING", "externalBuildState": "PROCESSING", "autoNotifyEnabled": false}}
	c.s.store.add(o)
	c.s.store.link(o, "build", build.id)
	return o
}

// buildAllowed: an expired build stays so, and an answer about encryption too.
func buildAllowed(_ *call, o, old *object) []apiError {
	switch {
	case old == nil:
		return nil
	case old.attrs["expired"] == true && o.attrs["expired"] == false:
		return stateError("/data/attributes/expired", "An expired build cannot be brought back.")
	case old.attrs["usesNonExemptEncryption"] != nil && old.attrs["usesNonExemptEncryption"] != o.attrs["usesNonExemptEncryption"]:
		return []apiError{
			{
				Status:  409,
				Code:    "ENTITY_ERROR.ATTRIBUTE.INVALID",
				Title:   "The provided entity includes an attribute with an invalid value",
				Detail:  "You cannot update when the value is already set.",
				Pointer: "/data/attributes/usesNonExemptEncryption",
			},
		}
	}
	return nil
}

func buildUpdated(c *call, o *object) {
	if o.attrs["expired"] == true {
		expire(c, o)
		return
	}
	c.answerExport(o)
}

// answerExport moves the states of a processed build once it is known what it
// encrypts.
func (c *call) answerExport(build *object) {
	if build.text("processingState") != "VALID" {
		return
	}
	detail := c.betaDetail(build)
	declared := len(c.s.store.ids(build, "appEncryptionDeclaration")) > 0
	if uses, answered := build.attrs["usesNonExemptEncryption"].(bool); answered && (!uses || declared) {
		_ = c.move(detail, "ready") // ready it may be already
		c.offer(build)
		return
	}
	_ = c.move(detail, "ask")
}

// buildMoved follows the processing of a build.
func buildMoved(c *call, o *object, _, _, is string) {
	upload := c.s.store.one(o, "buildUpload")
	if is == "VALID" {
		c.answerExport(o)
		if upload != nil {
			_ = c.move(upload, "complete")
		}
		return
	}
	_ = c.move(c.betaDetail(o), "break")
	if upload != nil {
		_ = c.move(upload, "fail")
	}
}

// failed ends the processing of a build, with errors of its upload.
func failed(on string) func(*call, *object, map[string]any) error {
	return func(c *call, o *object, with map[string]any) error {
		if up := c.s.store.one(o, "buildUpload"); up != nil {
			uploadErrors(up, with["errors"])
		}
		return c.move(o, on)
	}
}

// expire ends the testing of a build.
func expire(c *call, o *object) {
	o.attrs["expired"] = true
	_ = c.move(c.betaDetail(o), "expire")
}

// offer lets those test a build who may: its internal groups at once, its external
// ones after its review.
func (c *call) offer(build *object) {
	detail := c.betaDetail(build)
	for _, group := range c.s.store.related(build, "betaGroups") {
		on := "test"
		if group.attrs["isInternalGroup"] == true {
			on = "test inside"
		} else if detail.attrs["autoNotifyEnabled"] != true {
			on = "offer"
		}
		_ = c.move(detail, on) // not before its state allows it
	}
}

// testable refuses builds that an external group cannot get yet.
func (c *call) testable(ids []string) []apiError {
	for _, id := range ids {
		build := c.s.store.get("builds", id)
		switch {
		case build == nil:
		case build.text("processingState") != "VALID":
			return unprocessableState(
				"The build is not processed yet.",
				"Build "+id+" is "+build.text("processingState")+".",
			)
		case build.attrs["expired"] == true:
			return unprocessableState("The build has expired.", "Build "+id+" can no longer be tested.")
		case build.text("buildAudienceType") == "INTERNAL_ONLY":
			return unprocessableState(
				"The build is for internal testing only.",
				"Build "+id+" cannot be given to an external group.",
			)
		}
	}
	return nil
}

// buildRelating is groupRelating from the other side.
func buildRelating(c *call, build *object, w relWrite) []apiError {
	if w.rel != "betaGroups" || w.how != "add" {
		return nil
	}
	for _, id := range w.ids {
		group := c.s.store.get("betaGroups", id)
		if errs := groupRelating(c, group, relWrite{"builds", []string{build.id}, "add"}); len(errs) > 0 {
			return errs
		}
	}
	return nil
}

func buildRelated(c *call, build *object, w relWrite) {
	if slices.Contains([]string{"betaGroups", "appEncryptionDeclaration"}, w.rel) && w.how != "remove" {
		c.answerExport(build)
		c.offer(build)
	}
}

// notificationAllowed: what notifies by itself need not be told to.
func notificationAllowed(c *call, o, _ *object) []apiError {
	build := c.s.store.one(o, "build")
	if build == nil || c.betaDetail(build).attrs["autoNotifyEnabled"] != true {
		return nil
	}
	return stateError("/data/relationships/build", "Auto-notify is already enabled for this build.")
}
