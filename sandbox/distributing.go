package sandbox

import "slices"

// Distributing: which testers get a build, and when.

// offer lets those test a build who may: its internal groups at once, its external
// ones after its review. Apple invites those who were not invited yet.
func (c *call) offer(build *object) {
	detail := c.betaDetail(build)
	groups := c.s.store.related(build, "betaGroups")
	for _, group := range groups {
		on := "test"
		if group.attrs["isInternalGroup"] == true {
			on = "test inside"
		} else if detail.attrs["autoNotifyEnabled"] != true {
			on = "offer"
		}
		_ = c.move(detail, on) // not before its state allows it
	}
	for _, group := range groups {
		if c.canInstall(build, group.attrs["isInternalGroup"] == true) {
			for _, tester := range c.s.store.related(group, "betaTesters") {
				c.invite(tester)
			}
		}
	}
	for _, tester := range c.s.store.related(build, "individualTesters") {
		if c.canInstall(build, c.inTeam(tester)) {
			c.invite(tester)
		}
	}
}

// invite invites a tester, but for those who were invited before.
func (c *call) invite(tester *object) {
	if tester.text("state") == "NOT_INVITED" {
		_ = c.move(tester, "invite") // which it may, as its state says
	}
}

// canInstall says whether a build can be installed, inside the team or outside of it.
func (c *call) canInstall(build *object, inside bool) bool {
	if build.attrs["expired"] == true {
		return false
	}
	detail := c.betaDetail(build)
	if inside {
		return slices.Contains([]string{"READY_FOR_BETA_TESTING", "IN_BETA_TESTING"}, detail.text("internalBuildState"))
	}
	return slices.Contains(approved, detail.text("externalBuildState"))
}

// approved are the external states of builds that Beta App Review has let through.
var approved = []string{"BETA_APPROVED", "READY_FOR_BETA_TESTING", "IN_BETA_TESTING"}

// installable says whether a tester has a build of an app to install.
func (c *call) installable(tester *object, app string) bool {
	st := c.s.store
	for _, group := range st.related(tester, "betaGroups") {
		if slices.Contains(st.ids(group, "app"), app) && c.serves(group) {
			return true
		}
	}
	return slices.ContainsFunc(st.related(tester, "builds"), func(build *object) bool {
		return slices.Contains(st.ids(build, "app"), app) && c.canInstall(build, c.inTeam(tester))
	})
}

// serves says whether a group has a build to install.
func (c *call) serves(group *object) bool {
	return slices.ContainsFunc(c.s.store.related(group, "builds"), func(build *object) bool {
		return c.canInstall(build, group.attrs["isInternalGroup"] == true)
	})
}

// inTeam says whether a tester is a user of the team: who is can test without a
// review.
func (c *call) inTeam(tester *object) bool {
	email := tester.text("email")
	return email != "" && slices.ContainsFunc(c.s.store.all("users"), func(user *object) bool {
		return user.text("username") == email
	})
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

// early refuses testers from outside the team for a build that was not submitted to
// Beta App Review yet.
func (c *call) early(build, tester *object) []apiError {
	state := c.betaDetail(build).text("externalBuildState")
	if c.inTeam(tester) || slices.Contains(approved, state) ||
		slices.Contains([]string{"WAITING_FOR_BETA_REVIEW", "IN_BETA_REVIEW"}, state) {
		return nil
	}
	return []apiError{{
		Status: 422, Code: "STATE_ERROR.ENTITY_STATE_INVALID",
		Title: "The request cannot be fulfilled because of the state of another resource.",
		Detail: "Build " + build.id + " must be submitted to Beta App Review before tester " + tester.id +
			" can get it: its external state is " + state + ".",
	}}
}

// buildRelating is groupRelating from the other side.
func buildRelating(c *call, build *object, w relWrite) []apiError {
	if w.how == "remove" {
		return nil
	}
	switch w.rel {
	case "individualTesters":
		return c.testersAllowed(build, w.ids)
	case "appEncryptionDeclaration":
		if len(w.ids) == 0 {
			return nil
		}
		return declarable(c.s.store.get("appEncryptionDeclarations", w.ids[0]))
	case "betaGroups":
	default:
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

// testersAllowed refuses testers that a build has already, or cannot have yet.
func (c *call) testersAllowed(build *object, ids []string) []apiError {
	if errs := twice(c.s.store.ids(build, "individualTesters"), ids); len(errs) > 0 {
		return errs
	}
	for _, id := range ids {
		if errs := c.early(build, c.s.store.get("betaTesters", id)); len(errs) > 0 {
			return errs
		}
	}
	return nil
}

func buildRelated(c *call, build *object, w relWrite) {
	if w.how == "remove" {
		return
	}
	if w.rel == "individualTesters" {
		for _, id := range w.ids {
			c.s.store.link(c.s.store.get("betaTesters", id), "apps", c.s.store.ids(build, "app")...)
		}
	}
	c.answerExport(build)
	c.offer(build)
}

// notificationAllowed: what notifies by itself need not be told to, and only those
// outside the team are notified by hand.
func notificationAllowed(c *call, o, _ *object) []apiError {
	build := c.s.store.one(o, "build")
	if build == nil {
		return nil
	}
	detail := c.betaDetail(build)
	switch {
	case detail.attrs["autoNotifyEnabled"] == true:
		return stateError("/data/relationships/build", "Auto-notify already enabled")
	case !slices.Contains(approved, detail.text("externalBuildState")):
		return stateError("/data/relationships/build", "Build is not in externally testable state.")
	}
	return nil
}
