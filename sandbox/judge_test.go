//go:build conformance

package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/apispec"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// judge has exchanges judged by a third-party validator with Apple's document.
type judge struct {
	c          *client
	router     routers.Router
	exchanges  int
	refused    int // with a 4xx
	violations []string
	errors     *openapi3.Schema // of an error document
}

func newJudge(t *testing.T) *judge {
	t.Helper()
	patches, err := os.ReadFile("../spec/patches.yaml")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := apispec.ParsePatches(patches)
	if err != nil {
		t.Fatal(err)
	}
	doc, _, err := apispec.ReadFile(os.Getenv("ASC_SPEC"), parsed)
	if err != nil {
		t.Fatal(err)
	}
	patched, err := doc.Patched()
	if err != nil {
		t.Fatal(err)
	}
	openAPI, err := openapi3.NewLoader().LoadFromData(patched)
	if err != nil {
		t.Fatal(err)
	}
	openAPI.Servers = nil
	loosen(openAPI)
	router, err := gorillamux.NewRouter(openAPI)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"application/a-gzip", "text/csv"} {
		openapi3filter.RegisterBodyDecoder(kind, openapi3filter.FileBodyDecoder)
	}
	for _, kind := range []string{"application/vnd.apple.xcode-metrics+json", "application/vnd.apple.diagnostic-logs+json"} {
		openapi3filter.RegisterBodyDecoder(kind, openapi3filter.JSONBodyDecoder)
	}
	return &judge{
		c:      newClient(t, World{NoAuth: true, HourLimit: 1 << 20}),
		router: router,
		errors: openAPI.Components.Schemas["ErrorResponse"].Value,
	}
}

// loosen turns Apple's choices by state or media type into anyOf: the member that
// tells may be left out of an answer, or stand elsewhere.
func loosen(doc *openapi3.T) {
	seen := map[*openapi3.Schema]bool{}
	var visit func(*openapi3.SchemaRef)
	visit = func(ref *openapi3.SchemaRef) {
		if ref == nil || ref.Value == nil || seen[ref.Value] {
			return
		}
		s := ref.Value
		seen[s] = true
		if len(s.OneOf) > 0 && s.Discriminator != nil && s.Discriminator.PropertyName != "type" {
			for _, x := range s.OneOf {
				x.Value.Required = nil
			}
			s.AnyOf, s.OneOf, s.Discriminator = append(s.AnyOf, s.OneOf...), nil, nil
		}
		for _, p := range s.Properties {
			visit(p)
		}
		for _, list := range []openapi3.SchemaRefs{s.OneOf, s.AllOf, s.AnyOf, {s.Items}} {
			for _, x := range list {
				visit(x)
			}
		}
	}
	for _, ref := range doc.Components.Schemas {
		visit(ref)
	}
}

// call makes one exchange, and has both directions judged.
func (j *judge) call(op *factOp, query string, body any) {
	path := op.Path
	if strings.Contains(path, "{id}") {
		path = strings.Replace(path, "{id}", j.c.IDs(op.root())[0], 1)
	}
	var sent []byte
	if body != nil {
		sent, _ = json.Marshal(body) // made of plain values
	}
	j.exchange(op, path, query, sent, !choosing[op.ID])
}

// choosing are the operations whose body has one of several forms: a body of all
// members, or of the required ones, is none of them.
var choosing = map[string]bool{
	"appAssetLibraryPlacements_createInstance":                true,
	"appAssetLibraryPlacementOrderingRequests_createInstance": true,
}

// applesOwnFailure answers 500 as Apple does, to the first price of a subscription.
const applesOwnFailure = "subscriptionPrices_createInstance"

// exchange sends a request. The answer is always judged; the request, where it is
// meant to be valid. No answer may be a 5xx, but for Apple's own.
func (j *judge) exchange(op *factOp, path, query string, sent []byte, valid bool) int {
	r := httptest.NewRequest(op.Method, path+"?"+query, bytes.NewReader(sent))
	r.RequestURI = ""
	r.URL.Scheme, r.URL.Host = "", ""
	if sent != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	route, params, err := j.router.FindRoute(r)
	if err != nil {
		j.violate(op, "%v", err)
		return 0
	}
	in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{
			AuthenticationFunc:    openapi3filter.NoopAuthenticationFunc,
			IncludeResponseStatus: true,
		}}
	if err := openapi3filter.ValidateRequest(r.Context(), in); err != nil && valid {
		j.violate(op, "request ?%s %.300s: %v", query, sent, err)
	}
	r.Body = io.NopCloser(bytes.NewReader(sent))
	j.c.ServeHTTP(w, r)
	j.exchanges++
	if w.Code == http.StatusInternalServerError && op.ID == applesOwnFailure {
		j.errorDocument(op, w.Body.Bytes())
		return w.Code
	}
	if w.Code/100 == 4 {
		j.refused++
	}
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in,
		Status:                 w.Code,
		Header:                 w.Header(),
		Options:                in.Options,
	}
	out.SetBodyBytes(w.Body.Bytes())
	if documented := route.Operation.Responses.Status(w.Code) != nil; !documented && w.Code/100 == 4 {
		j.errorDocument(op, w.Body.Bytes())
	} else if err := openapi3filter.ValidateResponse(r.Context(), out); err != nil {
		j.violate(op, "answer %d to ?%s %.200s: %v", w.Code, query, sent, err)
	}
	if w.Code >= 500 {
		j.violate(op, "%d to ?%s %.300s: %s", w.Code, query, sent, w.Body)
	}
	return w.Code
}

// errorDocument judges an error whose status the document does not list for the
// operation: the form is the same for all.
func (j *judge) errorDocument(op *factOp, body []byte) {
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		j.violate(op, "an error that is no JSON: %.200s", body)
		return
	}
	if err := j.errors.VisitJSON(v); err != nil {
		j.violate(op, "an error of another form: %v", err)
	}
}

func (j *judge) violate(op *factOp, format string, args ...any) {
	j.violations = append(j.violations, fmt.Sprintf("%.700s", op.ID+": "+fmt.Sprintf(format, args...)))
}
