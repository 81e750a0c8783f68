package sandbox

import (
	"fmt"
	"strings"
	"testing"
)

// usd is the tier of a price in US dollars, in cents.
func usd(cents money) (tier int) {
	for i, m := range dollars() {
		if m == cents {
			tier = i
		}
	}
	return tier
}

// inlinePrice is a price of a schedule: "USA 499 2026-06-01 2026-07-01", - for no date.
func inlinePrice(typ, rel, pointType, product, text string, i int) (ref, included string) {
	f := strings.Fields(text + " - -")
	cents := money(0)
	_, _ = fmt.Sscan(f[1], &cents)
	var dates []string
	for k, name := range []string{"startDate", "endDate"} {
		if f[2+k] != "-" {
			dates = append(dates, fmt.Sprintf("%q:%q", name, f[2+k]))
		}
	}
	return fmt.Sprintf(`{"type":%q,"id":"${p%d}"}`, typ, i), fmt.Sprintf(
		`{"type":%q,"id":"${p%d}","attributes":{%s},"relationships":{%s}}`, typ, i, strings.Join(dates, ","),
		to(rel, pointType, pointID(product, f[0], usd(cents))))
}

// schedule is the body of a price schedule of an app.
func priceSchedule(app, base string, prices ...string) string {
	var refs, included []string
	for i, text := range prices {
		ref, in := inlinePrice("appPrices", "appPricePoint", "appPricePoints", app, text, i)
		refs, included = append(refs, ref), append(included, in)
	}
	return fmt.Sprintf(
		`{"data":{"type":"appPriceSchedules","relationships":{%s,%s,"manualPrices":{"data":[%s]}}},"included":[%s]}`,
		to("app", "apps", app),
		to("baseTerritory", "territories", base),
		strings.Join(refs, ","),
		strings.Join(included, ","),
	)
}

// TestPriceSchedules: what Apple refuses of a schedule, with its codes and words.
func TestPriceSchedules(t *testing.T) {
	c := newClient(t, World{NoAuth: true}) // 2026-05-01
	for _, x := range []struct {
		name   string
		base   string
		prices []string
		code   string // after ENTITY_ERROR.
		words  string
	}{
		{"nothing for the base", "FRA", []string{"USA 499"}, "BASE_TERRITORY_INTERVAL_REQUIRED", "at least one manual price for the base"},
		{"nothing", "USA", nil, "BASE_TERRITORY_INTERVAL_REQUIRED", "at least one"},
		{"the past", "USA", []string{"USA 499 2026-04-30"}, "INVALID_START_DATE", "Interval can not have a start date in the past"},
		{"the future alone", "USA", []string{"USA 499 2026-06-01"}, "INVALID_START_DATE",
			"Entire timeline must be covered for USA. The first interval has a start date 2026-06-01T00:00 in the future"},
		{"an end", "USA", []string{"USA 499 - 2026-06-01"}, "INVALID_END_DATE", "Rightmost interval must not have an end date"},
		{"two at a time", "USA", []string{"USA 499", "USA 399 2026-06-01"}, "INVALID_INTERVAL",
			"Adjacent intervals must not intersect for USA: [null - null] and [2026-06-01T00:00 - null]"},
		{"a day between", "USA", []string{"USA 499 - 2026-06-01", "USA 399 2026-06-02"}, "INVALID_INTERVAL",
			"Adjacent intervals must not have a gap in between: [null - 2026-06-01T00:00] and [2026-06-02T00:00 - null]"},
		{"another territory's gap", "USA", []string{"USA 499", "DEU 399 - 2026-06-01"}, "INVALID_END_DATE", "covered for DEU"},
	} {
		status, _, doc := c.send("POST", "/v1/appPriceSchedules", priceSchedule(trailMix, x.base, x.prices...))
		if status != 409 || code(doc) != "ENTITY_ERROR."+x.code || !strings.Contains(fmt.Sprint(doc), x.words) {
			t.Errorf("%s: %d %v", x.name, status, doc)
		}
	}
	other := strings.ReplaceAll(
		priceSchedule(trailMix, "USA", "USA 499"),
		pointID(trailMix, "USA", usd(499)),
		pointID(c.IDs("apps")[1], "USA", 3),
	)
	if status, _, doc := c.send("POST", "/v1/appPriceSchedules", other); status != 409 ||
		code(doc) != "ENTITY_ERROR.NOT_FOUND" {
		t.Errorf("a point of another app: %d %v", status, doc)
	}
}

