package sandbox

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// processing registers a device that waits for Apple.
func processing(t *testing.T) (*client, string) {
	t.Helper()
	c := newClient(t, World{NoAuth: true, Times: Times{Device: time.Hour}})
	return c, c.data(t, "POST", "/v1/devices", resource("devices", "",
		`"name":"N","platform":"IOS","udid":"00008020-000000000000ABCD"`, ""))["id"].(string)
}

func TestActsAreAskedByHTTP(t *testing.T) {
	c, device := processing(t)
	for _, x := range []struct {
		name, body string
		status     int
		says       string
	}{
		{"an unknown member", `{"type":"devices","what":1}`, 400, `unknown field`},
		{"an unknown act", `{"type":"devices","id":"` + device + `","do":"fly"}`, 404, "devices offers"},
		{"an unknown resource", `{"type":"devices","id":"none","do":"enable"}`, 404, "no such resource"},
		{"an unknown argument", `{"type":"devices","id":"` + device + `","do":"enable","with":{"a":1}}`, 404, `takes no`},
		{"an act", `{"type":"devices","id":"` + device + `","do":"enable"}`, 200, `"ENABLED"`},
		{"a state that does not allow it", `{"type":"devices","id":"` + device + `","do":"enable"}`, 409, "cannot enable"},
	} {
		w := c.raw("POST", "/_sandbox/act", x.body)
		if w.Code != x.status || !strings.Contains(w.Body.String(), x.says) || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: %d %s", x.name, w.Code, w.Body)
		}
	}
	if err := c.Act(Act{Type: "devices", ID: "none", Do: "enable"}); !errors.Is(err, ErrNoResource) {
		t.Errorf("no resource: %v", err)
	}
}

func TestActsAreListed(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	var got struct{ Acts map[string][]offer }
	if err := json.Unmarshal(c.raw("GET", "/_sandbox/acts", "").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for typ, list := range got.Acts {
		for _, o := range list {
			if o.Do == "" || o.Does == "" {
				t.Errorf("%s offers an act without a description: %+v", typ, o)
			}
		}
	}
	if len(got.Acts["devices"]) == 0 {
		t.Errorf("devices offer nothing: %v", got.Acts)
	}
}

func TestRequestsAreKept(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	c.raw("GET", "/v1/apps?limit=2", "")
	c.raw("POST", "/v1/devices", strings.Repeat("ä", maxLoggedBytes))
	c.raw("GET", "/v9/nothing", "")
	got := c.Requests()
	if len(got) != 3 {
		t.Fatalf("%+v", got)
	}
	if r := got[0]; r.Method != "GET" || r.Path != "/v1/apps" || r.Query != "limit=2" ||
		r.Operation != "apps_getCollection" || r.Status != 200 {
		t.Errorf("%+v", r)
	}
	if r := got[1]; len(r.Body) > maxLoggedBytes || r.BodyBytes != 2*maxLoggedBytes || r.Status < 400 {
		t.Errorf("%d of %d bytes, status %d", len(r.Body), r.BodyBytes, r.Status)
	}
	if r := got[2]; r.Operation != "" || r.Status != 404 {
		t.Errorf("%+v", r)
	}
	if text := c.raw("GET", "/_sandbox/requests", "").Body.String(); !strings.Contains(text, `"query":"limit=2"`) {
		t.Errorf("by HTTP: %s", text)
	}
	if c.raw("DELETE", "/_sandbox/requests", ""); len(c.Requests()) != 0 {
		t.Error("they were not cleared")
	}
}

// TestPageButtons presses the buttons as a browser does, without a script.
func TestPageButtons(t *testing.T) {
	c, device := processing(t)
	if page := c.raw("GET", "/", "").Body.String(); !strings.Contains(page, `value="`+device+`"`) {
		t.Error("the page offers no button for the device")
	}
	press := func(form string, values url.Values, site string) int {
		r := httptest.NewRequest("POST", "/_sandbox/form/"+form, strings.NewReader(values.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", site)
		w := httptest.NewRecorder()
		c.ServeHTTP(w, r)
		return w.Code
	}
	enable := url.Values{"type": {"devices"}, "id": {device}, "do": {"enable"}}
	if status := press("act", enable, "cross-site"); status != http.StatusForbidden {
		t.Errorf("from another site: %d", status)
	}
	if status := press("act", enable, "same-origin"); status != http.StatusSeeOther {
		t.Errorf("the button: %d", status)
	}
	if status := press("act", enable, "same-origin"); status != http.StatusConflict {
		t.Errorf("once more: %d", status)
	}
	before := c.Now()
	if press("clock", url.Values{"ahead": {"24h"}}, "same-origin"); c.Now().Sub(before) < 24*time.Hour {
		t.Error("the clock did not go ahead")
	}
	if status := press("clock", url.Values{"ahead": {"-1h"}}, "same-origin"); status != http.StatusBadRequest {
		t.Errorf("the clock backwards: %d", status)
	}
	c.AddFault(Fault{Status: 500})
	c.AddFault(Fault{Status: 404})
	press("fault", url.Values{"delete": {"1"}}, "same-origin")
	if w := c.raw("GET", "/v1/apps", ""); w.Code != 404 {
		t.Errorf("the first fault should have ended, the second not: %d", w.Code)
	}
}

// TestThePageAsksForArguments of acts, and sends what was chosen.
func TestThePageAsksForArguments(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	version, _ := c.prepare(t, "3.0", "")
	submission := c.draft(t)
	added := c.data(t, "POST", "/v1/reviewSubmissionItems", item(submission, version))["id"].(string)
	c.patch(t, "reviewSubmissions", submission, `"submitted":true`)
	page := c.raw("GET", "/", "").Body.String()
	for _, want := range []string{
		`<select name="with.reason" aria-label="reason of reject"><option value="">no reason</option><option>metadata`,
		`<select name="with.item" aria-label="item of reject"><option value="">no item</option><option>` + added,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not hold %s", want)
		}
	}
	status, err := c.formAct(url.Values{
		"type": {"reviewSubmissions"}, "id": {submission}, "do": {"reject"},
		"with.reason": {"metadata"}, "with.item": {""}, "with.other": {"x"},
	})
	if err != nil {
		t.Fatal(status, err)
	}
	c.wantStates(t, version, submission, "METADATA_REJECTED", "UNRESOLVED_ISSUES")
}

// TestArgumentsOfForms are values of the kinds that acts want.
func TestArgumentsOfForms(t *testing.T) {
	form := url.Values{
		"with.available": {"true"}, "with.rating": {"4"}, "with.territories": {`["USA"]`}, "with.errors": {"too large"},
		"with.email": {"7"}, "with.title": {""},
	}
	got, err := json.Marshal(
		formArguments(form, []string{"available", "rating", "territories", "errors", "email", "title"}),
	)
	want := `{"available":true,"email":"7","errors":[{"code":"90000","description":"too large"}],"rating":4,` +
		`"territories":["USA"]}`
	if err != nil || string(got) != want {
		t.Errorf("%s, want %s (%v)", got, want, err)
	}
}

// TestEachArgumentIsKnown to the page.
func TestEachArgumentIsKnown(t *testing.T) {
	known := arguments()
	for typ, b := range behaviors() {
		for do, a := range b.acts {
			for _, name := range a.with {
				if _, ok := known[name]; !ok && !a.own {
					t.Errorf("the page does not know how to ask for %s of %s %s", name, typ, do)
				}
			}
		}
	}
}
