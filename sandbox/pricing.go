package sandbox

import (
	"slices"
	"strings"
	"time"
)

// This file tells what the world's products cost: the price in force of a product in
// a territory on a day. What makes sales reads it.

// priceTag is what a product costs somewhere on a day.
type priceTag struct {
	pricePoint        // customer price, proceeds, territory with its currency
	since      string // day from which it costs that, "" if from the start
	manual     bool   // it was set for this territory; false if it follows the base territory
}

// day is a date of Apple's: the day in Cupertino, by which prices change. Seen live:
// at 00:03 UTC the date of UTC is still in the future.
func day(t time.Time) string { return pacific(t).Format(time.DateOnly) }

// pacific is a time as clocks in California show it: UTC-8, and UTC-7 from the second
// Sunday of March to the first Sunday of November, at two o'clock.
func pacific(t time.Time) time.Time {
	standard := t.UTC().Add(-8 * time.Hour)
	year := standard.Year()
	from := sunday(year, time.March, 2).Add(2 * time.Hour)
	to := sunday(year, time.November, 1).Add(time.Hour)
	if standard.Before(from) || !standard.Before(to) {
		return standard
	}
	return standard.Add(time.Hour)
}

// sunday is the n-th Sunday of a month, at midnight.
func sunday(year int, month time.Month, n int) time.Time {
	first := time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
	return first.AddDate(0, 0, (7-int(first.Weekday()))%7+7*(n-1))
}

// priceIn is what a product costs in a territory ("USA") on a day ("2026-11-25", see
// day): an app or an in-app purchase by its schedule, a subscription by its prices for
// new subscribers who pay up front. ok is false if it has no price there. Whether it
// can be had there says soldIn.
func (s *store) priceIn(product *object, territory, on string) (o priceTag, ok bool) {
	if product.typ == "subscriptions" {
		return s.subscriptionPriceIn(product, territory, upfront, on)
	}
	schedule := s.one(product, scheduleOf[product.typ])
	if schedule == nil {
		return o, false
	}
	return s.scheduledIn(schedule, territory, on)
}

// scheduledIn is what a schedule says of a territory on a day.
func (s *store) scheduledIn(schedule *object, territory, on string) (o priceTag, ok bool) {
	base := s.one(schedule, "baseTerritory")
	if base == nil {
		return o, false
	}
	manual := s.manualPrices(schedule, territory)
	own := len(manual) > 0
	if !own {
		manual = s.manualPrices(schedule, base.id)
	}
	for _, x := range manual {
		if x.holds(on) {
			p, known := s.facts.book.point(x.product, territory, x.tier)
			return priceTag{p, x.from, own}, known
		}
	}
	return o, false
}

// scheduledPrice is a manual price with its time.
type scheduledPrice struct {
	pricePoint
	from, to string // days; to is the first on which it holds no more; "" is open
	price    *object
}

func (x scheduledPrice) holds(on string) bool {
	return x.from <= on && (x.to == "" || on < x.to)
}

// manualPrices are those that a schedule has for a territory, by time.
func (s *store) manualPrices(schedule *object, territory string) (list []scheduledPrice) {
	for _, price := range s.related(schedule, "manualPrices") {
		p, ok := s.facts.book.parsePoint(pointOf(price))
		if ok && p.territory.id == territory {
			list = append(list, scheduledPrice{p, price.text("startDate"), price.text("endDate"), price})
		}
	}
	slices.SortFunc(list, func(a, b scheduledPrice) int { return strings.Compare(a.from, b.from) })
	return list
}

// pointOf is the id of the price point that a price, or the price of an offer, has;
// "" if it has none, as free offers.
func pointOf(price *object) string {
	for _, rel := range pointRels {
		if ids := price.rels[rel]; len(ids) > 0 {
			return ids[0]
		}
	}
	return ""
}

// pointRels are the relationships that lead from prices to price points.
var pointRels = []string{"appPricePoint", "inAppPurchasePricePoint", "subscriptionPricePoint", "pricePoint"}

// upfront and monthly are the plan types of subscriptions: paid for the whole period, or
// by the month for a year. Apple: SubscriptionPlanType.
const upfront, monthly = "UPFRONT", "MONTHLY"

// subscriptionPriceIn is what new subscribers pay in a territory on a day, by a plan.
func (s *store) subscriptionPriceIn(product *object, territory, plan, on string) (o priceTag, ok bool) {
	for _, price := range s.related(product, "prices") {
		from := price.text("startDate")
		if planOf(price) != plan || from > on || ok && from < o.since {
			continue
		}
		p, known := s.facts.book.parsePoint(pointOf(price))
		if known && p.territory.id == territory {
			o, ok = priceTag{p, from, true}, true
		}
	}
	return o, ok
}

// planOf is the plan of a price or an offer: who names none means up front.
func planOf(o *object) string {
	for _, name := range []string{"planType", "targetSubscriptionPlanType"} {
		if plan := o.text(name); plan != "" {
			return plan
		}
	}
	return upfront
}

// soldIn says whether a product can be had in a territory on a day: by its own
// availability and that of its app.
func (s *store) soldIn(product *object, territory, on string) bool {
	app := s.appOf(product)
	if app == nil || !s.appSoldIn(app, territory, on) {
		return false
	}
	switch product.typ {
	case "inAppPurchases":
		return s.availableIn(s.related(product, "inAppPurchaseAvailability"), territory)
	case "subscriptions":
		return s.availableIn(s.related(product, "subscriptionAvailability"), territory) ||
			s.availableIn(s.related(product, "planAvailabilities"), territory)
	}
	return true
}

func (s *store) availableIn(availabilities []*object, territory string) bool {
	return slices.ContainsFunc(availabilities, func(a *object) bool {
		return slices.Contains(s.ids(a, "availableTerritories"), territory)
	})
}

// appSoldIn says whether an app can be had, or ordered ahead, in a territory on a day.
func (s *store) appSoldIn(app *object, territory, on string) bool {
	availability := s.one(app, "appAvailabilityV2")
	if availability == nil {
		return false
	}
	for _, t := range s.related(availability, "territoryAvailabilities") {
		if slices.Contains(s.ids(t, "territory"), territory) {
			released := t.text("releaseDate") <= on || t.attrs["preOrderEnabled"] == true
			return t.attrs["available"] == true && released
		}
	}
	return false
}
