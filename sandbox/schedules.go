package sandbox

import (
	"slices"
	"strings"
)

// scheduleOf are the relationships to the schedules of prices, by the type of product.
var scheduleOf = map[string]string{"apps": "appPriceSchedule", "inAppPurchases": "iapPriceSchedule"}

// priceSchedules: what apps, in-app purchases and subscriptions cost.
func priceSchedules() map[string]behavior {
	all := map[string]behavior{
		"appPriceSchedules":           seededSchedule("app", "apps", "appPrices"),
		"appPrices":                   seededPrice("appPrices", "apps", "appPricePoint"),
		"inAppPurchasePriceSchedules": seededSchedule("inAppPurchase", "inAppPurchases", "inAppPurchasePrices"),
		"inAppPurchasePrices":         seededPrice("inAppPurchasePrices", "inAppPurchases", "inAppPurchasePricePoint"),
	}
	for typ, product := range map[string]string{
		"appPriceSchedules": "app", "inAppPurchasePriceSchedules": "inAppPurchase",
	} {
		b := all[typ]
		b.allowed, b.named = scheduleAllowed(product), sameIDAs(product)
		all[typ] = b
	}
	for _, typ := range []string{"appPrices", "inAppPurchasePrices"} {
		b := all[typ]
		b.created, b.named = priceCreated, priceNamed
		all[typ] = b
	}
	return all
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

// pending is an object that the request makes, else one that is there, and where the
// request's document has it.
func (c *call) pending(typ, id string) (o *object, at string) {
	if c.writing != nil {
		for i, o := range c.writing.pending {
			if o.typ == typ && o.id == id {
				return o, c.writing.at[i]
			}
		}
	}
	return c.s.store.get(typ, id), ""
}

// interval is a price of a schedule that is to be, with its time.
type interval struct {
	scheduledPrice
	at string // its place in the document
}

func (x interval) String() string { return "[" + midnight(x.from) + " - " + midnight(x.to) + "]" }

func midnight(date string) string {
	if date == "" {
		return "null"
	}
	return date + "T00:00"
}

// scheduleAllowed judges a schedule as a whole. Each territory that has a price of its
// own must have one at all times, and the base territory must have one. Seen live: all
// of it, with these words.
func scheduleAllowed(product string) func(c *call, o, old *object) []apiError {
	return func(c *call, o, _ *object) (errs []apiError) {
		const at = "/data/relationships/manualPrices"
		byTerritory, errs := c.intervals(o, strings.Join(o.rels[product], ""))
		if len(errs) > 0 {
			return errs
		}
		today := day(c.now)
		for _, territory := range sortedKeys(byTerritory) {
			list := byTerritory[territory]
			slices.SortStableFunc(list, func(a, b interval) int { return strings.Compare(a.from, b.from) })
			errs = append(errs, timeline(territory, list, today, at)...)
		}
		if base := strings.Join(o.rels["baseTerritory"], ""); len(byTerritory[base]) == 0 {
			errs = append(errs, entityError("BASE_TERRITORY_INTERVAL_REQUIRED",
				"There must be at least one manual price for the base territory.", at))
		}
		return errs
	}
}

// intervals are the manual prices of a schedule that is to be, by territory.
func (c *call) intervals(schedule *object, product string) (byTerritory map[string][]interval, errs []apiError) {
	byTerritory = map[string][]interval{}
	typ := c.s.facts.relation(schedule.typ, "manualPrices").typ
	for _, id := range schedule.rels["manualPrices"] {
		price, at := c.pending(typ, id)
		rel := c.s.store.pointRel(price)
		point := pointOf(price)
		p, ok := c.s.facts.book.parsePoint(point)
		switch {
		case point == "":
			errs = append(errs, relationRequired(rel, at))
		case !ok || p.product != product:
			errs = append(errs, pointNotFound(pointTypeOfRel(c, price, rel), point, at+"/relationships/"+rel))
		default:
			x := scheduledPrice{p, price.text("startDate"), price.text("endDate"), price}
			byTerritory[p.territory.id] = append(byTerritory[p.territory.id], interval{x, at})
		}
	}
	return byTerritory, errs
}

func pointTypeOfRel(c *call, price *object, rel string) string {
	return c.s.facts.relation(price.typ, rel).typ
}

// relationRequired refuses an object without a relationship, in Apple's words.
func relationRequired(rel, at string) apiError {
	return apiError{
		Status:  409,
		Code:    "ENTITY_ERROR.RELATIONSHIP.REQUIRED",
		Title:   "The provided entity is missing a required relationship",
		Detail:  "You must provide a value for the relationship '" + rel + "' with this request",
		Pointer: at + "/relationships/" + rel,
	}
}

// timeline judges the prices of a territory, in their order: they must cover all time
// from today, without gap or overlap. An end is the first day on which a price holds no
// more.
func timeline(territory string, list []interval, today, at string) (errs []apiError) {
	covered := "Entire timeline must be covered for " + territory + ". "
	refuse := func(code, detail string) { errs = append(errs, entityError(code, detail, at)) }
	for i, x := range list {
		switch {
		case x.from != "" && x.from < today:
			refuse("INVALID_START_DATE", "Interval can not have a start date in the past")
		case i == 0 && x.from > today:
			refuse(
				"INVALID_START_DATE",
				covered+"The first interval has a start date "+midnight(x.from)+" in the future",
			)
		case x.to != "" && (x.to <= x.from || x.to <= today):
			refuse("INVALID_END_DATE", "Interval can not end before it starts, or in the past")
		}
		if i+1 == len(list) {
			if x.to != "" {
				refuse("INVALID_END_DATE", covered+"Rightmost interval must not have an end date")
			}
			break
		}
		switch next := list[i+1]; {
		case x.to == "" || next.from < x.to:
			refuse("INVALID_INTERVAL", "Adjacent intervals must not intersect for "+territory+": "+
				x.String()+" and "+next.String())
		case x.to < next.from:
			refuse("INVALID_INTERVAL", covered+"Adjacent intervals must not have a gap in between: "+
				x.String()+" and "+next.String())
		}
	}
	return errs
}

// priceCreated completes a price of a schedule: its territory is that of its point.
func priceCreated(c *call, o *object) {
	o.attrs["manual"] = true
	c.placeAtPoint(o)
}

// placeAtPoint gives a price the territory of its point, if it has none.
func (c *call) placeAtPoint(o *object) {
	if p, ok := c.s.facts.book.parsePoint(pointOf(o)); ok && len(o.rels["territory"]) == 0 {
		c.s.store.link(o, "territory", p.territory.id)
	}
}

// sameIDAs gives an object the id of what it belongs to, so that there is one for each.
func sameIDAs(rel string) func(*call, *object) string {
	return func(_ *call, o *object) string { return strings.Join(o.rels[rel], "") }
}

// priceNamed makes the id of a price in a schedule.
func priceNamed(c *call, o *object) string {
	p, ok := c.s.facts.book.parsePoint(pointOf(o))
	if !ok {
		return ""
	}
	return priceID(p.product, p.territory.id, p.tier, o.text("startDate"), o.text("endDate"))
}
