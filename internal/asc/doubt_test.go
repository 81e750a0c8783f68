package asc

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// nothingOf is Apple's 404 about a resource.
func nothingOf(kind, id string) string {
	return fmt.Sprintf(`{"errors":[{"status":"404","code":"NOT_FOUND","title":"The specified resource does not exist",`+
		`"detail":"There is no resource of type '%s' with id '%s'"}]}`, kind, id)
}

// flaky answers without a network: reads of uploads with a 404, so many times.
type flaky struct {
	misses             int32
	kind, id           string // that the 404 names
	parent             int    // status of a read of it
	asked, parentAsked atomic.Int32
}

func (f *flaky) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	switch {
	case r.URL.Path == "/v1/"+f.kind+"/"+f.id:
		f.parentAsked.Add(1)
		w.WriteHeader(f.parent)
		_, _ = io.WriteString(w, `{"data":{"type":"apps","id":"7"}}`)
	case f.asked.Add(1) <= f.misses:
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, nothingOf(f.kind, f.id))
	default:
		_, _ = io.WriteString(w, `{"data":[]}`)
	}
	res := w.Result()
	res.Request = r
	return res, nil
}

// TestRandom404OfBuildUploads: it is not believed when it names another resource
// that is there.
func TestRandom404OfBuildUploads(t *testing.T) {
	list := &Call{Method: "GET", Template: "/v1/apps/{id}/buildUploads", Path: "/v1/apps/7/buildUploads"}
	one := &Call{Method: "GET", Template: "/v1/buildUploads/{id}", Path: "/v1/buildUploads/u"}
	file := &Call{Method: "GET", Template: "/v1/buildUploadFiles/{id}", Path: "/v1/buildUploadFiles/f"}
	create := &Call{Method: "POST", Template: "/v1/buildUploads", Path: "/v1/buildUploads", Body: []byte("{}")}
	builds := &Call{Method: "GET", Template: "/v1/apps/{id}/builds", Path: "/v1/apps/7/builds"}
	for _, c := range []struct {
		name           string
		call           *Call
		misses         int32
		kind, id       string
		parent         int
		found          bool
		asked, parents int32
	}{
		{"once", list, 1, "apps", "7", 200, true, 2, 1},
		{"twice", list, 2, "apps", "7", 200, true, 3, 1},
		{"for ever", list, 99, "apps", "7", 200, false, 3, 1},
		{"the app really is missing", list, 99, "apps", "7", 404, false, 1, 1},
		{"of one upload", one, 1, "apps", "7", 200, true, 2, 1},
		{"of the upload that a file is of", file, 1, "buildUploads", "u", 200, false, 1, 0},
		{"of a file whose app is there", file, 1, "apps", "7", 200, true, 2, 1},
		{"the upload itself", one, 99, "buildUploads", "v", 200, false, 1, 0},
		{"a write", create, 1, "apps", "7", 200, false, 1, 0},
		{"another list", builds, 1, "apps", "7", 200, false, 1, 0},
		{"an id that leads elsewhere", list, 1, "apps", "..", 200, false, 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				apple := &flaky{misses: c.misses, kind: c.kind, id: c.id, parent: c.parent}
				client, err := New(Config{BaseURL: "http://127.0.0.1"}, Deps{Tokens: &tokens{}, Transport: apple})
				if err != nil {
					t.Fatal(err)
				}
				defer client.Close()
				_, err = client.Do(t.Context(), c.call)
				if c.found != (err == nil) || err != nil && fault.As(err).Kind != fault.NotFound {
					t.Errorf("got %v", err)
				}
				if apple.asked.Load() != c.asked || apple.parentAsked.Load() != c.parents {
					t.Errorf("%d requests and %d for the parent; want %d and %d",
						apple.asked.Load(), apple.parentAsked.Load(), c.asked, c.parents)
				}
			})
		})
	}
}
