package sandbox

import "fmt"

// commerce: what is sold in apps.
func commerce() map[string]behavior {
	territories := allTerritories()
	draft := setting(map[string]any{"state": "PREPARE_FOR_SUBMISSION"})
	return map[string]behavior{
		"inAppPurchases": productBehavior(behavior{
			placed: []string{"apps"},
			unique: [][]string{{"productId"}},
			seed: each(
				cycle("name", "100 Coins", "Remove Ads", "Season Pass"),
				cycle("productId", "com.example.coins100", "com.example.noads", "com.example.season"),
				cycle("inAppPurchaseType", "CONSUMABLE", "NON_CONSUMABLE", "NON_RENEWING_SUBSCRIPTION"),
				cycle("state", "APPROVED"),
			),
			created: setting(
				map[string]any{"state": "MISSING_METADATA", "familySharable": false, "contentHosting": false},
			),
			tests: map[string]test{"canBeSubmitted": canBeSubmitted},
		}),
		"subscriptionGroups": {
			unique: [][]string{{"app", "referenceName"}},
			seed:   cycle("referenceName", "Premium", "Family", "Student"),
			tests:  map[string]test{"subscriptions.state": hasSubscriptionIn},
		},
		"subscriptions": productBehavior(behavior{
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
				cycle("groupLevel", 1), cycle("multiSeatStatus", "DISABLED"),
				cycle("marketSettings", []any{"APP_STORE"}),
				cycle("state", "APPROVED"),
			),
			grows:   []string{"prices"},
			allowed: subscriptionChange,
			created: subscriptionCreated,
		}),
		"inAppPurchaseLocalizations":     {created: draft},
		"subscriptionLocalizations":      {created: draft},
		"subscriptionGroupLocalizations": {created: draft},
		"territories": {
			count: territoryCount,
			seed: firstOnly(territoryCount, func(o *object, i int) {
				o.attrs["currency"] = territories[i].currency
			}),
		},
	}
}

// canBeSubmitted is a filter of in-app purchases.
func canBeSubmitted(s *store, o *object, want string) bool {
	return fmt.Sprint(s.productState(o) == "READY_TO_SUBMIT") == want
}

// hasSubscriptionIn is a filter of groups by the state of their subscriptions.
func hasSubscriptionIn(s *store, group *object, want string) bool {
	for _, o := range s.related(group, "subscriptions") {
		if s.productState(o) == want {
			return true
		}
	}
	return false
}

// subscriptionCreated: a new subscription is the lowest of its group, and only in the
// App Store.
func subscriptionCreated(c *call, o *object) {
	setting(map[string]any{
		"state": "MISSING_METADATA", "familySharable": false, "multiSeatStatus": "DISABLED",
		"marketSettings": []any{"APP_STORE"},
	})(c, o)
	if o.attrs["groupLevel"] != nil {
		return
	}
	lowest := int64(0)
	if group := c.s.store.one(o, "group"); group != nil {
		for _, x := range c.s.store.related(group, "subscriptions") {
			level, _ := number(x.attrs["groupLevel"])
			lowest = max(lowest, level)
		}
	}
	o.attrs["groupLevel"] = lowest + 1
}

// promoted: products that the page of an app shows.
func promoted() map[string]behavior {
	return map[string]behavior{
		"promotedPurchases": {
			unique:  [][]string{{"inAppPurchaseV2"}, {"subscription"}},
			allowed: promotedAllowed,
			created: setting(map[string]any{"enabled": false, "state": "PREPARE_FOR_SUBMISSION"}),
		},
	}
}

// promotedAllowed: a promoted purchase is one product of the app.
func promotedAllowed(_ *call, o, old *object) []apiError {
	products := len(o.rels["inAppPurchaseV2"]) + len(o.rels["subscription"])
	if old != nil || products == 1 {
		return nil
	}
	return []apiError{{
		Status:  409,
		Code:    "ENTITY_ERROR.RELATIONSHIP.INVALID",
		Title:   "The provided entity includes a relationship with an invalid value",
		Detail:  "A promoted purchase is one in-app purchase, or one subscription.",
		Pointer: "/data/relationships",
	}}
}
