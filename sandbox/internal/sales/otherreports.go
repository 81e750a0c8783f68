package sales

import (
	"io"
	"slices"
)

// Columns of the reports that are asked for less. Apple: Pre-Order Report, Subscription
// Offer Redemption Report, Win-back Eligibility Report, Magazines & Newspapers Report (the
// last from older guides).
var (
	PreorderColumns = []string{
		"Provider", "Provider Country", "SKU", "Developer", "Title", "Pre-Order Start Date", "Pre-Order End Date",
		"Ordered", "Canceled", "Cumulative Ordered", "Cumulative Canceled", "Start Date", "End Date", "Country Code",
		"Apple Identifier", "Device", "Supported Platforms", "Category", "Client",
	}
	RedemptionColumns = []string{
		"Date", "App Name", "App Apple ID", "Subscription Name", "Subscription Apple ID", "Offer Reference Name",
		"Offer Code", "Territory", "Redemptions",
	}
	WinBackColumns = []string{
		"App Name", "App Apple ID", "Subscription Name", "Subscription Apple ID", "Subscription Group ID",
		"Standard Subscription Duration", "Paid Subscription Tenure", "Time Since Last Subscribed",
		"Has Previously Redeemed Win-Back Offer", "Time Since Last Win-Back Offer", "Territory",
		"Churned Subscription Count",
	}
	NewsstandColumns = []string{
		"Provider", "Provider Country", "SKU", "Developer", "Title", "Version", "Product Type Identifier", "Units",
		"Developer Proceeds", "Customer Currency", "Country Code", "Currency of Proceeds", "Apple Identifier",
		"Customer Price", "Promo Code", "Parent Identifier", "Subscription", "Period", "Download Date (PST)",
		"Customer Identifier", "Report Date (Local)", "Sales/Return", "Category",
	}
)

// Redemptions writes the offer codes that were redeemed on a day.
func (m *Market) Redemptions(w io.Writer, on Day) error {
	t := newTable(w)
	t.row(RedemptionColumns...)
	counts, order := map[*Offer]int{}, []*Offer{}
	var of *life
	m.subscribers(on, func(l *life) {
		if of = l; l.from != on {
			return
		}
		l.walk(on, func(e *event) {
			if e.name != StartCode {
				return
			}
			if counts[e.offer] == 0 {
				order = append(order, e.offer)
			}
			counts[e.offer]++
		})
	}, func() bool {
		for _, o := range order {
			t.row(on.String(), of.p.AppName, of.p.AppID, of.p.Title, of.p.ID, o.Name, or(o.ID, blank), of.t.Code,
				itoa(counts[o]))
		}
		clear(counts)
		order = order[:0]
		return t.err == nil
	})
	return t.end()
}

// lapsed are subscribers who left alike.
type lapsed struct {
	tenure, since, offered int // months; offered is -1 for those who had no win-back offer
}

// WinBacks writes how many subscribers have left, as they stand at the end of a day. Apple
// shows five and more.
func (m *Market) WinBacks(w io.Writer, on Day) error {
	t := newTable(w)
	t.row(WinBackColumns...)
	counts, order := map[lapsed]int{}, []lapsed{}
	var of *life
	const month = 30
	m.subscribers(on, func(l *life) {
		of = l
		x, left := lapsed{offered: -1}, false
		l.walk(on, func(e *event) {
			if e.name == ReactivateOffer {
				x.offered = int(on-e.day) / month
			}
			if left = e.status == gone; left {
				x.tenure, x.since = e.paid*max(1, l.p.Period.Months), int(on-e.day)/month
			}
		})
		if !left {
			return
		}
		if counts[x] == 0 {
			order = append(order, x)
		}
		counts[x]++
	}, func() bool {
		for _, x := range order {
			if counts[x] < fewest {
				continue
			}
			offered := blank
			if x.offered >= 0 {
				offered = itoa(x.offered)
			}
			t.row(append(of.p.about(), itoa(x.tenure), itoa(x.since), yes(x.offered >= 0), offered, of.t.Code,
				itoa(counts[x]))...)
		}
		clear(counts)
		order = order[:0]
		return t.err == nil
	})
	return t.end()
}

// ordersADay are the pre-orders of an app on a day, worldwide.
const ordersADay = 30.0

// Preorders writes what was ordered ahead in some days.
func (m *Market) Preorders(w io.Writer, s Span) error {
	t := newTable(w)
	t.row(PreorderColumns...)
	for p := range m.Products {
		if p.Kind != App || p.Preorder == 0 || p.Preorder >= p.From {
			continue
		}
		for i := range m.Territories {
			for device := range devices[:3] {
				m.preordered(t, p, &m.Territories[i], device, s)
			}
		}
	}
	return t.end()
}

