//go:build conformance

// Package conformance calls every operation over gRPC and over REST, through
// the real servers, while a third-party OpenAPI validator (kin-openapi) judges
// both directions of every exchange with the sandbox against Apple's document.
package conformance

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access/restrict"
	"github.com/asc-gateway/asc-gateway/internal/apispec"
	"github.com/asc-gateway/asc-gateway/internal/gateway"
	"github.com/asc-gateway/asc-gateway/internal/keys"
	"github.com/asc-gateway/asc-gateway/internal/keys/filekey"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"github.com/asc-gateway/asc-gateway/sandbox"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// judge validates what passes through it.
type judge struct {
	next   http.Handler
	doc    *openapi3.T
	router routers.Router

	mu         sync.Mutex
	violations map[string]bool
	exchanges  int
	operations map[string]int
}

func newJudge(t *testing.T, next http.Handler) *judge {
	t.Helper()
	patches, err := os.ReadFile("../../spec/patches.yaml")
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := apispec.ParsePatches(patches)
	if err != nil {
		t.Fatal(err)
	}
	spec := os.Getenv("ASC_SPEC")
	if spec == "" {
		t.Fatal("ASC_SPEC names no document: make conformance SPEC=FILE")
	}
	doc, _, err := apispec.ReadFile(spec, parsed)
	if err != nil {
		t.Fatal(err)
	}
	b, err := doc.Patched()
	if err != nil {
		t.Fatal(err)
	}
	openAPI, err := openapi3.NewLoader().LoadFromData(b)
	if err != nil {
		t.Fatal(err)
	}
	openAPI.Servers = nil
	closeObjects(openAPI)
	router, err := gorillamux.NewRouter(openAPI)
	if err != nil {
		t.Fatal(err)
	}
	for ct := range mediaTypes(openAPI) {
		switch {
		case strings.HasSuffix(ct, "+json"):
			openapi3filter.RegisterBodyDecoder(ct, openapi3filter.JSONBodyDecoder)
		case ct != "application/json":
			openapi3filter.RegisterBodyDecoder(ct, openapi3filter.FileBodyDecoder)
		}
	}
	return &judge{next: next, doc: openAPI, router: router, violations: map[string]bool{}, operations: map[string]int{}}
}

func (j *judge) violate(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	text := fmt.Sprintf(format, args...)
	if len(text) > 700 {
		text = text[:700]
	}
	j.violations[text] = true
}

