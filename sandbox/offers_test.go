package sandbox

import (
	"fmt"
	"strings"
	"testing"
)

// withPrices is the body of an offer with its prices, "USA 499" or "USA" for none.
func withPrices(typ, attributes, owner, priceType, pointRel, pointType, product string, prices ...string) string {
	var refs, included []string
	for i, text := range prices {
		f := strings.Fields(text)
		rels := to("territory", "territories", f[0])
		if len(f) > 1 {
			cents := money(0)
			_, _ = fmt.Sscan(f[1], &cents)
			rels += "," + to(pointRel, pointType, pointID(product, f[0], usd(cents)))
		}
		refs = append(refs, fmt.Sprintf(`{"type":%q,"id":"${p%d}"}`, priceType, i))
		included = append(included, fmt.Sprintf(`{"type":%q,"id":"${p%d}","relationships":{%s}}`, priceType, i, rels))
	}
	return fmt.Sprintf(
		`{"data":{"type":%q,"attributes":{%s},"relationships":{%s,"prices":{"data":[%s]}}},"included":[%s]}`,
		typ,
		attributes,
		owner,
		strings.Join(refs, ","),
		strings.Join(included, ","),
	)
}

// subscriptionOffer is the body of an offer of a kind for a subscription.
func subscriptionOffer(typ, subscription, attributes string, prices ...string) string {
	priceType := strings.TrimSuffix(typ, "s") + "Prices"
	return withPrices(typ, attributes, to("subscription", "subscriptions", subscription), priceType,
		"subscriptionPricePoint", "subscriptionPricePoints", subscription, prices...)
}

// TestOffers: what is free has no price point, all else has one in each territory.
func TestOffers(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	id := c.IDs("subscriptions")[0]
	common := `"duration":"ONE_MONTH","offerMode":%q,%s`
	kinds := map[string]string{
		"subscriptionOfferCodes":        `"name":"N%d","customerEligibilities":["NEW"],"offerEligibility":"REPLACE_INTRO_OFFERS","numberOfPeriods":1`,
		"subscriptionPromotionalOffers": `"name":"N","offerCode":"code%d","numberOfPeriods":1`,
		"winBackOffers": `"referenceName":"N","offerId":"id%d","periodCount":1,"startDate":"2026-06-01","priority":"NORMAL",` +
			`"customerEligibilityPaidSubscriptionDurationInMonths":1,` +
			`"customerEligibilityTimeSinceLastSubscribedInMonths":{"minimum":1,"maximum":12}`,
	}
	for typ, attributes := range kinds {
		for i, x := range []struct {
			mode   string
			prices []string
			status int
			words  string
		}{
			{freeTrial, []string{"USA 499"}, 409, "For FREE_TRIAL offerMode, subscriptionPricePoint must be null"},
			{freeTrial, nil, 409, "You must provide a value for the relationship 'prices'"},
			{freeTrial, []string{"DEU", "FRA"}, 201, ""},
			{"PAY_UP_FRONT", []string{"USA"}, 409, "'subscriptionPricePoint'"},
			{"PAY_UP_FRONT", []string{"USA 499", "USA 399"}, 409, "two prices for territory USA"},
			{"PAY_UP_FRONT", []string{"USA 499", "DEU 399"}, 201, ""},
		} {
			body := subscriptionOffer(typ, id, fmt.Sprintf(common, x.mode, fmt.Sprintf(attributes, i)), x.prices...)
			status, _, doc := c.send("POST", "/v1/"+typ, body)
			if status != x.status || !strings.Contains(fmt.Sprint(doc), x.words) {
				t.Errorf("%s, %s with %v: %d %v", typ, x.mode, x.prices, status, doc)
			}
		}
	}
	for path, want := range map[string]int{
		"/offerCodes?filter[territory]=DEU": 2, "/offerCodes?filter[territory]=FRA": 1, "/offerCodes?filter[territory]=BRA": 0,
		"/promotionalOffers?filter[territory]=FRA": 1,
	} {
		if n := len(c.points(t, "/v1/subscriptions/"+id+path)); n != want {
			t.Errorf("%s: %d, want %d", path, n, want)
		}
	}
	offer := c.points(t, "/v1/subscriptions/"+id+"/promotionalOffers?filter[territory]=FRA")[0]
	offerID := at(offer, "id").(string)
	patch := withPrices("subscriptionPromotionalOffers", "", "", "subscriptionPromotionalOfferPrices",
		"subscriptionPricePoint", "subscriptionPricePoints", id, "BRA")
	patch = strings.Replace(strings.Replace(patch, `"attributes":{}`, fmt.Sprintf(`"id":%q`, offerID), 1), "{,", "{", 1)
	before := len(c.IDs("subscriptionPromotionalOfferPrices"))
	c.data(t, "PATCH", "/v1/subscriptionPromotionalOffers/"+offerID, patch)
	left := c.points(t, "/v1/subscriptionPromotionalOffers/"+offerID+"/prices")
	if after := len(c.IDs("subscriptionPromotionalOfferPrices")); len(left) != 1 || after != before-1 {
		t.Errorf("the prices before were not replaced: %v, %d of %d", left, after, before)
	}
	c.mustFit(t)
}

