package gateway

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"github.com/asc-gateway/asc-gateway/internal/usecase/uploads"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The size of a screenshot of display: one of Apple's smallest.
const (
	display               = "APP_WATCH_SERIES_3"
	shotWidth, shotHeight = 312, 390
)

// shot is a screenshot of some 8 KB, another for each colour.
func shot(t testing.TB, c color.Color) []byte {
	t.Helper()
	return picture(t, shotWidth, shotHeight, c)
}

// picture is a PNG of a size, with a corner of noise.
func picture(t testing.TB, width, height int, c color.Color) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range m.Pix {
		m.Pix[i] = 0xff
	}
	r, g, b32, _ := c.RGBA()
	noise := rand.NewChaCha8([32]byte{byte(r), byte(g), byte(b32)})
	for y := range min(height, 50) {
		row := m.Pix[y*m.Stride:][:4*min(width, 50)]
		_, _ = noise.Read(row)
		for x := 3; x < len(row); x += 4 {
			row[x] = 0xff
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// quick looks often at files that are processed.
func quick() Deps {
	return Deps{Uploads: Uploads{Config: uploads.Config{PollMost: 20 * time.Millisecond}}}
}

// post uploads a plain file over REST.
func (w *world) post(t testing.TB, words url.Values, file []byte, headers ...string) (int, []byte) {
	t.Helper()
	r, err := http.NewRequest("POST", w.rest+"/ascgateway/v1/uploads?"+words.Encode(), bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/octet-stream")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := w.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, b
}

// send uploads a file over gRPC, in messages of so many bytes.
func (w *world) send(t testing.TB, start *uploadsv1.UploadStart, file []byte, chunk int) (*uploadsv1.UploadResult, []*uploadsv1.UploadProgress, error) {
	t.Helper()
	stream, err := uploadsv1.NewUploadServiceClient(w.conn).Upload(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		if stream.Send(&uploadsv1.UploadRequest{Part: &uploadsv1.UploadRequest_Start{Start: start}}) != nil {
			return // Recv tells
		}
		for at := 0; at < len(file); at += chunk {
			d := &uploadsv1.Data{WriteOffset: int64(at), Data: file[at:min(at+chunk, len(file))]}
			if stream.Send(&uploadsv1.UploadRequest{Part: &uploadsv1.UploadRequest_Data{Data: d}}) != nil {
				return
			}
		}
		_ = stream.CloseSend()
	}()
	var all []*uploadsv1.UploadProgress
	for {
		m, err := stream.Recv()
		switch {
		case err != nil:
			return nil, all, err
		case m.GetResult() != nil:
			if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
				t.Errorf("after the result: %v", err)
			}
			return m.GetResult(), all, nil
		}
		all = append(all, m.GetProgress())
	}
}

// wordsOf are the words of a query that uploads a file to something in the world.
func wordsOf(t testing.TB, box *sandbox.Sandbox, fd protoreflect.FieldDescriptor) url.Values {
	t.Helper()
	words := url.Values{"fileName": {"a.png"}}
	fields := fd.Message().Fields()
	choice := false
	for i := range fields.Len() {
		f := fields.Get(i)
		o, _ := proto.GetExtension(f.Options(), optionsv1.E_Field).(*optionsv1.Field)
		name := f.JSONName()
		switch {
		case f.Enum() != nil && o.GetRequired():
			v := f.Enum().Values().ByNumber(2)
			vo, _ := proto.GetExtension(v.Options(), optionsv1.E_Value).(*optionsv1.EnumValue)
			words.Set(name, string(v.Name()))
			if vo.GetName() != "" {
				words.Set(name, vo.GetName())
			}
		case o.GetRole() == optionsv1.Role_ROLE_RELATIONSHIP && !f.IsList() && f.Message().FullName() == "asc.types.v1.ToOne" && (o.GetRequired() || !choice):
			ids := box.IDs(o.GetType())
			if len(ids) == 0 {
				t.Fatalf("%s: there are no %s in the world", fd.Name(), o.GetType())
			}
			words.Set(name, ids[len(ids)-1])
			choice = choice || !o.GetRequired()
		}
	}
	r, _ := proto.GetExtension((&uploadsv1.Uploaded{}).ProtoReflect().Descriptor().Fields().ByName(fd.Name()).Message().Options(),
		optionsv1.E_Resource).(*optionsv1.Resource)
	words.Set("type", r.GetType())
	return words
}

// TestUploadEveryKind uploads a file of every resource that has one, over gRPC and
// over REST.
func TestUploadEveryKind(t *testing.T) {
	w := newWorldWith(t, sandbox.World{NoRules: true, PartBytes: 1000}, quick())
	file := picture(t, 64, 64, color.Black)
	sum := sha256.Sum256(file)
	what := (&uploadsv1.Target{}).ProtoReflect().Descriptor().Oneofs().ByName("what").Fields()
	for i := range what.Len() {
		fd := what.Get(i)
		if fd.Name() == "build" {
			continue
		}
		t.Run(string(fd.Name()), func(t *testing.T) {
			words := wordsOf(t, w.sandbox, fd)
			status, b := w.post(t, words, file)
			var got struct {
				Resource map[string]map[string]any
				SHA256   string
			}
			if err := json.Unmarshal(b, &got); status != 201 || err != nil {
				t.Fatalf("%v: %d %s", words, status, b)
			}
			one := got.Resource[fd.JSONName()]
			if one["id"] == nil || one["uploadOperations"] != nil || got.SHA256 != hex.EncodeToString(sum[:]) {
				t.Errorf("%s", b)
			}
			start, err := uploads.StartOf(words, int64(len(file)))
			if err != nil {
				t.Fatal(err)
			}
			res, _, err := w.send(t, start, file, 700)
			if err != nil {
				t.Fatal(err)
			}
			m := res.GetResource().ProtoReflect()
			set := m.WhichOneof(m.Descriptor().Oneofs().ByName("what"))
			if set.Name() != fd.Name() || res.GetSize() != int64(len(file)) || strings.Contains(res.String(), "Signature") {
				t.Errorf("%v", res)
			}
		})
	}
}
