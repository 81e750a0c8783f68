package inprocess_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	quotav1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/quota/v1"
	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/usecase/inprocess"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is what the connection calls: it notes how it is called.
type server struct {
	ctx    context.Context
	method string
	answer proto.Message
	err    error
	header metadata.MD
	stream func(ctx context.Context, send func(proto.Message) error) error
}

func (s *server) Invoke(ctx context.Context, method string, req proto.Message) (proto.Message, error) {
	s.ctx, s.method = ctx, method
	if len(s.header) > 0 {
		_ = grpc.SetHeader(ctx, s.header)
	}
	if r, ok := req.(*quotav1.GetQuotaRequest); ok {
		r.Team = "changed inside"
	}
	return s.answer, s.err
}

func (s *server) Stream(ctx context.Context, method string, _ proto.Message, send func(proto.Message) error) error {
	s.ctx, s.method = ctx, method
	return s.stream(ctx, send)
}

// outer is the transport stream of an outer call.
type outer struct{ md metadata.MD }

func (o *outer) Method() string                  { return "/outer/Call" }
func (o *outer) SetHeader(md metadata.MD) error  { o.md = metadata.Join(o.md, md); return nil }
func (o *outer) SendHeader(md metadata.MD) error { return o.SetHeader(md) }
func (o *outer) SetTrailer(metadata.MD) error    { return nil }

func conn(s *server) (*inprocess.Conn, *tracetest.SpanRecorder) {
	spans := tracetest.NewSpanRecorder()
	return inprocess.New(s, trace.NewTracerProvider(trace.WithSpanProcessor(spans))), spans
}

// TestWhatGoesInwards: the principal by the context, and metadata that is made
// afresh.
func TestWhatGoesInwards(t *testing.T) {
	s := &server{answer: &quotav1.GetQuotaResponse{}}
	c, spans := conn(s)
	who := &access.Principal{ID: "token:ci"}
	ctx := access.NewContext(t.Context(), who)
	ctx = metadata.NewIncomingContext(ctx, metadata.Pairs("cache-control", "no-cache", "asc-priority", "interactive",
		"authorization", "Bearer secret", "asc-team", "other", "x-anything", "1"))
	ctx = inprocess.NewContext(ctx, inprocess.Call{Team: "team", Priority: "batch", Via: "operations/1"})
	req := &quotav1.GetQuotaRequest{Team: "mine"}
	if _, err := quotav1.NewQuotaServiceClient(c).GetQuota(ctx, req); err != nil {
		t.Fatal(err)
	}
	md, _ := metadata.FromIncomingContext(s.ctx)
	traceparent := md.Get("traceparent")
	md.Delete("traceparent")
	if fmt.Sprint(map[string][]string(md)) != "map[asc-priority:[batch] asc-team:[team]]" || len(traceparent) != 1 {
		t.Errorf("%v %v", md, traceparent)
	}
	if access.FromContext(s.ctx) != who || access.Via(s.ctx) != "operations/1" {
		t.Errorf("%v via %q", access.FromContext(s.ctx), access.Via(s.ctx))
	}
	if req.GetTeam() != "mine" {
		t.Error("the caller's own request was changed")
	}
	ended := spans.Ended()
	if len(ended) != 1 || ended[0].Name() != "ascgateway.quota.v1.QuotaService/GetQuota" ||
		!strings.Contains(traceparent[0], ended[0].SpanContext().SpanID().String()) {
		t.Errorf("%v", ended)
	}
	// An inner call of an inner call is made for the first one, not for the outer.
	inner := metadata.NewIncomingContext(s.ctx, metadata.MD{})
	if _, err := quotav1.NewQuotaServiceClient(c).GetQuota(inner, req); err != nil ||
		access.Via(s.ctx) == "operations/1" {
		t.Errorf("%v: the call within took the outer call's place", err)
	}
}

