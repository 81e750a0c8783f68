package sandbox

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// analytics reads the list at a path, page by page.
func (c *client) everything(t *testing.T, path string) (list []any) {
	t.Helper()
	for path != "" {
		status, _, doc := c.send("GET", path, "")
		if status != 200 {
			t.Fatalf("%s: %d %v", path, status, doc)
		}
		data, _ := doc["data"].([]any)
		list = append(list, data...)
		path = ""
		if next := at(doc, "links", "next"); next != nil {
			path = c.local(next)
		}
	}
	return list
}

// instances are those of a report of an app's first request, by granularity and date.
func (c *client) instances(t *testing.T, request, name string) map[string]string {
	t.Helper()
	reports := c.everything(t, "/v1/analyticsReportRequests/"+request+"/reports?filter[name]="+
		strings.ReplaceAll(name, " ", "%20"))
	if len(reports) != 1 {
		t.Fatalf("%d reports of the name %s", len(reports), name)
	}
	by := map[string]string{}
	for _, x := range c.everything(t, "/v1/analyticsReports/"+at(reports[0], "id").(string)+"/instances?limit=200") {
		key := fmt.Sprint(at(x, "attributes", "granularity"), " ", at(x, "attributes", "processingDate"))
		if by[key] != "" {
			t.Errorf("%s twice", key)
		}
		by[key] = at(x, "id").(string)
	}
	return by
}

// counted reads all segments of an instance and sums a column by date.
func (c *client) counted(t *testing.T, instance, column string) map[string]int {
	t.Helper()
	sums := map[string]int{}
	for _, x := range c.everything(t, "/v1/analyticsReportInstances/"+instance+"/segments") {
		file := c.raw("GET", c.local(at(x, "attributes", "url")), "")
		if sumOf(file.Body.String()) != at(x, "attributes", "checksum") ||
			float64(file.Body.Len()) != at(x, "attributes", "sizeInBytes") {
			t.Errorf("a file that is not as its segment says: %v", x)
		}
		lines := strings.Split(strings.TrimSuffix(unpacked(t, file.Body), "\n"), "\n")
		place := map[string]int{}
		for i, name := range strings.Split(lines[0], "\t") {
			place[name] = i
		}
		for _, line := range lines[1:] {
			cells := strings.Split(line, "\t")
			var n int
			if _, err := fmt.Sscan(cells[place[column]], &n); err != nil {
				t.Fatal(err)
			}
			sums[cells[place["Date"]]] += n
		}
	}
	return sums
}

// TestAnalyticsReplaceDates: instances live 35 days, and a later one knows more of a date.
func TestAnalyticsReplaceDates(t *testing.T) {
	c := newClient(t, World{NoAuth: true, Sales: 30})
	request := at(c.everything(t, "/v1/apps/"+trailMix+"/analyticsReportRequests")[0], "id").(string)
	const name = "App Downloads Standard"
	by := c.instances(t, request, name)
	daily, weekly, monthly := 0, 0, 0
	for key := range by {
		switch strings.Fields(key)[0] {
		case "DAILY":
			daily++
		case "WEEKLY":
			weekly++
		default:
			monthly++
		}
	}
	if daily != instanceDays || weekly != 5 || monthly != 1 {
		t.Errorf("%d, %d and %d instances: %v", daily, weekly, monthly, by)
	}
	first, second := c.counted(t, by["DAILY 2026-04-30"], "Counts"), c.counted(t, by["DAILY 2026-05-01"], "Counts")
	if len(first) != 2 || first["2026-04-29"] == 0 || first["2026-04-29"] >= second["2026-04-29"] {
		t.Errorf("%v, then %v", first, second)
	}
	old := by["DAILY 2026-04-01"]
	c.now = c.now.AddDate(0, 0, 20)
	again := c.instances(t, request, name)
	if again["DAILY 2026-05-21"] == "" || again["DAILY 2026-04-01"] != "" || len(again) < instanceDays {
		t.Errorf("%v", again)
	}
	if status, _, _ := c.send("GET", "/v1/analyticsReportInstances/"+old, ""); status != 404 {
		t.Errorf("an instance that is too old: %d", status)
	}
	for _, x := range c.everything(t, "/v1/analyticsReportRequests/"+request+"/reports?limit=200") {
		columns := c.instances(t, request, at(x, "attributes", "name").(string))
		if columns["DAILY 2026-05-21"] == "" {
			t.Errorf("%v has no instance of today", at(x, "attributes", "name"))
		}
	}
}

