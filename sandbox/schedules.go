package sandbox

// scheduleOf are the relationships to the schedules of prices, by the type of product.
var scheduleOf = map[string]string{"apps": "appPriceSchedule", "inAppPurchases": "iapPriceSchedule"}

// priceSchedules: what apps, in-app purchases and subscriptions cost.
func priceSchedules() map[string]behavior {
	return map[string]behavior{
		"appPriceSchedules":           seededSchedule("app", "apps", "appPrices"),
		"appPrices":                   seededPrice("appPrices", "apps", "appPricePoint"),
		"inAppPurchasePriceSchedules": seededSchedule("inAppPurchase", "inAppPurchases", "inAppPurchasePrices"),
		"inAppPurchasePrices":         seededPrice("inAppPurchasePrices", "inAppPurchases", "inAppPurchasePricePoint"),
		"subscriptionPrices":          seededSubscriptionPrices(),
	}
}

// pointNotFound refuses a price point that is not there, or another product's.
func pointNotFound(typ, id, at string) apiError {
	return entityError("NOT_FOUND", "The resource '"+typ+"' with id '"+id+"' was not found.", at)
}

// entityError is one of the errors about prices, which Apple gives one title.
func entityError(code, detail, at string) apiError {
	return apiError{
		Status:  409,
		Code:    "ENTITY_ERROR." + code,
		Title:   "There is a problem with the request entity",
		Detail:  detail,
		Pointer: at,
	}
}
