package sandbox

import (
	"fmt"
	"slices"
	"strings"
)

// twoPerApp is how many objects a new sandbox has of a type whose objects point
// to others of the same type and app.
const twoPerApp = 2 * perType

// Points that the achievements of a game have. Apple: configure achievements.
const (
	mostPoints    = 100  // of one
	mostAllPoints = 1000 // of all of a game that are not archived
)

// gameCenter: achievements, leaderboards and their sets, activities and challenges,
// which scores they get, and who plays with whom.
func gameCenter() map[string]behavior {
	all := matchmaking()
	for typ, b := range scores() {
		all[typ] = b
	}
	for typ, b := range map[string]behavior{
		"gameCenterAchievements":    {count: twoPerApp, allowed: achievementAllowed, removable: notLive},
		"gameCenterLeaderboards":    {count: twoPerApp, allowed: leaderboardAllowed, removable: notLive},
		"gameCenterLeaderboardSets": {count: twoPerApp, allowed: gameThing},
		"gameCenterActivities":      {allowed: gameThing, removable: notLive},
		"gameCenterChallenges":      {allowed: gameThing, removable: notLive},
	} {
		b.unique = [][]string{{"vendorIdentifier"}}
		all[typ] = b
	}
	for typ, of := range gameReleases {
		all[typ] = behavior{
			unique:    [][]string{{"gameCenterDetail", of}},
			created:   func(_ *call, o *object) { o.attrs["live"] = false },
			removable: releaseRemovable,
		}
	}
	for typ, b := range map[string]behavior{
		"gameCenterActivityImages":  {count: twoPerApp}, // of a localization or of a version
		"gameCenterAppVersions":     {count: twoPerApp},
		"gameCenterChallengeImages": {count: twoPerApp},
		"gameCenterDetails":         {unique: [][]string{{"app"}}},
		"gameCenterEnabledVersions": {count: twoPerApp},
	} {
		all[typ] = b
	}
	return all
}

// gameReleases are the releases of the first version of the API, with what each is of:
// it goes live with the app's next version.
var gameReleases = map[string]string{
	"gameCenterAchievementReleases":    "gameCenterAchievement",
	"gameCenterLeaderboardReleases":    "gameCenterLeaderboard",
	"gameCenterLeaderboardSetReleases": "gameCenterLeaderboardSet",
}

// gameOwners are what a thing of Game Center is of: a game, or a group of games.
var gameOwners = []string{"gameCenterDetail", "gameCenterGroup"}

// gameThing: what is made belongs to a game or to a group, and the group's ids begin
// with "grp.". Apple: leaderboards and achievements in groups.
func gameThing(_ *call, o, old *object) []apiError {
	switch {
	case old != nil:
		return nil
	case countRels(o, gameOwners) != 1:
		return []apiError{wrongRelationship(gameOwners[0], "Name exactly one of "+strings.Join(gameOwners, ", ")+".")}
	case len(o.rels["gameCenterGroup"]) > 0 && !strings.HasPrefix(o.text("vendorIdentifier"), "grp."):
		return wrongAttribute("vendorIdentifier", "The id of something that a group has begins with 'grp.'.")
	}
	return nil
}

func achievementAllowed(c *call, o, old *object) []apiError {
	if errs := gameThing(c, o, old); errs != nil {
		return errs
	}
	points, given := number(o.attrs["points"])
	if !given || old != nil && same(o.attrs["points"], old.attrs["points"]) {
		return nil
	}
	if points < 1 || points > mostPoints {
		return wrongAttribute("points", fmt.Sprintf("An achievement has 1 to %d points.", mostPoints))
	}
	sum := points
	for _, rel := range gameOwners {
		owner := c.s.store.one(o, rel)
		if owner == nil {
			continue
		}
		for _, x := range c.s.store.related(owner, "gameCenterAchievements") {
			if n, _ := number(x.attrs["points"]); x != old && x.attrs["archived"] != true {
				sum += n
			}
		}
		break
	}
	if sum > mostAllPoints {
		return wrongAttribute("points", fmt.Sprintf("All achievements have %d points together, more than %d.",
			sum, mostAllPoints))
	}
	return nil
}

