package sandbox

import "slices"

// infoStates says how the state of an app's information follows that of a version.
var infoStates = map[string]string{
	"PREPARE_FOR_SUBMISSION":    "PREPARE_FOR_SUBMISSION",
	"READY_FOR_REVIEW":          "READY_FOR_REVIEW",
	"WAITING_FOR_REVIEW":        "WAITING_FOR_REVIEW",
	"IN_REVIEW":                 "IN_REVIEW",
	"ACCEPTED":                  "ACCEPTED",
	"REJECTED":                  "REJECTED",
	"METADATA_REJECTED":         "REJECTED",
	"INVALID_BINARY":            "REJECTED",
	"DEVELOPER_REJECTED":        "DEVELOPER_REJECTED",
	"PENDING_DEVELOPER_RELEASE": "PENDING_RELEASE",
	"PENDING_APPLE_RELEASE":     "PENDING_RELEASE",
	"READY_FOR_DISTRIBUTION":    "READY_FOR_DISTRIBUTION",
}

// editableInfo are the states in which an app's information can be changed.
var editableInfo = []string{"PREPARE_FOR_SUBMISSION", "READY_FOR_REVIEW", "REJECTED", "DEVELOPER_REJECTED"}

// appInfos: what the App Store says of an app, whatever its version.
func appInfos() map[string]behavior {
	return map[string]behavior{
		"appCategories": appCategories(),
		"appInfos": {
			seed: each(cycle("state", "READY_FOR_DISTRIBUTION"), cycle("appStoreState", "READY_FOR_SALE"),
				seedCategories),
			placed:  placedCategories(),
			owns:    []string{"ageRatingDeclaration"},
			allowed: infoAllowed, updated: recategorized,
		},
		"appInfoLocalizations": {
			unique: [][]string{{"appInfo", "locale"}},
			allowed: func(c *call, o, old *object) []apiError {
				if info := c.s.store.one(o, "appInfo"); info != nil {
					return infoLocked(info, info)
				}
				return nil
			},
			removable: func(c *call, o *object) []apiError {
				if info := c.s.store.one(o, "appInfo"); info != nil {
					return infoLocked(info, info)
				}
				return nil
			},
		},
		"ageRatingDeclarations": {allowed: ageRatingAllowed},
	}
}

func infoAllowed(c *call, o, old *object) []apiError {
	if errs := infoLocked(o, old); errs != nil || old == nil {
		return errs
	}
	return c.misplaced(o, old)
}

// infoLocked refuses a change of information that is on sale or under review.
func infoLocked(info, old *object) []apiError {
	if state := info.text("state"); old != nil && !slices.Contains(editableInfo, state) {
		return []apiError{
			{
				Status:  409,
				Code:    "ENTITY_ERROR.ATTRIBUTE.INVALID.INVALID_STATE",
				Title:   "The attribute cannot be changed in the current state",
				Detail:  "The app information cannot be edited while it is " + state + ".",
				Pointer: "/data",
			},
		}
	}
	return nil
}

// editInfo is the information of an app that can be changed; nil if none can.
func (c *call) editInfo(app *object) *object {
	for _, info := range c.s.store.related(app, "appInfos") {
		if slices.Contains(editableInfo, info.text("state")) {
			return info
		}
	}
	return nil
}

// openInfo makes a copy of an app's information that can be changed, unless there
// is one.
func (c *call) openInfo(app *object) {
	if app == nil || c.editInfo(app) != nil {
		return
	}
	infos := c.s.store.related(app, "appInfos")
	if len(infos) == 0 {
		return
	}
	live := infos[len(infos)-1]
	info := c.carry(live, map[string]string{"app": app.id})
	info.attrs["state"], info.attrs["appStoreState"] = "PREPARE_FOR_SUBMISSION", "PREPARE_FOR_SUBMISSION"
	for _, rel := range sortedKeys(c.s.facts.relations["appInfos"]) {
		if r := c.s.facts.relation("appInfos", rel); r.typ == "appCategories" {
			c.s.store.link(info, rel, c.s.store.ids(live, rel)...)
		}
	}
	for _, l := range c.s.store.related(live, "appInfoLocalizations") {
		c.carry(l, map[string]string{"appInfo": info.id})
	}
	if rating := c.s.store.one(live, "ageRatingDeclaration"); rating != nil {
		copied := c.carry(rating, nil)
		c.s.store.link(info, "ageRatingDeclaration", copied.id)
	}
}

// infoFollows moves the information of an app with its version; what is released
// takes the place of what was.
func (c *call) infoFollows(app *object, version string) {
	state, known := infoStates[version]
	if !known {
		return
	}
	var moving *object
	for _, info := range c.s.store.related(app, "appInfos") {
		if info.text("state") != "READY_FOR_DISTRIBUTION" {
			moving = info
		}
	}
	if moving == nil {
		return
	}
	moving.attrs["state"], moving.attrs["appStoreState"] = state, olderState(version)
	for _, info := range c.s.store.related(app, "appInfos") {
		if state == "READY_FOR_DISTRIBUTION" && info != moving {
			c.drop(info)
		}
	}
}

// ageRatingAllowed: some answers need others. Apple: age ratings.
func ageRatingAllowed(c *call, o, old *object) []apiError {
	if old == nil {
		return nil
	}
	for _, info := range c.s.store.all("appInfos") {
		if slices.Contains(c.s.store.ids(info, "ageRatingDeclaration"), o.id) {
			if errs := infoLocked(info, info); errs != nil {
				return errs
			}
		}
	}
	var errs []apiError
	for _, x := range []struct{ answer, needs string }{
		{"socialMedia", "userGeneratedContent"},
		{"socialMediaAgeRestricted", "ageAssurance"},
		{"socialMediaAgeRestricted", "socialMedia"},
	} {
		if o.attrs[x.answer] == true && o.attrs[x.needs] != true {
			errs = append(
				errs,
				apiError{
					Status:  409,
					Code:    "ENTITY_ERROR.ATTRIBUTE.INVALID",
					Title:   "The provided entity includes an attribute with an invalid value",
					Detail:  "'" + x.answer + "' can be true only if '" + x.needs + "' is.",
					Pointer: "/data/attributes/" + x.answer,
				},
			)
		}
	}
	return errs
}
