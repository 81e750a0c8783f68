package sandbox

import "slices"

// What a new sandbox sells: each app, in-app purchase and subscription has a price in
// all territories, and can be had in all.

// seedMoneyID is the id of the i-th object of a type whose ids say what it belongs to;
// "" for all other types.
func seedMoneyID(typ string, i int) string {
	switch typ {
	case "territories":
		if i < territoryCount {
			return territoryAt(i)
		}
	case "appPriceSchedules", "appAvailabilities":
		return seedID("apps", i)
	case "inAppPurchasePriceSchedules", "inAppPurchaseAvailabilities":
		return seedID("inAppPurchases", i)
	case "subscriptionAvailabilities":
		return seedID("subscriptions", i)
	case "appPrices":
		return priceID(seedID("apps", i), "USA", seedTier(typ, i), "", "")
	case "inAppPurchasePrices":
		return priceID(seedID("inAppPurchases", i), "USA", seedTier(typ, i), "", "")
	case "territoryAvailabilities":
		return territoryAvailabilityID(seedID("apps", i/territoryCount), territoryAt(i%territoryCount))
	}
	return ""
}

// seedPrices are those of the first products of a new sandbox, in US dollars.
var seedPrices = map[string][perType]money{
	"appPrices":           {0, 499, 99},
	"inAppPurchasePrices": {99, 499, 999},
	"subscriptionPrices":  {499, 4999, 299},
}

// seedTier is the tier of the i-th product's price.
func seedTier(typ string, i int) int { return slices.Index(dollars(), seedPrices[typ][i%perType]) }

// firstOnly seeds the objects of a new sandbox, and not those that are added to it.
func firstOnly(count int, seed func(o *object, i int)) func(*object, int) {
	return func(o *object, i int) {
		if i < count {
			seed(o, i)
		}
	}
}

// relating seeds a relationship.
func relating(rel string, ids func(i int) []string) func(*object, int) {
	return func(o *object, i int) { o.rels[rel] = ids(i) }
}

// nothing seeds attributes with null.
func nothing(names ...string) func(*object, int) {
	return func(o *object, _ int) {
		for _, name := range names {
			o.attrs[name] = nil
		}
	}
}

// ith is the i-th object of a type in a new sandbox.
func ith(typ string) func(i int) []string {
	return func(i int) []string { return []string{seedID(typ, i)} }
}

// only is always the same.
func only(id string) func(int) []string { return func(int) []string { return []string{id} } }

// everyTerritory are the ids of all territories.
func everyTerritory(int) (ids []string) {
	for i := range territoryCount {
		ids = append(ids, territoryAt(i))
	}
	return ids
}

// seededSchedule is the behavior of the seeds of a schedule of prices.
func seededSchedule(product, productType, priceType string) behavior {
	return behavior{
		placed: []string{product, "baseTerritory", "manualPrices", "automaticPrices"},
		seed: firstOnly(perType, each(
			relating(product, ith(productType)),
			relating("baseTerritory", only("USA")),
			relating("manualPrices", ith(priceType)),
		)),
		owns: []string{"manualPrices"},
	}
}

// seededPrice is the behavior of the seeds of prices in a schedule.
func seededPrice(typ, productType, pointRel string) behavior {
	return behavior{
		placed: []string{"territory", pointRel, "inAppPurchaseV2"},
		seed: firstOnly(perType, each(
			cycle("manual", true), nothing("startDate", "endDate"),
			relating("territory", only("USA")),
			relating(pointRel, func(i int) []string {
				return []string{pointID(seedID(productType, i), "USA", seedTier(typ, i))}
			}),
		)),
	}
}

// seededSubscriptionPrices gives each subscription a price in all territories.
func seededSubscriptionPrices() behavior {
	const count = perType * territoryCount
	var tiers [perType]int
	for i := range tiers {
		tiers[i] = seedTier("subscriptionPrices", i)
	}
	return behavior{
		count:  count,
		placed: []string{"subscription", "territory", "subscriptionPricePoint"},
		seed: firstOnly(count, each(
			nothing("startDate"), cycle("preserved", false), cycle("planType", upfront),
			func(o *object, i int) {
				product := i / territoryCount
				subscription, territory := seedID("subscriptions", product), territoryAt(i%territoryCount)
				o.rels["subscription"], o.rels["territory"] = []string{subscription}, []string{territory}
				o.rels["subscriptionPricePoint"] = []string{pointID(subscription, territory, tiers[product])}
			},
		)),
	}
}

// seededOfferPrice is the behavior of the seeds of prices of offers: the i-th is one of
// the i-th product.
func seededOfferPrice(rel, productType string) behavior {
	return behavior{
		placed: []string{"territory", rel},
		seed: firstOnly(perType, each(
			relating("territory", only("USA")),
			relating(rel, func(i int) []string { return []string{pointID(seedID(productType, i), "USA", 1)} }),
		)),
	}
}

// seededAvailability is the behavior of the seeds of availabilities of products.
func seededAvailability(product, productType string) behavior {
	return behavior{
		placed: []string{product, "availableTerritories"},
		seed: firstOnly(perType, each(
			relating(product, ith(productType)),
			relating("availableTerritories", everyTerritory),
		)),
	}
}