// TestASchedule: what one makes of the prices of all territories.
func TestASchedule(t *testing.T) {
	c := newClient(t, World{NoAuth: true}) // 2026-05-01
	id := c.data(t, "POST", "/v1/appPriceSchedules", priceSchedule(trailMix, "USA",
		"USA 999 - 2026-06-01", "USA 499 2026-06-01", "JPN 99"))["id"]
	if id != trailMix {
		t.Errorf("the schedule's id is %v, not the app's", id)
	}
	if len(c.IDs("appPriceSchedules")) != 3 || len(c.IDs("appPrices")) != 5 {
		t.Errorf("the schedule before is there still: %v %v", c.IDs("appPriceSchedules"), c.IDs("appPrices"))
	}
	automatic := c.points(
		t,
		"/v1/appPriceSchedules/"+trailMix+"/automaticPrices?limit=200&include=appPricePoint,territory",
	)
	_, _, doc := c.send("GET", "/v1/appPriceSchedules/"+trailMix+"/automaticPrices?limit=1", "")
	if len(automatic) != 200 || at(doc, "meta", "paging", "total") != 346.0 {
		t.Errorf("%d automatic prices, %v", len(automatic), doc["meta"])
	}
	german := c.points(
		t,
		"/v1/appPriceSchedules/"+trailMix+"/automaticPrices?filter[territory]=DEU&filter[startDate]=2026-06-01",
	)
	if len(german) != 1 || at(german[0], "attributes", "manual") != false {
		t.Errorf("%v", german)
	}
	app := c.store.get("apps", trailMix)
	for _, x := range []struct{ territory, day, want string }{
		{"USA", "2026-05-01", "9.99 USD true"}, {"USA", "2026-06-01", "4.99 USD true"}, {"DEU", "2026-05-31", "9.99 EUR false"},
		{"DEU", "2027-01-01", "4.99 EUR false"}, {"JPN", "2026-06-01", c.money("JPN", 99) + " JPY true"},
	} {
		tag, ok := c.store.priceIn(app, x.territory, x.day)
		if got := fmt.Sprint(tag.customer, " ", tag.territory.currency, " ", tag.manual); !ok || got != x.want {
			t.Errorf("%s on %s: %s, want %s", x.territory, x.day, got, x.want)
		}
	}
	c.mustFit(t)
}

// money is what a price in US dollars is in a territory.
func (c *client) money(territory string, cents money) string {
	p, _ := c.facts.book.point("1", territory, usd(cents))
	return p.customer.String()
}

// inlineSubscriptionPrices is a PATCH of a subscription with a price in each territory.
func inlineSubscriptionPrices(subscription string, cents money, more string, territories ...string) string {
	var refs, included []string
	for i, territory := range territories {
		refs = append(refs, fmt.Sprintf(`{"type":"subscriptionPrices","id":"${p%d}"}`, i))
		included = append(included, fmt.Sprintf(
			`{"type":"subscriptionPrices","id":"${p%d}","attributes":{%s},"relationships":{%s,%s}}`, i, more,
			to("territory", "territories", territory),
			to("subscriptionPricePoint", "subscriptionPricePoints", pointID(subscription, territory, usd(cents)))))
	}
	return fmt.Sprintf(
		`{"data":{"type":"subscriptions","id":%q,"relationships":{"prices":{"data":[%s]}}},"included":[%s]}`,
		subscription,
		strings.Join(refs, ","),
		strings.Join(included, ","),
	)
}

