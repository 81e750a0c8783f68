package gateway

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	commercev1 "github.com/asc-gateway/asc-gateway/gen/asc/commerce/v1"
	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	provisioningv1 "github.com/asc-gateway/asc-gateway/gen/asc/provisioning/v1"
	testflightv1 "github.com/asc-gateway/asc-gateway/gen/asc/testflight/v1"
	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// apple stands as Apple: it gives one answer, and keeps what it was sent.
type apple struct {
	status int
	answer string

	mu    sync.Mutex
	query string
	body  string
	calls int
}

func (a *apple) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body) // a body that breaks off does not equal what is wanted
	a.mu.Lock()
	defer a.mu.Unlock()
	a.query, _ = url.QueryUnescape(r.URL.RawQuery)
	a.body = string(b)
	a.calls++
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	if a.status != http.StatusNoContent {
		_, _ = io.WriteString(w, a.answer)
	}
}

// answers sets what is answered from now on.
func (a *apple) answers(status int, answer string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status, a.answer = status, answer
}

// saw is what Apple was sent last.
func (a *apple) saw() (query, body string, calls int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.query, a.body, a.calls
}

func before(t *testing.T, a *apple) *world {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return serveWorld(t, nil, httptest.NewServer(a), ringOf(private), Deps{})
}

// TestNewValuesGoBothWays: a capability of a kind that no document names is read,
// and what was read is written back, over REST and over gRPC.
func TestNewValuesGoBothWays(t *testing.T) {
	const attributes = `{"capabilityType":"HOLOGRAMS","settings":[{"key":"BEAM_WIDTH","options":[{"key":"WIDE","enabled":true}]}]}`
	a := &apple{
		status: 200,
		answer: `{"data":[{"type":"bundleIdCapabilities","id":"C","attributes":` + attributes + `}]}`,
	}
	w := before(t, a)
	_, _, text := w.do(t, "GET", "/v1/bundleIds/B/bundleIdCapabilities", "")
	list, err := provisioningv1.NewBundleIdsServiceClient(w.conn).ListBundleIdBundleIdCapabilities(t.Context(),
		&provisioningv1.ListBundleIdBundleIdCapabilitiesRequest{Id: "B"})
	if err != nil {
		t.Fatal(err)
	}
	var page struct {
		BundleIdCapabilities []map[string]any
	}
	if err := json.Unmarshal(text, &page); err != nil || len(page.BundleIdCapabilities) != 1 {
		t.Fatalf("%v %s", err, text)
	}
	read := page.BundleIdCapabilities[0]
	delete(read, "id")
	read["bundleId"] = map[string]string{"id": "B"}
	back, err := json.Marshal(read)
	if err != nil {
		t.Fatal(err)
	}
	a.answers(201, `{"data":{"type":"bundleIdCapabilities","id":"C"}}`)
	want := `{"data":{"type":"bundleIdCapabilities","attributes":` + attributes + `,"relationships":{"bundleId":{"data":{"type":"bundleIds","id":"B"}}}}}`
	plain := strings.TrimSuffix(attributes, "}") + `,"bundleId":{"id":"B"}}`
	for name, body := range map[string]string{"as it was read": string(back), "plain": plain} {
		if code, _, text := w.do(t, "POST", "/v1/bundleIdCapabilities", body); code != 201 {
			t.Errorf("REST, %s: %d %s", name, code, text)
		}
		if _, got, _ := a.saw(); got != want {
			t.Errorf("REST, %s:\nsent %s\nwant %s", name, got, want)
		}
	}
	got := list.GetBundleIdCapabilities()[0]
	_, err = provisioningv1.NewBundleIdCapabilitiesServiceClient(w.conn).
		CreateBundleIdCapability(t.Context(), &provisioningv1.CreateBundleIdCapabilityRequest{
			CapabilityType: got.CapabilityType, Settings: got.GetSettings(), Extra: got.GetExtra(), BundleId: &typesv1.ToOne{Id: proto.String("B")}})
	if _, body, _ := a.saw(); err != nil || body != want {
		t.Errorf("gRPC: %v\nsent %s\nwant %s", err, body, want)
	}
}

