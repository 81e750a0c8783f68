package gateway

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	enumsv1 "github.com/asc-gateway/asc-gateway/gen/asc/enums/v1"
	reportingv1 "github.com/asc-gateway/asc-gateway/gen/asc/reporting/v1"
	reportsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/reports/v1"
	tokensv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/tokens/v1"
	"github.com/asc-gateway/asc-gateway/internal/tokens"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// vendor is that of the sandbox.
const vendor = "80012345"

const reportRules = `
- {name: rows, principals: ["token:rows"], methods: [reports, "ascgateway.tokens.v1.*/*"], teams: [team], apps: all}
- {name: people, principals: ["token:people"], methods: [personal], teams: [team], apps: all}
- {name: both, principals: ["token:both"], methods: [reports, personal], teams: [team], apps: all}
- {name: reader, principals: ["token:reader"], methods: [read], except: [personal], teams: [team], apps: all}
- {name: kept, principals: ["token:kept"], methods: [reports, personal], teams: [team], apps: ["1500004000"]}
- {name: none, principals: ["token:none"], methods: [reports, personal], teams: [team], apps: ["1999999999"]}
- {name: org, principals: ["token:org"], methods: [reports], teams: [team], org: true, apps: ["1500004000"]}
`

func newReportRights(t *testing.T) *guarded {
	t.Helper()
	return newGuarded(t, sandbox.World{}, reportRules, "rows", "people", "both", "reader", "kept", "none", "org")
}

// TestPersonalReports: what tells of single people is a right of its own on every
// face, whatever method asks for it; the other reports do not need it.
func TestPersonalReports(t *testing.T) {
	g := newReportRights(t)
	apple := httptest.NewServer(g.gateway.Passthrough)
	defer apple.Close()
	const own = "/ascgateway/v1/reports/"
	raw := func(reportType, sub, version string) string {
		return "/v1/salesReports?" + url.Values{"filter[vendorNumber]": {vendor}, "filter[reportType]": {reportType},
			"filter[reportSubType]": {sub}, "filter[frequency]": {"DAILY"}, "filter[reportDate]": {"2026-11-20"},
			"filter[version]": {version}}.Encode()
	}
	const day = "vendorNumber=" + vendor + "&from=2026-11-20"
	hidden := "/v1/salesReports?extra_query[filter[reportType]]=SUBSCRIBER&" +
		strings.TrimPrefix(raw("SALES", "SUMMARY", "1_0"), "/v1/salesReports?")
	counts := map[string]int{"rows": 200, "people": 403, "both": 200, "reader": 200}
	people := map[string]int{"rows": 403, "people": 200, "both": 200, "reader": 403}
	for path, want := range map[string]map[string]int{
		own + "sales?" + day:                                                             counts,
		own + "sales?reportType=SUBSCRIPTION&" + day:                                     counts,
		own + "sales?reportType=SUBSCRIBER&" + day:                                       people,
		own + "sales?reportType=NEWSSTAND&" + day:                                        people,
		own + "subscribers?" + day:                                                       people,
		own + "subscribers?reportType=NEWSSTAND&" + day:                                  people,
		raw("SALES", "SUMMARY", "1_0"):                                                   counts,
		raw("SUBSCRIBER", "DETAILED", "1_3"):                                             people,
		raw("NEWSSTAND", "DETAILED", "1_0"):                                              {"rows": 403, "people": 404},
		hidden:                                                                           {"rows": 403, "reader": 403},
		"/v1/apps/" + trailMix + "/betaFeedbackCrashSubmissions":                         people,
		own + "finance?vendorNumber=" + vendor + "&from=2026-01":                         counts,
		own + "subscribers?reportType=SALES&vendorNumber=" + vendor + "&from=2026-11-20": {"both": 400, "rows": 403},
	} {
		for name, code := range want {
			faces := []string{g.rest}
			if strings.HasPrefix(path, "/v1/") && path != hidden {
				faces = append(faces, apple.URL)
			}
			for _, face := range faces {
				g.world.rest = face
				if got, _, body := g.do(t, "GET", path, "", g.as(name)...); got != code {
					t.Errorf("%s of %s%s: %d, want %d: %.300s", name, face, path, got, code, body)
				}
			}
			g.world.rest = faces[0]
		}
	}
}

// outgoing is the context of a caller over gRPC.
func (g *guarded) outgoing(t *testing.T, name string) context.Context {
	return metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+g.tokens[name])
}

// TestPersonalReportsOverGRPC: the type is looked at, known or not, and so is a token
// of Apple's that would be good for every type.
func TestPersonalReportsOverGRPC(t *testing.T) {
	g := newReportRights(t)
	for reportType, want := range map[enumsv1.SalesReportReportTypeEnum_SalesReportReportType]codes.Code{
		enumsv1.SalesReportReportTypeEnum_SALES: codes.OK, enumsv1.SalesReportReportTypeEnum_SUBSCRIBER: codes.PermissionDenied,
		enumsv1.SalesReportReportTypeEnum_UNKNOWN: codes.PermissionDenied, 77: codes.PermissionDenied,
	} {
		stream, err := reportingv1.NewSalesReportsServiceClient(g.conn).ListSalesReports(g.outgoing(t, "rows"),
			&reportingv1.ListSalesReportsRequest{Filter: &reportingv1.ListSalesReportsRequest_Filter{
				VendorNumber: []string{vendor}, ReportDate: []string{"2026-11-20"}, Version: []string{"1_0"},
				ReportType: []enumsv1.SalesReportReportTypeEnum_SalesReportReportType{reportType},
				ReportSubType: []enumsv1.SalesReportReportSubTypeEnum_SalesReportReportSubType{
					enumsv1.SalesReportReportSubTypeEnum_SUMMARY,
				},
				Frequency: []enumsv1.SalesReportFrequencyEnum_SalesReportFrequency{
					enumsv1.SalesReportFrequencyEnum_DAILY,
				}}})
		if err == nil {
			_, err = stream.Recv()
		}
		if status.Code(err) != want {
			t.Errorf("%v: %v", reportType, err)
		}
		if want != codes.OK && !strings.Contains(err.Error(), "StreamSubscriberReport") {
			t.Errorf("%v: it does not say what is missing: %v", reportType, err)
		}
	}
	g.gateway.Tokens.Configure(tokens.Config{Enabled: true})
	_, err := tokensv1.NewTokenServiceClient(g.conn).MintToken(g.outgoing(t, "rows"),
		&tokensv1.MintTokenRequest{Scope: []string{"GET /v1/salesReports"}})
	if status.Code(err) != codes.PermissionDenied {
		t.Errorf("a token that is good for every report: %v", err)
	}
}

