package sandbox

import (
	"fmt"
	"slices"
	"strings"
)

// testFlight: groups, testers and their invitations. Builds and their review have
// files of their own.
func testFlight() map[string]behavior {
	return map[string]behavior{
		"betaGroups": {
			unique: [][]string{{"app", "name"}},
			seed: each(cycle("name", "Friends", "Beta", "Company"), cycle("isInternalGroup", false, false, true),
				cycle("hasAccessToAllBuilds", false, false, true)),
			created: publish, updated: publish,
			relating: groupRelating, related: groupRelated,
		},
		"betaTesters": {
			count: 12,
			seed: each(
				people("email"),
				cycle("state", "INSTALLED", "ACCEPTED", "INVITED"),
				cycle("inviteType", "EMAIL"),
			),
			unique:   [][]string{{"email"}},
			created:  testerCreated,
			relating: testerRelating,
			machines: []machine{{attr: "state", moves: []move{
				{"invite", []string{"NOT_INVITED", "REVOKED"}, "INVITED", "Apple: Beta testers, state"},
				{"accept", []string{"INVITED"}, "ACCEPTED", "Apple: Beta testers, state"},
				{"install", []string{"INVITED", "ACCEPTED"}, "INSTALLED", "Apple: Beta testers, state"},
				{"revoke", []string{"INVITED", "ACCEPTED", "INSTALLED"}, "REVOKED", "Apple: Beta testers, state"},
			}}},
			acts: map[string]act{
				"accept":  moving("accept", "the tester accepts the invitation"),
				"install": moving("install", "the tester installs the app"),
			},
		},
		"betaTesterInvitations": {created: func(c *call, o *object) {
			for _, tester := range c.s.store.related(o, "betaTester") {
				_ = c.move(tester, "invite") // an invitation that is repeated changes nothing
			}
		}},
		"betaAppLocalizations":    {unique: [][]string{{"app", "locale"}}},
		"betaBuildLocalizations":  {unique: [][]string{{"build", "locale"}}},
		"betaRecruitmentCriteria": {unique: [][]string{{"betaGroup"}}},
		"betaFeedbackScreenshotSubmissions": {
			acts: map[string]act{"arrive": arrival("a tester sends feedback with screenshots")},
		},
		"betaFeedbackCrashSubmissions": {
			acts: map[string]act{"arrive": arrival("a tester sends feedback after a crash")},
		},
	}
}

// arrival is something that a tester sends about a build.
func arrival(does string) act {
	return act{
		does: does,
		made: true,
		with: []string{"build", "comment"},
		do: func(c *call, _ *object, with map[string]any) error {
			id, _ := with["build"].(string)
			build := c.s.store.get("builds", id)
			if build == nil {
				return fmt.Errorf("there is no build %q", id)
			}
			o := c.spawn(c.acting)
			o.attrs["comment"], o.attrs["createdDate"] = with["comment"], c.stamp()
			c.s.store.link(o, "build", id)
			c.s.store.link(o, "app", c.s.store.ids(build, "app")...)
			c.created(o)
			c.announce(o, "", "", "")
			return nil
		},
	}
}

// publish gives a group its public link, or takes it.
func publish(c *call, o *object) {
	if o.attrs["publicLinkEnabled"] != true {
		delete(o.attrs, "publicLink")
		return
	}
	if o.text("publicLinkId") == "" {
		o.attrs["publicLinkId"] = c.s.store.newID("")[:8]
	}
	o.attrs["publicLink"] = "https://testflight.apple.com/join/" + o.text("publicLinkId")
}

// groupRelating: an internal group with access to all builds takes none by hand;
// a tester is added once.
func groupRelating(c *call, group *object, w relWrite) []apiError {
	switch {
	case w.how != "add":
		return nil
	case w.rel == "builds" && group.attrs["hasAccessToAllBuilds"] == true:
		return unprocessableState(
			"Builds may not be assigned to this internal group.",
			"The group has access to all builds.",
		)
	case w.rel == "builds" && group.attrs["isInternalGroup"] != true:
		return c.testable(w.ids)
	case w.rel == "betaTesters":
		return twice(c.s.store.ids(group, w.rel), w.ids)
	}
	return nil
}

// groupRelated: a build that a group gets can be tested by it.
func groupRelated(c *call, group *object, w relWrite) {
	if w.rel != "builds" || w.how == "remove" {
		return
	}
	for _, id := range w.ids {
		if build := c.s.store.get("builds", id); build != nil {
			c.offer(build)
		}
	}
}

// testerCreated: a tester of a group is invited by Apple when there is a build.
func testerCreated(c *call, o *object) {
	setting(map[string]any{"state": "NOT_INVITED", "inviteType": "EMAIL"})(c, o)
	for _, group := range c.s.store.related(o, "betaGroups") {
		c.s.store.link(o, "apps", c.s.store.ids(group, "app")...)
	}
}

func testerRelating(c *call, tester *object, w relWrite) []apiError {
	if w.how != "add" || w.rel != "betaGroups" && w.rel != "builds" {
		return nil
	}
	return twice(c.s.store.ids(tester, w.rel), w.ids)
}

// twice refuses ids that are there already.
func twice(have, ids []string) (errs []apiError) {
	for i, id := range ids {
		if slices.Contains(have, id) {
			errs = append(
				errs,
				apiError{
					Status:  409,
					Code:    "ENTITY_ERROR.RELATIONSHIP.INVALID",
					Title:   "The provided entity includes a relationship with an invalid value",
					Detail:  "'" + id + "' has been added already",
					Pointer: fmt.Sprintf("/data/%d", i),
				},
			)
		}
	}
	return errs
}

// unprocessableState refuses what the state of something does not allow yet.
func unprocessableState(title, detail string, code ...string) []apiError {
	return []apiError{
		{
			Status: 422,
			Code:   strings.Join(append([]string{"ENTITY_UNPROCESSABLE"}, code...), "."),
			Title:  title,
			Detail: detail,
		},
	}
}

// people seeds names and an address under an attribute.
func people(address string) func(*object, int) {
	first := []string{"Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald"}
	last := []string{"Lovelace", "Hopper", "Turing", "Dijkstra", "Liskov", "Knuth"}
	return func(o *object, i int) {
		o.attrs["firstName"], o.attrs["lastName"] = first[i%len(first)], last[(i+i/len(first))%len(last)]
		o.attrs[address] = fmt.Sprintf("person%d@example.com", i+1)
	}
}
