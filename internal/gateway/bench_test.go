package gateway

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/access/policy"
	"github.com/asc-gateway/asc-gateway/internal/quota"
	"github.com/asc-gateway/asc-gateway/internal/quota/memory"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// The goal: at most 2 µs and 1 allocation a match over all routes.
func BenchmarkRouteMatch(b *testing.B) {
	methods, err := service.Compile(protoregistry.GlobalFiles)
	if err != nil {
		b.Fatal(err)
	}
	own, stock := http.NewServeMux(), runtime.NewServeMux()
	matched := 0
	for _, m := range methods {
		own.HandleFunc(m.Verb+" "+m.Template, func(http.ResponseWriter, *http.Request) { matched++ })
		if err := stock.HandlePath(m.Verb, m.Template, func(http.ResponseWriter, *http.Request, map[string]string) { matched++ }); err != nil {
			b.Fatal(err)
		}
	}
	for name, h := range map[string]http.Handler{"servemux": own, "grpc-gateway-mux": stock} {
		b.Run(name, func(b *testing.B) {
			r, w := httptest.NewRequest("GET", "/v1/builds/8f3b/relationships/individualTesters", nil), httptest.NewRecorder()
			b.ReportAllocs()
			matched = 0
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
			if matched == 0 {
				b.Fatal("no match")
			}
		})
	}
}

// The goal: at least 0.9 times the requests of a bare reverse proxy before the
// same upstream, in the same run.
func BenchmarkProxy(b *testing.B) {
	const answer = `{"data":{"type":"bundleIds","id":"1","attributes":{"name":"Trail Mix","platform":"IOS","identifier":"com.example.trailmix","seedId":"A1"},"relationships":{"app":{"links":{"self":"https://x/v1/a","related":"https://x/v1/b"}},"profiles":{"links":{"self":"https://x/v1/a","related":"https://x/v1/b"}}},"links":{"self":"https://x/v1/a"}},"links":{"self":"https://x/v1/a"}}`
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Rate-Limit", "user-hour-lim:2000000000;user-hour-rem:2000000000;") // nobody waits
		_, _ = io.WriteString(w, answer)
	}))
	defer upstream.Close()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	w := serveWorld(b, nil, upstream, ringOf(private), Deps{})
	token, sum := authn.NewToken()
	callers, err := authn.New(authn.Config{Tokens: []authn.StaticToken{{Name: "a", SHA256: sum}}}, authn.Deps{})
	if err != nil {
		b.Fatal(err)
	}
	shared := quota.New(quota.Config{}, memory.New(quota.Rules{}, time.Now), slog.New(slog.DiscardHandler))
	defer func() { _ = shared.Close() }()
	guarded := serveWorld(b, nil, upstream, ringOf(private), Deps{Authn: callers, Quota: shared})
	p, err := policy.Parse("p", []byte("version: 1\nrules: [{name: a, principals: ['token:*'], methods: [read], teams: [team]}]"), guarded.gateway.Guard.Methods())
	if err != nil {
		b.Fatal(err)
	}
	if err := guarded.gateway.Guard.SetPolicy(p); err != nil {
		b.Fatal(err)
	}
	target, err := url.Parse(upstream.URL)
	if err != nil {
		b.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
	bare := httptest.NewServer(proxy)
	defer bare.Close()
	for _, c := range []struct{ name, url string }{{"gateway", w.rest}, {"gateway-with-policy-and-quota", guarded.rest}, {"reverse-proxy", bare.URL}} {
		b.Run(c.name, func(b *testing.B) {
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
			defer client.CloseIdleConnections()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					req, err := http.NewRequest("GET", c.url+"/v1/bundleIds/1", nil)
					if err != nil {
						b.Error(err)
						return
					}
					req.Header.Set("Authorization", "Bearer "+token)
					res, err := client.Do(req)
					if err != nil {
						b.Error(err)
						return
					}
					text, err := io.ReadAll(res.Body)
					if res.Body.Close(); err != nil || !strings.Contains(string(text), "trailmix") {
						b.Errorf("%v %s", err, text)
						return
					}
				}
			})
		})
	}
}
