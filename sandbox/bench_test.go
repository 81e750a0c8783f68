package sandbox

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
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

// large is how many resources a large world has.
const large = 100_000

// BenchmarkLarge shows what a request costs in a world of 100,000 testers of one
// group and bundle ids, and how much memory they take.
func BenchmarkLarge(b *testing.B) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	c := newClient(b, World{NoAuth: true, HourLimit: 1 << 30})
	group := c.IDs("betaGroups")[0]
	made := 0
	create := func() {
		made++
		body := resource(
			"betaTesters",
			"",
			fmt.Sprintf(`"email":"tester%d@example.org"`, made),
			many("betaGroups", "betaGroups", group),
		)
		if w := c.raw("POST", "/v1/betaTesters", body); w.Code != http.StatusCreated {
			b.Fatal(w.Code, w.Body)
		}
		if made%2 == 0 {
			return
		}
		body = resource(
			"bundleIds",
			"",
			fmt.Sprintf(`"name":"N","platform":"IOS","identifier":"com.example.n%d"`, made),
			"",
		)
		if w := c.raw("POST", "/v1/bundleIds", body); w.Code != http.StatusCreated {
			b.Fatal(w.Code, w.Body)
		}
	}
	for len(c.IDs("betaTesters"))+len(c.IDs("bundleIds")) < large {
		for range 1000 {
			create()
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.Run("create", func(b *testing.B) {
		for b.Loop() {
			create()
		}
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MB")
	})
	for name, path := range map[string]string{
		"list":        "/v1/betaTesters?limit=200",
		"list of one": "/v1/betaGroups/" + group + "/betaTesters?limit=200",
		"filter":      "/v1/betaTesters?filter[email]=tester77@example.org",
		"sort":        "/v1/betaTesters?sort=-email&limit=200",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if w := c.raw("GET", path, ""); w.Code != http.StatusOK {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
	}
	ids := c.IDs("betaTesters")
	b.Run("delete", func(b *testing.B) {
		for b.Loop() {
			if len(ids) == 0 {
				b.Skip("none is left")
			}
			if w := c.raw("DELETE", "/v1/betaTesters/"+ids[len(ids)/2], ""); w.Code != http.StatusNoContent {
				b.Fatal(w.Code, w.Body)
			}
			ids = slices.Delete(ids, len(ids)/2, len(ids)/2+1)
		}
	})
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
