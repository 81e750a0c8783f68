package sandbox

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestFaults(t *testing.T) {
	for _, x := range []struct {
		name   string
		fault  Fault
		status []int // of successive requests
		check  func(w *httptest.ResponseRecorder) bool
	}{
		{"a flaky 401", Fault{Status: 401, Count: 1}, []int{401, 200}, nil},
		{"every second one", Fault{Status: 500, Every: 2}, []int{200, 500, 200, 500}, nil},
		{"another method", Fault{Status: 500, Method: "POST"}, []int{200}, nil},
		{"a glob", Fault{Status: 503, Path: "/v1/a*"}, []int{503}, nil},
		{"another path", Fault{Status: 503, Path: "/v1/apps/*"}, []int{200}, nil},
		{"an operation", Fault{Status: 504, Operation: "apps_getCollection"}, []int{504}, nil},
		{"a page of HTML", Fault{Status: 502, HTML: true}, []int{502}, func(w *httptest.ResponseRecorder) bool {
			return w.Header().Get("Content-Type") == "text/html" && strings.HasPrefix(w.Body.String(), "<html>")
		}},
		{"429 with a wait", Fault{Status: 429, RetryAfter: "3"}, []int{429}, func(w *httptest.ResponseRecorder) bool {
			return w.Header().Get("Retry-After") == "3" && strings.Contains(w.Body.String(), "RATE_LIMIT_EXCEEDED")
		}},
		{"someone else uses the key", Fault{Foreign: 99}, []int{200}, limits("user-hour-lim:200;user-hour-rem:100;")},
		{"a minute pair", Fault{Minute: "150/149"}, []int{200}, limits("user-hour-lim:200;user-hour-rem:199;user-minute-lim:150;user-minute-rem:149;")},
		{"two lines", Fault{Minute: "150/149", Form: "lines"}, []int{200}, limits("user-hour-lim:200;user-hour-rem:199;", "user-minute-lim:150;user-minute-rem:149;")},
		{"joined by a comma", Fault{Minute: "150/149", Form: "comma"}, []int{200}, limits("user-hour-lim:200;user-hour-rem:199;, user-minute-lim:150;user-minute-rem:149;")},
		{"only a minute pair", Fault{Minute: "150/149", Form: "minute"}, []int{200}, limits("user-minute-lim:150;user-minute-rem:149;")},
		{"below zero", Fault{Form: "negative"}, []int{200}, limits("user-hour-lim:200;user-hour-rem:-1;")},
		{"no header", Fault{Form: "none"}, []int{200}, limits()},
		{"any header", Fault{Header: "a\nb"}, []int{200}, limits("a", "b")},
		{"an unknown attribute", Fault{UnknownAttribute: true}, []int{200}, holds(novelAttribute, novelNumber)},
		{"an unknown value", Fault{UnknownEnum: true}, []int{200}, holds(novelValue)},
		{"any depth", Fault{Status: 503, Path: "/**/apps"}, []int{503}, nil},
		{"any depth below", Fault{Status: 503, Path: "/v1/apps/**/builds"}, []int{200}, nil},
		{"status, headers and body", Fault{Status: 299, Headers: map[string]string{"X-A": "b"}, Body: "text"}, []int{299},
			func(w *httptest.ResponseRecorder) bool {
				return w.Header().Get("X-A") == "b" && w.Body.String() == "text"
			}},
		{"404 of another type", Fault{NotFound: "betaGroups"}, []int{404}, holds("NOT_FOUND", "betaGroups")},
		{"a row twice", Fault{Duplicate: true}, []int{200}, func(w *httptest.ResponseRecorder) bool {
			return strings.Count(w.Body.String(), `"id":"1500004000"`) == 2
		}},
		{"next past the end", Fault{PastEnd: true}, []int{200}, holds(`"next":"`)},
		{"an unknown type", Fault{UnknownType: true}, []int{200}, holds(novelType)},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := newClient(t, World{NoAuth: true, HourLimit: 200, Faults: []Fault{x.fault}})
			for i, want := range x.status {
				w := c.raw("GET", "/v1/apps", "")
				if w.Code != want || x.check != nil && !x.check(w) {
					t.Errorf("request %d: %d, want %d: %v %.300s", i, w.Code, want, w.Header(), w.Body)
				}
			}
		})
	}
}

func limits(want ...string) func(*httptest.ResponseRecorder) bool {
	return func(w *httptest.ResponseRecorder) bool { return slices.Equal(w.Header()["X-Rate-Limit"], want) }
}

