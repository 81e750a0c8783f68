package sandbox

import (
	"fmt"
	"strings"
	"testing"
)

const (
	achievementsPath = "/v2/gameCenterAchievements"
	boardsPath       = "/v2/gameCenterLeaderboards"
)

// game is the first app's Game Center, without what a new world has in it.
func (c *client) game(t *testing.T) string {
	t.Helper()
	detail := c.store.one(c.store.get("apps", trailMix), "gameCenterDetail")
	for _, x := range c.store.related(detail, "gameCenterAchievements") {
		x.attrs["archived"] = true
	}
	return detail.id
}

// withVersion is the request for something of Game Center with its first version.
func withVersion(typ, version, attributes, relationships string) string {
	body := strings.TrimSuffix(resource(typ, "", attributes, relationships+
		`,"versions":{"data":[{"type":"`+version+`","id":"${v}"}]}`), "}")
	return body + `,"included":[{"type":"` + version + `","id":"${v}"}]}`
}

func achievement(id string, points int, owner string) string {
	return withVersion("gameCenterAchievements", "gameCenterAchievementVersions", fmt.Sprintf(
		`"referenceName":"Hiker","vendorIdentifier":%q,"points":%d,"showBeforeEarned":true,"repeatable":false`,
		id, points), owner)
}

// TestAchievements have points that are bounded, ids that are used once, and one owner.
func TestAchievements(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	detail := to("gameCenterDetail", "gameCenterDetails", c.game(t))
	group := to("gameCenterGroup", "gameCenterGroups", c.IDs("gameCenterGroups")[0])
	first := c.data(t, "POST", achievementsPath, achievement("hiker", 100, detail))["id"].(string)
	c.refused(t, "POST", achievementsPath, achievement("hiker", 1, detail), "hiker")
	c.refused(t, "POST", achievementsPath, achievement("b", 101, detail), "1 to 100")
	c.refused(t, "POST", achievementsPath, achievement("b", 0, detail), "1 to 100")
	c.refused(t, "POST", achievementsPath, achievement("b", 1, detail+","+group), "exactly one")
	c.refused(t, "POST", achievementsPath, achievement("b", 1, group), "grp.")
	c.data(t, "POST", achievementsPath, achievement("grp.b", 1, group))
	for i := range 9 {
		c.data(t, "POST", achievementsPath, achievement(fmt.Sprint("more", i), 100, detail))
	}
	c.refused(t, "POST", achievementsPath, achievement("b", 1, detail), "1001")
	c.data(t, "PATCH", achievementsPath+"/"+first, resource("gameCenterAchievements", first, `"points":99`, ""))
	c.data(t, "POST", achievementsPath, achievement("b", 1, detail))
	c.refused(t, "PATCH", achievementsPath+"/"+first, resource("gameCenterAchievements", first, `"points":100`, ""),
		"1001")
	c.mustFit(t)
}

// wantV2 reads the state of something of the second version of the API.
func (c *client) wantV2(t *testing.T, typ, id, want string) {
	t.Helper()
	if _, _, doc := c.send("GET", "/v2/"+typ+"/"+id, ""); at(doc, "data", "attributes", "state") != want {
		t.Errorf("%s %s: %v, want %s", typ, id, doc, want)
	}
}

// TestVersionsOfGames: one is prepared at a time, and the newest that was approved takes
// the place of the one that is live.
func TestVersionsOfGames(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	thing := c.data(t, "POST", achievementsPath, achievement("hiker", 5,
		to("gameCenterDetail", "gameCenterDetails", c.game(t))))["id"].(string)
	const path, typ = "/v2/gameCenterAchievementVersions", "gameCenterAchievementVersions"
	versions := func() []string { return c.store.ids(c.store.get("gameCenterAchievements", thing), "versions") }
	more := resource(typ, "", "", to("achievement", "gameCenterAchievements", thing))
	first := versions()[0]
	c.wantV2(t, typ, first, prepared)
	c.refused(t, "POST", path, more, prepared)
	live := func(id string) {
		t.Helper()
		submission := c.draft(t)
		c.data(t, "POST", "/v1/reviewSubmissionItems", resource("reviewSubmissionItems", "", "",
			to("reviewSubmission", "reviewSubmissions", submission)+","+to("gameCenterAchievementVersion", typ, id)))
		c.patch(t, "reviewSubmissions", submission, `"submitted":true`)
		c.refused(t, "POST", path, more, "WAITING_FOR_REVIEW")
		c.act(t, "reviewSubmissions", submission, "start")
		c.act(t, "reviewSubmissions", submission, "approve")
		c.wantV2(t, typ, id, "LIVE")
	}
	live(first)
	c.refused(t, "DELETE", achievementsPath+"/"+thing, "", "archive")
	second := c.data(t, "POST", path, more)
	if at(second, "attributes", "version") != 2.0 {
		t.Error("the second version", second)
	}
	live(second["id"].(string))
	c.wantV2(t, typ, first, "REPLACED_WITH_NEW_VERSION")
	c.mustFit(t)
}

