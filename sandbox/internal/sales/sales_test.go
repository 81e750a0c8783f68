package sales

import (
	"bytes"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// fixed is a market of one app with purchases and subscriptions, in five territories.
func fixed(volume float64) *Market {
	m := &Market{Seed: 7, Volume: volume, Start: Date(2024, 6, 1), Territories: Countries([][2]string{
		{"USA", "USD"}, {"DEU", "EUR"}, {"JPN", "JPY"}, {"GBR", "GBP"}, {"SWE", "SEK"},
	})}
	price := func(first Money) func(*Territory, Day, Day) (Price, bool) {
		return func(t *Territory, d, _ Day) (Price, bool) {
			a := first
			if d >= Date(2026, 2, 11) { // a price that rose in the middle of a week
				a *= 2
			}
			return Price{Customer: a, Proceeds: a * 7 / 10, Later: a * 85 / 100, Currency: t.Currency}, true
		}
	}
	app := Product{
		ID:        "1",
		SKU:       "APP",
		Title:     `Für "Große" 山`,
		Developer: "D",
		AppID:     "1",
		AppName:   "App",
		AppSKU:    "APP",
		Platforms: "iOS",
		From:      m.Start,
		Version:   func(Day) string { return "1.0" },
		Price:     price(2990),
	}
	coins, month, year := app, app, app
	coins.Kind, coins.ID, coins.SKU, coins.Price = Consumable, "2", "coins", price(990)
	month.Kind, month.ID, month.SKU, month.Period, month.Price = Subscription, "3", "month", Period{
		Months: 1,
	}, price(
		4990,
	)
	free := func(t *Territory, _ Day) (Price, bool) { return Price{Currency: t.Currency}, true }
	month.Offers = []Offer{{Kind: Introductory, Mode: FreeTrial, Name: "Week", Duration: Period{Days: 7}, Price: free},
		{Kind: OfferCode, Mode: PayUpFront, Name: "Code", ID: "SPRING", Duration: Period{Months: 3}, Price: func(
			t *Territory, _ Day,
		) (Price, bool) {
			return Price{Customer: 1990, Proceeds: 1390, Currency: t.Currency}, true
		}}, {Kind: WinBack, Mode: FreeTrial, Name: "Back", ID: "back", Duration: Period{Months: 1}, Price: free}}
	year.Kind, year.ID, year.SKU, year.Period, year.Price = Subscription, "4", "year", Period{Months: 12}, price(39990)
	m.Products = slices.Values([]*Product{&app, &coins, &month, &year})
	return m
}

// rowsOf are the rows of a report by its header.
func rowsOf(t *testing.T, write func(w io.Writer) error) (rows []map[string]string) {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	head := strings.Split(lines[0], "\t")
	for i, line := range lines[1:] {
		cells := strings.Split(line, "\t")
		if strings.HasPrefix(line, "Total_Rows") {
			break
		}
		if len(cells) != len(head) {
			t.Fatalf("row %d has %d cells, its header %d: %q", i+1, len(cells), len(head), line)
		}
		row := map[string]string{}
		for k, c := range cells {
			row[head[k]] = c
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		t.Fatal("a report without rows")
	}
	return rows
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// unitsBy sums the units of sales by what was sold, where and for how much.
func unitsBy(t *testing.T, m *Market, spans ...Span) map[string]int {
	t.Helper()
	sum := map[string]int{}
	for _, s := range spans {
		for _, r := range rowsOf(t, func(w io.Writer) error { return m.Summary(w, s) }) {
			key := strings.Join([]string{r["SKU"], r["Country Code"], r["Customer Price"], r["Product Type Identifier"],
				r["Device"], r["Promo Code"], r["Order Type"]}, " ")
			sum[key] += number(t, r["Units"])
		}
	}
	return sum
}

func days(s Span) (list []Span) {
	for d := s.From; d <= s.To; d++ {
		list = append(list, Span{d, d})
	}
	return list
}

func same(t *testing.T, name string, a, b map[string]int) {
	t.Helper()
	if len(a) != len(b) {
		t.Errorf("%s: %d kinds and %d", name, len(a), len(b))
	}
	for key, n := range a {
		if b[key] != n {
			t.Errorf("%s: %s: %d and %d", name, key, n, b[key])
		}
	}
}

// TestDaysAddUp: the days of a week, a month and a year are these.
func TestDaysAddUp(t *testing.T) {
	m := fixed(1)
	week := Span{Date(2026, 2, 9), Date(2026, 2, 15)}
	month := Month(2026, time.February)
	same(t, "week", unitsBy(t, m, week), unitsBy(t, m, days(week)...))
	same(t, "month", unitsBy(t, m, month), unitsBy(t, m, days(month)...))
	var months []Span
	for i := range 12 {
		months = append(months, Month(2025, time.Month(i+1)))
	}
	same(t, "year", unitsBy(t, m, Year(2025)), unitsBy(t, m, months...))
}

// TestFinanceAgreesWithSales in units and proceeds, region by region and in detail.
func TestFinanceAgreesWithSales(t *testing.T) {
	m := fixed(1)
	s := FiscalMonth(2026, 5)
	units, share := map[string]int{}, map[string]Money{}
	for _, d := range days(s) {
		for _, r := range rowsOf(t, func(w io.Writer) error { return m.Summary(w, d) }) {
			if strings.Trim(r["Customer Price"], "-0.") == "" {
				continue
			}
			proceeds, _ := ParseMoney(r["Developer Proceeds"])
			units[r["Country Code"]] += number(t, r["Units"])
			share[r["Country Code"]] += proceeds * Money(number(t, r["Units"]))
		}
	}
	check := func(name, country, quantity string, rows []map[string]string) {
		t.Helper()
		gotUnits, gotShare := map[string]int{}, map[string]Money{}
		for _, r := range rows {
			extended, _ := ParseMoney(strings.TrimPrefix(r["Extended Partner Share"], "-"))
			if r["Extended Partner Share"][0] == '-' {
				extended = -extended
			}
			gotUnits[r[country]] += number(t, r[quantity])
			gotShare[r[country]] += extended
		}
		for code, n := range gotUnits {
			if units[code] != n || share[code] != gotShare[code] {
				t.Errorf("%s %s: %d units for %v, sales have %d for %v", name, code, n, gotShare[code], units[code],
					share[code])
			}
		}
	}
	all := rowsOf(t, func(w io.Writer) error { return m.Finance(w, s, "ZZ") })
	check("ZZ", "Country Of Sale", "Quantity", all)
	n := 0
	for _, region := range []string{"US", "EU", "JP", "GB", "SE"} {
		rows := rowsOf(t, func(w io.Writer) error { return m.Finance(w, s, region) })
		check(region, "Country Of Sale", "Quantity", rows)
		n += len(rows)
	}
	if n != len(all) {
		t.Errorf("%d rows in all regions, %d in ZZ", n, len(all))
	}
	var b bytes.Buffer
	if err := m.FinanceDetail(&b, s, "D"); err != nil {
		t.Fatal(err)
	}
	detail := 0
	for i, line := range strings.Split(strings.TrimSpace(b.String()), "\n") {
		if cells := strings.Split(line, "\t"); i > 3 {
			detail += number(t, cells[8])
		}
	}
	if want := units["US"] + units["DE"] + units["JP"] + units["GB"] + units["SE"]; detail != want {
		t.Errorf("%d units in detail, %d in sales", detail, want)
	}
}

// TestEventsExplainTheCounts: who was there the day before, with those who came and
// without those who left, is there on the day. The payments of the subscribers are the
// units of the sales.
func TestEventsExplainTheCounts(t *testing.T) {
	m := fixed(1)
	there := func(d Day) (n int) {
		for _, r := range rowsOf(t, func(w io.Writer) error { return m.Subscriptions(w, d) }) {
			n += number(t, r["Subscribers"]) + number(t, r["Billing Retry"])
		}
		return n
	}
	moves := map[string]int{Subscribe: 1, StartIntro: 1, StartCode: 1, Reactivate: 1, ReactivateOffer: 1, Cancel: -1,
		RetryCanceled: -1, Refund: -1}
	before, seen := there(Date(2026, 1, 1)), map[string]bool{}
	for d := Date(2026, 1, 2); d < Date(2026, 2, 1); d++ {
		change := 0
		for _, r := range rowsOf(t, func(w io.Writer) error { return m.Events(w, d) }) {
			change += moves[r["Event"]] * number(t, r["Quantity"])
			seen[r["Event"]] = true
		}
		now := there(d)
		if now-before != change {
			t.Errorf("%v: from %d to %d, and events of %+d", d, before, now, change)
		}
		before = now
		paid, sold := 0, 0
		for _, r := range rowsOf(t, func(w io.Writer) error { return m.Subscribers(w, d) }) {
			paid += number(t, r["Units"])
		}
		for _, r := range rowsOf(t, func(w io.Writer) error { return m.Summary(w, Span{d, d}) }) {
			if r["Product Type Identifier"] == "IAY" {
				sold += number(t, r["Units"])
			}
		}
		if paid != sold {
			t.Errorf("%v: %d payments of subscribers, %d units", d, paid, sold)
		}
	}
	for _, event := range []string{Subscribe, StartIntro, StartCode, FromIntro, FromCode, Renew, BillingRetry, Recovered,
		RetryCanceled, Cancel, ReactivateOffer, Refund} {
		if !seen[event] {
			t.Errorf("a month without the event %q", event)
		}
	}
}

// TestAnalyticsAgreeWithSales: nothing is counted that was not sold, and a date that is
// known in full has what an earlier instance lacked.
func TestAnalyticsAgreeWithSales(t *testing.T) {
	m := fixed(40)
	a, ok := FindAnalytic("App Downloads Standard")
	if !ok {
		t.Fatal("no such report")
	}
	d := Date(2026, 1, 15)
	count := func(some bool) (n int) {
		for i := range 2 {
			part := Part{AppID: "1", Dates: []Dated{{d, Span{d, d}, some}}, Index: i, Of: 2}
			for _, r := range rowsOf(t, func(w io.Writer) error { return m.Analyze(w, a, part) }) {
				if n += number(t, r["Counts"]); number(t, r["Counts"]) < fewest {
					t.Errorf("a small value is shown: %v", r)
				}
			}
		}
		return n
	}
	sold := 0
	for _, r := range rowsOf(t, func(w io.Writer) error { return m.Summary(w, Span{d, d}) }) {
		if units := number(t, r["Units"]); units > 0 && r["SKU"] == "APP" {
			sold += units
		}
	}
	full, some := count(false), count(true)
	if full > sold || full < sold*9/10 || some >= full {
		t.Errorf("%d sold, %d in the full report, %d in the first", sold, full, some)
	}
}

func TestFiscalMonths(t *testing.T) {
	for _, x := range []struct {
		year, month int
		from, to    string
	}{
		{2026, 1, "2025-09-28", "2025-11-01"},
		{2026, 2, "2025-11-02", "2025-11-29"},
		{2026, 12, "2026-08-30", "2026-09-26"},
		{2023, 3, "2022-11-27", "2022-12-31"}, // the 53rd week
		{2024, 1, "2023-10-01", "2023-11-04"},
	} {
		s := FiscalMonth(x.year, x.month)
		if s.From.String() != x.from || s.To.String() != x.to {
			t.Errorf("%d-%d: %v to %v", x.year, x.month, s.From, s.To)
		}
		for _, d := range []Day{s.From, s.To} {
			if year, month := FiscalMonthOf(d); year != x.year || month != x.month {
				t.Errorf("%v is in %d-%d", d, year, month)
			}
		}
	}
}

// TestPacific: Apple's days change with its clocks.
func TestPacific(t *testing.T) {
	for utc, want := range map[string]string{
		"2026-03-08T09:59:00Z": "2026-03-08T01:59:00-08:00",
		"2026-03-08T10:00:00Z": "2026-03-08T03:00:00-07:00",
		"2026-11-01T08:59:00Z": "2026-11-01T01:59:00-07:00",
		"2026-11-01T09:00:00Z": "2026-11-01T01:00:00-08:00",
		"2026-07-01T06:59:00Z": "2026-06-30T23:59:00-07:00",
	} {
		at, err := time.Parse(time.RFC3339, utc)
		if err != nil {
			t.Fatal(err)
		}
		if got := Pacific(at).Format(time.RFC3339); got != want {
			t.Errorf("%s is %s, want %s", utc, got, want)
		}
		if d := DayOf(at); d.String() != want[:10] || d.Weekday() != d.Time().Weekday() {
			t.Errorf("%s is on %v, a %v", utc, d, d.Weekday())
		}
	}
	if got := Date(2026, 7, 1).At(5).UTC().Format(time.RFC3339); got != "2026-07-01T12:00:00Z" {
		t.Errorf("5 am is %s", got)
	}
}

// TestAReportIsStreamed: a report of any size needs the same memory.
func TestAReportIsStreamed(t *testing.T) {
	size := func(volume float64) (bytes int, held uint64) {
		m := fixed(volume)
		var most runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&most)
		start := most.HeapAlloc
		w := watcher{every: 1 << 20, look: func() {
			runtime.GC()
			runtime.ReadMemStats(&most)
			held = max(held, most.HeapAlloc-min(start, most.HeapAlloc))
		}}
		if err := m.Subscribers(&w, Date(2024, 6, 3)); err != nil {
			t.Fatal(err)
		}
		return w.n, held
	}
	bytes, held := size(20_000)
	if bytes < 10<<20 || held > 4<<20 {
		t.Errorf("%d bytes were written, %d held", bytes, held)
	}
}

// watcher counts what is written, and looks now and then.
type watcher struct {
	n, next, every int
	look           func()
}

func (w *watcher) Write(b []byte) (int, error) {
	if w.n += len(b); w.n >= w.next {
		w.next = w.n + w.every
		w.look()
	}
	return len(b), nil
}
