package sandbox

// commerce: what is sold in apps, where, and for how much.
func commerce() map[string]behavior {
	return map[string]behavior{
		"inAppPurchases": {
			placed: []string{"apps"},
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
			seed: firstOnly(len(allTerritories()), func(o *object, i int) {
				o.attrs["currency"] = allTerritories()[i].currency
			}),
		},
	}
}
