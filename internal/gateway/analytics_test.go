package gateway

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	reportsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/reports/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
)

// instance is one of a report: its processing date, and what its segments hold.
type instance struct {
	date     string
	segments []string
}

// analytics is what Apple has of one report.
type analytics struct {
	instances []instance
	stopped   bool
	none      bool                              // no request
	spoil     func(segment map[string]any)      // what Apple says of a segment
	file      func(http.ResponseWriter, []byte) // how a file is given
}

// give answers as Apple does.
func (a *analytics) give(t *testing.T) func(http.ResponseWriter, *http.Request) bool {
	list := func(w http.ResponseWriter, data ...any) bool {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"data": data, "links": map[string]any{"self": "/"}})
		return true
	}
	thing := func(typ, id string, attributes map[string]any) map[string]any {
		return map[string]any{"type": typ, "id": id, "attributes": attributes}
	}
	return func(w http.ResponseWriter, r *http.Request) bool {
		var n, k int
		switch path := r.URL.Path; {
		case path == "/v1/apps/1/analyticsReportRequests" && a.none:
			return list(w)
		case path == "/v1/apps/1/analyticsReportRequests":
			return list(
				w,
				thing("analyticsReportRequests", "old", map[string]any{"accessType": "ONE_TIME_SNAPSHOT"}),
				thing(
					"analyticsReportRequests",
					"R",
					map[string]any{"accessType": "ONGOING", "stoppedDueToInactivity": a.stopped},
				),
			)
		case path == "/v1/analyticsReportRequests/R/reports":
			return list(
				w,
				thing(
					"analyticsReports",
					"P",
					map[string]any{"name": "App Downloads Standard", "category": "COMMERCE"},
				),
			)
		case path == "/v1/analyticsReports/P/instances":
			var all []any
			for i, x := range a.instances {
				all = append(all, thing("analyticsReportInstances", fmt.Sprintf("I%d", i),
					map[string]any{"granularity": "DAILY", "processingDate": x.date}))
			}
			return list(w, all...)
		case scan(path, "/v1/analyticsReportInstances/I%d/segments", &n):
			var all []any
			for i, s := range a.instances[n].segments {
				file := gzipped(s)
				sum := md5.Sum(file)
				said := map[string]any{"checksum": hex.EncodeToString(sum[:]), "sizeInBytes": len(file),
					"url": fmt.Sprintf("http://%s/file/%d/%d", r.Host, n, i)}
				if a.spoil != nil {
					a.spoil(said)
				}
				all = append(all, thing("analyticsReportSegments", fmt.Sprintf("S%d-%d", n, i), said))
			}
			return list(w, all...)
		case scan(path, "/file/%d/%d", &n, &k):
			if r.Header.Get("Authorization") != "" {
				t.Error("a token went to the host of a file")
			}
			if a.file != nil {
				a.file(w, gzipped(a.instances[n].segments[k]))
				return true
			}
			_, _ = w.Write(gzipped(a.instances[n].segments[k]))
			return true
		}
		return false
	}
}

func scan(path, form string, into ...any) bool {
	n, err := fmt.Sscanf(path, form, into...)
	return err == nil && n == len(into)
}

const downloadsHead = "Date\tApp Apple Identifier\tDownload Type\tCounts\tNew Column\n"

// downloads reads the report over gRPC: "DATE TYPE COUNTS" of each row.
func (b *bureau) downloads(
	t *testing.T, req *reportsv1.StreamAnalyticsReportRequest, most int,
) (rows []string, tokens []string, err error) {
	t.Helper()
	req.App, req.Report = "1", "App Downloads Standard"
	stream, err := reportsv1.NewReportServiceClient(b.conn).StreamAnalyticsReport(t.Context(), req)
	for err == nil && (most == 0 || len(tokens) < most) {
		var m *reportsv1.StreamAnalyticsReportResponse
		if m, err = stream.Recv(); err == nil {
			for _, r := range m.GetDownloads() {
				rows = append(rows, r.GetDate()+" "+r.GetDownloadType()+" "+r.GetCounts())
			}
			if m.GetResumeToken() != "" {
				tokens = append(tokens, m.GetResumeToken())
			}
		}
	}
	if err == io.EOF {
		err = nil
	}
	return rows, tokens, err
}

