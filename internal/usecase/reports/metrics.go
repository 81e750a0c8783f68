package reports

import (
	"context"
	"slices"
	"strconv"
	"strings"

	enumsv1 "github.com/asc-gateway/asc-gateway/gen/asc/enums/v1"
	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	testflightv1 "github.com/asc-gateway/asc-gateway/gen/asc/testflight/v1"
	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	reportsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/reports/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/grpc"
)

// Types of what Xcode Organizer shows.
const (
	powerMetrics = "POWER_METRICS"
	diagnostics  = "DIAGNOSTICS"
)

// metricTypes are what metrics can be filtered by.
var metricTypes = []string{"HANG", "LAUNCH", "MEMORY", "DISK", "BATTERY", "TERMINATION", "ANIMATION", "STORAGE"}

// StreamPowerMetrics implements the RPC.
func (s *Service) StreamPowerMetrics(
	req *reportsv1.StreamPowerMetricsRequest,
	stream grpc.ServerStreamingServer[reportsv1.StreamPowerMetricsResponse],
) error {
	if err := checkMetrics(req); err != nil {
		return err
	}
	metrics, err := s.metrics(stream.Context(), req)
	if err != nil {
		return err
	}
	rows := metricRows(metrics, req.GetApp()+req.GetBuild())
	if device := req.GetDeviceType(); device != "" {
		rows = slices.DeleteFunc(rows, func(r *reportsv1.PowerMetricRow) bool { return r.GetDevice() != device })
	}
	file := &reportsv1.ReportFile{ReportType: powerMetrics, Version: metrics.GetVersion(),
		State: reportsv1.ReportStateEnum_PRESENT}
	if len(rows) == 0 {
		file.State = reportsv1.ReportStateEnum_EMPTY
		return stream.Send(&reportsv1.StreamPowerMetricsResponse{File: file})
	}
	for some := range slices.Chunk(rows, batchRows) {
		if err := stream.Send(&reportsv1.StreamPowerMetricsResponse{File: file, PowerMetrics: some}); err != nil {
			return err
		}
		file = nil
	}
	return nil
}

func checkMetrics(r *reportsv1.StreamPowerMetricsRequest) error {
	if err := check(bound{"app", r.GetApp(), 64, false}, bound{"build", r.GetBuild(), 64, false},
		bound{"metric_type", r.GetMetricType(), 32, false}); err != nil {
		return err
	}
	device := r.GetDeviceType() // such as iPhone17,1
	switch {
	case (r.GetApp() == "") == (r.GetBuild() == ""):
		return fault.Invalid("app", "name either an app or a build")
	case r.GetMetricType() != "" && !slices.Contains(metricTypes, r.GetMetricType()):
		return fault.Invalid("metric_type", "want one of %s", words(metricTypes))
	case len(device) > 64:
		return fault.Invalid("device_type", "must be at most 64 bytes")
	}
	return nil
}

// metrics asks for those of an app or a build.
func (s *Service) metrics(
	ctx context.Context, req *reportsv1.StreamPowerMetricsRequest,
) (*typesv1.XcodeMetrics, error) {
	var devices []string
	if d := req.GetDeviceType(); d != "" && !strings.Contains(d, ",") { // Apple splits filters at commas
		devices = []string{req.GetDeviceType()}
	}
	if req.GetApp() != "" {
		ask := &metadatav1.ListAppPerfPowerMetricsRequest{Id: req.GetApp(),
			Filter: &metadatav1.ListAppPerfPowerMetricsRequest_Filter{DeviceType: devices}}
		if t := req.GetMetricType(); t != "" {
			ask.Filter.MetricType = append(ask.Filter.MetricType,
				enumsv1.AppPerfPowerMetricsMetricTypeEnum_AppPerfPowerMetricsMetricType(
					enumsv1.AppPerfPowerMetricsMetricTypeEnum_AppPerfPowerMetricsMetricType_value[t]))
		}
		res, err := metadatav1.NewAppsServiceClient(s.Conn).ListAppPerfPowerMetrics(ctx, ask)
		return res.GetXcodeMetrics(), err
	}
	ask := &testflightv1.ListBuildPerfPowerMetricsRequest{Id: req.GetBuild(),
		Filter: &testflightv1.ListBuildPerfPowerMetricsRequest_Filter{DeviceType: devices}}
	if t := req.GetMetricType(); t != "" {
		ask.Filter.MetricType = append(ask.Filter.MetricType,
			enumsv1.BuildPerfPowerMetricsMetricTypeEnum_BuildPerfPowerMetricsMetricType(
				enumsv1.BuildPerfPowerMetricsMetricTypeEnum_BuildPerfPowerMetricsMetricType_value[t]))
	}
	res, err := testflightv1.NewBuildsServiceClient(s.Conn).ListBuildPerfPowerMetrics(ctx, ask)
	return res.GetXcodeMetrics(), err
}

// metricRows are the points of all metrics, in Apple's order.
func metricRows(metrics *typesv1.XcodeMetrics, of string) (rows []*reportsv1.PowerMetricRow) {
	for _, product := range metrics.GetProductData() {
		for _, category := range product.GetMetricCategories() {
			for _, metric := range category.GetMetrics() {
				for _, set := range metric.GetDatasets() {
					rows = append(rows, setRows(&reportsv1.PowerMetricRow{
						Of: of, Platform: product.GetPlatform(), Category: category.GetIdentifier().String(),
						Metric: metric.GetIdentifier(), Unit: metric.GetUnit().GetIdentifier(),
						UnitName: metric.GetUnit().GetDisplayName(), Device: set.GetFilterCriteria().GetDevice(),
						DeviceName:        set.GetFilterCriteria().GetDeviceMarketingName(),
						Percentile:        set.GetFilterCriteria().GetPercentile(),
						RecommendedDetail: set.GetRecommendedMetricGoal().GetDetail(),
					}, set)...)
				}
			}
		}
	}
	return rows
}

// setRows are the points of one dataset. head has what they share.
func setRows(
	head *reportsv1.PowerMetricRow, set *typesv1.XcodeMetrics_ProductData_MetricCategory_Metric_Dataset,
) (rows []*reportsv1.PowerMetricRow) {
	if goal := set.GetRecommendedMetricGoal(); goal != nil {
		head.RecommendedValue = number(goal.Value)
	}
	for _, p := range set.GetPoints() {
		row := &reportsv1.PowerMetricRow{
			Of: head.Of, Platform: head.Platform, Category: head.Category, Metric: head.Metric, Unit: head.Unit,
			UnitName: head.UnitName, Device: head.Device, DeviceName: head.DeviceName, Percentile: head.Percentile,
			RecommendedValue: head.RecommendedValue, RecommendedDetail: head.RecommendedDetail,
			Version: p.GetVersion(), Value: number(p.Value), ErrorMargin: number(p.ErrorMargin), Goal: p.GetGoal(),
		}
		for _, b := range p.GetPercentageBreakdown() {
			if row.Extra == nil {
				row.Extra = map[string]string{}
			}
			row.Extra[b.GetSubSystemLabel()] = number(b.Value)
		}
		rows = append(rows, row)
	}
	return rows
}

// number is a number in its shortest decimal form, "" of none.
func number(f *float64) string {
	if f == nil {
		return ""
	}
	return strconv.FormatFloat(*f, 'f', -1, 64)
}
