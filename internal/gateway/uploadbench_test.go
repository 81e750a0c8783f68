package gateway

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/usecase/uploads"
	"github.com/asc-gateway/asc-gateway/sandbox"
)

// BenchmarkUpload uploads builds of 32 MiB to an upstream that keeps no bytes, beside
// a bare PUT of them to it.
func BenchmarkUpload(b *testing.B) {
	box, err := sandbox.Open(sandbox.World{NoRules: true, HourLimit: 1 << 30})
	if err != nil {
		b.Fatal(err)
	}
	private, err := box.NewKey("KEY")
	if err != nil {
		b.Fatal(err)
	}
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/_sandbox/upload/") {
			_, _ = io.Copy(io.Discard, r.Body) // the client tells what went wrong
			return
		}
		box.ServeHTTP(w, r)
	}))
	w := serveWorld(b, box, upstream, ringOf(private), quick())
	file := make([]byte, 32<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(file) // never fails
	number := 0
	next := func() url.Values {
		number++
		return url.Values{"type": {"builds"}, "fileName": {"a.ipa"}, "app": {box.IDs("apps")[0]}, "platform": {"IOS"},
			"version": {"9.0"}, "number": {strconv.Itoa(number)}, "waitFor": {"COMMITTED"}}
	}
	for name, upload := range map[string]func(b *testing.B){
		"grpc": func(b *testing.B) {
			start, err := uploads.StartOf(next(), int64(len(file)))
			if err != nil {
				b.Fatal(err)
			}
			if _, _, err := w.send(b, start, file, 256<<10); err != nil {
				b.Fatal(err)
			}
		},
		"rest": func(b *testing.B) {
			if status, body := w.post(b, next(), file); status != http.StatusCreated {
				b.Fatalf("%d %s", status, body)
			}
		},
		"bare-put": func(b *testing.B) {
			r, err := http.NewRequest("PUT", upstream.URL+"/_sandbox/upload/x", bytes.NewReader(file))
			if err != nil {
				b.Fatal(err)
			}
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				b.Fatal(err)
			}
			_ = res.Body.Close()
		},
	} {
		b.Run(name, func(b *testing.B) {
			defer processorTime(b)()
			b.SetBytes(int64(len(file)))
			b.ReportAllocs()
			for b.Loop() {
				upload(b)
			}
		})
	}
}
