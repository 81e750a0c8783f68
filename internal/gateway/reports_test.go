package gateway

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	reportsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/reports/v1"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"github.com/parquet-go/parquet-go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// bureau is a world whose reports are those of a test.
type bureau struct {
	*world
	mu    sync.Mutex
	asked []url.Values
}

// newBureau answers paths of Apple's by give; what it does not answer, a sandbox does.
func newBureau(t testing.TB, give func(w http.ResponseWriter, r *http.Request) bool) *bureau {
	t.Helper()
	return newBureauWith(t, Deps{}, give)
}

func newBureauWith(t testing.TB, deps Deps, give func(w http.ResponseWriter, r *http.Request) bool) *bureau {
	t.Helper()
	box, err := sandbox.Open(sandbox.World{NoRules: true})
	if err != nil {
		t.Fatal(err)
	}
	private, err := box.NewKey("KEY")
	if err != nil {
		t.Fatal(err)
	}
	b := &bureau{}
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		b.asked = append(b.asked, r.URL.Query())
		b.mu.Unlock()
		if !give(w, r) {
			box.ServeHTTP(w, r)
		}
	}))
	b.world = serveWorld(t, box, upstream, ringOf(private), deps)
	return b
}

func (b *bureau) requests() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.asked)
}

func gzipped(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.Bytes()
}

// gives answers requests of sales or finance reports by their date.
func gives(
	path string,
	by func(date string, q url.Values) (int, string),
) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != path {
			return false
		}
		code, body := by(r.URL.Query().Get("filter[reportDate]"), r.URL.Query())
		if code != http.StatusOK {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_, _ = fmt.Fprintf(w, `{"errors":[{"id":"1","status":"%d","code":%q,"title":"No","detail":%q}]}`, code,
				map[int]string{404: "NOT_FOUND", 400: "PARAMETER_ERROR.INVALID", 403: "FORBIDDEN_ERROR"}[code], body)
			return true
		}
		w.Header().Set("Content-Type", "application/a-gzip")
		w.Header().Set("Content-Disposition", "attachment; filename=S_D_1.txt.gz")
		_, _ = w.Write(gzipped(body))
		return true
	}
}

// sales reads a sales report over gRPC: rows by the date of their file, and the files.
func (b *bureau) sales(
	t *testing.T, req *reportsv1.StreamSalesReportRequest,
) (rows []*reportsv1.SalesRow, files []*reportsv1.ReportFile, err error) {
	t.Helper()
	stream, err := reportsv1.NewReportServiceClient(b.conn).StreamSalesReport(t.Context(), req)
	for err == nil {
		var m *reportsv1.StreamSalesReportResponse
		if m, err = stream.Recv(); err == nil {
			rows = append(rows, m.GetSales()...)
			if m.GetFile() != nil {
				files = append(files, m.GetFile())
			}
			if len(m.GetSales()) > 500 {
				t.Errorf("a message of %d rows", len(m.GetSales()))
			}
		}
	}
	if err == io.EOF {
		err = nil
	}
	return rows, files, err
}

const salesHead = "Provider\tTitle\tUnits\tDeveloper Proceeds\tBegin Date\tSomething New\n"

