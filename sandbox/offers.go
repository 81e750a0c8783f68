package sandbox

// offers: what is sold for less for a while.
func offers() map[string]behavior {
	introductory := behavior{
		placed: []string{"territory", "subscriptionPricePoint"},
		seed: each(
			cycle("offerMode", "FREE_TRIAL"), cycle("duration", "ONE_WEEK"), cycle("numberOfPeriods", 1),
			cycle("targetSubscriptionPlanType", upfront), nothing("startDate", "endDate"),
			firstOnly(perType, relating("territory", always1("USA"))),
		),
	}
	paid := each(
		cycle("offerMode", "PAY_AS_YOU_GO"), cycle("duration", "ONE_MONTH"),
		cycle("targetSubscriptionPlanType", upfront),
	)
	return map[string]behavior{
		"subscriptionIntroductoryOffers":     introductory,
		"subscriptionPromotionalOffers":      {seed: each(paid, cycle("numberOfPeriods", 3)), owns: []string{"prices"}},
		"winBackOffers":                      {seed: each(paid, cycle("periodCount", 3)), owns: []string{"prices"}},
		"subscriptionOfferCodes":             {seed: each(paid, cycle("numberOfPeriods", 3)), owns: []string{"prices"}},
		"inAppPurchaseOfferCodes":            {owns: []string{"prices"}},
		"subscriptionPromotionalOfferPrices": seededOfferPrice("subscriptionPricePoint", "subscriptions"),
		"winBackOfferPrices":                 seededOfferPrice("subscriptionPricePoint", "subscriptions"),
		"subscriptionOfferCodePrices":        seededOfferPrice("subscriptionPricePoint", "subscriptions"),
		"inAppPurchaseOfferPrices":           seededOfferPrice("pricePoint", "inAppPurchases"),
	}
}
