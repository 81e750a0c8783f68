package reports

import (
	"context"
	"maps"
	"slices"

	reportsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/reports/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// ListReports implements the RPC.
func (s *Service) ListReports(
	context.Context, *reportsv1.ListReportsRequest,
) (*reportsv1.ListReportsResponse, error) {
	out := &reportsv1.ListReportsResponse{}
	for _, k := range kinds {
		for _, sub := range k.subTypes {
			for _, frequency := range k.frequencies {
				out.Reports = append(out.Reports, &reportsv1.ReportKind{Family: "sales", ReportType: k.reportType,
					ReportSubType: sub, Frequency: frequency, Version: k.version, Columns: headers[k.reportType],
					Row: rowName(
						&reportsv1.StreamSalesReportResponse{},
						k.field,
					), Personal: k.personal, Deprecated: k.deprecated})
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(financeKinds)) {
		out.Reports = append(out.Reports, &reportsv1.ReportKind{Family: "finance", ReportType: name, Frequency: monthly,
			Columns: headers[name], Row: rowName(&reportsv1.StreamFinanceReportResponse{}, financeKinds[name].field)})
	}
	for _, k := range analyticsKinds {
		for _, end := range k.ends {
			out.Reports = append(out.Reports, &reportsv1.ReportKind{Family: "analytics", ReportType: k.name + end,
				Frequency: daily, Columns: headers[k.name], Row: rowName(&reportsv1.StreamAnalyticsReportResponse{}, k.field)})
		}
	}
	return out, nil
}

// rowName is the message of a field's rows.
func rowName(response proto.Message, field string) string {
	return string(response.ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(field)).Message().Name())
}
