package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Bounds of faults.
const (
	maxFaults       = 1000
	maxFaultPath    = 1024
	maxFaultHeaders = 50
	maxFaultBody    = 1 << 20
)

// checkBounds says what is too much in a fault, or cannot be sent.
func (f Fault) checkBounds() error {
	switch {
	case len(f.Path) > maxFaultPath:
		return fmt.Errorf("path: at most %d bytes", maxFaultPath)
	case len(f.Headers) > maxFaultHeaders:
		return fmt.Errorf("headers: at most %d", maxFaultHeaders)
	case len(f.Body) > maxFaultBody:
		return fmt.Errorf("body: at most %d bytes", maxFaultBody)
	case f.Count < 0 || f.Every < 0 || f.LatencyMS < 0 || f.Foreign < 0:
		return fmt.Errorf("count, every, latency_ms, foreign: not below zero")
	case f.Body != "" && f.Status == 0:
		return fmt.Errorf("body: wants a status")
	case f.Body != "" && f.HTML:
		return fmt.Errorf("body: not together with html")
	}
	for _, name := range slices.Sorted(maps.Keys(f.Headers)) {
		if name == "" || strings.ContainsAny(name+f.Headers[name], "\r\n\x00") || strings.ContainsAny(name, " :") {
			return fmt.Errorf("headers: %q is no header, or its value no value", name)
		}
	}
	return nil
}

// pathMatches says whether a glob holds a path. An element of it matches as
// [path.Match] says, and ** matches any number of elements.
func pathMatches(glob, target string) bool {
	if !strings.Contains(glob, "**") {
		ok, _ := path.Match(glob, target)
		return ok
	}
	return elementsMatch(strings.Split(glob, "/"), strings.Split(target, "/"))
}

func elementsMatch(globs, elements []string) bool {
	// reached[i] says whether the globs so far can match the first i elements.
	reached := make([]bool, len(elements)+1)
	reached[0] = true
	for _, glob := range globs {
		next := make([]bool, len(reached))
		for i := range reached {
			if glob == "**" {
				next[i] = reached[i] || i > 0 && next[i-1]
			} else if i > 0 && reached[i-1] {
				next[i], _ = path.Match(glob, elements[i-1])
			}
		}
		reached = next
	}
	return reached[len(elements)]
}

// spoil applies the faults that change an answer as it is.
func (f *fault) spoil(rec *reply, r *http.Request, base string) {
	for name, value := range f.Headers {
		rec.header.Set(name, value)
	}
	if f.Agzip && strings.Contains(rec.header.Get("Content-Type"), "gzip") {
		rec.header.Set("Content-Encoding", "agzip")
	}
	if rec.status < 300 && rec.stream == nil && (f.Duplicate || f.PastEnd) {
		rec.body = f.spoilList(rec.body, r, base)
	}
	rec.truncated = rec.truncated || f.Truncate
	rec.hang = rec.hang || f.Hang
}

// spoilList repeats the first row of a list, and links its end to a page that
// does not exist. What is no list stays.
func (f *fault) spoilList(body []byte, r *http.Request, base string) []byte {
	var doc map[string]any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if d.Decode(&doc) != nil {
		return body
	}
	list, ok := doc["data"].([]any)
	if !ok {
		return body
	}
	if f.Duplicate && len(list) > 0 {
		doc["data"] = append(list, list[0])
	}
	links, ok := doc["links"].(map[string]any)
	if f.PastEnd && ok && links["next"] == nil {
		links["next"] = nextPastEnd(r.URL, base, len(list))
	}
	out, err := json.Marshal(doc)
	if err != nil {
		return body
	}
	return out
}

// nextPastEnd is the link to a page after the last.
func nextPastEnd(u *url.URL, base string, rows int) string {
	q := u.Query()
	at, _ := readCursor(q.Get("cursor"))
	if q.Get("limit") == "" {
		q.Set("limit", strconv.Itoa(defaultLimit))
	}
	q.Set("cursor", writeCursor(at+max(rows, 1)))
	return base + u.EscapedPath() + "?" + q.Encode()
}

// ClearFaults ends all faults.
func (s *Sandbox) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// formFault is a button of the page: it ends a fault.
func (s *Sandbox) formFault(form url.Values) (int, error) {
	number, err := strconv.Atoi(form.Get("delete"))
	if err != nil {
		return http.StatusBadRequest, fmt.Errorf("delete: want the number of a fault")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = slices.DeleteFunc(slices.Clone(s.faults), func(f *fault) bool { return f.number == number })
	return 0, nil
}
