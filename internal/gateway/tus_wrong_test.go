package gateway

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/url"
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/edge/door"
	"github.com/asc-gateway/asc-gateway/sandbox"
)

// TestTusFails: what can never go on says so, and why.
func TestTusFails(t *testing.T) {
	for name, c := range map[string]struct {
		world  sandbox.World
		words  url.Values
		reason string
	}{
		"the checksum is another":   {sandbox.World{NoRules: true, PartBytes: 1000}, url.Values{"sha256": {strings.Repeat("0", 64)}}, "UPLOAD_CHECKSUM_MISMATCH"},
		"Apple refuses the picture": {sandbox.World{PartBytes: 1000}, nil, "UPLOAD_FAILED"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWith(t, c.world, quick())
			file := photo(t, 60, 60, 7)
			words := screenshot(t, w)
			maps.Copy(words, c.words)
			path := w.create(t, words, len(file))
			for range 2 { // the second time as it was kept
				if got := w.patch(t, path, file, 0, len(file)); got.status != 400 ||
					!strings.Contains(got.body, c.reason) {
					t.Errorf("%d %s", got.status, got.body)
				}
			}
			if got := w.tus(t, "HEAD", path, nil); got.status != 410 {
				t.Errorf("HEAD: %d", got.status)
			}
			if got := w.tus(t, "GET", path, nil); got.status != 400 || !strings.Contains(got.body, c.reason) {
				t.Errorf("GET: %d %s", got.status, got.body)
			}
			if got := w.tus(t, "DELETE", path, nil); got.status != 204 {
				t.Errorf("DELETE: %d %s", got.status, got.body)
			}
		})
	}
}

// TestTusAtOnce: a body may come with the creation, and methods by another header.
func TestTusAtOnce(t *testing.T) {
	w := newWorldWith(t, sandbox.World{NoRules: true, PartBytes: 1000}, quick())
	file := photo(t, 60, 60, 8)
	words := screenshot(t, w)
	words.Set("filename", words.Get("fileName")) // as clients of tus call it
	words.Del("fileName")
	words.Set("filetype", "image/png")
	got := w.tus(t, "POST", tusPath, bytes.NewReader(file[:4000]), "Upload-Length", fmt.Sprint(len(file)),
		"Upload-Metadata", tusWords(words))
	if got.status != 201 || got.offset() != 4000 {
		t.Fatalf("%d %v %s", got.status, got.header, got.body)
	}
	path := got.header.Get("Location")
	if head := w.tus(t, "HEAD", path, nil); head.header.Get("Upload-Length") != fmt.Sprint(len(file)) ||
		head.header.Get("Upload-Metadata") == "" || head.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", head.header)
	}
	if got := w.tus(t, "GET", path, nil); got.status != 202 || !strings.Contains(got.body, `"committedSize":4000`) {
		t.Errorf("%d %s", got.status, got.body)
	}
	got = w.tus(
		t,
		"POST",
		path,
		bytes.NewReader(file[4000:]),
		"X-HTTP-Method-Override",
		"PATCH",
		"Upload-Offset",
		"4000",
	)
	if got.status != 204 || got.offset() != len(file) {
		t.Fatalf("%d %v %s", got.status, got.header, got.body)
	}
	w.tusArrived(t, path, file)
}

// tusRefusal is a request that is refused.
type tusRefusal struct {
	method, path string
	body         io.Reader
	headers      []string
	status       int
	reason       string
}

// tusRefusals are requests with what is wrong in them. good is Upload-Metadata in
// which nothing is, and path an upload.
func tusRefusals(good, path string, with func(key, value string) string) map[string]tusRefusal {
	all := tusRequests(path)
	maps.Copy(all, tusMetadatas(good, path, with))
	maps.Copy(all, tusCreations(good))
	return all
}

