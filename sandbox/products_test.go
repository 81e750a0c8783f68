package sandbox

import (
	"fmt"
	"strings"
	"testing"
)

// reviewScreenshot uploads the picture that App Review looks at.
func (c *client) reviewScreenshot(t *testing.T, typ, rel, productType, product string) {
	t.Helper()
	picture := pictureOf(t, 640, 920, false)
	made := c.data(t, "POST", "/v1/"+typ, resource(typ, "",
		fmt.Sprintf(`"fileName":"shot.png","fileSize":%d`, len(picture)), to(rel, productType, product)))
	url := c.local(at(made, "attributes", "uploadOperations", 0, "url"))
	if w := c.raw("PUT", url, picture); w.Code != 200 {
		t.Fatal(w.Code, w.Body)
	}
	c.patch(t, typ, made["id"].(string), `"uploaded":true,"sourceFileChecksum":"`+sumOf(picture)+`"`)
}

// wantProduct compares the state of a product.
func (c *client) wantProduct(t *testing.T, path, want string) {
	t.Helper()
	if got := at(c.data(t, "GET", path, ""), "attributes", "state"); got != want {
		t.Errorf("%s is %v, want %s", path, got, want)
	}
}

// purchaseSteps are what a new in-app purchase lacks for App Review.
func (c *client) purchaseSteps(t *testing.T, id string) []func() {
	of := to("inAppPurchaseV2", "inAppPurchases", id)
	return []func(){
		func() {
			c.data(t, "POST", "/v1/inAppPurchaseLocalizations", resource("inAppPurchaseLocalizations", "",
				`"name":"N","locale":"en-US"`, of))
		},
		func() {
			c.data(t, "POST", "/v1/inAppPurchaseAvailabilities", `{"data":{"type":"inAppPurchaseAvailabilities",`+
				`"attributes":{"availableInNewTerritories":true},"relationships":{`+to("inAppPurchase", "inAppPurchases", id)+
				`,"availableTerritories":{"data":[{"type":"territories","id":"USA"}]}}}}`)
		},
		func() {
			_, price := inlinePrice(
				"inAppPurchasePrices",
				"inAppPurchasePricePoint",
				"inAppPurchasePricePoints",
				id,
				"USA 499",
				0,
			)
			c.data(
				t,
				"POST",
				"/v1/inAppPurchasePriceSchedules",
				`{"data":{"type":"inAppPurchasePriceSchedules","relationships":{`+
					to("inAppPurchase", "inAppPurchases", id)+","+to("baseTerritory", "territories", "USA")+
					`,"manualPrices":{"data":[{"type":"inAppPurchasePrices","id":"${p0}"}]}}},"included":[`+price+`]}`,
			)
		},
		func() {
			c.reviewScreenshot(t, "inAppPurchaseAppStoreReviewScreenshots", "inAppPurchaseV2", "inAppPurchases", id)
		},
	}
}

// TestStateOfAPurchase: it follows from what is there, up to the review.
func TestStateOfAPurchase(t *testing.T) {
	c := newClient(t, World{NoAuth: true, HourLimit: 1 << 20})
	id := c.data(t, "POST", "/v2/inAppPurchases", resource("inAppPurchases", "",
		`"name":"N","productId":"com.example.n","inAppPurchaseType":"CONSUMABLE"`, to("app", "apps", trailMix)))["id"].(string)
	path, of := "/v2/inAppPurchases/"+id, to("inAppPurchaseV2", "inAppPurchases", id)
	submit := resource("inAppPurchaseSubmissions", "", "", of)
	submittable := func(want int) {
		t.Helper()
		n := len(c.points(t, "/v1/apps/"+trailMix+"/inAppPurchases?filter[canBeSubmitted]=true"))
		if n != want {
			t.Errorf("%d purchases can be submitted, want %d", n, want)
		}
	}
	steps := c.purchaseSteps(t, id)
	for i, step := range steps {
		c.wantProduct(t, path, "MISSING_METADATA")
		submittable(0)
		status, _, doc := c.send("POST", "/v1/inAppPurchaseSubmissions", submit)
		missing, _ := at(doc, "errors", 0, "meta", "associatedErrors", "/v1/inAppPurchases/"+id).([]any)
		if status != 409 || len(missing) != len(steps)-i {
			t.Errorf("step %d: %d, %d missing: %v", i, status, len(missing), doc)
		}
		step()
	}
	c.wantProduct(t, path, "READY_TO_SUBMIT")
	submittable(1)
	c.data(t, "POST", "/v1/inAppPurchaseSubmissions", submit)
	c.wantProduct(t, path, "WAITING_FOR_REVIEW")
	submittable(0)
	if status, _, _ := c.send("DELETE", path, ""); status != 409 {
		t.Errorf("deleted in review: %d", status)
	}
	c.act(t, "inAppPurchases", id, "start")
	c.act(t, "inAppPurchases", id, "reject")
	c.wantProduct(t, path, "REJECTED")
	c.data(t, "POST", "/v1/inAppPurchaseSubmissions", submit)
	c.act(t, "inAppPurchases", id, "approve")
	c.wantProduct(t, path, "APPROVED")
	if got := c.points(t, path+"/inAppPurchaseLocalizations"); at(got[0], "attributes", "state") != "APPROVED" {
		t.Errorf("its text: %v", got)
	}
	c.mustFit(t)
}

