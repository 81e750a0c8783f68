package service

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	enumsv1 "github.com/asc-gateway/asc-gateway/gen/asc/enums/v1"
	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	reportingv1 "github.com/asc-gateway/asc-gateway/gen/asc/reporting/v1"
	testflightv1 "github.com/asc-gateway/asc-gateway/gen/asc/testflight/v1"
	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
)

// scripted is an upstream with one answer.
type scripted struct {
	counted
	status int
	body   string
	file   *asc.File
}

func (s *scripted) Do(context.Context, *asc.Call) (*asc.Response, error) {
	return &asc.Response{Status: s.status, Body: []byte(s.body)}, nil
}
func (s *scripted) Open(context.Context, *asc.Call) (*asc.File, error) { return s.file, nil }

func (s *scripted) Room(*asc.Call) int { return 4000 }
func (s *scripted) Pages(ctx context.Context, call *asc.Call, _ asc.Cursor,
	consume func(*asc.Response) (asc.PageRead, error)) (asc.Cursor, error) {
	res, err := s.Do(ctx, call)
	if err == nil {
		_, err = consume(res)
	}
	return asc.Cursor{}, err
}

func scriptedEngine(t *testing.T, up *scripted) *Engine {
	t.Helper()
	e, err := New(up, nil, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

// TestAnEmptySuccess: it is one where nothing is due. Elsewhere the error says
// that the write was executed.
func TestAnEmptySuccess(t *testing.T) {
	linkage := &typesv1.ToMany{Ids: []string{"t"}}
	app := &typesv1.ToOne{Id: proto.String("a")}
	add := &testflightv1.AddBetaGroupBetaTestersRequest{Id: "g", BetaTesters: linkage}
	for _, c := range []struct {
		name, method string
		req          proto.Message
		status       int
		body         string
		executed     bool // the error
	}{
		{"a linkage, as documented", testflightv1.BetaGroupsService_AddBetaGroupBetaTesters_FullMethodName, add, 204, "", false},
		{"a linkage with 200", testflightv1.BetaGroupsService_AddBetaGroupBetaTesters_FullMethodName, add, 200, "", false},
		{"a linkage with 201 and a line end", testflightv1.BetaGroupsService_AddBetaGroupBetaTesters_FullMethodName, add, 201, "\n", false},
		{"a linkage with a document that nobody asked for", testflightv1.BetaGroupsService_AddBetaGroupBetaTesters_FullMethodName, add, 200, `{"data":[{"id":"t"}]}`, false},
		{"a linkage with what cannot be read", testflightv1.BetaGroupsService_AddBetaGroupBetaTesters_FullMethodName, add, 200, `{"data":[`, false},
		{"a removal with 200", testflightv1.BetaGroupsService_RemoveBetaGroupBetaTesters_FullMethodName, &testflightv1.RemoveBetaGroupBetaTestersRequest{Id: "g", BetaTesters: linkage}, 200, "", false},
		{"a deletion with 200", testflightv1.BetaGroupsService_DeleteBetaGroup_FullMethodName, &testflightv1.DeleteBetaGroupRequest{Id: "g"}, 200, "", false},
		{"a creation with 201", testflightv1.BetaGroupsService_CreateBetaGroup_FullMethodName, &testflightv1.CreateBetaGroupRequest{Name: proto.String("n"), App: app}, 201, "", true},
		{"a creation with 204", testflightv1.BetaGroupsService_CreateBetaGroup_FullMethodName, &testflightv1.CreateBetaGroupRequest{Name: proto.String("n"), App: app}, 204, "", true},
		{"a creation with an empty document", testflightv1.BetaGroupsService_CreateBetaGroup_FullMethodName, &testflightv1.CreateBetaGroupRequest{Name: proto.String("n"), App: app}, 201, "{}", true},
		{"a creation without data", testflightv1.BetaGroupsService_CreateBetaGroup_FullMethodName, &testflightv1.CreateBetaGroupRequest{Name: proto.String("n"), App: app}, 201, `{"data":null}`, true},
		{"a creation as it should be", testflightv1.BetaGroupsService_CreateBetaGroup_FullMethodName, &testflightv1.CreateBetaGroupRequest{Name: proto.String("n"), App: app}, 201, `{"data":{"type":"betaGroups","id":"1"}}`, false},
		{"a change with 200", testflightv1.BetaGroupsService_UpdateBetaGroup_FullMethodName, &testflightv1.UpdateBetaGroupRequest{Id: "g", Name: proto.String("n")}, 200, " ", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := scriptedEngine(t, &scripted{status: c.status, body: c.body})
			_, err := e.Unary(t.Context(), "team", e.Lookup(c.method), c.req)
			if !c.executed && err != nil {
				t.Fatal(err)
			}
			if !c.executed {
				return
			}
			f := fault.As(err)
			if f.Reason != fault.ReasonExecutedUnread || f.Kind != fault.Unknown || !strings.Contains(f.Message, "was executed") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestFileInfo: what Apple says of a report is told before its bytes.
func TestFileInfo(t *testing.T) {
	h := http.Header{}
	said := map[string]string{"x-reports-filename": "Winback_1.txt.gz", "x-reports-download-version": "1_0"}
	for name, value := range said {
		h.Set(name, value)
	}
	h.Set("requestId", "R")
	up := &scripted{file: &asc.File{ContentType: "application/a-gzip", Encoding: "applezip", Length: 3, Header: h,
		Body: io.NopCloser(strings.NewReader("abc"))}}
	e := scriptedEngine(t, up)
	var parts []*reportingv1.ListFinanceReportsResponse
	req := &reportingv1.ListFinanceReportsRequest{Filter: &reportingv1.ListFinanceReportsRequest_Filter{
		RegionCode: []string{"ZZ"}, ReportDate: []string{"2026-01"}, VendorNumber: []string{"1"},
		ReportType: []enumsv1.FinanceReportReportTypeEnum_FinanceReportReportType{enumsv1.FinanceReportReportTypeEnum_FINANCIAL}}}
	m := e.Lookup(reportingv1.FinanceReportsService_ListFinanceReports_FullMethodName)
	err := e.Stream(t.Context(), "team", m, req, func(m proto.Message) error {
		parts = append(parts, m.(*reportingv1.ListFinanceReportsResponse))
		return nil
	})
	if err != nil || len(parts) != 2 || string(parts[1].GetData()) != "abc" {
		t.Fatalf("%v %v", parts, err)
	}
	want := &typesv1.FileInfo{ContentType: "application/a-gzip", Filename: "Winback_1.txt.gz", Size: proto.Int64(3),
		ContentEncoding: "applezip", ReportVersion: "1_0", RequestId: "R", ReportHeaders: said}
	if !proto.Equal(parts[0].GetInfo(), want) {
		t.Errorf("%v", parts[0].GetInfo())
	}
}

// TestPreconditions: every error about a state is told, wherever it stands.
func TestPreconditions(t *testing.T) {
	f := fault.New(fault.FailedPrecondition, "STATE_ERROR.X", "not now")
	f.Upstream = &fault.Upstream{HTTPStatus: 409, Primary: 1, Errors: []fault.APIError{
		{Code: "ENTITY_ERROR.ATTRIBUTE.INVALID", Title: "A", Pointer: "/data/attributes/name", Kind: fault.InvalidArgument},
		{Code: "STATE_ERROR.X", Title: "S", Kind: fault.FailedPrecondition, Associated: map[string][]fault.APIError{
			"/v1/appScreenshots/": {{Code: "STATE_ERROR.SCREENSHOT_REQUIRED", Title: "P", Kind: fault.FailedPrecondition}}}},
		{Code: "STATE_ERROR.X", Title: "S", Kind: fault.FailedPrecondition},
	}}
	var got []string
	var infos []*errdetails.ErrorInfo
	for _, d := range Status(f).Details() {
		switch x := d.(type) {
		case *errdetails.PreconditionFailure:
			for _, v := range x.Violations {
				got = append(got, v.Type+" "+v.Subject)
			}
		case *errdetails.ErrorInfo:
			infos = append(infos, x)
		}
	}
	want := []string{"STATE_ERROR.X ", "STATE_ERROR.SCREENSHOT_REQUIRED /v1/appScreenshots/"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if infos[0].Domain != AppleDomain || infos[1].Reason != "STATE_ERROR.X" || infos[1].Metadata["primary"] != "true" {
		t.Errorf("%v", infos)
	}
	f.Upstream.Errors = nil
	for i := range 200 { // some fit where all do not
		f.Upstream.Errors = append(f.Upstream.Errors,
			fault.APIError{Code: "STATE_ERROR.X", Detail: fmt.Sprint("territory ", i), Kind: fault.FailedPrecondition})
	}
	s := Status(f)
	some := slices.ContainsFunc(s.Details(), func(d any) bool { _, ok := d.(*errdetails.PreconditionFailure); return ok })
	if !some || proto.Size(s.Proto()) > 5<<10 {
		t.Errorf("%d bytes", proto.Size(s.Proto()))
	}
}

// TestDatesOfMetrics: a day is its midnight; elsewhere a date is no instant.
func TestDatesOfMetrics(t *testing.T) {
	const usages = `{"data":[{"dataPoints":[{"start":"2026-01-05","end":"2026-01-12","values":{"crashCount":4}}]}]}`
	e := scriptedEngine(t, &scripted{status: 200, body: usages})
	method := e.Lookup(metadatav1.AppsService_GetAppBetaTesterUsages_FullMethodName)
	res, err := e.Unary(t.Context(), "team", method, &metadatav1.GetAppBetaTesterUsagesRequest{Id: "a"})
	if err != nil {
		t.Fatal(err)
	}
	m := res.(*metadatav1.GetAppBetaTesterUsagesResponse)
	p := m.GetData()[0].GetDataPoints()[0]
	start, end := p.GetStart().AsTime().String(), p.GetEnd().AsTime().String()
	if start != "2026-01-05 00:00:00 +0000 UTC" || end != "2026-01-12 00:00:00 +0000 UTC" || len(m.GetExtra()) > 0 {
		t.Errorf("%v", m)
	}
}
