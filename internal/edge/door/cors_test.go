package door

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestCORSCheck(t *testing.T) {
	for origin, right := range map[string]bool{
		"https://release.example.org":      true,
		"https://release.example.org:8443": true,
		"http://localhost:3000":            true,
		"http://127.0.0.1:3000":            true,
		"http://[::1]:3000":                true,
		"http://release.example.org":       false,
		"http://localhost.example.org":     false,
		"https://release.example.org/":     false,
		"https://release.example.org/x":    false,
		"https://Release.example.org":      false,
		"https://user@release.example.org": false,
		"https://*.example.org":            false,
		"https://":                         false,
		"release.example.org":              false,
		"file://x":                         false,
		"null":                             false,
		"*":                                false,
		"":                                 false,
	} {
		if err := (CORS{Origins: []string{origin}}).Check(); (err == nil) != right {
			t.Errorf("%q: %v", origin, err)
		}
	}
	if err := (CORS{}).Check(); err != nil {
		t.Error(err)
	}
}

// TestCORS holds what pages of allowed and of other origins get. The handler
// behind asks CheckOrigin, as each face does.
func TestCORS(t *testing.T) {
	const page, other = "https://release.example.org", "https://attacker.example"
	with := CORS{Origins: []string{"http://localhost:3000", page}}
	for _, c := range []struct {
		name           string
		cors           CORS
		method, origin string
		header         map[string]string
		open           bool
		status         int
		allow          string
	}{
		{"no page", with, "GET", "", nil, false, 200, ""},
		{"an allowed page", with, "GET", page, nil, false, 200, page},
		{"with a token", with, "GET", page, map[string]string{"Authorization": "Bearer x"}, false, 200, page},
		{"as browsers mark it", with, "GET", page, map[string]string{"Sec-Fetch-Site": "cross-site"}, false, 200, page},
		{"an allowed page, nobody is authenticated", with, "POST", "http://localhost:3000", nil, true, 200, "http://localhost:3000"},
		{"preflight", with, "OPTIONS", page, map[string]string{"Access-Control-Request-Method": "PATCH"}, false, 204, page},
		{"OPTIONS that is no preflight", with, "OPTIONS", page, nil, false, 200, page},
		{"another page", with, "GET", other, nil, false, 403, ""},
		{"preflight of another page", with, "OPTIONS", other, map[string]string{"Access-Control-Request-Method": "PATCH"}, false, 403, ""},
		{"another page with a token", with, "GET", other, map[string]string{"Authorization": "Bearer x"}, false, 200, ""},
		{"the origin in other letters", with, "GET", "https://RELEASE.example.org", nil, false, 403, ""},
		{"an origin that begins alike", with, "GET", page + ".attacker.example", nil, false, 403, ""},
		{"a sandboxed frame", with, "GET", "null", nil, false, 403, ""},
		{"nothing is configured", CORS{}, "GET", page, nil, false, 403, ""},
		{"nothing is configured: preflight", CORS{}, "OPTIONS", page, map[string]string{"Access-Control-Request-Method": "GET"}, false, 403, ""},
	} {
		r := httptest.NewRequest(c.method, "http://localhost/v1/apps", nil)
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		for k, v := range c.header {
			r.Header.Set(k, v)
		}
		w := httptest.NewRecorder()
		c.cors.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := CheckOrigin(r, c.open); err != nil {
				w.WriteHeader(http.StatusForbidden)
			}
		})).ServeHTTP(w, r)
		h := w.Header()
		if w.Code != c.status || h.Get("Access-Control-Allow-Origin") != c.allow || h.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %d %v", c.name, w.Code, h)
		}
		if (w.Code == 204) != (h.Get("Access-Control-Allow-Headers") != "") || len(c.cors.Origins) > 0 != (h.Get("Vary") == "Origin") {
			t.Errorf("%s: %v", c.name, h)
		}
	}
}

// TestCORSKeepsTheHost: an allowed origin does not open the gateway to names
// that only resolve to loopback.
func TestCORSKeepsTheHost(t *testing.T) {
	r := httptest.NewRequest("GET", "http://attacker.example/v1/apps", nil)
	r.Header.Set("Origin", "https://release.example.org")
	var err error
	CORS{Origins: []string{"https://release.example.org"}}.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		err = CheckOrigin(r, true)
	})).ServeHTTP(httptest.NewRecorder(), r)
	if reason(err) != ReasonForeign {
		t.Errorf("%v", err)
	}
}
