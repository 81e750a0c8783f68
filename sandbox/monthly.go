package sandbox

import (
	"slices"
	"strings"
)

// Subscriptions of a year may be paid by the month. What is paid in a year is then no
// less than the price up front, and no more than one and a half times it: the range
// that App Store Connect takes (seen live).
const monthsOfYear = 12

// fitsUpfront says whether a monthly price goes with a price up front.
func fitsUpfront(month, year money) bool {
	return month*monthsOfYear >= year && month*monthsOfYear*2 <= year*3
}

// band are the lowest and the highest tier of monthly prices that go with a tier of
// prices up front in every territory: the same everywhere, so that equalizations agree
// in both directions. wrong names the territories that have none.
func (b *priceBook) band(tier int) (low, high int, wrong []string) {
	high = b.tiers() - 1
	for _, t := range b.list {
		ladder := b.ladders[t.currency]
		lowest := slices.IndexFunc(ladder, func(m money) bool { return fitsUpfront(m, ladder[tier]) })
		if slices.Contains(withoutMonthly, t.id) {
			continue
		}
		if lowest < 0 {
			wrong = append(wrong, t.id)
			continue
		}
		highest := lowest
		for highest+1 < len(ladder) && fitsUpfront(ladder[highest+1], ladder[tier]) {
			highest++
		}
		low, high = max(low, lowest), min(high, highest)
		if low > high {
			wrong = append(wrong, t.id)
			low, high = lowest, highest
		}
	}
	return low, high, wrong
}

// adjustedTier is the tier of the equalizations of a monthly point, such that they go
// with a price up front: that of a point, or else the product's own in the territory.
// wrong names the territories in which none does.
func (s *store) adjustedTier(p pricePoint, upfrontPoint string) (tier int, wrong []string) {
	year, ok := s.facts.book.parsePoint(upfrontPoint)
	subscription := s.get("subscriptions", p.product)
	if !ok && subscription != nil && subscription.text("subscriptionPeriod") == "ONE_YEAR" {
		for _, price := range s.pricesOf(subscription, upfront, p.territory.id) {
			year, ok = s.facts.book.parsePoint(pointOf(price))
		}
	}
	if !ok {
		return p.tier, nil
	}
	low, high, wrong := s.facts.book.band(year.tier)
	return min(max(p.tier, low), high), wrong
}

// pricesOf are a subscription's prices of a plan in a territory, by the day they start.
func (s *store) pricesOf(subscription *object, plan, territory string) (list []*object) {
	for _, price := range s.related(subscription, "prices") {
		if slices.Contains(price.rels["territory"], territory) && planOf(price) == plan {
			list = append(list, price)
		}
	}
	slices.SortStableFunc(
		list,
		func(a, b *object) int { return strings.Compare(a.text("startDate"), b.text("startDate")) },
	)
	return list
}

// monthlyPoints are a product's points in some territories that go with the price up
// front of a point.
func (s *store) monthlyPoints(product *object, places []int, upfrontPoint string) row {
	type cell struct{ place, tier int }
	b := s.facts.book
	year, _ := b.parsePoint(upfrontPoint) // the caller has looked
	var cells []cell
	for _, place := range places {
		ladder := b.ladders[b.list[place].currency]
		for tier, m := range ladder {
			if fitsUpfront(m, ladder[year.tier]) {
				cells = append(cells, cell{place, tier})
			}
		}
	}
	return row{len(cells), func(i int) *object {
		p, _ := b.point(product.id, b.list[cells[i].place].id, cells[i].tier) // both are there
		return p.object(pointTypeOf(product.typ))
	}}
}