// TestReleasesOfGames go live with the app's next version.
func TestReleasesOfGames(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	detail := to("gameCenterDetail", "gameCenterDetails", c.game(t))
	thing := c.data(t, "POST", achievementsPath, achievement("hiker", 5, detail))["id"].(string)
	const path, typ = "/v1/gameCenterAchievementReleases", "gameCenterAchievementReleases"
	body := resource(typ, "", "", detail+","+to("gameCenterAchievement", "gameCenterAchievements", thing))
	for range 2 { // a release that is not live can be taken back
		release := c.data(t, "POST", path, body)
		c.refused(t, "POST", path, body, "used already")
		if at(release, "attributes", "live") != false {
			t.Error("live at once", release)
		}
		c.data(t, "DELETE", path+"/"+release["id"].(string), "")
	}
	release := c.data(t, "POST", path, body)["id"].(string)
	version, _ := c.prepare(t, "3.0", "")
	submission := c.draft(t)
	c.data(t, "POST", "/v1/reviewSubmissionItems", item(submission, version))
	c.patch(t, "reviewSubmissions", submission, `"submitted":true`)
	c.act(t, "reviewSubmissions", submission, "start")
	c.act(t, "reviewSubmissions", submission, "approve")
	if _, _, doc := c.send("GET", "/v1/appStoreVersions/"+version, ""); at(
		doc,
		"data",
		"attributes",
		"appVersionState",
	) !=
		"READY_FOR_DISTRIBUTION" {
		t.Fatal(doc)
	}
	_, _, doc := c.send("GET", "/v1/gameCenterAchievements/"+thing+"/releases", "")
	if at(doc, "data", 0, "attributes", "live") != true {
		t.Error("after the app", doc)
	}
	c.refused(t, "DELETE", path+"/"+release, "", "live")
	c.refused(t, "DELETE", "/v1/gameCenterAchievements/"+thing, "", "archive")
	c.mustFit(t)
}

// board makes a leaderboard of the first app.
func (c *client) board(t *testing.T, id, more string) string {
	t.Helper()
	return c.data(t, "POST", boardsPath, leaderboard(id, more, c.game(t)))["id"].(string)
}

func leaderboard(id, more, detail string) string {
	return withVersion("gameCenterLeaderboards", "gameCenterLeaderboardVersions", fmt.Sprintf(
		`"defaultFormatter":"INTEGER","referenceName":"Miles","vendorIdentifier":%q,"scoreSortType":"DESC"`+more, id),
		to("gameCenterDetail", "gameCenterDetails", detail))
}