func (j *judge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/_sandbox/") {
		j.next.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		j.violate("%s %s: %v", r.Method, r.URL.Path, err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	route, params, err := j.router.FindRoute(r)
	if err != nil {
		j.violate("%s %s: %v", r.Method, r.URL.Path, err)
		j.next.ServeHTTP(w, r)
		return
	}
	id := route.Operation.OperationID
	for name := range r.URL.Query() {
		if name != "cursor" && route.Operation.Parameters.GetByInAndName("query", name) == nil {
			j.violate("%s: request: parameter %s is not documented", id, name)
		}
	}
	in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route, Options: &openapi3filter.Options{
		AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true}}
	if err := openapi3filter.ValidateRequest(r.Context(), in); err != nil {
		j.violate("%s: request: %v", id, err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	rec := httptest.NewRecorder()
	j.next.ServeHTTP(rec, r)
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: rec.Code, Header: rec.Header(), Options: in.Options}
	out.SetBodyBytes(rec.Body.Bytes())
	if err := openapi3filter.ValidateResponse(r.Context(), out); err != nil {
		j.violate("%s: response %d: %v", id, rec.Code, err)
	}
	if rec.Code/100 != 2 {
		j.violate("%s: the sandbox refused: %d %s\n  request: %s %s", id, rec.Code, rec.Body.String(), r.URL.RawQuery, body)
	}
	j.mu.Lock()
	j.exchanges++
	j.operations[id]++
	j.mu.Unlock()
	for k, v := range rec.Header() {
		w.Header()[k] = v
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

type bench struct {
	judge   *judge
	sandbox *sandbox.Sandbox
	gateway *gateway.Gateway
	conn    *grpc.ClientConn
	rest    string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	s, err := sandbox.Open(sandbox.World{NoRules: true, HourLimit: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	private, err := s.NewKey("KEY")
	if err != nil {
		t.Fatal(err)
	}
	j := newJudge(t, s)
	upstream := httptest.NewServer(j)
	t.Cleanup(upstream.Close)
	log := slog.New(slog.DiscardHandler)
	ring := keys.NewRing(map[string][]keys.Credential{"team": {{ID: "KEY", Key: filekey.FromPrivate("KEY", private), Issuer: sandbox.DefaultIssuer}}}, time.Now, log, nil)
	t.Cleanup(ring.Close)
	g, err := gateway.New(gateway.Deps{BaseURL: upstream.URL, Ring: ring, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = g.Server.GRPC().Serve(l) }()
	t.Cleanup(g.Server.GRPC().Stop)
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	edge := httptest.NewServer(g.REST)
	t.Cleanup(edge.Close)
	return &bench{j, s, g, conn, edge.URL}
}

func TestEveryOperation(t *testing.T) {
	b := newBench(t)
	overGRPC, overREST := 0, 0
	for _, m := range b.gateway.Engine.Methods() {
		for _, v := range []variant{minimal, narrowed, widened} {
			b.sandbox.Reset()
			req := b.generator().request(m, v)
			if err := b.overGRPC(m, req); err != nil {
				t.Errorf("gRPC %s (%s): %v", m.Options.GetOperationId(), v, err)
			}
			b.sandbox.Reset()
			if err := b.overREST(m, req, v); err != nil {
				t.Errorf("REST %s (%s): %v", m.Options.GetOperationId(), v, err)
			}
			overGRPC, overREST = overGRPC+1, overREST+1
		}
	}
	list := make([]string, 0, len(b.judge.violations))
	for v := range b.judge.violations {
		list = append(list, v)
	}
	slices.Sort(list)
	for i, v := range list {
		if i < 60 {
			t.Errorf("violation: %s", v)
		}
	}
	if n := b.gateway.Drifted(); n != 0 {
		t.Errorf("%d things in extra", n)
	}
	total := 0
	for _, item := range b.judge.doc.Paths.Map() {
		total += len(item.Operations())
	}
	if len(b.judge.operations) != total {
		t.Errorf("%d of %d operations reached the sandbox", len(b.judge.operations), total)
	}
	t.Logf("%d methods, %d calls over gRPC, %d over REST; %d of %d operations; kin-openapi judged %d exchanges: %d violations; in extra: %d",
		len(b.gateway.Engine.Entries), overGRPC, overREST, len(b.judge.operations), total, b.judge.exchanges, len(list), b.gateway.Drifted())
}

// TestLookUps lets the validator judge what is asked of Apple to find out whose
// things are: every call that a caller may make who is kept to an app.
func TestLookUps(t *testing.T) {
	var j *judge
	a := newApps(t, func(a *apps) http.Handler { j = newJudge(t, a.sandbox); return j })
	table, err := restrict.New(gateway.Methods(a.gateway.Engine.Entries))
	if err != nil {
		t.Fatal(err)
	}
	a.allowed(t, table)
	for v := range j.violations {
		t.Errorf("violation: %s", v)
	}
	t.Logf("kin-openapi judged %d exchanges: %d violations", j.exchanges, len(j.violations))
}

// generator names the oldest object of every type.
func (b *bench) generator() *generator {
	return &generator{doc: b.judge.doc, id: func(typ string) string {
		if ids := b.sandbox.IDs(typ); len(ids) > 0 {
			return ids[0]
		}
		return "no-" + typ
	}}
}

func (b *bench) overGRPC(m *service.Method, req proto.Message) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if !m.Stream {
		res := m.Output.New().Interface()
		if err := b.conn.Invoke(ctx, m.FullName, req, res); err != nil {
			return err
		}
		return holdsData(m, res.ProtoReflect())
	}
	stream, err := b.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, m.FullName)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(req); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	parts := 0
	for ; ; parts++ {
		part := m.Output.New().Interface()
		if err := stream.RecvMsg(part); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
	}
	if parts < 2 {
		return fmt.Errorf("%d parts", parts)
	}
	return nil
}

// holdsData says whether a single resource is there where one is expected.
func holdsData(m *service.Method, res protoreflect.Message) error {
	if strings.HasSuffix(m.Options.GetShape().String(), "INSTANCE") && m.Options.GetStatus() < 204 && m.Verb != "DELETE" {
		has := false
		res.Range(func(protoreflect.FieldDescriptor, protoreflect.Value) bool { has = true; return false })
		if !has {
			return fmt.Errorf("the answer is empty")
		}
	}
	return nil
}

// overREST sends Apple's own query syntax, made from Apple's document.
func (b *bench) overREST(m *service.Method, req proto.Message, v variant) error {
	path := m.Template
	if id := m.Desc.Input().Fields().ByName("id"); id != nil {
		path = strings.Replace(path, "{id}", url.PathEscape(req.ProtoReflect().Get(id).String()), 1)
	}
	op := b.judge.doc.Paths.Value(m.Template).GetOperation(m.Verb)
	var body io.Reader
	if m.HasBody {
		clone := proto.Clone(req)
		if id := m.Desc.Input().Fields().ByName("id"); id != nil {
			clone.ProtoReflect().Clear(id)
		}
		text, err := protojson.Marshal(clone)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequest(m.Verb, b.rest+path+"?"+documentedQuery(op, v), body)
	if err != nil {
		return err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %.600s", res.Status, text)
	}
	return nil
}
