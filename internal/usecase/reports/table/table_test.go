package table

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

func packed(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.Bytes()
}

// all reads every row of a file.
func all(file []byte, g Grammar) (r *Reader, rows [][]string, err error) {
	r, err = NewReader(bytes.NewReader(file), g)
	for err == nil {
		var cells [][]byte
		if cells, err = r.Next(); err == nil {
			row := make([]string, len(cells))
			for i, c := range cells {
				row[i] = string(c)
			}
			rows = append(rows, row)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return r, rows, err
}

// TestRows reads what files hold, of each grammar.
func TestRows(t *testing.T) {
	head := "Transaction Date\tTitle\tQuantity\tRegion\n"
	for name, c := range map[string]struct {
		text string
		g    Grammar
		rows [][]string
	}{
		"quotes are data":     {"A\tB\n\"x\ty\"\n\"\"\t\"\n", Plain, [][]string{{`"x`, `y"`}, {`""`, `"`}}},
		"a byte order mark":   {"\xef\xbb\xbfA\tB\n1\t2\n", Plain, [][]string{{"1", "2"}}},
		"CRLF, no last LF":    {"A\tB\r\n1\t2\r\n3\t4", Plain, [][]string{{"1", "2"}, {"3", "4"}}},
		"blank cells":         {"A\tB\n \t\n", Plain, [][]string{{" ", ""}}},
		"no rows":             {"A\tB\n", Plain, nil},
		"an empty line":       {"A\tB\n\n1\t2\n\n", Plain, [][]string{{"1", "2"}}},
		"what is not UTF-8":   {"A\n\xff\n", Plain, [][]string{{"\uFFFD"}}},
		"one column":          {"A\n1\n", Plain, [][]string{{"1"}}},
		"a preamble":          {"Vendor Name\tTrail\nStart Date\t11/02/2025\n" + head + "a\tb\t1\tUS\n", FinanceDetail, [][]string{{"a", "b", "1", "US"}}},
		"rows that are short": {head + "a\tb\n", FinanceDetail, [][]string{{"a", "b", "", ""}}},
		"a trailer": {head + "a\tb\t1\tUS\nTotal_Rows\t1\nCountry Of Sale\tx\ty\tz\tmore\tand more\n",
			Financial, [][]string{{"a", "b", "1", "US"}}},
		"a blank line as trailer": {head + "a\tb\t1\tUS\n\t\t\nx\ty\tz\t1\n", Financial, [][]string{{"a", "b", "1", "US"}}},
	} {
		for how, file := range map[string][]byte{"packed": packed(c.text), "plain": []byte(c.text),
			"packed twice": packed(string(packed(c.text)))} {
			if _, rows, err := all(file, c.g); err != nil || !reflect.DeepEqual(rows, c.rows) {
				t.Errorf("%s, %s: %q %v", name, how, rows, err)
			}
		}
	}
	r, _, err := all([]byte("Vendor Name\tTrail\nEnd Date\n"+head), FinanceDetail)
	if err != nil || !reflect.DeepEqual(r.Preamble, []Pair{{"Vendor Name", "Trail"}, {"End Date", ""}}) ||
		len(r.Columns) != 4 {
		t.Errorf("%v %v %v", r.Preamble, r.Columns, err)
	}
}

// TestFilesThatAreNone are refused with the reason and the line.
func TestFilesThatAreNone(t *testing.T) {
	cut := func(b []byte, n int) []byte { return b[:len(b)-n] }
	whole := packed("A\tB\n" + strings.Repeat("1\t2\n", 10_000))
	damaged := bytes.Clone(whole)
	damaged[len(damaged)-6] ^= 1 // of the checksum
	for name, c := range map[string]struct {
		file   []byte
		g      Grammar
		reason string
		line   int
	}{
		"nothing":             {nil, Plain, ReasonMalformed, 1},
		"no header":           {[]byte("Vendor Name\tx\n"), FinanceDetail, ReasonMalformed, 2},
		"too many cells":      {[]byte("A\tB\n1\t2\n1\t2\t\n"), Plain, ReasonMalformed, 3},
		"too few cells":       {[]byte("A\tB\n1\n"), Plain, ReasonMalformed, 2},
		"too many, finance":   {[]byte("A\tB\tC\n1\t2\t3\t4\n"), FinanceDetail, ReasonMalformed, 2},
		"a column twice":      {[]byte("A\tB\ta\n"), Plain, ReasonMalformed, 1},
		"a long line":         {[]byte("A\n" + strings.Repeat("x", MaxLineBytes+1) + "\n"), Plain, ReasonMalformed, 2},
		"many cells":          {[]byte(strings.Repeat("x\t", MaxColumns) + "\n"), Plain, ReasonMalformed, 1},
		"cut off":             {cut(whole, 20), Plain, ReasonTruncated, 0},
		"cut in its checksum": {cut(whole, 5), Plain, ReasonTruncated, 0},
		"cut in the header":   {whole[:5], Plain, ReasonTruncated, 0},
		"a wrong checksum":    {damaged, Plain, ReasonTruncated, 0},
		"cut after a trailer": {cut(packed("A\tB\tC\n1\t2\t3\nTotal_Rows\t1\n"), 4), Financial, ReasonTruncated, 0},
		"an endless preamble": {[]byte(strings.Repeat("a\tb\n", 1000)), FinanceDetail, ReasonMalformed, maxPreamble + 1},
		"blank lines only":    {[]byte(strings.Repeat("\n\t\n", 1000)), FinanceDetail, ReasonMalformed, 2001},
	} {
		_, _, err := all(c.file, c.g)
		if err == nil {
			t.Errorf("%s: read", name)
			continue
		}
		f := fault.As(err)
		if f.Reason != c.reason || c.line > 0 && !strings.Contains(f.Message, fmt.Sprintf("line %d:", c.line)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestValues: names in one spelling, and ISO dates.
func TestValues(t *testing.T) {
	for column, name := range map[string]string{"Provider Country": "provider_country", "ISRC/ISBN": "isrc_isbn",
		"Artist/Show/Developer/Author": "artist_show_developer_author", "Download Date (PST)": "download_date_pst",
		"Pre-Order Start Date": "pre_order_start_date", " Marketing Opt-In ": "marketing_opt_in", "": "", "---": ""} {
		if got := Name(column); got != name {
			t.Errorf("%q: %q", column, got)
		}
	}
	for cell, date := range map[string]string{"11/02/2025": "2025-11-02", "2025-11-02": "2025-11-02", "": "",
		"1/2/2025": "1/2/2025", "aa/bb/cccc": "aa/bb/cccc"} {
		if got := string(AppendDate(nil, []byte(cell))); got != date {
			t.Errorf("%q: %q", cell, got)
		}
	}
	if !IsDate("begin_date") || !IsDate("download_date_pst") || IsDate("updated") || IsDate("") {
		t.Error("which columns hold dates")
	}
}

func fuzzGrammar(f *testing.F, g Grammar) {
	for _, s := range []string{"A\tB\n1\t2\n", "\xef\xbb\xbfA\tB\tC\n", "Vendor Name\tx\nA\tB\tC\n1\nTotal_Rows\t1\n", "\n\t\n"} {
		f.Add([]byte(s))
		f.Add(packed(s))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		r, rows, err := all(file, g)
		if err != nil {
			if fault.As(err).Reason == "INTERNAL" {
				t.Fatalf("no typed error: %v", err)
			}
			return
		}
		for _, row := range rows {
			if len(row) != len(r.Columns) {
				t.Fatalf("%d cells for %d columns", len(row), len(r.Columns))
			}
			if strings.ContainsAny(strings.Join(row, ""), "\t\n") {
				t.Fatalf("%q", row)
			}
		}
		if len(r.Columns) == 0 {
			t.Fatal("a file without columns")
		}
	})
}

// FuzzPlain reads anything as a sales report.
func FuzzPlain(f *testing.F) { fuzzGrammar(f, Plain) }

// FuzzFinance reads anything as a finance report.
func FuzzFinance(f *testing.F) { fuzzGrammar(f, FinanceDetail) }

// TestInstalls: lines about the report, one that explains the columns, and none.
func TestInstalls(t *testing.T) {
	const about = "Metric: First Annual Installs\nDeveloper: Trail: \"Söhne\"\nRegion: European Union\n"
	const head = "Developer\tApp Apple Identifier\tApp Name\tTotal\n"
	const rows = "Söhne\t1\tTrail\t12\nSöhne\t2\tMix\t7\n"
	for name, text := range map[string]string{
		"explained": about + head + "The name.\tThe ID.\tThe name of the app.\tThe number.\n" + rows,
		"plain":     about + head + rows,
	} {
		r, got, err := all(packed(text), Installs)
		if want := [][]string{{"Söhne", "1", "Trail", "12"}, {"Söhne", "2", "Mix", "7"}}; err != nil ||
			!reflect.DeepEqual(got, want) || len(r.Preamble) != 3 || r.Preamble[1] != (Pair{"Developer", `Trail: "Söhne"`}) ||
			len(r.Columns) != 4 {
			t.Errorf("%s: %v %v %v", name, got, r.Preamble, err)
		}
	}
	if _, _, err := all(packed(about+head+rows+"words\tin\ta\trow\nx\n"), Installs); err == nil {
		t.Error("a row that is none is taken")
	}
}