// TestNewWordsInAQuery are sent on purpose, on both faces.
func TestNewWordsInAQuery(t *testing.T) {
	a := &apple{status: 200, answer: `{"data":[]}`}
	w := before(t, a)
	for query, want := range map[string]string{
		"filter[appVersionState]=IN_REVIEW,ON_FULL_MOON":     "filter[appVersionState]=IN_REVIEW,ON_FULL_MOON",
		"extra_query[filter[appVersionState]]=ON_FULL_MOON":  "filter[appVersionState]=ON_FULL_MOON",
		"include=app&extra_query[include]=teleporter":        "include=app,teleporter",
		"extra_query[fields[appStoreVersions]]=hue":          "fields[appStoreVersions]=hue",
		"limit=3&extra_query[sort]=-hue&extra_query[mood]=x": "limit=3&mood=x&sort=-hue",
	} {
		code, _, text := w.do(t, "GET", "/v1/apps/1/appStoreVersions?"+query, "")
		got, _, _ := a.saw()
		values, err := url.ParseQuery(got)
		wanted, _ := url.ParseQuery(want)
		if err != nil || code != 200 || values.Encode() != wanted.Encode() {
			t.Errorf("%s: %d %s\nsent %s\nwant %s", query, code, text, got, want)
		}
	}
	_, err := metadatav1.NewAppsServiceClient(w.conn).
		ListAppAppStoreVersions(t.Context(), &metadatav1.ListAppAppStoreVersionsRequest{Id: "1",
			ExtraQuery: map[string]string{"filter[appVersionState]": "ON_FULL_MOON", "include": "teleporter"}})
	if got, _, _ := a.saw(); err != nil || !strings.Contains(got, "filter[appVersionState]=ON_FULL_MOON") ||
		!strings.Contains(got, "include=teleporter") {
		t.Errorf("gRPC: %v, sent %s", err, got)
	}
}

