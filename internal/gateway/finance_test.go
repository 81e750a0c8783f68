package gateway

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

const detailReport = "Vendor Name\tExample Inc.\nStart Date\t11/02/2025\nEnd Date\t11/29/2025\n" +
	"Transaction Date\tSettlement Date\tApple Identifier\tSKU\tTitle\tDeveloper Name\tProduct Type Identifier\t" +
	"Country of Sale\tQuantity\tPartner Share\tExtended Partner Share\tPartner Share Currency\tCustomer Price\t" +
	"Customer Currency\tSale or Return\tPromo Code\tOrder Type\tRegion\n" +
	"11/03/2025\t11/05/2025\t1500004000\tPRO\tTrail \"Pro\"\tExample Inc.\tIA1\tUS\t2\t2.09\t4.18\tUSD\t2.990\tUSD\tS\n" +
	"11/04/2025\t11/05/2025\t1500004000\tPRO\tTrail \"Pro\"\tExample Inc.\tIA1\tUS\t-1\t2.09\t-2.09\tUSD\t2.990\tUSD\tR\t\t\tUS\n"

const financialReport = "Start Date\tEnd Date\tVendor Identifier\tQuantity\tExtended Partner Share\tSales or Return\tTitle\tCountry Of Sale\n" +
	"11/02/2025\t11/29/2025\tPRO\t3\t6.27\tS\tTrail\tUS\nTotal_Rows\t1\nCountry Of Sale\tPartner Share Currency\tQuantity\tExtended Partner Share\n" +
	"US\tUSD\t3\t6.27\n"

// TestFinanceReports: the rows between what stands around them, of every month.
func TestFinanceReports(t *testing.T) {
	b := newBureau(t, gives("/v1/financeReports", func(date string, q url.Values) (int, string) {
		switch {
		case date == "2025-12":
			return 404, "There were no sales for the date specified."
		case q.Get("filter[reportType]") == "FINANCE_DETAIL" && q.Get("filter[regionCode]") == "Z1":
			return 200, detailReport
		case q.Get("filter[reportType]") == "FINANCIAL" && q.Get("filter[regionCode]") == "ZZ":
			return 200, financialReport
		}
		return 400, "wrong region"
	}))
	const path = "/ascgateway/v1/reports/finance?vendorNumber=8"
	code, _, body := b.do(t, "GET", path+"&reportType=FINANCE_DETAIL&from=2026-02", "")
	lines := bytes.Split(bytes.TrimSpace(body), []byte("\n"))
	var row map[string]any
	if code != 200 || len(lines) != 2 || json.Unmarshal(lines[0], &row) != nil {
		t.Fatalf("%d %s", code, body)
	}
	for name, want := range map[string]any{"report_date": "2026-02", "transaction_date": "2025-11-03", "title": `Trail "Pro"`,
		"customer_price": "2.990", "sale_or_return": "S", "region": nil, "extended_partner_share": "4.18"} {
		if row[name] != want {
			t.Errorf("%s: %v", name, row[name])
		}
	}
	code, _, body = b.do(t, "GET", path+"&from=2025-11&to=2026-02", "")
	if code != 200 || strings.Count(string(body), "\n") != 3 || strings.Contains(string(body), "Total_Rows") ||
		!strings.Contains(string(body), `"sale_or_return":"S"`) || strings.Contains(string(body), "2025-12") {
		t.Errorf("%d %s", code, body)
	}
	_, _, body = b.do(t, "GET", path+"&reportType=FINANCE_DETAIL&from=2026-02", "", "Accept", "text/event-stream")
	if !strings.Contains(string(body), `"Vendor Name":"Example Inc."`) {
		t.Errorf("the preamble is not told: %s", body)
	}
	before := b.requests()
	for query, reason := range map[string]string{
		"&from=2036-01":               "REPORT_NOT_READY",
		"&from=2026-13":               "INVALID_REQUEST",
		"&from=2026-01&regionCode=XX": "INVALID_REQUEST",
		"&from=2026-01&regionCode=Z1": "INVALID_REQUEST",
		"&from=2026-01&reportType=FINANCE_DETAIL&regionCode=US": "INVALID_REQUEST",
		"&from=2026-01&reportType=TAX":                          "INVALID_REQUEST",
		"&from=":                                                "INVALID_REQUEST",
		"&from=2026-01&to=2025-01":                              "INVALID_REQUEST",
	} {
		if code, _, body := b.do(t, "GET", path+query, ""); code < 400 || !strings.Contains(string(body), reason) {
			t.Errorf("%s: %d %s", query, code, body)
		}
	}
	if b.requests() != before {
		t.Error("Apple is asked what is wrong by itself")
	}
}

// TestReportsOfTheSandbox: every combination that there is can be asked for.
func TestReportsOfTheSandbox(t *testing.T) {
	w := newWorld(t)
	_, _, body := w.do(t, "GET", "/ascgateway/v1/reports/catalog", "")
	var catalog struct{ Reports []map[string]any }
	if err := json.Unmarshal(body, &catalog); err != nil || len(catalog.Reports) < 30 {
		t.Fatalf("%v %s", err, body)
	}
	dates := map[string]string{"DAILY": "2026-11-20", "WEEKLY": "2026-11-15", "MONTHLY": "2026-10", "YEARLY": "2025"}
	for _, r := range catalog.Reports {
		q := url.Values{"vendorNumber": {"80012345"}, "reportType": {r["reportType"].(string)}, "from": {"2026-01"}}
		if r["family"] == "sales" {
			q.Set("reportSubType", r["reportSubType"].(string))
			q.Set("frequency", r["frequency"].(string))
			q.Set("from", dates[r["frequency"].(string)])
		}
		if r["family"] == "analytics" {
			continue // by an app
		}
		if code, _, body := w.do(t, "GET", "/ascgateway/v1/reports/"+r["family"].(string)+"?"+q.Encode(), ""); code != 200 {
			t.Errorf("%v: %d %s", q, code, body)
		}
	}
}
