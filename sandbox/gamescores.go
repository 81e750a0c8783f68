package sandbox

import (
	"math/big"
	"slices"
)

// scores: what a game's server reports of its players, and what of it is shown.
func scores() map[string]behavior {
	return map[string]behavior{
		"gameCenterLeaderboardEntrySubmissions": {allowed: scoreAllowed, created: scoreReported},
		"gameCenterPlayerAchievementSubmissions": {allowed: func(c *call, o, _ *object) []apiError {
			_, errs := c.scored(o, "gameCenterAchievements")
			if percent, _ := number(o.attrs["percentageAchieved"]); errs == nil && (percent < 0 || percent > 100) {
				return wrongAttribute("percentageAchieved", "It is 0 to 100.")
			}
			return errs
		}},
		"gameCenterScoreModerations": {
			seed: each(cycle("blocked", false), cycle("score", "300", "200", "100")),
			show: shownRank,
		},
	}
}

// scored is the leaderboard or achievement that a submission is about: of the game with
// its bundle id, or of the game's group.
func (c *call) scored(o *object, things string) (*object, []apiError) {
	st := c.s.store
	for _, app := range st.all("apps") {
		detail := st.one(app, "gameCenterDetail")
		if detail == nil || app.text("bundleId") != o.text("bundleId") {
			continue
		}
		all := st.related(detail, things)
		if group := st.one(detail, "gameCenterGroup"); group != nil {
			all = append(slices.Clone(all), st.related(group, things)...)
		}
		for _, x := range all {
			if x.text("vendorIdentifier") == o.text("vendorIdentifier") && x.attrs["archived"] != true {
				return x, nil
			}
		}
		return nil, wrongAttribute("vendorIdentifier", "The game has nothing with this id that is not archived.")
	}
	return nil, wrongAttribute("bundleId", "No app with Game Center has this bundle id.")
}

func scoreAllowed(c *call, o, old *object) []apiError {
	if old != nil {
		return nil
	}
	board, errs := c.scored(o, "gameCenterLeaderboards")
	if errs != nil {
		return errs
	}
	score, ok := rational(o.text("score"))
	if !ok {
		return wrongAttribute("score", "'"+o.text("score")+"' is no number.")
	}
	least, bounded := rational(board.text("scoreRangeStart"))
	if most, also := rational(board.text("scoreRangeEnd")); bounded && score.Cmp(least) < 0 ||
		also && score.Cmp(most) > 0 {
		return wrongAttribute("score", "The leaderboard takes "+board.text("scoreRangeStart")+" to "+
			board.text("scoreRangeEnd")+".")
	}
	return nil
}

// rational is a decimal number of at most 100 characters, without an exponent.
func rational(text string) (*big.Rat, bool) {
	const longest = 100
	if len(text) > longest || text == "" {
		return nil, false
	}
	for _, r := range text {
		if (r < '0' || r > '9') && r != '.' && r != '-' {
			return nil, false
		}
	}
	return new(big.Rat).SetString(text)
}

// scoreReported puts a score on its leaderboard, where it can be moderated: the last, or
// the best of each player.
func scoreReported(c *call, o *object) {
	st := c.s.store
	board, errs := c.scored(o, "gameCenterLeaderboards")
	if errs != nil { // only in a world without rules
		return
	}
	if o.attrs["submittedDate"] == nil {
		o.attrs["submittedDate"] = c.stamp()
	}
	player := c.player(o)
	var entry *object
	for _, x := range st.related(board, "gameCenterScoreModerations") {
		if st.one(x, "player") == player {
			entry = x
		}
	}
	switch {
	case entry == nil:
		entry = c.spawn("gameCenterScoreModerations")
		entry.attrs = map[string]any{"blocked": false}
		st.link(entry, "player", player.id)
		st.link(board, "gameCenterScoreModerations", entry.id)
	case board.text("submissionType") == "BEST_SCORE" && !better(board, o, entry):
		return
	}
	for _, name := range []string{"score", "submittedDate", "preReleased", "context", "challengeIds"} {
		entry.attrs[name] = o.attrs[name]
	}
}

// player is the one that a submission names, made when first seen.
func (c *call) player(o *object) *object {
	const typ = "gameCenterDetailPlayers"
	id := o.text("scopedPlayerId")
	if player := c.s.store.get(typ, id); player != nil {
		return player
	}
	player := &object{typ: typ, id: id, at: c.now, rels: map[string][]string{},
		attrs: map[string]any{"nickname": "Player " + id, "blocked": false, "bundleId": o.attrs["bundleId"]}}
	c.s.store.add(player)
	return player
}

// better says whether a score is before another on a leaderboard.
func better(board, a, b *object) bool {
	x, isX := rational(a.text("score"))
	y, isY := rational(b.text("score"))
	if !isX || !isY {
		return isX
	}
	if board.text("scoreSortType") == "ASC" {
		return x.Cmp(y) < 0
	}
	return x.Cmp(y) > 0
}

// shownRank counts what is before a score. One that is blocked has no rank.
func shownRank(c *call, o *object) map[string]any {
	boards := c.s.store.pointing(o, "gameCenterLeaderboards", "gameCenterScoreModerations")
	if len(boards) == 0 || o.attrs["blocked"] == true {
		return map[string]any{"rank": nil}
	}
	rank := big.NewInt(1)
	for _, x := range c.s.store.related(boards[0], "gameCenterScoreModerations") {
		if x != o && x.attrs["blocked"] != true && better(boards[0], x, o) {
			rank.Add(rank, big.NewInt(1))
		}
	}
	return map[string]any{"rank": rank.String()}
}