// corrected is a report whose dates were corrected: whole, and with rows that went.
func corrected() *analytics {
	return &analytics{instances: []instance{
		{
			"2026-11-03",
			[]string{
				downloadsHead + "2026-11-01\t1\tFirst\t1\t\n2026-11-01\t1\tGone\t2\t\n2026-11-02\t1\tFirst\t3\t\n",
			},
		},
		{"2026-11-05", []string{downloadsHead + "2026-11-04\t1\tFirst\t9\tx\n"}},
		{"2026-11-04", []string{downloadsHead + "2026-11-01\t1\tFirst\t10\t\n2026-11-03\t1\tFirst\t4\t\n",
			downloadsHead + "2026-11-01\t1\tSecond\t11\t\n"}},
	}}
}

// TestTheNewestInstanceReplacesTheDate, all of it and from all of its segments.
func TestTheNewestInstanceReplacesTheDate(t *testing.T) {
	a := corrected()
	b := newBureau(t, a.give(t))
	rows, tokens, err := b.downloads(t, &reportsv1.StreamAnalyticsReportRequest{}, 0)
	want := "2026-11-04 First 9|2026-11-01 First 10|2026-11-03 First 4|2026-11-01 Second 11|2026-11-02 First 3"
	if got := strings.Join(rows, "|"); err != nil || got != want || len(tokens) != 3 {
		t.Fatalf("%s\n%s\n%d %v", got, want, len(tokens), err)
	}
	rows, _, err = b.downloads(t, &reportsv1.StreamAnalyticsReportRequest{From: "2026-11-02", To: "2026-11-03"}, 0)
	if got := strings.Join(rows, "|"); err != nil || got != "2026-11-03 First 4|2026-11-02 First 3" {
		t.Errorf("%s %v", got, err)
	}
	_, _, body := b.do(
		t,
		"GET",
		"/ascgateway/v1/reports/analytics?app=1&report=App+Downloads+Standard&from=2026-11-04",
		"",
	)
	if string(
		body,
	) != `{"report_date":"2026-11-05","date":"2026-11-04","app_apple_identifier":"1","download_type":"First","counts":"9",`+
		`"extra":{"New Column":"x"}}`+"\n" {
		t.Errorf("%s", body)
	}
}

