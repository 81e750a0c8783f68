package sandbox

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
	case "PENDING_APPLE_RELEASE":
		if at, ok := parseTime(o.text("earliestReleaseDate")); ok {
			c.at(at, o, "release", nil)
		}
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

func released(c *call, v *object, _ map[string]any) error { return c.move(v, "release") }

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
