package sandbox

import (
	"slices"
	"strings"
)

// money checks what is sold: each price is of its own product and territory, a schedule
// has one price at a time, an availability has every territory once.
func (w *checker) money(st *store, o *object) {
	switch {
	case st.facts.relation(o.typ, "manualPrices") != nil:
		w.schedule(st, o)
	case o.typ == "subscriptions":
		w.subscription(st, o)
	case o.typ == "appAvailabilities":
		w.everywhere(st, o)
	}
	if st.pointRel(o) != "" {
		w.price(st, o)
	}
	if st.facts.relation(o.typ, "prices") != nil && o.typ != "subscriptions" {
		w.offer(st, o)
	}
}

// price checks that a price is in the territory of its point.
func (w *checker) price(st *store, o *object) {
	p, ok := st.facts.book.parsePoint(pointOf(o))
	if ok && !slices.Equal(o.rels["territory"], []string{p.territory.id}) {
		w.say(o, "is in %v, its point in %s", o.rels["territory"], p.territory.id)
	}
}

// ofProduct checks that a price is one of a product.
func (w *checker) ofProduct(st *store, price, product *object) {
	if p, ok := st.facts.book.parsePoint(pointOf(price)); ok && p.product != product.id {
		w.say(price, "belongs to %s %s and has a point of %s", product.typ, product.id, p.product)
	}
}

// offer checks the prices of an offer: of its product, one in each territory.
func (w *checker) offer(st *store, o *object) {
	seen := map[string]bool{}
	for _, price := range st.related(o, "prices") {
		for _, rel := range []string{"subscription", "inAppPurchase"} {
			if product := st.one(o, rel); product != nil {
				w.ofProduct(st, price, product)
			}
		}
		territory := strings.Join(price.rels["territory"], "")
		if seen[territory] {
			w.say(o, "has two prices in %s", territory)
		}
		seen[territory] = true
	}
}

// schedule checks that each territory with prices of its own has one at all times, and
// that the base territory has.
func (w *checker) schedule(st *store, o *object) {
	product, territories := st.one(o, "app"), map[string]bool{}
	if product == nil {
		product = st.one(o, "inAppPurchase")
	}
	if product == nil {
		return
	}
	for _, price := range st.related(o, "manualPrices") {
		w.ofProduct(st, price, product)
		territories[strings.Join(price.rels["territory"], "")] = true
	}
	if base := st.one(o, "baseTerritory"); base == nil || !territories[base.id] {
		w.say(o, "has no price in its base territory")
	}
	for _, territory := range sortedKeys(territories) {
		list := st.manualPrices(o, territory)
		for i, x := range list {
			last := i+1 == len(list)
			if last && x.to != "" || !last && x.to != list[i+1].from {
				w.say(o, "has a gap or an overlap in %s after %s", territory, x.from)
			}
		}
	}
}

// subscription checks that no two prices of a plan begin on a day in a territory.
func (w *checker) subscription(st *store, o *object) {
	seen := map[string]bool{}
	for _, price := range st.related(o, "prices") {
		w.ofProduct(st, price, o)
		at := strings.Join(append(price.rels["territory"], planOf(price), price.text("startDate")), " ")
		if seen[at] {
			w.say(o, "has two prices of %s", at)
		}
		seen[at] = true
	}
}

// everywhere checks that an app's availability names every territory once.
func (w *checker) everywhere(st *store, o *object) {
	seen := map[string]bool{}
	for _, t := range st.related(o, "territoryAvailabilities") {
		seen[strings.Join(t.rels["territory"], "")] = true
	}
	if n := len(st.ids(o, "territoryAvailabilities")); n != territoryCount || len(seen) != n {
		w.say(o, "names %d territories, %d different", n, len(seen))
	}
}
