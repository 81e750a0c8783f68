package sales

import (
	"io"
	"strconv"
)

// SalesColumns are those of the sales summary. Apple: Summary Sales Report, version 1_3.
var SalesColumns = []string{
	"Provider", "Provider Country", "SKU", "Developer", "Title", "Version", "Product Type Identifier", "Units",
	"Developer Proceeds", "Begin Date", "End Date", "Customer Currency", "Country Code", "Currency of Proceeds",
	"Apple Identifier", "Customer Price", "Promo Code", "Parent Identifier", "Subscription", "Period", "Category",
	"CMB", "Device", "Supported Platforms", "Proceeds Reason", "Preserved Pricing", "Client", "Order Type",
}

// Summary writes the sales summary of some days.
func (m *Market) Summary(w io.Writer, s Span) error {
	t := newTable(w)
	t.row(SalesColumns...)
	m.sums(s, overall, func(l Line, units int) bool {
		p, parent, period := l.Product, blank, blank
		if p.Kind != App {
			parent = p.AppSKU
		}
		if p.Kind == Subscription {
			period = p.Period.String()
		}
		price := l.Price
		if l.Refund {
			units, price = -units, -price // Apple: the price of a refund is negative, its proceeds are not
		}
		t.row("APPLE", "US", p.SKU, p.Developer, p.Title, or(l.Version, blank), l.Type, strconv.Itoa(units),
			l.Proceeds.String(), s.From.slashed(), s.To.slashed(), l.Currency, l.Territory.Code, l.Currency,
			p.ID, price.String(), or(l.Promo, blank), parent, or(l.New, blank), period, or(p.Category, blank),
			blank, l.Device, p.Platforms, or(l.Reason, blank), yes(l.Kept), blank, or(l.Order, blank))
		return t.err == nil
	})
	return t.end()
}

// Empty says that nothing was sold on some days.
func (m *Market) Empty(s Span) bool {
	empty := true
	m.sums(s, overall, func(Line, int) bool {
		empty = false
		return false
	})
	return empty
}
