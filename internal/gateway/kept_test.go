package gateway

import (
	"net/url"
	"os"
	"path/filepath"
	"testing"

	reportsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/reports/v1"
	"github.com/asc-gateway/asc-gateway/internal/secrets"
	"google.golang.org/protobuf/proto"
)

// TestClosedDaysAreKept: a range that was read is read again without a request, also
// after a restart; a copy that is damaged is asked for again, and what is not over or
// not published is never kept.
func TestClosedDaysAreKept(t *testing.T) {
	deps := Deps{Secrets: secrets.New(), Reports: Reports{CacheDir: filepath.Join(t.TempDir(), "reports")}}
	give := gives("/v1/salesReports", func(date string, _ url.Values) (int, string) {
		if date == "2026-10-30" {
			return 404, "There were no sales for the date specified."
		}
		return 200, salesHead + "APPLE\t" + date + "\t1.00\t0.70\t10/31/2026\tnew\n"
	})
	req := &reportsv1.StreamSalesReportRequest{VendorNumber: "8", From: "2026-10-28", To: "2026-11-03"}
	var rows []*reportsv1.SalesRow
	var files []*reportsv1.ReportFile
	read := func(b *bureau, want int) {
		t.Helper()
		before := b.requests()
		r, f, err := b.sales(t, req)
		if err != nil {
			t.Fatal(err)
		}
		if n := b.requests() - before; n != want {
			t.Errorf("%d requests, want %d", n, want)
		}
		if rows == nil {
			rows, files = r, f
		}
		if !proto.Equal(&reportsv1.StreamSalesReportResponse{Sales: r}, &reportsv1.StreamSalesReportResponse{Sales: rows}) ||
			len(r) != 6 ||
			len(f) != len(files) {
			t.Errorf("%v, %v", r, f)
		}
		for i := range f {
			if !proto.Equal(f[i], files[i]) {
				t.Errorf("%v, and before %v", f[i], files[i])
			}
		}
	}
	b := newBureauWith(t, deps, give)
	read(b, 7)
	read(b, 0)
	b = newBureauWith(t, deps, give)
	read(b, 0)
	list, err := filepath.Glob(filepath.Join(deps.Reports.CacheDir, "*"))
	if err != nil || len(list) != 7 {
		t.Fatalf("%v %v", list, err)
	}
	if err := os.Truncate(list[3], 50); err != nil {
		t.Fatal(err)
	}
	read(b, 1)
	read(b, 0)
	req.VendorNumber = "9" // another's
	read(b, 7)
	deps.Secrets = secrets.New()
	read(newBureauWith(t, deps, give), 7)
}

// TestWhatIsWrongIsNotKept: a file that breaks off, and one with a wrong line, are
// asked for again.
func TestWhatIsWrongIsNotKept(t *testing.T) {
	deps := Deps{Secrets: secrets.New(), Reports: Reports{CacheDir: t.TempDir()}}
	bad := true
	b := newBureauWith(t, deps, gives("/v1/salesReports", func(string, url.Values) (int, string) {
		if bad {
			return 200, salesHead + "APPLE\ttoo few\n"
		}
		return 200, salesHead + "APPLE\tx\t1.00\t0.70\t10/31/2026\tnew\n"
	}))
	req := &reportsv1.StreamSalesReportRequest{VendorNumber: "8", From: "2026-10-28"}
	if _, _, err := b.sales(t, req); err == nil {
		t.Error("no error")
	}
	bad = false
	if rows, _, err := b.sales(t, req); err != nil || len(rows) != 1 {
		t.Errorf("%v %v", rows, err)
	}
	if list, _ := filepath.Glob(filepath.Join(deps.Reports.CacheDir, "*")); len(list) != 1 {
		t.Errorf("%v", list)
	}
}