// TestAWalkIsResumed after each instance: nothing is lost, and nothing comes twice;
// what was corrected since is told.
func TestAWalkIsResumed(t *testing.T) {
	a := corrected()
	b := newBureau(t, a.give(t))
	whole, _, err := b.downloads(t, &reportsv1.StreamAnalyticsReportRequest{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	var token string
	for n := 1; n <= 3; n++ {
		head, tokens, err := b.downloads(t, &reportsv1.StreamAnalyticsReportRequest{}, n)
		if err != nil {
			t.Fatal(err)
		}
		token = tokens[n-1]
		tail, _, err := b.downloads(t, &reportsv1.StreamAnalyticsReportRequest{ResumeToken: token}, 0)
		if got := append(head, tail...); err != nil || strings.Join(got, "|") != strings.Join(whole, "|") {
			t.Errorf("after %d: %v %v", n, got, err)
		}
	}
	_, _, err = b.downloads(t, &reportsv1.StreamAnalyticsReportRequest{ResumeToken: token, To: "2026-11-02"}, 0)
	if why(err) != "INVALID_RESUME_TOKEN" {
		t.Errorf("a token of another request: %v", err)
	}
	a.instances = append(a.instances, instance{"2026-11-06", []string{downloadsHead + "2026-11-04\t1\tFirst\t99\t\n"}})
	if _, _, err = b.downloads(t, &reportsv1.StreamAnalyticsReportRequest{ResumeToken: token}, 0); why(
		err,
	) != "REPORT_CORRECTED" {
		t.Errorf("a correction in the middle of a read: %v", err)
	}
}

// why is the reason of an error.
func why(err error) string {
	if err == nil {
		return ""
	}
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return fault.As(err).Reason
}

// TestSegmentsThatAreNot what Apple said end the read with the reason, and no token.
func TestSegmentsThatAreNot(t *testing.T) {
	foreign := httptest.NewServer(
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a foreign host is asked") }),
	)
	defer foreign.Close()
	a := &analytics{}
	b := newBureau(t, a.give(t))
	set := func(name string, value any) func(map[string]any) { return func(s map[string]any) { s[name] = value } }
	for name, c := range map[string]struct {
		a      analytics
		reason string
	}{
		"another checksum":  {analytics{spoil: set("checksum", strings.Repeat("0", 32))}, "REPORT_CHECKSUM"},
		"another size":      {analytics{spoil: set("sizeInBytes", 7)}, "REPORT_CHECKSUM"},
		"another host":      {analytics{spoil: set("url", foreign.URL+"/x")}, "UPLOAD_HOST_REFUSED"},
		"no URL":            {analytics{spoil: set("url", "")}, "UPLOAD_URL_MALFORMED"},
		"cut off":           {analytics{file: func(w http.ResponseWriter, b []byte) { _, _ = w.Write(b[:len(b)-9]) }}, "REPORT_CHECKSUM"},
		"a closed URL":      {analytics{file: func(w http.ResponseWriter, _ []byte) { w.WriteHeader(403) }}, "UPLOAD_EXPIRED"},
		"a redirect":        {analytics{file: func(w http.ResponseWriter, _ []byte) { w.Header().Set("Location", foreign.URL); w.WriteHeader(302) }}, "UPLOAD_REDIRECTED"},
		"no request":        {analytics{none: true}, "REPORT_NOT_REQUESTED"},
		"a stopped request": {analytics{stopped: true}, "REPORT_REQUEST_STOPPED"},
		"no column Date":    {analytics{instances: []instance{{"2026-11-03", []string{"A\tB\n1\t2\n"}}}}, "REPORT_WITHOUT_DATES"},
		"no date":           {analytics{instances: []instance{{"2026-11-03", []string{downloadsHead + "x\t1\t\t\t\n"}}}}, "REPORT_MALFORMED"},
		"a line too short":  {analytics{instances: []instance{{"2026-11-03", []string{downloadsHead + "2026-11-01\t1\n"}}}}, "REPORT_MALFORMED"},
	} {
		t.Run(name, func(t *testing.T) {
			if *a = c.a; a.instances == nil {
				a.instances = corrected().instances
			}
			_, tokens, err := b.downloads(t, &reportsv1.StreamAnalyticsReportRequest{}, 0)
			if why(err) != c.reason || len(tokens) > 0 {
				t.Errorf("%v %v", err, tokens)
			}
		})
	}
}

// TestReportsAreAskedForOnce: a request that runs is left alone, one that stopped is
// replaced, and what a key may not is told.
func TestReportsAreAskedForOnce(t *testing.T) {
	var made, deleted atomic.Int64
	forbidden := false
	a := &analytics{}
	apple := a.give(t)
	b := newBureau(t, func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.Method == "POST" && forbidden:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(403)
			_, _ = io.WriteString(
				w,
				`{"errors":[{"status":"403","code":"FORBIDDEN_ERROR","title":"No","detail":"role"}]}`,
			)
		case r.Method == "POST":
			made.Add(1)
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(201)
			_, _ = io.WriteString(
				w,
				`{"data":{"type":"analyticsReportRequests","id":"N","attributes":{"accessType":"ONGOING"}}}`,
			)
		case r.Method == "DELETE":
			deleted.Add(1)
			w.WriteHeader(204)
		default:
			return apple(w, r)
		}
		return true
	})
	start := func() (*reportsv1.StartAnalyticsReportsResponse, error) {
		return reportsv1.NewReportServiceClient(b.conn).StartAnalyticsReports(t.Context(),
			&reportsv1.StartAnalyticsReportsRequest{App: "1"})
	}
	if res, err := start(); err != nil || res.GetRequest() != "R" || res.GetCreated() || made.Load() != 0 {
		t.Errorf("one that runs: %v %v", res, err)
	}
	a.stopped = true
	if res, err := start(); err != nil || res.GetRequest() != "N" || !res.GetCreated() || deleted.Load() != 1 ||
		made.Load() != 1 {
		t.Errorf("one that stopped: %v %v", res, err)
	}
	a.none, forbidden = true, true
	if _, err := start(); why(err) != "REPORT_NEEDS_ADMIN_KEY" {
		t.Errorf("what the key may not: %v", err)
	}
}