func tusCreations(good string) map[string]tusRefusal {
	return map[string]tusRefusal{
		"another version": {"POST", tusPath, nil, []string{"Tus-Resumable", "0.2.2"}, 412, "TUS_VERSION"},
		"no length":       {"POST", tusPath, nil, []string{"Upload-Metadata", good}, 400, "Upload-Length"},
		"a length below 0": {
			"POST",
			tusPath,
			nil,
			[]string{"Upload-Length", "-1", "Upload-Metadata", good},
			400,
			"Upload-Length",
		},
		"a deferred length": {
			"POST",
			tusPath,
			nil,
			[]string{"Upload-Defer-Length", "1", "Upload-Metadata", good},
			400,
			"Upload-Defer-Length",
		},
		"a part of an upload": {
			"POST",
			tusPath,
			nil,
			[]string{"Upload-Concat", "partial", "Upload-Length", "9", "Upload-Metadata", good},
			400,
			"Upload-Concat",
		},
		"an empty file": {
			"POST",
			tusPath,
			nil,
			[]string{"Upload-Length", "0", "Upload-Metadata", good},
			400,
			"empty",
		},
		"a file beyond bounds": {
			"POST",
			tusPath,
			nil,
			[]string{"Upload-Length", fmt.Sprint(int64(1)<<40 + 1), "Upload-Metadata", good},
			413,
			"REQUEST_TOO_LARGE",
		},
		"no metadata": {"POST", tusPath, nil, []string{"Upload-Length", "9"}, 400, "type"},
		"no base64": {
			"POST",
			tusPath,
			nil,
			[]string{"Upload-Length", "9", "Upload-Metadata", "type *"},
			400,
			"base64",
		},
		"a key twice": {
			"POST",
			tusPath,
			nil,
			[]string{"Upload-Length", "9", "Upload-Metadata", good + "," + good},
			400,
			"twice",
		},
	}
}

func tusMetadatas(good, path string, with func(key, value string) string) map[string]tusRefusal {
	return map[string]tusRefusal{
		"much metadata": {
			"POST",
			tusPath,
			nil,
			[]string{"Upload-Length", "9", "Upload-Metadata", with("sha256", strings.Repeat("a", 9000))},
			400,
			"longer",
		},
		"no UTF-8": {
			"POST",
			tusPath,
			nil,
			[]string{"Upload-Length", "9", "Upload-Metadata", with("fileName", "\xff.png")},
			400,
			"UTF-8",
		},
		"an unknown key": {
			"POST",
			tusPath,
			nil,
			[]string{"Upload-Length", "9", "Upload-Metadata", with("nonsense", "1")},
			400,
			"nonsense",
		},
		"a token": {
			"POST",
			tusPath,
			nil,
			[]string{"Upload-Length", "9", "Upload-Metadata", with("resumeToken", "x")},
			400,
			"resumeToken",
		},
		"another size": {
			"POST",
			tusPath,
			nil,
			[]string{"Upload-Length", "9", "Upload-Metadata", with("fileSize", "10")},
			400,
			"fileSize",
		},
		"a body of another type": {
			"POST",
			tusPath,
			strings.NewReader("x"),
			[]string{"Upload-Length", "9", "Upload-Metadata", good, "Content-Type",
				"text/plain"},
			415,
			"UNSUPPORTED_MEDIA_TYPE",
		},
		"PATCH of another type": {
			"PATCH",
			path,
			strings.NewReader("x"),
			[]string{"Upload-Offset", "0", "Content-Type", "text/plain"},
			415,
			"UNSUPPORTED_MEDIA_TYPE",
		},
		"PATCH without an offset": {"PATCH", path, strings.NewReader("x"), nil, 400, "Upload-Offset"},
	}
}

func tusRequests(path string) map[string]tusRefusal {
	return map[string]tusRefusal{
		"PATCH ahead": {
			"PATCH",
			path,
			strings.NewReader("x"),
			[]string{"Upload-Offset", "1"},
			409,
			"UPLOAD_OFFSET_CONFLICT",
		},
		"PATCH of no upload": {
			"PATCH",
			tusPath + "/none",
			strings.NewReader("x"),
			[]string{"Upload-Offset", "0"},
			404,
			"NO_SUCH_UPLOAD",
		},
		"HEAD of no upload":        {"HEAD", tusPath + "/none", nil, nil, 404, ""},
		"DELETE of no upload":      {"DELETE", tusPath + "/none", nil, nil, 404, "NO_SUCH_UPLOAD"},
		"HEAD of all":              {"HEAD", tusPath, nil, nil, 405, ""},
		"PUT":                      {"PUT", path, nil, nil, 405, "METHOD_NOT_ALLOWED"},
		"a path that is not clean": {"HEAD", tusPath + "//x", nil, nil, 400, ""},
	}
}

