package sandbox

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/asc-gateway/asc-gateway/sandbox/internal/sales"
)

// developerName is what the organisation is called in reports. Apple quotes nothing in
// them, and writes UTF-8.
const developerName = `Müller "Trail" Söhne GmbH`

// historyDays is how long before its beginning a new world has sold what it has.
const historyDays = 730

// market is what the world sells, as it is now; the sandbox is locked. What reads the
// market later, while it is not, says so: it takes the lock product by product, so that
// a long report holds nobody up.
func (s *Sandbox) market(later bool) *sales.Market {
	hold := func(f func()) { f() }
	if later {
		hold = func(f func()) {
			s.mu.Lock()
			defer s.mu.Unlock()
			f()
		}
	}
	var countries [][2]string
	for _, t := range s.store.all("territories") {
		countries = append(countries, [2]string{t.id, t.text("currency")})
	}
	sold, birth := s.store.onSale(), s.store.birth()
	m := &sales.Market{Seed: s.cfg.Random, Volume: s.cfg.Sales, Territories: sales.Countries(countries)}
	m.Start = sales.DayOf(birth) - historyDays
	m.Products = func(yield func(*sales.Product) bool) {
		for _, o := range sold {
			var p *sales.Product
			hold(func() { p = s.store.product(o, birth, hold) })
			if p != nil && !yield(p) {
				return
			}
		}
	}
	return m
}

// birth is when a world began, rounded up: the newest of what no request can make is a day
// older.
func (s *store) birth() time.Time {
	var newest time.Time
	for _, o := range s.all("appCategories") {
		if o.at.After(newest) {
			newest = o.at
		}
	}
	return newest.AddDate(0, 0, 1).Add(time.Second) // times of a new world are of whole seconds
}

// onSale are the products that can be bought: apps with a version in the store, each
// followed by its purchases and subscriptions that were approved.
func (s *store) onSale() (list []*object) {
	byApp := map[*object][]*object{}
	for _, typ := range []string{"inAppPurchases", "subscriptions"} {
		for _, o := range s.all(typ) {
			if o.text("state") == "APPROVED" {
				app := s.appOf(o)
				byApp[app] = append(byApp[app], o)
			}
		}
	}
	for _, app := range s.all("apps") {
		if ordered, _ := s.preordered(app); ordered > 0 || len(s.released(app)) > 0 {
			list = append(append(list, app), byApp[app]...)
		}
	}
	return list
}

// released are the versions of an app that came to the store, oldest first.
func (s *store) released(app *object) (list []*object) {
	for _, v := range s.related(app, "appStoreVersions") {
		if slices.Contains(onSale, v.text("appVersionState")) {
			list = append(list, v)
		}
	}
	return list
}

// product describes what is sold; nil if it is gone.
func (s *store) product(o *object, birth time.Time, hold func(func())) *sales.Product {
	app := s.appOf(o)
	if s.get(o.typ, o.id) != o || app == nil {
		return nil
	}
	p := &sales.Product{
		ID: o.id, SKU: o.text("productId"), Title: o.text("name"), Developer: developerName,
		AppID: app.id, AppName: app.text("name"), AppSKU: app.text("sku"),
		Category: s.category(app), Platforms: s.platforms(app), From: since(o, birth),
		Version: func(sales.Day) string { return "" },
	}
	switch o.typ {
	case "apps":
		p.SKU, p.Version = p.AppSKU, s.versionOn(app)
		if ordered, released := s.preordered(app); ordered > 0 {
			p.Preorder, p.From = ordered, max(p.From, released)
		}
	case "inAppPurchases":
		p.Kind = purchaseKinds[o.text("inAppPurchaseType")]
	default:
		period, known := periods[o.text("subscriptionPeriod")]
		if !known {
			return nil
		}
		p.Kind, p.Period = sales.Subscription, period
		p.Offers = s.offersOf(o)
		p.GroupID = strings.Join(s.ids(o, "group"), "")
	}
	p.Price = s.priced(o, p.From, hold)
	return p
}

