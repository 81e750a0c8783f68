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
	"iter"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"github.com/asc-gateway/asc-gateway/internal/secrets"
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
	return w.tus(
		t,
		"PATCH",
		path,
		bytes.NewReader(file[from:to]),
		append(headers, "Upload-Offset", fmt.Sprint(from))...)
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

// TestTusEveryKind uploads a file of every resource that has one.
func TestTusEveryKind(t *testing.T) {
	w := newWorldWith(t, sandbox.World{NoRules: true, PartBytes: 1000}, quick())
	file := photo(t, 30, 30, 1)
	for fd := range kinds() {
		t.Run(string(fd.Name()), func(t *testing.T) {
			path := w.create(t, wordsOf(t, w.sandbox, fd), len(file))
			half := len(file) / 2
			if got := w.patch(t, path, file, 0, half); got.status != 204 || got.offset() != half {
				t.Fatalf("%d %s", got.status, got.body)
			}
			got := w.patch(t, path, file, half, len(file))
			if got.status != 204 || got.offset() != len(file) {
				t.Fatalf("%d %s", got.status, got.body)
			}
			w.tusArrived(t, path, file)
		})
	}
}

// kinds are the resources that have a file, but for builds.
func kinds() iter.Seq[protoreflect.FieldDescriptor] {
	return func(yield func(protoreflect.FieldDescriptor) bool) {
		what := (&uploadsv1.Target{}).ProtoReflect().Descriptor().Oneofs().ByName("what").Fields()
		for i := range what.Len() {
			if fd := what.Get(i); fd.Name() != "build" && !yield(fd) {
				return
			}
		}
	}
}

// cut sends a part of a PATCH, and then ends the connection, or leaves it open.
func (w *world) cut(t testing.TB, path string, from int, bytes []byte, promised int, leave bool) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.rest, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "PATCH %s HTTP/1.1\r\nHost: 127.0.0.1\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: %d\r\n"+
		"Content-Type: application/offset+octet-stream\r\nContent-Length: %d\r\n\r\n%s", path, from, promised, bytes)
	if leave {
		t.Cleanup(func() { conn.Close() })
	} else {
		conn.Close()
	}
}

// until asks again until an answer is as it should be.
func until(t testing.TB, ask func() said, right func(said) bool) said {
	t.Helper()
	for begun := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		got := ask()
		if right(got) {
			return got
		} else if time.Since(begun) > 20*time.Second {
			t.Fatalf("%d %v %s", got.status, got.header, got.body)
		}
	}
}

// TestTusAfterABreak: what has arrived of a PATCH that breaks off, or hangs, is not
// lost while the call is open.
func TestTusAfterABreak(t *testing.T) {
	for name, hangs := range map[string]bool{"it is cut": false, "it hangs": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorldWith(t, sandbox.World{NoRules: true, PartBytes: 50_000}, quick())
			file := photo(t, 600, 600, 2)
			path := w.create(t, screenshot(t, w), len(file))
			w.cut(t, path, 0, file[:654_321], len(file), hangs)
			taken := `"committedSize":654321,`
			if hangs {
				taken = `"committedSize":589824,` // whole pieces; HEAD ends the wait for the rest
			}
			until(
				t,
				func() said { return w.tus(t, "GET", path, nil) },
				func(s said) bool { return strings.Contains(s.body, taken) },
			)
			if head := w.tus(t, "HEAD", path, nil); head.status != 200 || head.offset() != 654_321 {
				t.Fatalf("%d %v", head.status, head.header)
			}
			if got := w.patch(t, path, file, 650_000, len(file)); got.status != 409 ||
				!strings.Contains(got.body, "UPLOAD_OFFSET_CONFLICT") {
				t.Errorf("%d %s", got.status, got.body)
			}
			if got := w.patch(t, path, file, 654_321, len(file)); got.status != 204 || got.offset() != len(file) {
				t.Fatalf("%d %s", got.status, got.body)
			}
			w.tusArrived(t, path, file)
		})
	}
}