// TestWhatComesOutwards: a copy, headers only to who asked for them, and all
// details of errors.
func TestWhatComesOutwards(t *testing.T) {
	kept := &quotav1.GetQuotaResponse{Replicas: 3}
	s := &server{answer: kept, header: metadata.Pairs("asc-requests", "2", "asc-cache", "MISS")}
	c, _ := conn(s)
	seen := &outer{}
	requests := new(atomic.Int64)
	ctx := inprocess.NewContext(grpc.NewContextWithServerTransportStream(t.Context(), seen), inprocess.Call{Requests: requests})
	var header metadata.MD
	got, err := quotav1.NewQuotaServiceClient(c).GetQuota(ctx, &quotav1.GetQuotaRequest{}, grpc.Header(&header))
	if err != nil {
		t.Fatal(err)
	}
	got.Replicas = 9
	if kept.GetReplicas() != 3 {
		t.Error("an answer that is kept was changed")
	}
	if len(seen.md) != 0 || fmt.Sprint(header["asc-cache"]) != "[MISS]" || requests.Load() != 2 {
		t.Errorf("outside %v, asked for %v, counted %d", seen.md, header, requests.Load())
	}
	f := fault.Invalid("x", "wrong")
	for i := range 200 {
		f.Violations = append(
			f.Violations,
			fault.Violation{Field: fmt.Sprintf("field_%d", i), Description: strings.Repeat("d", 50)},
		)
	}
	s.err, s.answer = f, nil
	_, err = quotav1.NewQuotaServiceClient(c).GetQuota(ctx, &quotav1.GetQuotaRequest{})
	violations := 0
	for _, d := range status.Convert(err).Details() {
		if b, ok := d.(*errdetails.BadRequest); ok {
			violations += len(b.GetFieldViolations())
		}
	}
	if status.Code(err) != codes.InvalidArgument || violations != 201 {
		t.Errorf("%v with %d violations", status.Code(err), violations)
	}
}

// TestDeadlines reach the inner call as they are.
func TestDeadlines(t *testing.T) {
	s := &server{answer: &quotav1.GetQuotaResponse{}}
	c, _ := conn(s)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := quotav1.NewQuotaServiceClient(c).GetQuota(ctx, &quotav1.GetQuotaRequest{}); err != nil {
		t.Fatal(err)
	}
	want, _ := ctx.Deadline()
	if got, ok := s.ctx.Deadline(); !ok || !got.Equal(want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestStreams: a message is made when the one before was taken, and the end comes
// with its error.
func TestStreams(t *testing.T) {
	var made atomic.Int64
	s := &server{stream: func(_ context.Context, send func(proto.Message) error) error {
		for range 5 {
			made.Add(1)
			if err := send(&quotav1.WatchQuotaResponse{Replicas: int32(made.Load())}); err != nil {
				return err
			}
		}
		return fault.New(fault.Unavailable, "OVER", "it is over")
	}}
	c, spans := conn(s)
	stream, err := quotav1.NewQuotaServiceClient(c).WatchQuota(t.Context(), &quotav1.WatchQuotaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		time.Sleep(20 * time.Millisecond)
		if n := made.Load(); n > int64(i+1) {
			t.Errorf("%d messages were made while %d were taken", n, i)
		}
		got, err := stream.Recv()
		if err != nil || got.GetReplicas() != int32(i+1) {
			t.Fatal(got, err)
		}
	}
	if _, err := stream.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("%v", err)
	}
	if len(spans.Ended()) != 1 {
		t.Errorf("%d spans", len(spans.Ended()))
	}
}

// TestAStreamEndsWithItsCaller, whether that reads or not; goleak sees what stays.
func TestAStreamEndsWithItsCaller(t *testing.T) {
	over := make(chan error, 1)
	s := &server{stream: func(ctx context.Context, send func(proto.Message) error) error {
		for {
			if err := send(&quotav1.WatchQuotaResponse{}); err != nil {
				over <- err
				return err
			}
		}
	}}
	c, _ := conn(s)
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := quotav1.NewQuotaServiceClient(c).WatchQuota(ctx, &quotav1.WatchQuotaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	cancel()
	<-over
	for {
		if _, err := stream.Recv(); err != nil {
			if status.Code(err) != codes.Canceled {
				t.Errorf("%v", err)
			}
			break
		}
	}
	// One that ends well ends with EOF.
	s.stream = func(context.Context, func(proto.Message) error) error { return nil }
	stream, err = quotav1.NewQuotaServiceClient(c).WatchQuota(t.Context(), &quotav1.WatchQuotaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != io.EOF {
		t.Errorf("%v", err)
	}
}

// TestOnlyWhatIsServed: streams of the client's are refused.
func TestOnlyWhatIsServed(t *testing.T) {
	c, _ := conn(&server{})
	_, err := c.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true}, "/a/B")
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("%v", err)
	}
}
