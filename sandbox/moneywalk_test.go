package sandbox

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestMoneyWalk changes prices, schedules, offers and availabilities at random, as time
// goes by: what is taken leaves the world in order, and what has a price has one price.
func TestMoneyWalk(t *testing.T) {
	c := newClient(t, World{NoAuth: true, HourLimit: 1 << 20})
	w := &moneyWalker{c: c, rng: rand.New(rand.NewPCG(1, 2)), statuses: map[int]int{}}
	const steps, between = 1500, 100
	for i := range steps {
		w.step()
		if i%between == between-1 {
			c.now = c.now.AddDate(0, 0, w.rng.IntN(20))
			w.look(t)
		}
	}
	t.Log(w.statuses)
	for _, status := range []int{200, 201, 204, 409} {
		if w.statuses[status] == 0 {
			t.Errorf("no answer was %d", status)
		}
	}
	if n := w.statuses[http.StatusInternalServerError]; n > 0 {
		t.Errorf("%d answers were 500", n)
	}
}

type moneyWalker struct {
	c        *client
	rng      *rand.Rand
	statuses map[int]int
}

func (w *moneyWalker) pick(list ...string) string { return list[w.rng.IntN(len(list))] }

func (w *moneyWalker) territory() string { return w.pick("USA", "DEU", "JPN", "FRA", "SGP", "KOR") }

// date is one in the weeks around today.
func (w *moneyWalker) date() string {
	return pacific(w.c.now).AddDate(0, 0, w.rng.IntN(60)-10).Format(time.DateOnly)
}

// prices are those of a schedule: mostly some that cover all time.
func (w *moneyWalker) prices() (list []string) {
	for _, territory := range []string{"USA", w.territory()} {
		cents := w.pick("99", "499", "999", "1999")
		if w.rng.IntN(2) == 0 {
			list = append(list, territory+" "+cents)
			continue
		}
		first, second := w.date(), w.date()
		if w.rng.IntN(4) > 0 {
			second = first
		}
		list = append(list, territory+" "+cents+" - "+first, territory+" 399 "+second)
	}
	return list
}

func (w *moneyWalker) step() {
	app, subscription := w.pick(w.c.IDs("apps")...), w.pick(w.c.IDs("subscriptions")...)
	start, cents := fmt.Sprintf(`"startDate":%q`, w.date()), money(499+100*w.rng.IntN(5))
	method, path, body := "POST", "", ""
	switch w.rng.IntN(7) {
	case 0:
		path, body = "/v1/appPriceSchedules", priceSchedule(app, "USA", w.prices()...)
	case 1:
		attributes := w.pick("", start, start+`,"preserveCurrentPrice":true`, `"planType":"MONTHLY"`)
		path, body = "/v1/subscriptionPrices", priceChange(subscription, w.territory(), cents, attributes)
	case 2:
		method, path = "PATCH", "/v1/subscriptions/"+subscription
		body = inlineSubscriptionPrices(subscription, cents, w.pick("", start), w.territory(), w.territory())
	case 3:
		mode, prices := w.pick(freeTrial, "PAY_UP_FRONT"), w.pick("USA", "USA 499", "DEU 99")
		path = "/v1/subscriptionPromotionalOffers"
		body = subscriptionOffer("subscriptionPromotionalOffers", subscription, fmt.Sprintf(
			`"name":"N","offerCode":"c%d","numberOfPeriods":1,"duration":"ONE_MONTH","offerMode":%q`,
			w.rng.IntN(99), mode), prices)
	case 4:
		id := territoryAvailabilityID(app, w.territory())
		method, path = "PATCH", "/v1/territoryAvailabilities/"+id
		body = resource("territoryAvailabilities", id, `"available":`+w.pick("true", "false"), "")
	case 5:
		method, path = "DELETE", "/v1/subscriptionPrices/"+w.pick(w.c.IDs("subscriptionPrices")...)
	default:
		path = "/v1/subscriptionAvailabilities"
		body = `{"data":{"type":"subscriptionAvailabilities","attributes":{"availableInNewTerritories":true},` +
			`"relationships":{` + to("subscription", "subscriptions", subscription) +
			`,"availableTerritories":{"data":[{"type":"territories","id":"USA"},{"type":"territories","id":"DEU"}]}}}}`
	}
	status, _, _ := w.c.send(method, path, body)
	w.statuses[status]++
}

// look checks the world, and that every product has a price today where it has one at all.
func (w *moneyWalker) look(t *testing.T) {
	t.Helper()
	if wrong := w.c.Check(); len(wrong) > 0 {
		t.Fatal(strings.Join(wrong, "\n"))
	}
	today := day(w.c.now)
	for typ := range scheduleOf {
		for _, product := range w.c.store.all(typ) {
			for _, place := range w.c.facts.book.list {
				if _, ok := w.c.store.priceIn(product, place.id, today); !ok {
					t.Fatalf("%s %s has no price in %s on %s", typ, product.id, place.id, today)
				}
			}
		}
	}
	for _, o := range w.c.store.all("subscriptions") {
		if tag, ok := w.c.store.priceIn(o, "FRA", today); !ok || tag.proceeds() > tag.customer {
			t.Fatalf("%s: %+v", o.id, tag)
		}
	}
}
