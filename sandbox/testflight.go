package sandbox

import (
	"encoding/json"
	"fmt"
	"slices"
)

// mostPublic is how many testers a group has at most. Apple: TestFlight overview.
const mostPublic = 10_000

// testFlight: groups, their public links, and texts. Testers, feedback, builds and
// their review have files of their own.
func testFlight() map[string]behavior {
	return map[string]behavior{
		"betaGroups": {
			unique: [][]string{{"app", "name"}},
			seed: each(cycle("name", "Friends", "Beta", "Company"), cycle("isInternalGroup", false, false, true),
				cycle("hasAccessToAllBuilds", false, false, true), publicLinkOf),
			settled: groupSettled,
			allowed: groupAllowed,
			created: func(c *call, o *object) {
				publish(c, o)
				check := c.spawn("betaRecruitmentCriterionCompatibleBuildChecks")
				c.s.store.link(o, "betaRecruitmentCriterionCompatibleBuildCheck", check.id)
				c.filled(o)
			},
			updated: publish, owns: []string{"betaRecruitmentCriterionCompatibleBuildCheck"},
			relating: groupRelating, related: groupRelated,
			measures: map[string]func(*call, *object) []any{
				"betaTesterUsages": usagesOfTesters, "publicLinkUsages": usagesOfLink,
			},
			acts: map[string]act{"join": {
				does: "somebody joins the group over its public link", with: []string{"email"}, do: joinedByLink,
				when: func(o *object) bool { return o.attrs["publicLinkEnabled"] == true },
			}},
		},
		"betaAppLocalizations":   {unique: [][]string{{"app", "locale"}}},
		"betaBuildLocalizations": {count: twoPerApp, unique: [][]string{{"build", "locale"}}},
		"betaRecruitmentCriteria": {
			unique:  [][]string{{"betaGroup"}},
			seed:    cycle("deviceFamilyOsVersionFilters", []any{osFilter("IPHONE", "17.0", "26.1")}),
			allowed: criteriaAllowed,
			created: func(c *call, o *object) { o.attrs["lastModifiedDate"] = c.stamp() },
			updated: func(c *call, o *object) { o.attrs["lastModifiedDate"] = c.stamp() },
		},
		"betaRecruitmentCriterionCompatibleBuildChecks": {show: func(c *call, o *object) map[string]any {
			return map[string]any{"hasCompatibleBuild": slices.ContainsFunc(
				c.s.store.pointing(o, "betaGroups", "betaRecruitmentCriterionCompatibleBuildCheck"), c.serves)}
		}},
	}
}

func publicLinkOf(o *object, _ int) {
	for _, name := range []string{"publicLink", "publicLinkId", "publicLinkLimit"} {
		delete(o.attrs, name)
	}
	o.attrs["publicLinkEnabled"], o.attrs["publicLinkLimitEnabled"] = false, false
}

// groupSettled leaves an internal group of a new sandbox with users of the team.
func groupSettled(st *store, o *object) {
	if o.attrs["isInternalGroup"] != true {
		return
	}
	for _, tester := range st.related(o, "betaTesters") {
		if !slices.ContainsFunc(st.all("users"), func(user *object) bool {
			return user.text("username") == tester.text("email")
		}) {
			st.unlink(o, "betaTesters", tester.id)
		}
	}
}

// groupAllowed: all builds are for internal groups, public links for external ones.
func groupAllowed(c *call, o, old *object) []apiError {
	var errs []apiError
	refuse := func(attr, detail string) {
		errs = append(errs, apiError{
			Status: 409, Code: "ENTITY_ERROR.ATTRIBUTE.INVALID",
			Title:  "The provided entity includes an attribute with an invalid value",
			Detail: detail, Pointer: "/data/attributes/" + attr,
		})
	}
	inside := o.attrs["isInternalGroup"] == true
	if !inside && o.attrs["hasAccessToAllBuilds"] == true {
		refuse("hasAccessToAllBuilds", "Only an internal group has access to all builds.")
	}
	if inside && o.attrs["publicLinkEnabled"] == true {
		refuse("publicLinkEnabled", "An internal group has no public link.")
	}
	if limit, given := number(o.attrs["publicLinkLimit"]); given && (limit < 1 || limit > mostPublic) {
		refuse("publicLinkLimit", fmt.Sprintf("The limit is at least 1 and at most %d.", mostPublic))
	} else if !given && o.attrs["publicLinkLimitEnabled"] == true {
		refuse("publicLinkLimit", "A limit that is enabled wants a number.")
	}
	if old != nil || len(errs) > 0 {
		return errs
	}
	if errs := c.assignable(o, c.s.store.related(o, "betaTesters")...); len(errs) > 0 {
		return errs
	}
	if builds := c.s.store.ids(o, "builds"); len(builds) > 0 {
		return groupRelating(c, &object{typ: o.typ, id: o.id, attrs: o.attrs, rels: map[string][]string{}},
			relWrite{"builds", builds, "add"})
	}
	return nil
}

