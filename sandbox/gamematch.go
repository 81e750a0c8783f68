package sandbox

import (
	"cmp"
	"fmt"
)

// matchmaking: who plays with whom, and tests of it.
func matchmaking() map[string]behavior {
	return map[string]behavior{
		"gameCenterMatchmakingQueues":   {unique: [][]string{{"referenceName"}}},
		"gameCenterMatchmakingRuleSets": {unique: [][]string{{"referenceName"}}, allowed: playersAllowed},
		"gameCenterMatchmakingRules":    {unique: [][]string{{"ruleSet", "referenceName"}}},
		"gameCenterMatchmakingTeams": {
			unique: [][]string{{"ruleSet", "referenceName"}}, allowed: playersAllowed,
		},
		"gameCenterMatchmakingRuleSetTests": {show: matched},
	}
}

// playersAllowed: the least number of players is not above the most.
func playersAllowed(_ *call, o, _ *object) []apiError {
	least, isLeast := number(o.attrs["minPlayers"])
	most, isMost := number(o.attrs["maxPlayers"])
	switch {
	case isLeast && least < 1:
		return wrongAttribute("minPlayers", "There is at least one player.")
	case isLeast && isMost && least > most:
		return wrongAttribute("maxPlayers", fmt.Sprintf("It is less than minPlayers, which is %d.", least))
	}
	return nil
}

// mostPlayers bounds a match that a test makes.
const mostPlayers = 1000

// matched plays a test of a rule set: its requests become matches in their order, by the
// numbers of players of the set and of its teams. Expressions of rules are not computed. The
// requests are there only after the test: they are read when it is shown.
func matched(c *call, o *object) map[string]any {
	set := c.s.store.one(o, "matchmakingRuleSet")
	results := []any{}
	var match []*object
	close := func() {
		if result := c.match(set, match); result != nil {
			results = append(results, result)
		}
		match = nil
	}
	for _, request := range c.s.store.related(o, "matchmakingRequests") {
		if least, most := c.matchSize(set, append(match[:len(match):len(match)], request)); len(match) > 0 &&
			(c.countPlayers(match)+c.countPlayers([]*object{request}) > most || least > most) {
			close()
		}
		match = append(match, request)
	}
	close()
	return map[string]any{"matchmakingResults": results}
}

// matchSize is how many players a match of some requests has.
func (c *call) matchSize(set *object, requests []*object) (least, most int) {
	least, most = 1, mostPlayers
	if set != nil {
		least, most = intOf(set.attrs["minPlayers"]), intOf(set.attrs["maxPlayers"])
	}
	for _, r := range requests {
		least = max(least, intOf(r.attrs["minPlayers"]))
		most = min(most, cmp.Or(intOf(r.attrs["maxPlayers"]), most))
	}
	return least, most
}

// countPlayers are those that the requests bring.
func (c *call) countPlayers(requests []*object) (n int) {
	for _, r := range requests {
		n += max(
			1,
			min(mostPlayers, intOf(r.attrs["playerCount"])),
			len(c.s.store.ids(r, "matchmakingPlayerProperties")),
		)
	}
	return n
}

// match is what some requests become together; nil if they are too few, or too many.
func (c *call) match(set *object, requests []*object) []any {
	least, most := c.matchSize(set, requests)
	if n := c.countPlayers(requests); len(requests) == 0 || n < least || n > most {
		return nil
	}
	var teams []*object
	if set != nil {
		teams = c.s.store.related(set, "teams")
	}
	in := map[string]int{}
	result := []any{}
	for _, r := range requests {
		assignments := []any{}
		for _, player := range c.s.store.related(r, "matchmakingPlayerProperties") {
			assignment := map[string]any{"playerId": player.text("playerId")}
			if team := nextTeam(teams, in); team != nil {
				in[team.id]++
				assignment["team"] = team.text("referenceName")
			}
			assignments = append(assignments, assignment)
		}
		result = append(result, map[string]any{"requestName": r.text("requestName"), "teamAssignments": assignments})
	}
	return result
}

// nextTeam is the first that lacks players, else the first that has room, else nil.
func nextTeam(teams []*object, in map[string]int) *object {
	for _, bound := range []string{"minPlayers", "maxPlayers"} {
		for _, team := range teams {
			if in[team.id] < intOf(team.attrs[bound]) {
				return team
			}
		}
	}
	return nil
}
