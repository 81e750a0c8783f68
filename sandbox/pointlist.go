package sandbox

import (
	"fmt"
	"slices"
	"strings"
)

// listPoints answers with price points: those of a product, or those that are equal to
// a point. Only the points of the page are made.
func (c *call) listPoints(of *object) []apiError {
	points, errs := c.pointsAsked(of)
	if len(errs) > 0 {
		return errs
	}
	p, errs := c.page(points.total)
	if len(errs) > 0 {
		return errs
	}
	list := make([]*object, 0, p.end-p.start)
	for i := p.start; i < p.end; i++ {
		list = append(list, points.at(i))
	}
	c.answerList(list, p)
	return nil
}

// pointsAsked are the points that a query asks for.
func (c *call) pointsAsked(of *object) (row, []apiError) {
	st, b := c.s.store, c.s.facts.book
	plan, errs := c.planAsked()
	if len(errs) > 0 {
		return row{}, errs
	}
	upfrontPoint := strings.Join(c.query["filter[upfrontPricePointId]"], ",")
	if _, ok := b.parsePoint(upfrontPoint); upfrontPoint != "" && !ok {
		return row{}, []apiError{parameterError("INVALID", "filter[upfrontPricePointId]",
			"'"+upfrontPoint+"' is not a valid price point")}
	}
	if p, is := b.parsePoint(of.id); is && pointTypes[of.typ] != "" {
		for _, name := range []string{"filter[subscription]", "filter[inAppPurchaseV2]"} {
			if ids, given := c.query[name]; given && !slices.Contains(ids, p.product) {
				return row{}, nil
			}
		}
		points := st.elsewhere(p, of.typ, p.tier)
		if c.op.Rel == "adjustedEqualizations" {
			tier, wrong := st.adjustedTier(p, upfrontPoint)
			if len(wrong) > 0 {
				return row{}, incompatible(wrong)
			}
			points = st.elsewhere(p, of.typ, tier)
		}
		return c.kept(points, plan, upfrontPoint), nil
	}
	if upfrontPoint == "" || plan != monthly {
		return st.points(of, c.placesAsked(plan)), nil
	}
	return st.monthlyPoints(of, c.placesAsked(plan), upfrontPoint), nil
}

// kept are those of a short row that are in the territories asked for; of monthly
// points, those that go with a price up front.
func (c *call) kept(points row, plan, upfrontPoint string) row {
	places, b := c.placesAsked(plan), c.s.facts.book
	year, given := b.parsePoint(upfrontPoint)
	return listed(slices.DeleteFunc(points.some(points.total), func(o *object) bool {
		p, _ := b.parsePoint(o.id) // just made
		return !slices.Contains(places, b.places[p.territory.id]) || given && plan == monthly &&
			!fitsUpfront(p.customer, b.ladders[p.territory.currency][year.tier])
	}))
}

// placesAsked are the territories of a query, all if it names none. Nobody can pay by
// the month in some.
func (c *call) placesAsked(plan string) (places []int) {
	ids, given := c.query["filter[territory]"]
	for i, t := range c.s.facts.book.list {
		if (!given || slices.Contains(ids, t.id)) && (plan != monthly || !slices.Contains(withoutMonthly, t.id)) {
			places = append(places, i)
		}
	}
	return places
}

// withoutMonthly are the territories in which no subscription can be paid by the month
// with a commitment for a year (seen live).
var withoutMonthly = []string{"USA", "SGP"}

// planAsked is the plan type of a query. Adjusted equalizations are for MONTHLY alone:
// seen live, although the document takes any text.
func (c *call) planAsked() (string, []apiError) {
	given := c.query["filter[planType]"]
	for _, plan := range given {
		if plan != monthly && (plan != upfront || c.op.Rel == "adjustedEqualizations") {
			takes := upfront + ", " + monthly
			if c.op.Rel == "adjustedEqualizations" {
				takes = monthly
			}
			return "", []apiError{parameterError("INVALID", "filter[planType]", fmt.Sprintf(
				"'%s' is not a valid value for the parameter. Supported values: %s", plan, takes))}
		}
	}
	if len(given) == 1 {
		return given[0], nil
	}
	return "", nil
}

// incompatible refuses an equalization that no tier allows in some territories.
func incompatible(territories []string) []apiError {
	return []apiError{{
		Status: 409,
		Code:   "STATE_ERROR",
		Title:  "The price cannot be equalized",
		Detail: "No monthly price is compatible with the upfront price in: " + strings.Join(territories, ", "),
	}}
}