// TestSalesOfARange: the files of a range come in order, with every cell in its
// place, and what Apple has nothing of is told as empty.
func TestSalesOfARange(t *testing.T) {
	b := newBureau(t, gives("/v1/salesReports", func(date string, q url.Values) (int, string) {
		if q.Get("filter[version]") != "1_0" || q.Get("filter[frequency]") != "DAILY" ||
			q.Get("filter[reportSubType]") != "SUMMARY" {
			t.Errorf("%v", q)
		}
		if date == "2026-10-30" {
			return 404, "There were no sales for the date specified."
		}
		if date == "2026-10-28" { // the first is the last to be there
			time.Sleep(50 * time.Millisecond)
		}
		return 200, salesHead + strings.Repeat("APPLE\tThe \"Trail\", part 1\t-1.00\t0.70\t10/31/2026\tnew\n", 600) +
			"APPLE\t \t12345678901234567890.123456789\t\t\t\n"
	}))
	rows, files, err := b.sales(
		t,
		&reportsv1.StreamSalesReportRequest{VendorNumber: "8", From: "2026-10-28", To: "2026-11-03"},
	)
	if err != nil || len(files) != 7 || len(rows) != 6*601 || b.requests() != 7 {
		t.Fatalf("%d files, %d rows, %d requests: %v", len(files), len(rows), b.requests(), err)
	}
	at := 0
	for i, f := range files {
		day := time.Date(2026, 10, 28+i, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
		if f.GetReportDate() != day || f.GetVersion() != "1_0" || f.GetFrequency() != "DAILY" {
			t.Errorf("%v", f)
		}
		if day == "2026-10-30" {
			if f.GetState() != reportsv1.ReportStateEnum_EMPTY {
				t.Errorf("%v", f)
			}
			continue
		}
		if f.GetState() != reportsv1.ReportStateEnum_PRESENT || len(f.GetColumns()) != 6 ||
			f.GetFilename() != "S_D_1.txt.gz" {
			t.Errorf("%v", f)
		}
		first, last := rows[at], rows[at+600]
		at += 601
		if first.GetReportDate() != day || first.GetTitle() != `The "Trail", part 1` || first.GetUnits() != "-1.00" ||
			first.GetBeginDate() != "2026-10-31" || first.GetExtra()["Something New"] != "new" || len(first.GetExtra()) != 1 {
			t.Fatalf("%v", first)
		}
		if last.GetTitle() != "" || last.GetUnits() != "12345678901234567890.123456789" || last.GetExtra() != nil {
			t.Fatalf("%v", last)
		}
	}
}

const salesPath = "/ascgateway/v1/reports/sales?vendorNumber=8&reportType=SALES&reportSubType=SUMMARY&frequency=DAILY"

// TestSalesOverREST: each row is a line of JSON, of CSV, or a row of Parquet.
func TestSalesOverREST(t *testing.T) {
	b := newBureau(t, gives("/v1/salesReports", func(date string, _ url.Values) (int, string) {
		return 200, salesHead + "APPLE\tA \"quoted\", \\ title é\t2\t0.70\t10/31/2026\t\nAPPLE\tB\t3\t0.30\t\tnew\n"
	}))
	path := salesPath + "&from=2026-11-01&to=2026-11-03"
	code, h, body := b.do(t, "GET", path, "")
	lines := strings.Split(strings.TrimSpace(string(body)), "\n")
	if code != 200 || len(lines) != 6 || h.Get("Content-Type") != "application/x-ndjson" {
		t.Fatalf("%d %v %s", code, h, body)
	}
	var row struct {
		ReportDate string            `json:"report_date"`
		Title      string            `json:"title"`
		Units      string            `json:"units"`
		Extra      map[string]string `json:"extra"`
	}
	if err := json.Unmarshal([]byte(lines[4]), &row); err != nil || row.Title != `A "quoted", \ title é` ||
		row.ReportDate != "2026-11-03" || row.Units != "2" || row.Extra != nil {
		t.Errorf("%s %v", lines[4], err)
	}
	if err := json.Unmarshal([]byte(lines[5]), &row); err != nil || row.Extra["Something New"] != "new" {
		t.Errorf("%s %v", lines[5], err)
	}
	code, h, body = b.do(t, "GET", path, "", "Accept", "text/csv")
	table, err := csv.NewReader(bytes.NewReader(body)).ReadAll()
	if code != 200 || err != nil || len(table) != 7 || h.Get("Content-Type") != "text/csv" ||
		table[0][0] != "report_date" || table[1][slices.Index(table[0], "title")] != `A "quoted", \ title é` ||
		table[2][len(table[0])-1] != `{"Something New":"new"}` {
		t.Errorf("%d %v %v %s", code, err, h, body)
	}
	code, h, body = b.do(t, "GET", path, "", "Accept", "application/vnd.apache.parquet")
	file, err := parquet.OpenFile(bytes.NewReader(body), int64(len(body)))
	if code != 200 || err != nil || file.NumRows() != 6 || h.Get("Content-Type") != "application/vnd.apache.parquet" {
		t.Fatalf("%d %v %v", code, err, h)
	}
	code, _, body = b.do(t, "GET", path, "", "Accept", "text/event-stream")
	if code != 200 || !bytes.HasPrefix(body, []byte(`data: {"file":{"report`)) {
		t.Errorf("%d %s", code, body)
	}
}

// TestReportsThatAreNotThere: not yet, nothing, no more and wrong are told apart.
func TestReportsThatAreNotThere(t *testing.T) {
	b := newBureau(t, gives("/v1/salesReports", func(date string, q url.Values) (int, string) {
		switch {
		case q.Get("filter[vendorNumber]") == "9":
			return 403, "This vendor is not yours"
		case date == "2020-01-01":
			return 404, "The report is no longer available."
		case date == "2026-11-01":
			return 404, "Report is not available yet. Daily reports for the Americas are available by 5 am Pacific Time."
		case date == "2026-11-02":
			return 404, "There were no sales for the date specified."
		}
		return 200, salesHead
	}))
	today := time.Now().UTC().Add(24 * time.Hour).Format(time.DateOnly)
	for query, want := range map[string]struct {
		code   int
		reason string
		retry  bool
		asked  int
	}{
		"&from=2026-11-01":                             {503, "REPORT_NOT_READY", true, 1},
		"&from=" + today:                               {503, "REPORT_NOT_READY", true, 0},
		"&from=2020-01-01":                             {400, "REPORT_NO_LONGER_KEPT", false, 1},
		"&from=2026-11-02":                             {200, "", false, 1},
		"&from=2026-11-03":                             {200, "", false, 1},
		"&from=2026-11":                                {400, "INVALID_REQUEST", false, 0},
		"&from=2026-11-03&to=2026-11-02":               {400, "INVALID_REQUEST", false, 0},
		"&from=2020-01-01&to=2026-11-02":               {400, "INVALID_REQUEST", false, 0},
		"&from=2026-11-03&version=x&reportType=SOLD":   {400, "", false, 0},
		"&from=2026-11-03&frequency=HOURLY":            {400, "", false, 0},
		"&from=2026-11-03&nonsense=1":                  {400, "INVALID_REQUEST", false, 0},
		"&from=2026-11-03&vendorNumber=9":              {400, "", false, 0},
		"&from=2026-11-03&vendorNumber=" + longer(100): {400, "", false, 0},
	} {
		before := b.requests()
		code, h, body := b.do(t, "GET", salesPath+query, "")
		if code != want.code || !strings.Contains(string(body), want.reason) ||
			(h.Get("Retry-After") != "") != want.retry {
			t.Errorf("%s: %d %v %s", query, code, h, body)
		}
		if got := b.requests() - before; got != want.asked {
			t.Errorf("%s: %d requests", query, got)
		}
	}
	code, _, body := b.do(t, "GET", strings.Replace(salesPath, "=8", "=9", 1)+"&from=2026-11-03", "")
	if code != 403 || !strings.Contains(string(body), "This vendor is not yours") {
		t.Errorf("%d %s", code, body)
	}
}

func longer(n int) string { return strings.Repeat("1", n) }

// TestARangeThatIsNotAllThere gives what is there, and then says what is not.
func TestARangeThatIsNotAllThere(t *testing.T) {
	b := newBureau(t, gives("/v1/salesReports", func(date string, q url.Values) (int, string) {
		if date == "2026-11-03" {
			return 404, "Report is not available yet."
		}
		return 200, salesHead + "APPLE\tB\t3\t0.30\t\tnew\n"
	}))
	rows, files, err := b.sales(
		t,
		&reportsv1.StreamSalesReportRequest{VendorNumber: "8", From: "2026-11-01", To: "2026-11-03"},
	)
	if len(rows) != 2 || len(files) != 2 || status.Code(err) != codes.Unavailable {
		t.Errorf("%d %d %v", len(rows), len(files), err)
	}
	_, _, body := b.do(t, "GET", salesPath+"&from=2026-11-01&to=2026-11-03", "")
	if lines := strings.Split(strings.TrimSpace(string(body)), "\n"); len(lines) != 3 ||
		!strings.HasPrefix(lines[2], `{"error":`) || !strings.Contains(lines[2], "REPORT_NOT_READY") {
		t.Errorf("%s", body)
	}
	r, err := http.NewRequest("GET", b.rest+salesPath+"&from=2026-11-01&to=2026-11-03", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/csv")
	res, err := b.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, bufio.NewReader(res.Body)); err == nil {
		t.Error("CSV that is not whole looks whole")
	}
}

// TestFilesAsAppleSendsThem: with Content-Encoding: agzip, which is none; and cut off.
func TestFilesAsAppleSendsThem(t *testing.T) {
	whole := gzipped(salesHead + strings.Repeat("APPLE\tB\t3\t0.30\t\tnew\n", 5000))
	b := newBureau(t, func(w http.ResponseWriter, r *http.Request) bool {
		file := whole
		switch r.URL.Query().Get("filter[reportDate]") {
		case "2026-11-01":
			w.Header().Set("Content-Encoding", "agzip")
		case "2026-11-02":
			w.Header().Set("Content-Encoding", "gzip")
			file = gzipped(string(whole))
		case "2026-11-03":
			file = whole[:len(whole)/2]
		case "2026-11-04":
			file = nil
		}
		if r.URL.Path != "/v1/salesReports" {
			return false
		}
		w.Header().Set("Content-Type", "application/a-gzip")
		_, _ = w.Write(file)
		return true
	})
	for date, want := range map[string]string{"2026-11-01": "", "2026-11-02": "", "2026-11-03": "REPORT_TRUNCATED",
		"2026-11-04": "REPORT_MALFORMED"} {
		rows, _, err := b.sales(t, &reportsv1.StreamSalesReportRequest{VendorNumber: "8", From: date})
		if why(err) != want || want == "" && len(rows) != 5000 {
			t.Errorf("%s: %d rows, %v", date, len(rows), err)
		}
	}
}

// TestVersionsAreCorrectedOnce by what Apple answers, unless the caller names one.
func TestVersionsAreCorrectedOnce(t *testing.T) {
	b := newBureau(t, gives("/v1/salesReports", func(date string, q url.Values) (int, string) {
		if v := q.Get("filter[version]"); v != "1_7" {
			return 400, "The version " + v + " is not valid. The latest version for this report is 1_7."
		}
		return 200, "App Name\tSubscribers\nTrail Mix\t12\n"
	}))
	path := "/ascgateway/v1/reports/sales?vendorNumber=8&reportType=SUBSCRIPTION&from=2026-11-01&to=2026-11-06"
	code, _, body := b.do(t, "GET", path, "")
	if code != 200 || strings.Count(string(body), "\n") != 6 || b.requests() != 7 {
		t.Errorf("%d %d requests %s", code, b.requests(), body)
	}
	code, _, body = b.do(t, "GET", path+"&version=1_2", "")
	if code != 400 || !strings.Contains(string(body), "1_7") {
		t.Errorf("%d %s", code, body)
	}
}