// TestAnalyticsRequests: one that runs and one snapshot a month; what nobody reads stops.
func TestAnalyticsRequests(t *testing.T) {
	c := newClient(t, World{NoAuth: true, Times: Times{Report: 36 * time.Hour}})
	ask := func(access string) (int, string) {
		status, _, doc := c.send("POST", "/v1/analyticsReportRequests", resource("analyticsReportRequests", "",
			`"accessType":"`+access+`"`, to("app", "apps", trailMix)))
		id, _ := at(doc, "data", "id").(string)
		return status, id
	}
	if status, _ := ask("ONGOING"); status != 409 {
		t.Errorf("a second ongoing request: %d", status)
	}
	status, snapshot := ask("ONE_TIME_SNAPSHOT")
	if status != 201 {
		t.Fatalf("a snapshot: %d", status)
	}
	if status, _ := ask("ONE_TIME_SNAPSHOT"); status != 409 {
		t.Errorf("a second snapshot in a month: %d", status)
	}
	if got := c.instances(t, snapshot, "App Sessions Standard"); len(got) != 0 {
		t.Errorf("instances at once: %v", got)
	}
	c.now = c.now.Add(37 * time.Hour)
	got := c.instances(t, snapshot, "App Downloads Detailed")
	if len(got) != 3 {
		t.Fatalf("%v", got)
	}
	for key, id := range got {
		dates := c.counted(t, id, "Counts")
		if strings.HasPrefix(key, "MONTHLY") && len(dates) != historyYear/30 ||
			strings.HasPrefix(key, "WEEKLY") && len(dates) < 50 {
			t.Errorf("%s has %d dates", key, len(dates))
		}
	}
	ongoing := at(c.everything(t, "/v1/apps/"+trailMix+"/analyticsReportRequests?filter[accessType]=ONGOING")[0], "id")
	c.now = c.now.AddDate(0, 0, idleDays+1)
	path := "/v1/analyticsReportRequests/" + ongoing.(string)
	if _, _, doc := c.send("GET", path, ""); at(doc, "data", "attributes", "stoppedDueToInactivity") != true {
		t.Errorf("it was not read, and runs: %v", doc)
	}
	for _, access := range []string{"ONGOING", "ONE_TIME_SNAPSHOT"} {
		if status, _ := ask(access); status != 201 {
			t.Errorf("%s again: %d", access, status)
		}
	}
	reports := c.store.get("analyticsReportRequests", ongoing.(string)).rels["reports"]
	if status, _, _ := c.send("DELETE", path, ""); status != 204 {
		t.Errorf("delete: %d", status)
	}
	if left := c.store.related(&object{typ: "analyticsReportRequests", rels: map[string][]string{"reports": reports}},
		"reports"); len(reports) == 0 || len(left) > 0 {
		t.Errorf("%d of %d reports of a request that ended", len(left), len(reports))
	}
}

// TestPowerMetrics are as Xcode shows them: each version of the app, oldest first, and
// only what was asked for.
func TestPowerMetrics(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	second := c.store.all("appStoreVersions")[1]
	c.store.set(second, "app", []string{trailMix})
	get := func(query string) map[string]any {
		_, _, doc := c.send("GET", "/v1/apps/"+trailMix+"/perfPowerMetrics?"+query, "", "Accept",
			"application/vnd.apple.xcode-metrics+json")
		return doc
	}
	all := get("")
	if n := len(at(all, "productData", 0, "metricCategories").([]any)); n != len(powerMetrics) {
		t.Errorf("%d categories", n)
	}
	launch := get("filter[metricType]=LAUNCH&filter[deviceType]=all_iphones")
	metric := at(launch, "productData", 0, "metricCategories", 0, "metrics", 0)
	datasets := at(metric, "datasets").([]any)
	if at(metric, "identifier") != "launchTime" || len(datasets) != 2 {
		t.Fatalf("%v", launch)
	}
	for i, percentile := range []string{"percentile.fifty", "percentile.ninety"} {
		points := at(datasets[i], "points").([]any)
		if at(datasets[i], "filterCriteria", "percentile") != percentile || len(points) != 2 ||
			at(points[0], "version") != "1.0" || at(points[1], "version") != "1.1" {
			t.Errorf("%v", datasets[i])
		}
		if v := at(points[0], "value").(float64); v < 100 || v > 5000 {
			t.Errorf("a launch of %v ms", v)
		}
	}
	if again := get(""); fmt.Sprint(again) != fmt.Sprint(all) {
		t.Error("other numbers the second time")
	}
	signature := c.store.related(c.store.all("builds")[0], "diagnosticSignatures")[0]
	_, _, logs := c.send("GET", "/v1/diagnosticSignatures/"+signature.id+"/logs?limit=2", "", "Accept",
		"application/vnd.apple.diagnostic-logs+json")
	if list := at(logs, "productData", 0, "diagnosticLogs").([]any); len(list) != 2 ||
		at(list[0], "diagnosticMetaData", "bundleId") != "com.example.trailmix" {
		t.Errorf("%v", logs)
	}
}
