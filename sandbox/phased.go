package sandbox

import (
	"fmt"
	"slices"
	"time"
)

// How long a phased release takes, and how long all its pauses may be together.
// Apple: release a version update in phases.
const (
	phasedDays   = 7
	phasedTime   = phasedDays * 24 * time.Hour
	pauseDays    = 30
	longestPause = pauseDays * 24 * time.Hour
)

// Notes about a pause, which no part of Apple's API tells.
const (
	pausedAt  = "pausedAt"  // when the pause began that goes on
	pausedFor = "pausedFor" // how long the pauses before it were
)

// phasedReleases: a version reaches everybody within seven days, pauses apart.
func phasedReleases() map[string]behavior {
	const source = "Apple: PhasedReleaseState"
	return map[string]behavior{"appStoreVersionPhasedReleases": {
		seed: each(cycle("phasedReleaseState", "COMPLETE"), cycle("currentDayNumber", phasedDays),
			cycle("totalPauseDuration", 0)),
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
		allowed: phasedAllowed, updated: phasedUpdated,
		machines: []machine{{attr: "phasedReleaseState", moves: []move{
			{"start", []string{"INACTIVE"}, "ACTIVE", source},
			{"pause", []string{"ACTIVE"}, "PAUSED", source},
			{"resume", []string{"PAUSED"}, "ACTIVE", source},
			{"end", []string{"ACTIVE", "PAUSED"}, "COMPLETE", source},
		}}},
		moved: phasedMoved,
		acts: map[string]act{
			"end":    {own: true, do: phasedEnds},
			"resume": {own: true, do: pauseEnds},
		},
		show: phasedShown,
	}}
}

// phasedAllowed: a phased release is planned before its version is on sale, and
// begins with the sale. Its developer pauses it, resumes it, or ends it.
func phasedAllowed(c *call, o, old *object) []apiError {
	const at = "/data/attributes/phasedReleaseState"
	is := o.text("phasedReleaseState")
	if old == nil {
		v := c.s.store.one(o, "appStoreVersion")
		switch {
		case v != nil && slices.Contains(onSale, v.text("appVersionState")):
			return stateError("/data/relationships/appStoreVersion", "The version is on sale already.")
		case is != "" && is != "INACTIVE":
			return stateError(at, "A phased release begins INACTIVE, not "+is+".")
		}
		return nil
	}
	was := old.text("phasedReleaseState")
	switch {
	case was == is:
		return nil
	case was == "COMPLETE" || was == "INACTIVE" || is == "INACTIVE" || is == "":
		return stateError(at, "A phased release that is "+was+" cannot become "+is+".")
	case is == "PAUSED" && c.paused(old) >= longestPause:
		return stateError(at, fmt.Sprintf("A phased release can be paused for %d days in all.", pauseDays))
	}
	return nil
}

// phasedUpdated follows what the developer has set: the state is there already.
func phasedUpdated(c *call, o *object) {
	is := o.text("phasedReleaseState")
	was := "ACTIVE"
	if o.text(pausedAt) != "" {
		was = "PAUSED"
	}
	phasedMoved(c, o, "phasedReleaseState", was, is)
}

// phasedMoved keeps the times of a phased release as its state changes.
func phasedMoved(c *call, o *object, _, was, is string) {
	switch {
	case was == is:
	case was == "INACTIVE":
		o.attrs["startDate"] = c.stamp()
		c.at(c.now.Add(phasedTime), o, "end", nil)
	case is == "PAUSED":
		c.at(c.now.Add(longestPause-c.paused(o)), o, "resume", nil)
		o.attrs[pausedAt] = c.stamp()
	case was == "PAUSED":
		o.attrs[pausedFor] = c.paused(o).String()
		delete(o.attrs, pausedAt)
		if is == "ACTIVE" {
			c.at(c.now.Add(phasedTime-c.phasedFor(o)), o, "end", nil)
		}
	}
	if is == "COMPLETE" {
		o.attrs["currentDayNumber"] = phasedDays
		o.attrs["totalPauseDuration"] = int(c.paused(o) / (24 * time.Hour))
	}
}

// paused is how long a phased release has been paused until now.
func (c *call) paused(o *object) time.Duration {
	sum, _ := time.ParseDuration(o.text(pausedFor)) // none if it is not there
	if since, ok := parseTime(o.text(pausedAt)); ok {
		sum += c.now.Sub(since)
	}
	return sum
}

// phasedFor is how long a phased release has gone on until now, pauses apart.
func (c *call) phasedFor(o *object) time.Duration {
	start, ok := parseTime(o.text("startDate"))
	if !ok {
		return 0
	}
	return c.now.Sub(start) - c.paused(o)
}

// phasedEnds completes a phased release, unless a pause has put its end off.
func phasedEnds(c *call, o *object, _ map[string]any) error {
	if left := phasedTime - c.phasedFor(o); left > 0 || o.text("phasedReleaseState") != "ACTIVE" {
		return fmt.Errorf("the phased release is %s, with %s to go", o.text("phasedReleaseState"), left)
	}
	return c.move(o, "end")
}

// pauseEnds resumes a phased release that has been paused for as long as it may.
func pauseEnds(c *call, o *object, _ map[string]any) error {
	if c.paused(o) < longestPause {
		return fmt.Errorf("the phased release may stay paused")
	}
	return c.move(o, "resume")
}

// phasedShown counts the days of a release that goes on, and those of its pauses.
func phasedShown(c *call, o *object) map[string]any {
	state := o.text("phasedReleaseState")
	if state != "ACTIVE" && state != "PAUSED" {
		return nil
	}
	return map[string]any{
		"currentDayNumber":   min(phasedDays, 1+int(c.phasedFor(o)/(24*time.Hour))),
		"totalPauseDuration": int(c.paused(o) / (24 * time.Hour)),
	}
}
