package sandbox

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/asc-gateway/asc-gateway/sandbox/internal/sales"
)

// Sales and trends, and financial reports. Apple: Download Sales and Trends Reports,
// Download Finance Reports; errors and headers as seen live.

// reportFile is a report that is made: its name, and what writes its rows.
type reportFile struct {
	name    string // "S_D_85000000_20261124.txt"
	version string
	write   func(w io.Writer) error
}

// vendorForm is how a vendor number looks.
var vendorForm = regexp.MustCompile(`^\d{1,10}$`)

// report answers with a sales or finance report.
func (c *call) report() []apiError {
	if !vendorForm.MatchString(c.one("filter[vendorNumber]")) {
		return []apiError{
			parameterError("INVALID", "filter[vendorNumber]", "Invalid vendor number specified. Try again."),
		}
	}
	find := c.salesReport
	if c.op.root() == "financeReports" {
		find = c.financeReport
	}
	f, errs := find()
	if len(errs) > 0 {
		return errs
	}
	c.rec.status = http.StatusOK
	for name, value := range map[string]string{
		"Content-Type":               c.op.Produces[0],
		"Content-Encoding":           "agzip", // which undoes nothing: the body is the .gz file itself
		"Content-Disposition":        "attachment;filename=" + f.name + ".gz",
		"x-reports-filename":         f.name + ".gz",
		"x-reports-download-version": f.version,
		"requestId":                  c.s.store.newID(""),
	} {
		c.rec.header.Set(name, value)
	}
	c.rec.stream = packing(f.write)
	return nil
}

// packing compresses what is written.
func packing(write func(w io.Writer) error) func(w io.Writer) error {
	return func(w io.Writer) error {
		z := gzip.NewWriter(w)
		if err := write(z); err != nil {
			return err
		}
		return z.Close()
	}
}

// one is the value of a parameter, "" if it is not given.
func (c *call) one(name string) string { return strings.Join(c.query[name], ",") }

// noReport is a report that is not there.
func noReport(detail string) []apiError {
	return []apiError{{
		Status: http.StatusNotFound,
		Code:   "NOT_FOUND",
		Title:  "The request expected results but none were found",
		Detail: detail,
	}}
}

// Answers about reports that are not there (seen live).
const (
	noSales = "There were no sales for the date specified."
	notYet  = "Report is not available yet. Daily reports for the Americas are available by 5 am Pacific Time; " +
		"Japan, Australia, and New Zealand by 5 am Japan Standard Time; and 5 am Central European Time for all " +
		"other territories."
)

// readyHour is when, Pacific time, the report of the day before is there.
const readyHour = 5

// financeReport finds the financial report that a request asks for.
func (c *call) financeReport() (f reportFile, errs []apiError) {
	region, date := c.one("filter[regionCode]"), c.one("filter[reportDate]")
	detail := c.one("filter[reportType]") == "FINANCE_DETAIL"
	known := region == "ZZ" || sales.Regions[region] != ""
	if detail {
		known = region == "Z1"
	}
	if !known {
		return f, []apiError{
			parameterError("INVALID", "filter[regionCode]", "Invalid region code specified. Try again."),
		}
	}
	t, err := time.Parse("2006-01", date)
	if err != nil {
		return f, []apiError{
			parameterError("INVALID", "filter[reportDate]", "Invalid report date specified. Try again."),
		}
	}
	span := sales.FiscalMonth(t.Year(), int(t.Month()))
	if c.now.Before((span.To + 6).At(readyHour)) { // Apple: the first Friday of the next fiscal month
		return f, noReport("Report is not available yet. Financial reports are available on the first Friday of " +
			"the following fiscal month.")
	}
	m := c.s.market(true)
	f = reportFile{name: fmt.Sprintf("%s_%s_%s.txt", c.one("filter[vendorNumber]"), t.Format("0106"), region)}
	f.version = "1_0"
	f.write = func(w io.Writer) error { return m.Finance(w, span, region) }
	if detail {
		f.write = func(w io.Writer) error { return m.FinanceDetail(w, span, developerName) }
	}
	dry := c.s.market(false)
	if dry.Unpaid(span, region) {
		return f, noReport("There were no sales for the date and region specified.")
	}
	return f, nil
}

// errRow ends a report at its first row.
var errRow = errors.New("there is a row")

// firstRow lets the lines before the first row of a report through, and ends it there.
type firstRow struct{ before int }

func (f *firstRow) Write(b []byte) (int, error) {
	n := len(b)
	for f.before > 0 {
		_, rest, ended := bytes.Cut(b, []byte("\n"))
		if !ended {
			return n, nil
		}
		f.before, b = f.before-1, rest
	}
	if len(b) > 0 {
		return 0, errRow
	}
	return n, nil
}

// hasRows says whether a report has a row after so many lines. It makes no more of it
// than that.
func hasRows(before int, write func(w io.Writer) error) bool {
	return errors.Is(write(&firstRow{before}), errRow)
}
