package sandbox

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestFilters(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	app, builds := c.IDs("apps")[0], c.IDs("builds")
	for query, want := range map[string]int{
		"": 6,
		"filter[id]=" + builds[0] + "," + builds[1]:  2,
		"filter[version]=41":                         1,
		"filter[version]=41,42,1000":                 2,
		"filter[app]=" + app:                         2,
		"filter[app]=" + app + "&filter[version]=41": 1,
		"filter[app]=none":                           0,
		"filter[expired]=true":                       0,
		"filter[preReleaseVersion.platform]=IOS":     6,
		"filter[preReleaseVersion.version]=1.1":      2,
		"exists[usesNonExemptEncryption]=true":       6,
		"exists[usesNonExemptEncryption]=false":      0,
	} {
		_, _, doc := c.send("GET", "/v1/builds?"+query, "")
		if got := at(doc, "meta", "paging", "total"); got != float64(want) {
			t.Errorf("%s: %v, want %d: %v", query, got, want, doc["errors"])
		}
	}
}

func TestSorting(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	for _, x := range []struct{ sort, want string }{
		{"version", "41 42 43 44 45 46"},
		{"-version", "46 45 44 43 42 41"},
		{"uploadedDate", "41 42 43 44 45 46"}, // in whatever form Apple writes dates
		{"-uploadedDate", "46 45 44 43 42 41"},
		{"preReleaseVersion,-version", ""},
	} {
		_, _, doc := c.send("GET", "/v1/builds?fields[builds]=version&sort="+x.sort, "")
		var got []string
		for i := range 6 {
			got = append(got, fmt.Sprint(at(doc, "data", i, "attributes", "version")))
		}
		if x.want != "" && strings.Join(got, " ") != x.want {
			t.Errorf("%s: %v", x.sort, got)
		}
	}
}

func TestToManyLinkageIsCut(t *testing.T) {
	c := newClient(t, World{NoAuth: true, NoRules: true})
	group := c.IDs("betaGroups")[0]
	list := make([]string, 0, 12)
	for _, id := range c.IDs("betaTesters") {
		list = append(list, `{"type":"betaTesters","id":"`+id+`"}`)
	}
	if status, _, doc := c.send("POST", "/v1/betaGroups/"+group+"/relationships/betaTesters", `{"data":[`+strings.Join(list, ",")+`]}`); status != 204 {
		t.Fatal(status, doc)
	}
	for query, want := range map[string]int{"": 10, "&limit[betaTesters]=3": 3, "&limit[betaTesters]=50": 12} {
		_, _, doc := c.send("GET", "/v1/betaGroups/"+group+"?include=betaTesters"+query, "")
		rel := at(doc, "data", "relationships", "betaTesters")
		data, _ := at(rel, "data").([]any)
		included, _ := doc["included"].([]any)
		if len(data) != want || len(included) != want || at(rel, "meta", "paging", "total") != 12.0 {
			t.Errorf("%s: %d linkages, %d included, %v", query, len(data), len(included), at(rel, "meta"))
		}
	}
	_, _, all := c.send("GET", "/v1/betaGroups/"+group+"/relationships/betaTesters?limit=5", "")
	if data, _ := all["data"].([]any); len(data) != 5 || at(all, "meta", "paging", "nextCursor") == nil ||
		at(all, "links", "next") == nil {
		t.Errorf("%v", all)
	}
}

func TestMinuteWindow(t *testing.T) {
	c := newClient(t, World{NoAuth: true, MinuteLimit: 2})
	for _, want := range []int{200, 200, 429} {
		status, h, _ := c.send("GET", "/v1/apps", "")
		if status != want || !strings.Contains(h.Get("X-Rate-Limit"), "user-minute-lim:2;") {
			t.Errorf("%d, want %d: %v", status, want, h)
		}
	}
	c.now = c.now.Add(time.Minute)
	if status, _, _ := c.send("GET", "/v1/apps", ""); status != 200 {
		t.Errorf("a minute later: %d", status)
	}
}

func TestTimeGoesFaster(t *testing.T) {
	c := newClient(t, World{NoAuth: true, HourLimit: 1, TimeScale: 60})
	for _, want := range []int{200, 429} {
		if status, _, _ := c.send("GET", "/v1/apps", ""); status != want {
			t.Errorf("%d, want %d", status, want)
		}
	}
	c.now = c.now.Add(time.Minute) // an hour of the sandbox
	if status, _, _ := c.send("GET", "/v1/apps", ""); status != 200 {
		t.Errorf("%d", status)
	}
}

func TestTheSameSeedMakesTheSameSandbox(t *testing.T) {
	story := func(seed uint64) string {
		c := newClient(t, World{NoAuth: true, Random: seed})
		return c.raw(
			"POST",
			"/v1/bundleIds",
			resource("bundleIds", "", `"name":"N","platform":"IOS","identifier":"com.x"`, ""),
		).Body.String() +
			c.raw(
				"GET",
				"/_sandbox/state/builds",
				"",
			).Body.String() + c.raw(
			"GET",
			"/v1/nothing",
			"",
		).Body.String()
	}
	once, again := story(1), story(1)
	if once != again || once == story(2) {
		t.Error("the story must depend on the seed alone")
	}
}

// TestEveryRelationHasItsOtherSide holds what is known of pairs.
func TestEveryRelationHasItsOtherSide(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	for _, x := range []struct{ typ, rel, back string }{
		{"builds", "app", "builds"},
		{"builds", "betaGroups", "builds"},
		{"builds", "individualTesters", "builds"},
		{"builds", "appStoreVersion", "build"},
		{"profiles", "bundleId", "profiles"},
		{"subscriptionGroups", "app", "subscriptionGroups"},
		{"inAppPurchases", "app", "inAppPurchases"},
		{"appCategories", "parent", "subcategories"},
		{"scmGitReferences", "repository", "gitReferences"},
		{"gameCenterLeaderboards", "gameCenterDetail", "gameCenterLeaderboards"},
		{"gameCenterMatchmakingQueues", "ruleSet", "matchmakingQueues"},
		{"backgroundAssetVersions", "backgroundAsset", "versions"},
		{"appScreenshots", "appScreenshotSet", "appScreenshots"},
		{"subscriptionPrices", "territory", ""},
	} {
		if r := c.facts.relation(x.typ, x.rel); r == nil || r.back != x.back {
			t.Errorf("%s.%s: %+v", x.typ, x.rel, r)
		}
	}
	n := 0
	for typ, rels := range c.facts.relations {
		for name, r := range rels {
			if r.back == "" {
				continue
			}
			n++
			if back := c.facts.relation(r.typ, r.back); back == nil || back.back != r.name || back.typ != typ {
				t.Errorf("%s.%s ↔ %s.%s has one side", typ, name, r.typ, r.back)
			}
		}
	}
	t.Logf("%d relations have another side", n)
}
