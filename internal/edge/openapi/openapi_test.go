package openapi

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	catalogv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/catalog/v1"
	filesv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/files/v1"
	quotav1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/quota/v1"
	tokensv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/tokens/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

func newDescriber() *Describer {
	return New(protoregistry.GlobalFiles, []protoreflect.ServiceDescriptor{
		catalogv1.File_ascgateway_catalog_v1_catalog_proto.Services().Get(0),
		filesv1.File_ascgateway_files_v1_files_proto.Services().Get(0),
		quotav1.File_ascgateway_quota_v1_quota_proto.Services().Get(0),
		tokensv1.File_ascgateway_tokens_v1_tokens_proto.Services().Get(0),
	})
}

func ask(d *Describer, area string, header http.Header) (*httptest.ResponseRecorder, error) {
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/openapi/"+area, nil)
	r.SetPathValue("area", area)
	r.Header = header
	return w, d.Serve(w, r, nil)
}

// document is one document as its callers read it.
func document(t *testing.T, d *Describer, area string) (doc object) {
	t.Helper()
	w, err := ask(d, area+".json", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// at walks into a document by keys, and into lists of named objects by name.
func at(v any, keys ...string) any {
	for _, key := range keys {
		switch x := v.(type) {
		case object:
			v = x[key]
		case []any:
			i := slices.IndexFunc(x, func(e any) bool { o, _ := e.(object); return o["name"] == key })
			if i < 0 {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

func TestWhatDocumentsSay(t *testing.T) {
	d := newDescriber()
	docs := map[string]object{}
	for name, c := range map[string]struct {
		area  string
		where []string
		want  string // JSON
	}{
		"summary with Apple's path and operation": {"testflight", []string{"paths", "/v1/builds", "get", "summary"},
			`"ListBuilds (Apple: GET /v1/builds, builds_getCollection)"`},
		"a filter by an enum": {"testflight", []string{"paths", "/v1/builds", "get", "parameters", "filter[processingState]"},
			`{"name":"filter[processingState]","in":"query","style":"form","explode":false,
			"schema":{"type":"array","items":{"$ref":"#/components/schemas/asc.enums.v1.BuildProcessingStateEnum.BuildProcessingState"}}}`},
		"exists": {"testflight", []string{"paths", "/v1/builds", "get", "parameters", "exists[usesNonExemptEncryption]", "schema"}, `{"type":"boolean"}`},
		"Apple's limit of a relation": {"testflight", []string{"paths", "/v1/builds", "get", "parameters", "limit[betaGroups]", "schema"},
			`{"type":"integer","format":"int32","minimum":1,"maximum":50}`},
		"the limit of a page": {"testflight", []string{"paths", "/v1/builds", "get", "parameters", "limit", "schema"},
			`{"type":"integer","format":"int32","minimum":1,"maximum":2000}`},
		"a required filter": {"reporting", []string{"paths", "/v1/salesReports", "get", "parameters", "filter[vendorNumber]", "required"}, `true`},
		"a file":            {"reporting", []string{"paths", "/v1/salesReports", "get", "responses", "200", "content", "application/a-gzip", "schema", "description"}, `"The file as Apple sends it, byte for byte"`},
		"an enum in Apple's spelling": {"testflight", []string{"components", "schemas", "asc.enums.v1.BuildProcessingStateEnum.BuildProcessingState"},
			`{"type":"string","enum":["PROCESSING","FAILED","INVALID","VALID"]}`},
		"an odd spelling": {"testflight", []string{"components", "schemas", "asc.enums.v1.BuildUploadFileUtiEnum.BuildUploadFileUti", "enum"},
			`["com.apple.binary-property-list","com.apple.ipa","com.apple.pkg","com.apple.xml-property-list","com.pkware.zip-archive"]`},
		"newer values in answers": {"testflight", []string{"components", "schemas", "asc.resources.v1.Build", "properties", "processingState"},
			`{"anyOf":[{"$ref":"#/components/schemas/asc.enums.v1.BuildProcessingStateEnum.BuildProcessingState"},{"type":"string"}]}`},
		"a resource has an id":           {"testflight", []string{"components", "schemas", "asc.resources.v1.Build", "required"}, `["id"]`},
		"a list is there if it is empty": {"testflight", []string{"components", "schemas", "asc.testflight.v1.ListBuildsResponse", "required"}, `["builds"]`},
		"a create's required":            {"testflight", []string{"components", "schemas", "asc.testflight.v1.CreateBetaGroupRequest", "required"}, `["name","app"]`},
		"three states":                   {"testflight", []string{"components", "schemas", "asc.testflight.v1.UpdateBuildRequest", "properties", "expired"}, `{"type":["boolean","null"]}`},
		"null says clear":                {"testflight", []string{"components", "schemas", "asc.testflight.v1.UpdateBuildRequest", "properties", "clear"}, `null`},
		"an id is in the path":           {"testflight", []string{"components", "schemas", "asc.testflight.v1.UpdateBuildRequest", "properties", "id"}, `null`},
		"no body":                        {"testflight", []string{"paths", "/v1/betaGroups/{id}", "delete", "responses", "204"}, `{"description":"It is done; there is no body"}`},
		"created":                        {"testflight", []string{"paths", "/v1/betaGroups", "post", "responses", "200"}, `null`},
		"a 64-bit number":                {"testflight", []string{"components", "schemas", "asc.resources.v1.BuildUploadFile", "properties", "fileSize"}, `{"type":["integer","string"],"format":"int64"}`},
		"failures":                       {"testflight", []string{"paths", "/v1/builds", "get", "responses", "4XX"}, `{"$ref":"#/components/responses/Error"}`},
		"security":                       {"testflight", []string{"security"}, `[{"bearer":[]},{"mutualTLS":[]}]`},
		"servers":                        {"gateway", []string{"servers"}, `[{"url":"/","description":"The gateway that serves this document"}]`},
		"the classes":                    {"gateway", []string{"components", "parameters", "Priority", "schema", "enum"}, `["interactive","default","batch"]`},
		"a comment of a field":           {"gateway", []string{"components", "schemas", "ascgateway.quota.v1.KeyQuota", "properties", "keyId", "description"}, `"Apple's key id."`},
		"a comment of a service":         {"gateway", []string{"tags", "QuotaService", "description"}, `"Tells how much of each key's hour is used, and what waits."`},
		"a message a line": {"gateway", []string{"paths", "/ascgateway/v1/quota/watch", "get", "responses", "200", "content", "application/x-ndjson", "schema"},
			`{"$ref":"#/components/schemas/ascgateway.quota.v1.WatchQuotaResponse"}`},
		"a bound": {"gateway", []string{"components", "schemas", "ascgateway.tokens.v1.MintTokenRequest", "properties", "scope", "maxItems"}, `20`},
	} {
		t.Run(name, func(t *testing.T) {
			if docs[c.area] == nil {
				docs[c.area] = document(t, d, c.area)
			}
			var want any
			if err := json.Unmarshal([]byte(c.want), &want); err != nil {
				t.Fatal(err)
			}
			got, _ := json.Marshal(at(docs[c.area], c.where...))
			wanted, _ := json.Marshal(want)
			if !bytes.Equal(got, wanted) {
				t.Errorf("got  %s\nwant %s", got, wanted)
			}
		})
	}
}

// TestDeprecated compares the documents with the descriptors.
func TestDeprecated(t *testing.T) {
	d := newDescriber()
	docs, found := map[string]object{}, 0
	methods, err := service.Compile(protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range methods {
		if docs[m.Area()] == nil {
			docs[m.Area()] = document(t, d, m.Area())
		}
		want := strings.Contains(protoOptions(m), "deprecated:true")
		got := at(docs[m.Area()], "paths", m.Template, strings.ToLower(m.Verb), "deprecated") == true
		if got != want {
			t.Errorf("%s: deprecated is %v, want %v", m.FullName, got, want)
		}
		if got {
			found++
		}
	}
	if found == 0 {
		t.Error("no operation is deprecated: the test proves nothing")
	}
}

func protoOptions(m *service.Method) string {
	b, _ := json.Marshal(m.Desc.Options())
	return strings.ReplaceAll(string(b), `"`, "")
}

// TestServe makes each document once, and keeps it in gzip alone.
func TestServe(t *testing.T) {
	d := newDescriber()
	packed, err := ask(d, "webhooks.json", http.Header{"Accept-Encoding": {"gzip"}})
	if err != nil || packed.Header().Get("Content-Encoding") != "gzip" {
		t.Fatal(err, packed.Header())
	}
	if !bytes.Equal(packed.Body.Bytes(), d.packed["webhooks"]) || len(d.packed) != 1 {
		t.Error("what is sent is not what is kept")
	}
	kept := &d.packed["webhooks"][0]
	plain, err := ask(d, "webhooks.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(packed.Body)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(z); err != nil || !bytes.Equal(b, plain.Body.Bytes()) {
		t.Error("plain and packed differ", err)
	}
	if kept != &d.packed["webhooks"][0] {
		t.Error("it was made twice")
	}
	for _, area := range []string{"webhooks", "none.json", ".json"} {
		if _, err := ask(d, area, nil); fault.As(err).Kind != fault.NotFound || !strings.Contains(err.Error(), "gateway, metadata") {
			t.Errorf("%s: %v", area, err)
		}
	}
}

func BenchmarkDocument(b *testing.B) {
	for b.Loop() {
		if _, err := New(protoregistry.GlobalFiles, nil).pack("metadata"); err != nil {
			b.Fatal(err)
		}
	}
}
