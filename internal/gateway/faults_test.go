package gateway

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	enumsv1 "github.com/asc-gateway/asc-gateway/gen/asc/enums/v1"
	reportingv1 "github.com/asc-gateway/asc-gateway/gen/asc/reporting/v1"
	testflightv1 "github.com/asc-gateway/asc-gateway/gen/asc/testflight/v1"
	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// odd stands as Apple, with one answer for everything, and counts.
type odd struct {
	mu     sync.Mutex
	status int
	header map[string]string
	body   string
	asked  int
}

func (o *odd) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked++
	for name, value := range o.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(o.status)
	_, _ = io.WriteString(w, o.body)
}

// answer sets what comes next, and returns how often was asked before.
func (o *odd) answer(status int, body string, header map[string]string) (asked int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	asked, o.asked = o.asked, 0
	o.status, o.body, o.header = status, body, header
	return asked
}

// newOdd is a gateway before it; the passthrough's address comes last.
func newOdd(t *testing.T) (*world, *odd, string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	o := &odd{status: http.StatusOK}
	w := serveWorld(t, nil, httptest.NewServer(o), ringOf(private), Deps{Passthrough: true})
	apple := httptest.NewServer(w.gateway.Passthrough)
	t.Cleanup(apple.Close)
	return w, o, apple.URL
}

// through asks the passthrough.
func (w *world) through(t *testing.T, method, url, body string) (int, http.Header, []byte) {
	t.Helper()
	rest := w.rest
	defer func() { w.rest = rest }()
	w.rest = url
	return w.do(t, method, "", body)
}

// TestAReportOnEveryFace: the file as Apple stored it, with what Apple says of
// it, and one request each.
func TestAReportOnEveryFace(t *testing.T) {
	w, apple, passthrough := newOdd(t)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.WriteString(z, "Event Date\tEvent\n2026-02-03\tRenew\n")
	_ = z.Close()
	const name, id = "Subscription_Event_81234567_20260203_V1_3.txt.gz", "0b6e0c34-57ad-4d05-9e21-6d4cf1d1a2b3"
	for _, encoding := range []string{"", "agzip", "gzip", "something-new"} {
		apple.answer(
			200,
			packed.String(),
			map[string]string{"Content-Type": "application/a-gzip", "Content-Encoding": encoding,
				"Content-Disposition": "attachment;filename=" + name, "x-reports-filename": name, "x-reports-download-version": "1_3", "requestId": id},
		)
		left := ""
		if encoding == "something-new" {
			left = encoding
		}
		const path = "/v1/salesReports?filter[frequency]=DAILY&filter[reportType]=SUBSCRIPTION_EVENT&filter[reportSubType]=SUMMARY&filter[vendorNumber]=81234567"
		for face, get := range map[string]func() (int, http.Header, []byte){
			"REST":        func() (int, http.Header, []byte) { return w.do(t, "GET", path, "", "Accept-Encoding", "identity") },
			"passthrough": func() (int, http.Header, []byte) { return w.through(t, "GET", passthrough+path, "") },
		} {
			status, h, b := get()
			if status != 200 || !bytes.Equal(b, packed.Bytes()) || h.Get("Content-Type") != "application/a-gzip" {
				t.Errorf("%s, %q: %d, %d bytes", face, encoding, status, len(b))
			}
			if h.Get("X-Reports-Filename") != name || h.Get("X-Reports-Download-Version") != "1_3" ||
				h.Get("Requestid") != id ||
				!strings.Contains(h.Get("Content-Disposition"), name) ||
				h.Get("Content-Encoding") != left {
				t.Errorf("%s, %q: %v", face, encoding, h)
			}
		}
		info, data := w.report(t)
		if info.GetFilename() != name || info.GetReportVersion() != "1_3" || info.GetRequestId() != id ||
			info.GetContentEncoding() != left ||
			info.GetReportHeaders()["x-reports-filename"] != name ||
			!bytes.Equal(data, packed.Bytes()) {
			t.Errorf("gRPC, %q: %v, %d bytes", encoding, info, len(data))
		}
		if asked := apple.answer(200, "", nil); asked != 3 {
			t.Errorf("%q: %d requests for three calls", encoding, asked)
		}
	}
}

// report reads a report over gRPC.
func (w *world) report(t *testing.T) (*typesv1.FileInfo, []byte) {
	t.Helper()
	stream, err := reportingv1.NewSalesReportsServiceClient(w.conn).
		ListSalesReports(t.Context(), &reportingv1.ListSalesReportsRequest{
			Filter: &reportingv1.ListSalesReportsRequest_Filter{VendorNumber: []string{"81234567"},
				Frequency: []enumsv1.SalesReportFrequencyEnum_SalesReportFrequency{
					enumsv1.SalesReportFrequencyEnum_DAILY,
				},
				ReportType: []enumsv1.SalesReportReportTypeEnum_SalesReportReportType{
					enumsv1.SalesReportReportTypeEnum_SUBSCRIPTION_EVENT,
				},
				ReportSubType: []enumsv1.SalesReportReportSubTypeEnum_SalesReportReportSubType{
					enumsv1.SalesReportReportSubTypeEnum_SUMMARY,
				}}})
	if err != nil {
		t.Fatal(err)
	}
	var info *typesv1.FileInfo
	var data []byte
	for {
		part, err := stream.Recv()
		if err == io.EOF {
			return info, data
		}
		if err != nil {
			t.Fatal(err)
		}
		if part.GetInfo() != nil {
			info = part.GetInfo()
		}
		data = append(data, part.GetData()...)
	}
}

