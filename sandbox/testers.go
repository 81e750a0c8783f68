package sandbox

import (
	"fmt"
	"slices"
	"strings"
)

// testers: people who test builds, and their invitations.
func testers() map[string]behavior {
	const source = "Apple: Beta testers, state"
	invited := []string{"INVITED", "ACCEPTED", "INSTALLED"}
	return map[string]behavior{
		"betaTesters": {
			count: 12,
			seed: each(
				people("email"),
				cycle("state", "INSTALLED", "ACCEPTED", "INVITED"),
				cycle("inviteType", "EMAIL"),
			),
			unique:  [][]string{{"email"}},
			allowed: testerAllowed, created: testerCreated,
			relating: testerRelating, related: testerRelated,
			measures: map[string]func(*call, *object) []any{"betaTesterUsages": usagesOfTester},
			machines: []machine{{attr: "state", moves: []move{
				{"invite", []string{"NOT_INVITED", "REVOKED"}, "INVITED", source},
				{"accept", []string{"INVITED"}, "ACCEPTED", source},
				{"install", []string{"INVITED", "ACCEPTED"}, "INSTALLED", source},
				{"revoke", invited, "REVOKED", source},
			}}},
			acts: map[string]act{
				"accept":  moving("accept", "the tester accepts the invitation"),
				"install": moving("install", "the tester installs the app"),
			},
		},
		"betaTesterInvitations": {allowed: invitationOfTester, created: func(c *call, o *object) {
			for _, tester := range c.s.store.related(o, "betaTester") {
				_ = c.move(tester, "invite") // an invitation that is repeated changes nothing
			}
		}},
	}
}

// testerAllowed: a new tester comes with groups or with builds, and must be one whom
// they can have.
func testerAllowed(c *call, o, old *object) []apiError {
	if old != nil {
		return nil
	}
	st := c.s.store
	groups, builds := st.related(o, "betaGroups"), st.related(o, "builds")
	if len(groups) > 0 && len(builds) > 0 {
		return []apiError{{
			Status: 409, Code: "ENTITY_ERROR.RELATIONSHIP.INVALID",
			Title:   "The provided entity includes a relationship with an invalid value",
			Detail:  "Only one relationship should be included when creating betaTesters.",
			Pointer: "/data/relationships/builds",
		}}
	}
	for _, group := range groups {
		if errs := c.assignable(group, o); len(errs) > 0 {
			return errs
		}
	}
	for _, build := range builds {
		if errs := c.early(build, o); len(errs) > 0 {
			return errs
		}
	}
	return nil
}

// assignable refuses testers that an internal group cannot have: it takes users of
// the team only.
func (c *call) assignable(group *object, testers ...*object) []apiError {
	if group.attrs["isInternalGroup"] != true {
		return nil
	}
	for _, tester := range testers {
		if !c.inTeam(tester) {
			return []apiError{{
				Status: 409, Code: "STATE_ERROR",
				Title:  "The request cannot be fulfilled because of the state of another resource.",
				Detail: "Tester(s) cannot be assigned",
			}}
		}
	}
	return nil
}

// testerCreated: a tester is invited by Apple as soon as there is a build.
func testerCreated(c *call, o *object) {
	setting(map[string]any{"state": "NOT_INVITED", "inviteType": "EMAIL"})(c, o)
	c.joined(o)
}

// joined gives a tester the apps of its groups and builds, and an invitation if
// there is something to install.
func (c *call) joined(tester *object) {
	st := c.s.store
	for _, rel := range []string{"betaGroups", "builds"} {
		for _, x := range st.related(tester, rel) {
			for _, app := range st.ids(x, "app") {
				st.link(tester, "apps", app)
				if c.installable(tester, app) {
					c.invite(tester)
				}
			}
		}
	}
}

func testerRelating(c *call, tester *object, w relWrite) []apiError {
	if w.how != "add" || w.rel != "betaGroups" && w.rel != "builds" {
		return nil
	}
	if errs := twice(c.s.store.ids(tester, w.rel), w.ids); len(errs) > 0 {
		return errs
	}
	for _, id := range w.ids {
		var errs []apiError
		if w.rel == "builds" {
			errs = c.early(c.s.store.get("builds", id), tester)
		} else {
			errs = c.assignable(c.s.store.get("betaGroups", id), tester)
		}
		if len(errs) > 0 {
			return errs
		}
	}
	return nil
}

// testerRelated: who loses an app leaves its groups and builds, and has nothing to
// test any more when it was the last.
func testerRelated(c *call, tester *object, w relWrite) {
	if w.how == "add" {
		c.joined(tester)
		return
	}
	if w.rel != "apps" {
		return
	}
	st := c.s.store
	for _, rel := range []string{"betaGroups", "builds"} {
		for _, x := range st.related(tester, rel) {
			if slices.ContainsFunc(st.ids(x, "app"), func(app string) bool { return slices.Contains(w.ids, app) }) {
				st.unlink(tester, rel, x.id)
			}
		}
	}
	if len(st.ids(tester, "apps")) == 0 {
		_ = c.move(tester, "revoke") // who was not invited stays so
	}
}

// invitationOfTester refuses to invite whom there is nothing to invite to. The codes
// were seen in public reports.
func invitationOfTester(c *call, o, _ *object) []apiError {
	tester, app := c.s.store.one(o, "betaTester"), c.s.store.one(o, "app")
	if tester == nil || app == nil {
		return nil
	}
	errs := stateError("/data/relationships/betaTester", "")
	switch state := tester.text("state"); {
	case slices.Contains([]string{"ACCEPTED", "INSTALLED"}, state) &&
		slices.Contains(c.s.store.ids(tester, "apps"), app.id):
		errs[0].Code = "STATE_ERROR.TESTER_INVITE.ALREADY_ACCEPTED"
		errs[0].Detail = "Tester has already accepted the invite"
	case !c.installable(tester, app.id):
		errs[0].Code = "STATE_ERROR.TESTER_INVITE.NO_INSTALLABLE_BUILDS"
		errs[0].Detail = "Tester has no installable build"
	default:
		return nil
	}
	return errs
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