// TestTusRefusals: what is wrong is told before anything is read or reserved.
func TestTusRefusals(t *testing.T) {
	w := newWorldWith(t, sandbox.World{NoRules: true, PartBytes: 1000}, quick())
	words := screenshot(t, w)
	good, file := tusWords(words), photo(t, 60, 60, 9)
	with := func(key, value string) string {
		more := maps.Clone(words)
		more.Set(key, value)
		return tusWords(more)
	}
	path := w.create(t, words, len(file))
	before := len(w.sandbox.IDs("appScreenshots"))
	for name, c := range tusRefusals(good, path, with) {

		got := w.tus(t, c.method, c.path, c.body, c.headers...)
		if got.status != c.status || !strings.Contains(got.body, c.reason) {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	if n := len(w.sandbox.IDs("appScreenshots")); n != before {
		t.Errorf("%d screenshots, there were %d", n, before)
	}
	too := append(bytes.Clone(file), 'x')
	if got := w.patch(t, path, too, 0, len(too)); got.status != 400 || !strings.Contains(got.body, "UPLOAD_TOO_LONG") {
		t.Errorf("a byte too many: %d %s", got.status, got.body)
	}
	head := w.tus(t, "HEAD", path, nil)
	if got := w.patch(t, path, file, head.offset(), len(file)); got.status != 204 {
		t.Errorf("after a byte too many: %d %s", got.status, got.body)
	}
	w.tusArrived(t, path, file)
}

// TestTusOptions tells what is served.
func TestTusOptions(t *testing.T) {
	w := newWorldWith(t, sandbox.World{}, Deps{})
	for _, path := range []string{tusPath, tusPath + "/x"} {
		got := w.tus(t, "OPTIONS", path, nil, "Tus-Resumable", "")
		if got.status != 204 || got.header.Get("Tus-Version") != "1.0.0" || got.header.Get("Tus-Max-Size") == "" ||
			got.header.Get("Tus-Extension") != "creation,creation-with-upload,expiration,termination" {
			t.Errorf("%d %v", got.status, got.header)
		}
	}
	if status, _, _ := w.do(t, "HEAD", "/v1/apps", ""); status != 405 {
		t.Errorf("HEAD elsewhere: %d", status)
	}
}

// TestTusFromAPage: a browser's client of an allowed page may send and read what tus
// needs; one of another page may not.
func TestTusFromAPage(t *testing.T) {
	const page = "https://release.example.org"
	deps := quick()
	deps.CORS = door.CORS{Origins: []string{page}}
	w := newWorldWith(t, sandbox.World{NoRules: true, PartBytes: 1000}, deps)
	file := photo(t, 30, 30, 1)
	for _, method := range []string{"POST", "HEAD", "PATCH", "DELETE"} {
		_, h, _ := w.do(t, "OPTIONS", tusPath+"/x", "", "Origin", page, "Access-Control-Request-Method", method)
		if !strings.Contains(h.Get("Access-Control-Allow-Methods"), method) {
			t.Errorf("%s: %v", method, h)
		}
		for _, name := range []string{"Tus-Resumable", "Upload-Length", "Upload-Metadata", "Upload-Offset", "Content-Type", "Authorization"} {
			if !strings.Contains(h.Get("Access-Control-Allow-Headers"), name) {
				t.Errorf("%s may not be sent: %v", name, h)
			}
		}
	}
	if got := w.tus(t, "POST", tusPath, nil, "Origin", "https://attacker.example", "Upload-Length", "9"); got.status != 403 {
		t.Errorf("%d", got.status)
	}
	path := w.create(t, screenshot(t, w), len(file), "Origin", page)
	got := w.patch(t, path, file, 0, len(file), "Origin", page)
	if got.status != 204 || got.header.Get("Access-Control-Allow-Origin") != page {
		t.Errorf("%d %v", got.status, got.header)
	}
	for name := range got.header {
		if (strings.HasPrefix(name, "Upload-") || strings.HasPrefix(name, "Tus-") || strings.HasPrefix(name, "Asc-Upload-")) &&
			!strings.Contains(got.header.Get("Access-Control-Expose-Headers"), name) {
			t.Errorf("%s cannot be read", name)
		}
	}
}