// soldRows reads a report over REST, by the method's path: its rows, and how many were
// left out.
func (g *guarded) soldRows(name, path string) (rows []map[string]string, leftOut int) {
	g.t.Helper()
	code, _, body := g.do(g.t, "GET", path, "", g.as(name)...)
	if code != 200 {
		g.t.Fatalf("%s of %s: %d %s", name, path, code, body)
	}
	for line := range strings.Lines(string(body)) {
		row := map[string]any{}
		if err := json.Unmarshal([]byte(line), &row); err != nil || row["error"] != nil {
			g.t.Fatalf("%v %s", err, line)
		}
		cells := map[string]string{}
		for k, v := range row {
			cells[k], _ = v.(string)
		}
		rows = append(rows, cells)
	}
	return rows, g.leftOut(name, path)
}

// leftOut is the trailer of a report.
func (g *guarded) leftOut(name, path string) int {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), "GET", g.rest+path, nil)
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+g.tokens[name])
	res, err := g.http.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		g.t.Fatal(err)
	}
	n, _ := strconv.Atoi(res.Trailer.Get("Asc-Left-Out")) // 0: it is not there
	return n
}

// TestRowsOfTheCallersApps: a caller that is kept to apps gets the rows of their sales
// and of the purchases in them, by Apple's ids; the others are counted.
func TestRowsOfTheCallersApps(t *testing.T) {
	g := newReportRights(t)
	const days = "vendorNumber=" + vendor + "&from=2026-11-19&to=2026-11-20"
	for path, mine := range map[string]func(row map[string]string) bool{
		"/ascgateway/v1/reports/sales?" + days: func(r map[string]string) bool {
			return r["apple_identifier"] == trailMix || r["parent_identifier"] == "SKU-100"
		},
		"/ascgateway/v1/reports/sales?reportType=SUBSCRIPTION&" + days: func(r map[string]string) bool {
			return r["app_apple_id"] == trailMix
		},
		"/ascgateway/v1/reports/subscribers?" + days: func(r map[string]string) bool {
			return r["app_apple_id"] == trailMix
		},
		"/ascgateway/v1/reports/finance?vendorNumber=" + vendor + "&from=2026-01": func(r map[string]string) bool {
			return r["apple_identifier"] == trailMix
		},
	} {
		all, none := g.soldRows("both", path)
		if len(all) == 0 || none != 0 {
			t.Fatalf("%s: %d rows, %d left out", path, len(all), none)
		}
		want := 0
		for _, row := range all {
			if mine(row) {
				want++
			}
		}
		got, leftOut := g.soldRows("kept", path)
		// In finance reports purchases do not say in which app: only rows of apps themselves are given.
		if want == 0 && !strings.Contains(path, "finance") || len(got) != want || leftOut != len(all)-want {
			t.Errorf("%s: %d rows and %d left out of %d, want %d", path, len(got), leftOut, len(all), want)
		}
		for _, row := range got {
			if !mine(row) {
				t.Fatalf("%s: %v", path, row)
			}
		}
		if got, leftOut := g.soldRows("none", path); len(got) != 0 || leftOut != len(all) {
			t.Errorf("%s: %d rows for a caller without any, %d left out", path, len(got), leftOut)
		}
	}
	path := "/ascgateway/v1/reports/sales?" + days
	all, _ := g.soldRows("both", path)
	if got, leftOut := g.soldRows("org", path); len(got) != len(all) || leftOut != 0 {
		t.Errorf("a caller with org: %d rows, %d left out", len(got), leftOut)
	}
	// The files themselves stay the organisation's.
	raw := "/v1/salesReports?filter[vendorNumber]=" + vendor + "&filter[reportType]=SALES&filter[reportSubType]=SUMMARY&" +
		"filter[frequency]=DAILY&filter[reportDate]=2026-11-20"
	if code, _, body := g.do(t, "GET", raw, "", g.as("kept")...); code != 403 ||
		!strings.Contains(string(body), "ORG_ONLY") {
		t.Errorf("the file: %d %s", code, body)
	}
	stream, err := reportsv1.NewReportServiceClient(g.conn).StreamSalesReport(g.outgoing(t, "kept"),
		&reportsv1.StreamSalesReportRequest{VendorNumber: vendor, From: "2026-11-19", To: "2026-11-20"})
	told := int64(0)
	for err == nil {
		var m *reportsv1.StreamSalesReportResponse
		m, err = stream.Recv()
		told += m.GetLeftOut()
	}
	if int(told) != g.leftOut("kept", path) || told == 0 {
		t.Errorf("gRPC tells of %d", told)
	}
}
