package sandbox

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client talks to a sandbox as Apple's own kind of client does.
type client struct {
	*Sandbox
	now    time.Time
	bearer string
}

func newClient(t testing.TB, cfg World) *client {
	t.Helper()
	c := &client{now: time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)}
	cfg.Now = func() time.Time { return c.now }
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.Sandbox = s
	return c
}

func (c *client) send(method, path, body string, headers ...string) (int, http.Header, map[string]any) {
	w := c.raw(method, path, body, headers...)
	var doc map[string]any
	_ = json.Unmarshal(w.Body.Bytes(), &doc)
	return w.Code, w.Header(), doc
}

func (c *client) raw(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+c.bearer)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w
}

// at picks a value out of a document: at(doc, "data", 0, "attributes", "name").
func at(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			list, _ := v.([]any)
			if p >= len(list) {
				return nil
			}
			v = list[p]
		}
	}
	return v
}

// data sends a request that must succeed, and gives its data.
func (c *client) data(t *testing.T, method, path, body string) map[string]any {
	t.Helper()
	status, _, doc := c.send(method, path, body)
	if status/100 != 2 {
		t.Fatalf("%s %s: %d %v", method, path, status, doc)
	}
	data, _ := doc["data"].(map[string]any)
	return data
}

// resource is the document of a request that writes; attributes and
// relationships are JSON members, id may be "".
func resource(typ, id, attributes, relationships string) string {
	doc := map[string]any{
		"type":          typ,
		"attributes":    json.RawMessage("{" + attributes + "}"),
		"relationships": json.RawMessage("{" + relationships + "}"),
	}
	if id != "" {
		doc["id"] = id
	}
	b, err := json.Marshal(map[string]any{"data": doc})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// to is the member of a relationship to one object.
func to(rel, typ, id string) string {
	return fmt.Sprintf(`%q:{"data":{"type":%q,"id":%q}}`, rel, typ, id)
}

// code is Apple's code of the first error.
func code(doc map[string]any) string {
	errs, _ := doc["errors"].([]any)
	if len(errs) == 0 {
		return ""
	}
	return errs[0].(map[string]any)["code"].(string)
}

func TestParameters(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	app := c.IDs("apps")[0]
	for path, want := range map[string]string{
		"/v1/builds?nonsense=1":                           "PARAMETER_ERROR.ILLEGAL",
		"/v1/builds?limit=201":                            "PARAMETER_ERROR.INVALID",
		"/v1/builds?limit=0":                              "PARAMETER_ERROR.INVALID",
		"/v1/builds?sort=nonsense":                        "PARAMETER_ERROR.INVALID",
		"/v1/builds?limit=1&limit=2":                      "PARAMETER_ERROR.DUPLICATE",
		"/v1/builds?limit=1&cursor=nonsense":              "PARAMETER_ERROR.INVALID",
		"/v1/reviewSubmissions":                           "PARAMETER_ERROR.MISSING",
		"/v1/apps/" + app + "?limit=3":                    "PARAMETER_ERROR.ILLEGAL",
		"/v1/apps/none":                                   "NOT_FOUND",
		"/v1/nothing":                                     "PATH_ERROR",
		"/v1/apps?limit=200&fields[apps]=name":            "",
		"/v1/apps/" + app + "/builds?limit=200":           "",
		"/v1/builds?exists[usesNonExemptEncryption]=true": "",
	} {
		if _, _, doc := c.send("GET", path, ""); code(doc) != want {
			t.Errorf("%s: %v, want %s", path, doc, want)
		}
	}
}

func TestAURLThatIsTooLongIsA500(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	if status, _, _ := c.send("GET", "/v1/builds?filter[version]="+strings.Repeat("1", 4100), ""); status != 500 {
		t.Error(status)
	}
}

func TestCursors(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	_, _, first := c.send("GET", "/v1/apps?limit=2", "")
	next := first["links"].(map[string]any)["next"].(string)
	path := next[strings.Index(next, "/v1"):]
	_, _, second := c.send("GET", path, "")
	if len(second["data"].([]any)) != 1 || second["links"].(map[string]any)["next"] != nil {
		t.Errorf("%v", second)
	}
	_, _, again := c.send("GET", strings.Replace(path, "limit=2", "", 1), "")
	if len(again["data"].([]any)) != 3 {
		t.Errorf("a cursor without its limit reads the first page: %v", again)
	}
}

func TestLinkageShowsOnlyWhatIsIncluded(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	_, _, doc := c.send("GET", "/v1/builds/"+c.IDs("builds")[0]+"?include=app&fields[apps]=name", "")
	rels := doc["data"].(map[string]any)["relationships"].(map[string]any)
	if rels["app"].(map[string]any)["data"] == nil || rels["betaGroups"].(map[string]any)["data"] != nil {
		t.Errorf("%v", rels)
	}
	included := doc["included"].([]any)
	attrs := included[0].(map[string]any)["attributes"].(map[string]any)
	if len(included) != 1 || len(attrs) != 1 || attrs["name"] != "Trail Mix" {
		t.Errorf("%v", included)
	}
}

func TestWrites(t *testing.T) {
	const bundle = `{"data":{"type":"bundleIds","attributes":{"name":"N","platform":"IOS","identifier":%q%s}}}`
	for _, x := range []struct {
		name, method, path, body, want string
		status                         int
	}{
		{"created", "POST", "/v1/bundleIds", fmt.Sprintf(bundle, "com.new", ""), "", 201},
		{"duplicate", "POST", "/v1/bundleIds", fmt.Sprintf(bundle, "com.example.trailmix", ""), "ENTITY_ERROR.ATTRIBUTE.INVALID.DUPLICATE", 409},
		{"unknown attribute", "POST", "/v1/bundleIds", fmt.Sprintf(bundle, "x", `,"hue":1`), "ENTITY_ERROR.ATTRIBUTE.UNKNOWN", 409},
		{"wrong kind", "POST", "/v1/bundleIds", fmt.Sprintf(bundle, "x", `,"seedId":1`), "ENTITY_ERROR.ATTRIBUTE.TYPE", 409},
		{"missing attribute", "POST", "/v1/bundleIds", `{"data":{"type":"bundleIds","attributes":{"name":"N","platform":"IOS"}}}`, "ENTITY_ERROR.ATTRIBUTE.REQUIRED", 409},
		{"wrong type", "POST", "/v1/bundleIds", `{"data":{"type":"apps"}}`, "ENTITY_ERROR.TYPE.INVALID", 409},
		{"no document", "POST", "/v1/bundleIds", `nonsense`, "ENTITY_INVALID", 400},
		{"related resource is missing", "POST", "/v1/bundleIdCapabilities", `{"data":{"type":"bundleIdCapabilities","attributes":{"capabilityType":"PUSH_NOTIFICATIONS"},"relationships":{"bundleId":{"data":{"type":"bundleIds","id":"none"}}}}}`, "ENTITY_ERROR.RELATIONSHIP.INVALID", 409},
		{"missing inline resource", "POST", "/v1/appPriceSchedules", `{"data":{"type":"appPriceSchedules","relationships":{"app":{"data":{"type":"apps","id":"1500004000"}},"baseTerritory":{"data":{"type":"territories","id":"USA"}},"manualPrices":{"data":[{"type":"appPrices","id":"${x}"}]}}}}`, "ENTITY_ERROR.INCLUDED.INVALID_ID", 409},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := newClient(t, World{NoAuth: true})
			before := len(c.IDs("bundleIds"))
			status, _, doc := c.send(x.method, x.path, x.body)
			if status != x.status || code(doc) != x.want {
				t.Errorf("%d %v", status, doc)
			}
			if x.status != 201 && len(c.IDs("bundleIds")) != before {
				t.Error("a refused write left something behind")
			}
		})
	}
}

