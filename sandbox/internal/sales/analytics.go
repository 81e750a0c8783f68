package sales

import (
	"io"
	"slices"
	"strings"
)

// Analytic is a report of the App Store's analytics.
type Analytic struct {
	Name, Category string
	Columns        []string
	kind           analyticKind
}

// analyticKind is what the rows of a report count.
type analyticKind int

const (
	downloads analyticKind = iota
	installs
	sessions
	engagement
	purchases
	crashes
)

// Analytics are the reports whose columns are known. Apple: Analytics reports. Detailed
// reports have three columns more.
var Analytics = slices.Concat(
	pair("App Downloads", "COMMERCE", downloads, "Download Type|App Version|Device|Platform Version|Source Type|"+
		"Source Info*|Campaign*|Page Type|Page Title*|Pre-Order|Territory|Counts"),
	pair("App Store Installation and Deletion", "APP_USAGE", installs, "Event|Download Type|App Version|Device|"+
		"Platform Version|Source Type|Source Info*|Campaign*|Page Type|Page Title*|App Download Date|Territory|Counts|"+
		"Unique Devices"),
	pair("App Sessions", "APP_USAGE", sessions, "App Version|Device|Platform Version|Source Type|Source Info*|"+
		"Campaign*|Page Type|Page Title*|App Download Date|Territory|Sessions|Total Session Duration|Unique Devices"),
	pair("App Store Discovery and Engagement", "APP_STORE_ENGAGEMENT", engagement, "Event|Page Type|Source Type|"+
		"Engagement Type|Device|Platform Version|Territory|Counts|Unique Counts|Page Title*|Source Info*|Campaign*"),
	pair("App Store Purchases", "COMMERCE", purchases, "Purchase Type|Content Name|Content Apple Identifier|"+
		"Payment Method|Device|Platform Version|Source Type|Source Info*|Campaign*|Page Type|Page Title*|"+
		"App Download Date|Pre-Order|Territory|Purchases|Proceeds in USD|Sales in USD|Paying Users"),
	[]Analytic{
		{"App Crashes", "PERFORMANCE", analyticColumns("App Version|Device|Platform Version|Crashes|Unique Devices",
			false), crashes},
		{"App Crashes Expanded", "PERFORMANCE", analyticColumns("App Version|Build|Device|Platform|Platform Version|"+
			"Release Type|Territory|Count|Unique Devices", false), crashes},
	},
)

// pair are the standard and the detailed report; a star marks the columns of the latter.
func pair(name, category string, kind analyticKind, columns string) []Analytic {
	return []Analytic{
		{name + " Standard", category, analyticColumns(columns, false), kind},
		{name + " Detailed", category, analyticColumns(columns, true), kind},
	}
}

func analyticColumns(columns string, detailed bool) []string {
	list := []string{"Date", "App Name", "App Apple Identifier"}
	for c := range strings.SplitSeq(columns, "|") {
		c, star := strings.CutSuffix(c, "*")
		if detailed || !star {
			list = append(list, c)
		}
	}
	return list
}

// FindAnalytic is the report of a name.
func FindAnalytic(name string) (a Analytic, ok bool) {
	i := slices.IndexFunc(Analytics, func(a Analytic) bool { return a.Name == name })
	if i < 0 {
		return a, false
	}
	return Analytics[i], true
}

// fewest is what Apple shows of users or devices at least. Apple: privacy in analytics.
const fewest = 5

// Part is what one segment of an analytics report holds.
type Part struct {
	AppID     string
	Dates     []Dated
	Index, Of int // the territories are dealt to the segments
}

// Dated is a row's date, and the days that it adds up.
type Dated struct {
	Date Day
	Span Span
	Some bool // not all of it is known yet: a later report replaces the date
}

// Analyze writes one segment of an analytics report.
func (m *Market) Analyze(w io.Writer, a Analytic, part Part) error {
	t := newTable(w)
	t.row(a.Columns...)
	inside := *m
	inside.Territories = nil
	for i, x := range m.Territories {
		if i%max(1, part.Of) == part.Index {
			inside.Territories = append(inside.Territories, x)
		}
	}
	var products []*Product // of one app: they are read once for all dates
	for p := range m.Products {
		if p.AppID == part.AppID && (p.Kind == App || a.kind == purchases) {
			products = append(products, p)
		}
	}
	inside.Products = slices.Values(products)
	for _, d := range part.Dates {
		v := viewer{m: &inside, t: t, a: a, dated: d}
		inside.sums(d.Span, v.shape, v.see)
	}
	return t.end()
}

// viewer makes the rows of one date.
type viewer struct {
	m     *Market
	t     *table
	a     Analytic
	dated Dated
}

// shape makes alike what one row shows.
func (v *viewer) shape(l *Line) bool {
	l.Day = 0
	if v.a.kind == purchases {
		l.New, l.Order, l.Reason, l.Promo = "", "", "", ""
		return l.Paid && !l.Refund
	}
	l.Price, l.Proceeds, l.Promo, l.Paid = 0, 0, "", false
	return !l.Refund && (v.a.kind != crashes && v.a.kind != sessions && v.a.kind != engagement || first(l))
}

// first says whether a line is a first download.
func first(l *Line) bool { return l.Type[0] == '1' || l.Type == "F1" }

// seenRow is one row as it is being made.
type seenRow struct {
	*viewer
	l         Line
	event     string
	dice      dice
	source    int
	count     int
	share     float64 // of users among the counts
	page      string
	engaged   string
	downloads string
}

