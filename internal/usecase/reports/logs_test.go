package reports

import (
	"errors"
	"strings"
	"testing"

	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	reportsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/reports/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/usecase/reports/table"
	"google.golang.org/protobuf/encoding/protojson"
)

// someLogs has two logs, and members that nobody knows.
const someLogs = `{"version":"1.0","more":[{"a":1}],"productData":[{"signatureId":"S","diagnosticInsights":[],
"diagnosticLogs":[
 {"diagnosticMetaData":{"bundleId":"b","osVersion":"iPhone OS 26.1","newField":{"x":1},"eventDetail":null},"extra":7,
  "callStackTree":[{"callStackPerThread":true,"callStacks":[{"callStackRootFrames":[
   {"symbolName":"main","binaryName":"dyld","subFrames":[{"symbolName":"f \"q\"","binaryName":"App","isBlameFrame":true}]}]}]}]},
 {"diagnosticMetaData":{"event":"hangs"},"callStackTree":null}]},{"diagnosticLogs":null}]}`

func logsOf(file string) (rows []*reportsv1.DiagnosticRow, err error) {
	err = readLogs(strings.NewReader(file), func(l *diagnosticLog) error {
		rows = append(rows, l.row(&reportsv1.DiagnosticRow{SignatureId: "S"}))
		return nil
	})
	return rows, err
}

// TestLogs: every member of a log has its place, in a row or in extra.
func TestLogs(t *testing.T) {
	rows, err := logsOf(someLogs)
	if err != nil || len(rows) != 2 {
		t.Fatalf("%v %v", rows, err)
	}
	a, b := rows[0], rows[1]
	if a.GetSignatureId() != "S" || a.GetBundleId() != "b" || a.GetOsVersion() != "iPhone OS 26.1" ||
		a.GetEventDetail() != "" || a.GetExtra()["newField"] != `{"x":1}` || len(a.GetExtra()) != 1 ||
		a.GetBlamedSymbol() != `f "q"` || a.GetBlamedBinary() != "App" || !strings.HasPrefix(a.GetCallStacks(), `[{"call`) {
		t.Errorf("%v", a)
	}
	if b.GetEvent() != "hangs" || b.GetCallStacks() != "" || b.GetBlamedSymbol() != "" || b.GetExtra() != nil {
		t.Errorf("%v", b)
	}
}

// TestLogsThatAreNone: a file that is cut off anywhere, of another form or too long is
// an error that says so.
func TestLogsThatAreNone(t *testing.T) {
	for n := range len(someLogs) - 1 {
		if _, err := logsOf(someLogs[:n]); fault.As(err).Reason != table.ReasonTruncated {
			t.Fatalf("cut off at %d: %v", n, err)
		}
	}
	long := `{"productData":[{"diagnosticLogs":[{"diagnosticMetaData":{"event":"` + strings.Repeat(
		"x",
		2*logMost,
	) + `"}}]}]}`
	for _, file := range []string{"[]", "7", `{"productData":{}}`, `{"productData":[7]}`, `{"productData":[{"diagnosticLogs":"x"}]}`,
		`{"productData":[{"diagnosticLogs":[7]}]}`, `{"productData":[{"diagnosticLogs":[{"diagnosticMetaData":7}]}]}`,
		`{"productData" 1}`, "<html>", long} {
		if _, err := logsOf(file); fault.As(err).Reason != table.ReasonMalformed {
			t.Errorf("%.80s: %v", file, err)
		}
	}
	away := errors.New("the caller went away")
	if err := readLogs(strings.NewReader(someLogs), func(*diagnosticLog) error { return away }); err != away {
		t.Errorf("%v", err)
	}
}

// TestMetricRows: every number keeps its digits, and what is not told is empty.
func TestMetricRows(t *testing.T) {
	m := &typesv1.XcodeMetrics{}
	if err := protojson.Unmarshal([]byte(`{"productData":[{"platform":"iOS","metricCategories":[{"identifier":"MEMORY",
"metrics":[{"identifier":"peakMemory","unit":{"identifier":"megabytes","displayName":"MB"},"datasets":[
 {"filterCriteria":{"percentile":"percentile.fifty","device":"all_iphones","deviceMarketingName":"All iPhones"},
  "recommendedMetricGoal":{"value":250,"detail":"Below 250 MB"},
  "points":[{"version":"1.0","value":0.1,"errorMargin":0,"goal":"good",
   "percentageBreakdown":[{"subSystemLabel":"Audio","value":12.5}]},{"version":"1.1"}]},
 {"points":[{"version":"2","value":123456789.125}]}]}]}]}]}`), m); err != nil {
		t.Fatal(err)
	}
	rows := metricRows(m, "1")
	if len(rows) != 3 {
		t.Fatalf("%v", rows)
	}
	a, b, c := rows[0], rows[1], rows[2]
	if a.GetOf() != "1" || a.GetCategory() != "MEMORY" || a.GetMetric() != "peakMemory" || a.GetUnitName() != "MB" ||
		a.GetValue() != "0.1" || a.GetErrorMargin() != "0" || a.GetRecommendedValue() != "250" ||
		a.GetExtra()["Audio"] != "12.5" || a.GetDeviceName() != "All iPhones" || a.GetPlatform() != "iOS" {
		t.Errorf("%v", a)
	}
	if b.GetVersion() != "1.1" || b.GetValue() != "" || b.GetErrorMargin() != "" ||
		b.GetPercentile() != a.GetPercentile() {
		t.Errorf("%v", b)
	}
	if c.GetValue() != "123456789.125" || c.GetRecommendedValue() != "" || c.GetDevice() != "" ||
		c.GetUnit() != "megabytes" {
		t.Errorf("%v", c)
	}
}
