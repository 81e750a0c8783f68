package sandbox

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"strings"
)

// file answers with what is no JSON:API document: codes as a table, metrics and logs as
// JSON of their own.
func (c *call) file(o *object) []apiError {
	if c.wantsCSV() {
		c.rec.raw(http.StatusOK, "text/csv", codes(o))
		return nil
	}
	var answer any
	switch {
	case c.op.Rel == "perfPowerMetrics":
		answer = c.xcodeMetrics(o)
	case c.op.Rel == "logs" && o.typ == "diagnosticSignatures":
		answer = c.diagnosticLogs(o)
	default:
		answer = generator{f: c.s.facts, at: c.now}.value("", c.op.Answer, 0)
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return []apiError{unexpected()}
	}
	c.rec.raw(http.StatusOK, c.op.Produces[0], body)
	return nil
}

// table answers with objects as CSV: the id, the attributes of the view, and the
// ids of its to-one relationships.
func (c *call) table(objects []*object) {
	t := c.s.facts.Types[c.op.Schema]
	head := []string{"id"}
	for _, a := range t.Attrs {
		head = append(head, a.Name)
	}
	for _, r := range t.Rels {
		if r.Data && !r.Many {
			head = append(head, r.Name)
		}
	}
	var b strings.Builder
	w := csv.NewWriter(&b)
	_ = w.Write(head) // a builder takes everything
	for _, o := range objects {
		row := make([]string, len(head))
		for i, name := range head {
			have, _ := c.s.store.values(o, name)
			row[i] = strings.Join(have, " ")
		}
		_ = w.Write(row)
	}
	w.Flush()
	c.rec.raw(http.StatusOK, "text/csv", []byte(b.String()))
}

// metrics answers with measured values: those of the world, or else a row for each
// of some days.
func (c *call) metrics(o *object) {
	rows := []any{}
	if measure := c.s.behaviors[o.typ].measures[c.op.Rel]; measure != nil {
		rows = append(rows, measure(c, o)...)
	} else if data := c.op.Answer.field("data"); data != nil {
		for i := range perType {
			g := generator{f: c.s.facts, i: i, at: c.now.AddDate(0, 0, i-perType)}
			rows = append(rows, g.value("data", data.Items, 0))
		}
	}
	p, errs := c.page(len(rows))
	if len(errs) > 0 {
		c.rec.fail(c.s.store, errs...)
		return
	}
	c.rec.json(http.StatusOK, map[string]any{"data": rows[p.start:p.end], "links": p.links, "meta": p.meta})
}