// number is an integer of a document.
func number(v any) (n int64, ok bool) {
	switch v := v.(type) {
	case json.Number:
		n, err := v.Int64()
		return n, err == nil
	case int64:
		return v, true
	case int:
		return int64(v), true
	}
	return 0, false
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

// joinedByLink: who joins over a public link needs no invitation, as long as there
// is room and something to install.
func joinedByLink(c *call, group *object, with map[string]any) error {
	limit, _ := number(group.attrs["publicLinkLimit"])
	joined := 0
	for _, tester := range c.s.store.related(group, "betaTesters") {
		if tester.text("inviteType") == "PUBLIC_LINK" {
			joined++
		}
	}
	switch {
	case group.attrs["publicLinkEnabled"] != true:
		return fmt.Errorf("group %s has no public link", group.id)
	case group.attrs["publicLinkLimitEnabled"] == true && int64(joined) >= limit:
		return fmt.Errorf("group %s is full: %d testers came over its public link", group.id, joined)
	case !c.serves(group):
		return fmt.Errorf("group %s has no build to install", group.id)
	}
	tester := c.spawn("betaTesters")
	tester.attrs = map[string]any{"firstName": "Anonymous", "inviteType": "PUBLIC_LINK", "state": "ACCEPTED"}
	if email, _ := with["email"].(string); email != "" {
		tester.attrs["email"] = email
	}
	c.s.store.link(tester, "betaGroups", group.id)
	c.s.store.link(tester, "apps", c.s.store.ids(group, "app")...)
	return nil
}

// groupRelating: an internal group with access to all builds takes none by hand;
// a tester is added once.
func groupRelating(c *call, group *object, w relWrite) []apiError {
	switch {
	case w.how != "add":
		return nil
	case w.rel == "builds" && group.attrs["hasAccessToAllBuilds"] == true:
		return unprocessableState("Builds may not be assigned to this internal group.",
			"The group has access to all builds.")
	case w.rel == "builds" && group.attrs["isInternalGroup"] != true:
		return c.testable(w.ids)
	case w.rel == "betaTesters":
		if errs := twice(c.s.store.ids(group, w.rel), w.ids); len(errs) > 0 {
			return errs
		}
		var testers []*object
		for _, id := range w.ids {
			testers = append(testers, c.s.store.get("betaTesters", id))
		}
		return c.assignable(group, testers...)
	}
	return nil
}

// groupRelated: a build that a group gets can be tested by it.
func groupRelated(c *call, group *object, w relWrite) {
	if w.how == "remove" {
		return
	}
	for _, id := range w.ids {
		if build := c.s.store.get("builds", id); build != nil && w.rel == "builds" {
			c.offer(build)
		}
		if tester := c.s.store.get("betaTesters", id); tester != nil && w.rel == "betaTesters" {
			c.joined(tester)
		}
	}
}

// filled follows the making of a group with all that it came with. One with access
// to all builds gets those that there are.
func (c *call) filled(group *object) {
	if group.attrs["hasAccessToAllBuilds"] == true {
		if app := c.s.store.one(group, "app"); app != nil {
			c.s.store.link(group, "builds", c.s.store.ids(app, "builds")...)
		}
	}
	groupRelated(c, group, relWrite{"builds", c.s.store.ids(group, "builds"), "add"})
	groupRelated(c, group, relWrite{"betaTesters", c.s.store.ids(group, "betaTesters"), "add"})
}

// osFilter is one condition of recruitment criteria.
func osFilter(family, least, most string) map[string]any {
	return map[string]any{"deviceFamily": family, "minimumOsInclusive": least, "maximumOsInclusive": most}
}

// criteriaAllowed: criteria are for external groups, with one range of versions a
// device family. Apple: BetaRecruitmentCriterion.
func criteriaAllowed(c *call, o, _ *object) []apiError {
	if group := c.s.store.one(o, "betaGroup"); group != nil && group.attrs["isInternalGroup"] == true {
		return stateError("/data/relationships/betaGroup", "An internal group has no recruitment criteria.")
	}
	var errs []apiError
	filters, _ := o.attrs["deviceFamilyOsVersionFilters"].([]any)
	var families []any
	for i, v := range filters {
		filter, _ := v.(map[string]any)
		least, _ := filter["minimumOsInclusive"].(string)
		most, _ := filter["maximumOsInclusive"].(string)
		detail := ""
		switch {
		case slices.Contains(families, filter["deviceFamily"]):
			detail = "The device family occurs twice."
		case least != "" && most != "" && compareVersions(least, most) > 0:
			detail = "The minimum is above the maximum."
		}
		if families = append(families, filter["deviceFamily"]); detail != "" {
			errs = append(errs, apiError{
				Status: 409, Code: "ENTITY_ERROR.ATTRIBUTE.INVALID",
				Title:   "The provided entity includes an attribute with an invalid value",
				Detail:  detail,
				Pointer: fmt.Sprintf("/data/attributes/deviceFamilyOsVersionFilters/%d", i),
			})
		}
	}
	return errs
}
