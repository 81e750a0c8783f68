package sandbox

import (
	"fmt"
	"strings"
	"testing"
)

func TestRefusedWritesSayWhereAndChangeNothing(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	id := c.IDs("betaGroups")[0]
	before := fmt.Sprint(c.data(t, "GET", "/v1/betaGroups/"+id, ""))
	for _, x := range []struct {
		name, body, code, pointer string
		status                    int
	}{
		{"no JSON", `{"data":`, "ENTITY_INVALID", "", 400},
		{"two documents", `{"data":{}} {}`, "ENTITY_INVALID", "", 400},
		{"no object", `[]`, "ENTITY_UNPROCESSABLE", "/", 422},
		{"an unknown member", `{"data":{},"meta":{}}`, "ENTITY_UNPROCESSABLE", "/meta", 422},
		{"no data", `{}`, "ENTITY_ERROR.DATA.REQUIRED", "/data", 409},
		{"another id", resource("betaGroups", "other", "", ""), "ENTITY_ERROR.ID.INVALID", "/data/id", 409},
		{"another type", resource("apps", id, "", ""), "ENTITY_ERROR.TYPE.INVALID", "/data/type", 409},
		{"an unknown attribute", resource("betaGroups", id, `"name":"X","hue":1`, ""), "ENTITY_ERROR.ATTRIBUTE.UNKNOWN", "/data/attributes/hue", 409},
		{"a string for a boolean", resource("betaGroups", id, `"name":"X","feedbackEnabled":"yes"`, ""), "ENTITY_ERROR.ATTRIBUTE.TYPE", "/data/attributes/feedbackEnabled", 409},
		{"a fraction for an integer", resource("betaGroups", id, `"publicLinkLimit":1.5`, ""), "ENTITY_ERROR.ATTRIBUTE.TYPE", "/data/attributes/publicLinkLimit", 409},
		{"an unknown relationship", resource("betaGroups", id, `"name":"X"`, `"moon":{"data":null}`), "ENTITY_ERROR.RELATIONSHIP.UNKNOWN", "/data/relationships/moon", 409},
	} {
		status, _, doc := c.send("PATCH", "/v1/betaGroups/"+id, x.body)
		pointer, _ := at(doc, "errors", 0, "source", "pointer").(string)
		if status != x.status || code(doc) != x.code || pointer != x.pointer {
			t.Errorf("%s: %d %v", x.name, status, doc)
		}
	}
	if after := fmt.Sprint(c.data(t, "GET", "/v1/betaGroups/"+id, "")); after != before {
		t.Errorf("%s\nbecame\n%s", before, after)
	}
}

func TestSeveralErrorsAtOnceAreOrdered(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	_, _, doc := c.send("POST", "/v1/bundleIds", resource("bundleIds", "", `"hue":1,"platform":"AMIGA"`, ""))
	var got []any
	for i := range doc["errors"].([]any) {
		got = append(got, at(doc, "errors", i, "source", "pointer"))
	}
	if want := "[/data/attributes/hue /data/attributes/identifier /data/attributes/name /data/attributes/platform]"; fmt.Sprint(
		got,
	) != want {
		t.Errorf("%v", got)
	}
}

func TestMediaTypes(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	body := resource("bundleIds", "", `"name":"N","platform":"IOS","identifier":"com.x"`, "")
	for _, x := range []struct {
		contentType string
		status      int
	}{{"text/plain", 415}, {"application/x-www-form-urlencoded", 415}, {"application/json; charset=utf-8", 201}} {
		if status, _, doc := c.send("POST", "/v1/bundleIds", body, "Content-Type", x.contentType); status != x.status {
			t.Errorf("%s: %d %v", x.contentType, status, doc)
		}
	}
	if w := c.raw("GET", "/v1/apps", "", "Accept", "text/html"); w.Code != 406 ||
		w.Header().Get("Content-Type") != "text/plain" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if status, _, doc := c.send("PUT", "/v1/apps", ""); status != 405 {
		t.Errorf("%d %v", status, doc)
	}
	if status, _, doc := c.send("GET", "/v1//apps", ""); status != 404 || code(doc) != "PATH_ERROR" {
		t.Errorf("%d %v", status, doc)
	}
}

func TestAttributesHaveThreeStates(t *testing.T) {
	c := newClient(t, World{NoAuth: true, NoRules: true})
	id := c.IDs("appStoreVersions")[0]
	path := "/v1/appStoreVersions/" + id
	for _, x := range []struct{ attributes, want string }{
		{`"copyright":"(c)"`, "(c)"}, {`"releaseType":"MANUAL"`, "(c)"}, {`"copyright":null`, "<nil>"},
	} {
		c.data(t, "PATCH", path, resource("appStoreVersions", id, x.attributes, ""))
		if got := fmt.Sprint(at(c.data(t, "GET", path, ""), "attributes", "copyright")); got != x.want {
			t.Errorf("after %s: %s", x.attributes, got)
		}
	}
	linked := func() any {
		_, _, doc := c.send("GET", path+"/relationships/build", "")
		return at(doc, "data", "id")
	}
	build := c.IDs("builds")[3]
	for _, x := range []struct {
		data string
		want any
	}{{`{"type":"builds","id":"` + build + `"}`, build}, {"null", nil}} {
		if status, _, doc := c.send("PATCH", path+"/relationships/build", `{"data":`+x.data+`}`); status != 204 ||
			linked() != x.want {
			t.Errorf("%s: %d %v, now %v", x.data, status, doc, linked())
		}
	}
}