func holds(texts ...string) func(*httptest.ResponseRecorder) bool {
	return func(w *httptest.ResponseRecorder) bool {
		return !slices.ContainsFunc(texts, func(s string) bool { return !strings.Contains(w.Body.String(), s) })
	}
}

func TestAWriteMayBeAppliedAndLost(t *testing.T) {
	for name, f := range map[string]Fault{"the connection is cut": {Lose: true, Method: "POST"}, "an error follows": {Status: 504, Applied: true, Method: "POST"}} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, World{NoAuth: true, Faults: []Fault{f}})
			before := len(c.IDs("bundleIds"))
			func() {
				defer func() {
					if p := recover(); (p == http.ErrAbortHandler) != f.Lose {
						t.Errorf("%v", p)
					}
				}()
				c.send(
					"POST",
					"/v1/bundleIds",
					resource("bundleIds", "", `"name":"N","platform":"IOS","identifier":"com.lost"`, ""),
				)
			}()
			if len(c.IDs("bundleIds")) != before+1 {
				t.Error("it was not applied")
			}
		})
	}
}

func TestLatencyEndsWithItsCaller(t *testing.T) {
	c := newClient(t, World{NoAuth: true, Faults: []Fault{{LatencyMS: 60_000}}})
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		c.send("GET", "/v1/apps", "")
		if took := time.Since(began); took != time.Minute {
			t.Errorf("took %v", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		c.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/v1/apps", nil))
		if took := time.Since(began); took != time.Minute+time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestControl(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	for _, x := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/_sandbox/faults", `{"nonsense":1}`, 400},
		{"POST", "/_sandbox/faults", `{"status":199}`, 400},
		{"POST", "/_sandbox/faults", `{"path":"["}`, 400},
		{"POST", "/_sandbox/faults", `{"form":"odd"}`, 400},
		{"POST", "/_sandbox/faults", strings.Repeat(" ", maxControlBytes+1), 400},
		{"POST", "/_sandbox/faults", `{"path":"/v1/apps","status":502,"count":1}`, 204},
		{"GET", "/v1/apps", "", 502},
		{"GET", "/v1/apps", "", 200},
		{"DELETE", "/_sandbox/faults", "", 204},
		{"POST", "/_sandbox/clock", `{"ahead":"-1h"}`, 400},
		{"POST", "/_sandbox/clock", `{"ahead":"1h","scale":60}`, 204},
		{"POST", "/_sandbox/keys", `{"id":"K","public_key":"none"}`, 400},
		{"POST", "/_sandbox/reset", "", 204},
	} {
		if status, _, doc := c.send(x.method, x.path, x.body); status != x.status {
			t.Errorf("%s %s %.50s: %d %v", x.method, x.path, x.body, status, doc)
		}
	}
	c.send("GET", "/v1/users", "")
	_, _, state := c.send("GET", "/_sandbox/state", "")
	if at(state, "calls", "users_getCollection") != 1.0 || at(state, "objects", "apps") != 3.0 ||
		at(state, "left", "") != 3599.0 {
		t.Errorf("%v %v %v", at(state, "calls"), at(state, "objects", "apps"), at(state, "left"))
	}
	_, _, apps := c.send("GET", "/_sandbox/state/apps", "")
	if at(apps, "objects", 0, "attributes", "name") != "Trail Mix" {
		t.Errorf("%v", apps)
	}
}

func TestControlAnswersOnLoopbackOnly(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	for address, want := range map[string]int{"127.0.0.1": 200, "::1": 200, "192.0.2.1": 403} {
		r := httptest.NewRequest("GET", "/_sandbox/state", nil)
		w := httptest.NewRecorder()
		c.ServeHTTP(
			w,
			r.WithContext(
				context.WithValue(
					r.Context(),
					http.LocalAddrContextKey,
					net.Addr(&net.TCPAddr{IP: net.ParseIP(address)}),
				),
			),
		)
		if w.Code != want {
			t.Errorf("%s: %d", address, w.Code)
		}
	}
}

func TestKeysCanBeRegistered(t *testing.T) {
	c := newClient(t, World{})
	private, err := c.NewKey("ANY")
	if err != nil {
		t.Fatal(err)
	}
	b, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	register := func(id, rest string) {
		key, _ := json.Marshal(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: b})))
		if w := c.raw("POST", "/_sandbox/keys", `{"id":"`+id+`","public_key":`+string(key)+rest+`}`); w.Code != 204 {
			t.Fatal(w.Code, w.Body)
		}
	}
	register("TEAM", `,"issuer":"other-team"`)
	register("SOLE", `,"individual":true`)
	for _, x := range []struct {
		name, kid, issuer, path string
		status                  int
	}{
		{"the issuer of the key", "TEAM", "other-team", "/v1/bundleIds", 200},
		{"that of the sandbox", "TEAM", DefaultIssuer, "/v1/bundleIds", 401},
		{"no issuer for a team's key", "TEAM", "", "/v1/apps", 401},
		{"an issuer for a user's key", "SOLE", DefaultIssuer, "/v1/apps", 401},
		{"a user's key", "SOLE", "", "/v1/apps", 200},
		{"a user's key at provisioning", "SOLE", "", "/v1/bundleIds", 403},
	} {
		c.bearer = c.token(t, x.kid, private, x.issuer, audience)
		if status, _, doc := c.send("GET", x.path, ""); status != x.status {
			t.Errorf("%s: %d %v", x.name, status, doc)
		}
	}
}

