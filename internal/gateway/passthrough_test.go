package gateway

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// direct asks the sandbox itself.
func (v *vault) direct(t *testing.T, path string) (int, []byte) {
	t.Helper()
	m, err := v.ring.Mint(t.Context(), "team", "", nil, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), "GET", v.address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+m.Bearer)
	res, err := v.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, b
}

// TestPassthrough compares what comes through with what the sandbox says.
func TestPassthrough(t *testing.T) {
	v := newVault(t)
	for _, path := range []string{
		"/v1/builds?filter[version]=42&include=app&limit=10", "/v1/apps?limit=1&fields[apps]=name", "/v1/apps/none", "/v1/apps?limit=900",
		"/v1/builds/" + v.sandbox.IDs("builds")[0] + "/relationships/individualTesters?limit=1", "/v1/salesReports?filter[vendorNumber]=1&filter[reportType]=SALES&filter[reportSubType]=SUMMARY&filter[frequency]=DAILY",
	} {
		status, _, got := v.send(t, "GET", v.apple+path, "", nil, v.as("admin")...)
		wantStatus, want := v.direct(t, path)
		own := strings.ReplaceAll(string(got), v.apple, v.address)
		if status != wantStatus || anyIDs(own) != anyIDs(string(want)) {
			t.Errorf("%s: %d, want %d:\n%s\n%s", path, status, wantStatus, got, want)
		}
		if strings.Contains(string(got), `"links"`) && strings.Contains(string(got), v.address+"/v1") {
			t.Errorf("%s: a link leads past the gateway: %s", path, got)
		}
	}
}

// anyIDs removes what is new in every answer: ids of errors.
func anyIDs(s string) string {
	var doc map[string]any
	if json.Unmarshal([]byte(s), &doc) != nil {
		return s
	}
	if errs, ok := doc["errors"].([]any); ok {
		for _, e := range errs {
			delete(e.(map[string]any), "id")
		}
	}
	b, _ := json.Marshal(doc)
	return string(b)
}

func TestPassthroughPages(t *testing.T) {
	v := newVault(t)
	next, n := v.apple+"/v1/betaTesters?limit=5", 0
	for next != "" {
		status, _, body := v.send(t, "GET", next, "", nil, v.as("admin")...)
		var page struct {
			Data  []struct{ ID string }
			Links struct{ Next string }
		}
		if err := json.Unmarshal(body, &page); err != nil || status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		n += len(page.Data)
		if next = page.Links.Next; next != "" && !strings.HasPrefix(next, v.apple+"/v1/") {
			t.Fatalf("the next page is elsewhere: %s", next)
		}
	}
	if want := len(v.sandbox.IDs("betaTesters")); n != want {
		t.Errorf("%d of %d", n, want)
	}
}

func TestPassthroughUploadsGoElsewhere(t *testing.T) {
	v := newVault(t)
	set := v.sandbox.IDs("appScreenshotSets")[0]
	status, _, body := v.send(t, "POST", v.apple+"/v1/appScreenshots", fmt.Sprintf(
		`{"data": {"type": "appScreenshots", "attributes": {"fileName": "a.png", "fileSize": 5}, "relationships": {"appScreenshotSet": {"data": {"type": "appScreenshotSets", "id": %q}}}}}`,
		set,
	), nil, v.as("admin")...)
	var doc struct {
		Data struct {
			ID         string
			Attributes struct{ UploadOperations []struct{ URL string } }
			Links      struct{ Self string }
		}
	}
	if err := json.Unmarshal(body, &doc); err != nil || status != 201 ||
		len(doc.Data.Attributes.UploadOperations) == 0 {
		t.Fatalf("%d %s", status, body)
	}
	if u := doc.Data.Attributes.UploadOperations[0].URL; strings.HasPrefix(u, v.apple) ||
		!strings.HasPrefix(doc.Data.Links.Self, v.apple) {
		t.Errorf("upload to %s, self %s", u, doc.Data.Links.Self)
	}
	if got := strings.Join(v.records.texts(), "\n"); !strings.Contains(got, "intent token:admin CreateAppScreenshot") ||
		!strings.Contains(got, "outcome token:admin CreateAppScreenshot OK") {
		t.Errorf("not on record:\n%s", got)
	}
}

