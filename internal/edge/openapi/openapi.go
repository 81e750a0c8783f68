// Package openapi describes the REST face in OpenAPI 3.1, a document an area,
// made from the descriptors that also serve the calls.
//
// It must say what REST does, not what Apple's document says: names, kinds and
// limits come from the descriptors alone.
package openapi

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

	"github.com/asc-gateway/asc-gateway/internal/comments"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Gateway is the area of the gateway's own services.
const Gateway = "gateway"

// Describer makes the documents when they are first asked for, and keeps them in
// gzip.
type Describer struct {
	methods []*service.Method
	own     []protoreflect.ServiceDescriptor

	mu     sync.Mutex
	packed map[string][]byte // by area
}

// New describes Apple's operations and the gateway's own services.
func New(methods []*service.Method, own []protoreflect.ServiceDescriptor) *Describer {
	return &Describer{methods: methods, own: own, packed: map[string][]byte{}}
}

// object is a JSON object.
type object = map[string]any

// Areas lists the areas, sorted.
func (d *Describer) Areas() []string {
	var out []string
	for _, m := range d.methods {
		if !slices.Contains(out, m.Area()) {
			out = append(out, m.Area())
		}
	}
	if len(d.own) > 0 {
		out = append(out, Gateway)
	}
	slices.Sort(out)
	return out
}

// List answers which documents there are.
func (d *Describer) List(w http.ResponseWriter, _ *http.Request, _ []byte) error {
	areas := []object{}
	for _, area := range d.Areas() {
		areas = append(areas, object{"area": area, "title": title(area), "url": "/openapi/" + area + ".json"})
	}
	b, err := json.Marshal(object{"areas": areas})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(b) // a caller that went away needs no answer
	return nil
}

// Serve answers with the document of the area in the path: {area} is "NAME.json".
func (d *Describer) Serve(w http.ResponseWriter, r *http.Request, _ []byte) error {
	area, ok := strings.CutSuffix(r.PathValue("area"), ".json")
	if areas := d.Areas(); !ok || !slices.Contains(areas, area) {
		return fault.New(fault.NotFound, "NO_SUCH_ROUTE", "no such area: there are %s, each as /openapi/AREA.json", strings.Join(areas, ", "))
	}
	packed, err := d.pack(area)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Vary", "Accept-Encoding")
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Length", strconv.Itoa(len(packed)))
		_, _ = w.Write(packed) // nor here
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
func (d *Describer) pack(area string) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if b := d.packed[area]; b != nil {
		return b, nil
	}
	set, err := comments.Read()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := errors.Join(json.NewEncoder(z).Encode(d.document(area, set)), z.Close()); err != nil {
		return nil, err
	}
	d.packed[area] = b.Bytes()
	return b.Bytes(), nil
}

func title(area string) string {
	if area == Gateway {
		return "App Store Connect gateway: the gateway's own services"
	}
	return "App Store Connect gateway: " + area
}
