package asc

import (
	"net/http"
	"strings"
	"testing"
)

func TestWhatAppleSaysOfAFile(t *testing.T) {
	for _, c := range []struct {
		name        string
		disposition string
		reports     string
		want        string
	}{
		{"nothing", "", "", ""},
		{"a disposition", "attachment;filename=S_D_1_20260103.txt.gz", "", "S_D_1_20260103.txt.gz"},
		{"the report's header", "", "S_D_1.txt.gz", "S_D_1.txt.gz"},
		{"both", `attachment; filename="a.gz"`, "b.gz", "a.gz"},
		{"in another alphabet", "attachment; filename*=UTF-8''%E6%97%A5.csv", "", "日.csv"},
		{"a way out of the folder", `attachment; filename="../../etc/passwd"`, "", ""},
		{"a way out, and a good name", `attachment; filename="..\\x"`, "b.gz", "b.gz"},
		{"a hidden file", "", ".profile", ""},
		{"a control character", "", "a\tb", ""},
		{"too long", "", strings.Repeat("x", 300), ""},
		{"not to be read", "attachment; filename=", "", ""},
	} {
		f := &File{Disposition: c.disposition, Header: http.Header{"X-Reports-Filename": {c.reports}}}
		if got := f.Name(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestToldHeaders(t *testing.T) {
	h := http.Header{}
	for name, value := range map[string]string{
		"x-reports-filename": "a.gz", "x-reports-download-version": "1_4", "X-REPORTS-SOMETHING-NEW": "7",
		"requestId": "R-1", "X-Request-Id": "E-1",
		"Set-Cookie": "secret", "X-Reports-Long": strings.Repeat("x", 2<<10),
	} {
		h.Set(name, value)
	}
	told := Told(h)
	if len(told) != 5 || told.Get("requestid") != "R-1" || told.Get("X-Request-Id") != "E-1" {
		t.Errorf("%v", told)
	}
	f := &File{Header: h}
	if f.RequestID() != "R-1" || f.ReportVersion() != "1_4" {
		t.Errorf("%s %s", f.RequestID(), f.ReportVersion())
	}
	if r := f.Reports(); len(r) != 3 || r["x-reports-something-new"] != "7" {
		t.Errorf("%v", r)
	}
	for i := range 100 {
		h.Set("X-Reports-"+strings.Repeat("a", i+1), "x")
	}
	if n := len(Told(h)); n > maxToldHeaders+len(requestIDHeaders) {
		t.Errorf("%d headers", n)
	}
}
