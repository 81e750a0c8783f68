package rows

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	reportsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/reports/v1"
	"github.com/parquet-go/parquet-go"
	"google.golang.org/protobuf/proto"
)

// odd are values that a format could spoil.
var odd = []string{"plain", `a "quote"`, "tab\there", "a,b;c", "é 漢 😀", "<script>", "line\nbreak", `back\slash`, "0.10", " "}

// written is what a format makes of messages.
func written(t *testing.T, f Format, messages ...proto.Message) []byte {
	t.Helper()
	var b bytes.Buffer
	w := New(f, &b)
	for _, m := range messages {
		if err := w.Write(m); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// read is what a reader of each format finds: cells by their columns, a line each.
var read = map[Format]func(t *testing.T, b []byte) []map[string]string{
	NDJSON: func(t *testing.T, b []byte) (out []map[string]string) {
		d := json.NewDecoder(bytes.NewReader(b))
		for {
			var row map[string]any
			if err := d.Decode(&row); errors.Is(err, io.EOF) {
				return out
			} else if err != nil {
				t.Fatal(err)
			}
			line := map[string]string{}
			for k, v := range row {
				if s, ok := v.(string); ok {
					line[k] = s
				} else {
					extra, _ := json.Marshal(v)
					line[k] = string(extra)
				}
			}
			out = append(out, line)
		}
	},
	CSV: func(t *testing.T, b []byte) (out []map[string]string) {
		table, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, cells := range table[1:] {
			line := map[string]string{}
			for i, c := range cells {
				if c != "" {
					line[table[0][i]] = c
				}
			}
			out = append(out, line)
		}
		return out
	},
	Parquet: func(t *testing.T, b []byte) (out []map[string]string) {
		r := parquet.NewGenericReader[any](bytes.NewReader(b))
		defer r.Close()
		columns := r.Schema().Columns()
		rows := make([]parquet.Row, 7)
		for {
			n, err := r.ReadRows(rows)
			for _, row := range rows[:n] {
				line := map[string]string{}
				for _, v := range row {
					if !v.IsNull() {
						line[columns[v.Column()][0]] = v.String()
					}
				}
				out = append(out, line)
			}
			if errors.Is(err, io.EOF) {
				return out
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	},
}

// TestEveryFormatKeepsEveryCell of typed rows and of others, over several messages.
func TestEveryFormatKeepsEveryCell(t *testing.T) {
	sales := &reportsv1.StreamSalesReportResponse{File: &reportsv1.ReportFile{ReportDate: "2026-11-01"}}
	generic := &reportsv1.StreamSalesReportResponse{File: &reportsv1.ReportFile{Columns: []string{"Engine", "Blank", "extra"}}}
	for i, v := range odd {
		sales.Sales = append(sales.Sales, &reportsv1.SalesRow{ReportDate: "2026-11-01", Title: v, Units: strconv.Itoa(i + 1),
			Extra: map[string]string{v: v}})
		generic.Rows = append(generic.Rows, &reportsv1.GenericRow{ReportDate: "2026-11-01",
			Cells: map[string]string{"Engine": v, "Later": v}})
	}
	for f, reads := range read {
		got := reads(t, written(t, f, sales, &reportsv1.StreamSalesReportResponse{}, sales))
		if len(got) != 2*len(odd) {
			t.Fatalf("%s: %d rows", f.Name, len(got))
		}
		for i, v := range slices.Concat(odd, odd) {
			extra, _ := json.Marshal(map[string]string{v: v})
			if got[i]["title"] != v || got[i]["units"] != strconv.Itoa(i%len(odd)+1) || !sameJSON(got[i]["extra"], extra) || len(got[i]) != 4 {
				t.Errorf("%s: %q: %q", f.Name, v, got[i])
			}
		}
		for i, line := range reads(t, written(t, f, generic)) {
			extra, _ := json.Marshal(map[string]string{"Later": odd[i]})
			if line["Engine"] != odd[i] || !sameJSON(line["extra"], extra) || line["report_date"] != "2026-11-01" {
				t.Errorf("%s: %q: %q", f.Name, odd[i], line)
			}
		}
	}
}

func sameJSON(a string, b []byte) bool {
	var x, y map[string]string
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal(b, &y) == nil && len(x) == 1 &&
		strings.Join(pairs(x), "\x00") == strings.Join(pairs(y), "\x00")
}

func pairs(m map[string]string) (list []string) {
	for k, v := range m {
		list = append(list, k, v)
	}
	return list
}

// TestNoRows is a file of its format all the same.
func TestNoRows(t *testing.T) {
	for f, reads := range read {
		if got := reads(t, written(t, f, &reportsv1.StreamSalesReportResponse{File: &reportsv1.ReportFile{}})); len(got) != 0 {
			t.Errorf("%s: %v", f.Name, got)
		}
	}
}

// TestIn knows the messages of reports.
func TestIn(t *testing.T) {
	if !In((&reportsv1.StreamAnalyticsReportResponse{}).ProtoReflect().Descriptor()) ||
		In((&reportsv1.ListReportsResponse{}).ProtoReflect().Descriptor()) {
		t.Error("which messages hold rows")
	}
}
