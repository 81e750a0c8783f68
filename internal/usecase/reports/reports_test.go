package reports

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	reportsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/reports/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/usecase/reports/table"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// responses are the messages of rows.
var responses = map[string]func() proto.Message{
	"sales":     func() proto.Message { return &reportsv1.StreamSalesReportResponse{} },
	"finance":   func() proto.Message { return &reportsv1.StreamFinanceReportResponse{} },
	"analytics": func() proto.Message { return &reportsv1.StreamAnalyticsReportResponse{} },
}

// TestEveryColumnHasItsField: a row of each report, whose cells are the names of
// their columns, fills exactly the fields of these names, whatever their order.
func TestEveryColumnHasItsField(t *testing.T) {
	res, err := New(Deps{}).ListReports(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.GetReports()) < 30 {
		t.Errorf("%d reports", len(res.GetReports()))
	}
	for _, k := range res.GetReports() {
		if len(k.GetColumns()) == 0 {
			if k.GetRow() != "GenericRow" {
				t.Errorf("%s has no columns", k.GetReportType())
			}
			continue
		}
		field := fieldOf(responses[k.GetFamily()](), k.GetRow())
		for _, order := range []func([]string){func([]string) {}, reversed} {
			header := append([]string{}, k.GetColumns()...)
			order(header)
			row := rowOf(
				t,
				responses[k.GetFamily()],
				field,
				strings.Join(header, "\t")+"\n"+strings.Join(header, "\t")+"\n",
			)
			seen := 0
			row.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
				switch {
				case fd.IsMap():
					t.Errorf("%s: not known: %v", k.GetReportType(), v)
				case fd.Number() == 1:
					if v.String() != "2026-11-01" {
						t.Errorf("%v", v)
					}
				case table.Name(v.String()) != string(fd.Name()):
					t.Errorf("%s: %s stands in %s", k.GetReportType(), v, fd.Name())
				default:
					seen++
				}
				return true
			})
			if seen != len(header) {
				t.Errorf("%s: %d of %d columns", k.GetReportType(), seen, len(header))
			}
			if fields := row.Descriptor().Fields().Len() - 2; fields != len(header) {
				t.Errorf("%s has %d columns, and its message %d", k.GetReportType(), len(header), fields)
			}
		}
	}
}

func reversed(list []string) {
	for i := range len(list) / 2 {
		list[i], list[len(list)-1-i] = list[len(list)-1-i], list[i]
	}
}

// fieldOf is the field of a response whose rows are of a message.
func fieldOf(m proto.Message, row string) string {
	for i := range m.ProtoReflect().Descriptor().Fields().Len() {
		fd := m.ProtoReflect().Descriptor().Fields().Get(i)
		if fd.IsList() && string(fd.Message().Name()) == row {
			return string(fd.Name())
		}
	}
	return ""
}

// decoded is a message as its receiver sees it.
func decoded(t *testing.T, m proto.Message) proto.Message {
	t.Helper()
	b, err := proto.Marshal(m)
	out := m.ProtoReflect().New().Interface()
	if err != nil || proto.Unmarshal(b, out) != nil || len(out.ProtoReflect().GetUnknown()) > 0 {
		t.Fatalf("%v", err)
	}
	return out
}

// rowOf is the first row of a file.
func rowOf(t *testing.T, make func() proto.Message, field, text string) protoreflect.Message {
	t.Helper()
	var out protoreflect.Message
	s := newSheet(make, field, func(m proto.Message) error {
		m = decoded(t, m)
		list := m.ProtoReflect().Get(m.ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(field))).List()
		if list.Len() > 0 && out == nil {
			out = list.Get(0).Message()
		}
		return nil
	})
	r, err := table.NewReader(strings.NewReader(text), table.Plain)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.read(r, "2026-11-01", nil); err != nil {
		t.Fatal(err)
	}
	if err := s.flush(nil); err != nil || out == nil {
		t.Fatalf("%v %v", out, err)
	}
	return out
}

// TestOtherSpellings of columns are found, and a column of another name is kept.
func TestOtherSpellings(t *testing.T) {
	row := rowOf(
		t,
		responses["finance"],
		"financial",
		"Sales or Return\tCOUNTRY OF SALE\tReport Date\tExtra\nS\tUS\t11/02/2025\t7\n",
	)
	m := row.Interface().(*reportsv1.FinancialRow)
	if m.GetSaleOrReturn() != "S" || m.GetCountryOfSale() != "US" || m.GetReportDate() != "2026-11-01" ||
		m.GetExtra()["Report Date"] != "2025-11-02" || m.GetExtra()["Extra"] != "7" {
		t.Errorf("%v", m)
	}
	g := rowOf(t, responses["sales"], "rows", "Engine\tCount\nx\t7\n").Interface().(*reportsv1.GenericRow)
	if g.GetCells()["Engine"] != "x" || g.GetCells()["Count"] != "7" || g.GetReportDate() != "2026-11-01" {
		t.Errorf("%v", g)
	}
}

