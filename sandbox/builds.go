package sandbox

import (
	"fmt"
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
			settled: func(st *store, o *object) { st.expireLater(o) },
			allowed: buildAllowed, updated: buildUpdated,
			relating: buildRelating, related: buildRelated,
			measures: map[string]func(*call, *object) []any{"betaBuildUsages": usagesOfBuild},
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
			seed: each(
				cycle("internalBuildState", "READY_FOR_BETA_TESTING"),
				cycle("externalBuildState", "BETA_APPROVED"),
				cycle("autoNotifyEnabled", true),
			),
			settled: detailSettled,
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

// expireLater lets a build expire when its time has come.
func (s *store) expireLater(build *object) {
	s.schedule(build.at.Add(buildLife), build, "expire", nil)
}

// detailSettled: a build of a new sandbox is tested by the groups that it has.
func detailSettled(st *store, o *object) {
	for _, build := range st.related(o, "build") {
		for _, group := range st.related(build, "betaGroups") {
			if o.attrs["externalBuildState"] = "IN_BETA_TESTING"; group.attrs["isInternalGroup"] == true {
				o.attrs["externalBuildState"], o.attrs["internalBuildState"] = "BETA_APPROVED", "IN_BETA_TESTING"
			}
		}
	}
}

// processingMoves are the moves that both states of a build have in common.
func processingMoves(ready string) []move {
	return []move{
		{"break", []string{"PROCESSING"}, "PROCESSING_EXCEPTION", betaStates},
		{"ask", []string{"PROCESSING", "IN_EXPORT_COMPLIANCE_REVIEW"}, "MISSING_EXPORT_COMPLIANCE", betaStates},
		{
			"review compliance",
			[]string{"PROCESSING", "MISSING_EXPORT_COMPLIANCE"},
			"IN_EXPORT_COMPLIANCE_REVIEW",
			betaStates,
		},
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
func buildAllowed(c *call, o, old *object) []apiError {
	switch {
	case old == nil:
		return nil
	case old.attrs["expired"] == true && o.attrs["expired"] == false:
		return stateError("/data/attributes/expired", "An expired build cannot be brought back.")
	case old.attrs["usesNonExemptEncryption"] != nil &&
		old.attrs["usesNonExemptEncryption"] != o.attrs["usesNonExemptEncryption"]:
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
	return c.newDeclaration(o, old)
}

func buildUpdated(c *call, o *object) {
	if o.attrs["expired"] == true {
		expire(c, o)
		return
	}
	c.answerExport(o)
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
