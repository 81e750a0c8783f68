package openapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/gateway"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/keys/filekey"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

type object = map[string]any

// world is a gateway before a sandbox, and what its documents say.
type world struct {
	rest     http.Handler
	sandbox  *sandbox.Sandbox
	docs     map[string]object // by area
	compiler *jsonschema.Compiler
	schemas  map[string]*jsonschema.Schema
	mu       sync.Mutex
}

func newWorld(t *testing.T) *world {
	t.Helper()
	s, err := sandbox.Open(sandbox.World{HourLimit: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	private, err := s.NewKey("KEY")
	if err != nil {
		t.Fatal(err)
	}
	upstream := httptest.NewServer(s)
	t.Cleanup(upstream.Close)
	log := slog.New(slog.DiscardHandler)
	credential := keys.Credential{ID: "KEY", Key: filekey.FromPrivate("KEY", private), Issuer: sandbox.DefaultIssuer}
	ring := keys.NewRing(map[string][]keys.Credential{"team": {credential}}, time.Now, log, nil)
	t.Cleanup(ring.Close)
	g, err := gateway.New(gateway.Deps{BaseURL: upstream.URL, Ring: ring, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	w := &world{rest: g.REST, sandbox: s, docs: map[string]object{},
		compiler: jsonschema.NewCompiler(), schemas: map[string]*jsonschema.Schema{}}
	w.compiler.AssertFormat()
	w.read(t)
	return w
}

// read asks for every document that /openapi lists.
func (w *world) read(t *testing.T) {
	t.Helper()
	status, b := w.call("GET", "/openapi", nil)
	var list struct {
		Areas []struct{ Area, Title, URL string }
	}
	if err := json.Unmarshal(b, &list); err != nil || status != http.StatusOK || len(list.Areas) < 10 {
		t.Fatalf("%d %v %s", status, err, b)
	}
	for _, a := range list.Areas {
		status, b := w.call("GET", a.URL, nil)
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil || status != http.StatusOK || a.Title == "" {
			t.Fatalf("%s: %d %v", a.Area, status, err)
		}
		w.docs[a.Area] = doc.(object)
		closed(w.docs[a.Area])
		if err := w.compiler.AddResource(a.Area+".json", doc); err != nil {
			t.Fatal(err)
		}
	}
}

// closed makes the schemas of a document refuse what they do not name: documents
// leave answers open for what later versions say.
func closed(doc object) {
	for _, s := range doc["components"].(object)["schemas"].(object) {
		if s := s.(object); s["properties"] != nil && s["additionalProperties"] == nil {
			s["additionalProperties"] = false
		}
	}
}

func (w *world) call(verb, target string, body []byte) (int, []byte) {
	r := httptest.NewRequest(verb, "http://localhost"+target, nil)
	if body != nil {
		r = httptest.NewRequest(verb, "http://localhost"+target, bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
	}
	out := httptest.NewRecorder()
	w.rest.ServeHTTP(out, r)
	return out.Code, out.Body.Bytes()
}

// check judges JSON by what stands at a place of a document.
func (w *world) check(area string, place []string, body []byte) error {
	var pointer strings.Builder
	for _, p := range place {
		pointer.WriteString("/" + strings.ReplaceAll(strings.ReplaceAll(p, "~", "~0"), "/", "~1"))
	}
	at := area + ".json#" + strings.NewReplacer("{", "%7B", "}", "%7D").Replace(pointer.String())
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.schemas[at] == nil {
		s, err := w.compiler.Compile(at)
		if err != nil {
			return err
		}
		w.schemas[at] = s
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return w.schemas[at].Validate(v)
}

// operations calls f for each operation of the documents.
func (w *world) operations(f func(area, path, verb string, op object)) {
	for area, doc := range w.docs {
		for path, item := range doc["paths"].(object) {
			for verb, op := range item.(object) {
				f(area, path, verb, op.(object))
			}
		}
	}
}

// TestDocuments are OpenAPI, as kin-openapi reads it.
func TestDocuments(t *testing.T) {
	w := newWorld(t)
	n := 0
	for area, doc := range w.docs {
		b, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := openapi3.NewLoader().LoadFromData(b)
		if err != nil {
			t.Errorf("%s: %v", area, err)
			continue
		}
		if err := parsed.Validate(t.Context()); err != nil {
			t.Errorf("%s: %v", area, err)
		}
		n += parsed.Paths.Len()
	}
	t.Logf("%d documents, %d paths", len(w.docs), n)
}

// TestRealAnswers reads everything that the sandbox has, and judges each answer
// by the document.
func TestRealAnswers(t *testing.T) {
	w := newWorld(t)
	good, failed := 0, 0
	w.operations(func(area, path, verb string, op object) {
		if verb != "get" || strings.HasSuffix(path, "/watch") {
			return
		}
		target := path
		if strings.Contains(path, "{") {
			target = strings.NewReplacer("{id}", w.id(t, path), "{name}", "apps").Replace(path)
		}
		if include := includable(op); include != "" {
			target += "?include=" + include
		}
		status, body := w.call("GET", target, nil)
		place := []string{"paths", path, "get", "responses", fmt.Sprint(status), "content", "application/json", "schema"}
		if status >= 400 {
			failed++
			place = []string{"components", "responses", "Error", "content", "application/json", "schema"}
		} else if media := op["responses"].(object)[fmt.Sprint(status)].(object)["content"].(object); media["application/json"] == nil {
			return // a file
		} else {
			good++
		}
		if err := w.check(area, place, body); err != nil {
			t.Errorf("GET %s: %d: %v\n%.2000s", target, status, err, body)
		}
	})
	t.Logf("answers: %d of success, %d of failure", good, failed)
	if good < 300 || failed < 5 {
		t.Error("too few")
	}
}

// TestDeleteHasNoBody deletes what the sandbox has: where the document says 204,
// REST answers so.
func TestDeleteHasNoBody(t *testing.T) {
	w := newWorld(t)
	done := 0
	w.operations(func(_, path, verb string, op object) {
		if verb != "delete" || op["requestBody"] != nil {
			return
		}
		status, body := w.call("DELETE", strings.ReplaceAll(path, "{id}", w.id(t, path)), nil)
		if status >= 300 {
			return // there is none, or Apple refuses
		}
		if op["responses"].(object)[fmt.Sprint(status)] == nil || status == http.StatusNoContent && len(body) > 0 {
			t.Errorf("DELETE %s: %d %s", path, status, body)
		}
		done++
	})
	if done < 20 {
		t.Errorf("%d deletes: too few", done)
	}
}

// id is that of a resource of the sandbox, by the first part of the path.
func (w *world) id(t *testing.T, path string) string {
	t.Helper()
	parts := strings.Split(path, "/")
	out := httptest.NewRecorder()
	w.sandbox.ServeHTTP(out, httptest.NewRequest("GET", "/_sandbox/state/"+parts[2], nil))
	var list struct{ Objects []struct{ ID string } }
	if err := json.NewDecoder(io.LimitReader(out.Body, 1<<24)).Decode(&list); err != nil || len(list.Objects) == 0 {
		return "1"
	}
	return list.Objects[0].ID
}

func includable(op object) string {
	for _, p := range op["parameters"].([]any) {
		if p := p.(object); p["name"] == "include" {
			var names []string
			for _, v := range p["schema"].(object)["items"].(object)["enum"].([]any) {
				names = append(names, v.(string))
			}
			return strings.Join(names, ",")
		}
	}
	return ""
}

// TestRequests makes bodies from the documents alone: what they require, all that
// they allow, and null wherever they allow it. REST takes each of them.
func TestRequests(t *testing.T) {
	w := newWorld(t)
	sent, empty := 0, 0
	w.operations(func(area, path, verb string, op object) {
		request, ok := op["requestBody"].(object)
		if !ok || !strings.HasPrefix(path, "/v") {
			return
		}
		schema := request["content"].(object)["application/json"].(object)["schema"].(object)
		for _, v := range []variant{required, everything, nulls} {
			s := sampler{doc: w.docs[area], variant: v}
			body, _ := s.sample(schema, 0).(object)
			body["validateOnly"] = true
			b, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			place := []string{"paths", path, verb, "requestBody", "content", "application/json", "schema"}
			if err := w.check(area, place, b); err != nil {
				t.Errorf("%s %s: the test's own body does not fit: %v\n%s", verb, path, err, b)
			}
			status, answer := w.call(strings.ToUpper(verb), strings.ReplaceAll(path, "{id}", "1"), b)
			if status >= 300 {
				t.Errorf("%s %s: %d\n%s\nis answered\n%.500s", verb, path, status, b, answer)
			}
			sent++
		}
		if refused := w.refusesNothing(t, area, path, verb); refused {
			empty++
		}
	})
	t.Logf("%d bodies, {} is refused by %d operations", sent, empty)
	if sent < 900 || empty < 200 {
		t.Error("too few")
	}
}

// refusesNothing says whether {} is refused: by the document, and then by REST
// too.
func (w *world) refusesNothing(t *testing.T, area, path, verb string) bool {
	t.Helper()
	err := w.check(area, []string{"paths", path, verb, "requestBody", "content", "application/json", "schema"}, []byte("{}"))
	if err == nil {
		return false
	}
	status, answer := w.call(strings.ToUpper(verb), strings.ReplaceAll(path, "{id}", "1"), []byte("{}"))
	if status != http.StatusBadRequest {
		t.Errorf("%s %s: {} is %d, but the document refuses it: %v\n%.500s", verb, path, status, err, answer)
	}
	return true
}
