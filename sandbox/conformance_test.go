//go:build conformance

package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/apispec"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// TestAgainstApplesDocument calls every operation without a gateway in between:
// reads with every value of every parameter, writes with all and with only what
// is required. A third-party validator judges both directions.
//
// ASC_SPEC names Apple's document.
func TestAgainstApplesDocument(t *testing.T) {
	j := newJudge(t)
	operations := map[string]bool{}
	for i := range j.c.facts.Ops {
		op := &j.c.facts.Ops[i]
		operations[op.ID] = true
		if op.Method == http.MethodGet {
			for _, q := range j.queries(op) {
				j.call(op, q, nil)
			}
			continue
		}
		for _, all := range []bool{false, true} {
			j.c.Reset()
			j.call(op, "", j.body(op, all))
		}
	}
	slices.Sort(j.violations)
	for _, v := range slices.Compact(j.violations)[:min(40, len(j.violations))] {
		t.Error(v)
	}
	t.Logf("%d operations, %d exchanges, %d violations", len(operations), j.exchanges, len(j.violations))
}

type judge struct {
	c          *client
	router     routers.Router
	exchanges  int
	violations []string
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
	return &judge{c: newClient(t, World{NoAuth: true, HourLimit: 1 << 20}), router: router}
}

// queries are: the required parameters alone, with everything to include, and
// with each value of each other parameter.
func (j *judge) queries(op *factOp) (list []string) {
	base := url.Values{}
	for _, p := range op.Query {
		if p.Required {
			base.Set(p.Name, j.value(op, &p))
		}
	}
	with := func(name, value string) {
		q := url.Values{}
		for k, v := range base {
			q[k] = v
		}
		q.Set(name, value)
		list = append(list, q.Encode())
	}
	list = append(list, base.Encode())
	for _, p := range op.Query {
		values := j.c.facts.enum(p.Enum)
		switch {
		case p.Name == "include" || strings.HasPrefix(p.Name, "fields["):
			if all := strings.Join(values, ","); len(all) > 0 && len(all) < 3500 {
				with(p.Name, all)
			}
		case p.Kind == "integer":
			with(p.Name, "1")
			with(p.Name, fmt.Sprint(p.Max))
		case len(values) > 0:
			for _, v := range values[:min(len(values), 40)] {
				with(p.Name, v)
			}
		default:
			with(p.Name, j.value(op, &p))
		}
	}
	return list
}

// value is a valid one of a parameter: where it can, one that something has.
func (j *judge) value(op *factOp, p *factParam) string {
	if values := j.c.facts.enum(p.Enum); len(values) > 0 {
		return values[0]
	}
	if p.Kind == "boolean" {
		return "true"
	}
	_, key, _ := strings.Cut(strings.TrimSuffix(p.Name, "]"), "[")
	for _, o := range j.c.store.all(op.Type) {
		if have, _ := j.c.store.values(o, key); len(have) > 0 && !strings.Contains(have[0], ",") {
			return have[0]
		}
	}
	return "1"
}

// body is a valid one: with all members, or with those required.
func (j *judge) body(op *factOp, all bool) any {
	switch {
	case op.Body != nil && op.Shape != "updateToOneRelationship":
		data := j.resource(op.Body, all)
		if op.Shape == "updateInstance" {
			data["id"] = j.c.IDs(op.root())[0]
		}
		return map[string]any{"data": data}
	case op.Method == http.MethodDelete && op.Shape == "deleteInstance":
		return nil
	case op.Many:
		return map[string]any{"data": identifiers(op.Type, j.c.IDs(op.Type)[:2])}
	}
	return map[string]any{"data": identifiers(op.Type, j.c.IDs(op.Type))[0]}
}

func (j *judge) resource(t *factType, all bool) map[string]any {
	g := generator{f: j.c.facts, i: 100, at: j.c.now, typ: t.Type}
	attrs, rels := map[string]any{}, map[string]any{}
	for _, a := range t.Attrs {
		if a.Required || all {
			attrs[a.Name] = g.value(a.Name, &a, 0)
		}
	}
	for name, unused := range map[string]string{"locale": "fr-FR", "capabilityType": "MAPS", "accessType": "ONE_TIME_SNAPSHOT"} {
		if attrs[name] != nil {
			attrs[name] = unused
		}
	}
	for _, r := range t.Rels {
		if (r.Required || all) && len(j.c.IDs(r.Type)) > 0 {
			list := identifiers(r.Type, j.c.IDs(r.Type)[:1])
			rels[r.Name] = map[string]any{"data": list}
			if !r.Many {
				rels[r.Name] = map[string]any{"data": list[0]}
			}
		}
	}
	out := map[string]any{"type": t.Type}
	if len(attrs) > 0 {
		out["attributes"] = attrs
	}
	if len(rels) > 0 {
		out["relationships"] = rels
	}
	return out
}

// call makes one exchange, and has it judged.
func (j *judge) call(op *factOp, query string, body any) {
	path := op.Path
	if strings.Contains(path, "{id}") {
		path = strings.Replace(path, "{id}", j.c.IDs(op.root())[0], 1)
	}
	var sent []byte
	if body != nil {
		sent, _ = json.Marshal(body) // made of plain values
	}
	r := httptest.NewRequest(op.Method, path+"?"+query, bytes.NewReader(sent))
	r.RequestURI = ""
	r.URL.Scheme, r.URL.Host = "", ""
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	route, params, err := j.router.FindRoute(r)
	if err != nil {
		j.violate(op, "%v", err)
		return
	}
	in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true}}
	if err := openapi3filter.ValidateRequest(r.Context(), in); err != nil {
		j.violate(op, "request ?%s %.300s: %v", query, sent, err)
	}
	r.Body = io.NopCloser(bytes.NewReader(sent))
	j.c.ServeHTTP(w, r)
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: w.Code, Header: w.Header(), Options: in.Options}
	out.SetBodyBytes(w.Body.Bytes())
	if err := openapi3filter.ValidateResponse(r.Context(), out); err != nil {
		j.violate(op, "answer %d to ?%s: %v", w.Code, query, err)
	}
	if w.Code/100 != 2 {
		j.violate(op, "refused ?%s %.300s: %s", query, sent, w.Body)
	}
	j.exchanges++
}

func (j *judge) violate(op *factOp, format string, args ...any) {
	j.violations = append(j.violations, fmt.Sprintf("%.700s", op.ID+": "+fmt.Sprintf(format, args...)))
}