func TestRelationshipsHaveTwoSides(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	group, build := c.IDs("betaGroups")[0], c.IDs("builds")[3]
	body := `{"data":[{"type":"builds","id":"` + build + `"}]}`
	if status, _, doc := c.send("POST", "/v1/betaGroups/"+group+"/relationships/builds", body); status != 204 {
		t.Fatal(status, doc)
	}
	_, _, doc := c.send("GET", "/v1/builds/"+build+"?include=betaGroups", "")
	if text := fmt.Sprint(doc["data"]); !strings.Contains(text, group) {
		t.Errorf("the build does not know its group: %s", text)
	}
	c.send("DELETE", "/v1/betaGroups/"+group+"/relationships/builds", body)
	_, _, doc = c.send("GET", "/v1/builds/"+build+"?include=betaGroups", "")
	if text := fmt.Sprint(doc["included"]); strings.Contains(text, group) {
		t.Errorf("the build still knows its group: %s", text)
	}
}

func TestTokens(t *testing.T) {
	c := newClient(t, World{})
	k, err := c.NewKey("KID")
	if err != nil {
		t.Fatal(err)
	}
	other, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	good := func() jwt.MapClaims {
		return jwt.MapClaims{
			"iss": DefaultIssuer,
			"aud": "appstoreconnect-v1",
			"iat": c.now.Add(-time.Minute).Unix(),
			"exp": c.now.Add(15 * time.Minute).Unix(),
		}
	}
	with := func(name string, v any) jwt.MapClaims { m := good(); m[name] = v; return m }
	without := func(names ...string) jwt.MapClaims {
		m := good()
		for _, n := range names {
			delete(m, n)
		}
		return m
	}
	individual := without("iss")
	individual["sub"] = "user"
	for _, x := range []struct {
		name   string
		kid    string
		key    *ecdsa.PrivateKey
		claims jwt.MapClaims
		status int
	}{
		{"good", "KID", k, good(), 200},
		{"individual", "KID", k, individual, 200},
		{"another signature", "KID", other, good(), 401},
		{"unknown key", "OTHER", k, good(), 401},
		{"expired", "KID", k, with("exp", c.now.Add(-time.Second).Unix()), 401},
		{"too long", "KID", k, with("exp", c.now.Add(21*time.Minute).Unix()), 401},
		{"issued in the future", "KID", k, with("iat", c.now.Add(5*time.Second).Unix()), 401},
		{"another audience", "KID", k, with("aud", "someone"), 401},
		{"another issuer", "KID", k, with("iss", "someone"), 401},
		{"no issuer", "KID", k, without("iss"), 401},
		{"no end", "KID", k, without("exp"), 401},
		{"in scope", "KID", k, with("scope", []string{"GET /v1/users", "GET /v1/apps"}), 200},
		{"another query than in scope", "KID", k, with("scope", []string{"GET /v1/apps?limit=1"}), 403},
		{"another method than in scope", "KID", k, with("scope", []string{"POST /v1/apps"}), 403},
		{"out of scope", "KID", k, with("scope", []string{"GET /v1/users"}), 403},
	} {
		c.bearer = signed(t, x.kid, x.key, x.claims)
		if status, _, _ := c.send("GET", "/v1/apps", ""); status != x.status {
			t.Errorf("%s: %d, want %d", x.name, status, x.status)
		}
	}
}

