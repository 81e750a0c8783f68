package sandbox

import (
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// TestLadders: every currency has the same number of prices, each above the one before,
// so that a customer's price names one point.
func TestLadders(t *testing.T) {
	b := newPriceBook()
	if len(b.list) != 175 || b.tiers() != 801 {
		t.Fatalf("%d territories, %d tiers", len(b.list), b.tiers())
	}
	for code := range currencies {
		ladder := b.ladders[code]
		if len(ladder) != b.tiers() {
			t.Fatalf("%s: %d prices", code, len(ladder))
		}
		for i := 1; i < len(ladder); i++ {
			if ladder[i] <= ladder[i-1] {
				t.Fatalf("%s: %s follows %s", code, ladder[i], ladder[i-1])
			}
		}
		// The ladder is steeper than the rate at its foot only: at 20 dollars and above it is
		// within a fifth of it.
		at := 0
		for b.ladders["USD"][at] < 2000 {
			at++
		}
		if near := int64(b.ladders["USD"][at]) * currencies[code].rate / 100; int64(ladder[at])*5 > near*6 {
			t.Errorf("%s: 20 dollars are %s", code, ladder[at])
		}
	}
}

// TestMoneyIsExact: amounts are decimals without needless zeros, as Apple's.
func TestMoneyIsExact(t *testing.T) {
	for m, want := range map[money]string{0: "0.0", 70: "0.7", 99: "0.99", 1000: "10.0", 123405: "1234.05"} {
		if got := m.String(); got != want {
			t.Errorf("%d: %s, want %s", m, got, want)
		}
	}
	b := newPriceBook()
	tier := 0
	for b.ladders["USD"][tier] != 999 {
		tier++
	}
	for territory, want := range map[string]string{"USA": "9.99 6.99 8.49", "DEU": "9.99 5.88 7.14"} {
		p, _ := b.point("1", territory, tier)
		if got := fmt.Sprint(p.customer, " ", p.proceeds(), " ", p.proceedsYear2()); got != want {
			t.Errorf("%s: %s, want %s", territory, got, want)
		}
	}
}

// TestPriceDay: prices change at midnight in California, summer and winter.
func TestPriceDay(t *testing.T) {
	for utc, want := range map[string]string{
		"2026-09-27T00:03:00Z": "2026-09-26", "2026-09-27T07:00:00Z": "2026-09-27", // UTC-7
		"2026-12-01T07:59:00Z": "2026-11-30", "2026-12-01T08:00:00Z": "2026-12-01", // UTC-8
		"2026-03-08T09:59:00Z": "2026-03-08", "2026-11-01T07:00:00Z": "2026-11-01",
	} {
		at, ok := parseTime(utc)
		if got := day(at); !ok || got != want {
			t.Errorf("%s: %s, want %s", utc, got, want)
		}
	}
}

// pricePoints reads the points of a list.
func (c *client) points(t *testing.T, path string) (list []any) {
	t.Helper()
	status, _, doc := c.send("GET", path, "")
	if list, _ = doc["data"].([]any); status != 200 {
		t.Fatal(path, status, doc)
	}
	return list
}

// TestPricePoints: each product has 801 points in each of 175 territories, with ids of
// their own, which lead back to them.
func TestPricePoints(t *testing.T) {
	c := newClient(t, World{NoAuth: true, HourLimit: 1 << 20})
	app, iap, subscription := trailMix, c.IDs("inAppPurchases")[0], c.IDs("subscriptions")[0]
	for _, x := range []struct {
		list, one string
		limit     int
	}{
		{"/v1/apps/" + app + "/appPricePoints", "/v3/appPricePoints/", 200},
		{"/v2/inAppPurchases/" + iap + "/pricePoints", "", 8000},
		{"/v1/subscriptions/" + subscription + "/pricePoints", "/v1/subscriptionPricePoints/", 8000},
	} {
		path := fmt.Sprintf("%s?filter[territory]=JPN,USA&limit=%d&include=territory", x.list, x.limit)
		ids, pages := map[string]bool{}, 0
		for path != "" {
			_, _, doc := c.send("GET", path, "")
			for _, p := range doc["data"].([]any) {
				ids[at(p, "id").(string)] = true
			}
			if at(doc, "meta", "paging", "total") != 1602.0 || at(doc, "included", 0, "attributes", "currency") == nil {
				t.Fatalf("%s: %v", path, doc["meta"])
			}
			path, _ = at(doc, "links", "next").(string)
			path = strings.TrimPrefix(path, c.base)
			pages++
		}
		if len(ids) != 1602 || pages != (1602+x.limit-1)/x.limit {
			t.Errorf("%s: %d points on %d pages", x.list, len(ids), pages)
		}
		_, _, doc := c.send("GET", x.list+"?limit=1", "")
		if at(doc, "meta", "paging", "total") != 140175.0 {
			t.Errorf("%s: %v", x.list, doc["meta"])
		}
		id := at(doc, "data", 0, "id").(string)
		text, err := base64.RawStdEncoding.DecodeString(id)
		if err != nil || !strings.HasPrefix(string(text), `{"s":"`) ||
			!strings.HasSuffix(string(text), `","t":"USA","p":"10000"}`) {
			t.Errorf("an id holds %s: %v", text, err)
		}
		if at(doc, "data", 0, "attributes", "customerPrice") != "0.0" {
			t.Errorf("the first is not free: %v", at(doc, "data", 0))
		}
		if x.one != "" {
			c.pointByID(t, x.one, id)
		}
	}
}

// pointByID reads a price point, and wants none for ids that are near it.
func (c *client) pointByID(t *testing.T, path, id string) {
	t.Helper()
	if got := c.data(t, "GET", path+id, ""); at(got, "id") != id {
		t.Errorf("%s: %v", id, got)
	}
	for _, wrong := range []string{
		"nonsense", id[1:], opaque(wirePoint{"1", "USA", "10001"}), opaque(wirePoint{trailMix, "USX", "10001"}),
		opaque(wirePoint{trailMix, "USA", "10801"}), opaque(wirePoint{trailMix, "USA", "9999"}),
		opaque(wirePoint{trailMix, "USA", "010001"}), strings.Repeat("A", 3000),
	} {
		if status, _, _ := c.send("GET", path+wrong, ""); status != 404 {
			t.Errorf("%.60s: %d", wrong, status)
		}
	}
}

// TestEqualizations: the points equal to a point are one in each other territory, and
// each of them is equal to the point.
func TestEqualizations(t *testing.T) {
	c := newClient(t, World{NoAuth: true, HourLimit: 1 << 20})
	year := c.IDs("subscriptions")[1]
	point := func(territory string, tier int) string { return pointID(year, territory, tier) }
	yearly := seedTier("subscriptionPrices", 1)
	for name, x := range map[string]struct{ query, from string }{
		"equalizations":         {"?limit=8000&include=territory", point("DEU", yearly)},
		"adjustedEqualizations": {"?limit=8000&filter[planType]=MONTHLY", point("DEU", seedTier("subscriptionPrices", 0))},
	} {
		path := func(id string) string { return "/v1/subscriptionPricePoints/" + id + "/" + name + x.query }
		first := c.points(t, path(x.from))
		want := 174
		if name != "equalizations" {
			want -= len(withoutMonthly)
		}
		if len(first) != want {
			t.Fatalf("%s: %d", name, len(first))
		}
		for _, i := range []int{0, 1, 50, want - 1} {
			other := at(first[i], "id").(string)
			back := c.points(t, path(other))
			ids := map[any]bool{other: true}
			for _, p := range back {
				ids[at(p, "id")] = true
			}
			for _, p := range first {
				if !ids[at(p, "id")] {
					t.Fatalf("%s: from %s there is no way to %v", name, other, p)
				}
			}
			if !ids[x.from] {
				t.Errorf("%s: from %s there is no way back to %s", name, other, x.from)
			}
		}
	}
}

// TestFiltersOfEqualizations: by product, territory, plan and price up front.
func TestFiltersOfEqualizations(t *testing.T) {
	c := newClient(t, World{NoAuth: true, HourLimit: 1 << 20})
	year, yearly := c.IDs("subscriptions")[1], seedTier("subscriptionPrices", 1)
	point := func(territory string, tier int) string { return pointID(year, territory, tier) }
	for query, status := range map[string]int{
		"?filter[planType]=UPFRONT": 400, "": 400, "?filter[planType]=MONTHLY&filter[upfrontPricePointId]=x": 400,
		"?filter[planType]=MONTHLY&filter[upfrontPricePointId]=" + point("USA", 1): 409,
	} {
		if got, _, doc := c.send("GET", "/v1/subscriptionPricePoints/"+point("DEU", 9)+"/adjustedEqualizations"+query, ""); got != status {
			t.Errorf("%s: %d %v", query, got, doc)
		}
	}
	own := c.points(t, "/v1/subscriptionPricePoints/"+point("DEU", 9)+"/equalizations?filter[subscription]="+year+
		"&filter[territory]=USA,DEU")
	others := c.points(t, "/v1/subscriptionPricePoints/"+point("DEU", 9)+"/equalizations?filter[subscription]=1")
	if len(own) != 1 || len(others) != 0 {
		t.Errorf("filters: %v %v", own, others)
	}
	// 49.99 up front is 4.17 to 6.24 by the month.
	byMonth := c.points(
		t,
		"/v1/subscriptions/"+year+"/pricePoints?limit=8000&filter[territory]=DEU&filter[planType]=MONTHLY"+
			"&filter[upfrontPricePointId]="+point("DEU", yearly),
	)
	for _, p := range byMonth {
		if price := fmt.Sprint(at(p, "attributes", "customerPrice")); price < "4.17" || price > "6.24" {
			t.Errorf("by the month: %s", price)
		}
	}
	if len(byMonth) < 20 {
		t.Errorf("%d points by the month", len(byMonth))
	}
	for tier, want := range map[int]int{usd(499): 172, usd(99): 0} {
		got := c.points(t, "/v1/subscriptionPricePoints/"+point("DEU", tier)+"/equalizations?filter[planType]=MONTHLY"+
			"&limit=8000&filter[upfrontPricePointId]="+point("DEU", yearly))
		if len(got) != want {
			t.Errorf("equal to tier %d and right by the month: %d, want %d", tier, len(got), want)
		}
	}
}

// TestPricePointsCostNoMemory: a thousand products with their 140 million points take
// no more than their own resources.
func TestPricePointsCostNoMemory(t *testing.T) {
	c := newClient(t, World{NoAuth: true, HourLimit: 1 << 20})
	used := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	const products = 1000
	ids := make([]string, products)
	for i := range ids {
		ids[i] = c.data(t, "POST", "/v2/inAppPurchases", resource("inAppPurchases", "", fmt.Sprintf(
			`"name":"N","productId":"p%d","inAppPurchaseType":"CONSUMABLE"`, i), to("app", "apps", trailMix)))["id"].(string)
	}
	c.recent = nil
	before := used()
	for _, id := range ids {
		status, _, doc := c.send("GET", "/v2/inAppPurchases/"+id+"/pricePoints?limit=1", "")
		if status != 200 || at(doc, "meta", "paging", "total") != 140175.0 {
			t.Fatal(status, doc)
		}
		if w := c.raw("GET", "/v2/inAppPurchases/"+id+"/pricePoints?limit=100&filter[territory]=USA", ""); w.Code != 200 {
			t.Fatal(w.Code)
		}
	}
	c.recent = nil
	const most = 4 << 20 // of 140 million points
	if grown := used() - before; grown > most {
		t.Errorf("the points of %d products take %d bytes", products, grown)
	}
	runtime.KeepAlive(c)
}

// TestPricePointsAreNotMade: neither a seed nor a snapshot brings price points.
func TestPricePointsAreNotMade(t *testing.T) {
	seed := []byte("resources:\n- type: appPricePoints\n  attributes: {customerPrice: '1.0'}\n")
	if _, err := Open(World{Seed: seed}); err == nil || !strings.Contains(err.Error(), "cannot be made") {
		t.Errorf("a seed: %v", err)
	}
	c := newClient(t, World{NoAuth: true})
	data, err := c.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	spoilt := strings.Replace(string(data), `"type":"appPriceSchedules"`, `"type":"appPricePoints"`, 1)
	if err := c.Restore([]byte(spoilt)); err == nil || !strings.Contains(err.Error(), "are not kept") {
		t.Errorf("a snapshot: %v", err)
	}
	if err := c.Restore(data); err != nil {
		t.Error(err)
	}
	c.mustFit(t)
}

// FuzzPricePointIDs: an id is one that was given out, or none.
func FuzzPricePointIDs(f *testing.F) {
	for _, seed := range []string{
		pointID("1", "USA", 0), "", "e30", "eyJzIjoiMSJ9", opaque(wirePoint{"1", "USA", "99999999999999999999"}),
	} {
		f.Add(seed)
	}
	b := newPriceBook()
	f.Fuzz(func(t *testing.T, id string) {
		if p, ok := b.parsePoint(id); ok && (p.id() != id || p.territory == nil || p.tier >= b.tiers()) {
			t.Errorf("%q is taken: %+v", id, p)
		}
	})
}
