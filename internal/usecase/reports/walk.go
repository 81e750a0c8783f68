package reports

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	reportingv1 "github.com/asc-gateway/asc-gateway/gen/asc/reporting/v1"
	resourcesv1 "github.com/asc-gateway/asc-gateway/gen/asc/resources/v1"
	reportsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/reports/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/usecase/reports/table"
	"google.golang.org/protobuf/proto"
)

// tokenLife is how long a walk may be resumed.
const tokenLife = 24 * time.Hour

// maxToken is the length of a token: dates that follow each other are one part.
const maxToken = 4096

// datesMost bounds the dates of a walk: a snapshot has those of a few years.
const datesMost = 4000

// walk reads the instances of an analytics report, the newest first. Apple corrects
// whole dates: of each date, the rows of the instance that was processed last count,
// and no others.
type walk struct {
	service                 *Service
	req                     *reportsv1.StreamAnalyticsReportRequest
	accessType, granularity string
	from, to                string
	sheet                   *sheet
	state                   walked
	given                   map[string]bool // dates whose rows have been given
}

// walked is how far a walk has come: what its token holds.
type walked struct {
	Newest  string   `json:"newest"` // instance that the walk began with
	Done    string   `json:"done"`   // instance that was read last
	Dates   []string `json:"dates"`  // that have been given: 2026-11-01, or 2026-11-01/2026-11-30
	Expires int64    `json:"expires"`
}

// about binds a token to its request.
func (w *walk) about() string {
	r := w.req
	return fmt.Sprintf("%q", []string{r.GetApp(), r.GetReport(), w.granularity, w.accessType, w.from, w.to})
}

func (w *walk) resume(ctx context.Context, token string) error {
	if token == "" {
		return nil
	}
	bad := fault.New(fault.InvalidArgument, ReasonResumeToken, "the resume token is of another request, or has expired")
	b, err := w.service.Seals.Unseal(ctx, w.about(), token)
	if err != nil || json.Unmarshal(b, &w.state) != nil || w.service.Now().Unix() > w.state.Expires {
		return bad
	}
	for _, part := range w.state.Dates {
		first, last, _ := strings.Cut(part, "/")
		for date := first; date != ""; date = dayAfter(date) {
			if w.given[date] = true; last == "" || date >= last {
				break
			}
		}
	}
	return nil
}

func (w *walk) token(ctx context.Context) string {
	w.state.Expires = w.service.Now().Add(tokenLife).Unix()
	w.state.Dates = w.state.Dates[:0]
	first, last := "", ""
	for _, date := range append(slices.Sorted(maps.Keys(w.given)), "") {
		switch {
		case first != "" && date == dayAfter(last):
			last = date
			continue
		case first != "" && first != last:
			w.state.Dates = append(w.state.Dates, first+"/"+last)
		case first != "":
			w.state.Dates = append(w.state.Dates, first)
		}
		first, last = date, date
	}
	b, err := json.Marshal(w.state)
	if err != nil { // of strings
		panic(err)
	}
	if token := w.service.Seals.Seal(ctx, w.about(), b); len(token) <= maxToken {
		return token
	}
	return "" // a walk with that many gaps begins again
}

// dayAfter is the day after a date, "" of what is none.
func dayAfter(date string) string {
	t, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return ""
	}
	return t.AddDate(0, 0, 1).Format(time.DateOnly)
}