// events of a kind of report, and how many of them come with one download.
var events = map[analyticKind][]struct {
	name, page, engaged string
	times, users        float64
}{
	downloads: {{"", "Product page", "", 1, 1}},
	installs:  {{"Install", "Product page", "", 0.97, 0.99}, {"Delete", "Product page", "", 0.4, 0.98}},
	sessions:  {{"", "Product page", "", 60, 0.3}},
	engagement: {
		{"Impression", "No page", "", 40, 0.7},
		{"Page view", "Product page", "", 4, 0.8},
		{"Tap", "Store sheet", "Get", 2, 0.9},
	},
	purchases: {{"", "Product page", "", 1, 0.95}},
	crashes:   {{"", "", "", 0.8, 0.6}},
}

// sources by which people come to an app, and their shares.
var (
	sources      = []string{"App Store search", "App Store browse", "Web referrer", "App referrer", "Unavailable"}
	sourceShares = []float64{0.56, 0.2, 0.1, 0.08, 0.06}
	infos        = []string{"", "", "example.com", "com.example.reader", ""}
)

// see makes the rows of a line.
func (v *viewer) see(l Line, units int) bool {
	about := throw(v.m.Seed, "analytics", l.Product.ID, l.Territory.ID, l.Device, l.Type).with(int(v.dated.Date))
	for i, e := range events[v.a.kind] {
		n := int(float64(units)*e.times*(0.9+0.2*about.with(i).unit()) + 0.5)
		if e.times == 1 {
			n = units
		}
		if v.dated.Some {
			n -= int(float64(n) * (0.05 + 0.1*about.with(i+10).unit()))
		}
		left := n
		for s, share := range sourceShares {
			count := min(left, int(float64(n)*share+about.with(i+20+s).unit()))
			if s == len(sourceShares)-1 || !v.split() {
				count = left
			}
			left -= count
			r := seenRow{viewer: v, l: l, event: e.name, page: e.page, engaged: e.engaged, source: s, count: count,
				share: e.users, dice: about.with(i + 30 + s), downloads: downloadType(l.Type)}
			if int(float64(count)*e.users) >= fewest {
				r.write()
			}
		}
	}
	return v.t.err == nil
}

// split says whether the report tells where people come from.
func (v *viewer) split() bool { return slices.Contains(v.a.Columns, "Source Type") }

// downloadType is a product type in the words of analytics.
func downloadType(typ string) string {
	switch strings.TrimPrefix(typ, "F")[0] {
	case '3':
		return "Redownload"
	case '7':
		return "Auto-update"
	}
	return "First-time download"
}

// write writes a row.
func (r *seenRow) write() {
	cells := make([]string, len(r.a.Columns))
	for i, c := range r.a.Columns {
		cells[i] = r.cell(c)
	}
	r.t.row(cells...)
}

// cell is what a column shows.
func (r *seenRow) cell(column string) string {
	p := r.l.Product
	switch column {
	case "Date":
		return r.dated.Date.String()
	case "App Name":
		return p.AppName
	case "App Apple Identifier":
		return p.AppID
	case "Event":
		return r.event
	case "Engagement Type":
		return r.engaged
	case "Download Type":
		return r.downloads
	case "App Version":
		return r.l.Version
	case "Device":
		return r.l.Device
	case "Platform":
		return platformOf(r.l.Device)
	case "Platform Version":
		return platformOf(r.l.Device) + " " + []string{"26.1", "26.0", "18.7"}[r.dice.below(3)]
	case "Source Type":
		return sources[r.source]
	case "Source Info":
		return infos[r.source]
	case "Campaign":
		return []string{"", "", "", "autumn"}[r.dice.with(1).below(4)]
	case "Page Type":
		return r.page
	case "Page Title":
		return []string{"Default", "Default", `Für "Große" Wanderungen`}[r.dice.with(2).below(3)]
	case "Territory":
		return r.l.Territory.Code
	case "App Download Date":
		return (r.dated.Span.To - Day(r.dice.with(3).below(60))).String()
	}
	return r.rest(column)
}

// rest are the columns of numbers, and those of few reports.
func (r *seenRow) rest(column string) string {
	p, users := r.l.Product, int(float64(r.count)*r.share)
	switch column {
	case "Counts", "Count", "Sessions", "Crashes", "Purchases":
		return itoa(r.count)
	case "Unique Counts", "Unique Devices", "Paying Users":
		return itoa(users)
	case "Total Session Duration":
		return itoa(r.count * (40 + r.dice.with(4).below(300))) // seconds
	case "Purchase Type":
		return [...]string{"Paid app", "In-app purchase", "In-app purchase", "In-app purchase", "Subscription"}[p.Kind]
	case "Content Name":
		return p.Title
	case "Content Apple Identifier":
		return p.ID
	case "Payment Method":
		return "Apple Account"
	case "Build":
		return itoa(100 + r.dice.with(5).below(3))
	case "Release Type":
		return "App Store"
	case "Sales in USD":
		return (r.dollars().Customer * Money(r.count)).String()
	case "Proceeds in USD":
		return (r.dollars().Proceeds * Money(r.count)).String()
	}
	return ""
}

// dollars is what a product costs in the United States, by which sales of all countries
// are counted; its own price where it is not sold there.
func (r *seenRow) dollars() Price {
	for i := range r.m.Territories {
		if t := &r.m.Territories[i]; t.ID == "USA" {
			if price, ok := r.l.Product.Price(t, r.dated.Span.To, r.dated.Span.To); ok {
				return price
			}
		}
	}
	return Price{Customer: r.l.Price, Proceeds: r.l.Proceeds}
}

func platformOf(device string) string {
	switch device {
	case "iPad":
		return "iPadOS"
	case "Desktop":
		return "macOS"
	case "Apple Watch":
		return "watchOS"
	}
	return "iOS"
}
