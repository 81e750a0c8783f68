package sandbox

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// isFile says whether the answer asked for is a file.
func (c *call) isFile() bool {
	if len(c.op.Produces) == 0 {
		return false
	}
	if c.op.Produces[0] != "application/json" && c.op.Produces[0] != "application/vnd.apple.xcode-metrics+json" {
		return true
	}
	accept := c.r.Header.Get("Accept")
	return slices.Contains(c.op.Produces, "text/csv") && strings.Contains(accept, "text/csv") && !strings.Contains(accept, "application/json")
}

// file answers with a report, a table or logs. There is no data for a day to
// come.
func (c *call) file() []apiError {
	v := strings.Join(c.query["filter[reportDate]"], "")
	if strings.HasPrefix(v, "2") && v > c.s.cfg.Now().UTC().Format("2006-01-02") {
		return []apiError{{Status: 404, Code: "NOT_FOUND", Title: "The specified resource does not exist", Detail: "There were no reports for the date specified."}}
	}
	switch {
	case c.op.Produces[0] == "application/a-gzip":
		c.rec.raw(200, "application/a-gzip", packed("Provider\tSKU\tTitle\tUnits\tDeveloper Proceeds\nAPPLE\tSKU-100\tTrail Mix\t42\t1.23\nAPPLE\tSKU-101\tNight Sky\t7\t0.99\n"))
	case strings.HasPrefix(c.op.Produces[0], "application/vnd.apple.diagnostic-logs"):
		body, _ := json.Marshal(generator{f: c.s.facts, at: c.s.cfg.Now()}.value("", c.op.Answer, 0)) // made of plain values
		c.rec.raw(200, c.op.Produces[0], body)
	default:
		c.rec.raw(200, "text/csv", []byte("id,value\n1,first\n2,second\n"))
	}
	return nil
}

// packed is text as a gzip file.
func packed(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text)) // a buffer takes everything
	_ = z.Close()
	return b.Bytes()
}

// segment is the file behind an analytics report segment's URL. As at Apple, a
// token has no business there.
func (s *Sandbox) segment(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/gzip")
	_, _ = w.Write(packed("Date\tApp Name\tCounts\n2026-01-28\tTrail Mix\t42\n"))
}

// plain answers with JSON that is no JSON:API document.
func (c *call) plain() {
	body, _ := json.Marshal(generator{f: c.s.facts, at: c.s.cfg.Now()}.value("", c.op.Answer, 0)) // made of plain values
	c.rec.raw(200, c.op.Produces[0], body)
}

// metrics answers with one row of measured values.
func (c *call) metrics() {
	g := generator{f: c.s.facts, at: c.s.cfg.Now().Add(-24 * time.Hour)}
	rows := []any{}
	for _, f := range c.op.Answer.Fields {
		if f.Name == "data" {
			rows = append(rows, g.value("data", f.Items, 0))
		}
	}
	c.rec.json(200, map[string]any{"data": rows, "links": c.links(), "meta": map[string]any{"paging": map[string]any{"total": len(rows), "limit": c.int("limit", defaultLimit)}}})
}

// upload takes the bytes of an upload. It needs no token, as Apple's do not.
func (s *Sandbox) upload(w http.ResponseWriter, r *http.Request) {
	var b bytes.Buffer
	if _, err := b.ReadFrom(http.MaxBytesReader(w, r.Body, 256<<20)); err != nil {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.store.get(r.PathValue("type"), r.PathValue("id"))
	if o == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	o.attrs["\x00uploaded"] = b.Bytes()
	w.WriteHeader(http.StatusOK)
}
