package sandbox

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// money is an amount in hundredths of a currency: 99 is 0.99. No currency of the App
// Store has more decimals.
type money int64

// String writes an amount as Apple does, without needless zeros: "0.99", "0.7", "10.0".
func (m money) String() string {
	whole, part := strconv.FormatInt(int64(m/100), 10), strconv.FormatInt(int64(m%100), 10)
	if m%100 < 10 {
		part = "0" + part
	}
	if part = strings.TrimRight(part, "0"); part == "" {
		part = "0"
	}
	return whole + "." + part
}

// currency says how prices in US dollars become prices in another currency.
type currency struct {
	rate int64 // in hundredths of the currency for a dollar
	unit money // of which prices are multiples
	cash money // of which proceeds are multiples
}

// currencies of the App Store. The rates are near those of 2026, and stay.
var currencies = map[string]currency{
	"AED": {400, 1, 1}, "AUD": {150, 1, 1}, "BRL": {550, 10, 1}, "CAD": {139, 1, 1}, "CHF": {90, 5, 1},
	"CLP": {95000, 1000, 100}, "CNY": {700, 10, 1}, "COP": {420000, 10000, 100}, "CZK": {2500, 100, 1},
	"DKK": {700, 10, 1}, "EGP": {5000, 100, 1}, "EUR": {100, 1, 1}, "GBP": {90, 1, 1}, "HKD": {800, 10, 1},
	"HUF": {40000, 1000, 100}, "IDR": {1600000, 50000, 100}, "ILS": {390, 10, 1}, "INR": {9900, 100, 1},
	"JPY": {15000, 500, 100}, "KRW": {140000, 5000, 100}, "KZT": {50000, 1000, 100}, "MXN": {1900, 50, 1},
	"MYR": {490, 10, 1}, "NGN": {160000, 5000, 1}, "NOK": {1200, 50, 1}, "NZD": {170, 1, 1}, "PEN": {390, 10, 1},
	"PHP": {5900, 100, 1}, "PKR": {28000, 500, 1}, "PLN": {500, 1, 1}, "QAR": {400, 1, 1}, "RON": {500, 1, 1},
	"RUB": {9900, 100, 1}, "SAR": {400, 1, 1}, "SEK": {1200, 50, 1}, "SGD": {130, 1, 1}, "THB": {3500, 100, 1},
	"TRY": {4000, 100, 1}, "TWD": {3200, 100, 100}, "TZS": {250000, 10000, 100}, "USD": {100, 1, 1},
	"VND": {2500000, 100000, 100}, "ZAR": {1900, 50, 1},
}

// ladder is a currency's prices from the lowest to the highest, the first of them
// nothing. The n-th of every currency are equal to each other: the 10th cost as much.
func (c currency) ladder() []money {
	list := dollars()
	for i, usd := range list[1:] {
		near := (int64(usd)*c.rate/100 + int64(c.unit)/2) / int64(c.unit) * int64(c.unit)
		list[i+1] = max(money(near), list[i]+c.unit)
	}
	return list
}

// dollars are the 801 prices in US dollars: nothing, and 800 from 0.29 to 1000. They
// stand the farther apart the higher they are. Apple: 800 price points by default,
// every 0.10 up to 10, every 0.50 up to 50, and so on, with endings .00, .90, .95, .99.
func dollars() []money {
	list := []money{0}
	for cents := money(29); cents < 1000; cents += 10 {
		list = append(list, cents)
	}
	for whole := money(0); whole < 1000; whole += 100 {
		list = append(list, whole+50, whole+90, whole+95, whole+100)
	}
	for whole := money(1000); whole < 5000; whole += 100 {
		list = append(list, whole+49, whole+50, whole+90, whole+95, whole+99, whole+100)
	}
	for whole := money(5000); whole < 20000; whole += 100 {
		list = append(list, whole+99, whole+100)
	}
	for top := money(20500); top <= 50000; top += 500 {
		list = append(list, top-1)
	}
	for top := money(51000); top <= 100000; top += 1000 {
		list = append(list, top-1)
	}
	for top := money(55000); top <= 100000; top += 5000 {
		list = append(list, top)
	}
	list = append(list, 25000, 50000)
	slices.Sort(list)
	return list
}