// TestErrorsNameTheCallersFields where Apple points into the document that the
// gateway made: by JSON names over REST, by proto names over gRPC.
func TestErrorsNameTheCallersFields(t *testing.T) {
	a := &apple{status: 409, answer: `{"errors":[
		{"id":"1","status":"409","code":"ENTITY_ERROR.RELATIONSHIP.INVALID","title":"t","detail":"Of another territory.","source":{"pointer":"/included/1/relationships/subscriptionPricePoint/data/id"}},
		{"id":"2","status":"409","code":"ENTITY_ERROR.INCLUDED.INVALID_ID","title":"t","detail":"'${subscriptionPrices-3}' is odd","source":{"pointer":"/included/2/id"}},
		{"id":"3","status":"409","code":"ENTITY_ERROR.ATTRIBUTE.INVALID","title":"t","detail":"Too long.","source":{"pointer":"/data/attributes/reviewNote"}}]}`}
	w := before(t, a)
	code, _, text := w.do(
		t,
		"PATCH",
		"/v1/subscriptions/9",
		`{"reviewNote":"x","introductoryOffers":{"create":[{"duration":"ONE_MONTH","offerMode":"FREE_TRIAL","numberOfPeriods":1}]},
		"prices":{"create":[{},{"subscriptionPricePoint":{"id":"p"}}]}}`,
	)
	if code != 409 {
		t.Fatalf("%d %s", code, text)
	}
	// introductory offers come before prices in the document
	for _, want := range []string{`"field":"prices.create[0].subscriptionPricePoint"`, `"field":"prices.create[1]"`, `"field":"reviewNote"`} {
		if !strings.Contains(strings.ReplaceAll(string(text), `": `, `":`), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	if n := strings.Count(string(text), "type.googleapis.com/google.rpc.ErrorInfo"); n != 3 ||
		strings.Contains(string(text), "${") {
		t.Errorf("three errors are told %d times: %s", n, text)
	}
	_, err := commercev1.NewSubscriptionsServiceClient(w.conn).
		UpdateSubscription(t.Context(), &commercev1.UpdateSubscriptionRequest{Id: "9", ReviewNote: proto.String("x"),
			Prices: &typesv1.SubscriptionPriceInlineToMany{
				Create: []*typesv1.SubscriptionPriceInlineCreate{{}, {}, {}},
			}})
	if got := violations(err); got != "prices.create[1].subscription_price_point prices.create[2] review_note" {
		t.Errorf("gRPC: %s", got)
	}
	a.answers(
		409,
		`{"errors":[{"id":"1","status":"409","code":"ENTITY_ERROR.RELATIONSHIP.INVALID","title":"t","source":{"pointer":"/data/1/id"}}]}`,
	)
	_, _, text = w.do(t, "POST", "/v1/betaGroups/g/relationships/betaTesters", `{"betaTesters":{"ids":["a","b"]}}`)
	if !strings.Contains(string(text), `betaTesters.ids[1]`) {
		t.Errorf("a linkage over REST: %s", text)
	}
	_, err = testflightv1.NewBetaGroupsServiceClient(w.conn).
		AddBetaGroupBetaTesters(t.Context(), &testflightv1.AddBetaGroupBetaTestersRequest{
			Id: "g", BetaTesters: &typesv1.ToMany{Ids: []string{"a", "b"}}})
	if got := violations(err); got != "beta_testers.ids[1]" {
		t.Errorf("a linkage over gRPC: %s", got)
	}
}

// violations are the fields that an error names.
func violations(err error) string {
	var fields []string
	for _, d := range status.Convert(err).Details() {
		if b, ok := d.(*errdetails.BadRequest); ok {
			for _, v := range b.GetFieldViolations() {
				fields = append(fields, v.GetField())
			}
		}
	}
	return strings.Join(fields, " ")
}

// TestAnswersAsAtApples: 204 has no body, a page without rows has its list, and
// what is beside a relationship is kept.
func TestAnswersAsAtApples(t *testing.T) {
	a := &apple{status: 204}
	w := before(t, a)
	for method, path := range map[string]string{"DELETE": "/v1/betaGroups/g", "PATCH": "/v1/appStoreVersions/v/relationships/build"} {
		body := ""
		if method == "PATCH" {
			body = `{"build":{"id":"b"}}`
		}
		if code, h, text := w.do(t, method, path, body); code != 204 || len(text) != 0 || h.Get("Content-Type") != "" {
			t.Errorf("%s: %d %v %q", method, code, h, text)
		}
	}
	a.answers(200, `{"data":[],"links":{"self":"s"}}`)
	if _, _, text := w.do(t, "GET", "/v1/betaGroups", ""); string(text) != `{"betaGroups":[]}` {
		t.Errorf("%s", text)
	}
	a.answers(
		200,
		`{"data":{"type":"reviewSubmissions","id":"1","relationships":{"appStoreVersionForReview":{"data":{"type":"appStoreVersions","id":"2"},"meta":{"mood":"fine"}}}}}`,
	)
	if _, _, text := w.do(t, "GET", "/v1/reviewSubmissions/1", ""); !strings.Contains(
		string(text),
		`"extra":{"relationships.appStoreVersionForReview.meta.mood":"\"fine\""}`,
	) {
		t.Errorf("%s", text)
	}
	_, _, calls := a.saw()
	code, _, text := w.do(t, "POST", "/v1/betaGroups", `{"data":{"type":"betaGroups","attributes":{"name":"Night"}}}`)
	if _, _, now := a.saw(); code != 400 || now != calls || !strings.Contains(string(text), "passthrough") {
		t.Errorf("Apple's own document: %d %s", code, text)
	}
}
