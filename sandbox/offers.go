package sandbox

import (
	"slices"
	"strings"
)

// offers: what is sold for less for a while.
func offers() map[string]behavior {
	paid := each(
		cycle("offerMode", "PAY_AS_YOU_GO"), cycle("duration", "ONE_MONTH"),
		cycle("targetSubscriptionPlanType", upfront),
	)
	three := each(paid, cycle("numberOfPeriods", 3))
	all := map[string]behavior{
		"subscriptionIntroductoryOffers": {
			placed: []string{"territory", "subscriptionPricePoint"},
			seed: each(
				cycle("offerMode", freeTrial), cycle("duration", "ONE_WEEK"), cycle("numberOfPeriods", 1),
				cycle("targetSubscriptionPlanType", upfront), nothing("startDate", "endDate"),
				firstOnly(perType, relating("territory", only("USA"))),
			),
			allowed: introductoryAllowed,
			created: introductoryCreated,
		},
		"subscriptionPromotionalOffers": {
			seed:   three,
			unique: [][]string{{"subscription", "offerCode"}},
		},
		"winBackOffers": {
			seed:   each(paid, cycle("periodCount", 3), nothing("endDate")),
			unique: [][]string{{"subscription", "offerId"}},
		},
		"subscriptionOfferCodes": {
			seed:   each(three, cycle("active", true)),
			unique: [][]string{{"subscription", "name"}},
			show:   codesShown,
		},
		"inAppPurchaseOfferCodes": {
			seed:   cycle("active", true),
			unique: [][]string{{"inAppPurchase", "name"}},
			show:   codesShown,
		},
		"subscriptionPromotionalOfferPrices": seededOfferPrice("subscriptionPricePoint", "subscriptions"),
		"winBackOfferPrices":                 seededOfferPrice("subscriptionPricePoint", "subscriptions"),
		"subscriptionOfferCodePrices":        seededOfferPrice("subscriptionPricePoint", "subscriptions"),
		"inAppPurchaseOfferPrices":           seededOfferPrice("pricePoint", "inAppPurchases"),
	}
	for _, typ := range []string{
		"subscriptionPromotionalOffers", "winBackOffers", "subscriptionOfferCodes", "inAppPurchaseOfferCodes",
	} {
		b := all[typ]
		b.allowed, b.owns, b.tests = offerAllowed, []string{"prices"}, map[string]test{"territory": pricedIn}
		b.created = setting(map[string]any{"targetSubscriptionPlanType": upfront})
		if strings.HasSuffix(typ, "OfferCodes") {
			b.created = setting(map[string]any{"active": true, "targetSubscriptionPlanType": upfront})
		}
		all[typ] = b
	}
	for typ, b := range all {
		if strings.HasSuffix(typ, "Prices") {
			b.created = func(c *call, o *object) { c.placeAtPoint(o) }
			all[typ] = b
		}
	}
	return all
}

const freeTrial = "FREE_TRIAL"

// pricedIn is filter[territory] of an offer: it has a price there.
func pricedIn(s *store, o *object, territory string) bool {
	return slices.ContainsFunc(s.related(o, "prices"), func(price *object) bool {
		return slices.Contains(price.rels["territory"], territory)
	})
}

// periodsRefused: a free trial and what is paid up front is one period; what is paid as
// it goes is up to twelve. Apple: set up introductory offers.
func periodsRefused(o *object, at string) []apiError {
	const most = 12
	name := "numberOfPeriods"
	if o.typ == "winBackOffers" {
		name = "periodCount"
	}
	n, given := number(o.attrs[name])
	switch mode := o.text("offerMode"); {
	case !given:
		return nil
	case mode != "PAY_AS_YOU_GO" && n != 1:
		return wrongValue(at, name, "For "+mode+" offerMode, there is one period.")
	case n < 1 || n > most:
		return wrongValue(at, name, "There are 1 to 12 periods.")
	}
	return nil
}

// datesRefused: an offer ends after it starts.
func datesRefused(o *object, at string) []apiError {
	if end := o.text("endDate"); end != "" && end <= o.text("startDate") {
		return wrongValue(at, "endDate", "The end date must be after the start date.")
	}
	return nil
}