func TestEnterpriseHasAnAudienceOfItsOwn(t *testing.T) {
	c := newClient(t, World{Enterprise: true})
	private, err := c.NewKey("KID")
	if err != nil {
		t.Fatal(err)
	}
	for aud, want := range map[string]int{audience: 401, enterpriseAudience: 200} {
		c.bearer = c.token(t, "KID", private, DefaultIssuer, aud)
		if status, _, _ := c.send("GET", "/v1/apps", ""); status != want {
			t.Errorf("%s: %d", aud, status)
		}
	}
}

// token signs a good token; without an issuer it is a single user's.
func (c *client) token(t *testing.T, kid string, key *ecdsa.PrivateKey, issuer, aud string) string {
	t.Helper()
	claims := jwt.MapClaims{
		"aud": aud,
		"iat": c.now.Add(-time.Minute).Unix(),
		"exp": c.now.Add(15 * time.Minute).Unix(),
	}
	if issuer != "" {
		claims["iss"] = issuer
	} else {
		claims["sub"] = "user"
	}
	return signed(t, kid, key, claims)
}

func TestConcurrentCallers(t *testing.T) {
	c := newClient(t, World{NoAuth: true, HourLimit: 1000})
	s := httptest.NewServer(c)
	defer s.Close()
	done := make(chan error)
	for range 8 {
		go func() {
			for range 10 {
				for _, path := range []string{"/v1/apps?include=builds", "/_sandbox/state"} {
					res, err := http.Get(s.URL + path)
					if err == nil {
						_, err = io.Copy(io.Discard, res.Body)
						res.Body.Close()
					}
					if err != nil {
						done <- err
						return
					}
				}
			}
			done <- nil
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestFaultsOnTheConnection(t *testing.T) {
	for _, x := range []struct {
		name  string
		fault Fault
		path  string
		check func(t *testing.T, res *http.Response, err error)
	}{
		{"truncated", Fault{Truncate: true}, "/v1/apps", func(t *testing.T, res *http.Response, err error) {
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(res.Body); err == nil || int64(len(b)) >= res.ContentLength {
				t.Errorf("%d of %d bytes: %v", len(b), res.ContentLength, err)
			}
		}},
		{"hanging", Fault{Hang: true}, "/v1/apps", func(t *testing.T, _ *http.Response, err error) {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("it answered: %v", err)
			}
		}},
		{"agzip", Fault{Agzip: true}, "/v1/salesReports?filter[frequency]=DAILY&filter[reportType]=SALES" +
			"&filter[reportSubType]=SUMMARY&filter[vendorNumber]=1", func(t *testing.T, res *http.Response, err error) {
			if err != nil || res.Header.Get("Content-Encoding") != "agzip" {
				t.Errorf("%v %v", res, err)
			}
		}},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := New(t, World{Faults: []Fault{x.fault}})
			ctx, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer stop()
			if !x.fault.Hang {
				ctx = t.Context()
			}
			r, err := http.NewRequestWithContext(ctx, "GET", s.URL+x.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := s.Client().Do(r)
			if err == nil {
				defer res.Body.Close()
			}
			x.check(t, res, err)
		})
	}
}

func TestFaultsAreChecked(t *testing.T) {
	for name, f := range map[string]Fault{
		"status":               {Status: 199},
		"headers":              {Headers: map[string]string{"A": "b\r\nc: d"}},
		"body: wants a status": {Body: "x"},
		"body: at most":        {Status: 500, Body: strings.Repeat("x", maxFaultBody+1)},
		"path":                 {Path: "["},
		"path: at most":        {Path: strings.Repeat("x", maxFaultPath+1)},
		"not below zero":       {Count: -1},
	} {
		if err := f.check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
