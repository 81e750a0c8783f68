package sandbox

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/asc-gateway/asc-gateway/sandbox/internal/sales"
)

// Analytics, from the request of reports to their segments. Apple: Downloading analytics
// reports; data completeness and corrections; privacy.
const (
	instanceDays = 35 // that an instance is there
	idleDays     = 90 // after which a request that nobody reads stops; Apple names no number
	snapshotDays = 30 // within which there is one snapshot
	historyYear  = 365
	readAt       = "sandboxReadAt" // of a request: when its reports were last read
)

// reporting: analytics, and the signatures of diagnostics.
func reporting() map[string]behavior {
	first := sales.Analytics[0]
	return map[string]behavior{
		"analyticsReportRequests": {
			seed:    each(cycle("accessType", "ONGOING"), cycle("stoppedDueToInactivity", false)),
			settled: reportsSettled,
			allowed: requestAllowed,
			created: func(c *call, o *object) { reportsSettled(c.s.store, o) },
			looked:  requestLooked,
			owns:    []string{"reports"},
		},
		"analyticsReports": {
			seed:   each(cycle("name", first.Name), cycle("category", first.Category)),
			looked: reportLooked,
			owns:   []string{"instances"},
		},
		"analyticsReportInstances": {
			seed: func(o *object, _ int) {
				o.attrs["granularity"], o.attrs["processingDate"] = "DAILY", sales.DayOf(o.at).String()
			},
			owns: []string{"segments"},
		},
		"analyticsReportSegments": {show: segmentShown},
		"diagnosticSignatures":    {seed: signatureSeed},
	}
}

// reportsSettled gives a request its reports: those that it has not, of all that there
// are.
func reportsSettled(st *store, o *object) {
	o.attrs["stoppedDueToInactivity"] = false
	have := st.related(o, "reports")
	for _, a := range sales.Analytics {
		if slices.ContainsFunc(have, func(r *object) bool { return r.text("name") == a.Name }) {
			continue
		}
		st.link(o, "reports", st.derive("analyticsReports", o, a.Name, map[string]any{
			"name": a.Name, "category": a.Category,
		}).id)
	}
}

// derive adds an object whose id follows from what it belongs to.
func (s *store) derive(typ string, of *object, name string, attrs map[string]any) *object {
	id := uuid(md5.Sum(fmt.Append(nil, typ, " ", of.id, " ", name)))
	o := &object{typ: typ, id: id, attrs: attrs, rels: map[string][]string{}, at: of.at}
	s.add(o)
	return o
}

// requestAllowed: an app has one ongoing request that runs, and one snapshot a month.
func requestAllowed(c *call, o, _ *object) []apiError {
	for _, x := range c.s.store.all("analyticsReportRequests") {
		if x == o || x.text("accessType") != o.text("accessType") ||
			!slices.Equal(c.s.store.ids(x, "app"), c.s.store.ids(o, "app")) {
			continue
		}
		old := x.text("accessType") == "ONE_TIME_SNAPSHOT" && c.now.Sub(x.at) >= snapshotDays*24*time.Hour
		if requestLooked(c, x); old || x.attrs["stoppedDueToInactivity"] == true {
			continue
		}
		return []apiError{{
			Status: http.StatusConflict,
			Code:   "ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE",
			Title:  "The provided entity includes an attribute with a value that has already been used",
			Detail: "You already have a request of the access type '" + o.text("accessType") + "' for this app: '" +
				x.id + "'",
			Pointer: "/data/attributes/accessType",
		}}
	}
	return nil
}

// requestLooked stops an ongoing request whose reports nobody has read for long.
func requestLooked(c *call, o *object) {
	if o.text("accessType") == "ONGOING" && c.now.After(idleSince(o).AddDate(0, 0, idleDays)) {
		o.attrs["stoppedDueToInactivity"] = true
	}
}

// idleSince is when the reports of a request were last read, or when it was made.
func idleSince(o *object) time.Time {
	if t, err := time.Parse(time.RFC3339, o.text(readAt)); err == nil {
		return t
	}
	return o.at
}

// reportLooked brings the instances of a report up to date: those of 35 days are there.
// They and their segments are made when somebody looks.
func reportLooked(c *call, report *object) {
	st := c.s.store
	requests := st.pointing(report, "analyticsReportRequests", "reports")
	if len(requests) == 0 {
		return
	}
	request := requests[0]
	requestLooked(c, request)
	until := c.now
	if request.attrs["stoppedDueToInactivity"] == true {
		until = idleSince(request).AddDate(0, 0, idleDays)
	} else {
		request.attrs[readAt] = c.now.UTC().Format(time.RFC3339)
	}
	have := map[string]bool{}
	for _, o := range st.related(report, "instances") {
		day, _ := time.Parse(time.DateOnly, o.text("processingDate"))
		if sales.DayOf(c.now)-sales.Date(day.Date()) >= instanceDays {
			for _, segment := range st.related(o, "segments") {
				st.remove(segment)
			}
			st.remove(o)
			continue
		}
		have[o.text("granularity")+o.text("processingDate")] = true
	}
	c.processed(request, until, func(granularity string, d sales.Day) {
		if have[granularity+d.String()] || sales.DayOf(c.now)-d >= instanceDays {
			return
		}
		o := st.derive("analyticsReportInstances", report, granularity+d.String(), map[string]any{
			"granularity": granularity, "processingDate": d.String(),
		})
		st.link(report, "instances", o.id)
		for i := range segmentsOf(request) {
			st.link(o, "segments", st.derive("analyticsReportSegments", o, fmt.Sprint(i), map[string]any{}).id)
		}
	})
}

