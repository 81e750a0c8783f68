package sandbox

// availabilities: where apps and products can be had.
func availabilities() map[string]behavior {
	app := behavior{
		placed: []string{"app", "territoryAvailabilities"},
		seed: firstOnly(perType, each(
			relating("app", ith("apps")),
			relating("territoryAvailabilities", func(i int) (ids []string) {
				for _, territory := range everyTerritory(i) {
					ids = append(ids, territoryAvailabilityID(seedID("apps", i), territory))
				}
				return ids
			}),
		)),
		owns: []string{"territoryAvailabilities"},
	}
	count := perType * len(allTerritories())
	territory := behavior{
		count:  count,
		placed: []string{"territory"},
		seed: firstOnly(count, each(
			cycle("available", true), cycle("preOrderEnabled", false), cycle("contentStatuses", []any{"AVAILABLE"}),
			nothing("releaseDate", "preOrderPublishDate"),
			relating("territory", func(i int) []string {
				return []string{seedID("territories", i%len(allTerritories()))}
			}),
		)),
	}
	plan := seededAvailability("subscription", "subscriptions")
	plan.seed = each(plan.seed, cycle("planType", upfront))
	return map[string]behavior{
		"appAvailabilities":              app,
		"territoryAvailabilities":        territory,
		"inAppPurchaseAvailabilities":    seededAvailability("inAppPurchase", "inAppPurchases"),
		"subscriptionAvailabilities":     seededAvailability("subscription", "subscriptions"),
		"subscriptionPlanAvailabilities": plan,
	}
}

// territoryAvailabilityID is the id of an app's availability in a territory.
func territoryAvailabilityID(app, territory string) string {
	return opaque(struct {
		App       string `json:"s"`
		Territory string `json:"t"`
	}{app, territory})
}
