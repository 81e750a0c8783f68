package sandbox

import "time"

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
