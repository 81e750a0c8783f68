package gateway

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"google.golang.org/protobuf/reflect/protoreflect"
)

const tusPath = "/ascgateway/v1/uploads/tus"

// said is an answer.
type said struct {
	status int
	header http.Header
	body   string
}

// offset is what the answer tells of it, -1 if it does not.
func (s said) offset() int {
	if n, err := strconv.Atoi(s.header.Get("Upload-Offset")); err == nil {
		return n
	}
	return -1
}

// tus sends a request of tus.
func (w *world) tus(t testing.TB, method, path string, body io.Reader, headers ...string) said {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.rest+path, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Tus-Resumable", "1.0.0")
	if body != nil {
		r.Header.Set("Content-Type", "application/offset+octet-stream")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := w.http.Do(r)
	if err != nil {
		return said{status: -1, body: err.Error(), header: http.Header{}}
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.Header.Get("Tus-Resumable") != "1.0.0" {
		t.Errorf("%s %s: Tus-Resumable is missing", method, path)
	}
	return said{res.StatusCode, res.Header, string(b)}
}

// tusWords is Upload-Metadata of words.
func tusWords(words url.Values) string {
	var pairs []string
	for key := range words {
		pairs = append(pairs, key+" "+base64.StdEncoding.EncodeToString([]byte(words.Get(key))))
	}
	return strings.Join(pairs, ",")
}

// create makes an upload, and returns its path.
func (w *world) create(t testing.TB, words url.Values, length int, headers ...string) string {
	t.Helper()
	got := w.tus(t, "POST", tusPath, nil,
		append(headers, "Upload-Length", fmt.Sprint(length), "Upload-Metadata", tusWords(words))...)
	if got.status != 201 || got.offset() != 0 || got.header.Get("Upload-Expires") == "" {
		t.Fatalf("%d %v %s", got.status, got.header, got.body)
	}
	return got.header.Get("Location")
}

// patch sends the bytes from offset on.
func (w *world) patch(t testing.TB, path string, file []byte, from, to int, headers ...string) said {
	t.Helper()
	return w.tus(t, "PATCH", path, bytes.NewReader(file[from:to]), append(headers, "Upload-Offset", fmt.Sprint(from))...)
}

// screenshot are the words of a screenshot.
func screenshot(t testing.TB, w *world) url.Values {
	return wordsOf(t, w.sandbox, kindNamed("app_screenshot"))
}

func kindNamed(name protoreflect.Name) protoreflect.FieldDescriptor {
	return (&uploadsv1.Target{}).ProtoReflect().Descriptor().Oneofs().ByName("what").Fields().ByName(name)
}

// TestTusInChunks uploads in chunks that are smaller than Apple's parts.
func TestTusInChunks(t *testing.T) {
	w := newWorldWith(t, sandbox.World{NoRules: true, PartBytes: 1000}, quick())
	file := photo(t, 60, 60, 1)
	path := w.create(t, screenshot(t, w), len(file))
	for at := 0; at < len(file); at += 300 {
		to := min(at+300, len(file))
		got := w.patch(t, path, file, at, to)
		if got.status != 204 || got.offset() != to || got.header.Get("Asc-Upload-Storage") != "memory" {
			t.Fatalf("at %d: %d %v %s", at, got.status, got.header, got.body)
		}
		if to < len(file) {
			if head := w.tus(t, "HEAD", path, nil); head.status != 200 || head.offset() != to {
				t.Fatalf("HEAD at %d: %d %v", to, head.status, head.header)
			}
		} else if !strings.HasPrefix(got.header.Get("Asc-Upload-Resource"), "appScreenshots/") {
			t.Errorf("%v", got.header)
		}
	}
	w.tusArrived(t, path, file)
}

// photo is a PNG that does not get smaller: about 3 bytes a pixel.
func photo(t testing.TB, width, height int, seed uint64) []byte {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	dice := rand.New(rand.NewPCG(seed, 0))
	for i := range m.Pix {
		m.Pix[i] = byte(dice.Uint32()) | byte(255*(i%4/3))
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// tusArrived compares what the upload's GET tells with the file.
func (w *world) tusArrived(t testing.TB, path string, file []byte) {
	t.Helper()
	sum := sha256.Sum256(file)
	got := w.tus(t, "GET", path, nil)
	var res struct {
		SHA256 string
		Size   int
	}
	err := json.Unmarshal([]byte(got.body), &res)
	if got.status != 200 || err != nil || res.SHA256 != hex.EncodeToString(sum[:]) || res.Size != len(file) {
		t.Fatalf("%d %v %s", got.status, err, got.body)
	}
	if strings.Contains(got.body, "Signature") {
		t.Errorf("%s", got.body)
	}
}
