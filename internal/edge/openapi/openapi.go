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
	"github.com/asc-gateway/asc-gateway/internal/edge/door"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// Gateway is the area of the gateway's own services.
const Gateway = "gateway"

// Describer makes the documents when they are first asked for, and keeps them in
// gzip.
type Describer struct {
	files *protoregistry.Files
	own   []protoreflect.ServiceDescriptor

	mu     sync.Mutex
	packed map[string][]byte // by area
}

// New describes Apple's operations in the packages asc.AREA.v1 of files, and the
// gateway's own services. It looks at nothing before it is asked.
func New(files *protoregistry.Files, own []protoreflect.ServiceDescriptor) *Describer {
	return &Describer{files: files, own: own, packed: map[string][]byte{}}
}

// object is a JSON object.
type object = map[string]any

// Areas lists the areas, sorted.
func (d *Describer) Areas() []string {
	var out []string
	d.files.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		if name := areaOf(fd); name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
		return true
	})
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
		return fault.New(fault.NotFound, "NO_SUCH_ROUTE", "no such area: there are %s, each as /openapi/AREA.json",
			strings.Join(areas, ", "))
	}
	packed, err := d.pack(area)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Add("Vary", "Accept-Encoding")
	if door.Gzip(r) {
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

// areaOf is the area of a file with services of Apple's, "" of any other.
func areaOf(fd protoreflect.FileDescriptor) string {
	name, ours := strings.CutPrefix(string(fd.Package()), "asc.")
	if !ours || fd.Services().Len() == 0 {
		return ""
	}
	name, _, _ = strings.Cut(name, ".")
	return name
}

// methods lists Apple's operations of an area, sorted by name.
func (d *Describer) methods(area string) []protoreflect.MethodDescriptor {
	var out []protoreflect.MethodDescriptor
	d.files.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		if areaOf(fd) != area {
			return true
		}
		for i := range fd.Services().Len() {
			for j := range fd.Services().Get(i).Methods().Len() {
				out = append(out, fd.Services().Get(i).Methods().Get(j))
			}
		}
		return true
	})
	slices.SortFunc(out, func(a, b protoreflect.MethodDescriptor) int {
		return strings.Compare(string(a.FullName()), string(b.FullName()))
	})
	return out
}

func title(area string) string {
	if area == Gateway {
		return "App Store Connect gateway: the gateway's own services"
	}
	return "App Store Connect gateway: " + area
}