// TestIntroductoryOffers: one at a time in a territory; what is free has no price point.
func TestIntroductoryOffers(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	id, _ := c.newSubscription(t, "gold")
	body := func(attributes, territory string, point int) string {
		rels := to("subscription", "subscriptions", id) + "," + to("territory", "territories", territory)
		if point >= 0 {
			rels += "," + to("subscriptionPricePoint", "subscriptionPricePoints", pointID(id, territory, point))
		}
		return resource("subscriptionIntroductoryOffers", "", attributes, rels)
	}
	const trial = `"duration":"ONE_WEEK","offerMode":"FREE_TRIAL","numberOfPeriods":1`
	const paid = `"duration":"ONE_MONTH","offerMode":"PAY_AS_YOU_GO","numberOfPeriods":3`
	for _, x := range []struct {
		name, body string
		status     int
	}{
		{"a trial with a price", body(trial, "USA", 5), 409},
		{"a trial", body(trial, "USA", -1), 201},
		{"a second trial", body(trial, "USA", -1), 409},
		{"a paid one beside it", body(paid, "USA", 5), 409},
		{"a paid one without a price", body(paid, "DEU", -1), 409},
		{"a paid one", body(paid+`,"endDate":"2026-06-01"`, "DEU", 5), 201},
		{"one after it", body(paid+`,"startDate":"2026-06-01"`, "DEU", 7), 201},
		{"one that ends before it starts", body(paid+`,"startDate":"2026-06-01","endDate":"2026-05-01"`, "FRA", 7), 409},
		{"too many periods", body(strings.Replace(paid, ":3", ":13", 1), "FRA", 7), 409},
		{"two periods of a trial", body(strings.Replace(trial, ":1", ":2", 1), "FRA", -1), 409},
	} {
		if status, _, doc := c.send("POST", "/v1/subscriptionIntroductoryOffers", x.body); status != x.status {
			t.Errorf("%s: %d %v", x.name, status, doc)
		}
	}
	c.mustFit(t)
}

// TestOffersWithASubscription: introductory offers that come with a PATCH of their
// subscription replace those that were there.
func TestOffersWithASubscription(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	id, _ := c.newSubscription(t, "gold")
	body := func(territories ...string) string {
		var refs, included []string
		for _, territory := range territories {
			refs = append(refs, fmt.Sprintf(`{"type":"subscriptionIntroductoryOffers","id":"${%s}"}`, territory))
			included = append(
				included,
				fmt.Sprintf(`{"type":"subscriptionIntroductoryOffers","id":"${%s}","attributes":{`+
					`"duration":"ONE_WEEK","offerMode":"FREE_TRIAL","numberOfPeriods":1},"relationships":{%s}}`,
					territory, to("territory", "territories", territory)),
			)
		}
		return fmt.Sprintf(
			`{"data":{"type":"subscriptions","id":%q,"relationships":{"introductoryOffers":{"data":[%s]}}},`+
				`"included":[%s]}`,
			id,
			strings.Join(refs, ","),
			strings.Join(included, ","),
		)
	}
	before := len(c.IDs("subscriptionIntroductoryOffers"))
	c.data(t, "PATCH", "/v1/subscriptions/"+id, body(everyTerritory(0)...))
	if n := len(c.points(t, "/v1/subscriptions/"+id+"/introductoryOffers?limit=200")); n != territoryCount {
		t.Errorf("%d offers", n)
	}
	c.data(t, "PATCH", "/v1/subscriptions/"+id, body("DEU"))
	left := c.points(t, "/v1/subscriptions/"+id+"/introductoryOffers?filter[territory]=DEU")
	if n := len(c.IDs("subscriptionIntroductoryOffers")); len(left) != 1 || n != before+1 {
		t.Errorf("%d offers are left, %d in all", len(left), n-before)
	}
	c.mustFit(t)
}

