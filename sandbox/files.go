package sandbox

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// salesColumns are those of Apple's sales summary.
const salesColumns = "Provider\tProvider Country\tSKU\tDeveloper\tTitle\tVersion\tProduct Type Identifier\tUnits\t" +
	"Developer Proceeds\tBegin Date\tEnd Date\tCustomer Currency\tCountry Code\tCurrency of Proceeds\t" +
	"Apple Identifier\tCustomer Price\tPromo Code\tParent Identifier\tSubscription\tPeriod\tCategory\tCMB\t" +
	"Device\tSupported Platforms\tProceeds Reason\tPreserved Pricing\tClient\tOrder Type\n"

// financeColumns are those of Apple's finance report.
const financeColumns = "Start Date\tEnd Date\tUPC\tISRC/ISBN\tVendor Identifier\tQuantity\tPartner Share\t" +
	"Extended Partner Share\tPartner Share Currency\tSales or Return\tApple Identifier\t" +
	"Artist/Show/Developer/Author\tTitle\tLabel/Studio/Network/Developer/Publisher\tGrid\t" +
	"Product Type Identifier\tISAN/Other Identifier\tCountry Of Sale\tPre-order Flag\tPromo Code\t" +
	"Customer Price\tCustomer Currency\n"

// report answers with a sales or finance report. There is none of a day that
// has not ended; a finance report's date is a fiscal month.
func (c *call) report() []apiError {
	yesterday := c.now.UTC().AddDate(0, 0, -1)
	date := strings.Join(c.query["filter[reportDate]"], "")
	for _, form := range []string{time.DateOnly, "2006-01", "2006"} {
		if t, err := time.Parse(form, date); err == nil && t.After(yesterday) {
			return []apiError{
				{
					Status: 404,
					Code:   "NOT_FOUND",
					Title:  "The specified resource does not exist",
					Detail: "There were no sales for the date specified.",
				},
			}
		}
	}
	if date == "" {
		date = yesterday.Format(time.DateOnly)
	}
	head, row := salesColumns, salesRow
	if c.op.root() == "financeReports" {
		head, row = financeColumns, financeRow
	}
	var b strings.Builder
	b.WriteString(head)
	for i, app := range c.s.store.all("apps") {
		b.WriteString(row(app, date, 42-i))
	}
	c.rec.raw(http.StatusOK, c.op.Produces[0], compressed(b.String()))
	return nil
}

func salesRow(app *object, date string, units int) string {
	return fmt.Sprintf(
		"APPLE\tUS\t%s\tExample Inc.\t%s\t1.0\t1\t%d\t0.70\t%s\t%s\tUSD\tUS\tUSD\t%s\t0.99\t \t \t \t \t"+
			"Utilities\t\tiPhone\tiOS\t \t \t \t \n",
		app.text("sku"),
		app.text("name"),
		units,
		date,
		date,
		app.id,
	)
}

func financeRow(app *object, date string, units int) string {
	return fmt.Sprintf("%s\t%s\t\t\t%s\t%d\t0.70\t%.2f\tUSD\tS\t%s\tExample Inc.\t%s\t\t\t1\t\tUS\t\t\t0.99\tUSD\n",
		date, date, app.text("sku"), units, 0.70*float64(units), app.id, app.text("name"))
}

// file answers with what is no JSON:API document: codes as a table, metrics and
// logs as JSON of their own.
func (c *call) file(o *object) []apiError {
	if c.wantsCSV() {
		c.rec.raw(http.StatusOK, "text/csv", codes(o))
		return nil
	}
	body, err := json.Marshal(generator{f: c.s.facts, at: c.now}.value("", c.op.Answer, 0))
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
