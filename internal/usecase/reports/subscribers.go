package reports

import (
	"slices"

	reportsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/reports/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// StreamSubscriberReport implements the RPC.
func (s *Service) StreamSubscriberReport(
	req *reportsv1.StreamSubscriberReportRequest,
	stream grpc.ServerStreamingServer[reportsv1.StreamSubscriberReportResponse],
) error {
	reportType, types := req.GetReportType(), []string{}
	if reportType == "" {
		reportType = "SUBSCRIBER"
	}
	for _, k := range kinds {
		if k.personal {
			types = append(types, k.reportType)
		}
	}
	if !slices.Contains(types, reportType) {
		return fault.Invalid("report_type", "want one of %s", words(types))
	}
	ctx, only := s.keptTo(stream.Context())
	sales := &reportsv1.StreamSalesReportRequest{VendorNumber: req.GetVendorNumber(), ReportType: reportType,
		Frequency: req.GetFrequency(), From: req.GetFrom(), To: req.GetTo(), Version: req.GetVersion()}
	return s.sales(ctx, sales, only, func() proto.Message { return &reportsv1.StreamSubscriberReportResponse{} },
		func(m proto.Message) error {
			res := m.(*reportsv1.StreamSubscriberReportResponse)
			res.LeftOut = only.take()
			return stream.Send(res)
		})
}
