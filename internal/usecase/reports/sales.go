package reports

import (
	"context"
	"sync"

	enumsv1 "github.com/asc-gateway/asc-gateway/gen/asc/enums/v1"
	reportingv1 "github.com/asc-gateway/asc-gateway/gen/asc/reporting/v1"
	reportsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/reports/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// StreamSalesReport implements the RPC.
func (s *Service) StreamSalesReport(
	req *reportsv1.StreamSalesReportRequest,
	stream grpc.ServerStreamingServer[reportsv1.StreamSalesReportResponse],
) error {
	ctx, only := s.keptTo(stream.Context())
	return s.sales(ctx, req, only, func() proto.Message { return &reportsv1.StreamSalesReportResponse{} },
		func(m proto.Message) error {
			res := m.(*reportsv1.StreamSalesReportResponse)
			res.LeftOut = only.take()
			return stream.Send(res)
		})
}

// sales reads the files of a sales report into messages.
func (s *Service) sales(ctx context.Context, req *reportsv1.StreamSalesReportRequest, only *ownRows,
	message func() proto.Message, send func(proto.Message) error,
) error {
	if err := checkSales(req); err != nil {
		return err
	}
	k, subType, frequency, err := kindOf(req.GetReportType(), req.GetReportSubType(), req.GetFrequency())
	if err != nil {
		return err
	}
	list, err := spans(k, frequency, req.GetFrom(), req.GetTo())
	if err != nil {
		return err
	}
	version := k.version
	if req.GetVersion() != "" {
		version = req.GetVersion()
	}
	sales := &salesFiles{client: reportingv1.NewSalesReportsServiceClient(s.Conn), version: version,
		fixed: req.GetVersion() != "", filter: &reportingv1.ListSalesReportsRequest_Filter{
			VendorNumber: []string{req.GetVendorNumber()},
			ReportType: []enumsv1.SalesReportReportTypeEnum_SalesReportReportType{
				enumsv1.SalesReportReportTypeEnum_SalesReportReportType(
					enumsv1.SalesReportReportTypeEnum_SalesReportReportType_value[k.reportType])},
			ReportSubType: []enumsv1.SalesReportReportSubTypeEnum_SalesReportReportSubType{
				enumsv1.SalesReportReportSubTypeEnum_SalesReportReportSubType(
					enumsv1.SalesReportReportSubTypeEnum_SalesReportReportSubType_value[subType])},
			Frequency: []enumsv1.SalesReportFrequencyEnum_SalesReportFrequency{
				enumsv1.SalesReportFrequencyEnum_SalesReportFrequency(
					enumsv1.SalesReportFrequencyEnum_SalesReportFrequency_value[frequency])},
		}}
	run := &series{service: s, spans: list, grammar: k.grammar(), open: sales.open, keep: true,
		about: func(of span, version string) *reportsv1.ReportFile {
			return &reportsv1.ReportFile{ReportDate: of.name, ReportType: k.reportType, ReportSubType: subType,
				Frequency: frequency, Version: version}
		},
		version: sales.current, sheet: newSheet(message, k.field, send), kept: only}
	return run.read(ctx)
}

// salesFiles opens the files of one type of sales report.
type salesFiles struct {
	client reportingv1.SalesReportsServiceClient
	filter *reportingv1.ListSalesReportsRequest_Filter // but for date and version

	mu      sync.Mutex
	version string
	fixed   bool // the caller wants this version; or Apple has corrected it already
}

// open asks for a file. Where Apple names another version, that one is asked for,
// once, and for all that follow.
func (f *salesFiles) open(of span) opener {
	return func(ctx context.Context) (func() (part, error), error) {
		sent := f.current()
		receive, first, err := f.ask(ctx, of, sent)
		if err != nil && f.correct(err, sent) {
			receive, first, err = f.ask(ctx, of, f.current())
		}
		if err != nil {
			return nil, err
		}
		return func() (part, error) {
			if p := first; p != nil {
				first = nil
				return p, nil
			}
			return receive()
		}, nil
	}
}

func (f *salesFiles) current() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.version
}

// correct takes the version that an error names, and says whether there is another
// than the one that was sent.
func (f *salesFiles) correct(err error, sent string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if named := corrected(err, sent); named != "" && !f.fixed {
		f.version, f.fixed = named, true
	}
	return f.version != sent
}

// ask asks for a file, and waits for its first part.
func (f *salesFiles) ask(ctx context.Context, of span, version string) (func() (part, error), part, error) {
	filter := proto.CloneOf(f.filter)
	filter.ReportDate, filter.Version = []string{of.name}, []string{version}
	files, err := f.client.ListSalesReports(ctx, &reportingv1.ListSalesReportsRequest{Filter: filter})
	if err != nil {
		return nil, nil, err
	}
	receive := func() (part, error) { return files.Recv() }
	first, err := receive()
	return receive, first, err
}
