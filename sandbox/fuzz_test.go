package sandbox

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzRequest sends any method, path, query and body: no answer is a 5xx, unless
// the URL is too long, and the world stays consistent.
func FuzzRequest(f *testing.F) {
	s, err := Open(World{NoAuth: true, HourLimit: 1 << 30})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][3]string{
		{"GET", "/v1/apps?filter[bundleId]=com&limit=2&include=builds", ""},
		{"GET", "/v1/builds?sort=-uploadedDate&fields[builds]=version&cursor=x&limit=1", ""},
		{"POST", "/v1/devices", resource("devices", "", `"name":"D","platform":"IOS","udid":"00008120-000A1B2C3D4E5F99"`, "")},
		{"POST", "/v1/certificates", resource("certificates", "", `"certificateType":"DEVELOPMENT","csrContent":"MIIB"`, "")},
		{"POST", "/v1/appStoreVersions", resource("appStoreVersions", "", `"platform":"IOS","versionString":"3.0"`, to("app", "apps", trailMix))},
		{"PATCH", "/v1/apps/1500004000/relationships/promotedPurchases", `{"data":[]}`},
		{"POST", "/_sandbox/act", `{"type":"apps","id":"1500004000","do":"unpublish privacy"}`},
		{"POST", "/_sandbox/faults", `{"path":"/v1/**","status":599,"count":1}`},
		{"PUT", "/_sandbox/upload/appScreenshots/x/1?signature=y", "abc"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, method, target, body string) {
		if len(target) > 2000 || !strings.HasPrefix(target, "/") || strings.ContainsAny(target, " \r\n\x00#") ||
			strings.Contains(target, "hang") ||
			strings.Contains(body, "hang") ||
			strings.Contains(body, "latency") {
			t.Skip()
		}
		defer s.ClearFaults()
		s.ClearFaults()
		r := httptest.NewRequest("GET", "/", strings.NewReader(body))
		u, err := r.URL.Parse(target)
		if err != nil || u.Host != "" && u.Host != "example.com" {
			t.Skip()
		}
		r.Method, r.URL, r.RequestURI = method, u, u.RequestURI()
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code >= 500 && !strings.HasPrefix(u.Path, "/_sandbox/") {
			t.Errorf("%s %s: %d %s", method, target, w.Code, w.Body)
		}
	})
}

// FuzzDocument writes any document to a few operations with many rules.
func FuzzDocument(f *testing.F) {
	s, err := Open(World{NoAuth: true, HourLimit: 1 << 30})
	if err != nil {
		f.Fatal(err)
	}
	paths := []string{
		"/v1/bundleIdCapabilities",
		"/v1/profiles",
		"/v1/betaGroups",
		"/v1/appStoreVersions",
		"/v1/reviewSubmissionItems",
		"/v1/webhooks",
		"/v1/userInvitations",
		"/v1/appPriceSchedules",
		"/v1/ageRatingDeclarations",
		"/v1/buildUploads",
	}
	for i := range paths {
		f.Add(
			i,
			`{"data":{"type":"x","attributes":{"settings":[{"key":"a","options":[null]}]},"relationships":{"app":{"data":null}}},"included":[null]}`,
		)
	}
	f.Fuzz(func(t *testing.T, which int, body string) {
		path := paths[uint(which)%uint(len(paths))]
		r := httptest.NewRequest("POST", path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%s %s: %d %s", path, body, w.Code, w.Body)
		}
	})
}