// newSubscription makes a subscription in a group of its own.
func (c *client) newSubscription(t *testing.T, name string) (subscription, group string) {
	t.Helper()
	group = c.data(t, "POST", "/v1/subscriptionGroups", resource("subscriptionGroups", "",
		fmt.Sprintf(`"referenceName":%q`, name), to("app", "apps", trailMix)))["id"].(string)
	return c.data(t, "POST", "/v1/subscriptions", resource("subscriptions", "",
		fmt.Sprintf(`"name":%q,"productId":%q,"subscriptionPeriod":"ONE_YEAR"`, name, name),
		to("group", "subscriptionGroups", group)))["id"].(string), group
}

// priceChange is a POST of the change of a subscription's price.
func priceChange(subscription, territory string, cents money, attributes string) string {
	return resource("subscriptionPrices", "", attributes, to("subscription", "subscriptions", subscription)+","+
		to("territory", "territories", territory)+","+
		to("subscriptionPricePoint", "subscriptionPricePoints", pointID(subscription, territory, usd(cents))))
}

// TestSubscriptionPrices: the first by PATCH, all 175 at once or one by one; changes by
// POST, one to come in a territory.
func TestSubscriptionPrices(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	id, _ := c.newSubscription(t, "gold")
	if status, _, doc := c.send("POST", "/v1/subscriptionPrices", priceChange(id, "USA", 4999, "")); status != 500 ||
		code(doc) != "UNEXPECTED_ERROR" {
		t.Errorf("the first price by POST: %d %v", status, doc)
	}
	c.data(t, "PATCH", "/v1/subscriptions/"+id, inlineSubscriptionPrices(id, 4999, "", everyTerritory(0)...))
	prices := c.points(t, "/v1/subscriptions/"+id+"/prices?limit=200&include=territory,subscriptionPricePoint")
	if len(prices) != 175 {
		t.Fatalf("%d prices", len(prices))
	}
	c.data(t, "PATCH", "/v1/subscriptions/"+id, inlineSubscriptionPrices(id, 5999, `"startDate":"2026-07-01"`, "FRA"))
	if n := len(c.points(t, "/v1/subscriptions/"+id+"/prices?limit=200")); n != 176 {
		t.Errorf("after one more: %d prices", n)
	}
	later := c.data(t, "POST", "/v1/subscriptionPrices", priceChange(id, "USA", 5999,
		`"startDate":"2026-06-01","preserveCurrentPrice":true`))["id"].(string)
	for _, x := range []struct {
		name, territory string
		cents           money
		attributes      string
		status          int
	}{
		{"a second to come", "USA", 6999, `"startDate":"2026-07-01"`, 409},
		{"one of today", "DEU", 6999, `"startDate":"2026-05-01"`, 409},
		{"what it costs already", "DEU", 4999, "", 409},
		{"by the month in the USA", "USA", 499, `"planType":"MONTHLY"`, 409},
		{"too much by the month", "DEU", 699, `"planType":"MONTHLY"`, 409},
		{"by the month", "DEU", 499, `"planType":"MONTHLY"`, 201},
		{"at once", "GBR", 3999, "", 201},
	} {
		if status, _, doc := c.send("POST", "/v1/subscriptionPrices", priceChange(id, x.territory, x.cents, x.attributes)); status != x.status {
			t.Errorf("%s: %d %v", x.name, status, doc)
		}
	}
	sub := c.store.get("subscriptions", id)
	for _, x := range []struct{ territory, day, want string }{
		{"USA", "2026-05-31", "49.99"}, {"USA", "2026-06-01", "59.99"}, {"GBR", "2026-05-01", c.money("GBR", 3999)},
	} {
		if tag, ok := c.store.priceIn(sub, x.territory, x.day); !ok || tag.customer.String() != x.want {
			t.Errorf("%s on %s: %v %s, want %s", x.territory, x.day, ok, tag.customer, x.want)
		}
	}
	c.now = c.now.AddDate(0, 0, 40)
	preserved := map[any]any{}
	for _, p := range c.points(t, "/v1/subscriptions/"+id+"/prices?filter[territory]=USA") {
		preserved[at(p, "id") == later] = at(p, "attributes", "preserved")
	}
	if preserved[true] != false || preserved[false] != true {
		t.Errorf("preserved: %v", preserved)
	}
	if status, _, _ := c.send("DELETE", "/v1/subscriptionPrices/"+later, ""); status != 409 {
		t.Errorf("a price in force was deleted: %d", status)
	}
	c.mustFit(t)
}

