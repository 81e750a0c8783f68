package sandbox

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/asc-gateway/asc-gateway/sandbox/internal/sales"
)

// offerModes are how offers are paid, as the API names them.
var offerModes = map[string]sales.Mode{
	"FREE_TRIAL": sales.FreeTrial, "PAY_UP_FRONT": sales.PayUpFront, "PAY_AS_YOU_GO": sales.PayAsYouGo,
}

// offersOf are the offers of a subscription.
func (s *store) offersOf(o *object) (list []sales.Offer) {
	for _, alike := range s.introductory(o) {
		list = append(list, s.offer(alike[0], sales.Introductory, "numberOfPeriods", alike))
	}
	for _, x := range s.related(o, "offerCodes") {
		if x.attrs["active"] == false {
			continue
		}
		offer := s.offer(x, sales.OfferCode, "numberOfPeriods", s.related(x, "prices"))
		offer.Name, offer.ID = x.text("name"), s.customCode(x)
		list = append(list, offer)
	}
	for _, x := range s.related(o, "winBackOffers") {
		offer := s.offer(x, sales.WinBack, "periodCount", s.related(x, "prices"))
		offer.Name, offer.ID = x.text("referenceName"), x.text("offerId")
		list = append(list, offer)
	}
	for _, x := range s.related(o, "promotionalOffers") {
		offer := s.offer(x, sales.Promotional, "numberOfPeriods", s.related(x, "prices"))
		offer.Name, offer.ID = x.text("name"), x.text("offerCode")
		list = append(list, offer)
	}
	return list
}

// introductory are the introductory offers of a subscription, those together that differ
// in their territory only: the API has one for each territory.
func (s *store) introductory(o *object) (groups [][]*object) {
	places := map[string]int{}
	for _, x := range s.related(o, "introductoryOffers") {
		key := fmt.Sprint(x.attrs["offerMode"], x.attrs["duration"], x.attrs["numberOfPeriods"], x.attrs["startDate"],
			x.attrs["endDate"], x.at)
		i, known := places[key]
		if !known {
			i, groups = len(groups), append(groups, nil)
			places[key] = i
		}
		groups[i] = append(groups[i], x)
	}
	return groups
}

// customCode is the code of an offer that everybody can use; "" if it has none, and its
// codes are for one use each.
func (s *store) customCode(offer *object) string {
	for _, code := range s.related(offer, "customCodes") {
		if code.attrs["active"] != false {
			return code.text("customCode")
		}
	}
	return ""
}

// offerPrice is what an offer costs in a territory.
type offerPrice struct {
	price sales.Price
	free  bool // it costs nothing, in the territory's currency
}

// offer describes an offer whose prices, by territory, some objects tell. One that names
// no territory is for all.
func (s *store) offer(o *object, kind sales.OfferKind, periodCount string, prices []*object) sales.Offer {
	mode := offerModes[o.text("offerMode")]
	by := map[string]offerPrice{}
	for _, x := range prices {
		price, ok := s.pointPrice(x)
		if !ok && mode != sales.FreeTrial {
			continue
		}
		by[strings.Join(s.ids(x, "territory"), "")] = offerPrice{price, mode == sales.FreeTrial}
	}
	from, to := dayOrNone(o.text("startDate"), sales.DayOf(o.at)), dayOrNone(o.text("endDate"), 1<<30)
	if o.text("startDate") == "" && !o.at.After(s.birth()) {
		from = 0
	}
	count, _ := strconv.Atoi(fmt.Sprint(o.attrs[periodCount])) // a number of JSON, or one of Go
	duration, known := periods[o.text("duration")]
	return sales.Offer{
		Kind: kind, Mode: mode, Duration: duration, Periods: max(1, count),
		Price: func(t *sales.Territory, d sales.Day) (sales.Price, bool) {
			x, ok := by[t.ID]
			if !ok {
				x, ok = by[""]
			}
			if x.free {
				x.price = sales.Price{Currency: t.Currency}
			}
			return x.price, ok && known && d >= from && d <= to
		},
	}
}

// dayOrNone reads a day as the API writes it, or gives another where there is none.
func dayOrNone(text string, none sales.Day) sales.Day {
	span, ok := parseSpan("DAILY", text)
	if !ok {
		return none
	}
	return span.From
}

// preordered is the first day that an app could be ordered ahead, and the first that it
// is sold, where its availability says so.
func (s *store) preordered(app *object) (ordered, released sales.Day) {
	for _, availability := range s.related(app, "appAvailabilityV2") {
		for _, t := range s.related(availability, "territoryAvailabilities") {
			if t.attrs["preOrderEnabled"] != true {
				continue
			}
			first := dayOrNone(t.text("preOrderPublishDate"), 0)
			release := dayOrNone(t.text("releaseDate"), 0)
			if first > 0 && release > first && (ordered == 0 || first < ordered) {
				ordered, released = first, release
			}
		}
	}
	return ordered, released
}
