package sandbox

import "time"

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

// approved moves a version on after its review, as its release type says.
func (c *call) approved(v *object) error {
	switch v.text("releaseType") {
	case "MANUAL":
		return c.move(v, "approve")
	case "SCHEDULED":
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

// phasedDays is how long a phased release takes. Apple: release a version update
// in phases.
const phasedDays = 7

// phasedReleases: a version reaches everybody within seven days.
func phasedReleases() map[string]behavior {
	const source = "Apple: PhasedReleaseState"
	return map[string]behavior{"appStoreVersionPhasedReleases": {
		seed:   each(cycle("phasedReleaseState", "COMPLETE"), cycle("currentDayNumber", phasedDays)),
		unique: [][]string{{"appStoreVersion"}},
		created: setting(
			map[string]any{"phasedReleaseState": "INACTIVE", "currentDayNumber": 0, "totalPauseDuration": 0},
		),
		removable: func(_ *call, o *object) []apiError {
			if o.text("phasedReleaseState") != "INACTIVE" {
				return stateError("", "A phased release that has begun cannot be deleted.")
			}
			return nil
		},
		allowed: phasedAllowed,
		machines: []machine{{attr: "phasedReleaseState", moves: []move{
			{"start", []string{"INACTIVE"}, "ACTIVE", source},
			{"end", []string{"ACTIVE"}, "COMPLETE", source},
		}}},
		moved: func(c *call, o *object, _, _, is string) {
			if is == "ACTIVE" {
				o.attrs["startDate"] = c.stamp()
				c.at(c.now.AddDate(0, 0, phasedDays), o, "end", nil)
			}
		},
		acts: map[string]act{"end": {own: true, do: phasedEnds}},
		show: phasedShown,
	}}
}

// phasedEnds completes a phased release that was not paused.
func phasedEnds(c *call, o *object, _ map[string]any) error { return c.move(o, "end") }

// phasedAllowed: what has not begun cannot be paused; what is complete stays so.
func phasedAllowed(_ *call, o, old *object) []apiError {
	if old == nil || o.text("phasedReleaseState") == old.text("phasedReleaseState") {
		return nil
	}
	was := old.text("phasedReleaseState")
	if was == "COMPLETE" || was == "INACTIVE" && o.text("phasedReleaseState") != "ACTIVE" {
		return stateError(
			"/data/attributes/phasedReleaseState",
			"A phased release that is "+was+" cannot become "+o.text("phasedReleaseState")+".",
		)
	}
	return nil
}

// phasedShown counts the days of a release that goes on.
func phasedShown(c *call, o *object) map[string]any {
	start, ok := parseTime(o.text("startDate"))
	if !ok || o.text("phasedReleaseState") != "ACTIVE" {
		return nil
	}
	return map[string]any{"currentDayNumber": min(phasedDays, 1+int(c.now.Sub(start)/(24*time.Hour)))}
}