// TestStateOfASubscription: it wants a price wherever it can be had, and is reviewed as
// its version, with the app's; an app's first cannot go alone.
func TestStateOfASubscription(t *testing.T) {
	c := newClient(t, World{NoAuth: true, HourLimit: 1 << 20})
	id, group := c.newSubscription(t, "gold")
	path, of := "/v1/subscriptions/"+id, to("subscription", "subscriptions", id)
	c.data(t, "POST", "/v1/subscriptionGroupLocalizations", resource("subscriptionGroupLocalizations", "",
		`"name":"Gold","locale":"en-US"`, to("subscriptionGroup", "subscriptionGroups", group)))
	version := c.data(t, "POST", "/v1/subscriptionVersions", resource("subscriptionVersions", "", "", of))["id"].(string)
	c.data(t, "POST", "/v2/subscriptionLocalizations", resource("subscriptionLocalizations", "",
		`"name":"Gold","locale":"en-US"`, to("version", "subscriptionVersions", version)))
	c.data(t, "POST", "/v1/subscriptionAvailabilities", `{"data":{"type":"subscriptionAvailabilities",`+
		`"attributes":{"availableInNewTerritories":true},"relationships":{`+of+
		`,"availableTerritories":{"data":[{"type":"territories","id":"USA"},{"type":"territories","id":"DEU"}]}}}}`)
	c.reviewScreenshot(t, "subscriptionAppStoreReviewScreenshots", "subscription", "subscriptions", id)
	if status, _, doc := c.send("PATCH", path, inlineSubscriptionPrices(id, 4999, "", "FRA")); status != 409 {
		t.Errorf("a price where it cannot be had: %d %v", status, doc)
	}
	c.data(t, "PATCH", path, inlineSubscriptionPrices(id, 4999, "", "USA"))
	c.wantProduct(t, path, "MISSING_METADATA")
	c.data(t, "POST", "/v1/subscriptionPrices", priceChange(id, "DEU", 4999, ""))
	c.wantProduct(t, path, "READY_TO_SUBMIT")
	for _, other := range c.IDs("subscriptions") {
		if other != id {
			c.store.get("subscriptions", other).attrs["state"] = "MISSING_METADATA"
		}
	}
	status, _, doc := c.send("POST", "/v1/subscriptionSubmissions", resource("subscriptionSubmissions", "", "", of))
	if status != 409 || code(doc) != "STATE_ERROR.FIRST_SUBSCRIPTION_MUST_BE_SUBMITTED_ON_VERSION" {
		t.Errorf("the first alone: %d %v", status, doc)
	}
	submission := c.draft(t)
	c.data(t, "POST", "/v1/reviewSubmissionItems", resource(
		"reviewSubmissionItems",
		"",
		"",
		to(
			"reviewSubmission",
			"reviewSubmissions",
			submission,
		)+","+to(
			"subscriptionVersion",
			"subscriptionVersions",
			version,
		),
	))
	c.patch(t, "reviewSubmissions", submission, `"submitted":true`)
	c.wantProduct(t, path, "WAITING_FOR_REVIEW")
	c.act(t, "reviewSubmissions", submission, "start")
	c.wantProduct(t, path, "IN_REVIEW")
	c.act(t, "reviewSubmissions", submission, "approve")
	c.wantProduct(t, path, "APPROVED")
	groups := c.points(t, "/v1/apps/"+trailMix+"/subscriptionGroups?filter[subscriptions.state]=APPROVED")
	if len(groups) != 1 || at(groups[0], "id") != group {
		t.Errorf("groups with an approved subscription: %v", groups)
	}
	c.mustFit(t)
}

// TestPlans: a subscription of a year can be paid by the month, but not everywhere; a
// new one is sold in the App Store to one person.
func TestPlans(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	id, _ := c.newSubscription(t, "gold")
	plan := func(kind string, territories ...string) string {
		var refs []string
		for _, territory := range territories {
			refs = append(refs, fmt.Sprintf(`{"type":"territories","id":%q}`, territory))
		}
		return fmt.Sprintf(
			`{"data":{"type":"subscriptionPlanAvailabilities","attributes":{"planType":%q},"relationships":{%s,`+
				`"availableTerritories":{"data":[%s]}}}}`,
			kind,
			to("subscription", "subscriptions", id),
			strings.Join(refs, ","),
		)
	}
	for _, x := range []struct {
		body   string
		status int
	}{
		{plan(upfront, "USA", "DEU"), 201}, {plan(upfront, "USA"), 409}, {plan(monthly, "USA"), 409}, {plan(monthly, "DEU"), 201},
	} {
		if status, _, doc := c.send("POST", "/v1/subscriptionPlanAvailabilities", x.body); status != x.status {
			t.Errorf("%s: %d %v", x.body, status, doc)
		}
	}
	path := "/v1/subscriptions/" + id
	got := at(c.data(t, "GET", path, ""), "attributes")
	if fmt.Sprintf("%v %v %v", at(got, "marketSettings"), at(got, "multiSeatStatus"), at(got, "groupLevel")) !=
		"[APP_STORE] DISABLED 1" {
		t.Errorf("%v", got)
	}
	c.data(
		t,
		"PATCH",
		path,
		resource("subscriptions", id, `"marketSettings":["APP_STORE","APPLE_SCHOOL"],"multiSeatStatus":"ENABLED"`, ""),
	)
	if got := at(c.data(t, "GET", path, ""), "attributes", "multiSeatStatus"); got != "ENABLED" {
		t.Error(got)
	}
}