func signed(t *testing.T, kid string, key *ecdsa.PrivateKey, claims jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	token.Header["kid"] = kid
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestTheHourSlidesExactly(t *testing.T) {
	c := newClient(t, World{NoAuth: true, HourLimit: 3})
	for i := range 3 {
		if _, h, _ := c.send("GET", "/v1/apps", ""); h.Get(
			"X-Rate-Limit",
		) != fmt.Sprintf(
			"user-hour-lim:3;user-hour-rem:%d;",
			2-i,
		) {
			t.Error(h)
		}
		c.now = c.now.Add(10 * time.Minute)
	}
	if status, _, doc := c.send("GET", "/v1/apps", ""); status != 429 || code(doc) != "RATE_LIMIT_EXCEEDED" {
		t.Error(status, doc)
	}
	c.now = c.now.Add(30 * time.Minute) // an hour after the first
	for _, want := range []int{200, 429} {
		if status, _, _ := c.send("GET", "/v1/apps", ""); status != want {
			t.Errorf("%d, want %d", status, want)
		}
	}
}

// TestEveryReadAnswers calls each GET of the facts.
func TestEveryReadAnswers(t *testing.T) {
	c := newClient(t, World{NoAuth: true, HourLimit: 1 << 20})
	n := 0
	for _, op := range c.facts.Ops {
		if op.Method != "GET" {
			continue
		}
		path := op.Path + "?"
		if ids := c.IDs(op.root()); len(ids) > 0 {
			path = strings.Replace(path, "{id}", ids[0], 1)
		}
		for _, p := range op.Query {
			if p.Required {
				v := map[string]string{"filter[regionCode]": "ZZ", "filter[reportDate]": "2026-03"}[p.Name]
				if v == "" {
					v = "1"
				}
				rel := strings.TrimSuffix(strings.TrimPrefix(p.Name, "filter["), "]")
				if r := c.facts.relation(op.root(), rel); r != nil {
					v = c.IDs(r.typ)[0]
				} else if rel == "id" {
					v = c.IDs(op.root())[0]
				} else if rel == "planType" {
					v = monthly
				}
				if list := c.facts.enum(p.Enum); len(list) > 0 {
					v = list[0]
				}
				path += "&" + p.Name + "=" + v
			}
		}
		w := httptest.NewRecorder()
		c.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		empty := bytes.Contains(w.Body.Bytes(), []byte(`"data":null`)) ||
			bytes.Contains(w.Body.Bytes(), []byte(`"data":[]`))
		if w.Code != 200 || empty && !slices.Contains(c.behaviors[op.root()].placed, op.Rel) {
			t.Errorf("%s: %d %.200s", op.ID, w.Code, w.Body)
		}
		n++
	}
	t.Logf("%d reads", n)
}