// purchaseKinds are the kinds of in-app purchases; one of no kind is a consumable.
var purchaseKinds = map[string]sales.Kind{
	"":                           sales.Consumable,
	"CONSUMABLE":                 sales.Consumable,
	"NON_CONSUMABLE":             sales.NonConsumable,
	"NON_RENEWING_SUBSCRIPTION":  sales.NonRenewing,
	"AUTOMATICALLY_RENEWABLE":    sales.NonRenewing,
	"NON_RENEWING_SUBSCRIPTIONS": sales.NonRenewing,
}

// periods of subscriptions and offers, as the API names them.
var periods = map[string]sales.Period{
	"THREE_DAYS": {Days: 3}, "ONE_WEEK": {Days: 7}, "TWO_WEEKS": {Days: 14}, "ONE_MONTH": {Months: 1},
	"TWO_MONTHS": {Months: 2}, "THREE_MONTHS": {Months: 3}, "SIX_MONTHS": {Months: 6}, "ONE_YEAR": {Months: 12},
}

// since is the first day that a product is sold. What was there at the beginning had been
// sold before.
func since(o *object, birth time.Time) sales.Day {
	if o.at.After(birth) {
		return sales.DayOf(o.at)
	}
	return sales.DayOf(birth) - historyDays
}

// category is an app's first, in words: "Photo & Video" of PHOTO_AND_VIDEO.
func (s *store) category(app *object) string {
	var id string
	if infos := s.related(app, "appInfos"); len(infos) > 0 {
		id = strings.Join(s.ids(infos[0], "primaryCategory"), "")
	}
	words := strings.Fields(strings.ToLower(strings.ReplaceAll(id, "_", " ")))
	for i, w := range words {
		if words[i] = strings.ToUpper(w[:1]) + w[1:]; w == "and" {
			words[i] = "&"
		}
	}
	return strings.Join(words, " ")
}

// platforms are those of an app's versions, as reports name them.
func (s *store) platforms(app *object) string {
	names := map[string]string{"IOS": "iOS", "MAC_OS": "macOS", "TV_OS": "tvOS", "VISION_OS": "visionOS"}
	var list []string
	for _, v := range s.released(app) {
		if name := names[v.text("platform")]; name != "" && !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return strings.Join(list, " and ")
}

// versionOn tells which version an app had on a day: the newest that there was, or the
// first.
func (s *store) versionOn(app *object) func(sales.Day) string {
	type version struct {
		from   sales.Day
		number string
	}
	var all []version
	for _, v := range s.released(app) {
		all = append(all, version{sales.DayOf(v.at), v.text("versionString")})
	}
	return func(d sales.Day) string {
		number := ""
		for _, v := range all {
			if number == "" || v.from <= d {
				number = v.number
			}
		}
		return number
	}
}

// priced tells what a product costs. The steps of the price in a territory are read when
// they are first asked for.
func (s *store) priced(o *object, from sales.Day, hold func(func())) func(
	*sales.Territory, sales.Day, sales.Day,
) (sales.Price, bool) {
	var mu sync.Mutex
	known := map[string][]priceStep{} // by territory
	return func(t *sales.Territory, d, first sales.Day) (sales.Price, bool) {
		mu.Lock()
		defer mu.Unlock()
		steps, there := known[t.ID]
		if !there {
			hold(func() { steps = s.priceSteps(o, t, from) })
			known[t.ID] = steps
		}
		now := stepOn(steps, d)
		if now == nil {
			return sales.Price{}, false
		}
		if before := stepOn(steps, first); now.kept && before != nil && before != now {
			kept := before.price
			kept.Kept = true
			return kept, true
		}
		return now.price, true
	}
}

// priceStep is a price from a day on; kept says that those who subscribed before keep
// theirs.
type priceStep struct {
	from  sales.Day
	sold  bool
	kept  bool
	price sales.Price
}

// stepOn is the step of a day; nil where the product is not sold then.
func stepOn(steps []priceStep, d sales.Day) *priceStep {
	for i := len(steps) - 1; i >= 0; i-- {
		if steps[i].from <= d {
			if !steps[i].sold {
				return nil
			}
			return &steps[i]
		}
	}
	return nil
}
