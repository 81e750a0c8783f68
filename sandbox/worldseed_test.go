package sandbox

import (
	"strings"
	"testing"
)

const seedText = `
resources:
- type: apps
  id: "1600000000"
  name: shop
  attributes: {bundleId: com.example.shop, name: Shop, sku: SHOP}
- type: betaGroups
  attributes: {name: Friends}
  relationships: {app: shop, betaTesters: [ann]}
- type: betaTesters
  name: ann
  attributes: {firstName: Ann, email: ann@example.com}
  relationships: {apps: [shop]}
- type: preReleaseVersions
  name: first
  attributes: {version: "1.0", platform: IOS}
  relationships: {app: shop}
`

func TestSeedIsTheWorld(t *testing.T) {
	for name, empty := range map[string]bool{"empty beside it": true, "beside the usual": false} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, World{NoAuth: true, Empty: empty, Seed: []byte(seedText)})
			check := func() {
				t.Helper()
				_, _, doc := c.send("GET", "/v1/apps/1600000000?include=betaGroups", "")
				data, _ := doc["data"].(map[string]any)
				attrs, _ := data["attributes"].(map[string]any)
				included, _ := doc["included"].([]any)
				if attrs["name"] != "Shop" || attrs["sku"] != "SHOP" || len(included) != 1 {
					t.Errorf("app: %v, included: %v", attrs, included)
				}
			}
			check()
			if got := len(c.IDs("apps")); empty && got != 1 || !empty && got != 4 {
				t.Errorf("%d apps", got)
			}
			c.send("DELETE", "/v1/betaGroups/"+c.IDs("betaGroups")[0], "")
			c.Reset()
			check()
		})
	}
}

func TestSeedRefuses(t *testing.T) {
	for name, x := range map[string]struct{ text, want string }{
		"an unknown key": {"resurces: []", "resurces"},
		"a key twice":    {"resources: []\nresources: []", "already"},
		"a type":         {"resources: [{type: app}]", `/resources/0/type: there is no type "app"; did you mean apps?`},
		"an attribute": {
			"resources: [{type: apps, attributes: {bundelId: x}}]",
			`/resources/0/attributes/bundelId: apps has no attribute "bundelId"; did you mean bundleId?`,
		},
		"a kind":         {"resources: [{type: apps, attributes: {name: 1}}]", "/resources/0/attributes/name: "},
		"a value":        {"resources: [{type: devices, attributes: {platform: IOSS}}]", "Expected one of: "},
		"a relationship": {"resources: [{type: betaGroups, relationships: {ap: x}}]", "did you mean app?"},
		"a target": {
			"resources: [{type: apps, name: shop}, {type: betaGroups, relationships: {app: shp}}]",
			`there is no apps with the name or id "shp"; did you mean shop?`,
		},
		"no owner": {"resources: [{type: betaGroups}]", `/resources/0/relationships: betaGroups wants the relationship "app"`},
		"another app": {
			`resources: [{type: apps, id: "1"}, {type: builds, name: b, relationships: {app: "1"}},` +
				`{type: apps, id: "2"}, {type: betaGroups, relationships: {app: "2", builds: [b]}}]`,
			"of app 2: builds points to builds",
		},
		"a name with %": {`resources: [{type: apps, attributes: {"%d": 1}}]`, "/attributes/%d: apps has"},
		"too much by aliases": {
			"resources:\n- type: &a " + strings.Repeat("x", 1<<20) + strings.Repeat("\n- type: *a", 10_000),
			"with its aliases",
		},
		"too many":     {"resources: [" + strings.Repeat("{},", maxSeedResources+1) + "]", "resources"},
		"an id twice":  {`resources: [{type: apps, id: "1"}, {type: apps, id: "1"}]`, "/resources/1/id: "},
		"a name twice": {"resources: [{type: apps, name: a}, {type: apps, name: a}]", "/resources/1/name: "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(World{Seed: []byte(x.text)})
			if err == nil || !strings.Contains(err.Error(), x.want) {
				t.Errorf("got %v, want %q", err, x.want)
			}
		})
	}
}

func TestEmptyWorldHasItsTeam(t *testing.T) {
	c := newClient(t, World{NoAuth: true, Empty: true})
	if n := len(c.IDs("users")); n != 1 {
		t.Errorf("%d users, want the account holder alone", n)
	}
	for path, body := range map[string]string{
		"/v1/userInvitations": `{"data":{"type":"userInvitations","attributes":{"email":"new@example.com",` +
			`"firstName":"N","lastName":"N","roles":["ADMIN"],"allAppsVisible":true}}}`,
		"/v1/bundleIds": `{"data":{"type":"bundleIds","attributes":{"identifier":"com.example.new","name":"New",` +
			`"platform":"IOS"}}}`,
		"/v1/devices": `{"data":{"type":"devices","attributes":{"name":"Phone","platform":"IOS",` +
			`"udid":"00008030-000A1B2C3D4E5F60"}}}`,
	} {
		if status, _, doc := c.send("POST", path, body); status != 201 {
			t.Errorf("%s: %d %v", path, status, doc)
		}
	}
}

// TestSeedsOfEveryType seed more than the usual of each type: whatever they lack is
// told.
func TestSeedsOfEveryType(t *testing.T) {
	c := newClient(t, World{NoAuth: true, Empty: true})
	taken := 0
	for _, typ := range c.facts.types() {
		text := "resources: [{type: " + typ + "}, {type: " + typ + ", id: new}]"
		seed, err := readSeed([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if c.seed = seed; c.reset() != nil {
			continue
		}
		taken++
		if wrong := c.Check(); len(wrong) > 0 {
			t.Errorf("%s: %s", typ, wrong[0])
		}
	}
	if taken < 20 {
		t.Errorf("only %d types", taken)
	}
}