// TestOfferCodes: codes of a batch are a file, custom codes are there once, and what is
// not active gives none.
func TestOfferCodes(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	purchase := c.IDs("inAppPurchases")[0]
	code := c.data(t, "POST", "/v1/inAppPurchaseOfferCodes", withPrices("inAppPurchaseOfferCodes",
		`"name":"Spring","customerEligibilities":["NON_SPENDER"]`, to("inAppPurchase", "inAppPurchases", purchase),
		"inAppPurchaseOfferPrices", "pricePoint", "inAppPurchasePricePoints", purchase, "USA 99"))["id"].(string)
	batch := func(attributes string) (int, string) {
		status, _, doc := c.send("POST", "/v1/inAppPurchaseOfferCodeOneTimeUseCodes", resource(
			"inAppPurchaseOfferCodeOneTimeUseCodes", "", attributes, to("offerCode", "inAppPurchaseOfferCodes", code)))
		id, _ := at(doc, "data", "id").(string)
		return status, id
	}
	for attributes, want := range map[string]int{
		`"numberOfCodes":0,"expirationDate":"2026-06-01"`:                          409,
		`"numberOfCodes":25001,"expirationDate":"2026-06-01"`:                      409,
		`"numberOfCodes":10,"expirationDate":"2026-05-01"`:                         409,
		`"numberOfCodes":10,"expirationDate":"2027-05-01"`:                         409,
		`"numberOfCodes":20,"expirationDate":"2026-06-01","environment":"SANDBOX"`: 201,
	} {
		if status, _ := batch(attributes); status != want {
			t.Errorf("%s: %d", attributes, status)
		}
	}
	_, id := batch(`"numberOfCodes":700,"expirationDate":"2026-06-01"`)
	w := c.raw("GET", "/v1/inAppPurchaseOfferCodeOneTimeUseCodes/"+id+"/values", "")
	lines := strings.Fields(w.Body.String())
	different := map[string]bool{}
	for _, l := range lines {
		different[l] = true
	}
	if w.Header().Get("Content-Type") != "text/csv" || len(lines) != 700 || len(different) != 700 {
		t.Errorf("%v, %d codes, %d different", w.Header(), len(lines), len(different))
	}
	for value, want := range map[string]int{"HELLO2026": 201, "hello 2026": 409, "SPRING": 409} {
		if status, _, doc := c.send("POST", "/v1/inAppPurchaseOfferCodeCustomCodes", resource("inAppPurchaseOfferCodeCustomCodes", "",
			fmt.Sprintf(`"customCode":%q,"numberOfCodes":50`, value), to("offerCode", "inAppPurchaseOfferCodes", code))); status != want {
			t.Errorf("%s: %d %v", value, status, doc)
		}
	}
	shown := at(c.data(t, "GET", "/v1/inAppPurchaseOfferCodes/"+code, ""), "attributes")
	if at(shown, "productionCodeCount") != 750.0 || at(shown, "sandboxCodeCount") != 20.0 {
		t.Errorf("%v", shown)
	}
	c.data(
		t,
		"PATCH",
		"/v1/inAppPurchaseOfferCodes/"+code,
		resource("inAppPurchaseOfferCodes", code, `"active":false`, ""),
	)
	if status, _ := batch(`"numberOfCodes":5,"expirationDate":"2026-06-01"`); status != 409 {
		t.Errorf("codes of an offer that is not active: %d", status)
	}
	c.mustFit(t)
}

// TestPromotedPurchases: one product each, in the order that the app's relationship has.
func TestPromotedPurchases(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	id, _ := c.newSubscription(t, "gold")
	body := func(rels string) string {
		return resource("promotedPurchases", "", `"visibleForAllUsers":true`, to("app", "apps", trailMix)+rels)
	}
	one := to("subscription", "subscriptions", id)
	for rels, want := range map[string]int{"": 409, "," + one + "," + to("inAppPurchaseV2", "inAppPurchases", c.IDs("inAppPurchases")[0]): 409} {
		if status, _, doc := c.send("POST", "/v1/promotedPurchases", body(rels)); status != want {
			t.Errorf("%s: %d %v", rels, status, doc)
		}
	}
	made := c.data(t, "POST", "/v1/promotedPurchases", body(","+one))["id"].(string)
	if status, _, doc := c.send("POST", "/v1/promotedPurchases", body(","+one)); status != 409 {
		t.Errorf("a second time: %d %v", status, doc)
	}
	ids := []string{made}
	for _, p := range c.points(t, "/v1/apps/"+trailMix+"/promotedPurchases") {
		if x := at(p, "id").(string); x != made {
			ids = append(ids, x)
		}
	}
	var refs []string
	for _, x := range ids {
		refs = append(refs, fmt.Sprintf(`{"type":"promotedPurchases","id":%q}`, x))
	}
	if status, _, doc := c.send("PATCH", "/v1/apps/"+trailMix+"/relationships/promotedPurchases",
		`{"data":[`+strings.Join(refs, ",")+`]}`); status != 204 {
		t.Fatal(status, doc)
	}
	if first := c.points(t, "/v1/apps/"+trailMix+"/promotedPurchases")[0]; at(first, "id") != made {
		t.Errorf("the first is %v", first)
	}
	c.mustFit(t)
}
