package sandbox

import (
	"fmt"
	"slices"
)

// subscriptionPrices: what subscriptions cost, territory by territory.
func subscriptionPrices() map[string]behavior {
	b := seededSubscriptionPrices()
	b.allowed, b.removable = subscriptionPriceAllowed, subscriptionPriceRemovable
	b.created, b.show = subscriptionPriceCreated, subscriptionPriceShown
	return map[string]behavior{"subscriptionPrices": b}
}

// place is where the request's document has what it makes.
func (c *call) place(o *object) string {
	_, at := c.pending(o.typ, o.id)
	return at
}

// parent is what a new object belongs to: what it names, or what the request changes.
func (c *call) parent(o *object, rel string) *object {
	if above := c.s.store.one(o, rel); above != nil || c.writing == nil {
		return above
	}
	return c.writing.old
}

// wrongValue refuses the value of an attribute.
func wrongValue(at, name, detail string) []apiError {
	return []apiError{{
		Status:  409,
		Code:    "ENTITY_ERROR.ATTRIBUTE.INVALID",
		Title:   "The provided entity includes an attribute with an invalid value",
		Detail:  detail,
		Pointer: at + "/attributes/" + name,
	}}
}

// wrongRelation refuses what a relationship points to.
func wrongRelation(at, name, detail string) []apiError {
	return []apiError{{
		Status:  409,
		Code:    "ENTITY_ERROR.RELATIONSHIP.INVALID",
		Title:   "The provided entity includes a relationship with an invalid value",
		Detail:  detail,
		Pointer: at + "/relationships/" + name,
	}}
}

// pointOfProduct reads the price point of a price, which must be its product's, and of
// the territory that the price names.
func (c *call) pointOfProduct(price, product *object, at string) (p pricePoint, errs []apiError) {
	rel := c.s.store.pointRel(price)
	id := pointOf(price)
	p, ok := c.s.facts.book.parsePoint(id)
	switch {
	case id == "":
		return p, []apiError{relationRequired(rel, at)}
	case !ok || p.product != product.id:
		return p, []apiError{pointNotFound(pointTypeOfRel(c, price, rel), id, at+"/relationships/"+rel)}
	}
	if ids := price.rels["territory"]; len(ids) > 0 && ids[0] != p.territory.id {
		return p, wrongRelation(at, "territory", "The price point is of territory "+p.territory.id+".")
	}
	return p, nil
}

// subscriptionPriceAllowed: the first price comes with its subscription, by PATCH; a
// POST is the change of a price, and fails for ever without one to change (seen live).
func subscriptionPriceAllowed(c *call, o, _ *object) []apiError {
	subscription, at := c.parent(o, "subscription"), c.place(o)
	if subscription == nil {
		return nil
	}
	if at == "/data" && len(c.s.store.ids(subscription, "prices")) == 0 {
		return []apiError{unexpected()}
	}
	p, errs := c.pointOfProduct(o, subscription, at)
	if len(errs) > 0 {
		return errs
	}
	if errs := c.notThere(subscription, p.territory.id, at); len(errs) > 0 {
		return errs
	}
	if errs := c.monthlyRefused(o, subscription, p, at); len(errs) > 0 {
		return errs
	}
	return c.changeRefused(o, subscription, p, at)
}

// notThere refuses a territory in which a subscription is not available. One whose
// availability nobody has set yet may be priced anywhere.
func (c *call) notThere(subscription *object, territory, at string) []apiError {
	st := c.s.store
	where := append(
		st.related(subscription, "subscriptionAvailability"),
		st.related(subscription, "planAvailabilities")...)
	if len(where) == 0 || st.availableIn(where, territory) {
		return nil
	}
	return wrongRelation(at, "territory", "The subscription is not available in territory "+territory+".")
}

// changeRefused: a change begins tomorrow at the earliest, is one, and is the only one
// to come in its territory. Apple: manage pricing for auto-renewable subscriptions.
func (c *call) changeRefused(o, subscription *object, p pricePoint, at string) []apiError {
	today, start := day(c.now), o.text("startDate")
	if start != "" && start <= today {
		return wrongValue(at, "startDate", "The start date must be in the future.")
	}
	for _, x := range c.writing.pending {
		q, ok := c.s.facts.book.parsePoint(pointOf(x))
		if x == o || x.typ != o.typ || !ok || q.territory.id != p.territory.id || planOf(x) != planOf(o) {
			continue
		}
		if (x.text("startDate") > today) == (start > today) {
			return wrongRelation(at, "territory", "There are two prices for territory "+p.territory.id+".")
		}
	}
	var current *object
	for _, x := range c.s.store.pricesOf(subscription, planOf(o), p.territory.id) {
		if x.text("startDate") <= today {
			current = x
		} else if start > today {
			return stateError(at, "There is a price change for territory "+p.territory.id+" to come already, with id "+
				x.id+". Delete it first.")
		}
	}
	if current != nil && start == "" && pointOf(current) == pointOf(o) {
		return stateError(at, "The subscription has this price in territory "+p.territory.id+" already.")
	}
	return nil
}

