package sandbox

import (
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

func TestWhatMustBeUnique(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	bundle, app := c.IDs("bundleIds")[1], c.IDs("apps")[1]
	for _, x := range []struct{ typ, attributes, relationships, pointer string }{
		{"bundleIds", `"name":"N","platform":"IOS","identifier":"com.a"`, "", "identifier"},
		{"devices", `"name":"N","platform":"IOS","udid":"00008120-000A1B2C3D4E5F99"`, "", "udid"},
		{"bundleIdCapabilities", `"capabilityType":"WALLET"`, to("bundleId", "bundleIds", bundle), "capabilityType"},
		{"userInvitations", `"email":"a@example.com","firstName":"A","lastName":"B","roles":["ADMIN"]`, "", "email"},
		{"betaGroups", `"name":"Testers"`, to("app", "apps", app), "name"},
		{"subscriptionGroups", `"referenceName":"Gold"`, to("app", "apps", app), "referenceName"},
		{"betaAppLocalizations", `"locale":"fr-FR"`, to("app", "apps", app), "locale"},
	} {
		body := resource(x.typ, "", x.attributes, x.relationships)
		c.data(t, "POST", "/v1/"+x.typ, body)
		status, _, doc := c.send("POST", "/v1/"+x.typ, body)
		if status != 409 || code(doc) != "ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE" ||
			at(doc, "errors", 0, "source", "pointer") != "/data/attributes/"+x.pointer {
			t.Errorf("%s: %d %v", x.typ, status, doc)
		}
	}
}

func TestAnUpdateKeepsWhatIsUnique(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	app := to("app", "apps", c.IDs("apps")[0])
	c.data(t, "POST", "/v1/betaGroups", resource("betaGroups", "", `"name":"A"`, app))
	id := c.data(t, "POST", "/v1/betaGroups", resource("betaGroups", "", `"name":"B"`, app))["id"].(string)
	for name, want := range map[string]int{"A": 409, "B": 200, "C": 200} {
		if status, _, doc := c.send("PATCH", "/v1/betaGroups/"+id, resource("betaGroups", id, fmt.Sprintf(`"name":%q`, name), "")); status != want {
			t.Errorf("%s: %d %v", name, status, doc)
		}
	}
}

func TestOneVersionIsPreparedAtATime(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	version := func(platform, number string) (int, map[string]any) {
		status, _, doc := c.send(
			"POST",
			"/v1/appStoreVersions",
			resource(
				"appStoreVersions",
				"",
				fmt.Sprintf(`"platform":%q,"versionString":%q`, platform, number),
				to("app", "apps", c.IDs("apps")[0]),
			),
		)
		return status, doc
	}
	for _, x := range []struct {
		platform, number string
		status           int
	}{{"IOS", "3.0", 201}, {"IOS", "3.1", 409}, {"TV_OS", "3.0", 201}} {
		if status, doc := version(x.platform, x.number); status != x.status {
			t.Errorf("%v: %d %v", x, status, doc)
		}
	}
}

func TestDevicesAreProcessedFirst(t *testing.T) {
	c := newClient(t, World{NoAuth: true, Processing: time.Hour})
	device := c.data(
		t,
		"POST",
		"/v1/devices",
		resource("devices", "", `"name":"D","platform":"IOS","udid":"00008120-000A1B2C3D4E5F99"`, ""),
	)
	status := func() any {
		return at(c.data(t, "GET", "/v1/devices/"+device["id"].(string), ""), "attributes", "status")
	}
	if got := status(); got != "PROCESSING" {
		t.Errorf("%v", got)
	}
	c.SetClock(time.Hour, 0)
	if got := status(); got != "ENABLED" {
		t.Errorf("%v", got)
	}
}

func TestBuildsStayExpired(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	id := c.IDs("builds")[0]
	c.data(t, "PATCH", "/v1/builds/"+id, resource("builds", id, `"expired":true`, ""))
	if status, _, doc := c.send("PATCH", "/v1/builds/"+id, resource("builds", id, `"expired":false`, "")); status != 409 ||
		code(doc) != "STATE_ERROR.ENTITY_STATE_INVALID" {
		t.Errorf("%d %v", status, doc)
	}
}

func TestPublicLinksComeAndGo(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	id := c.IDs("betaGroups")[0]
	link := func(enabled bool) any {
		return at(
			c.data(
				t,
				"PATCH",
				"/v1/betaGroups/"+id,
				resource("betaGroups", id, fmt.Sprintf(`"publicLinkEnabled":%v`, enabled), ""),
			),
			"attributes",
			"publicLink",
		)
	}
	if on, off := link(true), link(false); on == nil || off != nil {
		t.Errorf("%v %v", on, off)
	}
}

func TestAnalyticsFromRequestToFile(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	request := c.data(
		t,
		"POST",
		"/v1/analyticsReportRequests",
		resource(
			"analyticsReportRequests",
			"",
			`"accessType":"ONE_TIME_SNAPSHOT"`,
			to("app", "apps", c.IDs("apps")[0]),
		),
	)
	id := func(path string) string {
		_, _, doc := c.send("GET", path, "")
		s, _ := at(doc, "data", 0, "id").(string)
		return s
	}
	report := id("/v1/analyticsReportRequests/" + request["id"].(string) + "/reports")
	instance := id("/v1/analyticsReports/" + report + "/instances?filter[granularity]=DAILY")
	_, _, doc := c.send("GET", "/v1/analyticsReportInstances/"+instance+"/segments", "")
	segment := at(doc, "data", 0, "attributes")
	url := c.local(at(segment, "url"))
	file := c.raw("GET", url, "")
	if file.Code != 200 || sumOf(file.Body.String()) != at(segment, "checksum") ||
		float64(file.Body.Len()) != at(segment, "sizeInBytes") {
		t.Errorf("%d, %d bytes, %v", file.Code, file.Body.Len(), segment)
	}
	for name, w := range map[string]int{"with a token": c.raw("GET", url, "", "Authorization", "Bearer x").Code, "unsigned": c.raw("GET", url+"0", "").Code} {
		if w/100 != 4 {
			t.Errorf("%s: %d", name, w)
		}
	}
}

func TestReports(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	const sales = "/v1/salesReports?filter[frequency]=DAILY&filter[reportSubType]=SUMMARY&filter[reportType]=SALES&filter[vendorNumber]=1"
	const finance = "/v1/financeReports?filter[regionCode]=ZZ&filter[reportType]=FINANCIAL&filter[vendorNumber]=1"
	for _, x := range []struct {
		path, accept string
		status       int
		starts       string
	}{
		{sales, "application/a-gzip", 200, "Provider\t"},
		{sales, "", 200, "Provider\t"},
		{sales, "application/json", 406, ""},
		{sales + "&filter[reportDate]=2026-04-30", "", 200, "Provider\t"},
		{sales + "&filter[reportDate]=2026-05-01", "", 404, ""},
		{sales + "&filter[reportDate]=2027-01-01", "", 404, ""},
		{"/v1/salesReports?filter[frequency]=DAILY", "", 400, ""},
		{finance + "&filter[reportDate]=2026-03", "", 200, "Start Date\t"},
		{finance + "&filter[reportDate]=2026-08", "", 404, ""},
	} {
		w := c.raw("GET", x.path, "", "Accept", x.accept)
		if w.Code != x.status {
			t.Errorf("%s (%s): %d %s", x.path, x.accept, w.Code, w.Body)
		}
		if x.status != 200 {
			continue
		}
		z, err := gzip.NewReader(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(z)
		if err != nil || !strings.HasPrefix(string(text), x.starts) || !strings.Contains(string(text), "Premium Monthly") {
			t.Errorf("%s: %v %.100s", x.path, err, text)
		}
	}
	w := c.raw("GET", "/v1/apps/"+c.IDs("apps")[0]+"/appPricePoints?limit=2", "", "Accept", "text/csv")
	if w.Header().Get("Content-Type") != "text/csv" || strings.Count(w.Body.String(), "\n") != 3 {
		t.Errorf("%v %s", w.Header(), w.Body)
	}
}