// TestMessagesAreBounded in rows, and in bytes.
func TestMessagesAreBounded(t *testing.T) {
	for _, c := range []struct {
		cell     string
		messages int
	}{{"x", 3}, {strings.Repeat("x", 60<<10), 300}} {
		messages, rows := 0, 0
		s := newSheet(responses["sales"], "sales", func(m proto.Message) error {
			messages++
			m = decoded(t, m)
			rows += len(m.(*reportsv1.StreamSalesReportResponse).GetSales())
			if n := proto.Size(m); n > batchBytes+1024 ||
				len(m.(*reportsv1.StreamSalesReportResponse).GetSales()) > batchRows {
				t.Errorf("%d bytes", n)
			}
			return nil
		})
		var file bytes.Buffer
		file.WriteString("Title\n")
		for range 1200 {
			file.WriteString(c.cell + "\n")
		}
		r, err := table.NewReader(&file, table.Plain)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.read(r, "2026-11-01", nil); err != nil {
			t.Fatal(err)
		}
		if err := s.flush(nil); err != nil || messages != c.messages || rows != 1200 {
			t.Errorf("%d messages, %d rows, %v", messages, rows, err)
		}
	}
}

// TestKinds fills in what is left out, and names what there is.
func TestKinds(t *testing.T) {
	for asked, want := range map[[3]string]string{
		{"", "", ""}:                           "SALES SUMMARY DAILY 1_0",
		{"SALES", "", "WEEKLY"}:                "SALES SUMMARY WEEKLY 1_0",
		{"SUBSCRIBER", "", ""}:                 "SUBSCRIBER DETAILED DAILY 1_3",
		{"SUBSCRIPTION", "SUMMARY", ""}:        "SUBSCRIPTION SUMMARY DAILY 1_4",
		{"INSTALLS", "", "YEARLY"}:             "INSTALLS DETAILED YEARLY 1_1",
		{"INSTALLS", "SUMMARY", ""}:            "INSTALLS SUMMARY MONTHLY 1_2",
		{"FIRST_ANNUAL", "", "YEARLY"}:         "FIRST_ANNUAL SUMMARY YEARLY 1_0",
		{"SOLD", "", ""}:                       "report_type",
		{"SUBSCRIBER", "SUMMARY", ""}:          "report_sub_type",
		{"SUBSCRIPTION", "", "WEEKLY"}:         "frequency",
		{"FIRST_ANNUAL", "SUMMARY", "DAILY"}:   "frequency",
		{"SUBSCRIPTION_EVENT", "", "sometime"}: "frequency",
	} {
		k, sub, frequency, err := kindOf(asked[0], asked[1], asked[2])
		got := fmt.Sprintf("%s %s %s %s", k.reportType, sub, frequency, k.version)
		if err != nil {
			got = fault.As(err).Violations[0].Field
		}
		if got != want {
			t.Errorf("%v: %s", asked, got)
		}
	}
}

// TestSpans: what files a range has, and when they are published.
func TestSpans(t *testing.T) {
	for _, c := range []struct{ frequency, from, to, names, due string }{
		{daily, "2026-10-31", "2026-11-02", "2026-10-31 2026-11-01 2026-11-02", "2026-11-01T12:00:00Z"},
		{weekly, "2026-11-02", "2026-11-15", "2026-11-08 2026-11-15", "2026-11-09T13:00:00Z"},
		{weekly, "2026-11-08", "", "2026-11-08", "2026-11-09T13:00:00Z"},
		{monthly, "2026-12", "2027-01", "2026-12 2027-01", "2027-01-06T13:00:00Z"},
		{yearly, "2025", "2026", "2025 2026", "2026-01-07T13:00:00Z"},
	} {
		list, err := spans(kinds[0], c.frequency, c.from, c.to)
		var names []string
		for _, s := range list {
			names = append(names, s.name)
		}
		if err != nil || strings.Join(names, " ") != c.names || list[0].due.UTC().Format(time.RFC3339) != c.due {
			t.Errorf("%v: %v %v %v", c, names, list, err)
		}
	}
	for _, bad := range [][3]string{{daily, "2026-02-30", ""}, {daily, "2026-11", ""}, {monthly, "2026-11-01", ""},
		{daily, "2026-11-02", "2026-11-01"}, {daily, "2020-01-01", "2026-01-01"}, {yearly, "26", ""}, {daily, "", ""}} {
		if list, err := spans(kinds[0], bad[0], bad[1], bad[2]); err == nil {
			t.Errorf("%v: %v", bad, list)
		}
	}
}

