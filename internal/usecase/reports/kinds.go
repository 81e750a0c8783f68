package reports

import (
	"slices"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/usecase/reports/table"
)

// kind is a report of sales and trends that can be asked for (Apple: "Download
// Sales and Trends Reports", 2026).
type kind struct {
	reportType  string
	subTypes    []string
	frequencies []string
	version     string // the newest that is known
	field       string // of the response's rows
	personal    bool   // a line is about one person
	late        bool   // published after the sales reports of the same day
	deprecated  bool
}

// grammar is how the files of a kind are written. Those about installs begin with
// lines of a name and a value.
func (k kind) grammar() table.Grammar {
	if k.reportType == "INSTALLS" || k.reportType == "FIRST_ANNUAL" {
		return table.Installs
	}
	return table.Plain
}

const (
	daily   = "DAILY"
	weekly  = "WEEKLY"
	monthly = "MONTHLY"
	yearly  = "YEARLY"

	summary  = "SUMMARY"
	detailed = "DETAILED"

	rowsField = "rows"
)

// kinds are all of them. Versions move: one that Apple no longer gives is corrected
// by what Apple answers.
var kinds = []kind{
	{reportType: "SALES", subTypes: []string{summary}, frequencies: []string{daily, weekly, monthly, yearly},
		version: "1_0", field: "sales"},
	{reportType: "PRE_ORDER", subTypes: []string{summary}, frequencies: []string{daily, weekly, monthly, yearly},
		version: "1_0", field: "pre_orders"},
	{reportType: "NEWSSTAND", subTypes: []string{detailed}, frequencies: []string{daily, weekly},
		version: "1_0", field: rowsField, personal: true},
	{reportType: "SUBSCRIPTION", subTypes: []string{summary}, frequencies: []string{daily},
		version: "1_4", field: "subscriptions", late: true},
	{reportType: "SUBSCRIPTION_EVENT", subTypes: []string{summary}, frequencies: []string{daily},
		version: "1_3", field: "subscription_events", late: true},
	{reportType: "SUBSCRIBER", subTypes: []string{detailed}, frequencies: []string{daily},
		version: "1_3", field: "subscribers", late: true, personal: true},
	{reportType: "SUBSCRIPTION_OFFER_CODE_REDEMPTION", subTypes: []string{summary}, frequencies: []string{daily},
		version: "1_0", field: "offer_code_redemptions", late: true},
	{reportType: "WIN_BACK_ELIGIBILITY", subTypes: []string{summary}, frequencies: []string{daily},
		version: "1_0", field: "win_back_eligibility", late: true},
	{reportType: "INSTALLS", subTypes: []string{summary, detailed}, frequencies: []string{monthly},
		version: "1_2", field: rowsField, deprecated: true},
	{
		reportType:  "INSTALLS",
		subTypes:    []string{detailed, "SUMMARY_CHANNEL", "SUMMARY_INSTALL_TYPE", "SUMMARY_TERRITORY"},
		frequencies: []string{yearly},
		version:     "1_1",
		field:       rowsField,
		deprecated:  true,
	},
	{reportType: "FIRST_ANNUAL", subTypes: []string{detailed}, frequencies: []string{daily},
		version: "1_0", field: rowsField},
	{reportType: "FIRST_ANNUAL", subTypes: []string{summary}, frequencies: []string{yearly},
		version: "1_0", field: rowsField},
}

// kindOf finds what a request asks for, and fills in what it leaves out.
func kindOf(reportType, subType, frequency string) (k kind, sub, freq string, err error) {
	if reportType == "" {
		reportType = "SALES"
	}
	var types, subs, freqs []string
	for _, k := range kinds {
		if types = append(types, k.reportType); k.reportType != reportType {
			continue
		}
		subs, freqs = append(subs, k.subTypes...), append(freqs, k.frequencies...)
		if (subType == "" || slices.Contains(k.subTypes, subType)) &&
			(frequency == "" || slices.Contains(k.frequencies, frequency)) {
			if sub = subType; sub == "" {
				sub = k.subTypes[0]
			}
			if freq = frequency; freq == "" {
				freq = k.frequencies[0]
			}
			return k, sub, freq, nil
		}
	}
	switch {
	case subs == nil:
		return k, "", "", fault.Invalid("report_type", "want one of %s", words(types))
	case subType != "" && !slices.Contains(subs, subType):
		return k, "", "", fault.Invalid("report_sub_type", "%s has %s", reportType, words(subs))
	case frequency != "" && !slices.Contains(freqs, frequency):
		return k, "", "", fault.Invalid("frequency", "%s has %s", reportType, words(freqs))
	}
	return k, "", "", fault.Invalid("frequency", "%s has no %s that is %s", reportType, subType, frequency)
}

// words lists words once each.
func words(list []string) string {
	var once []string
	for _, w := range list {
		if !slices.Contains(once, w) {
			once = append(once, w)
		}
	}
	return strings.Join(once, ", ")
}

// financeKinds are the reports of what Apple pays.
var financeKinds = map[string]struct {
	field, region string
	grammar       table.Grammar
}{
	"FINANCIAL":      {"financial", "ZZ", table.Financial},
	"FINANCE_DETAIL": {"finance_detail", "Z1", table.FinanceDetail},
}

// regions are those of finance reports.
const regions = "US AU BR BG CA CL CN CO CZ HR DK EG HK HU IN ID IL JP KZ KR MY MX NZ NG NO PK PE PH PL QA RO RU SG " +
	"ZA SA SE CH TW TH TR AE GB TZ VN EU LL AP WW ZZ Z1"

// analyticsKinds are the reports with messages of their own, by how their names
// begin, and how they end.
var analyticsKinds = []struct {
	name, field string
	ends        []string
}{
	{"App Downloads", "downloads", both},
	{"App Store Discovery and Engagement", "engagement", both},
	{"App Sessions", "sessions", both},
	{"App Store Installation and Deletion", "installations", both},
	{"App Store Purchases", "purchases", both},
	{"App Crashes", "crashes", []string{"", " Expanded"}},
}

var both = []string{" Standard", " Detailed"}

// analyticsField is the field of the response for the rows of a report.
func analyticsField(report string) string {
	for _, k := range analyticsKinds {
		if end, ok := strings.CutPrefix(report, k.name); ok && slices.Contains(k.ends, end) {
			return k.field
		}
	}
	return rowsField
}
