package gateway

import (
	"errors"
	"io"
	"math/big"
	"strings"
	"testing"

	reportsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/reports/v1"
)

// sums are exact numbers by what they are of.
type sums map[string]*big.Rat

func (s sums) add(of string, n *big.Rat) {
	if s[of] == nil {
		s[of] = new(big.Rat)
	}
	s[of].Add(s[of], n)
}

// differ lists what is not the same in both, a few at most.
func (s sums) differ(other sums) (out []string) {
	for of, n := range s {
		if m := other[of]; (m == nil && n.Sign() != 0 || m != nil && m.Cmp(n) != 0) && len(out) < 5 {
			out = append(out, of+" "+n.FloatString(4))
		}
	}
	for of, m := range other {
		if s[of] == nil && m.Sign() != 0 && len(out) < 10 {
			out = append(out, of+" is only there")
		}
	}
	return out
}

func rat(t *testing.T, text string) *big.Rat {
	t.Helper()
	n, ok := new(big.Rat).SetString(text)
	if !ok {
		t.Fatalf("no number: %q", text)
	}
	return n
}

// sold sums a sales report: units by product, country, type, price and promotion, and
// proceeds by currency.
func (w *world) sold(t *testing.T, req *reportsv1.StreamSalesReportRequest) (units, proceeds sums, files int) {
	t.Helper()
	units, proceeds = sums{}, sums{}
	req.VendorNumber = vendor
	stream, err := reportsv1.NewReportServiceClient(w.conn).StreamSalesReport(t.Context(), req)
	for err == nil {
		var m *reportsv1.StreamSalesReportResponse
		if m, err = stream.Recv(); err != nil {
			break
		}
		if m.GetFile() != nil {
			files++
		}
		for _, r := range m.GetSales() {
			n := rat(t, r.GetUnits())
			units.add(strings.Join([]string{r.GetAppleIdentifier(), r.GetCountryCode(), r.GetProductTypeIdentifier(),
				r.GetCustomerPrice(), r.GetCustomerCurrency(), r.GetPromoCode(), r.GetDevice(), r.GetSubscription()}, "|"), n)
			proceeds.add(r.GetCurrencyOfProceeds(), new(big.Rat).Mul(n, rat(t, r.GetDeveloperProceeds())))
		}
	}
	if !errors.Is(err, io.EOF) {
		t.Fatalf("%v: %v", req, err)
	}
	return units, proceeds, files
}

// TestSumsOfDays: the days of a week, of a month and of a fiscal month say together
// what the weekly, the monthly and the finance report say: not one unit and not one
// hundredth is lost between Apple's files and the rows.
func TestSumsOfDays(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		days, whole *reportsv1.StreamSalesReportRequest
		files       int
	}{
		"a week": {&reportsv1.StreamSalesReportRequest{From: "2026-11-09", To: "2026-11-15"},
			&reportsv1.StreamSalesReportRequest{Frequency: "WEEKLY", From: "2026-11-15"}, 7},
		"a month": {&reportsv1.StreamSalesReportRequest{From: "2026-10-01", To: "2026-10-31"},
			&reportsv1.StreamSalesReportRequest{Frequency: "MONTHLY", From: "2026-10"}, 31},
	} {
		days, earned, files := w.sold(t, c.days)
		whole, all, one := w.sold(t, c.whole)
		if files != c.files || one != 1 || len(days) < 100 || len(earned) < 5 {
			t.Fatalf("%s: %d files, %d, %d products, %d currencies", name, files, one, len(days), len(earned))
		}
		if wrong := days.differ(whole); wrong != nil {
			t.Errorf("%s: units: %q", name, wrong)
		}
		if wrong := earned.differ(all); wrong != nil {
			t.Errorf("%s: proceeds: %q", name, wrong)
		}
	}
}

// TestSumsOfAFiscalMonth: what Apple pays is what the days of its fiscal month earned.
func TestSumsOfAFiscalMonth(t *testing.T) {
	w := newWorld(t)
	_, earned, files := w.sold(t, &reportsv1.StreamSalesReportRequest{From: "2026-08-30", To: "2026-09-26"})
	paid := sums{}
	stream, err := reportsv1.NewReportServiceClient(w.conn).StreamFinanceReport(t.Context(),
		&reportsv1.StreamFinanceReportRequest{VendorNumber: vendor, From: "2026-12"})
	for err == nil {
		var m *reportsv1.StreamFinanceReportResponse
		if m, err = stream.Recv(); err == nil {
			for _, r := range m.GetFinancial() {
				paid.add(r.GetPartnerShareCurrency(), rat(t, r.GetExtendedPartnerShare()))
			}
		}
	}
	if !errors.Is(err, io.EOF) || files != 28 || len(paid) < 5 {
		t.Fatalf("%d files, %d currencies: %v", files, len(paid), err)
	}
	if wrong := paid.differ(earned); wrong != nil {
		t.Errorf("%q", wrong)
	}
}
