package reports

import (
	"unicode"

	reportsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/reports/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// bound is a field of a request, with how many bytes it takes.
type bound struct {
	field, value string
	most         int
	required     bool
}

// check says what is wrong with the fields of a request by themselves.
func check(list ...bound) error {
	for _, b := range list {
		switch {
		case b.required && b.value == "":
			return fault.Invalid(b.field, "value is required")
		case len(b.value) > b.most:
			return fault.Invalid(b.field, "must be at most %d bytes", b.most)
		}
		for _, r := range b.value {
			if unicode.IsControl(r) || r == ',' && b.field != "report" || r == unicode.ReplacementChar {
				return fault.Invalid(b.field, "holds a character that no such value has")
			}
		}
	}
	return nil
}

func checkSales(r *reportsv1.StreamSalesReportRequest) error {
	return check(
		bound{"vendor_number", r.GetVendorNumber(), 32, true},
		bound{"report_type", r.GetReportType(), 64, false},
		bound{"report_sub_type", r.GetReportSubType(), 64, false},
		bound{"frequency", r.GetFrequency(), 16, false},
		bound{
			"from",
			r.GetFrom(),
			10,
			true,
		},
		bound{"to", r.GetTo(), 10, false},
		bound{"version", r.GetVersion(), 16, false},
	)
}

func checkFinance(r *reportsv1.StreamFinanceReportRequest) error {
	return check(
		bound{"vendor_number", r.GetVendorNumber(), 32, true},
		bound{"report_type", r.GetReportType(), 64, false},
		bound{
			"region_code",
			r.GetRegionCode(),
			8,
			false,
		},
		bound{"from", r.GetFrom(), 7, true},
		bound{"to", r.GetTo(), 7, false},
	)
}

func checkAnalytics(r *reportsv1.StreamAnalyticsReportRequest) error {
	return check(bound{"app", r.GetApp(), 64, true}, bound{"report", r.GetReport(), 128, true},
		bound{"granularity", r.GetGranularity(), 16, false}, bound{"from", r.GetFrom(), 10, false},
		bound{"to", r.GetTo(), 10, false}, bound{"access_type", r.GetAccessType(), 32, false},
		bound{"resume_token", r.GetResumeToken(), maxToken, false})
}
