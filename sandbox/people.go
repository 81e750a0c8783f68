package sandbox

import (
	"fmt"
	"slices"
	"strings"
)

// invitationDays is how long an invitation can be accepted. Apple: invite users.
const invitationDays = 3

// seeAll are roles that see every app. Apple: role permissions.
var seeAll = []string{"ACCOUNT_HOLDER", "ADMIN", "FINANCE", "ACCESS_TO_REPORTS"}

// organisation: people and their invitations.
func organisation() map[string]behavior {
	return map[string]behavior{
		"users": {
			unique: [][]string{{"username"}},
			seed: each(
				people("username"),
				cycle("roles", []any{"ACCOUNT_HOLDER", "ADMIN"}, []any{"DEVELOPER"}, []any{"APP_MANAGER"}),
				cycle("allAppsVisible", true),
				cycle("provisioningAllowed", true, false, true),
			),
			allowed: userAllowed, removable: userRemovable,
		},
		"userInvitations": {
			unique: [][]string{{"email"}},
			seed: each(
				people("email"),
				func(o *object, i int) { o.attrs["email"] = fmt.Sprintf("invited%d@example.com", i+1) },
			),
			allowed: invitationAllowed,
			created: func(c *call, o *object) {
				end := c.now.AddDate(0, 0, invitationDays)
				o.attrs["expirationDate"] = stamp(end)
				c.at(end, o, "lapse", nil)
			},
			acts: map[string]act{
				"accept": {does: "the invited person accepts, and becomes a user", do: invitationAccepted},
				"lapse":  {own: true, do: func(c *call, o *object, _ map[string]any) error { c.drop(o); return nil }},
			},
		},
		"agreements": {acts: map[string]act{
			"lapse": {
				does: "an agreement with Apple has expired: requests are refused until it is signed",
				made: true,
				do:   agreements(true),
			},
			"sign": {does: "the account holder signs the agreement", made: true, do: agreements(false)},
		}},
	}
}

// userAllowed keeps the role of the account holder, who alone can hand it over, on
// Apple's website. Apple: role permissions.
func userAllowed(c *call, o, old *object) []apiError {
	if isHolder(o) != (old != nil && isHolder(old)) {
		return holderStays()
	}
	return visibilityAllowed(c, o, old)
}

func isHolder(o *object) bool {
	roles, _ := o.attrs["roles"].([]any)
	return slices.Contains(roles, any("ACCOUNT_HOLDER"))
}

func holderStays() []apiError {
	return []apiError{
		{
			Status:  409,
			Code:    "ENTITY_ERROR.ATTRIBUTE.INVALID",
			Title:   "The provided entity includes an attribute with an invalid value",
			Detail:  "The role ACCOUNT_HOLDER can be neither given nor taken.",
			Pointer: "/data/attributes/roles",
		},
	}
}

// visibilityAllowed: who may not see all apps must be given some, and some roles
// see all.
func visibilityAllowed(c *call, o, _ *object) []apiError {
	if o.attrs["allAppsVisible"] != false {
		return nil
	}
	roles, _ := o.attrs["roles"].([]any)
	for _, role := range roles {
		if text, _ := role.(string); slices.Contains(seeAll, text) {
			return []apiError{
				{
					Status:  409,
					Code:    "ENTITY_ERROR.ATTRIBUTE.INVALID",
					Title:   "The provided entity includes an attribute with an invalid value",
					Detail:  "A user with the role " + text + " sees all apps.",
					Pointer: "/data/attributes/allAppsVisible",
				},
			}
		}
	}
	if len(o.rels["visibleApps"]) == 0 {
		return []apiError{
			{
				Status:  409,
				Code:    "ENTITY_ERROR.RELATIONSHIP.REQUIRED",
				Title:   "The provided entity is missing a required relationship",
				Detail:  "Name the apps that the user can see.",
				Pointer: "/data/relationships/visibleApps",
			},
		}
	}
	return nil
}

// userRemovable keeps the account holder.
func userRemovable(_ *call, o *object) []apiError {
	if isHolder(o) {
		return stateError("", "The account holder cannot be removed.")
	}
	return nil
}

func invitationAllowed(c *call, o, old *object) []apiError {
	for _, user := range c.s.store.all("users") {
		if strings.EqualFold(user.text("username"), o.text("email")) {
			return []apiError{
				{
					Status: 409,
					Code:   "ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE",
					Title:  "The provided entity includes an attribute with a value that has already been used",
					Detail: "'" + o.text(
						"email",
					) + "' is a user of the team already.",
					Pointer: "/data/attributes/email",
				},
			}
		}
	}
	if isHolder(o) {
		return holderStays()
	}
	return visibilityAllowed(c, o, old)
}

func invitationAccepted(c *call, o *object, _ map[string]any) error {
	user := c.spawn("users")
	for _, name := range []string{"firstName", "lastName", "roles", "allAppsVisible", "provisioningAllowed"} {
		user.attrs[name] = o.attrs[name]
	}
	user.attrs["username"] = o.text("email")
	c.s.store.link(user, "visibleApps", c.s.store.ids(o, "visibleApps")...)
	c.drop(o)
	return nil
}

// lapsed is the object that stands for agreements which must be signed.
const lapsed = "lapsed"

// agreements lets the team's agreements lapse, or has them signed.
func agreements(lapse bool) func(*call, *object, map[string]any) error {
	return func(c *call, _ *object, _ map[string]any) error {
		o := c.s.store.get("agreements", lapsed)
		switch {
		case lapse && o == nil:
			c.s.store.add(
				&object{typ: "agreements", id: lapsed, at: c.now, attrs: map[string]any{}, rels: map[string][]string{}},
			)
		case !lapse && o != nil:
			c.s.store.remove(o)
		}
		return nil
	}
}

// unsigned refuses everything while an agreement is to be signed.
func (s *Sandbox) unsigned() *apiError {
	if s.store.get("agreements", lapsed) == nil {
		return nil
	}
	return &apiError{
		Status: 403,
		Code:   "FORBIDDEN.REQUIRED_AGREEMENTS_MISSING_OR_EXPIRED",
		Title:  "A required agreement is missing or has expired.",
		Detail: "This request requires an in-effect agreement that has not been signed or has expired.",
		See:    "/agreements",
	}
}
