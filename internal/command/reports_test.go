package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
)

// rowsIn is how many rows a file of Parquet has.
func rowsIn(t *testing.T, name string) int64 {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	p, err := parquet.OpenFile(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return p.NumRows()
}

// TestReportCommands read a report into a file of each form, which appears when it is
// whole.
func TestReportCommands(t *testing.T) {
	distributing(t)
	dir := t.TempDir()
	const sales = "report sales --vendor 80012345 --from 2026-11-01 --to 2026-11-03 "
	lines := gw(t, sales)
	if n := strings.Count(lines.stdout, "\n"); lines.err != nil || n < 3 ||
		!strings.HasPrefix(lines.stdout, `{"report_date":"2026-11-01",`) {
		t.Fatalf("%d lines, %v", n, lines.err)
	}
	rows := strings.Count(lines.stdout, "\n")
	for _, name := range []string{"s.csv", "s.ndjson", "s.parquet"} {
		file := filepath.Join(dir, name)
		if r := gw(t, sales+"-o "+file); r.err != nil {
			t.Fatal(r.err)
		}
		b, err := os.ReadFile(file)
		switch {
		case err != nil:
			t.Fatal(err)
		case name == "s.parquet":
			if n := rowsIn(t, file); n != int64(rows) {
				t.Errorf("%d rows of %d", n, rows)
			}
		case name == "s.ndjson" && string(b) != lines.stdout:
			t.Errorf("%s", b)
		case name == "s.csv" && strings.Count(string(b), "\n") != rows+1:
			t.Errorf("%s", b)
		}
	}
	if r := gw(t, "report finance --vendor 80012345 --from 2026-01"); r.err != nil ||
		!strings.Contains(r.stdout, `"report_date":"2026-01"`) {
		t.Errorf("%s %v", r.stdout, r.err)
	}
	for line, want := range map[string]string{
		"report sales --from 2026-11-01":                                       "vendor",
		"report sales --vendor 8 --from 2026-11-01 --format xlsx":              "want ndjson, csv or parquet",
		"report sales --vendor 8 --from 2026-11-01 -o " + dir + "/none/s.csv":  "cannot be written",
		"report sales --vendor 8 --from yesterday -o " + dir + "/bad.csv":      "want a date",
		"report sales --vendor 8 --from 2036-01-01":                            "REPORT_NOT_READY",
		"report sync " + dir + " --vendor 8 --from yesterday":                  "--from",
		"report sync " + dir + " --vendor 8 --from 2026-11-01 --type ../SALES": "name folders",
		"report sync " + dir + " --vendor 8 --from 2026-11-01 --type SOLD":     "report_type",
		"report analytics --app 1500004000":                                    "report",
		"report analytics --app 1500004000 --report x --access ALWAYS":         "access_type",
	} {
		if r := gw(t, line); !r.fails(want) {
			t.Errorf("%s: %v", line, r.err)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	hidden, _ := filepath.Glob(filepath.Join(dir, ".*.csv*"))
	if err != nil || len(left) != 3 || len(hidden) != 0 {
		t.Errorf("%v %v", left, hidden)
	}
}

// TestReportSync asks for what is missing only, and ends well at a day that is not
// published.
func TestReportSync(t *testing.T) {
	distributing(t)
	dir := t.TempDir()
	today := time.Now().UTC().Format(time.DateOnly)
	sync := "report sync " + dir + " --vendor 80012345 --type SALES --from 2026-10-20 --to "
	if r := gw(t, sync+"2026-10-22"); r.err != nil || !strings.Contains(r.stdout, "3 days") {
		t.Fatalf("%s %v", r.stdout, r.err)
	}
	day := func(date string) string {
		return filepath.Join(dir, "vendor=80012345", "type=SALES", "date="+date, "rows.parquet")
	}
	was, err := os.Stat(day("2026-10-21"))
	if err != nil || rowsIn(t, day("2026-10-21")) == 0 {
		t.Fatal(err)
	}
	if err := os.Remove(day("2026-10-22")); err != nil { // as if killed
		t.Fatal(err)
	}
	if r := gw(t, sync+"2026-10-24"); r.err != nil || !strings.Contains(r.stdout, "3 days") {
		t.Errorf("%s %v", r.stdout, r.err)
	}
	if r := gw(t, sync+"2026-10-24"); r.err != nil || !strings.Contains(r.stdout, "0 days") {
		t.Errorf("%s %v", r.stdout, r.err)
	}
	if now, err := os.Stat(day("2026-10-21")); err != nil || !now.ModTime().Equal(was.ModTime()) {
		t.Error("a day that was there is written again")
	}
	if r := gw(t, sync+today); r.err != nil {
		t.Errorf("a day that is not published: %v", r.err)
	}
	if _, err := os.Stat(day(today)); err == nil {
		t.Error("today is there")
	}
	drafts, _ := filepath.Glob(filepath.Join(dir, "*", "*", "*", ".*"))
	if len(drafts) != 0 {
		t.Errorf("%v", drafts)
	}
}
