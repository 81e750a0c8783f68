package sales

import (
	"io"
	"slices"
	"strconv"
)

// FinanceColumns are those of the financial report. Apple: Financial report fields.
var FinanceColumns = []string{
	"Start Date", "End Date", "UPC", "ISRC/ISBN", "Vendor Identifier", "Quantity", "Partner Share",
	"Extended Partner Share", "Partner Share Currency", "Sales or Return", "Apple Identifier",
	"Artist/Show/Developer/Author", "Title", "Label/Studio/Network/Developer/Publisher", "Grid",
	"Product Type Identifier", "ISAN/Other Identifier", "Country Of Sale", "Pre-order Flag", "Promo Code",
	"Customer Price", "Customer Currency",
}

// FinanceDetailColumns are those of the financial detail report (seen live).
var FinanceDetailColumns = []string{
	"Transaction Date", "Settlement Date", "Apple Identifier", "SKU", "Title", "Developer Name",
	"Product Type Identifier", "Country of Sale", "Quantity", "Partner Share", "Extended Partner Share",
	"Partner Share Currency", "Customer Price", "Customer Currency", "Sale or Return", "Promo Code", "Order Type",
	"Region",
}

// Regions of financial reports, beside ZZ and Z1, by the currency in which they are paid.
var Regions = map[string]string{
	"US": "USD", "AU": "AUD", "BR": "BRL", "BG": "BGN", "CA": "CAD", "CL": "CLP", "CN": "CNY", "CO": "COP",
	"CZ": "CZK", "HR": "EUR", "DK": "DKK", "EG": "EGP", "HK": "HKD", "HU": "HUF", "IN": "INR", "ID": "IDR",
	"IL": "ILS", "JP": "JPY", "KZ": "KZT", "KR": "KRW", "MY": "MYR", "MX": "MXN", "NZ": "NZD", "NG": "NGN",
	"NO": "NOK", "PK": "PKR", "PE": "PEN", "PH": "PHP", "PL": "PLN", "QA": "QAR", "RO": "RON", "RU": "RUB",
	"SA": "SAR", "SG": "SGD", "ZA": "ZAR", "SE": "SEK", "CH": "CHF", "TW": "TWD", "TH": "THB", "TR": "TRY",
	"AE": "AED", "GB": "GBP", "TZ": "TZS", "VN": "VND", "EU": "EUR", "LL": "USD", "AP": "USD", "WW": "USD",
}

// total is what a financial report says of a country and currency at its end.
type total struct {
	country, currency string
	units             int
	share             Money
}

// Finance writes the financial report of a fiscal month: all regions if the region is
// ZZ. After the rows come their number and, where there are several regions, the sums by
// country.
func (m *Market) Finance(w io.Writer, s Span, region string) error {
	t, totals := newTable(w), []total{}
	t.row(FinanceColumns...)
	m.paid(s, region, false, func(l Line, units int) bool {
		sale := "S"
		price := l.Price
		if l.Refund {
			sale, units, price = "R", -units, -price
		}
		extended := l.Proceeds * Money(units)
		t.row(s.From.slashed(), s.To.slashed(), "", "", l.Product.SKU, strconv.Itoa(units), l.Proceeds.String(),
			extended.String(), l.Currency, sale, l.Product.ID, l.Product.Developer, l.Product.Title, "", "", l.Type,
			"", l.Territory.Code, "", l.Promo, price.String(), l.Currency)
		i := slices.IndexFunc(totals, func(x total) bool {
			return x.country == l.Territory.Code && x.currency == l.Currency
		})
		if i < 0 {
			i, totals = len(totals), append(totals, total{country: l.Territory.Code, currency: l.Currency})
		}
		totals[i].units += units
		totals[i].share += extended
		return t.err == nil
	})
	t.row("Total_Rows", strconv.Itoa(t.rows-1))
	if region == "ZZ" {
		t.row("Country Of Sale", "Partner Share Currency", "Quantity", "Extended Partner Share")
		for _, x := range totals {
			t.row(x.country, x.currency, strconv.Itoa(x.units), x.share.String())
		}
	}
	return t.end()
}

// paid yields the lines of some days for which money flowed, in one region or all.
func (m *Market) paid(s Span, region string, daily bool, each func(l Line, units int) bool) {
	inside := *m
	inside.Territories = slices.DeleteFunc(slices.Clone(m.Territories), func(t Territory) bool {
		return region != "ZZ" && region != "Z1" && t.Region != region
	})
	inside.sums(s, func(l *Line) bool {
		l.Device, l.Version, l.New, l.Reason, l.Kept = "", "", "", "", false
		if !daily {
			l.Day = 0
		}
		return l.Paid
	}, each)
}

// Unpaid says that nothing was paid in a region on some days.
func (m *Market) Unpaid(s Span, region string) bool {
	none := true
	m.paid(s, region, false, func(Line, int) bool {
		none = false
		return false
	})
	return none
}

// FinanceDetail writes the detail report of a fiscal month, all regions: three lines
// about the report, its header, and a row for each day, without its empty end.
func (m *Market) FinanceDetail(w io.Writer, s Span, vendor string) error {
	t := newTable(w)
	t.row("Vendor Name", vendor)
	t.row("Start Date", s.From.slashed())
	t.row("End Date", s.To.slashed())
	t.row(FinanceDetailColumns...)
	m.paid(s, "Z1", true, func(l Line, units int) bool {
		sale, price := "S", l.Price
		if l.Refund {
			sale, units, price = "R", -units, -price
		}
		t.short(l.Day.slashed(), (l.Day + 1).slashed(), l.Product.ID, l.Product.SKU, l.Product.Title,
			l.Product.Developer, l.Type, l.Territory.Code, strconv.Itoa(units), l.Proceeds.String(),
			(l.Proceeds * Money(units)).String(), l.Currency, price.long(), l.Currency, sale, l.Promo, l.Order,
			elsewhereOnly(l.Territory))
		return t.err == nil
	})
	return t.end()
}

// elsewhereOnly is the region of a territory that has none of its own.
func elsewhereOnly(t *Territory) string {
	if t.Region == t.Code {
		return ""
	}
	return t.Region
}

// Paid yields the lines of some days for which money flowed, day by day, product by
// product and territory by territory. It ends when each says no.
func (m *Market) Paid(s Span, each func(l Line, units int) bool) { m.paid(s, "ZZ", true, each) }
