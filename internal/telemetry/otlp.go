package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/files"
	"github.com/asc-gateway/asc-gateway/internal/outbound"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
)

// Bounds of a collector's answers.
const (
	maxAnswerBytes      = 64 << 10
	maxHeaderBytes      = 64 << 10 // over gRPC; over HTTP net/http's own bound holds
	maxCertificateBytes = 1 << 20
)

// otlp says whether a signal goes to a collector by OTLP, and by which protocol:
// grpc or http/protobuf.
func otlp(signal string) (protocol string, is bool, err error) {
	if v := os.Getenv("OTEL_" + signal + "_EXPORTER"); v != "" && v != "otlp" {
		return "", false, nil
	}
	if err := readable(signal); err != nil {
		return "", true, err
	}
	switch protocol = variable(signal, "PROTOCOL"); protocol {
	case "":
		return "http/protobuf", true, nil
	case "grpc", "http/protobuf":
		return protocol, true, nil
	}
	return "", true, errors.New("OTEL_EXPORTER_OTLP_PROTOCOL: want grpc or http/protobuf")
}

// variable is OTEL_EXPORTER_OTLP_… of a signal, or of all.
func variable(signal, name string) string {
	if v := os.Getenv("OTEL_EXPORTER_OTLP_" + signal + "_" + name); v != "" {
		return v
	}
	return os.Getenv("OTEL_EXPORTER_OTLP_" + name)
}

// readable reads the files that a signal's variables name once, so that the
// exporters do not wait for one that is a FIFO.
func readable(signal string) error {
	for _, name := range []string{"CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY"} {
		if file := variable(signal, name); file != "" {
			if _, err := files.Read(file, maxCertificateBytes); err != nil {
				return fmt.Errorf("OTEL_EXPORTER_OTLP_%s: %w", name, err)
			}
		}
	}
	return nil
}

var errRedirect = errors.New("telemetry: a redirect is not followed")

// straight is asked before each request is sent: it names no proxy, whatever
// HTTP_PROXY and its kin say, and stops redirects. They would carry the headers
// of OTEL_EXPORTER_OTLP_HEADERS to another host.
func straight(r *http.Request) (*url.URL, error) {
	if r.Response != nil { // the answer that redirects
		return nil, errRedirect
	}
	return nil, nil
}

// dialing are the options of gRPC exporters.
func dialing() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithNoProxy(),
		grpc.WithMaxHeaderListSize(maxHeaderBytes),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswerBytes)),
	}
}

func spansTo(ctx context.Context, protocol string) (sdktrace.SpanExporter, error) {
	if protocol == "grpc" {
		return otlptracegrpc.New(ctx, otlptracegrpc.WithDialOption(dialing()...))
	}
	return otlptracehttp.New(ctx, otlptracehttp.WithProxy(straight), otlptracehttp.WithMaxResponseSize(maxAnswerBytes))
}

func metricsTo(ctx context.Context, protocol string) (sdkmetric.Exporter, error) {
	if protocol == "grpc" {
		return otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithDialOption(dialing()...))
	}
	return otlpmetrichttp.New(ctx, otlpmetrichttp.WithProxy(straight), otlpmetrichttp.WithMaxResponseSize(maxAnswerBytes))
}

func logsTo(ctx context.Context, protocol string) (sdklog.Exporter, error) {
	if protocol == "grpc" {
		return otlploggrpc.New(ctx, otlploggrpc.WithDialOption(dialing()...))
	}
	return otlploghttp.New(ctx, otlploghttp.WithProxy(straight), otlploghttp.WithMaxResponseSize(maxAnswerBytes))
}

// secrets are the values of the headers that go to collectors.
func secrets() (list []string) {
	for _, signal := range []string{"", "TRACES_", "METRICS_", "LOGS_"} {
		for pair := range strings.SplitSeq(os.Getenv("OTEL_EXPORTER_OTLP_"+signal+"HEADERS"), ",") {
			_, value, _ := strings.Cut(pair, "=")
			value = strings.TrimSpace(value)
			list = append(list, value)
			if plain, err := url.PathUnescape(value); err == nil {
				list = append(list, plain)
			}
		}
	}
	return list
}

// The exporters whose errors hold no header's value: a collector may send back
// what it was sent, and its answer is part of the error.

type quietSpans struct {
	sdktrace.SpanExporter
	secrets []string
}

// ExportSpans implements [sdktrace.SpanExporter].
func (q quietSpans) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	return outbound.Told(q.SpanExporter.ExportSpans(ctx, spans), q.secrets...)
}

type quietMetrics struct {
	sdkmetric.Exporter
	secrets []string
}

// Export implements [sdkmetric.Exporter].
func (q quietMetrics) Export(ctx context.Context, m *metricdata.ResourceMetrics) error {
	return outbound.Told(q.Exporter.Export(ctx, m), q.secrets...)
}

type quietLogs struct {
	sdklog.Exporter
	secrets []string
}

// Export implements [sdklog.Exporter].
func (q quietLogs) Export(ctx context.Context, records []sdklog.Record) error {
	return outbound.Told(q.Exporter.Export(ctx, records), q.secrets...)
}