func TestPassthroughRefuses(t *testing.T) {
	v := newVault(t)
	a, b := v.sandbox.IDs("apps")[0], v.sandbox.IDs("apps")[1]
	for _, c := range []struct {
		name, who, method, path, body string
		status                        int
		says                          string
	}{
		{"an unknown path", "admin", "GET", "/v1/nothing/1", "", 404, "PATH_ERROR"},
		{"an unknown path that policy names", "admin", "GET", "/v1/newThings/1", "", 404, "PATH_ERROR"},
		{"it names it for others", "reader", "GET", "/v1/newThings/1", "", 404, "no rule of the policy"},
		{"a known path, not for this verb", "admin", "DELETE", "/v1/apps", "", 405, "METHOD_NOT_ALLOWED"},
		{"another verb", "admin", "PUT", "/v1/apps", "", 405, "METHOD_NOT_ALLOWED"},
		{"an unclean path", "admin", "GET", "/v1/apps/../users", "", 400, "INVALID_REQUEST"},
		{"an escaped slash", "admin", "GET", "/v1/apps/a%2Fb", "", 400, "INVALID_REQUEST"},
		{"two segments for one", "admin", "GET", "/v1/newThings/1/apps", "", 404, "PATH_ERROR"},
		{"an escaped slash in an unknown path", "admin", "GET", "/v1/newThings/1%2Fapps", "", 400, "INVALID_REQUEST"},
		{"escaped dots in an unknown path", "admin", "GET", "/v1/newThings/%2e%2e", "", 400, "INVALID_REQUEST"},
		{"an escaped percent in an unknown path", "admin", "GET", "/v1/newThings/%252e%252e", "", 400, "INVALID_REQUEST"},
		{"a semicolon in an unknown path", "admin", "GET", "/v1/newThings/..;/x", "", 400, "INVALID_REQUEST"},
		{"a control in an unknown path", "admin", "GET", "/v1/newThings/%00", "", 400, "INVALID_REQUEST"},
		{"an escaped letter in an unknown path", "admin", "GET", "/v1/newThing%73/1", "", 404, "PATH_ERROR"},
		{"a known path in capital letters", "admin", "GET", "/v1/APPS", "", 400, "INVALID_REQUEST"},
		{"a semicolon in an id", "admin", "GET", "/v1/apps/1;x", "", 400, "INVALID_REQUEST"},
		{"dots in an id", "admin", "GET", "/v1/apps/%2E%2E", "", 400, "INVALID_REQUEST"},
		{"too much", "admin", "POST", "/v1/bundleIds", strings.Repeat("x", 2<<20), 413, "REQUEST_TOO_LARGE"},
		{"the caller's own app", "kept", "GET", "/v1/apps/" + a, "", 200, a},
		{"another app", "kept", "GET", "/v1/apps/" + b, "", 403, "APP_RESTRICTED"},
		{"a list that is filtered", "kept", "GET", "/v1/apps", "", 200, a},
		{"a list of another app", "kept", "GET", "/v1/builds?filter[app]=" + b, "", 403, "APP_RESTRICTED"},
		{"a list of both, escaped", "kept", "GET", "/v1/builds?filter%5Bapp%5D=" + a + "%2C" + b, "", 403, "APP_RESTRICTED"},
		{"a parameter twice", "kept", "GET", "/v1/builds?filter[app]=" + a + "&filter[app]=" + b, "", 403, ""},
		{"a parameter nobody knows", "kept", "GET", "/v1/builds?filter[all]=1", "", 400, ""},
		{"a body that cannot be checked", "kept", "POST", "/v1/betaGroups/" + v.sandbox.IDs("betaGroups")[0] + "/relationships/builds", `{"data": []}`, 403, "OWNERSHIP_UNKNOWN"},
		{"a delete without a body", "kept", "DELETE", "/v1/betaGroups/" + v.sandbox.IDs("betaGroups")[0], "", 204, ""},
		{"attributes only", "kept", "PATCH", "/v1/apps/" + a, fmt.Sprintf(`{"data": {"type": "apps", "id": %q, "attributes": {}}}`, a), 403, "OWNERSHIP_UNKNOWN"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, _, body := v.send(t, c.method, v.apple+c.path, c.body, nil, v.as(c.who)...)
			if status != c.status && !(c.says == "" && status >= 400 && status < 500) ||
				!strings.Contains(string(body), c.says) ||
				strings.Contains(string(body), b) && c.who == "kept" {
				t.Errorf("%d, want %d: %.300s", status, c.status, body)
			}
			var doc struct {
				Errors []struct{ Status, Code, Title string }
			}
			if status >= 400 &&
				(json.Unmarshal(body, &doc) != nil || len(doc.Errors) == 0 || doc.Errors[0].Code == "") {
				t.Errorf("no error document: %s", body)
			}
		})
	}
}
