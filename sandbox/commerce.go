package sandbox

import "fmt"

// commerce: what is sold in apps, where, and for how much.
func commerce() map[string]behavior {
	return map[string]behavior{
		"inAppPurchases": {
			unique: [][]string{{"productId"}},
			seed: each(
				cycle("name", "100 Coins", "Remove Ads", "Season Pass"),
				cycle("productId", "com.example.coins100", "com.example.noads", "com.example.season"),
				cycle("inAppPurchaseType", "CONSUMABLE", "NON_CONSUMABLE", "NON_RENEWING_SUBSCRIPTION"),
				cycle("state", "APPROVED"),
			),
			created: setting(map[string]any{"state": "MISSING_METADATA"}),
		},
		"subscriptionGroups": {
			unique: [][]string{{"app", "referenceName"}},
			seed:   cycle("referenceName", "Premium", "Family", "Student"),
		},
		"subscriptions": {
			unique: [][]string{{"productId"}},
			seed: each(
				cycle("name", "Premium Monthly", "Premium Yearly", "Student Monthly"),
				cycle(
					"productId",
					"com.example.premium.month",
					"com.example.premium.year",
					"com.example.student.month",
				),
				cycle("subscriptionPeriod", "ONE_MONTH", "ONE_YEAR", "ONE_MONTH"),
				cycle("state", "APPROVED"),
			),
			created: setting(map[string]any{"state": "MISSING_METADATA"}),
		},
		"territories": {
			count: len(allTerritories()),
			seed:  func(o *object, i int) { o.attrs["currency"] = allTerritories()[i].currency },
		},
		"appPricePoints":           {count: 24, seed: prices},
		"inAppPurchasePricePoints": {count: 24, seed: prices},
		"subscriptionPricePoints":  {count: 24, seed: prices},
	}
}

func prices(o *object, i int) {
	o.attrs["customerPrice"], o.attrs["proceeds"] = fmt.Sprintf(
		"%d.99",
		i,
	), fmt.Sprintf(
		"%d.%02d",
		(i*100+99)*70/10000,
		(i*100+99)*70/100%100,
	)
}