// priceBook is what everything may cost: a function of territory and tier, the same
// for all products. Nothing changes it.
type priceBook struct {
	list    []territory
	places  map[string]int     // in list, by id
	ladders map[string][]money // by currency
}

func newPriceBook() *priceBook {
	b := &priceBook{list: allTerritories(), places: map[string]int{}, ladders: map[string][]money{}}
	for i, t := range b.list {
		b.places[t.id] = i
		if b.ladders[t.currency] == nil {
			b.ladders[t.currency] = currencies[t.currency].ladder()
		}
	}
	return b
}

// tiers is how many price points a territory has.
func (b *priceBook) tiers() int { return len(b.ladders["USD"]) }

// territory finds one by its id; nil if there is none.
func (b *priceBook) territory(id string) *territory {
	i, known := b.places[id]
	if !known {
		return nil
	}
	return &b.list[i]
}

// Apple's commission, in percent: what is left of a price without tax, in the first
// year of a subscription and later. Apple: auto-renewable subscriptions, 85 % after a year.
const (
	sharePercent  = 70
	share2Percent = 85
)

// pricePoint is a price that a product may have in a territory.
type pricePoint struct {
	product   string // id of the app, in-app purchase or subscription
	territory *territory
	tier      int // place on the ladder of the territory's currency
	customer  money
}

// point is a product's price point; ok is false if there is no such tier or territory.
func (b *priceBook) point(product, territory string, tier int) (p pricePoint, ok bool) {
	t := b.territory(territory)
	if t == nil || tier < 0 || tier >= b.tiers() {
		return p, false
	}
	return pricePoint{product, t, tier, b.ladders[t.currency][tier]}, true
}

// proceeds is what a developer gets of the price, in the first year of a subscription.
func (p pricePoint) proceeds() money { return p.share(sharePercent) }

// proceedsYear2 is what a developer gets of a subscriber of more than a year.
func (p pricePoint) proceedsYear2() money { return p.share(share2Percent) }

func (p pricePoint) share(percent int64) money {
	cash := int64(currencies[p.territory.currency].cash)
	of := (10_000 + p.territory.tax) * cash
	return money((int64(p.customer)*percent*100 + of/2) / of * cash)
}

// firstTier is the number by which ids name the first tier, which is free (seen live).
const firstTier = 10_000

// wirePoint is what a price point's id holds.
type wirePoint struct {
	Product   string `json:"s"`
	Territory string `json:"t"`
	Tier      string `json:"p"`
}

// id is Apple's: opaque to callers, a small JSON in base64 without padding (seen live).
func (p pricePoint) id() string {
	return pointID(p.product, p.territory.id, p.tier)
}

func pointID(product, territory string, tier int) string {
	return opaque(wirePoint{product, territory, strconv.Itoa(firstTier + tier)})
}

// opaque makes an id of what it holds, which is strings and numbers.
func opaque(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic("sandbox: an id of strings has no JSON form: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// parsePoint reads a price point's id, which must be exactly as it was given out.
func (b *priceBook) parsePoint(id string) (p pricePoint, ok bool) {
	const longest = 200 // about three times what an id has
	if len(id) > longest {
		return p, false
	}
	text, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil {
		return p, false
	}
	var w wirePoint
	if json.NewDecoder(bytes.NewReader(text)).Decode(&w) != nil {
		return p, false
	}
	number, err := strconv.Atoi(w.Tier)
	if err != nil {
		return p, false
	}
	p, ok = b.point(w.Product, w.Territory, number-firstTier)
	return p, ok && p.id() == id
}