// offerPriceRefused judges one price of an offer. What is free has no price point (seen
// live, with these words), all else has one of the product.
func (c *call) offerPriceRefused(price, product *object, free bool, at string) []apiError {
	if !free {
		_, errs := c.pointOfProduct(price, product, at)
		return errs
	}
	if pointOf(price) != "" {
		return wrongRelation(at, c.s.store.pointRel(price),
			"For FREE_TRIAL offerMode, subscriptionPricePoint must be null")
	}
	return nil
}

// offerAllowed judges an offer whose prices stand territory by territory.
func offerAllowed(c *call, o, old *object) []apiError {
	at := "/data"
	if old == nil {
		at = c.place(o)
	}
	if errs := append(periodsRefused(o, at), datesRefused(o, at)...); len(errs) > 0 {
		return errs
	}
	product := c.parent(o, "subscription")
	if o.typ == "inAppPurchaseOfferCodes" {
		product = c.parent(o, "inAppPurchase")
	}
	if product == nil || old != nil && slices.Equal(old.rels["prices"], o.rels["prices"]) {
		return nil
	}
	free, typ := o.text("offerMode") == freeTrial, c.s.facts.relation(o.typ, "prices").typ
	if len(o.rels["prices"]) == 0 {
		return []apiError{relationRequired("prices", at)}
	}
	seen := map[string]bool{}
	for _, id := range o.rels["prices"] {
		price, at := c.pending(typ, id)
		if errs := c.offerPriceRefused(price, product, free, at); len(errs) > 0 {
			return errs
		}
		territory := c.territoryOf(price)
		switch {
		case territory == "":
			return []apiError{relationRequired("territory", at)}
		case seen[territory]:
			return wrongRelation(at, "territory", "There are two prices for territory "+territory+".")
		}
		seen[territory] = true
		if errs := c.notThere(product, territory, at); product.typ == "subscriptions" && len(errs) > 0 {
			return errs
		}
	}
	return nil
}

// territoryOf is the territory of a price: its own, else that of its point.
func (c *call) territoryOf(price *object) string {
	if ids := price.rels["territory"]; len(ids) > 0 {
		return ids[0]
	}
	if p, ok := c.s.facts.book.parsePoint(pointOf(price)); ok {
		return p.territory.id
	}
	return ""
}

// introductoryAllowed: there is one introductory offer at a time in a territory.
func introductoryAllowed(c *call, o, old *object) []apiError {
	at := "/data"
	if old == nil {
		at = c.place(o)
	}
	subscription := c.parent(o, "subscription")
	if errs := append(periodsRefused(o, at), datesRefused(o, at)...); len(errs) > 0 || subscription == nil {
		return errs
	}
	if old != nil {
		return nil
	}
	if errs := c.offerPriceRefused(o, subscription, o.text("offerMode") == freeTrial, at); len(errs) > 0 {
		return errs
	}
	territory := c.territoryOf(o)
	if errs := c.notThere(subscription, territory, at); territory != "" && len(errs) > 0 {
		return errs
	}
	others := c.s.store.related(subscription, "introductoryOffers")
	if at != "/data" { // what comes with a PATCH takes the place of all that was
		others = c.writing.pending
	}
	for _, x := range others {
		if x != o && x.typ == o.typ && planOf(x) == planOf(o) && overlap(x, o) &&
			(territory == "" || c.territoryOf(x) == "" || c.territoryOf(x) == territory) {
			return stateError(at, "There is an introductory offer in the territory at that time already.")
		}
	}
	return nil
}

// overlap says whether two offers hold at the same time. A date that is missing is open.
func overlap(a, b *object) bool {
	before := func(x, y *object) bool { return x.text("endDate") != "" && x.text("endDate") <= y.text("startDate") }
	return !before(a, b) && !before(b, a)
}

func introductoryCreated(c *call, o *object) {
	c.placeAtPoint(o)
	if o.text("targetSubscriptionPlanType") == "" {
		o.attrs["targetSubscriptionPlanType"] = upfront
	}
}
