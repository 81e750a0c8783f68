package sandbox

import (
	"github.com/asc-gateway/asc-gateway/sandbox/internal/sales"
)

// priceSteps are what a product costs in a territory from a day on.
func (s *store) priceSteps(o *object, t *sales.Territory, from sales.Day) []priceStep {
	dollars := [...]sales.Money{990, 2990, 4990, 0}[int(o.id[len(o.id)-1])%4]
	if o.typ == "subscriptions" {
		dollars += 4000
	}
	rates := map[string]sales.Money{"JPY": 150, "KRW": 1400, "INR": 90, "BRL": 5, "CNY": 7, "MXN": 18}
	price := dollars * max(1, rates[t.Currency])
	return []priceStep{{from: from, sold: true, price: sales.Price{Customer: price, Proceeds: price * 7 / 10 / 10 * 10,
		Later: price * 85 / 1000 * 10, Currency: t.Currency}}}
}

// pointPrice is the price of the price point that a price of an offer has.
func (s *store) pointPrice(o *object) (sales.Price, bool) {
	points := s.related(o, "subscriptionPricePoint")
	if len(points) == 0 {
		return sales.Price{}, false
	}
	price, ok := sales.ParseMoney(points[0].text("customerPrice"))
	proceeds, _ := sales.ParseMoney(points[0].text("proceeds"))
	currency := ""
	if t := s.related(o, "territory"); len(t) > 0 {
		currency = t[0].text("currency")
	}
	return sales.Price{Customer: price, Proceeds: proceeds, Later: proceeds, Currency: currency}, ok
}
