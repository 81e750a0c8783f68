package asc

import (
	"mime"
	"net/http"
	"path"
	"strings"
	"unicode"
)

// What Apple says about a report in headers.
const (
	reportPrefix        = "X-Reports-"
	reportNameHeader    = "X-Reports-Filename"
	reportVersionHeader = "X-Reports-Download-Version"
)

// Bounds on headers that are passed on.
const (
	maxToldHeaders = 32
	maxToldBytes   = 1 << 10 // of one value
	maxNameBytes   = 255
)

// Told returns the headers of an answer that callers of a file want to see: Apple's
// about the report, and its request ids.
func Told(h http.Header) http.Header {
	out := http.Header{}
	for name, values := range h {
		report := strings.HasPrefix(name, reportPrefix) && len(values) > 0
		if report && len(values[0]) <= maxToldBytes && len(out) < maxToldHeaders {
			out.Set(name, values[0])
		}
	}
	for _, name := range requestIDHeaders {
		if v := h.Get(name); v != "" && len(v) <= maxToldBytes {
			out.Set(name, v)
		}
	}
	return out
}

// Told are the headers of the file's answer that its caller wants to see.
func (f *File) Told() http.Header { return Told(f.Header) }

// Name is Apple's name for the file, "" if it gave none that is safe to store a
// file under.
func (f *File) Name() string {
	_, params, _ := mime.ParseMediaType(f.Disposition)
	for _, name := range []string{params["filename"], f.Header.Get(reportNameHeader)} {
		if safeName(name) {
			return name
		}
	}
	return ""
}

// safeName says whether a name names a file in the folder that it is put into.
func safeName(name string) bool {
	return name != "" && len(name) <= maxNameBytes && name == path.Base(name) && !strings.HasPrefix(name, ".") &&
		!strings.ContainsFunc(name, func(r rune) bool {
			return unicode.IsControl(r) || r == unicode.ReplacementChar || strings.ContainsRune(`\/:*?"<>|`, r)
		})
}

// ReportVersion is the report's version that was given, "" if Apple did not say.
func (f *File) ReportVersion() string { return clip(f.Header.Get(reportVersionHeader), maxToldBytes) }

// RequestID is Apple's name for the request, "" if it gave none.
func (f *File) RequestID() string { return requestID(f.Header) }

// Reports are Apple's headers about the report, by their names in lower case.
func (f *File) Reports() map[string]string {
	out := map[string]string{}
	for name, values := range Told(f.Header) {
		if strings.HasPrefix(name, reportPrefix) {
			out[strings.ToLower(name)] = strings.ToValidUTF8(values[0], "�")
		}
	}
	return out
}