// monthlyRefused: a subscription of a year may be paid by the month, for about the same.
func (c *call) monthlyRefused(o, subscription *object, p pricePoint, at string) []apiError {
	if planOf(o) != monthly {
		return nil
	}
	if errs := monthlyPlanRefused(subscription, []string{p.territory.id}, at); len(errs) > 0 {
		return errs
	}
	year, ok := c.s.store.subscriptionPriceIn(subscription, p.territory.id, upfront, day(c.now))
	switch {
	case !ok:
		return stateError(at, "The subscription has no UPFRONT price in territory "+p.territory.id+".")
	case !fitsUpfront(p.customer, year.customer):
		return wrongRelation(at, "subscriptionPricePoint", fmt.Sprintf(
			"Twelve payments of %s are not between the upfront price %s and one and a half times it.",
			p.customer, year.customer))
	}
	return nil
}

// monthlyPlanRefused: who pays by the month commits to a year, and not everywhere.
func monthlyPlanRefused(subscription *object, territories []string, at string) []apiError {
	if subscription.text("subscriptionPeriod") != "ONE_YEAR" {
		return wrongValue(at, "planType", "MONTHLY is for subscriptions of ONE_YEAR.")
	}
	for _, t := range territories {
		if slices.Contains(withoutMonthly, t) {
			return wrongRelation(at, "territory", "MONTHLY is not available in territory "+t+".")
		}
	}
	return nil
}

// subscriptionPriceCreated: a price that names no day holds from today, and takes the
// place of one that began today.
func subscriptionPriceCreated(c *call, o *object) {
	c.placeAtPoint(o)
	if o.text("planType") == "" {
		o.attrs["planType"] = upfront
	}
	subscription := c.s.store.one(o, "subscription")
	if subscription == nil || o.text("startDate") != "" || len(o.rels["territory"]) == 0 {
		return
	}
	today := day(c.now)
	for _, x := range c.s.store.pricesOf(subscription, planOf(o), o.rels["territory"][0]) {
		switch {
		case x == o:
		case x.text("startDate") == today:
			c.drop(x)
			o.attrs["startDate"] = today
		case x.text("startDate") < today:
			o.attrs["startDate"] = today
		}
	}
}

// subscriptionPriceRemovable: only a change that is to come can be taken back.
func subscriptionPriceRemovable(c *call, o *object) []apiError {
	if o.text("startDate") > day(c.now) {
		return nil
	}
	return stateError("", "Only a price that starts in the future can be deleted.")
}

// subscriptionPriceShown: a price is preserved for those who have it once another took
// its place that was to leave it to them.
func subscriptionPriceShown(c *call, o *object) map[string]any {
	subscription := c.s.store.one(o, "subscription")
	if subscription == nil || len(o.rels["territory"]) == 0 {
		return map[string]any{"preserved": false}
	}
	today := day(c.now)
	later := slices.ContainsFunc(c.s.store.pricesOf(subscription, planOf(o), o.rels["territory"][0]),
		func(x *object) bool {
			start := x.text("startDate")
			return start > o.text("startDate") && start <= today && x.attrs["preserveCurrentPrice"] == true
		})
	return map[string]any{"preserved": later}
}

// subscriptionChange judges the PATCH of a subscription, which may bring prices and
// offers. Nobody has a recording of Apple's answer to many of them: World.OneByOne
// refuses them.
func subscriptionChange(c *call, o, old *object) []apiError {
	if old == nil || c.writing == nil {
		return nil
	}
	for _, rel := range []string{"prices", "introductoryOffers", "promotionalOffers"} {
		if ids := c.writing.pending[0].rels[rel]; c.s.cfg.OneByOne && len(ids) > 1 {
			return wrongRelation("/data", rel, "Only one of them can be given at a time.")
		}
	}
	return nil
}