// leaderboardAllowed: a leaderboard recurs with all that says when, or not at all.
func leaderboardAllowed(c *call, o, old *object) []apiError {
	if errs := gameThing(c, o, old); errs != nil {
		return errs
	}
	names := []string{"recurrenceStartDate", "recurrenceDuration", "recurrenceRule"}
	given := 0
	for _, name := range names {
		if o.text(name) != "" {
			given++
		}
	}
	for _, name := range names {
		if given > 0 && o.text(name) == "" {
			return missingAttribute(name)
		}
	}
	return nil
}

// notLive refuses the end of what players have seen. Apple: it can be archived.
func notLive(c *call, o *object) []apiError {
	live := slices.ContainsFunc(c.s.store.related(o, "versions"), func(v *object) bool {
		return slices.Contains([]string{"LIVE", "REPLACED_WITH_NEW_VERSION"}, v.text("state"))
	}) || slices.ContainsFunc(c.s.store.related(o, "releases"), func(r *object) bool { return r.attrs["live"] == true })
	if !live {
		return nil
	}
	return stateError("", "It is live, and cannot be deleted: archive it.")
}

func releaseRemovable(_ *call, o *object) []apiError {
	if o.attrs["live"] == true {
		return stateError("", "The release is live.")
	}
	return nil
}

// gameVersions are the versions of the second form of the API, with what each is of.
var gameVersions = map[string]string{
	"gameCenterAchievementVersions":    "achievement",
	"gameCenterActivityVersions":       "activity",
	"gameCenterChallengeVersions":      "challenge",
	"gameCenterLeaderboardVersions":    "leaderboard",
	"gameCenterLeaderboardSetVersions": "leaderboardSet",
}

// gameVersion gives versions of Game Center their rules, beside those of App Review:
// one at a time is prepared, and the newest that was approved is live.
func gameVersion(b *behavior, of string) {
	others := func(c *call, o *object) (list []*object) {
		if whole := c.s.store.one(o, of); whole != nil {
			list = without(c.s.store.related(whole, "versions"), o)
		}
		return list
	}
	allowed := b.allowed
	b.allowed = func(c *call, o, old *object) []apiError {
		if errs := allowed(c, o, old); errs != nil || old != nil {
			return errs
		}
		for _, v := range others(c, o) {
			if state := v.text("state"); state != "LIVE" && state != "REPLACED_WITH_NEW_VERSION" {
				return stateError("/data/relationships/"+of, "There is a version already that is "+state+".")
			}
		}
		return nil
	}
	b.created = func(c *call, o *object) {
		last := 0
		for _, v := range others(c, o) {
			last = max(last, intOf(v.attrs["version"]))
		}
		o.attrs["version"], o.attrs["state"] = last+1, prepared
	}
	b.machines[0].moves = append(b.machines[0].moves, move{"replace", []string{"LIVE"}, "REPLACED_WITH_NEW_VERSION",
		"Apple: GameCenterVersionState"})
	b.moved = func(c *call, o *object, _, _, is string) {
		if is != "LIVE" {
			return
		}
		for _, v := range others(c, o) {
			_ = c.move(v, "replace") // only the one that is live can be
		}
	}
}

// gamesLive makes live what was to be released with the app's version.
func (c *call) gamesLive(app *object) {
	detail := c.s.store.one(app, "gameCenterDetail")
	if detail == nil {
		return
	}
	for _, rel := range []string{"achievementReleases", "leaderboardReleases", "leaderboardSetReleases"} {
		for _, release := range c.s.store.related(detail, rel) {
			release.attrs["live"] = true
		}
	}
}
