package gateway

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	commercev1 "github.com/asc-gateway/asc-gateway/gen/asc/commerce/v1"
	provisioningv1 "github.com/asc-gateway/asc-gateway/gen/asc/provisioning/v1"
	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/access/policy"
	"github.com/asc-gateway/asc-gateway/internal/quota"
	"github.com/asc-gateway/asc-gateway/internal/quota/memory"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"github.com/asc-gateway/asc-gateway/internal/telemetry"
	"github.com/asc-gateway/asc-gateway/internal/usecase/inprocess"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
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
			r, w := httptest.NewRequest(
				"GET",
				"http://localhost/v1/builds/8f3b/relationships/individualTesters",
				nil,
			), httptest.NewRecorder()
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
	measured := serveWorld(
		b,
		nil,
		upstream,
		ringOf(private),
		Deps{Authn: callers, Quota: shared, Telemetry: telemetry.None()},
	)
	for _, w := range []*world{guarded, measured} {
		p, err := policy.Parse(
			"p",
			[]byte(
				"version: 1\nrules: [{name: a, principals: ['token:*'], methods: [read], teams: [team], apps: all}]",
			),
			w.gateway.Guard.Methods(),
		)
		if err != nil {
			b.Fatal(err)
		}
		if err := w.gateway.Guard.SetPolicy(p); err != nil {
			b.Fatal(err)
		}
	}
	target, err := url.Parse(upstream.URL)
	if err != nil {
		b.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: &http.Transport{MaxIdleConnsPerHost: 100},
	}
	bare := httptest.NewServer(proxy)
	defer bare.Close()
	for _, c := range []struct{ name, url string }{{"gateway", w.rest}, {"gateway-with-policy-and-quota", guarded.rest},
		{"gateway-with-policy-quota-and-metrics", measured.rest}, {"reverse-proxy", bare.URL}} {
		b.Run(c.name, func(b *testing.B) {
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
			defer client.CloseIdleConnections()
			defer processorTime(b)()
			b.ReportAllocs()
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

// echo is a bare gRPC server that gives the same answer.
type echo struct {
	provisioningv1.UnimplementedBundleIdsServiceServer
	answer *provisioningv1.GetBundleIdResponse
}

func (e *echo) GetBundleId(
	context.Context,
	*provisioningv1.GetBundleIdRequest,
) (*provisioningv1.GetBundleIdResponse, error) {
	return e.answer, nil
}

// BenchmarkCachedRead compares reads of a kept answer, with authentication,
// policy and audit, with a bare grpc-go server that gives the same bytes. The
// goal: at least 0.8 of its reads per second.
func BenchmarkCachedRead(b *testing.B) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(
			w,
			`{"data":{"type":"bundleIds","id":"1","attributes":{"name":"Trail Mix","platform":"IOS","identifier":"com.example.trailmix","seedId":"A1"},"links":{"self":"https://x/v1/a"}},"links":{"self":"https://x/v1/a"}}`,
		)
	}))
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	token, sum := authn.NewToken()
	callers, err := authn.New(authn.Config{Tokens: []authn.StaticToken{{Name: "a", SHA256: sum}}}, authn.Deps{})
	if err != nil {
		b.Fatal(err)
	}
	w := serveWorld(b, nil, upstream, ringOf(private), Deps{Authn: callers, CacheBytes: 1 << 20})
	p, err := policy.Parse(
		"p",
		[]byte("version: 1\nrules: [{name: a, principals: ['token:*'], methods: [read], teams: [team], apps: all}]"),
		w.gateway.Guard.Methods(),
	)
	if err != nil {
		b.Fatal(err)
	}
	if err := w.gateway.Guard.SetPolicy(p); err != nil {
		b.Fatal(err)
	}
	w.gateway.Engine.SetLifetimes(
		map[string]time.Duration{provisioningv1.BundleIdsService_GetBundleId_FullMethodName: time.Hour},
	)
	ctx := metadata.AppendToOutgoingContext(b.Context(), "authorization", "Bearer "+token)
	answer, err := provisioningv1.NewBundleIdsServiceClient(w.conn).
		GetBundleId(ctx, &provisioningv1.GetBundleIdRequest{Id: "1"})
	if err != nil {
		b.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	bare := grpc.NewServer()
	provisioningv1.RegisterBundleIdsServiceServer(bare, &echo{answer: answer})
	served := make(chan error, 1)
	go func() { served <- bare.Serve(l) }()
	defer func() { bare.Stop(); <-served }()
	direct, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	defer direct.Close()
	for _, c := range []struct {
		name string
		conn *grpc.ClientConn
	}{{"kept", w.conn}, {"echo", direct}} {
		b.Run(c.name, func(b *testing.B) {
			client := provisioningv1.NewBundleIdsServiceClient(c.conn)
			b.SetParallelism(16)
			defer processorTime(b)()
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					res, err := client.GetBundleId(ctx, &provisioningv1.GetBundleIdRequest{Id: "1"})
					if err != nil || res.GetBundleId().GetId() != "1" {
						b.Error(res, err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkInProcess shows what a cached read costs through the connection of use
// cases, beside the engine called directly and beside a call over loopback.
func BenchmarkInProcess(b *testing.B) {
	box, err := sandbox.Open(sandbox.World{})
	if err != nil {
		b.Fatal(err)
	}
	private, err := box.NewKey("KEY")
	if err != nil {
		b.Fatal(err)
	}
	w := serveWorld(b, box, httptest.NewServer(box), ringOf(private), Deps{CacheBytes: 1 << 20})
	g := w.gateway
	ctx := access.NewContext(context.Background(), &access.Principal{ID: access.Anonymous})
	ctx = inprocess.NewContext(ctx, inprocess.Call{Team: "team", Via: "bench"})
	inside := commercev1.NewTerritoriesServiceClient(inprocess.New(inner{g}, noop.NewTracerProvider()))
	outside := commercev1.NewTerritoriesServiceClient(w.conn)
	m := g.Engine.Lookup(commercev1.TerritoriesService_ListTerritories_FullMethodName)
	for _, c := range []struct {
		name string
		call func() error
	}{
		{"engine", func() error {
			_, err := g.Engine.Unary(ctx, "team", m, &commercev1.ListTerritoriesRequest{PageSize: 10})
			return err
		}},
		{"in process", func() error {
			_, err := inside.ListTerritories(ctx, &commercev1.ListTerritoriesRequest{PageSize: 10})
			return err
		}},
		{"loopback", func() error {
			_, err := outside.ListTerritories(context.Background(), &commercev1.ListTerritoriesRequest{PageSize: 10})
			return err
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := c.call(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
