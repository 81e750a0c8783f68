// Command dev receives traces by OTLP/gRPC and prints each as a tree: a collector
// for trying things out.
//
//	go run ./internal/telemetry/dev 127.0.0.1:4317
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
)

func main() {
	address := "127.0.0.1:4317"
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	s := grpc.NewServer()
	collector.RegisterTraceServiceServer(s, &receiver{})
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, s.Stop)
	fmt.Println("OTLP/gRPC on", l.Addr())
	if err := s.Serve(l); err != nil {
		log.Fatal(err)
	}
}

// receiver prints what it is sent.
type receiver struct {
	collector.UnimplementedTraceServiceServer
	mu sync.Mutex
}

// Export implements the RPC.
func (r *receiver) Export(
	_ context.Context,
	req *collector.ExportTraceServiceRequest,
) (*collector.ExportTraceServiceResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	byTrace := map[string][]*trace.Span{}
	for _, rs := range req.GetResourceSpans() {
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				byTrace[fmt.Sprintf("%x", s.GetTraceId())] = append(byTrace[fmt.Sprintf("%x", s.GetTraceId())], s)
			}
		}
	}
	for id, spans := range byTrace {
		fmt.Println("trace", id)
		slices.SortFunc(
			spans,
			func(a, b *trace.Span) int { return cmp.Compare(a.GetStartTimeUnixNano(), b.GetStartTimeUnixNano()) },
		)
		known := map[string]bool{}
		for _, s := range spans {
			known[string(s.GetSpanId())] = true
		}
		for _, s := range spans {
			if !known[string(s.GetParentSpanId())] {
				print(spans, s, "  ")
			}
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

// print writes a span and what is below it.
func print(all []*trace.Span, s *trace.Span, indent string) {
	took := time.Duration(s.GetEndTimeUnixNano() - s.GetStartTimeUnixNano())
	fmt.Printf("%s%s  %v  %s\n", indent, s.GetName(), took.Round(10*time.Microsecond), attributes(s.GetAttributes()))
	for _, e := range s.GetEvents() {
		fmt.Printf("%s  · %s %s\n", indent, e.GetName(), attributes(e.GetAttributes()))
	}
	for _, child := range all {
		if string(child.GetParentSpanId()) == string(s.GetSpanId()) {
			print(all, child, indent+"    ")
		}
	}
}

func attributes(list []*common.KeyValue) string {
	var out []string
	for _, a := range list {
		v := a.GetValue()
		text := v.GetStringValue()
		if _, ok := v.GetValue().(*common.AnyValue_IntValue); ok {
			text = fmt.Sprint(v.GetIntValue())
		}
		if text != "" && text != "0" {
			out = append(out, a.GetKey()+"="+text)
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}