// TestScores are ranked, the best of each player or the last, and can be blocked.
func TestScores(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	best := c.board(t, "best", `,"submissionType":"BEST_SCORE","scoreRangeStart":"0","scoreRangeEnd":"100"`)
	last := c.board(t, "last", `,"submissionType":"MOST_RECENT_SCORE"`)
	c.refused(
		t,
		"POST",
		boardsPath,
		leaderboard("week", `,"submissionType":"BEST_SCORE","recurrenceRule":"FREQ=WEEKLY"`,
			c.game(t)),
		"recurrenceStartDate",
	)
	const path, typ = "/v1/gameCenterLeaderboardEntrySubmissions", "gameCenterLeaderboardEntrySubmissions"
	score := func(board, player, value string) string {
		return resource(typ, "", fmt.Sprintf(`"bundleId":"com.example.trailmix","scopedPlayerId":%q,"score":%q,`+
			`"vendorIdentifier":%q`, player, value, board), "")
	}
	for _, board := range []string{"best", "last"} {
		for _, x := range []string{"ann 30", "bob 20", "ann 10"} {
			player, value, _ := strings.Cut(x, " ")
			c.data(t, "POST", path, score(board, player, value))
		}
	}
	ranks := func(board string) (list []string) {
		_, _, doc := c.send("GET", boardsPath+"/"+board+"/gameCenterScoreModerations?include=player", "")
		for _, x := range doc["data"].([]any) {
			list = append(list, fmt.Sprint(at(x, "relationships", "player", "data", "id"), " ",
				at(x, "attributes", "score"), " ", at(x, "attributes", "rank")))
		}
		return list
	}
	if got := fmt.Sprint(ranks(best)); got != "[ann 30 1 bob 20 2]" {
		t.Error("the best", got)
	}
	if got := fmt.Sprint(ranks(last)); got != "[ann 10 2 bob 20 1]" {
		t.Error("the last", got)
	}
	entry := c.store.ids(c.store.get("gameCenterLeaderboards", best), "gameCenterScoreModerations")[0]
	c.patch(t, "gameCenterScoreModerations", entry, `"blocked":true`)
	if got := fmt.Sprint(ranks(best)); got != "[ann 30 <nil> bob 20 1]" {
		t.Error("with a score blocked", got)
	}
	c.refused(t, "POST", path, score("best", "ann", "101"), "0 to 100")
	c.refused(t, "POST", path, score("best", "ann", "1e9"), "no number")
	c.refused(t, "POST", path, score("worst", "ann", "1"), "id")
	c.refused(t, "POST", path, strings.Replace(score("best", "ann", "1"), "trailmix", "nothing", 1), "bundle id")
	c.mustFit(t)
}

// TestMatchmakingRules: a test makes matches of requests by the numbers of players.
func TestMatchmakingRules(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	const path, typ = "/v1/gameCenterMatchmakingRuleSets", "gameCenterMatchmakingRuleSets"
	set := func(name string, least, most int) string {
		return resource(
			typ,
			"",
			fmt.Sprintf(`"referenceName":%q,"ruleLanguageVersion":1,"minPlayers":%d,"maxPlayers":%d`,
				name, least, most),
			"",
		)
	}
	id := c.data(t, "POST", path, set("duel", 2, 2))["id"].(string)
	c.refused(t, "POST", path, set("duel", 2, 2), "duel")
	c.refused(t, "POST", path, set("none", 3, 2), "minPlayers")
	for _, team := range []string{"red", "blue"} {
		c.data(t, "POST", "/v1/gameCenterMatchmakingTeams", resource("gameCenterMatchmakingTeams", "",
			fmt.Sprintf(`"referenceName":%q,"minPlayers":1,"maxPlayers":1`, team), to("ruleSet", typ, id)))
	}
	var requests, included []string
	for i, name := range []string{"ann", "bob", "eve"} {
		requests = append(requests, fmt.Sprintf(`{"type":"gameCenterMatchmakingTestRequests","id":"${r%d}"}`, i))
		included = append(
			included,
			fmt.Sprintf(`{"type":"gameCenterMatchmakingTestRequests","id":"${r%d}","attributes":`+
				`{"requestName":%q},"relationships":{"matchmakingPlayerProperties":{"data":[{"type":`+
				`"gameCenterMatchmakingTestPlayerProperties","id":"${p%d}"}]}}}`, i, name, i),
			fmt.Sprintf(
				`{"type":"gameCenterMatchmakingTestPlayerProperties","id":"${p%d}","attributes":{"playerId":%q}}`,
				i,
				"player "+name,
			),
		)
	}
	body := strings.TrimSuffix(resource("gameCenterMatchmakingRuleSetTests", "", "", to("matchmakingRuleSet", typ, id)+
		`,"matchmakingRequests":{"data":[`+strings.Join(requests, ",")+`]}`), "}") +
		`,"included":[` + strings.Join(included, ",") + `]}`
	results := at(c.data(t, "POST", "/v1/gameCenterMatchmakingRuleSetTests", body), "attributes", "matchmakingResults")
	want := "[[map[requestName:ann teamAssignments:[map[playerId:player ann team:red]]] " +
		"map[requestName:bob teamAssignments:[map[playerId:player bob team:blue]]]]]"
	if got := fmt.Sprint(results); got != want {
		t.Errorf("%s\nwant %s: the third waits", got, want)
	}
	c.mustFit(t)
}
