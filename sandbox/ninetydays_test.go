package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestNinetyDays sets prices in all territories, an offer and a code, sells for 90 days and
// reads every report.
func TestNinetyDays(t *testing.T) {
	c := newClient(t, World{NoAuth: true, HourLimit: 1 << 20, Sales: 2})
	id := c.IDs("subscriptions")[0]
	c.data(t, "PATCH", "/v1/subscriptions/"+id, inlineSubscriptionPrices(id, 599, `"startDate":"2026-06-01"`,
		slices.DeleteFunc(everyTerritory(0), func(t string) bool { return t == "USA" })...))
	c.data(t, "POST", "/v1/subscriptionPrices", priceChange(id, "USA", 699,
		`"startDate":"2026-06-01","preserveCurrentPrice":true`))
	offer := c.data(t, "POST", "/v1/subscriptionOfferCodes", subscriptionOffer("subscriptionOfferCodes", id,
		`"name":"Spring","customerEligibilities":["NEW"],"offerEligibility":"REPLACE_INTRO_OFFERS","numberOfPeriods":1,`+
			`"duration":"ONE_MONTH","offerMode":"PAY_UP_FRONT"`, "USA 199", "JPN 199"))["id"].(string)
	c.data(t, "POST", "/v1/subscriptionOfferCodeCustomCodes", resource("subscriptionOfferCodeCustomCodes", "",
		`"customCode":"SPRING26","numberOfCodes":500`, to("offerCode", "subscriptionOfferCodes", offer)))
	c.now = c.now.AddDate(0, 0, 90)

	prices, kept, codes, units := map[string]string{}, 0, 0, 0
	for d := time.Date(2026, 5, 2, 0, 0, 0, 0, time.UTC); d.Before(c.now.AddDate(0, 0, -1)); d = d.AddDate(0, 0, 1) {
		day := "&filter[reportDate]=" + d.Format(time.DateOnly)
		text := unpacked(t, c.raw("GET", salesPath("SALES", "SUMMARY", "DAILY", day), "").Body)
		for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n")[1:] {
			cells := strings.Split(line, "\t")
			if cells[14] != id || cells[12] != "US" || cells[27] != " " || strings.HasPrefix(cells[7], "-") {
				continue
			}
			units++
			late := d.Month() > time.May
			switch {
			case cells[25] == "Yes":
				kept++
			case cells[18] == "New":
				prices[fmt.Sprint(late)] = cells[15]
			}
			if cells[25] == "Yes" && (cells[15] != "4.99" || !late || cells[18] == "New") {
				t.Fatalf("%v: %q", d, line)
			}
		}
		if w := c.raw("GET", salesPath("SUBSCRIPTION_OFFER_CODE_REDEMPTION", "SUMMARY", "DAILY", day), ""); w.Code == 200 {
			codes += strings.Count(unpacked(t, w.Body), "\tSpring\tSPRING26\t")
		}
	}
	if units == 0 || kept == 0 || codes == 0 || prices["false"] != "4.99" || prices["true"] != "6.99" {
		t.Errorf("%d lines, %d at the price that was kept, %d codes, new ones at %v", units, kept, codes, prices)
	}
	for _, x := range salesTypes() {
		for _, frequency := range x.frequencies {
			w := c.raw("GET", salesPath(x.kind, x.sub, frequency, "&filter[version]="+x.versions[0]), "")
			if w.Code != 200 && !strings.Contains(w.Body.String(), noSales) {
				t.Errorf("%s %s %s: %d %s", x.kind, x.sub, frequency, w.Code, w.Body)
			}
		}
	}
	for _, region := range []string{"ZZ", "US", "EU", "JP", "WW"} {
		w := c.raw("GET", "/v1/financeReports?filter[vendorNumber]=1&filter[reportType]=FINANCIAL&filter[regionCode]="+
			region+"&filter[reportDate]=2026-09", "") // 2026-05-31 to 2026-06-27
		if w.Code != 200 || !strings.Contains(unpacked(t, w.Body), "Total_Rows\t") {
			t.Errorf("finance of %s: %d", region, w.Code)
		}
	}
}
