package reports

import (
	"context"
	"slices"
	"strings"
	"time"

	enumsv1 "github.com/asc-gateway/asc-gateway/gen/asc/enums/v1"
	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	reportingv1 "github.com/asc-gateway/asc-gateway/gen/asc/reporting/v1"
	resourcesv1 "github.com/asc-gateway/asc-gateway/gen/asc/resources/v1"
	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	reportsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/reports/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

const (
	ongoing  = "ONGOING"
	snapshot = "ONE_TIME_SNAPSHOT"

	// appleDomain is that of errors that are Apple's.
	appleDomain = "appstoreconnect.apple.com"

	// pageMost is Apple's limit of a page.
	pageMost = 200
	// pagesMost bounds lists: an instance lives 35 days.
	pagesMost = 20
)

// StreamAnalyticsReport implements the RPC.
func (s *Service) StreamAnalyticsReport(
	req *reportsv1.StreamAnalyticsReportRequest,
	stream grpc.ServerStreamingServer[reportsv1.StreamAnalyticsReportResponse],
) error {
	if err := checkAnalytics(req); err != nil {
		return err
	}
	ctx := stream.Context()
	w, err := s.newWalk(req)
	if err != nil {
		return err
	}
	if err := w.resume(ctx, req.GetResumeToken()); err != nil {
		return err
	}
	request, err := s.request(ctx, req.GetApp(), w.accessType)
	if err != nil {
		return err
	}
	report, err := s.report(ctx, request, req.GetReport())
	if err != nil {
		return err
	}
	instances, err := s.instances(ctx, report, w.granularity)
	if err != nil {
		return err
	}
	w.sheet = newSheet(func() proto.Message { return &reportsv1.StreamAnalyticsReportResponse{} },
		analyticsField(req.GetReport()),
		func(m proto.Message) error { return stream.Send(m.(*reportsv1.StreamAnalyticsReportResponse)) })
	return w.read(ctx, instances)
}

// newWalk checks a request.
func (s *Service) newWalk(req *reportsv1.StreamAnalyticsReportRequest) (*walk, error) {
	w := &walk{service: s, req: req, accessType: req.GetAccessType(), granularity: req.GetGranularity(),
		from: req.GetFrom(), to: req.GetTo(), given: map[string]bool{}}
	if w.accessType == "" {
		w.accessType = ongoing
	}
	if w.granularity == "" {
		w.granularity = daily
	}
	if w.accessType != ongoing && w.accessType != snapshot {
		return nil, fault.Invalid("access_type", "want ONGOING or ONE_TIME_SNAPSHOT")
	}
	if !slices.Contains([]string{daily, weekly, monthly}, w.granularity) {
		return nil, fault.Invalid("granularity", "want DAILY, WEEKLY or MONTHLY")
	}
	for field, date := range map[string]string{"from": w.from, "to": w.to} {
		if _, err := time.Parse(time.DateOnly, date); date != "" && err != nil {
			return nil, fault.Invalid(field, "want a date such as 2026-11-01")
		}
	}
	if w.to == "" {
		w.to = "9999-12-31"
	}
	if w.to < w.from {
		return nil, fault.Invalid("to", "must not be before from")
	}
	return w, nil
}

// request finds the request by which Apple writes reports of an app.
func (s *Service) request(ctx context.Context, app, accessType string) (string, error) {
	found, err := s.requests(ctx, app, accessType)
	switch {
	case err != nil:
		return "", err
	case found == nil:
		return "", fault.New(
			fault.FailedPrecondition,
			ReasonNotRequested,
			"nobody has asked Apple to write analytics reports (%s) of the app yet: call StartAnalyticsReports",
			accessType,
		)
	case found.GetStoppedDueToInactivity():
		return "", fault.New(fault.FailedPrecondition, ReasonStopped,
			"Apple stopped writing analytics reports of the app since nobody read them: call StartAnalyticsReports")
	}
	return found.GetId(), nil
}

// requests finds a request of an access type: one that still runs, before others.
func (s *Service) requests(
	ctx context.Context, app, accessType string,
) (found *resourcesv1.AnalyticsReportRequest, err error) {
	access := enumsv1.AnalyticsReportRequestAccessTypeEnum_AnalyticsReportRequestAccessType_value[accessType]
	res, err := metadatav1.NewAppsServiceClient(s.Conn).ListAppAnalyticsReportRequests(ctx,
		&metadatav1.ListAppAnalyticsReportRequestsRequest{Id: app, PageSize: pageMost})
	if err != nil {
		return nil, err
	}
	for _, r := range res.GetAnalyticsReportRequests() {
		if int32(r.GetAccessType()) != access {
			continue
		}
		if found == nil || found.GetStoppedDueToInactivity() {
			found = r
		}
	}
	return found, nil
}

// report finds a report of a request by its name.
func (s *Service) report(ctx context.Context, request, name string) (string, error) {
	client := reportingv1.NewAnalyticsReportRequestsServiceClient(s.Conn)
	ask := &reportingv1.ListAnalyticsReportRequestReportsRequest{Id: request, PageSize: pageMost,
		Filter: &reportingv1.ListAnalyticsReportRequestReportsRequest_Filter{Name: []string{name}}}
	res, err := client.ListAnalyticsReportRequestReports(ctx, ask)
	if err != nil {
		return "", err
	}
	for _, r := range res.GetAnalyticsReports() {
		if r.GetName() == name {
			return r.GetId(), nil
		}
	}
	ask.Filter = nil
	if res, err = client.ListAnalyticsReportRequestReports(ctx, ask); err != nil {
		return "", err
	}
	var names []string
	for _, r := range res.GetAnalyticsReports() {
		names = append(names, r.GetName())
	}
	if len(names) == 0 { // Apple: the first come within two days
		f := fault.New(fault.Unavailable, ReasonNotReady, "Apple has not written the first reports of the app yet")
		f.RetryAfter = time.Hour
		return "", f
	}
	slices.Sort(names)
	return "", fault.New(fault.NotFound, ReasonNoReport, "the app has no report of this name; it has %s",
		words(names[:min(len(names), 20)]))
}

// instances lists those of a report, the one that was processed last first.
func (s *Service) instances(
	ctx context.Context, report, granularity string,
) (list []*resourcesv1.AnalyticsReportInstance, err error) {
	g := enumsv1.AnalyticsReportInstanceGranularityEnum_AnalyticsReportInstanceGranularity(
		enumsv1.AnalyticsReportInstanceGranularityEnum_AnalyticsReportInstanceGranularity_value[granularity])
	ask := &reportingv1.ListAnalyticsReportInstancesRequest{Id: report, PageSize: pageMost,
		Filter: &reportingv1.ListAnalyticsReportInstancesRequest_Filter{
			Granularity: []enumsv1.AnalyticsReportInstanceGranularityEnum_AnalyticsReportInstanceGranularity{g}}}
	client := reportingv1.NewAnalyticsReportsServiceClient(s.Conn)
	for range pagesMost {
		res, err := client.ListAnalyticsReportInstances(ctx, ask)
		if err != nil {
			return nil, err
		}
		list = append(list, res.GetAnalyticsReportInstances()...)
		if ask.PageToken = res.GetNextPageToken(); ask.PageToken == "" {
			break
		}
	}
	slices.SortStableFunc(list, func(a, b *resourcesv1.AnalyticsReportInstance) int {
		if c := strings.Compare(b.GetProcessingDate(), a.GetProcessingDate()); c != 0 {
			return c
		}
		return strings.Compare(b.GetId(), a.GetId())
	})
	return list, nil
}

// StartAnalyticsReports implements the RPC.
func (s *Service) StartAnalyticsReports(
	ctx context.Context, req *reportsv1.StartAnalyticsReportsRequest,
) (*reportsv1.StartAnalyticsReportsResponse, error) {
	if err := check(bound{"app", req.GetApp(), 64, true}); err != nil {
		return nil, err
	}
	found, err := s.requests(ctx, req.GetApp(), ongoing)
	if err != nil {
		return nil, err
	}
	if found != nil && !found.GetStoppedDueToInactivity() {
		return &reportsv1.StartAnalyticsReportsResponse{Request: found.GetId()}, nil
	}
	client := reportingv1.NewAnalyticsReportRequestsServiceClient(s.Conn)
	if found != nil { // Apple: a request that stopped is deleted, and made anew
		if _, err := client.DeleteAnalyticsReportRequest(ctx,
			&reportingv1.DeleteAnalyticsReportRequestRequest{Id: found.GetId()}); err != nil {
			return nil, needsAdmin(err)
		}
	}
	res, err := client.CreateAnalyticsReportRequest(ctx, &reportingv1.CreateAnalyticsReportRequestRequest{
		AccessType: enumsv1.AnalyticsReportRequestAccessTypeEnum_ONGOING.Enum(),
		App:        &typesv1.ToOne{Id: proto.String(req.GetApp())}})
	if err != nil {
		return nil, needsAdmin(err)
	}
	return &reportsv1.StartAnalyticsReportsResponse{
		Request: res.GetAnalyticsReportRequest().GetId(),
		Created: true,
	}, nil
}

// needsAdmin says so where Apple forbids: only a key of the role Admin may.
func needsAdmin(err error) error {
	st, _ := status.FromError(err)
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && st.Code() == codes.PermissionDenied &&
			info.GetDomain() == appleDomain {
			return fault.New(fault.PermissionDenied, ReasonNeedsAdmin,
				"Apple lets only keys of the role Admin ask for analytics reports")
		}
	}
	return err
}