// segmentsOf is in how many segments an instance is cut.
func segmentsOf(request *object) int {
	if request.text("accessType") == "ONE_TIME_SNAPSHOT" {
		return 6
	}
	return 2
}

// processed yields the instances that a request has had until a time: of a day each day,
// of a week on Friday, of a month on the fifth.
func (c *call) processed(request *object, until time.Time, each func(granularity string, d sales.Day)) {
	newest := newestReport(until) + 1
	took := c.s.cfg.Times.Report
	if took == 0 {
		took = c.s.cfg.Processing
	}
	ready := request.at.Add(took)
	if until.Before(ready) {
		return
	}
	from := sales.DayOf(ready)
	switch birth := c.s.store.birth(); {
	case request.text("accessType") == "ONE_TIME_SNAPSHOT":
		for _, granularity := range []string{"DAILY", "WEEKLY", "MONTHLY"} {
			each(granularity, from)
		}
		return
	case !request.at.After(birth): // it had been there before the world began
		from = sales.DayOf(birth) - instanceDays
	}
	for d := max(min(from, newest), newest-instanceDays); d <= newest; d++ {
		each("DAILY", d)
		if d.Weekday() == time.Friday {
			each("WEEKLY", d)
		}
		if d.Time().Day() == 5 {
			each("MONTHLY", d)
		}
	}
}

// newestReport is the newest day of which there are reports.
func newestReport(now time.Time) sales.Day {
	d := sales.DayOf(now) - 1
	if now.Before((d + 1).At(readyHour)) {
		d--
	}
	return d
}

// dates are those of an instance. Of days there are two: what is known of the last is
// not all, and the next instance replaces it.
func dates(request, instance *object) (list []sales.Dated) {
	t, _ := time.Parse(time.DateOnly, instance.text("processingDate"))
	processed := sales.Date(t.Date())
	back := sales.Day(2)
	if request.text("accessType") == "ONE_TIME_SNAPSHOT" {
		back = historyYear
	}
	add := func(s sales.Span) {
		list = append(list, sales.Dated{Date: s.From, Span: s, Some: s.To == processed-1})
	}
	switch instance.text("granularity") {
	case "DAILY":
		for d := processed - back; d < processed; d++ {
			add(sales.Span{From: d, To: d})
		}
	case "WEEKLY":
		monday := processed - 7 - (sales.Day(processed.Weekday())+6)%7
		for d := monday - max(0, back-7)/7*7; d <= monday; d += 7 {
			add(sales.Span{From: d, To: d + 6})
		}
	case "MONTHLY":
		for i := max(1, int(back)/30); i >= 1; i-- {
			add(sales.Month(t.Year(), t.Month()-time.Month(i)))
		}
	}
	return list
}

// segmentWriter is what writes the file of a segment; nil where the segment belongs to
// nothing. The sandbox is locked; later says that it is not, when the file is written.
func (s *Sandbox) segmentWriter(segment *object, later bool) func(w io.Writer) error {
	chain := []*object{segment}
	for _, x := range [][2]string{
		{"analyticsReportInstances", "segments"}, {"analyticsReports", "instances"},
		{"analyticsReportRequests", "reports"},
	} {
		above := s.store.pointing(chain[len(chain)-1], x[0], x[1])
		if len(above) == 0 {
			return nil
		}
		chain = append(chain, above[0])
	}
	instance, report, request := chain[1], chain[2], chain[3]
	a, ok := sales.FindAnalytic(report.text("name"))
	if !ok {
		return nil
	}
	siblings := s.store.ids(instance, "segments")
	part := sales.Part{AppID: strings.Join(s.store.ids(request, "app"), ""), Dates: dates(request, instance),
		Index: slices.Index(siblings, segment.id), Of: len(siblings)}
	m := s.market(later)
	return packing(func(w io.Writer) error { return m.Analyze(w, a, part) })
}

// segmentShown points to the segment's file on the sandbox itself, by a URL that
// is signed and needs no token.
func segmentShown(c *call, o *object) map[string]any {
	var size counter
	sum := md5.New()
	if write := c.s.segmentWriter(o, false); write != nil {
		_ = write(io.MultiWriter(&size, sum)) // neither can fail
	}
	return map[string]any{"checksum": hex.EncodeToString(sum.Sum(nil)), "sizeInBytes": int(size),
		"url": fmt.Sprintf("%s/_sandbox/files/%s?signature=%s", c.base, o.id, signature(o.id))}
}

func signature(id string) string {
	sum := md5.Sum([]byte("sandbox file " + id))
	return hex.EncodeToString(sum[:])
}

// getFile serves a segment's file.
func (s *Sandbox) getFile(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	s.mu.Lock()
	var write func(w io.Writer) error
	if o := s.store.get("analyticsReportSegments", id); o != nil {
		write = s.segmentWriter(o, true)
	}
	s.mu.Unlock()
	switch {
	case write == nil || r.URL.Query().Get("signature") != signature(id):
		http.Error(w, "no such file", http.StatusForbidden)
		return
	case r.Header.Get("Authorization") != "":
		http.Error(w, "the URL is signed already: send no Authorization", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/gzip")
	_ = write(w) // a caller that went away needs no answer
}