// TestWhichCode: the code of an answer on both typed faces, by all of its errors.
func TestWhichCode(t *testing.T) {
	w, apple, _ := newOdd(t)
	const (
		app    = `{"status":"409","code":"ENTITY_ERROR.RELATIONSHIP.INVALID","title":"wrong relation","detail":"the app takes no version now","source":{"pointer":"/data/relationships/app"}}`
		used   = `{"status":"409","code":"ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE","title":"used","detail":"2.4 is there already","source":{"pointer":"/data/attributes/versionString"}}`
		wrong  = `{"status":"409","code":"ENTITY_ERROR.ATTRIBUTE.INVALID","title":"wrong","detail":"no such platform","source":{"pointer":"/data/attributes/platform"}}`
		review = `{"status":"409","code":"STATE_ERROR.ENTITY_STATE_INVALID","title":"state","detail":"it waits for review"}`
		group  = `{"status":"422","code":"ENTITY_UNPROCESSABLE","title":"not now","detail":"the internal group has all builds"}`
		queue  = `{"status":"422","code":"ENTITY_UNPROCESSABLE.ANOTHER_BUILD_IN_REVIEW","title":"not now","detail":"build 17 is in review"}`
	)
	for _, c := range []struct {
		name          string
		status        int
		errors        []string
		code          codes.Code
		preconditions []string
	}{
		{"the duplicate second", 409, []string{app, used}, codes.AlreadyExists, nil},
		{"the duplicate first", 409, []string{used, app}, codes.AlreadyExists, nil},
		{"a state second", 409, []string{wrong, review}, codes.FailedPrecondition, []string{"STATE_ERROR.ENTITY_STATE_INVALID"}},
		{"a state first", 409, []string{review, wrong}, codes.FailedPrecondition, []string{"STATE_ERROR.ENTITY_STATE_INVALID"}},
		{"a field alone", 409, []string{wrong}, codes.InvalidArgument, nil},
		{"cannot be processed", 422, []string{group}, codes.FailedPrecondition, []string{"ENTITY_UNPROCESSABLE"}},
		{"another build is first", 422, []string{queue}, codes.FailedPrecondition, []string{"ENTITY_UNPROCESSABLE.ANOTHER_BUILD_IN_REVIEW"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			apple.answer(
				c.status,
				`{"errors":[`+strings.Join(c.errors, ",")+`]}`,
				map[string]string{"Content-Type": "application/json"},
			)
			got, _, b := w.do(
				t,
				"POST",
				"/v1/appStoreVersions",
				`{"platform":"IOS","versionString":"2.4","app":{"id":"7"}}`,
			)
			var over struct{ Code codes.Code }
			if err := json.Unmarshal(b, &over); err != nil || got != c.status || over.Code != c.code {
				t.Errorf("REST: %d %s", got, b)
			}
			_, err := testflightv1.NewBetaGroupsServiceClient(w.conn).
				DeleteBetaGroup(t.Context(), &testflightv1.DeleteBetaGroupRequest{Id: "g"})
			var types []string
			for _, d := range status.Convert(err).Details() {
				if p, ok := d.(*errdetails.PreconditionFailure); ok {
					for _, v := range p.Violations {
						types = append(types, v.Type)
					}
				}
			}
			if status.Code(err) != c.code || strings.Join(types, " ") != strings.Join(c.preconditions, " ") {
				t.Errorf("gRPC: %v, %q", err, types)
			}
		})
	}
}

// TestSuccessWithoutABody: a linkage wants none; a creation does, and must not be
// repeated.
func TestSuccessWithoutABody(t *testing.T) {
	w, apple, passthrough := newOdd(t)
	for _, answered := range []int{200, 201, 204} {
		apple.answer(answered, "", nil)
		if got, _, b := w.do(t, "POST", "/v1/betaGroups/g/relationships/betaTesters", `{"betaTesters":{"ids":["t"]}}`); got/100 != 2 {
			t.Errorf("%d of a linkage: %d %s", answered, got, b)
		}
		got, _, b := w.do(t, "POST", "/v1/betaGroups", `{"name":"n","app":{"id":"7"}}`)
		if got != http.StatusBadGateway || !strings.Contains(string(b), "EXECUTED_UNREAD") ||
			!strings.Contains(string(b), "was executed") {
			t.Errorf("%d of a creation: %d %s", answered, got, b)
		}
		if got, _, b := w.through(t, "POST", passthrough+"/v1/betaGroups", `{"data":{"type":"betaGroups"}}`); got != answered ||
			len(b) > 0 {
			t.Errorf("%d through: %d %s", answered, got, b)
		}
		if asked := apple.answer(200, "", nil); asked != 3 {
			t.Errorf("%d: %d requests for three calls", answered, asked)
		}
	}
}
