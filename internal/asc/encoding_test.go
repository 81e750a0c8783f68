package asc

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

func squeezed(t testing.TB, text string, make func(io.Writer) io.WriteCloser) string {
	t.Helper()
	var b bytes.Buffer
	w := make(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func gz(t testing.TB, text string) string {
	return squeezed(t, text, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
}

func zl(t testing.TB, text string) string {
	return squeezed(t, text, func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) })
}

func raw(t testing.TB, text string) string {
	return squeezed(t, text, func(w io.Writer) io.WriteCloser { f, _ := flate.NewWriter(w, 6); return f })
}

// encoded answers with a body under some Content-Encoding headers.
func encodedAs(contentType, text string, encodings ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		for _, e := range encodings {
			w.Header().Add("Content-Encoding", e)
		}
		_, _ = io.WriteString(w, text)
	}
}

// TestEncodingsOfFiles: one request each, whatever the header says.
func TestEncodingsOfFiles(t *testing.T) {
	const rows, report = "SKU\tUnits\nTRAIL\t4\n", "application/a-gzip"
	packed := gz(t, rows)
	for _, c := range []struct {
		name, media, sent string
		header            []string
		want, left        string
		length            bool
	}{
		{"no encoding", report, packed, nil, packed, "", true},
		{"a report that is called agzip", report, packed, []string{"agzip"}, packed, "", true},
		{"the same in capitals", report, packed, []string{"AGZIP"}, packed, "", true},
		{"agzip of a csv", "text/csv", rows, []string{"agzip"}, rows, "", true},
		{"identity", "text/csv", rows, []string{"identity"}, rows, "", true},
		{"gzip", "text/csv", packed, []string{"gzip"}, rows, "", false},
		{"x-gzip", "text/csv", packed, []string{"x-gzip"}, rows, "", false},
		{"gzip around a gzip file", report, gz(t, packed), []string{"gzip"}, packed, "", false},
		{"gzip that means the gzip file itself", report, packed, []string{"gzip"}, packed, "", true},
		{"gzip then agzip", report, packed, []string{"gzip, agzip"}, packed, "", true},
		{"agzip, then gzip around it", report, gz(t, packed), []string{"agzip", "gzip"}, packed, "", false},
		{"gzip of what is not packed", "text/csv", rows, []string{"gzip"}, rows, "", true},
		{"gzip of nothing", "text/csv", "", []string{"gzip"}, "", "", true},
		{"deflate", "text/csv", zl(t, rows), []string{"deflate"}, rows, "", false},
		{"deflate without its frame", "text/csv", raw(t, rows), []string{"deflate"}, rows, "", false},
		{"deflate of a report", report, packed, []string{"deflate"}, packed, "", true},
		{"gzip twice", "text/csv", gz(t, packed), []string{"gzip, gzip"}, rows, "", false},
		{"one that nobody knows", report, "????", []string{"applezip"}, "????", "applezip", true},
		{"br", "text/csv", "\x0b\x02\x80ab", []string{"br"}, "\x0b\x02\x80ab", "br", true},
		{"zstd inside gzip", "text/csv", gz(t, "zs"), []string{"zstd, gzip"}, "zs", "zstd", false},
		{"gzip inside br", "text/csv", "??", []string{"gzip", "br"}, "??", "gzip, br", true},
		{"how it was stored", report, packed, []string{"aws-chunked"}, packed, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, _, calls := answers(t, encodedAs(c.media, c.sent, c.header...))
			call := get()
			call.Accept = report
			f, err := client.Open(t.Context(), call)
			if err != nil {
				t.Fatalf("%v after %d requests", err, calls.Load())
			}
			defer f.Body.Close()
			got, err := io.ReadAll(f.Body)
			if err != nil || string(got) != c.want || f.Encoding != c.left || calls.Load() != 1 {
				t.Errorf("%q (%v), still %q, %d requests; want %q, %q",
					got, err, f.Encoding, calls.Load(), c.want, c.left)
			}
			if (f.Length >= 0) != c.length || c.length && f.Length != int64(len(c.want)) {
				t.Errorf("length %d", f.Length)
			}
			res, err := client.Raw(t.Context(), call, true)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			left := res.Header.Get("Content-Encoding")
			if got, err := io.ReadAll(res.Body); err != nil || string(got) != c.want || left != c.left {
				t.Errorf("passthrough: %q (%v), header %q", got, err, left)
			}
		})
	}
}

