package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	reportsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/reports/v1"
	"github.com/asc-gateway/asc-gateway/internal/rows"
	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

const reportHelp = `Read Apple's reports as rows: lines of JSON, CSV, or Parquet.

Amounts are exact decimals in strings, and dates are YYYY-MM-DD. A file that -o names appears when it is whole.`

// reporter reads reports.
type reporter struct {
	asker
	file   string // "": standard output
	format string
}

func reportCommand(d Deps) *cobra.Command {
	cmd := &cobra.Command{Use: "report", Short: "Read sales, finance and analytics reports as rows", Long: reportHelp}
	cmd.AddCommand(salesCommand(d), subscribersCommand(d), financeCommand(d), analyticsCommand(d), metricsCommand(d),
		diagnosticsCommand(d), syncCommand(d))
	return cmd
}

// command is one that reads a report. ask begins to read it.
func (c *reporter) command(
	d Deps,
	use, short, example string,
	ask func(context.Context, *grpc.ClientConn) (messages, error),
) *cobra.Command {
	c.asker = asker{deps: d, output: "table"}
	cmd := &cobra.Command{Use: use, Short: short, Example: example, Args: cobra.NoArgs}
	cmd.RunE = c.reached(func(ctx context.Context, conn *grpc.ClientConn, _ []string) error {
		format, err := c.form()
		if err != nil {
			return err
		}
		return c.write(format, func() (messages, error) { return ask(ctx, conn) })
	})
	c.conn.callFlags(cmd)
	f := cmd.Flags()
	f.StringVarP(
		&c.file,
		"output",
		"o",
		"",
		"file to write; its ending says how: .ndjson, .csv or .parquet. Default: standard output",
	)
	f.StringVar(&c.format, "format", "", "ndjson, csv or parquet; default by the file's ending, else ndjson")
	completeFlag(cmd, "format", "ndjson", "csv", "parquet")
	return cmd
}

// messages receives those of a stream. Its error is [io.EOF] at the end.
type messages func() (proto.Message, error)

// received makes one of a stream's Recv.
func received[M proto.Message](method string, recv func() (M, error)) messages {
	return func() (proto.Message, error) {
		m, err := recv()
		if err != nil && !errors.Is(err, io.EOF) {
			err = answered(method, err)
		}
		return m, err
	}
}

// form is the format that is asked for.
func (c *reporter) form() (rows.Format, error) {
	name := c.format
	if name == "" {
		name = strings.TrimPrefix(filepath.Ext(c.file), ".")
	}
	return formatNamed(name)
}

func formatNamed(name string) (rows.Format, error) {
	if name == "" || name == "jsonl" {
		return rows.NDJSON, nil
	}
	for _, f := range rows.Formats {
		if f.Name == name {
			return f, nil
		}
	}
	return rows.Format{}, usagef("--format: want ndjson, csv or parquet, not %q", clip(name))
}

// write writes a report to where it is wanted.
func (c *reporter) write(format rows.Format, ask func() (messages, error)) error {
	if c.file == "" {
		if format == rows.Parquet && isTerminal(c.stdout) {
			return usagef("Parquet is not for a terminal: name a file by -o")
		}
		_, err := c.copy(format, c.stdout, ask)
		return err
	}
	f, err := newDraft(c.file)
	if err != nil {
		return err
	}
	defer f.drop()
	n, err := c.copy(format, f, ask)
	if err != nil {
		return err
	}
	if err := f.keep(); err != nil {
		return err
	}
	fmt.Fprintf(c.stderr, "%d rows in %s\n", n, c.file)
	return nil
}

// copy writes the rows of a stream, and says how far it is.
func (c *reporter) copy(format rows.Format, to io.Writer, ask func() (messages, error)) (int64, error) {
	next, err := ask()
	if err != nil {
		return 0, err
	}
	w := rows.New(format, to)
	for {
		m, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
		c.told(rows.File(m), w.Rows())
		if err := w.Write(m); err != nil {
			return 0, err
		}
	}
	if n := w.LeftOut(); n > 0 {
		fmt.Fprintf(c.stderr, "%d rows of other apps were left out\n", n)
	}
	return w.Rows(), w.Close()
}

// told says on a terminal which file is read.
func (c *reporter) told(f *reportsv1.ReportFile, rows int64) {
	if f != nil && isTerminal(c.stderr) {
		fmt.Fprintf(
			c.stderr,
			"\r\x1b[K%s %s: %d rows so far",
			printable(f.GetReportType()),
			printable(f.GetReportDate()),
			rows,
		)
	}
}

// draft is a file that gets its name when it is whole.
type draft struct {
	*os.File
	name string
}

func newDraft(name string) (*draft, error) {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return nil, usagef("%s cannot be written: %v", clip(name), errors.Unwrap(err))
	}
	return &draft{f, name}, nil
}

func (d *draft) keep() error {
	if err := errors.Join(d.Sync(), d.Chmod(0o644), d.Close()); err != nil {
		return err
	}
	return os.Rename(d.Name(), d.name)
}

// drop removes it, if it was not kept.
func (d *draft) drop() {
	_ = d.Close()
	_ = os.Remove(d.Name())
}

func salesCommand(d Deps) *cobra.Command {
	c, req := &reporter{}, &reportsv1.StreamSalesReportRequest{}
	cmd := c.command(d, "sales", "Read sales and trends",
		`  gateway report sales --vendor 80012345 --from 2026-11-01 --to 2026-11-07 -o sales.parquet
  gateway report sales --vendor 80012345 --type SUBSCRIPTION --from 2026-11-01`,
		func(ctx context.Context, conn *grpc.ClientConn) (messages, error) {
			return askSales(ctx, conn, req)
		})
	salesFlags(cmd, req)
	_ = cmd.MarkFlagRequired("from") // the flag exists
	return cmd
}

