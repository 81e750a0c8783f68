package sandbox

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/asc-gateway/asc-gateway/sandbox/internal/sales"
)

// salesType is one kind of sales report that can be asked for. Apple: Download Sales and
// Trends Reports, table of allowed values.
type salesType struct {
	kind, sub   string
	frequencies []string
	versions    []string // the newest last
	file        string   // beginning of the file's name; %s is the frequency's letter
	before      int      // lines before the first row
	write       func(m *sales.Market, w io.Writer, s sales.Span) error
}

var everyFrequency = []string{"DAILY", "WEEKLY", "MONTHLY", "YEARLY"}

// salesTypes are all kinds.
func salesTypes() []salesType {
	onDay := func(f func(*sales.Market, io.Writer, sales.Day) error) func(*sales.Market, io.Writer, sales.Span) error {
		return func(m *sales.Market, w io.Writer, s sales.Span) error { return f(m, w, s.To) }
	}
	list := []salesType{
		{"SALES", "SUMMARY", everyFrequency, []string{"1_0"}, "S_%s", 1, (*sales.Market).Summary},
		{"PRE_ORDER", "SUMMARY", everyFrequency, []string{"1_0"}, "P_S_%s", 1, (*sales.Market).Preorders},
		{"NEWSSTAND", "DETAILED", everyFrequency[:2], []string{"1_0"}, "O_S_%s", 1, (*sales.Market).Newsstand},
		{"SUBSCRIPTION", "SUMMARY", everyFrequency[:1], []string{"1_4"}, "Subscription", 1,
			onDay((*sales.Market).Subscriptions)},
		{"SUBSCRIPTION_EVENT", "SUMMARY", everyFrequency[:1], []string{"1_3"}, "Subscription_Event", 1,
			onDay((*sales.Market).Events)},
		{"SUBSCRIBER", "DETAILED", everyFrequency[:1], []string{"1_3"}, "Subscriber", 1,
			onDay((*sales.Market).Subscribers)},
		{"SUBSCRIPTION_OFFER_CODE_REDEMPTION", "SUMMARY", everyFrequency[:1], []string{"1_0"},
			"Subscription_Offer_Code_Redemption", 1, onDay((*sales.Market).Redemptions)},
		{"WIN_BACK_ELIGIBILITY", "SUMMARY", everyFrequency[:1], []string{"1_0"}, "Winback_Eligibility_Report", 1,
			onDay((*sales.Market).WinBacks)},
	}
	installs := func(kind, sub, frequency string, by sales.InstallsBy, versions ...string) {
		list = append(list, salesType{kind, sub, []string{frequency}, versions, "Installs", 6,
			func(m *sales.Market, w io.Writer, s sales.Span) error { return m.Installs(w, s, by) }})
	}
	installs("INSTALLS", "SUMMARY", "MONTHLY", sales.InstallsBy{}, "1_2")
	installs("INSTALLS", "DETAILED", "MONTHLY", sales.InstallsBy{Territory: true, Type: true, Channel: true}, "1_2")
	installs(
		"INSTALLS",
		"DETAILED",
		"YEARLY",
		sales.InstallsBy{Territory: true, Type: true, Channel: true},
		"1_0",
		"1_1",
	)
	installs("INSTALLS", "SUMMARY_CHANNEL", "YEARLY", sales.InstallsBy{Channel: true}, "1_0", "1_1")
	installs("INSTALLS", "SUMMARY_INSTALL_TYPE", "YEARLY", sales.InstallsBy{Type: true}, "1_0", "1_1")
	installs("INSTALLS", "SUMMARY_TERRITORY", "YEARLY", sales.InstallsBy{Territory: true}, "1_0", "1_1")
	installs("FIRST_ANNUAL", "DETAILED", "DAILY", sales.InstallsBy{Territory: true, Type: true, Channel: true}, "1_0")
	installs("FIRST_ANNUAL", "SUMMARY", "YEARLY", sales.InstallsBy{}, "1_0")
	return list
}

// salesType finds the kind of report that a request asks for, in a version that there is.
func (c *call) salesType() (x salesType, version string, errs []apiError) {
	kind, sub, frequency := c.one("filter[reportType]"), c.one("filter[reportSubType]"), c.one("filter[frequency]")
	of := slices.DeleteFunc(salesTypes(), func(x salesType) bool { return x.kind != kind })
	bySub := slices.DeleteFunc(slices.Clone(of), func(x salesType) bool { return x.sub != sub })
	byFrequency := slices.DeleteFunc(slices.Clone(bySub), func(x salesType) bool {
		return !slices.Contains(x.frequencies, frequency)
	})
	if len(bySub) == 0 {
		return x, "", []apiError{parameterError("INVALID", "filter[reportSubType]",
			"Invalid report subtype specified. Try again.")}
	}
	if len(byFrequency) == 0 {
		return x, "", []apiError{
			parameterError("INVALID", "filter[frequency]", "Invalid frequency specified. Try again."),
		}
	}
	x = byFrequency[0]
	newest := x.versions[len(x.versions)-1]
	switch version = c.one("filter[version]"); {
	case version == "":
		version = "1_0" // seen live: none is the first, which some reports have no more
	case slices.Contains(x.versions, version):
		return x, version, nil
	}
	if !slices.Contains(x.versions, version) {
		return x, "", []apiError{parameterError("INVALID", "filter[version]",
			"The version parameter you have specified is invalid. The latest version for this report is "+newest+".")}
	}
	return x, version, nil
}

