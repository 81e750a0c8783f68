package sandbox

import "testing"

// TestANewWorldIsConsistent: nothing of one app is tied to another's, and every
// relationship has its other side.
func TestANewWorldIsConsistent(t *testing.T) {
	for _, w := range []World{{}, {Empty: true}} {
		s, err := Open(w)
		if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range s.Check() {
			t.Error(wrong)
		}
	}
}

// TestThingsStayWithTheirApp: what belongs to one app cannot be tied to another's
// or moved there; everything else can be changed.
func TestThingsStayWithTheirApp(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	apps, groups, builds := c.IDs("apps"), c.IDs("betaGroups"), c.IDs("builds")
	c.data(
		t,
		"PATCH",
		"/v1/apps/"+apps[0],
		resource("apps", apps[0], `"contentRightsDeclaration":"DOES_NOT_USE_THIRD_PARTY_CONTENT"`, ""),
	)
	for _, x := range []struct {
		name, method, path, body string
		status                   int
	}{
		{"a build of the same app", "POST", "/v1/betaGroups/" + groups[0] + "/relationships/builds", `{"data":[{"type":"builds","id":"` + builds[3] + `"}]}`, 204},
		{"a build of another app", "POST", "/v1/betaGroups/" + groups[0] + "/relationships/builds", `{"data":[{"type":"builds","id":"` + builds[1] + `"}]}`, 409},
		{"another app's promoted purchases", "PATCH", "/v1/apps/" + apps[0] + "/relationships/promotedPurchases",
			`{"data":[{"type":"promotedPurchases","id":"` + c.IDs("promotedPurchases")[1] + `"}]}`, 409},
		{"none of its promoted purchases", "PATCH", "/v1/apps/" + apps[0] + "/relationships/promotedPurchases", `{"data":[]}`, 409},
	} {
		if status, _, doc := c.send(x.method, x.path, x.body); status != x.status {
			t.Errorf("%s: %d %v", x.name, status, doc)
		}
	}
	for _, wrong := range c.Check() {
		t.Error(wrong)
	}
}

// TestWhatComesOnce: a second one would take the place of the first, and leave it
// and all that belongs to it without an app.
func TestWhatComesOnce(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	version := c.data(t, "POST", "/v1/appStoreVersions", resource("appStoreVersions", "",
		`"platform":"IOS","versionString":"3.0"`, to("app", "apps", trailMix)))["id"].(string)
	for path, body := range map[string]string{
		"/v1/gameCenterDetails": resource("gameCenterDetails", "", "", to("app", "apps", trailMix)),
		"/v1/appStoreReviewDetails": resource("appStoreReviewDetails", "", "",
			to("appStoreVersion", "appStoreVersions", version)),
	} {
		if status, _, doc := c.send("POST", path, body); status != 409 {
			t.Errorf("a second one at %s: %d %v", path, status, doc)
		}
	}
}