func askSales(ctx context.Context, conn *grpc.ClientConn, req *reportsv1.StreamSalesReportRequest) (messages, error) {
	const method = reportsv1.ReportService_StreamSalesReport_FullMethodName
	s, err := reportsv1.NewReportServiceClient(conn).StreamSalesReport(ctx, req)
	if err != nil {
		return nil, answered(method, err)
	}
	return received(method, s.Recv), nil
}

func salesFlags(cmd *cobra.Command, req *reportsv1.StreamSalesReportRequest) {
	f := cmd.Flags()
	f.StringVar(&req.VendorNumber, "vendor", "", "vendor number: App Store Connect › Payments and Financial Reports")
	f.StringVar(&req.ReportType, "type", "SALES", "type of the report, in Apple's words")
	f.StringVar(&req.ReportSubType, "sub-type", "", "SUMMARY or DETAILED; default the only one")
	f.StringVar(&req.Frequency, "frequency", "", "DAILY, WEEKLY, MONTHLY or YEARLY; default the shortest")
	f.StringVar(&req.From, "from", "", "first day (2026-11-01), month (2026-11) or year (2026)")
	f.StringVar(&req.To, "to", "", "last one; default --from")
	f.StringVar(&req.Version, "version", "", "version of the report; default the newest")
	completeFlag(cmd, "type", "SALES", "PRE_ORDER", "SUBSCRIPTION", "SUBSCRIPTION_EVENT", "SUBSCRIBER",
		"SUBSCRIPTION_OFFER_CODE_REDEMPTION", "WIN_BACK_ELIGIBILITY", "INSTALLS", "FIRST_ANNUAL", "NEWSSTAND")
	completeFlag(cmd, "frequency", "DAILY", "WEEKLY", "MONTHLY", "YEARLY")
	_ = cmd.MarkFlagRequired("vendor") // the flag exists
}

func financeCommand(d Deps) *cobra.Command {
	c, req := &reporter{}, &reportsv1.StreamFinanceReportRequest{}
	cmd := c.command(d, "finance", "Read what Apple pays",
		`  gateway report finance --vendor 80012345 --from 2026-01 --to 2026-03 -o finance.csv
  gateway report finance --vendor 80012345 --type FINANCE_DETAIL --from 2026-01`,
		func(ctx context.Context, conn *grpc.ClientConn) (messages, error) {
			const method = reportsv1.ReportService_StreamFinanceReport_FullMethodName
			s, err := reportsv1.NewReportServiceClient(conn).StreamFinanceReport(ctx, req)
			if err != nil {
				return nil, answered(method, err)
			}
			return received(method, s.Recv), nil
		})
	f := cmd.Flags()
	f.StringVar(&req.VendorNumber, "vendor", "", "vendor number: App Store Connect › Payments and Financial Reports")
	f.StringVar(&req.ReportType, "type", "FINANCIAL", "FINANCIAL or FINANCE_DETAIL")
	f.StringVar(&req.RegionCode, "region", "", "Apple's region, such as US; default all")
	f.StringVar(&req.From, "from", "", "first month of Apple's fiscal year (2026-01)")
	f.StringVar(&req.To, "to", "", "last one; default --from")
	completeFlag(cmd, "type", "FINANCIAL", "FINANCE_DETAIL")
	_ = cmd.MarkFlagRequired("vendor") // the flags exist
	_ = cmd.MarkFlagRequired("from")
	return cmd
}

func analyticsCommand(d Deps) *cobra.Command {
	c, req := &reporter{}, &reportsv1.StreamAnalyticsReportRequest{}
	start := false
	cmd := c.command(d, "analytics", "Read an analytics report of an app",
		`  gateway report analytics --app 1500004000 --report 'App Downloads Standard' -o downloads.parquet
  gateway report analytics --app 1500004000 --report 'App Sessions Standard' --start`,
		func(ctx context.Context, conn *grpc.ClientConn) (messages, error) {
			client := reportsv1.NewReportServiceClient(conn)
			if start {
				_, err := client.StartAnalyticsReports(ctx, &reportsv1.StartAnalyticsReportsRequest{App: req.GetApp()})
				if err != nil {
					return nil, answered(reportsv1.ReportService_StartAnalyticsReports_FullMethodName, err)
				}
			}
			const method = reportsv1.ReportService_StreamAnalyticsReport_FullMethodName
			s, err := client.StreamAnalyticsReport(ctx, req)
			if err != nil {
				return nil, answered(method, err)
			}
			return received(method, s.Recv), nil
		})
	f := cmd.Flags()
	f.StringVar(&req.App, "app", "", "id of the app")
	f.StringVar(&req.Report, "report", "", "Apple's name of the report, such as 'App Downloads Standard'")
	f.StringVar(&req.Granularity, "granularity", "", "DAILY, WEEKLY or MONTHLY; default DAILY")
	f.StringVar(&req.AccessType, "access", "", "ONGOING or ONE_TIME_SNAPSHOT; default ONGOING")
	f.StringVar(&req.From, "from", "", "first date; default as far back as Apple has them")
	f.StringVar(&req.To, "to", "", "last date; default today")
	f.BoolVar(&start, "start", false, "ask Apple to write reports of the app, if nobody has")
	completeFlag(cmd, "granularity", "DAILY", "WEEKLY", "MONTHLY")
	completeFlag(cmd, "access", "ONGOING", "ONE_TIME_SNAPSHOT")
	_ = cmd.MarkFlagRequired("app") // the flags exist
	_ = cmd.MarkFlagRequired("report")
	return cmd
}
