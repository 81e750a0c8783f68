package service

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	metadatav1 "github.com/asc-gateway/asc-gateway/gen/asc/metadata/v1"
	"github.com/asc-gateway/asc-gateway/internal/jsonapi"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// TestRecordingsDecodeLosslessly reads recorded answers, where they are, and
// finds every attribute of theirs in the messages or in extra.
func TestRecordingsDecodeLosslessly(t *testing.T) {
	const dir = "../../../shared/fixtures"
	b, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Log("no recordings here; the codec's own tests cover what they taught")
		return
	}
	var index []struct {
		File, Kind, Method string
		Template           string `json:"path_template"`
	}
	if err := json.Unmarshal(b, &index); err != nil {
		t.Fatal(err)
	}
	methods, err := Compile(protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	files, attributes, extra := 0, 0, 0
	for _, f := range index {
		body, err := os.ReadFile(filepath.Join(dir, f.File))
		if err != nil {
			t.Fatal(err)
		}
		var into proto.Message = &metadatav1.ListAppsResponse{} // of what has no operation any more
		if f.Kind != "collection" {
			into = &metadatav1.GetAppResponse{}
		}
		for _, m := range methods {
			if m.Template == f.Template && m.Verb == f.Method {
				into = m.Output.New().Interface()
			}
		}
		page, err := (&jsonapi.Codec{}).Decode(body, into)
		if err != nil {
			t.Errorf("%s: %v", f.File, err)
			continue
		}
		n, err := survives(body, into)
		if err != nil {
			t.Errorf("%s into %T: %v", f.File, into, err)
		}
		files, attributes, extra = files+1, attributes+n, extra+page.Extra
	}
	t.Logf("%d recordings, %d attributes found again, %d of the things in extra", files, attributes, extra)
}

// survives finds the attributes of every resource of a document.
func survives(body []byte, into proto.Message) (n int, err error) {
	text, err := protojson.Marshal(into)
	if err != nil {
		return 0, err
	}
	var got any
	var doc struct{ Data, Included any }
	if err := json.Unmarshal(text, &got); err != nil {
		return 0, err
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		return 0, err
	}
	byID := map[string][]map[string]any{}
	collect(got, byID)
	for _, r := range append(list(doc.Data), list(doc.Included)...) {
		resource, _ := r.(map[string]any)
		attrs, _ := resource["attributes"].(map[string]any)
		id := fmt.Sprint(resource["id"])
		for name, want := range attrs {
			if want == nil {
				continue
			}
			n++
			found := false
			for _, m := range byID[id] {
				found = found || same(want, m[name], m, name)
			}
			if !found && !strings.Contains(string(text), id) {
				return n, fmt.Errorf("the resource %s is nowhere", id)
			}
			if !found && !inExtra(got, id, name) {
				return n, fmt.Errorf("%s of %s: %v is lost", name, id, want)
			}
		}
	}
	return n, nil
}

func list(v any) []any {
	if l, ok := v.([]any); ok {
		return l
	}
	return []any{v}
}

// collect finds the messages with an id.
func collect(v any, byID map[string][]map[string]any) {
	switch x := v.(type) {
	case []any:
		for _, e := range x {
			collect(e, byID)
		}
	case map[string]any:
		if id, ok := x["id"].(string); ok {
			byID[id] = append(byID[id], x)
		}
		for _, e := range x {
			collect(e, byID)
		}
	}
}

// same compares what Apple sent with what a message holds: times as instants,
// long integers as text, what is not known in extra.
func same(want, got any, resource map[string]any, path string) bool {
	if extra, ok := resource["extra"].(map[string]any); ok {
		if raw, ok := extra[path].(string); ok {
			var v any
			return json.Unmarshal([]byte(raw), &v) == nil && reflect.DeepEqual(v, want)
		}
	}
	switch w := want.(type) {
	case map[string]any:
		g, _ := got.(map[string]any)
		for name, v := range w {
			if v != nil && !same(v, g[name], resource, path+"."+name) {
				return false
			}
		}
		return true
	case []any:
		g, _ := got.([]any)
		for i, v := range w {
			if i >= len(g) || !same(v, g[i], resource, fmt.Sprintf("%s.%d", path, i)) {
				return false
			}
		}
		return true
	case string:
		g, _ := got.(string)
		return w == g || sameTime(w, g)
	}
	return reflect.DeepEqual(want, got) || fmt.Sprint(got) == fmt.Sprintf("%.0f", want)
}

func sameTime(a, b string) bool {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700"} {
		if x, err := time.Parse(layout, a); err == nil {
			y, err := time.Parse(time.RFC3339, b)
			return err == nil && x.Equal(y)
		}
	}
	return false
}

// inExtra finds an attribute of a resource that was included under a type with
// no message: the response keeps it whole.
func inExtra(v any, id, name string) bool {
	root, _ := v.(map[string]any)
	extra, _ := root["extra"].(map[string]any)
	for key, raw := range extra {
		if text, _ := raw.(string); strings.HasPrefix(key, "included.") && strings.Contains(text, `"`+id+`"`) && strings.Contains(text, `"`+name+`"`) {
			return true
		}
	}
	return false
}
