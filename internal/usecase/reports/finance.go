package reports

import (
	"context"
	"slices"
	"strings"

	enumsv1 "github.com/asc-gateway/asc-gateway/gen/asc/enums/v1"
	reportingv1 "github.com/asc-gateway/asc-gateway/gen/asc/reporting/v1"
	reportsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/reports/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// StreamFinanceReport implements the RPC.
func (s *Service) StreamFinanceReport(
	req *reportsv1.StreamFinanceReportRequest,
	stream grpc.ServerStreamingServer[reportsv1.StreamFinanceReportResponse],
) error {
	if err := checkFinance(req); err != nil {
		return err
	}
	reportType, region := req.GetReportType(), req.GetRegionCode()
	if reportType == "" {
		reportType = "FINANCIAL"
	}
	k, ok := financeKinds[reportType]
	switch {
	case !ok:
		return fault.Invalid("report_type", "want FINANCIAL or FINANCE_DETAIL")
	case region == "":
		region = k.region
	case !slices.Contains(strings.Fields(regions), region):
		return fault.Invalid("region_code", "want one of %s", strings.ReplaceAll(regions, " ", ", "))
	case (reportType == "FINANCE_DETAIL") != (region == "Z1"):
		return fault.Invalid("region_code", "FINANCE_DETAIL is of region Z1, and nothing else is")
	}
	list, err := fiscalSpans(req.GetFrom(), req.GetTo())
	if err != nil {
		return err
	}
	ctx, only := s.keptTo(stream.Context())
	client := reportingv1.NewFinanceReportsServiceClient(s.Conn)
	open := func(of span) opener {
		return func(ctx context.Context) (func() (part, error), error) {
			files, err := client.ListFinanceReports(ctx, &reportingv1.ListFinanceReportsRequest{
				Filter: &reportingv1.ListFinanceReportsRequest_Filter{
					VendorNumber: []string{req.GetVendorNumber()}, RegionCode: []string{region},
					ReportDate: []string{of.name},
					ReportType: []enumsv1.FinanceReportReportTypeEnum_FinanceReportReportType{
						enumsv1.FinanceReportReportTypeEnum_FinanceReportReportType(
							enumsv1.FinanceReportReportTypeEnum_FinanceReportReportType_value[reportType])},
				}})
			if err != nil {
				return nil, err
			}
			return func() (part, error) { return files.Recv() }, nil
		}
	}
	run := &series{service: s, spans: list, grammar: k.grammar, open: open, version: func() string { return "" },
		about: func(of span, _ string) *reportsv1.ReportFile {
			return &reportsv1.ReportFile{
				ReportDate: of.name,
				ReportType: reportType,
				Frequency:  monthly,
				RegionCode: region,
			}
		},
		sheet: newSheet(func() proto.Message { return &reportsv1.StreamFinanceReportResponse{} }, k.field,
			func(m proto.Message) error {
				res := m.(*reportsv1.StreamFinanceReportResponse)
				res.LeftOut = only.take()
				return stream.Send(res)
			}), kept: only}
	return run.read(ctx)
}