// preordered writes the orders on one kind of device.
func (m *Market) preordered(t *table, p *Product, at *Territory, device int, s Span) {
	var ordered, canceled, before, gone int
	for d := p.Preorder; d <= min(s.To, p.From-1); d++ {
		about := throw(m.Seed, "preorders", p.ID, at.ID).with(int(d)).with(device)
		n := about.count(m.Volume * ordersADay * m.popular(p) * season(p, d) * at.weight * deviceShares[device])
		back := min(n, about.with(1).count(float64(n)*0.1))
		before, gone = before+n, gone+back
		if d >= s.From {
			ordered, canceled = ordered+n, canceled+back
		}
	}
	if ordered+canceled == 0 {
		return
	}
	t.row("APPLE", "US", p.SKU, p.Developer, p.Title, p.Preorder.slashed(), (p.From - 1).slashed(), itoa(ordered),
		itoa(canceled), itoa(before), itoa(gone), s.From.slashed(), s.To.slashed(), at.Code, p.ID, devices[device],
		p.Platforms, or(p.Category, blank), blank)
}

// magazines is the category of apps that the report for magazines and newspapers is for.
const magazines = "Magazines & Newspapers"

// Newsstand writes each sale of magazines and newspapers in some days.
func (m *Market) Newsstand(w io.Writer, s Span) error {
	t := newTable(w)
	t.row(NewsstandColumns...)
	inside := *m
	inside.Products = func(yield func(*Product) bool) {
		for p := range m.Products {
			if p.Category == magazines && !yield(p) {
				return
			}
		}
	}
	customer := throw(m.Seed, "customers")
	inside.sums(s, func(*Line) bool { return true }, func(l Line, units int) bool {
		p, sale, price, one := l.Product, "S", l.Price, "1"
		if l.Refund {
			sale, price, one = "R", -price, "-1"
		}
		parent, period := blank, blank
		if p.Kind != App {
			parent = p.AppSKU
		}
		if p.Kind == Subscription {
			period = p.Period.String()
		}
		for range units {
			customer = customer.with(1)
			t.row("APPLE", "US", p.SKU, p.Developer, p.Title, or(l.Version, blank), l.Type, one, l.Proceeds.String(),
				l.Currency, l.Territory.Code, l.Currency, p.ID, price.String(), or(l.Promo, blank), parent,
				or(l.New, blank), period, l.Day.slashed(), utoa(uint64(customer)>>1), l.Day.slashed(), sale, p.Category)
		}
		return t.err == nil
	})
	return t.end()
}

// InstallsBy says what tells the rows of a report of installs apart.
type InstallsBy struct{ Territory, Type, Channel bool }

// millionFree are the first annual installs for which no fee is due. Apple: Core
// Technology Fee.
const millionFree = 1_000_000

// Installs writes the first annual installs in the European Union: lines about the report,
// the header, what its columns mean, and the rows (seen live for the monthly summary; of
// the others Apple publishes no columns).
func (m *Market) Installs(w io.Writer, s Span, by InstallsBy) error {
	t := newTable(w)
	developer := ""
	for p := range m.Products {
		developer = p.Developer
		break
	}
	t.row("Metric: First Annual Installs")
	t.row("Developer: " + developer)
	t.row("Region: European Union")
	t.row("Reporting Period: " + s.From.slashed() + " - " + s.To.slashed())
	head := []string{"Developer", "App Apple Identifier", "App Name"}
	means := []string{"The name of the developer.", "The ID of the app that was installed.",
		"The name of the app that was installed."}
	for _, x := range []struct {
		is          bool
		name, means string
	}{
		{by.Territory, "Territory", "The territory of the App Store."},
		{by.Type, "Install Type", "How the app was installed."},
		{by.Channel, "Channel", "Where the app came from."},
	} {
		if x.is {
			head, means = append(head, x.name), append(means, x.means)
		}
	}
	t.row(append(head, "First Annual Installs Above One Million", "Total First Annual Installs")...)
	t.row(append(means, "The number of first annual installs above one million.",
		"The total number of first annual installs.")...)
	for p := range m.Products {
		if p.Kind == App {
			m.installsOf(t, p, s, by)
		}
	}
	return t.end()
}

// installsOf writes the installs of an app, territory by territory or together.
func (m *Market) installsOf(t *table, p *Product, s Span, by InstallsBy) {
	write := func(n int, code string) {
		if n == 0 {
			return
		}
		cells := []string{p.Developer, p.ID, p.AppName}
		for i, x := range []string{code, "First-time install", "App Store"} {
			if [...]bool{by.Territory, by.Type, by.Channel}[i] {
				cells = append(cells, x)
			}
		}
		t.row(append(cells, itoa(max(0, n-millionFree)), itoa(n))...)
	}
	all := 0
	for i := range m.Territories {
		at := &m.Territories[i]
		if at.Region != "EU" && !slices.Contains(union, at.Code) {
			continue
		}
		n := 0
		m.Lines(p, at, s, func(l Line, units int) {
			if first(&l) && !l.Refund {
				n += units
			}
		})
		if all += n; by.Territory {
			write(n, at.Code)
		}
	}
	if !by.Territory {
		write(all, "")
	}
}

// union are the members of the European Union that are not paid in euros.
var union = []string{"BG", "CZ", "DK", "HU", "PL", "RO", "SE"}
