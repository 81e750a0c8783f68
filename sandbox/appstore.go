package sandbox

import (
	"fmt"
	"slices"
)

// appStore: apps, their versions and reviews, and what is sold in them.
func appStore() map[string]behavior {
	return map[string]behavior{
		"apps": {
			filters: map[string]func(string, string) bool{"bundleId": contains, "name": contains}, listed: longestFirst("bundleId"), seed: each(cycle("name", appNames()...), cycle("bundleId", "com.example.trailmix", "com.example.nightsky", "com.example.fieldnotes"),
				func(o *object, i int) { o.attrs["sku"] = fmt.Sprintf("SKU-%d", 100+i) })},
		"appStoreVersions": {
			seed: each(cycle("versionString", "1.0", "1.1", "2.0"), cycle("platform", "IOS"),
				cycle("appStoreState", "READY_FOR_SALE"), cycle("appVersionState", "READY_FOR_DISTRIBUTION")),
			allowed: oneOpenVersion,
			created: setting(map[string]any{"appStoreState": "PREPARE_FOR_SUBMISSION", "appVersionState": "PREPARE_FOR_SUBMISSION", "releaseType": "AFTER_APPROVAL", "downloadable": true}),
		},
		"appStoreVersionLocalizations": {unique: [][]string{{"appStoreVersion", "locale"}}},
		"appInfoLocalizations":         {unique: [][]string{{"appInfo", "locale"}}},
		"reviewSubmissions": {
			seed:    each(cycle("state", "COMPLETE"), cycle("platform", "IOS")),
			allowed: submissionAllowed,
			created: setting(map[string]any{"state": "READY_FOR_REVIEW"}),
			updated: submissionUpdated,
			acts:    map[string]act{"canceled": becoming(map[string]any{"state": "COMPLETE"})},
		},
		"reviewSubmissionItems": {created: setting(map[string]any{"state": "READY_FOR_REVIEW"})},
		"customerReviews": {
			count: 12,
			seed: each(cycle("rating", 5, 4, 1), cycle("title", "Love it", "Good, but…", "Crashes on launch"),
				cycle("body", "Does what it says.", "Please add a dark mode.", "Since the last update it will not open."), cycle("territory", "USA", "DEU", "JPN")),
		},
		"customerReviewResponses": {created: func(c *call, o *object) {
			o.attrs["state"], o.attrs["lastModifiedDate"] = "PENDING_PUBLISH", c.stamp()
			c.after(0, o, "publish", nil)
		}, acts: map[string]act{"publish": becoming(map[string]any{"state": "PUBLISHED"})}},
		"inAppPurchases": {
			unique:  [][]string{{"productId"}},
			seed:    each(cycle("name", "100 Coins", "Remove Ads", "Season Pass"), cycle("productId", "com.example.coins100", "com.example.noads", "com.example.season"), cycle("inAppPurchaseType", "CONSUMABLE", "NON_CONSUMABLE", "NON_RENEWING_SUBSCRIPTION"), cycle("state", "APPROVED")),
			created: setting(map[string]any{"state": "MISSING_METADATA"}),
		},
		"subscriptionGroups": {unique: [][]string{{"app", "referenceName"}}, seed: cycle("referenceName", "Premium", "Family", "Student")},
		"subscriptions": {
			unique:  [][]string{{"productId"}},
			seed:    each(cycle("name", "Premium Monthly", "Premium Yearly", "Student Monthly"), cycle("productId", "com.example.premium.month", "com.example.premium.year", "com.example.student.month"), cycle("subscriptionPeriod", "ONE_MONTH", "ONE_YEAR", "ONE_MONTH"), cycle("state", "APPROVED")),
			created: setting(map[string]any{"state": "MISSING_METADATA"}),
		},
		"territories":              {count: len(territories), seed: func(o *object, i int) { o.attrs["currency"] = territories[i].currency }},
		"appPricePoints":           {count: 24, seed: prices},
		"inAppPurchasePricePoints": {count: 24, seed: prices},
		"subscriptionPricePoints":  {count: 24, seed: prices},
	}
}

// territories of a new sandbox; Apple has 175.
var territories = [...]struct{ id, currency string }{
	{"USA", "USD"}, {"DEU", "EUR"}, {"JPN", "JPY"}, {"GBR", "GBP"}, {"FRA", "EUR"}, {"CAN", "CAD"},
	{"AUS", "AUD"}, {"BRA", "BRL"}, {"IND", "INR"}, {"CHN", "CNY"}, {"KOR", "KRW"}, {"MEX", "MXN"},
}

func prices(o *object, i int) {
	o.attrs["customerPrice"], o.attrs["proceeds"] = fmt.Sprintf("%d.99", i), fmt.Sprintf("%d.%02d", (i*100+99)*70/10000, (i*100+99)*70/100%100)
}

// oneOpenVersion: an app has one version a platform that is not on sale yet.
func oneOpenVersion(c *call, o, old *object) []apiError {
	if old != nil {
		return nil
	}
	for _, x := range c.s.store.all(o.typ) {
		if x.text("appVersionState") == "PREPARE_FOR_SUBMISSION" && x.text("platform") == o.text("platform") && slices.Equal(c.s.store.ids(x, "app"), c.s.store.ids(o, "app")) {
			return []apiError{{Status: 409, Code: "ENTITY_ERROR.RELATIONSHIP.INVALID", Title: "The provided entity includes a relationship with an invalid value",
				Detail: "You cannot create a new version of the App in the current state.", Pointer: "/data/relationships/app"}}
		}
	}
	return nil
}

// submissionAllowed: an app has one open submission a platform, and an empty one
// cannot be submitted.
func submissionAllowed(c *call, o, old *object) []apiError {
	if old != nil {
		if o.attrs["submitted"] == true && old.attrs["submitted"] != true && len(c.s.store.ids(old, "items")) == 0 {
			return stateError("/data/attributes/submitted", "There is nothing to review in the submission.")
		}
		return nil
	}
	for _, x := range c.s.store.all(o.typ) {
		open := !slices.Contains([]string{"COMPLETE", "COMPLETING", "CANCELING"}, x.text("state"))
		if open && x.text("platform") == o.text("platform") && slices.Equal(c.s.store.ids(x, "app"), c.s.store.ids(o, "app")) {
			return stateError("/data/relationships/app", "There is another reviewSubmission with id "+x.id+" still in progress, in state "+x.text("state"))
		}
	}
	return nil
}

// submissionUpdated: what is submitted waits for its review, and so do the
// versions in it; what is canceled frees them.
func submissionUpdated(c *call, o *object) {
	versions, state := "", o.text("state")
	switch {
	case o.attrs["canceled"] == true:
		versions, state = "DEVELOPER_REJECTED", "CANCELING"
		c.after(c.s.cfg.Times.Cancel, o, "canceled", nil)
	case o.attrs["submitted"] == true && state == "READY_FOR_REVIEW":
		versions, state = "WAITING_FOR_REVIEW", "WAITING_FOR_REVIEW"
		o.attrs["submittedDate"] = c.stamp()
	}
	o.attrs["state"] = state
	for _, item := range c.s.store.related(o, "items") {
		for _, v := range c.s.store.related(item, "appStoreVersion") {
			if versions != "" {
				v.attrs["appStoreState"], v.attrs["appVersionState"] = versions, versions
			}
		}
	}
}