func TestNumbersStayExact(t *testing.T) {
	c := newClient(t, World{NoAuth: true, NoRules: true})
	file := resource(
		"buildUploadFiles",
		"",
		`"assetType":"ASSET","fileName":"a","fileSize":4294967295,"uti":"com.apple.ipa"`,
		to("buildUpload", "buildUploads", c.IDs("buildUploads")[0]),
	)
	if w := c.raw("POST", "/v1/buildUploadFiles", file); !strings.Contains(w.Body.String(), `"fileSize":4294967295`) {
		t.Errorf("%.300s", w.Body)
	}
}

func TestInlineChildrenAreMadeAndTied(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	app, point := c.IDs("apps")[0], c.IDs("appPricePoints")[0]
	body := `{"data":{"type":"appPriceSchedules","relationships":{` + to(
		"app",
		"apps",
		app,
	) + `,` + to(
		"baseTerritory",
		"territories",
		"USA",
	) + `,
		"manualPrices":{"data":[{"type":"appPrices","id":"${a}"},{"type":"appPrices","id":"${b}"}]}}},
		"included":[{"type":"appPrices","id":"${a}","attributes":{"startDate":"2026-06-01"},"relationships":{` + to(
		"appPricePoint",
		"appPricePoints",
		point,
	) + `}},
		{"type":"appPrices","id":"${b}","attributes":{"endDate":"2026-06-01"},"relationships":{` + to(
		"appPricePoint",
		"appPricePoints",
		point,
	) + `}}]}`
	schedule := c.data(t, "POST", "/v1/appPriceSchedules", body)["id"].(string)
	_, _, doc := c.send("GET", "/v1/appPriceSchedules/"+schedule+"/manualPrices?include=appPricePoint", "")
	if at(doc, "meta", "paging", "total") != 2.0 || at(doc, "data", 0, "attributes", "startDate") != "2026-06-01" ||
		at(doc, "included", 0, "id") != point {
		t.Errorf("%v", doc)
	}
	status, _, doc := c.send(
		"POST",
		"/v1/appPriceSchedules",
		strings.Replace(body, `"id":"${b}","attr`, `"id":"b","attr`, 1),
	)
	if status != 409 || code(doc) != "ENTITY_ERROR.INCLUDED.INVALID_ID" {
		t.Errorf("an id that is not local: %d %v", status, doc)
	}
}

func TestRelationshipsNamedInBodiesOnlyHaveTwoSides(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	app := c.IDs("apps")[0]
	for _, x := range []struct{ path, typ, attributes, rel, target, id, related string }{
		{"/v1/subscriptionGroups", "subscriptionGroups", `"referenceName":"New"`, "app", "apps", app, "/v1/apps/" + app + "/subscriptionGroups"},
		{"/v2/inAppPurchases", "inAppPurchases", `"name":"N","productId":"p","inAppPurchaseType":"CONSUMABLE"`, "app", "apps", app, "/v1/apps/" + app + "/inAppPurchasesV2"},
		{"/v1/bundleIdCapabilities", "bundleIdCapabilities", `"capabilityType":"WALLET"`, "bundleId", "bundleIds", c.IDs("bundleIds")[0], "/v1/bundleIds/" + c.IDs("bundleIds")[0] + "/bundleIdCapabilities"},
	} {
		id := c.data(t, "POST", x.path, resource(x.typ, "", x.attributes, to(x.rel, x.target, x.id)))["id"]
		if w := c.raw("GET", x.related+"?limit=200", ""); !strings.Contains(w.Body.String(), id.(string)) {
			t.Errorf("%s does not show %v", x.related, id)
		}
	}
}

func TestTwoVersionsOfATypeAreViewsOfOneObject(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	made := c.data(
		t,
		"POST",
		"/v2/inAppPurchases",
		resource(
			"inAppPurchases",
			"",
			`"name":"N","productId":"com.one","inAppPurchaseType":"CONSUMABLE"`,
			to("app", "apps", c.IDs("apps")[0]),
		),
	)
	id := made["id"].(string)
	old := c.data(t, "GET", "/v1/inAppPurchases/"+id, "")
	if at(old, "attributes", "productId") != "com.one" || at(old, "attributes", "name") != nil {
		t.Errorf("%v", old)
	}
	if !strings.HasSuffix(at(made, "links", "self").(string), "/v2/inAppPurchases/"+id) ||
		!strings.HasSuffix(at(old, "links", "self").(string), "/v1/inAppPurchases/"+id) {
		t.Errorf("%v %v", made["links"], old["links"])
	}
}

func TestDeletedObjectsLeaveEveryRelationship(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	tester := c.IDs("betaTesters")[0]
	if w := c.raw("DELETE", "/v1/betaTesters/"+tester, ""); w.Code != 202 && w.Code != 204 {
		t.Fatal(w.Code, w.Body)
	}
	for _, group := range c.IDs("betaGroups") {
		if w := c.raw("GET", "/v1/betaGroups/"+group+"/relationships/betaTesters", ""); strings.Contains(
			w.Body.String(),
			tester,
		) {
			t.Errorf("%s", w.Body)
		}
	}
}

// TestPointersIntoIncluded name the place of a resource in the document, not its id.
func TestPointersIntoIncluded(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	body := `{"data":{"type":"appPriceSchedules","relationships":{` + to("app", "apps", trailMix) + `,` +
		to("baseTerritory", "territories", "USA") +
		`,"manualPrices":{"data":[{"type":"appPrices","id":"${b}"},{"type":"appPrices","id":"${a}"}]}}},` +
		`"included":[{"type":"appPrices","id":"${a}"},{"type":"appPrices","id":"${b}","attributes":{"nonsense":1}}]}`
	c.refused(t, "POST", "/v1/appPriceSchedules", body, "/included/1/attributes/nonsense")
}
