package sandbox

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/sandbox/internal/sales"
)

// unpacked is the text of a report.
func unpacked(t *testing.T, r io.Reader) string {
	t.Helper()
	z, err := gzip.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// salesPath asks for a sales report.
func salesPath(kind, sub, frequency, more string) string {
	return "/v1/salesReports?filter[vendorNumber]=85000000&filter[reportType]=" + kind + "&filter[reportSubType]=" + sub +
		"&filter[frequency]=" + frequency + more
}

// TestEveryReport is there in each of its versions and frequencies, the same each time,
// with as many cells in its rows as in its header.
func TestEveryReport(t *testing.T) {
	c := newClient(t, World{NoAuth: true, HourLimit: 1 << 20})
	for _, x := range salesTypes() {
		for _, frequency := range x.frequencies {
			for _, version := range x.versions {
				path := salesPath(x.kind, x.sub, frequency, "&filter[version]="+version)
				if x.kind == "SUBSCRIPTION_OFFER_CODE_REDEMPTION" { // there are few: the last day that has one
					path += "&filter[reportDate]=" + c.lastDay(t, path)
				}
				w := c.raw("GET", path, "")
				if x.kind == "PRE_ORDER" || x.kind == "NEWSSTAND" { // nothing in this world is either
					if w.Code != 404 || !strings.Contains(w.Body.String(), noSales) {
						t.Errorf("%s: %d %s", path, w.Code, w.Body)
					}
					continue
				}
				if w.Code != 200 || w.Header().Get("x-reports-download-version") != version {
					t.Fatalf("%s: %d %v %s", path, w.Code, w.Header(), w.Body)
				}
				text := unpacked(t, w.Body)
				if again := unpacked(t, c.raw("GET", path, "").Body); again != text {
					t.Errorf("%s answers another report the second time", path)
				}
				lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
				head := max(0, x.before-2)
				for _, line := range lines[head:] {
					if strings.Count(line, "\t") != strings.Count(lines[head], "\t") {
						t.Fatalf("%s: %q is of another width", path, line)
					}
				}
			}
		}
	}
}

// lastDay is the last day of which there is a report.
func (c *client) lastDay(t *testing.T, path string) string {
	t.Helper()
	for back := range 60 {
		day := c.now.AddDate(0, 0, -1-back).Format(time.DateOnly)
		if c.raw("GET", path+"&filter[reportDate]="+day, "").Code == 200 {
			return day
		}
	}
	t.Fatalf("%s: nothing in 60 days", path)
	return ""
}

// TestReportsRefused: what is wrong is refused in Apple's words.
func TestReportsRefused(t *testing.T) {
	c := newClient(t, World{NoAuth: true, HourLimit: 1 << 20}) // it is 2026-05-01, 5 am Pacific time
	const finance = "/v1/financeReports?filter[vendorNumber]=85000000&filter[reportDate]="
	const summary = "SUMMARY"
	for _, x := range []struct {
		path   string
		status int
		says   string
	}{
		{salesPath("SUBSCRIPTION", summary, "DAILY", ""), 400, "The latest version for this report is 1_4."},
		{salesPath("SUBSCRIPTION", summary, "DAILY", "&filter[version]=1_3"), 400, "The latest version for this report is 1_4."},
		{salesPath("SUBSCRIPTION", summary, "DAILY", "&filter[version]=1_4"), 200, ""},
		{salesPath("SALES", "DETAILED", "DAILY", ""), 400, "filter[reportSubType]"},
		{salesPath("SUBSCRIBER", "DETAILED", "WEEKLY", "&filter[version]=1_3"), 400, "filter[frequency]"},
		{salesPath("SALES", summary, "DAILY", "&filter[reportDate]=garbage"), 400, "filter[reportDate]"},
		{salesPath("SALES", summary, "MONTHLY", "&filter[reportDate]=2026-03-01"), 400, "filter[reportDate]"},
		{salesPath("SALES", summary, "YEARLY", "&filter[reportDate]=2025-01"), 400, "filter[reportDate]"},
		{salesPath("SALES", summary, "WEEKLY", "&filter[reportDate]=2026-04-25"), 400, "Sunday"},
		{salesPath("SALES", summary, "WEEKLY", "&filter[reportDate]=2026-04-26"), 200, ""},
		{salesPath("SALES", summary, "MONTHLY", "&filter[reportDate]=2026-03"), 200, ""},
		{salesPath("SALES", summary, "MONTHLY", "&filter[reportDate]=2026-04"), 404, "not available yet"},
		{salesPath("SALES", summary, "YEARLY", "&filter[reportDate]=2026"), 404, "not available yet"},
		{salesPath("SALES", summary, "DAILY", "&filter[reportDate]=2026-05-01"), 404, notYet},
		{salesPath("SALES", summary, "DAILY", "&filter[reportDate]=2020-05-01"), 410, "no longer available"},
		{salesPath("SALES", summary, "YEARLY", "&filter[reportDate]=2020"), 404, noSales},
		{strings.Replace(salesPath("SALES", summary, "DAILY", ""), "85000000", "x", 1), 400, "Invalid vendor number"},
		{finance + "2026-03&filter[regionCode]=QQ&filter[reportType]=FINANCIAL", 400, "filter[regionCode]"},
		{finance + "2026-03&filter[regionCode]=Z1&filter[reportType]=FINANCIAL", 400, "filter[regionCode]"},
		{finance + "2026-03&filter[regionCode]=ZZ&filter[reportType]=FINANCE_DETAIL", 400, "filter[regionCode]"},
		{finance + "2026-03&filter[regionCode]=Z1&filter[reportType]=FINANCE_DETAIL", 200, ""},
		{finance + "2026-03-01&filter[regionCode]=ZZ&filter[reportType]=FINANCIAL", 400, "filter[reportDate]"},
		{finance + "2026-08&filter[regionCode]=ZZ&filter[reportType]=FINANCIAL", 404, "not available yet"},
		{finance + "2020-01&filter[regionCode]=ZZ&filter[reportType]=FINANCIAL", 404, "no sales"},
	} {
		w := c.raw("GET", x.path, "")
		if w.Code != x.status || !strings.Contains(w.Body.String(), x.says) {
			t.Errorf("%s: %d %.300s, want %d %q", x.path, w.Code, w.Body, x.status, x.says)
		}
	}
	c.now = c.now.Add(-time.Second) // before the reports of the day are made
	newest := salesPath("SALES", summary, "DAILY", "")
	if w := c.raw("GET", newest+"&filter[reportDate]=2026-04-30", ""); w.Code != 404 {
		t.Errorf("a report before 5 am: %d", w.Code)
	}
	if name := c.raw("GET", newest, "").Header().Get("x-reports-filename"); name != "S_D_85000000_20260429.txt.gz" {
		t.Errorf("the newest is %s", name)
	}
}

// TestReportHeaders are Apple's: agzip undoes nothing, and the names are the file's.
func TestReportHeaders(t *testing.T) {
	s := New(t, World{})
	get := func() (*http.Response, error) {
		return s.Client().Get(s.URL + salesPath("SUBSCRIPTION_EVENT", "SUMMARY", "DAILY", "&filter[version]=1_3"))
	}
	res, err := get()
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	name := res.Header.Get("x-reports-filename")
	for header, want := range map[string]string{
		"Content-Type":               "application/a-gzip",
		"Content-Encoding":           "agzip",
		"Content-Disposition":        "attachment;filename=" + name,
		"x-reports-download-version": "1_3",
	} {
		if got := res.Header.Get(header); got != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
	if !strings.HasPrefix(name, "Subscription_Event_85000000_2") || !strings.HasSuffix(name, "_V1_3.txt.gz") ||
		res.Header.Get("requestId") == "" {
		t.Errorf("%v", res.Header)
	}
	if text := unpacked(t, res.Body); !strings.HasPrefix(text, "Event Date\tEvent\t") {
		t.Errorf("%.100s", text)
	}
	s.AddFault(Fault{Path: "/v1/salesReports", Truncate: true, Count: 1})
	cut, err := get()
	if err != nil {
		t.Fatal(err)
	}
	defer cut.Body.Close()
	if n, err := io.Copy(io.Discard, cut.Body); err != io.ErrUnexpectedEOF || n == 0 || n >= cut.ContentLength {
		t.Errorf("%d of %d bytes of a truncated report: %v", n, cut.ContentLength, err)
	}
}

// TestReportsFollowTheWorld: names, prices, states and the volume.
func TestReportsFollowTheWorld(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	path := salesPath("SALES", "SUMMARY", "DAILY", "")
	const name = `Berge "Größe" & 山`
	if before := unpacked(t, c.raw("GET", path, "").Body); strings.Contains(before, name) ||
		!strings.Contains(before, "\tTrail Mix\t") {
		t.Errorf("%.500s", before)
	}
	c.store.get("apps", trailMix).attrs["name"] = name
	if after := unpacked(t, c.raw("GET", path, "").Body); !strings.Contains(after, "\t"+name+"\t") {
		t.Errorf("the name is not in it: %.500s", after)
	}
	for _, v := range c.store.all("appStoreVersions") {
		v.attrs["appVersionState"] = "PREPARE_FOR_SUBMISSION"
	}
	if w := c.raw("GET", path, ""); w.Code != 404 || !strings.Contains(w.Body.String(), noSales) {
		t.Errorf("apps that are in no store sell: %d", w.Code)
	}
	empty := newClient(t, World{NoAuth: true, Empty: true})
	if w := empty.raw("GET", path, ""); w.Code != 404 {
		t.Errorf("an empty world sells: %d", w.Code)
	}
	for volume, want := range map[float64]bool{-1: false, 0.5: true} {
		some := newClient(t, World{NoAuth: true, Sales: volume})
		if w := some.raw("GET", path, ""); (w.Code == 200) != want {
			t.Errorf("volume %v: %d", volume, w.Code)
		}
	}
}

// TestSalesPage shows what the reports tell.
func TestSalesPage(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	w := c.raw("GET", "/sales", "")
	body := w.Body.String()
	for _, want := range []string{"<svg", "<rect", "Premium Monthly", "2026-04-30", "subscriptions"} {
		if w.Code != 200 || !strings.Contains(body, want) {
			t.Errorf("%d: the page does not say %q", w.Code, want)
		}
	}
	v := c.salesView(t.Context())
	units := 0
	for d := range pictureDays {
		date := (v.From.Time().AddDate(0, 0, d)).Format(time.DateOnly)
		text := unpacked(t, c.raw("GET", salesPath("SALES", "SUMMARY", "DAILY", "&filter[reportDate]="+date), "").Body)
		for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n")[1:] {
			cells := strings.Split(line, "\t")
			var n int
			if _, err := fmt.Sscan(cells[7], &n); err != nil {
				t.Fatal(err)
			}
			if n > 0 && strings.Trim(cells[15], "0.") != "" {
				units += n
			}
		}
	}
	if units != v.Units || v.Subscribers == 0 {
		t.Errorf("%d units in the reports, %d on the page, %d subscribers", units, v.Units, v.Subscribers)
	}
}

// TestReportDocs holds the table of docs/sandbox/reports.md to the reports: every one, with
// its header.
func TestReportDocs(t *testing.T) {
	const name = "../docs/sandbox/reports.md"
	have, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, World{NoAuth: true, HourLimit: 1 << 20})
	var b strings.Builder
	b.WriteString("| report | frequencies | versions | header |\n| --- | --- | --- | --- |\n")
	row := func(report, frequencies, versions, header string) {
		fmt.Fprintf(
			&b,
			"| %s | %s | %s | %s |\n",
			report,
			frequencies,
			versions,
			strings.ReplaceAll(header, "\t", " · "),
		)
	}
	header := func(write func(w io.Writer) error, line int) string {
		var text strings.Builder
		if err := write(&text); err != nil {
			t.Fatal(err)
		}
		return strings.Split(text.String(), "\n")[line]
	}
	m := c.market(false)
	day := sales.Span{From: m.Start, To: m.Start}
	for _, x := range salesTypes() {
		row("`"+x.kind+"` `"+x.sub+"`", strings.Join(x.frequencies, ", "), strings.Join(x.versions, ", "),
			header(func(w io.Writer) error { return x.write(m, w, day) }, max(0, x.before-2)))
	}
	row("`FINANCIAL`", "fiscal months", "", strings.Join(sales.FinanceColumns, "\t"))
	row("`FINANCE_DETAIL`", "fiscal months", "", strings.Join(sales.FinanceDetailColumns, "\t"))
	for _, a := range sales.Analytics {
		row(a.Name+", "+a.Category, "DAILY, WEEKLY, MONTHLY", "", strings.Join(a.Columns, "\t"))
	}
	want := between(t, string(have), "reports", b.String())
	if want == string(have) {
		return
	}
	if !*update {
		t.Fatal("the table of docs/sandbox/reports.md is stale: go test ./sandbox -run TestReportDocs -update")
	}
	if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestOrderedAhead: an app that can be ordered before it is sold has orders until then,
// and sales from then on; a magazine has a report of its own.
func TestOrderedAhead(t *testing.T) {
	c := newClient(t, World{NoAuth: true, HourLimit: 1 << 20})
	app := c.store.get("apps", trailMix)
	availability := c.store.related(app, "appAvailabilityV2")[0]
	for _, x := range c.store.related(availability, "territoryAvailabilities") {
		x.attrs["available"], x.attrs["preOrderEnabled"] = true, true
		x.attrs["preOrderPublishDate"], x.attrs["releaseDate"] = "2026-04-01", "2026-04-20"
	}
	for date, want := range map[string]int{"2026-03-31": 404, "2026-04-01": 200, "2026-04-19": 200, "2026-04-20": 404} {
		w := c.raw("GET", salesPath("PRE_ORDER", "SUMMARY", "DAILY", "&filter[reportDate]="+date), "")
		if w.Code != want {
			t.Errorf("%s: %d, want %d", date, w.Code, want)
		}
	}
	sold := func(date string) bool {
		w := c.raw("GET", salesPath("SALES", "SUMMARY", "DAILY", "&filter[reportDate]="+date), "")
		return w.Code == 200 && strings.Contains(unpacked(t, w.Body), "\tTrail Mix\t")
	}
	if sold("2026-04-19") || !sold("2026-04-20") {
		t.Error("it is not sold from its release on")
	}
	c.store.set(c.store.related(app, "appInfos")[0], "primaryCategory", []string{"MAGAZINES_AND_NEWSPAPERS"})
	w := c.raw("GET", salesPath("NEWSSTAND", "DETAILED", "WEEKLY", ""), "")
	if text := unpacked(t, w.Body); w.Code != 200 || !strings.Contains(text, "\tMagazines & Newspapers\n") {
		t.Errorf("%d %.300s", w.Code, text)
	}
}
