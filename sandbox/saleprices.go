package sandbox

import (
	"slices"

	"github.com/asc-gateway/asc-gateway/sandbox/internal/sales"
)

// fractions is by how much the model counts money finer than prices: thousandths.
const fractions = 10

// salePrice is a price point as the model has it.
func salePrice(p pricePoint) sales.Price {
	return sales.Price{
		Customer: sales.Money(p.customer * fractions),
		Proceeds: sales.Money(p.proceeds() * fractions),
		Later:    sales.Money(p.proceedsYear2() * fractions),
		Currency: p.territory.currency,
	}
}

// priceSteps are what a product costs in a territory from a day on. Where it can be had
// now it has been had before: the world keeps no history of that.
func (s *store) priceSteps(o *object, t *sales.Territory, from sales.Day) (steps []priceStep) {
	const ever = "9999-12-31"
	if !s.soldIn(o, t.ID, ever) {
		return nil
	}
	if o.typ == "subscriptions" {
		return s.subscriptionSteps(o, t, from)
	}
	days := []sales.Day{from}
	if schedule := s.one(o, scheduleOf[o.typ]); schedule != nil {
		for _, price := range s.related(schedule, "manualPrices") {
			for _, attr := range []string{"startDate", "endDate"} {
				if d := dayOrNone(price.text(attr), from); d > from {
					days = append(days, d)
				}
			}
		}
	}
	slices.Sort(days)
	for _, d := range slices.Compact(days) {
		tag, ok := s.priceIn(o, t.ID, d.String())
		step := priceStep{from: d, sold: ok}
		if ok {
			step.price = salePrice(tag.pricePoint)
		}
		steps = append(steps, step)
	}
	return steps
}

// subscriptionSteps are what a subscription costs new subscribers who pay up front.
func (s *store) subscriptionSteps(o *object, t *sales.Territory, from sales.Day) (steps []priceStep) {
	for _, price := range s.pricesOf(o, upfront, t.ID) {
		if p, ok := s.facts.book.parsePoint(pointOf(price)); ok {
			steps = append(steps, priceStep{from: dayOrNone(price.text("startDate"), from), sold: true,
				kept: price.attrs["preserveCurrentPrice"] == true, price: salePrice(p)})
		}
	}
	return steps
}

// pointPrice is the price of the price point that a price of an offer has.
func (s *store) pointPrice(o *object) (sales.Price, bool) {
	p, ok := s.facts.book.parsePoint(pointOf(o))
	if !ok {
		return sales.Price{}, false
	}
	return salePrice(p), true
}