// read reads instances, which are sorted.
func (w *walk) read(ctx context.Context, list []*resourcesv1.AnalyticsReportInstance) error {
	if len(list) == 0 {
		w.sheet.begin(&reportsv1.ReportFile{ReportType: w.req.GetReport(), Frequency: w.granularity,
			State: reportsv1.ReportStateEnum_EMPTY})
		return w.sheet.flush(nil)
	}
	if w.state.Newest == "" {
		w.state.Newest = list[0].GetId()
	}
	if w.state.Newest != list[0].GetId() {
		return fault.New(fault.FailedPrecondition, ReasonCorrected,
			"Apple has corrected the report since it was read: read it from the beginning")
	}
	if w.state.Done != "" {
		at := slices.IndexFunc(
			list,
			func(i *resourcesv1.AnalyticsReportInstance) bool { return i.GetId() == w.state.Done },
		)
		list = list[at+1:] // -1: it is gone, and what was before it is known by its dates
	}
	for _, i := range list {
		if i.GetProcessingDate() < w.from { // it has no later dates
			break
		}
		if err := w.instance(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// instance reads one, of all its segments.
func (w *walk) instance(ctx context.Context, i *resourcesv1.AnalyticsReportInstance) error {
	segments, err := w.segments(ctx, i.GetId())
	if err != nil {
		return err
	}
	file := &reportsv1.ReportFile{ReportDate: i.GetProcessingDate(), ReportType: w.req.GetReport(),
		Frequency: w.granularity, Instance: i.GetId(), ProcessingDate: i.GetProcessingDate(),
		State: reportsv1.ReportStateEnum_PRESENT}
	if len(segments) == 0 {
		file.State = reportsv1.ReportStateEnum_EMPTY
	}
	w.sheet.begin(file)
	seen := map[string]bool{}
	for _, s := range segments {
		if err := w.segment(ctx, s, file, seen); err != nil {
			return err
		}
	}
	for date := range seen {
		w.given[date] = true
	}
	w.state.Done = i.GetId()
	token := w.token(ctx)
	return w.sheet.flush(func(m proto.Message) {
		m.(*reportsv1.StreamAnalyticsReportResponse).ResumeToken = token
	})
}

func (w *walk) segments(ctx context.Context, instance string) (list []*resourcesv1.AnalyticsReportSegment, err error) {
	ask := &reportingv1.ListAnalyticsReportInstanceSegmentsRequest{Id: instance, PageSize: pageMost}
	client := reportingv1.NewAnalyticsReportInstancesServiceClient(w.service.Conn)
	for range pagesMost {
		res, err := client.ListAnalyticsReportInstanceSegments(ctx, ask)
		if err != nil {
			return nil, err
		}
		list = append(list, res.GetAnalyticsReportSegments()...)
		if ask.PageToken = res.GetNextPageToken(); ask.PageToken == "" {
			break
		}
	}
	return list, nil
}

// segment reads the file of one, and compares size and checksum at its end.
func (w *walk) segment(
	ctx context.Context, s *resourcesv1.AnalyticsReportSegment, file *reportsv1.ReportFile, seen map[string]bool,
) error {
	body, _, err := w.service.Files.Get(ctx, s.GetUrl())
	if err != nil {
		return err
	}
	defer body.Close()
	sum := &summed{from: body, md5: md5.New()}
	t, err := table.NewReader(sum, table.Plain)
	if err == nil {
		err = w.rows(t, file, seen)
	}
	var known *fault.Error
	if err != nil && !errors.As(err, &known) {
		return fault.New(fault.Unavailable, table.ReasonTruncated, "a segment of the report broke off").WithCause(err)
	}
	if err != nil && known.Reason != table.ReasonTruncated {
		return err
	}
	// What cannot be unpacked is told as what it is: other bytes than Apple's.
	if differs := sum.compare(s); differs != nil {
		return differs
	}
	return err
}

func (w *walk) rows(t *table.Reader, file *reportsv1.ReportFile, seen map[string]bool) error {
	file.Columns = t.Columns
	at := slices.IndexFunc(t.Columns, func(c string) bool { return table.Name(c) == "date" })
	if at < 0 {
		return fault.New(
			fault.Unavailable,
			ReasonNoDates,
			"Apple's report has no column Date, by which it is corrected",
		)
	}
	keep := func(cells [][]byte) (bool, error) {
		date := string(table.AppendDate(nil, table.Trim(cells[at])))
		if !seen[date] {
			if _, err := time.Parse(time.DateOnly, date); err != nil {
				return false, fault.New(
					fault.Unavailable,
					table.ReasonMalformed,
					"Apple's report, line %d: no date",
					t.Line(),
				)
			}
			if len(seen)+len(w.given) >= datesMost {
				return false, fault.New(
					fault.Unavailable,
					table.ReasonMalformed,
					"Apple's report has more than %d dates",
					datesMost,
				)
			}
			seen[date] = true
		}
		return !w.given[date] && date >= w.from && date <= w.to, nil
	}
	return w.sheet.read(t, file.GetReportDate(), keep)
}

// summed counts and sums what is read.
type summed struct {
	from io.Reader
	md5  hash.Hash
	n    int64
}

// Read implements [io.Reader].
func (s *summed) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	s.n += int64(n)
	_, _ = s.md5.Write(p[:n]) // never fails
	return n, err
}

// compare says what differs from what Apple said of a segment. Its checksum is the
// MD5 of the packed bytes, in hexadecimal.
func (s *summed) compare(segment *resourcesv1.AnalyticsReportSegment) error {
	if _, err := io.Copy(io.Discard, s); err != nil {
		return fault.New(fault.Unavailable, table.ReasonTruncated, "a segment of the report broke off").WithCause(err)
	}
	if segment.SizeInBytes != nil && s.n != segment.GetSizeInBytes() {
		return fault.New(fault.Unavailable, ReasonChecksum, "a segment has %d bytes, and Apple said %d", s.n,
			segment.GetSizeInBytes())
	}
	if want := segment.GetChecksum(); want != "" && !strings.EqualFold(want, hex.EncodeToString(s.md5.Sum(nil))) {
		return fault.New(fault.Unavailable, ReasonChecksum, "a segment is not what Apple said: its checksum differs")
	}
	return nil
}
