// Package sales is what a world sells: a model that makes the transactions of any day
// out of the products, their prices and a seed, and the reports that Apple makes of
// them.
//
// Nothing is stored. The same seed, product and day give the same transactions at any
// time, so that all reports agree. Reports are written as they are made, in memory
// that grows with the lines of one product in one territory, and with nothing else.
package sales

import "iter"

// Money is an amount in thousandths of a currency's unit: 990 is 0.99.
type Money int64

// Price is what a customer pays for one unit, and what the developer gets of it.
type Price struct {
	Customer Money
	Proceeds Money
	Later    Money // proceeds of a subscription that was paid for a year
	Currency string
	Kept     bool // an earlier price that subscribers keep
}

// Territory is where something is sold.
type Territory struct {
	ID       string // "USA"
	Code     string // "US"
	Currency string
	Region   string // of financial reports: "US", "EU"
	weight   float64
}

// Kind is what a product is.
type Kind int

// Kinds of products.
const (
	App Kind = iota
	Consumable
	NonConsumable
	NonRenewing
	Subscription
)

// Product is something that is sold.
type Product struct {
	Kind      Kind
	ID        string // Apple identifier: "1500004000"
	SKU       string
	Title     string
	Developer string
	Category  string
	AppID     string // of the app it belongs to, or is
	AppName   string
	AppSKU    string
	Platforms string // "iOS"
	GroupID   string // of a subscription
	Period    Period // of a subscription
	Offers    []Offer
	From      Day // the first day that it is sold
	Preorder  Day // the first day that it can be ordered; From if there is no such time

	// Version is that which is sold on a day: "1.0"; "" for what has none.
	Version func(d Day) string
	// Price is in force in a territory on a day, for one who bought first on a day
	// (d itself for a new customer); false where the product is not sold.
	Price func(t *Territory, d, first Day) (Price, bool)
}

// Market is all that is sold.
type Market struct {
	Seed   uint64
	Volume float64 // how much is sold, 1 as in a small organisation
	Start  Day     // the first day of all
	Vendor string  // number of the developer's account

	Territories []Territory
	// Products yields what is sold, in the order of the reports. The products of an
	// app follow it.
	Products iter.Seq[*Product]
}

// Line is units of a product that were sold alike on one day.
type Line struct {
	Product   *Product
	Territory *Territory
	Day       Day    // 0 where the days are added up
	Type      string // product type identifier: "1F"
	Refund    bool
	Price     Money // of one unit
	Proceeds  Money // of one unit
	Currency  string
	Version   string
	Device    string
	Promo     string // "CR-RW", or an offer's
	New       string // of a subscription: "New", "Renewal"
	Order     string // kind of an offer
	Reason    string // of the proceeds
	Kept      bool   // preserved price
	Paid      bool   // money flowed
}

// Sold adds a line of so many units.
type Sold func(l Line, units int)

// Lines yields what is sold of a product in a territory from one day to another, both
// among them.
func (m *Market) Lines(p *Product, t *Territory, s Span, sold Sold) {
	if p.Kind == Subscription {
		m.lives(p, t, s.To, func(l *life) { l.lines(s, sold) })
		return
	}
	m.units(p, t, s, sold)
}