// TestFiscalMonths: those of recorded reports, and of a year of 53 weeks.
func TestFiscalMonths(t *testing.T) {
	for month, last := range map[[2]int]string{
		{2026, 1}: "2025-11-01", {2026, 2}: "2025-11-29", {2026, 3}: "2025-12-27", {2026, 12}: "2026-09-26",
		{2023, 3}: "2022-12-31", {2023, 12}: "2023-09-30", {2024, 1}: "2023-11-04", {2025, 12}: "2025-09-27",
	} {
		if got := fiscalEnd(month[0], month[1]).AddDate(0, 0, -1).Format(time.DateOnly); got != last {
			t.Errorf("%v: %s, want %s", month, got, last)
		}
	}
}

// TestAbsent: not yet, none, no more, and wrong.
func TestAbsent(t *testing.T) {
	end := time.Date(2026, 11, 2, 0, 0, 0, 0, pacific)
	s := span{name: "2026-11-01", end: end, due: end.Add(5 * time.Hour)}
	none := status.Error(codes.NotFound, "There were no sales for the date specified.")
	for name, c := range map[string]struct {
		err    error
		now    time.Time
		reason string
		retry  time.Duration
	}{
		"before it is published":   {none, s.due.Add(-2 * time.Hour), ReasonNotReady, 2 * time.Hour},
		"just before":              {none, s.due.Add(-time.Second), ReasonNotReady, again},
		"after":                    {none, s.due, "", 0},
		"Apple says later":         {status.Error(codes.NotFound, "Report is not available yet."), s.due.Add(time.Hour), ReasonNotReady, again},
		"no longer":                {status.Error(codes.NotFound, "It is no longer available."), s.due, ReasonExpired, 0},
		"what else is wrong stays": {status.Error(codes.PermissionDenied, "no"), s.due.Add(-time.Hour), "INTERNAL", 0},
	} {
		err := absent(c.err, s, c.now)
		if c.reason == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if f := fault.As(err); f.Reason != c.reason || f.RetryAfter != c.retry {
			t.Errorf("%s: %v %v", name, err, f.RetryAfter)
		}
	}
}

// TestCorrected finds the version that Apple names, and no other number.
func TestCorrected(t *testing.T) {
	for text, want := range map[string]string{
		"The version 1_3 is not valid. The latest version for this report is 1_4.": "1_4",
		"Version 1_4 is required":        "1_4",
		"The version 1_3 is not valid":   "",
		"vendor 11_22 has no such thing": "",
	} {
		if got := corrected(status.Error(codes.InvalidArgument, text), "1_3"); got != want {
			t.Errorf("%s: %q", text, got)
		}
	}
	if got := corrected(status.Error(codes.PermissionDenied, "version 1_4"), "1_3"); got != "" {
		t.Errorf("%q", got)
	}
}

// TestTokensAreSmall: dates in a row are one part, and come back as they were.
func TestTokensAreSmall(t *testing.T) {
	w := &walk{
		service: New(Deps{Seals: plainly{}}),
		req:     &reportsv1.StreamAnalyticsReportRequest{},
		given:   map[string]bool{},
	}
	day := time.Date(2023, 12, 30, 0, 0, 0, 0, time.UTC)
	for range 1000 {
		w.given[day.Format(time.DateOnly)] = true
		day = day.AddDate(0, 0, 1)
	}
	w.given["2020-02-29"], w.given["2019-01-01"] = true, true
	token := w.token(t.Context())
	again := &walk{service: w.service, req: w.req, given: map[string]bool{}}
	if err := again.resume(t.Context(), token); err != nil || len(token) > 300 || len(again.given) != 1002 {
		t.Fatalf("%d bytes, %d dates, %v", len(token), len(again.given), err)
	}
	for date := range w.given {
		if !again.given[date] {
			t.Errorf("%s is missing", date)
		}
	}
	w.service.Now = func() time.Time { return time.Now().Add(2 * tokenLife) }
	if err := again.resume(t.Context(), token); fault.As(err).Reason != ReasonResumeToken {
		t.Errorf("an old token: %v", err)
	}
}

type plainly struct{}

func (plainly) Seal(_ context.Context, _ string, data []byte) string { return string(data) }
func (plainly) Unseal(_ context.Context, _, token string) ([]byte, error) {
	return []byte(token), nil
}
