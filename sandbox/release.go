package sandbox

import (
	"fmt"
	"time"
)

// versionMoved follows the state of a version: the older attribute says the same,
// the app's information goes with it, and what is released replaces what was.
func versionMoved(c *call, o *object, _, _, is string) {
	o.attrs["appStoreState"] = olderState(is)
	if app := c.s.store.appOf(o); app != nil {
		c.infoFollows(app, is)
	}
	switch is {
	case "PROCESSING_FOR_DISTRIBUTION":
		c.after(0, o, "distribute", nil)
	case "READY_FOR_DISTRIBUTION":
		for _, x := range c.siblings(o, o) {
			_ = c.move(x, "replace") // only the one on sale can be
		}
		if phased := c.s.store.one(o, "appStoreVersionPhasedRelease"); phased != nil {
			_ = c.move(phased, "start") // one that is paused stays so
		}
		if app := c.s.store.appOf(o); app != nil {
			c.gamesLive(app)
		}
	case "PENDING_APPLE_RELEASE":
		c.scheduled(o)
	}
}

// approved moves something on after its review: a version as its release type says.
func (c *call) approved(v *object) error {
	switch {
	case v.typ != "appStoreVersions" || v.text("releaseType") == "MANUAL":
		return c.move(v, "approve")
	case v.text("releaseType") == "SCHEDULED":
		return c.move(v, "approve to schedule")
	}
	return c.move(v, "approve and release")
}

// unscheduled refuses a date of release that is not at a full hour. Apple:
// AppStoreVersion, earliestReleaseDate.
func unscheduled(o, old *object) []apiError {
	date := o.text("earliestReleaseDate")
	at, ok := parseTime(date)
	if !ok || old != nil && old.text("earliestReleaseDate") == date || at.Equal(at.Truncate(time.Hour)) {
		return nil
	}
	return []apiError{{
		Status:  409,
		Code:    "ENTITY_ERROR.ATTRIBUTE.INVALID",
		Title:   "The provided entity includes an attribute with an invalid value",
		Detail:  "The earliest release date must be at a full hour.",
		Pointer: "/data/attributes/earliestReleaseDate",
	}}
}

// versionUpdated follows a date that is set after the approval.
func versionUpdated(c *call, o *object) {
	if o.text("releaseType") != "SCHEDULED" || o.text("earliestReleaseDate") == "" {
		return
	}
	if c.move(o, "schedule") != nil && o.text("appVersionState") == "PENDING_APPLE_RELEASE" {
		c.scheduled(o) // for another date
	}
}

// scheduled lets a version be released when its date has come.
func (c *call) scheduled(v *object) {
	if at, ok := parseTime(v.text("earliestReleaseDate")); ok {
		c.at(at, v, "release", nil)
	}
}

func released(c *call, v *object, _ map[string]any) error { return c.move(v, "release") }

// dateCome releases a version at its date, unless it has another by now.
func dateCome(c *call, v *object, _ map[string]any) error {
	if at, ok := parseTime(v.text("earliestReleaseDate")); ok && at.After(c.now) {
		return fmt.Errorf("the version is to be released at %s", v.text("earliestReleaseDate"))
	}
	return released(c, v, nil)
}

// releaseAllowed: only a version that waits for its developer can be released.
func releaseAllowed(c *call, o, _ *object) []apiError {
	if v := c.s.store.one(o, "appStoreVersion"); v != nil && v.text("appVersionState") != "PENDING_DEVELOPER_RELEASE" {
		return stateError(
			"/data/relationships/appStoreVersion",
			"The version is "+v.text("appVersionState")+", not PENDING_DEVELOPER_RELEASE.",
		)
	}
	return nil
}
