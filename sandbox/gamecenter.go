package sandbox

// twoPerApp is how many objects a new sandbox has of a type whose objects point
// to others of the same type and app.
const twoPerApp = 2 * perType

// gameCenter: achievements, leaderboards and their sets.
func gameCenter() map[string]behavior {
	return map[string]behavior{
		"gameCenterAchievements":    {count: twoPerApp},
		"gameCenterActivityImages":  {count: twoPerApp}, // of a localization or of a version
		"gameCenterAppVersions":     {count: twoPerApp},
		"gameCenterChallengeImages": {count: twoPerApp},
		"gameCenterDetails":         {unique: [][]string{{"app"}}},
		"gameCenterEnabledVersions": {count: twoPerApp},
		"gameCenterLeaderboards":    {count: twoPerApp},
		"gameCenterLeaderboardSets": {count: twoPerApp},
	}
}