// TestEncodingsOfDocuments: what is JSON is read under any name, and what cannot
// be read costs one request.
func TestEncodingsOfDocuments(t *testing.T) {
	const doc = `{"data":[]}`
	for _, c := range []struct {
		name, sent string
		header     []string
		readable   bool
	}{
		{"none", doc, nil, true},
		{"gzip", gz(t, doc), []string{"gzip"}, true},
		{"agzip that is packed", gz(t, doc), []string{"agzip"}, true},
		{"agzip that is not", doc, []string{"agzip"}, true},
		{"gzip that is not", doc, []string{"gzip"}, true},
		{"a name that is no encoding", doc, []string{"UTF-8"}, true},
		{"an unknown name over JSON", " \n" + doc, []string{"applezip"}, true},
		{"an unknown name over gzip", gz(t, doc), []string{"applezip"}, true},
		{"deflate", zl(t, doc), []string{"deflate"}, true},
		{"deflate and gzip", gz(t, zl(t, doc)), []string{"deflate", "gzip"}, true},
		{"br", "\x0b\x05\x80", []string{"br"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, _, calls := answers(t, encodedAs("application/json", c.sent, c.header...))
			res, err := client.Do(t.Context(), get())
			if c.readable && (err != nil || strings.TrimSpace(string(res.Body)) != doc) {
				t.Errorf("%v", err)
			}
			if f := fault.As(err); !c.readable && (f.Reason != fault.ReasonUpstreamMalformed || !strings.Contains(f.Message, "br")) {
				t.Errorf("got %v", err)
			}
			if calls.Load() != 1 {
				t.Errorf("%d requests", calls.Load())
			}
			_, err = client.Do(t.Context(), post())
			if f := fault.As(err); (err == nil) != c.readable || err != nil && f.Reason != fault.ReasonExecutedUnread {
				t.Errorf("of a write: %v", err)
			}
			as, err := client.Raw(t.Context(), get(), false)
			if err != nil {
				t.Fatal(err)
			}
			if b, _ := io.ReadAll(as.Body); !c.readable && (string(b) != c.sent || as.Header.Get("Content-Encoding") != "br") {
				t.Errorf("passthrough: %q %v", b, as.Header)
			}
		})
	}
}

// TestEncodingsOfErrors: an error document is read the same way.
func TestEncodingsOfErrors(t *testing.T) {
	const doc = `{"errors":[{"status":"404","code":"NOT_FOUND","title":"T"}]}`
	for name, c := range map[string]struct{ text, encoding, code string }{
		"agzip":   {doc, "agzip", "NOT_FOUND"},
		"packed":  {gz(t, doc), "gzip", "NOT_FOUND"},
		"unknown": {"?", "br", "NOT_FOUND"},
	} {
		client, _, calls := answers(t, body(404, "application/json", c.text, "Content-Encoding", c.encoding))
		if _, err := client.Do(t.Context(), get()); fault.As(err).Reason != c.code || calls.Load() != 1 {
			t.Errorf("%s: %v", name, err)
		}
		res, err := client.Raw(t.Context(), get(), false)
		if err != nil || res.Status != 404 {
			t.Errorf("%s through: %v", name, err)
		}
	}
}

// TestSegmentsStayAsStored: their checksum is that of the packed bytes.
func TestSegmentsStayAsStored(t *testing.T) {
	packed := gz(t, "Date\tCounts\n")
	for header, left := range map[string]string{"": "", "gzip": "", "agzip": "", "aws-chunked,gzip": "", "br": "br"} {
		client, _, _ := answers(t, encodedAs("binary/octet-stream", packed, header))
		f, err := client.OpenURL(t.Context(), client.base.String()+"/segment")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(f.Body)
		if err != nil || string(b) != packed || f.Encoding != left || f.Length != int64(len(packed)) {
			t.Errorf("%s: %d bytes (%v), still %q", header, len(b), err, f.Encoding)
		}
		_ = f.Body.Close()
	}
}

// FuzzUnpack takes any body under any header: it must end, in bounds.
func FuzzUnpack(f *testing.F) {
	for _, header := range []string{"", "gzip", "agzip", "deflate", "gzip, deflate", "br", ",,gzip"} {
		f.Add(header, "application/a-gzip", []byte(gz(f, "a\tb\n")))
		f.Add(header, "application/json", []byte(`{"data":[]}`))
	}
	f.Fuzz(func(t *testing.T, header, media string, body []byte) {
		answer := func() *http.Response {
			return &http.Response{Header: http.Header{"Content-Encoding": {header}, "Content-Type": {media}},
				Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body))}
		}
		if c, err := openFile(answer()); err == nil {
			n, _ := io.Copy(io.Discard, io.LimitReader(c.r, 1<<20))
			if c.as && n != int64(len(body)) && n < 1<<20 {
				t.Errorf("%d of %d bytes as they came", n, len(body))
			}
		}
		if b, _, err := readBounded(answer(), 1<<16); err == nil && len(b) > 1<<16 {
			t.Errorf("%d bytes", len(b))
		}
	})
}
