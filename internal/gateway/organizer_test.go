package gateway

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"

	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	reportsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/reports/v1"
	"github.com/parquet-go/parquet-go"
)

const (
	metricsPath     = "/ascgateway/v1/reports/power-metrics?"
	diagnosticsPath = "/ascgateway/v1/reports/diagnostics?"
)

// TestPowerMetrics: each point that Apple gives of an app is one row, in every form.
func TestPowerMetrics(t *testing.T) {
	w := newWorld(t)
	apple, err := metadatav1.NewAppsServiceClient(w.conn).ListAppPerfPowerMetrics(t.Context(),
		&metadatav1.ListAppPerfPowerMetricsRequest{Id: trailMix})
	if err != nil {
		t.Fatal(err)
	}
	points := 0
	for _, c := range apple.GetXcodeMetrics().GetProductData()[0].GetMetricCategories() {
		for _, m := range c.GetMetrics() {
			for _, d := range m.GetDatasets() {
				points += len(d.GetPoints())
			}
		}
	}
	stream, err := reportsv1.NewReportServiceClient(w.conn).StreamPowerMetrics(t.Context(),
		&reportsv1.StreamPowerMetricsRequest{App: trailMix})
	var rows []*reportsv1.PowerMetricRow
	for err == nil {
		var m *reportsv1.StreamPowerMetricsResponse
		if m, err = stream.Recv(); err == nil {
			rows = append(rows, m.GetPowerMetrics()...)
		}
	}
	if err != io.EOF || points == 0 || len(rows) != points {
		t.Fatalf("%d rows of %d points: %v", len(rows), points, err)
	}
	seen := map[string]bool{}
	for _, r := range rows {
		seen[r.GetCategory()] = true
		if r.GetOf() != trailMix || r.GetValue() == "" || r.GetVersion() == "" || r.GetDevice() == "" || r.GetUnit() == "" ||
			r.GetGoal() == "" || r.GetPlatform() != "iOS" ||
			!strings.HasPrefix(r.GetPercentile(), "percentile.") {
			t.Fatalf("%v", r)
		}
	}
	if len(seen) != 8 {
		t.Errorf("categories: %v", seen)
	}
	path := metricsPath + "app=" + trailMix
	_, _, body := w.do(t, "GET", path, "")
	if n := bytes.Count(body, []byte("\n")); n != points {
		t.Errorf("%d lines", n)
	}
	_, _, body = w.do(t, "GET", path, "", "Accept", "text/csv")
	if table, err := csv.NewReader(bytes.NewReader(body)).ReadAll(); err != nil || len(table) != points+1 ||
		table[1][slices.Index(table[0], "value")] != rows[0].GetValue() {
		t.Errorf("%v %.300s", err, body)
	}
	_, _, body = w.do(t, "GET", path, "", "Accept", "application/vnd.apache.parquet")
	if f, err := parquet.OpenFile(bytes.NewReader(body), int64(len(body))); err != nil || f.NumRows() != int64(points) {
		t.Errorf("%v", err)
	}
}

// TestPowerMetricsAreFiltered by metric and device, of an app and of a build; what is
// asked wrongly is told.
func TestPowerMetricsAreFiltered(t *testing.T) {
	w := newWorld(t)
	build := w.sandbox.IDs("builds")[0]
	for query, want := range map[string]struct {
		code int
		only string
	}{
		"app=" + trailMix + "&metricType=MEMORY":                           {200, `"category":"MEMORY"`},
		"app=" + trailMix + "&deviceType=" + url.QueryEscape("iPhone17,1"): {200, `"device":"iPhone17,1"`},
		"build=" + build:                        {200, `"of":"` + build + `"`},
		"build=" + build + "&metricType=HANG":   {200, `"category":"HANG"`},
		"":                                      {400, ""},
		"app=1&build=2":                         {400, ""},
		"app=" + trailMix + "&metricType=NOISE": {400, ""},
		"app=404":                               {404, ""},
	} {
		code, _, body := w.do(t, "GET", metricsPath+query, "")
		if code != want.code {
			t.Errorf("%s: %d %.300s", query, code, body)
		}
		if lines := bytes.Count(body, []byte("\n")); want.only != "" &&
			(lines == 0 || bytes.Count(body, []byte(want.only)) != lines) {
			t.Errorf("%s: %d lines: %.300s", query, lines, body)
		}
	}
}

// TestDiagnostics: each log of each signature of a build is a row, with its stack and
// the frame to blame.
func TestDiagnostics(t *testing.T) {
	w := newWorld(t)
	path := diagnosticsPath + "build=" + w.sandbox.IDs("builds")[0]
	type row struct {
		SignatureID  string `json:"signature_id"`
		Type         string `json:"diagnostic_type"`
		Signature    string
		Weight       string
		BundleID     string `json:"bundle_id"`
		BlamedSymbol string `json:"blamed_symbol"`
		CallStacks   string `json:"call_stacks"`
		EventDetail  string `json:"event_detail"`
		WritesCaused string `json:"writes_caused"`
	}
	read := func(query string) (rows []row) {
		code, _, body := w.do(t, "GET", path+query, "")
		for line := range strings.Lines(string(body)) {
			var r row
			if err := json.Unmarshal([]byte(line), &r); err != nil || code != 200 || !json.Valid([]byte(r.CallStacks)) {
				t.Fatalf("%d %v %s", code, err, line)
			}
			rows = append(rows, r)
		}
		return rows
	}
	all, types := read(""), map[string]int{}
	for _, r := range all {
		types[r.Type]++
		if r.SignatureID == "" || r.Weight == "" || r.BundleID == "" || r.EventDetail == "" ||
			r.Signature != r.BlamedSymbol || (r.Type == "DISK_WRITES") != (r.WritesCaused != "") {
			t.Fatalf("%+v", r)
		}
	}
	if len(types) == 0 {
		t.Fatal("no diagnostics")
	}
	for kind, n := range types {
		if got := read("&diagnosticType=" + kind); len(got) != n {
			t.Errorf("%s: %d rows of %d", kind, len(got), n)
		}
	}
	signatures := map[string]bool{}
	for _, r := range all {
		signatures[r.SignatureID] = true
	}
	if got := read("&logs=1"); len(got) != len(signatures) || len(got) == len(all) {
		t.Errorf("one log of each of %d: %d of %d", len(signatures), len(got), len(all))
	}
	for query, want := range map[string]int{"&logs=201": 400, "&logs=-1": 400, "&diagnosticType=NOISE": 400} {
		if code, _, body := w.do(t, "GET", path+query, ""); code != want {
			t.Errorf("%s: %d %.300s", query, code, body)
		}
	}
	if code, _, body := w.do(t, "GET", diagnosticsPath+"build=404", ""); code != 404 {
		t.Errorf("%d %.300s", code, body)
	}
}