// TestTusIsLeftAlone: a call that nobody feeds ends, and the upload goes on from
// what Apple has.
func TestTusIsLeftAlone(t *testing.T) {
	deps := quick()
	deps.Uploads.Idle = 50 * time.Millisecond
	w := newWorldWith(t, sandbox.World{NoRules: true, PartBytes: 50_000}, deps)
	file := photo(t, 600, 600, 3)
	path := w.create(t, screenshot(t, w), len(file))
	if got := w.patch(t, path, file, 0, 654_321); got.status != 204 || got.offset() != 654_321 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	until(t, func() said { return w.tus(t, "HEAD", path, nil) }, func(s said) bool { return s.offset() == 650_000 })
	if got := w.patch(t, path, file, 654_321, len(file)); got.status != 409 {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := w.patch(t, path, file, 650_000, len(file)); got.status != 204 || got.offset() != len(file) {
		t.Fatalf("%d %s", got.status, got.body)
	}
	w.tusArrived(t, path, file)
	if n := len(w.sandbox.IDs("appScreenshots")); n == 0 {
		t.Error("there is no screenshot")
	}
}

// TestTusIsItsOwners: nobody else learns that an upload is there.
func TestTusIsItsOwners(t *testing.T) {
	g := newGuarded(t, sandbox.World{NoRules: true, PartBytes: 1000},
		fmt.Sprintf(jobRule, "both", "*", "read, write", "all"), "anna", "ben", "carl")
	file := photo(t, 60, 60, 4)
	words := screenshot(t, g.world)
	words.Set("waitFor", "COMMITTED")
	path := g.create(t, words, len(file), g.as("anna")...)
	if got := g.patch(t, path, file, 0, 5000, g.as("anna")...); got.status != 204 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	team := append(g.as("anna"), "Asc-Team", "team")
	for name, headers := range map[string][]string{"another caller": g.as("ben"), "another team's header": team} {
		for _, got := range []said{
			g.tus(t, "HEAD", path, nil, headers...),
			g.tus(t, "GET", path, nil, headers...),
			g.patch(t, path, file, 5000, len(file), headers...),
			g.tus(t, "DELETE", path, nil, headers...),
		} {
			if got.status != 404 {
				t.Errorf("%s: %d %s", name, got.status, got.body)
			}
		}
	}
	g.policy(
		fmt.Sprintf(
			jobRule,
			"anna",
			"anna",
			"read, write",
			"all",
		) + fmt.Sprintf(
			jobRule,
			"carl",
			"carl",
			"read",
			"all",
		),
	)
	for name, want := range map[string]int{"carl": 403, "": 401} { // who may only read, and nobody
		headers := []string{}
		if name != "" {
			headers = g.as(name)
		}
		for _, method := range []string{"OPTIONS", "HEAD", "GET", "PATCH", "DELETE"} {
			if got := g.tus(t, method, path, nil, headers...); got.status != want {
				t.Errorf("%s by %q: %d %s", method, name, got.status, got.body)
			}
		}
		if got := g.tus(t, "POST", tusPath, nil, headers...); got.status != want {
			t.Errorf("POST by %q: %d %s", name, got.status, got.body)
		}
	}
	if got := g.patch(t, path, file, 5000, len(file), g.as("anna")...); got.status != 204 || got.offset() != len(file) {
		t.Fatalf("%d %s", got.status, got.body)
	}
}

// TestTusElsewhere: with a store, an upload goes on at another replica, from what
// Apple has, whether the first one has ended, has vanished, or still waits.
func TestTusElsewhere(t *testing.T) {
	for _, name := range []string{"it has ended", "it waits"} {
		t.Run(name, func(t *testing.T) {
			first, second := twoReplicas(t)
			file := photo(t, 600, 600, 5)
			words, before := screenshot(t, first), len(first.sandbox.IDs("appScreenshots"))
			path := first.create(t, words, len(file))
			if got := first.patch(t, path, file, 0, 654_321); got.status != 204 || got.offset() != 654_321 ||
				got.header.Get("Asc-Upload-Storage") != "" {
				t.Fatalf("%d %v %s", got.status, got.header, got.body)
			}
			if name == "it has ended" {
				first.gateway.tus.Close()
			}
			head := until(
				t,
				func() said { return second.tus(t, "HEAD", path, nil) },
				func(s said) bool { return s.offset() > 0 },
			)
			if head.offset()%50_000 != 0 || head.header.Get("Upload-Metadata") == "" {
				t.Errorf("%v", head.header)
			}
			if got := second.patch(t, path, file, 654_321, len(file)); got.status != 409 {
				t.Errorf("%d %s", got.status, got.body)
			}
			if got := second.patch(t, path, file, head.offset(), len(file)); got.status != 204 ||
				got.offset() != len(file) {
				t.Fatalf("%d %s", got.status, got.body)
			}
			second.tusArrived(t, path, file)
			if name == "it waits" {
				got := first.patch(t, path, file, 654_321, len(file)) // the first has not heard of it yet
				if got.status != 409 || !strings.Contains(got.body, "UPLOAD_TAKEN_OVER") {
					t.Errorf("%d %s", got.status, got.body)
				}
				until(t, func() said { return first.tus(t, "HEAD", path, nil) },
					func(s said) bool { return s.offset() == len(file) && s.header.Get("Asc-Upload-Resource") != "" })
			}
			if now := second.sandbox.IDs("appScreenshots"); len(now) != before+1 {
				t.Errorf("%d screenshots, there were %d", len(now), before)
			}
		})
	}
}

// twoReplicas are two gateways with one sandbox, one store and one secret.
func twoReplicas(t *testing.T) (a, b *world) {
	t.Helper()
	s, err := sandbox.Open(sandbox.World{NoRules: true, PartBytes: 50_000})
	if err != nil {
		t.Fatal(err)
	}
	private, err := s.NewKey("KEY")
	if err != nil {
		t.Fatal(err)
	}
	upstream := httptest.NewServer(s)
	deps := quick()
	deps.Jobs.Store, deps.Secrets = storeOf(t), secrets.New()
	return serveWorld(t, s, upstream, ringOf(private), deps), serveWorld(t, s, upstream, ringOf(private), deps)
}

// TestTusDelete: what Apple has of an unfinished file is deleted.
func TestTusDelete(t *testing.T) {
	for _, idle := range []time.Duration{time.Minute, 10 * time.Millisecond} { // while its call is open, and after it
		deps := quick()
		deps.Uploads.Idle = idle
		w := newWorldWith(t, sandbox.World{NoRules: true, PartBytes: 50_000}, deps)
		file := photo(t, 600, 600, 6)
		before := w.sandbox.IDs("appScreenshots")
		path := w.create(t, screenshot(t, w), len(file))
		if got := w.patch(t, path, file, 0, 654_321); got.status != 204 {
			t.Fatalf("%d %s", got.status, got.body)
		}
		if n := len(w.sandbox.IDs("appScreenshots")); n != len(before)+1 {
			t.Errorf("%d screenshots, there were %d", n, len(before))
		}
		if idle < time.Second {
			until(
				t,
				func() said { return w.tus(t, "HEAD", path, nil) },
				func(s said) bool { return s.offset() == 650_000 },
			)
		}
		if got := w.tus(t, "DELETE", path, nil); got.status != 204 {
			t.Fatalf("%d %s", got.status, got.body)
		}
		if now := w.sandbox.IDs("appScreenshots"); len(now) != len(before) {
			t.Errorf("%v, before %v", now, before)
		}
		for _, method := range []string{"HEAD", "GET", "DELETE"} {
			if got := w.tus(t, method, path, nil); got.status != 404 {
				t.Errorf("%s: %d", method, got.status)
			}
		}
	}
}
