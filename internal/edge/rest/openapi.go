package rest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/jsonapi"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// describer makes an OpenAPI 3.1 document of an area from the descriptors.
type describer struct {
	methods []*service.Method
	mu      sync.Mutex
	packed  map[string][]byte // by area, in gzip: made when it is first asked for
}

func newDescriber(methods []*service.Method) *describer {
	return &describer{methods: methods, packed: map[string][]byte{}}
}

type object = map[string]any

func (d *describer) serve(w http.ResponseWriter, r *http.Request, _ []byte) error {
	area, ok := strings.CutSuffix(r.PathValue("area"), ".json")
	if !ok || !slices.Contains(d.areas(), area) {
		return fault.New(fault.NotFound, "NO_SUCH_ROUTE", "no such area: there are %s", strings.Join(d.areas(), ", "))
	}
	packed, err := d.pack(area)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Add("Vary", "Accept-Encoding")
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Length", strconv.Itoa(len(packed)))
		_, _ = w.Write(packed) // a caller that went away needs no answer
		return nil
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return err
	}
	_, _ = io.Copy(w, z) // nor here
	return nil
}

// pack is the document of an area in gzip. Making one costs as much as a
// thousand calls: it is done once.
func (d *describer) pack(area string) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if b := d.packed[area]; b != nil {
		return b, nil
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := errors.Join(json.NewEncoder(z).Encode(d.document(area)), z.Close()); err != nil {
		return nil, err
	}
	d.packed[area] = b.Bytes()
	return b.Bytes(), nil
}

func (d *describer) areas() (out []string) {
	for _, m := range d.methods {
		if !slices.Contains(out, m.Area()) {
			out = append(out, m.Area())
		}
	}
	return out
}

// document describes the operations of an area, nil if there are none.
func (d *describer) document(area string) object {
	paths, schemas := object{}, object{}
	for _, m := range d.methods {
		if m.Area() != area {
			continue
		}
		item, _ := paths[m.Template].(object)
		if item == nil {
			item = object{}
			paths[m.Template] = item
		}
		item[strings.ToLower(m.Verb)] = operation(m, schemas)
	}
	if len(paths) == 0 {
		return nil
	}
	schemas["Status"] = object{"type": "object", "properties": object{"code": object{"type": "integer"},
		"message": object{"type": "string"}, "details": object{"type": "array", "items": object{"type": "object"}}}}
	return object{"openapi": "3.1.0", "info": object{"title": "App Store Connect gateway: " + area, "version": "v1"},
		"paths": paths, "components": object{"schemas": schemas}}
}

func operation(m *service.Method, schemas object) object {
	op := object{"operationId": strings.ReplaceAll(strings.TrimPrefix(m.FullName, "/"), "/", "."), "tags": []string{string(m.Desc.Parent().Name())},
		"responses": object{"default": object{"description": "error", "content": jsonContent("#/components/schemas/Status")},
			"200": success(m, schemas)}}
	if m.Options.GetStatus() == http.StatusCreated {
		responses := op["responses"].(object)
		responses["201"] = responses["200"]
		delete(responses, "200")
	}
	params := []object{}
	if strings.Contains(m.Template, "{id}") {
		params = append(params, object{"name": "id", "in": "path", "required": true, "schema": object{"type": "string"}})
	}
	for _, name := range m.Query.Names() {
		params = append(params, object{"name": name, "in": "query", "schema": object{"type": "string"}})
	}
	if len(params) > 0 {
		op["parameters"] = params
	}
	if m.HasBody {
		op["requestBody"] = object{"required": true, "content": jsonContent(schema(m.Desc.Input(), schemas))}
	}
	return op
}

func success(m *service.Method, schemas object) object {
	if m.Stream {
		content := object{}
		for _, p := range m.Options.GetProduces() {
			content[p] = object{}
		}
		return object{"description": "file", "content": content}
	}
	return object{"description": "success", "content": jsonContent(schema(m.Desc.Output(), schemas))}
}

func jsonContent(ref string) object {
	return object{"application/json": object{"schema": object{"$ref": ref}}}
}

// schema describes a message and returns a reference to it.
func schema(md protoreflect.MessageDescriptor, schemas object) string {
	name := string(md.FullName())
	ref := "#/components/schemas/" + name
	if _, done := schemas[name]; done {
		return ref
	}
	props := object{}
	schemas[name] = object{"type": "object", "properties": props}
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		value := fieldSchema(fd, schemas)
		if fd.IsList() {
			value = object{"type": "array", "items": value}
		}
		props[fd.JSONName()] = value
	}
	return ref
}

func fieldSchema(fd protoreflect.FieldDescriptor, schemas object) object {
	if fd.IsMap() {
		return object{"type": "object", "additionalProperties": fieldSchema(fd.MapValue(), schemas)}
	}
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return object{"type": "boolean"}
	case protoreflect.Int32Kind:
		return object{"type": "integer", "format": "int32"}
	case protoreflect.Int64Kind:
		return object{"type": "string", "format": "int64"}
	case protoreflect.DoubleKind:
		return object{"type": "number"}
	case protoreflect.EnumKind:
		var values []string
		for i := range fd.Enum().Values().Len() {
			values = append(values, jsonapi.EnumValueName(fd.Enum().Values().Get(i)))
		}
		return object{"type": "string", "enum": values}
	case protoreflect.MessageKind:
		switch fd.Message().FullName() {
		case "google.protobuf.Timestamp":
			return object{"type": "string", "format": "date-time"}
		case "google.protobuf.Value":
			return object{}
		}
		return object{"$ref": schema(fd.Message(), schemas)}
	}
	return object{"type": "string"}
}