// TestOneByOne: a sandbox may refuse several prices in one PATCH; nobody knows what
// Apple does.
func TestOneByOne(t *testing.T) {
	c := newClient(t, World{NoAuth: true, OneByOne: true})
	id, _ := c.newSubscription(t, "gold")
	path := "/v1/subscriptions/" + id
	if status, _, doc := c.send("PATCH", path, inlineSubscriptionPrices(id, 999, "", "USA", "DEU")); status != 409 {
		t.Errorf("two: %d %v", status, doc)
	}
	c.data(t, "PATCH", path, inlineSubscriptionPrices(id, 999, "", "USA"))
	c.data(t, "POST", "/v1/subscriptionPrices", priceChange(id, "DEU", 999, ""))
	if n := len(c.points(t, path+"/prices")); n != 2 {
		t.Errorf("%d prices", n)
	}
}

// TestAppAvailability: created once and with every territory, changed one by one.
func TestAppAvailability(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	c.store.set(c.store.get("apps", trailMix), "appAvailabilityV2", nil)
	c.inner(c.now).drop(c.store.get("appAvailabilities", trailMix))
	if status, _, doc := c.send("GET", "/v1/apps/"+trailMix+"/appAvailabilityV2", ""); status != 404 {
		t.Errorf("before it is set: %d %v", status, doc)
	}
	body := func(territories []string) string {
		var refs, included []string
		for _, territory := range territories {
			refs = append(refs, fmt.Sprintf(`{"type":"territoryAvailabilities","id":"${%s}"}`, territory))
			included = append(included, fmt.Sprintf(
				`{"type":"territoryAvailabilities","id":"${%s}","attributes":{"available":%v},"relationships":{%s}}`,
				territory, territory == "USA", to("territory", "territories", territory)))
		}
		return fmt.Sprintf(`{"data":{"type":"appAvailabilities","attributes":{"availableInNewTerritories":true},`+
			`"relationships":{%s,"territoryAvailabilities":{"data":[%s]}}},"included":[%s]}`,
			to("app", "apps", trailMix), strings.Join(refs, ","), strings.Join(included, ","))
	}
	all := everyTerritory(0)
	if status, _, doc := c.send("POST", "/v2/appAvailabilities", body(all[:174])); status != 409 ||
		!strings.Contains(fmt.Sprint(doc), "'ZWE'") {
		t.Errorf("a partial list: %d %v", status, doc)
	}
	if id := c.data(t, "POST", "/v2/appAvailabilities", body(all))["id"]; id != trailMix {
		t.Errorf("the id is %v", id)
	}
	if status, _, doc := c.send("POST", "/v2/appAvailabilities", body(all)); status != 409 {
		t.Errorf("a second time: %d %v", status, doc)
	}
	list := c.points(t, "/v2/appAvailabilities/"+trailMix+"/territoryAvailabilities?limit=200&include=territory")
	if len(list) != 175 {
		t.Fatalf("%d territories", len(list))
	}
	german := territoryAvailabilityID(trailMix, "DEU")
	path := "/v1/territoryAvailabilities/" + german
	if got := c.data(t, "PATCH", path, resource("territoryAvailabilities", german, `"available":true`, "")); at(got,
		"attributes", "available") != true {
		t.Errorf("%v", got)
	}
	if !c.store.soldIn(c.store.get("apps", trailMix), "DEU", "2026-05-02") ||
		c.store.soldIn(c.store.get("apps", trailMix), "FRA", "2026-05-02") {
		t.Error("where it can be had is not what was set")
	}
	c.mustFit(t)
}

