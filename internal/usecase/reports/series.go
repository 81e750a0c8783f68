package reports

import (
	"context"

	reportsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/reports/v1"
	"github.com/asc-gateway/asc-gateway/internal/usecase/reports/table"
)

// series reads the files of a range in order.
type series struct {
	service *Service
	spans   []span
	grammar table.Grammar
	open    func(span) opener
	about   func(of span, version string) *reportsv1.ReportFile
	version func() string
	sheet   *sheet
	kept    *ownRows // to the rows of some apps
	keep    bool     // files of what is over never change
}

// read fetches some files ahead of the one that is read: as soon as the first is
// there, which may have told that a version is wrong.
func (r *series) read(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	begun := make([]*download, len(r.spans))
	begin := func(i int) {
		if i < len(begun) && begun[i] == nil && !r.service.Now().Before(r.spans[i].end) {
			begun[i] = r.fetch(ctx, r.spans[i])
		}
	}
	defer func() {
		for _, d := range begun {
			if d != nil {
				d.mark.Settle(false)
			}
		}
	}()
	for i, of := range r.spans {
		if begin(i); begun[i] == nil { // what is not over is not asked for
			return notReady(of, r.service.Now())
		}
		err := begun[i].wait(ctx)
		for next := i + 1; next < i+ahead; next++ {
			begin(next)
		}
		if err != nil {
			err = r.missing(of, err)
		} else {
			err = r.one(ctx, of, begun[i])
		}
		begun[i].mark.Settle(err == nil)
		if err != nil {
			return err
		}
		begun[i] = nil
	}
	return nil
}

// missing tells of a file that Apple does not have.
func (r *series) missing(of span, err error) error {
	if err := absent(err, of, r.service.Now()); err != nil {
		return err
	}
	file := r.about(of, r.version())
	file.State = reportsv1.ReportStateEnum_EMPTY
	r.sheet.begin(file)
	return r.sheet.flush(nil)
}

// one reads a file.
func (r *series) one(ctx context.Context, of span, d *download) error {
	t, err := table.NewReader(d, r.grammar)
	if err != nil {
		return err
	}
	version := r.version()
	if told := d.info.GetReportVersion(); told != "" {
		version = told
	}
	wanted, err := r.kept.rows(ctx, t.Columns)
	if err != nil {
		return err
	}
	file := r.about(of, version)
	file.Filename, file.Columns, file.State = d.info.GetFilename(), t.Columns, reportsv1.ReportStateEnum_PRESENT
	for _, p := range t.Preamble {
		if file.Preamble == nil {
			file.Preamble = map[string]string{}
		}
		file.Preamble[p.Name] = p.Value
	}
	r.sheet.begin(file)
	if err := r.sheet.read(t, of.name, wanted); err != nil {
		return err
	}
	return r.sheet.flush(r.kept.rest())
}
