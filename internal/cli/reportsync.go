package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	reportsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/reports/v1"
	"github.com/asc-gateway/asc-gateway/internal/rows"
	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

const syncHelp = `Keep a folder of daily sales reports, a partition for each type and day:

  DIR/vendor=80012345/type=SALES/date=2026-11-01/rows.parquet

Only days that are missing are asked for; a day of which Apple has no report holds an empty file named _EMPTY. A day
appears when it is whole, so the command can be run again, and killed, at any time. It ends well at a day that is not
published yet.`

// syncer keeps a folder up to date.
type syncer struct {
	reporter
	vendor   string
	types    []string
	from, to string
	dir      string
}

func syncCommand(d Deps) *cobra.Command {
	c := &syncer{}
	c.asker = asker{deps: d, output: "table"}
	cmd := &cobra.Command{
		Use:     "sync DIR",
		Short:   "Keep a folder of daily sales reports",
		Long:    syncHelp,
		Args:    cobra.ExactArgs(1),
		Example: `  gateway report sync sales --vendor 80012345 --type SALES --type SUBSCRIPTION --from 2026-11-01`,
	}
	cmd.RunE = c.reached(func(ctx context.Context, conn *grpc.ClientConn, args []string) error {
		c.dir = args[0]
		return c.run(ctx, conn)
	})
	c.conn.callFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&c.vendor, "vendor", "", "vendor number: App Store Connect › Payments and Financial Reports")
	f.StringArrayVar(&c.types, "type", []string{"SALES"}, "type of reports; may be given again")
	f.StringVar(&c.from, "from", "", "first day")
	f.StringVar(&c.to, "to", "", "last day; default the last that is over")
	f.StringVar(&c.format, "format", "parquet", "ndjson, csv or parquet")
	completeFlag(cmd, "format", "ndjson", "csv", "parquet")
	_ = cmd.MarkFlagRequired("vendor") // the flags exist
	_ = cmd.MarkFlagRequired("from")
	return cmd
}

// emptyMark stands in the partition of a day without a report.
const emptyMark = "_EMPTY"

// rangeMost is how many days are asked for by one call.
const rangeMost = 90

func (c *syncer) run(ctx context.Context, conn *grpc.ClientConn) error {
	format, err := formatNamed(c.format)
	if err != nil {
		return err
	}
	first, err := time.Parse(time.DateOnly, c.from)
	if err != nil {
		return usagef("--from: want a day such as 2026-11-01, not %q", clip(c.from))
	}
	last := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -1)
	if c.to != "" {
		if last, err = time.Parse(time.DateOnly, c.to); err != nil {
			return usagef("--to: want a day such as 2026-11-01, not %q", clip(c.to))
		}
	}
	for _, typ := range c.types {
		if typ == "" || filepath.Base(typ) != typ || filepath.Base(c.vendor) != c.vendor {
			return usagef("--type and --vendor name folders: %q", clip(typ))
		}
		if err := c.one(ctx, conn, typ, format, first, last); err != nil {
			return err
		}
	}
	return nil
}

// one brings a type up to date, range by range of what is missing.
func (c *syncer) one(
	ctx context.Context,
	conn *grpc.ClientConn,
	typ string,
	format rows.Format,
	day, last time.Time,
) error {
	days, n := 0, int64(0)
	for !day.After(last) {
		if c.has(typ, day) {
			day = day.AddDate(0, 0, 1)
			continue
		}
		end := day
		for i := 1; i < rangeMost && !end.Equal(last) && !c.has(typ, end.AddDate(0, 0, 1)) && end.Before(last); i++ {
			end = end.AddDate(0, 0, 1)
		}
		next, err := askSales(ctx, conn, &reportsv1.StreamSalesReportRequest{VendorNumber: c.vendor, ReportType: typ,
			Frequency: "DAILY", From: day.Format(time.DateOnly), To: end.Format(time.DateOnly)})
		if err != nil {
			return err
		}
		p := &partitions{of: c, typ: typ, format: format}
		err = p.read(next)
		days, n = days+p.days, n+p.rows
		if notReady(err) {
			fmt.Fprintf(c.stderr, "%s: %s\n", printable(typ), printable(err.Error()))
			break
		}
		if err != nil {
			return err
		}
		day = end.AddDate(0, 0, 1)
	}
	fmt.Fprintf(c.stdout, "%s: %d days and %d rows are new\n", printable(typ), days, n)
	return nil
}

// partition is the folder of a day.
func (c *syncer) partition(typ, day string) string {
	return filepath.Join(c.dir, "vendor="+c.vendor, "type="+typ, "date="+day)
}

// has says whether a day is there.
func (c *syncer) has(typ string, day time.Time) bool {
	found, err := os.ReadDir(c.partition(typ, day.Format(time.DateOnly)))
	for _, f := range found {
		if f.Name() == emptyMark || f.Name() == "rows."+c.format {
			return err == nil
		}
	}
	return false
}

// partitions writes the files of a stream, each into its folder.
type partitions struct {
	of     *syncer
	typ    string
	format rows.Format
	days   int
	rows   int64

	file  *draft // of the day that is read, nil: none
	w     *rows.Writer
	empty bool
}

func (p *partitions) read(next messages) error {
	defer func() {
		if p.file != nil {
			p.file.drop()
		}
	}()
	for {
		m, err := next()
		if err == nil {
			err = p.take(m)
		}
		if errors.Is(err, io.EOF) {
			return p.done()
		}
		if notReady(err) { // of the next day: this one is whole
			return errors.Join(p.done(), err)
		}
		if err != nil {
			return err
		}
	}
}

// notReady says whether Apple has not published a day yet.
func notReady(err error) bool {
	var e *callError
	return errors.As(err, &e) && e.Reason == "REPORT_NOT_READY"
}

func (p *partitions) take(m proto.Message) error {
	if f := rows.File(m); f != nil {
		if err := p.done(); err != nil {
			return err
		}
		p.of.told(f, p.rows)
		if err := p.begin(f); err != nil {
			return err
		}
	}
	return p.w.Write(m)
}

func (p *partitions) begin(f *reportsv1.ReportFile) error {
	if _, err := time.Parse(time.DateOnly, f.GetReportDate()); err != nil { // it names a folder
		return fmt.Errorf("the gateway names no day: %s", clip(f.GetReportDate()))
	}
	dir := p.of.partition(p.typ, f.GetReportDate())
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	name := filepath.Join(dir, "rows."+p.format.Name)
	if p.empty = f.GetState() == reportsv1.ReportStateEnum_EMPTY; p.empty {
		name = filepath.Join(dir, emptyMark)
	}
	var err error
	if p.file, err = newDraft(name); err != nil {
		return err
	}
	p.w = rows.New(p.format, p.file)
	return nil
}

// done keeps the day that was read.
func (p *partitions) done() error {
	if p.file == nil {
		return nil
	}
	if !p.empty {
		if err := p.w.Close(); err != nil {
			return err
		}
	}
	p.days, p.rows = p.days+1, p.rows+p.w.Rows()
	f := p.file
	p.file = nil
	if err := f.keep(); err != nil {
		f.drop()
		return err
	}
	return nil
}
