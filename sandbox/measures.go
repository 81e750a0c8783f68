package sandbox

import (
	"slices"
	"time"
)

// Metrics of TestFlight, out of what testers have sent and done. Sessions are not
// counted: nothing in the world starts an app.

// periodDays are the periods that metrics can be asked for. Apple: beta tester usage
// metrics.
var periodDays = map[string]int{"P7D": 7, "P30D": 30, "P90D": 90, "P365D": 365}

// usages makes a row of one data point. Dimensions may be nil.
func (c *call) usages(values map[string]any, dimensions map[string]any) map[string]any {
	row := map[string]any{"dataPoints": []any{map[string]any{
		"start": c.since().UTC().Format(time.DateOnly), "end": c.now.UTC().Format(time.DateOnly), "values": values,
	}}}
	if dimensions != nil {
		row["dimensions"] = dimensions
	}
	return row
}

// since is when the period begins that a request asks for; a year ago if it does not
// say.
func (c *call) since() time.Time {
	days := periodDays["P365D"]
	if period := c.query["period"]; len(period) > 0 && periodDays[period[0]] > 0 {
		days = periodDays[period[0]]
	}
	return c.now.AddDate(0, 0, -days)
}

// sent counts what testers have sent in the period, of a kind and for which is true.
func (c *call) sent(typ string, is func(o *object) bool) (n int) {
	for _, o := range c.s.store.all(typ) {
		if !o.at.Before(c.since()) && is(o) {
			n++
		}
	}
	return n
}

// reports are the counts of crashes and feedback for which is true.
func (c *call) reports(is func(o *object) bool) map[string]any {
	return map[string]any{
		"crashCount":    c.sent("betaFeedbackCrashSubmissions", is),
		"feedbackCount": c.sent("betaFeedbackScreenshotSubmissions", is),
		"sessionCount":  0,
	}
}

func usagesOfBuild(c *call, build *object) []any {
	values := c.reports(func(o *object) bool { return slices.Contains(o.rels["build"], build.id) })
	counted := map[string]bool{}
	invited, installed := 0, 0
	count := func(testers []*object) {
		for _, tester := range testers {
			state := tester.text("state")
			if counted[tester.id] || !slices.Contains([]string{"INVITED", "ACCEPTED", "INSTALLED"}, state) {
				continue
			}
			counted[tester.id] = true
			if invited++; state == "INSTALLED" {
				installed++
			}
		}
	}
	count(c.s.store.related(build, "individualTesters"))
	for _, group := range c.s.store.related(build, "betaGroups") {
		count(c.s.store.related(group, "betaTesters"))
	}
	values["inviteCount"], values["installCount"] = invited, installed
	return []any{c.usages(values, nil)}
}

// usagesOfTesters are those of an app's or a group's testers: a row for each if they
// are grouped, one of all if not.
func usagesOfTesters(c *call, o *object) (rows []any) {
	app := c.s.store.appOf(o)
	var testers []*object
	for _, tester := range c.s.store.all("betaTesters") {
		wanted := c.query["filter[betaTesters]"]
		in := o.typ == "apps" && slices.Contains(tester.rels["apps"], o.id) ||
			slices.Contains(tester.rels["betaGroups"], o.id)
		if in && (len(wanted) == 0 || slices.Contains(wanted, tester.id)) {
			testers = append(testers, tester)
		}
	}
	if len(c.query["groupBy"]) == 0 {
		return []any{c.usages(c.reports(func(x *object) bool {
			return c.s.store.appOf(x) == app && slices.ContainsFunc(testers, func(tester *object) bool {
				return slices.Contains(x.rels["tester"], tester.id)
			})
		}), nil)}
	}
	for _, tester := range testers {
		rows = append(rows, c.usagesIn(tester, app, "betaTesters", tester))
	}
	return rows
}

// usagesOfTester are those of one tester, app by app.
func usagesOfTester(c *call, tester *object) (rows []any) {
	for _, app := range c.s.store.related(tester, "apps") {
		if wanted := c.query["filter[apps]"]; len(wanted) == 0 || slices.Contains(wanted, app.id) {
			rows = append(rows, c.usagesIn(tester, app, "apps", app))
		}
	}
	return rows
}

// usagesIn is the row of a tester in an app, under a dimension.
func (c *call) usagesIn(tester, app *object, dimension string, of *object) map[string]any {
	values := c.reports(func(x *object) bool {
		return slices.Contains(x.rels["tester"], tester.id) && c.s.store.appOf(x) == app
	})
	return c.usages(values, map[string]any{dimension: map[string]any{
		"data": map[string]any{"type": of.typ, "id": of.id},
		"links": map[string]any{
			"groupBy": c.base + c.r.URL.Path, "related": c.base + "/v1/" + of.typ + "/" + of.id,
		},
	}})
}

func usagesOfLink(c *call, group *object) []any {
	joined := 0
	for _, tester := range c.s.store.related(group, "betaTesters") {
		if tester.text("inviteType") == "PUBLIC_LINK" {
			joined++
		}
	}
	return []any{c.usages(map[string]any{
		"viewCount": joined, "acceptedCount": joined, "didNotAcceptCount": 0, "didNotMeetCriteriaCount": 0,
		"notRelevantRatio": 0, "notClearRatio": 0, "notInterestingRatio": 0,
	}, nil)}
}
