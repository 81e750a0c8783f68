package cli

import (
	"context"

	reportsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/reports/v1"
	"github.com/spf13/cobra"
	"google.golang.org/grpc"
)

func subscribersCommand(d Deps) *cobra.Command {
	c, req := &reporter{}, &reportsv1.StreamSubscriberReportRequest{}
	cmd := c.command(d, "subscribers", "Read reports that tell of single people",
		`  gateway report subscribers --vendor 80012345 --from 2026-11-01 --to 2026-11-07 -o subscribers.parquet`,
		func(ctx context.Context, conn *grpc.ClientConn) (messages, error) {
			const method = reportsv1.ReportService_StreamSubscriberReport_FullMethodName
			s, err := reportsv1.NewReportServiceClient(conn).StreamSubscriberReport(ctx, req)
			if err != nil {
				return nil, answered(method, err)
			}
			return received(method, s.Recv), nil
		})
	f := cmd.Flags()
	f.StringVar(&req.VendorNumber, "vendor", "", "vendor number: App Store Connect › Payments and Financial Reports")
	f.StringVar(&req.ReportType, "type", "SUBSCRIBER", "SUBSCRIBER or NEWSSTAND")
	f.StringVar(&req.Frequency, "frequency", "", "DAILY or WEEKLY; default DAILY")
	f.StringVar(&req.From, "from", "", "first day")
	f.StringVar(&req.To, "to", "", "last one; default --from")
	f.StringVar(&req.Version, "version", "", "version of the report; default the newest")
	completeFlag(cmd, "type", "SUBSCRIBER", "NEWSSTAND")
	completeFlag(cmd, "frequency", "DAILY", "WEEKLY")
	_ = cmd.MarkFlagRequired("vendor") // the flags exist
	_ = cmd.MarkFlagRequired("from")
	return cmd
}

func metricsCommand(d Deps) *cobra.Command {
	c, req := &reporter{}, &reportsv1.StreamPowerMetricsRequest{}
	cmd := c.command(d, "power-metrics", "Read power and performance metrics of an app or a build",
		`  gateway report power-metrics --app 1500004000 --metric LAUNCH -o launches.csv`,
		func(ctx context.Context, conn *grpc.ClientConn) (messages, error) {
			const method = reportsv1.ReportService_StreamPowerMetrics_FullMethodName
			s, err := reportsv1.NewReportServiceClient(conn).StreamPowerMetrics(ctx, req)
			if err != nil {
				return nil, answered(method, err)
			}
			return received(method, s.Recv), nil
		})
	f := cmd.Flags()
	f.StringVar(&req.App, "app", "", "id of the app")
	f.StringVar(&req.Build, "build", "", "id of a build, instead of an app")
	f.StringVar(&req.MetricType, "metric", "", "type of the metrics, in Apple's words; default all")
	f.StringVar(&req.DeviceType, "device", "", "Apple's name of a device, such as iPhone17,1; default all")
	completeFlag(cmd, "metric", "HANG", "LAUNCH", "MEMORY", "DISK", "BATTERY", "TERMINATION", "ANIMATION", "STORAGE")
	return cmd
}

func diagnosticsCommand(d Deps) *cobra.Command {
	c, req := &reporter{}, &reportsv1.StreamDiagnosticsRequest{}
	cmd := c.command(d, "diagnostics", "Read hangs, disk writes and slow launches of a build",
		`  gateway report diagnostics --build ID --type HANGS`,
		func(ctx context.Context, conn *grpc.ClientConn) (messages, error) {
			const method = reportsv1.ReportService_StreamDiagnostics_FullMethodName
			s, err := reportsv1.NewReportServiceClient(conn).StreamDiagnostics(ctx, req)
			if err != nil {
				return nil, answered(method, err)
			}
			return received(method, s.Recv), nil
		})
	f := cmd.Flags()
	f.StringVar(&req.Build, "build", "", "id of the build")
	f.StringVar(&req.DiagnosticType, "type", "", "HANGS, DISK_WRITES or LAUNCHES; default all")
	f.Int32Var(&req.Logs, "logs", 0, "how many logs of each signature, 1 to 200; default Apple's")
	completeFlag(cmd, "type", "HANGS", "DISK_WRITES", "LAUNCHES")
	_ = cmd.MarkFlagRequired("build") // the flag exists
	return cmd
}
