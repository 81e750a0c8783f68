package sandbox

import (
	"encoding/json"
	"strconv"
	"time"
)

// Price points and the prices that follow from others are never stored: there are
// 140,175 points for each product. They are made as they are asked for.

// pointTypes are the types of price points, with that of what they are points of.
var pointTypes = map[string]string{
	"appPricePoints":           "apps",
	"inAppPurchasePricePoints": "inAppPurchases",
	"subscriptionPricePoints":  "subscriptions",
}

// pointAt makes the price point of an id; nil if there is no such product, territory
// or tier.
func (s *store) pointAt(typ, id string) *object {
	p, ok := s.facts.book.parsePoint(id)
	if !ok || s.get(pointTypes[typ], p.product) == nil {
		return nil
	}
	return p.object(typ)
}

// object is the resource of a price point.
func (p pricePoint) object(typ string) *object {
	o := &object{
		typ:   typ,
		id:    p.id(),
		attrs: map[string]any{"customerPrice": p.customer.String(), "proceeds": p.proceeds().String()},
		rels:  map[string][]string{"territory": {p.territory.id}},
	}
	switch typ {
	case "appPricePoints":
		o.rels["app"] = []string{p.product}
	case "subscriptionPricePoints":
		o.attrs["proceedsYear2"] = p.proceedsYear2().String()
	}
	return o
}

// row is what a relationship points to that is worked out: total objects, each made
// when it is asked for.
type row struct {
	total int
	at    func(i int) *object
}

// some are the first objects of a row.
func (r row) some(most int) []*object {
	list := make([]*object, min(most, r.total))
	for i := range list {
		list[i] = r.at(i)
	}
	return list
}

func listed(list []*object) row { return row{len(list), func(i int) *object { return list[i] }} }

// derived is what a relationship points to, if that is worked out and not stored.
func (s *store) derived(o *object, rel string) (r row, is bool) {
	switch o.typ {
	case "apps", "subscriptions", "inAppPurchases":
		switch rel {
		case "appPricePoints", "pricePoints":
			return s.points(o, s.facts.book.everywhere()), true
		case "apps":
			return listed(s.related(o, "app")), true
		}
	case "appPricePoints", "inAppPurchasePricePoints", "subscriptionPricePoints":
		if p, ok := s.facts.book.parsePoint(o.id); ok {
			switch rel {
			case "equalizations":
				return s.elsewhere(p, o.typ, p.tier), true
			case "adjustedEqualizations":
				tier, _ := s.adjustedTier(p, "")
				return s.elsewhere(p, o.typ, tier), true
			}
		}
	case "appPriceSchedules", "inAppPurchasePriceSchedules":
		if rel == "automaticPrices" {
			return s.automaticPrices(o), true
		}
	case "inAppPurchaseVersions", "subscriptionVersions":
		if rel == "image" {
			images := s.related(o, "images")
			return listed(images[:min(1, len(images))]), true
		}
	}
	return r, false
}

// everywhere are the places of all territories.
func (b *priceBook) everywhere() []int {
	places := make([]int, len(b.list))
	for i := range places {
		places[i] = i
	}
	return places
}

// points are the price points of a product in some territories, territory by territory.
func (s *store) points(product *object, places []int) row {
	typ, b := pointTypeOf(product.typ), s.facts.book
	return row{len(places) * b.tiers(), func(i int) *object {
		p, _ := b.point(product.id, b.list[places[i/b.tiers()]].id, i%b.tiers()) // both are there
		return p.object(typ)
	}}
}

// pointTypeOf is the type of the price points of a type of products.
func pointTypeOf(product string) string {
	for typ, of := range pointTypes {
		if of == product {
			return typ
		}
	}
	return ""
}

// elsewhere are the points of a tier in all territories but a point's own.
func (s *store) elsewhere(p pricePoint, typ string, tier int) row {
	b := s.facts.book
	own := b.places[p.territory.id]
	return row{len(b.list) - 1, func(i int) *object {
		if i >= own {
			i++
		}
		other, _ := b.point(p.product, b.list[i].id, tier) // both are there
		return other.object(typ)
	}}
}

// automaticPrices are those of the territories that follow a schedule's base
// territory: each has the base territory's intervals, at the points equal to its own.
func (s *store) automaticPrices(schedule *object) row {
	base, b := s.one(schedule, "baseTerritory"), s.facts.book
	if base == nil {
		return row{}
	}
	own := map[string]bool{}
	for _, price := range s.related(schedule, "manualPrices") {
		if p, ok := b.parsePoint(pointOf(price)); ok {
			own[p.territory.id] = true
		}
	}
	intervals := s.manualPrices(schedule, base.id)
	var follow []string
	for _, t := range b.list {
		if !own[t.id] && len(intervals) > 0 {
			follow = append(follow, t.id)
		}
	}
	return row{len(follow) * len(intervals), func(i int) *object {
		x := intervals[i%len(intervals)]
		p, _ := b.point(x.product, follow[i/len(intervals)], x.tier) // both are there
		o := &object{typ: x.price.typ, id: priceID(p.product, p.territory.id, p.tier, x.from, x.to), at: x.price.at,
			attrs: map[string]any{"manual": false, "startDate": dateOrNull(x.from), "endDate": dateOrNull(x.to)},
			rels:  map[string][]string{"territory": {p.territory.id}}}
		o.rels[s.pointRel(x.price)] = []string{p.id()}
		return o
	}}
}

// pointRel is the relationship of a price to its price point.
func (s *store) pointRel(price *object) string {
	for _, rel := range pointRels {
		if s.facts.relation(price.typ, rel) != nil {
			return rel
		}
	}
	return ""
}

func dateOrNull(date string) any {
	if date == "" {
		return nil
	}
	return date
}

// wirePrice is what the id of a scheduled price holds: that of its point, and when it
// starts and ends, in seconds since 1970; 0.0 is open (seen live).
type wirePrice struct {
	wirePoint
	Start json.Number `json:"sd"`
	End   json.Number `json:"ed"`
}

// priceID is the id of a scheduled price.
func priceID(product, territory string, tier int, from, to string) string {
	seconds := func(date string) json.Number {
		t, err := time.Parse(time.DateOnly, date)
		if err != nil { // open
			return "0.0"
		}
		return json.Number(strconv.FormatInt(t.Unix(), 10) + ".0")
	}
	point := wirePoint{product, territory, strconv.Itoa(firstTier + tier)}
	return opaque(wirePrice{point, seconds(from), seconds(to)})
}
