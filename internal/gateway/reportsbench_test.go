package gateway

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	reportsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/reports/v1"
	kgzip "github.com/klauspost/compress/gzip"
)

const fullHead = "Provider\tProvider Country\tSKU\tDeveloper\tTitle\tVersion\tProduct Type Identifier\tUnits\tDeveloper Proceeds\t" +
	"Begin Date\tEnd Date\tCustomer Currency\tCountry Code\tCurrency of Proceeds\tApple Identifier\tCustomer Price\tPromo Code\t" +
	"Parent Identifier\tSubscription\tPeriod\tCategory\tCMB\tDevice\tSupported Platforms\tProceeds Reason\tPreserved Pricing\tClient\t" +
	"Order Type\n"

// bigReport is a packed sales report of n rows.
func bigReport(n int) []byte {
	var b bytes.Buffer
	z, _ := kgzip.NewWriterLevel(&b, kgzip.BestSpeed) // the level is valid
	_, _ = io.WriteString(z, fullHead)
	for i := range n {
		_, _ = fmt.Fprintf(
			z,
			"APPLE\tUS\tcom.example.trailmix.pro%d\tExample Inc.\tTrail Mix Pro %d\t1.%d\tIAY\t%d\t%d.09\t11/01/2026\t11/01/2026\t"+
				"USD\tUS\tUSD\t1500%06d\t%d.99\t \tcom.example.trailmix\tNew\t1 Month\tUtilities\t \tiPhone\tiOS\tRate After One Year\t \t \t \n",
			i%97,
			i%89,
			i%30,
			i%7+1,
			i%40,
			i%999_999,
			i%50,
		)
	}
	_ = z.Close()
	return b.Bytes()
}

// salesLine is a struct like the message, filled by its columns' places.
type salesLine struct {
	ReportDate string
	Cells      [28]string
}

// BenchmarkReportRows is a day of sales at its client: from the gateway as messages,
// and by encoding/csv and compress/gzip from the file.
func BenchmarkReportRows(b *testing.B) {
	const rows = 200_000
	file := bigReport(rows)
	big := newBureau(b, func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/v1/salesReports" {
			return false
		}
		w.Header().Set("Content-Type", "application/a-gzip")
		_, _ = w.Write(file)
		return true
	})
	client := reportsv1.NewReportServiceClient(big.conn)
	b.Run("gateway", func(b *testing.B) {
		for b.Loop() {
			stream, err := client.StreamSalesReport(
				b.Context(),
				&reportsv1.StreamSalesReportRequest{VendorNumber: "8", From: "2026-11-01"},
			)
			if err != nil {
				b.Fatal(err)
			}
			n := 0
			for {
				m, err := stream.Recv()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					b.Fatal(err)
				}
				n += len(m.GetSales())
			}
			if n != rows {
				b.Fatalf("%d rows", n)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
	})
	b.Run("encoding/csv", func(b *testing.B) {
		for b.Loop() {
			res, err := big.http.Get(big.address + "/v1/salesReports?" + url.Values{"x": {"y"}}.Encode())
			if err != nil {
				b.Fatal(err)
			}
			n := readCSV(b, res.Body)
			res.Body.Close()
			if n != rows {
				b.Fatalf("%d rows", n)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
	})
}

func readCSV(b *testing.B, body io.Reader) (n int) {
	z, err := gzip.NewReader(body)
	if err != nil {
		b.Fatal(err)
	}
	r := csv.NewReader(z)
	r.Comma, r.LazyQuotes = '\t', true
	if _, err := r.Read(); err != nil {
		b.Fatal(err)
	}
	batch := make([]salesLine, 0, 500)
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			b.Fatal(err)
		}
		line := salesLine{ReportDate: "2026-11-01"}
		for i, c := range record {
			if c = strings.TrimSpace(c); i == 9 || i == 10 {
				c = c[6:] + "-" + c[:2] + "-" + c[3:5]
			}
			line.Cells[i] = c
		}
		if batch = append(batch, line); len(batch) == cap(batch) {
			batch = make([]salesLine, 0, 500)
		}
		n++
	}
}

// TestReportsInConstantMemory reads reports of many rows, and looks at what stays in
// memory: of the gateway, and here of its caller and of Apple too.
func TestReportsInConstantMemory(t *testing.T) {
	const rows, days = 100_000, 4
	file := bigReport(rows)
	b := newBureau(t, func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/v1/salesReports" {
			return false
		}
		w.Header().Set("Content-Type", "application/a-gzip")
		_, _ = w.Write(file)
		return true
	})
	heap := func() uint64 {
		live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		runtime.GC()
		metrics.Read(live)
		return live[0].Value.Uint64()
	}
	idle, most := heap(), uint64(0)
	var stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !stop.Load() {
			most = max(most, heap())
			time.Sleep(20 * time.Millisecond)
		}
	}()
	stream, err := reportsv1.NewReportServiceClient(b.conn).StreamSalesReport(t.Context(),
		&reportsv1.StreamSalesReportRequest{VendorNumber: "8", From: "2026-11-01", To: "2026-11-04"})
	n := 0
	for err == nil {
		var m *reportsv1.StreamSalesReportResponse
		m, err = stream.Recv()
		n += len(m.GetSales())
	}
	stop.Store(true)
	<-done
	if !errors.Is(err, io.EOF) || n != rows*days {
		t.Fatalf("%d rows, %v", n, err)
	}
	over := float64(int64(most)-int64(idle)) / (1 << 20)
	t.Logf("%d rows: %.1f MiB over idle", n, over)
	if over > 64 { // the rows themselves have 120 MiB
		t.Errorf("%.1f MiB over idle", over)
	}
}
