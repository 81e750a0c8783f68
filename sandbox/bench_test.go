package sandbox

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		if _, err := Open(World{NoAuth: true}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkServe shows what a request costs over loopback, beside a net/http
// server that sends the same bytes.
func BenchmarkServe(b *testing.B) {
	s, err := Open(World{NoAuth: true, HourLimit: 1 << 30})
	if err != nil {
		b.Fatal(err)
	}
	box := httptest.NewServer(s)
	defer box.Close()
	for _, target := range []string{"/v1/apps/1500004000", "/v1/builds?limit=200&include=app"} {
		body := fetch(b, box.URL+target)
		plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(body)
		}))
		defer plain.Close()
		for name, url := range map[string]string{"net/http": plain.URL, "sandbox": box.URL} {
			b.Run(target+" "+name, func(b *testing.B) {
				b.SetBytes(int64(len(body)))
				for b.Loop() {
					fetch(b, url+target)
				}
			})
		}
	}
}

func fetch(b *testing.B, url string) []byte {
	r, err := http.Get(url)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Body.Close()
	var body bytes.Buffer
	if _, err := io.Copy(&body, r.Body); err != nil || r.StatusCode != http.StatusOK {
		b.Fatal(r.StatusCode, err)
	}
	return body.Bytes()
}