// salesReport finds the report that a request asks for.
func (c *call) salesReport() (f reportFile, errs []apiError) {
	x, version, errs := c.salesType()
	if len(errs) > 0 {
		return f, errs
	}
	span, date, errs := c.salesSpan()
	if len(errs) > 0 {
		return f, errs
	}
	f = reportFile{name: x.file, version: version}
	if strings.Contains(x.file, "%s") {
		f.name = fmt.Sprintf(x.file, c.one("filter[frequency]")[:1])
	}
	f.name += "_" + c.one("filter[vendorNumber]") + "_" + date
	if !strings.Contains(x.file, "%s") {
		f.name += "_V" + version
	}
	f.name += ".txt"
	m := c.s.market(true)
	f.write = func(w io.Writer) error { return x.write(m, w, span) }
	if !hasRows(x.before, func(w io.Writer) error { return x.write(c.s.market(false), w, span) }) {
		return f, noReport(noSales)
	}
	return f, nil
}

// Answers about reports that are not there, by frequency (seen live for days).
var tooEarly = map[string]string{
	"DAILY": notYet,
	"WEEKLY": "Report is not available yet. Weekly reports are available on Mondays by 5 am Pacific Time for the " +
		"week before.",
	"MONTHLY": "Report is not available yet. Monthly reports are available five days after the end of the month.",
	"YEARLY":  "Report is not available yet. Yearly reports are available six days after the end of the year.",
}

// dailyRetention is for how long there are reports of a day. Apple: one year.
const dailyRetention = 365

// salesSpan is the time of a sales report, and its date in the name of the file.
func (c *call) salesSpan() (s sales.Span, date string, errs []apiError) {
	frequency, text := c.one("filter[frequency]"), c.one("filter[reportDate]")
	newest := newestReport(c.now)
	span, ok := newestSpan(frequency, newest), true
	if text != "" {
		span, ok = parseSpan(frequency, text)
	}
	if !ok {
		return s, "", []apiError{parameterError("INVALID", "filter[reportDate]", dateForms[frequency])}
	}
	if readyAfter := map[string]sales.Day{"MONTHLY": 4, "YEARLY": 5}[frequency]; span.To+readyAfter > newest {
		return s, "", noReport(tooEarly[frequency])
	}
	if frequency == "DAILY" && newest-span.To >= dailyRetention {
		gone := noReport("Report is no longer available. Daily reports are available for one year.")
		gone[0].Status = 410
		return s, "", gone
	}
	form := map[string]string{"MONTHLY": "200601", "YEARLY": "2006"}[frequency]
	if form == "" {
		form = "20060102"
	}
	return span, span.To.Time().Format(form), nil
}

// dateForms say what a date must be.
var dateForms = map[string]string{
	"DAILY":   "Invalid report date specified. The date of a daily report is YYYY-MM-DD.",
	"WEEKLY":  "Invalid report date specified. The date of a weekly report is the Sunday that ends the week, YYYY-MM-DD.",
	"MONTHLY": "Invalid report date specified. The date of a monthly report is YYYY-MM.",
	"YEARLY":  "Invalid report date specified. The date of a yearly report is YYYY.",
}

// newestSpan is the newest that there is a report of: of months and years after some days.
func newestSpan(frequency string, newest sales.Day) sales.Span {
	switch frequency {
	case "WEEKLY":
		sunday := newest - sales.Day(newest.Weekday())
		return sales.Span{From: sunday - 6, To: sunday}
	case "MONTHLY":
		t := (newest - 4).Time()
		return sales.Month(t.Year(), t.Month()-1+endOf(newest-4))
	case "YEARLY":
		return sales.Year((newest - 5).Time().Year() - 1)
	}
	return sales.Span{From: newest, To: newest}
}

// endOf is 1 on the last day of a month, else 0.
func endOf(d sales.Day) time.Month {
	if (d + 1).Time().Day() == 1 {
		return 1
	}
	return 0
}

// parseSpan reads the date of a report in the form of its frequency.
func parseSpan(frequency, text string) (s sales.Span, ok bool) {
	switch frequency {
	case "MONTHLY":
		t, err := time.Parse("2006-01", text)
		return sales.Month(t.Year(), t.Month()), err == nil
	case "YEARLY":
		t, err := time.Parse("2006", text)
		return sales.Year(t.Year()), err == nil
	}
	t, err := time.Parse(time.DateOnly, text)
	d := sales.Date(t.Date())
	if frequency == "WEEKLY" {
		return sales.Span{From: d - 6, To: d}, err == nil && d.Weekday() == time.Sunday
	}
	return sales.Span{From: d, To: d}, err == nil
}