// TestPreOrders: an app that was never on sale can be ordered before, until that ends.
func TestPreOrders(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	id := territoryAvailabilityID(trailMix, "USA")
	path, order := "/v1/territoryAvailabilities/"+id, func(date string) string {
		return resource("territoryAvailabilities", id, fmt.Sprintf(`"preOrderEnabled":true,"releaseDate":%q`, date), "")
	}
	if status, _, doc := c.send("PATCH", path, order("2026-06-01")); status != 409 {
		t.Errorf("of an app on sale: %d %v", status, doc)
	}
	for _, v := range c.store.related(c.store.get("apps", trailMix), "appStoreVersions") {
		v.attrs["appVersionState"] = "PREPARE_FOR_SUBMISSION"
	}
	if status, _, doc := c.send("PATCH", path, order("2026-05-02")); status != 409 {
		t.Errorf("for tomorrow: %d %v", status, doc)
	}
	c.data(t, "PATCH", path, order("2026-06-01"))
	end := fmt.Sprintf(
		`{"data":{"type":"endAppAvailabilityPreOrders","relationships":{"territoryAvailabilities":{"data":[%s]}}}}`,
		fmt.Sprintf(`{"type":"territoryAvailabilities","id":%q}`, id),
	)
	c.data(t, "POST", "/v1/endAppAvailabilityPreOrders", end)
	o := c.store.get("territoryAvailabilities", id)
	if o.attrs["preOrderEnabled"] != false || o.attrs["releaseDate"] != "2026-05-01" {
		t.Errorf("%v", o.attrs)
	}
	if s, _, _ := c.send("POST", "/v1/endAppAvailabilityPreOrders", end); s != 409 {
		t.Errorf("ended twice: %d", s)
	}
}

// TestTheCheckerSeesMoney: what the checker tells of prices that do not fit together.
func TestTheCheckerSeesMoney(t *testing.T) {
	for want, spoil := range map[string]func(c *client){
		"has a point of": func(c *client) {
			price := c.store.all("subscriptionPrices")[0]
			c.store.set(price, "subscriptionPricePoint", []string{pointID(c.IDs("subscriptions")[1], "USA", 9)})
		},
		"its point in USA": func(c *client) {
			c.store.set(c.store.all("subscriptionPrices")[0], "territory", []string{"DEU"})
		},
		"has two prices of USA UPFRONT": func(c *client) {
			c.data(t, "POST", "/v1/subscriptionPrices", priceChange(c.IDs("subscriptions")[0], "USA", 999, ""))
			for _, price := range c.store.all("subscriptionPrices") {
				price.attrs["startDate"] = nil
			}
		},
		"has no price in its base territory": func(c *client) {
			c.store.set(c.store.all("appPriceSchedules")[0], "baseTerritory", []string{"FRA"})
		},
		"has a gap or an overlap": func(c *client) { c.store.all("appPrices")[0].attrs["endDate"] = "2026-06-01" },
		"names 174 territories": func(c *client) {
			c.inner(c.now).drop(c.store.all("territoryAvailabilities")[9])
		},
	} {
		c := newClient(t, World{NoAuth: true})
		if wrong := c.Check(); len(wrong) > 0 {
			t.Fatal(wrong)
		}
		if spoil(c); !strings.Contains(strings.Join(c.Check(), "\n"), want) {
			t.Errorf("%q is not told: %v", want, c.Check())
		}
	}
}
