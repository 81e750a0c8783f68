package telemetry

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/outbound"
	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"
)

func (t *Telemetry) startLogs(ctx context.Context, about *resource.Resource) error {
	if !wanted("LOGS") {
		return nil
	}
	protocol, is, err := otlp("LOGS")
	if err != nil {
		return err
	}
	var exporter sdklog.Exporter
	if is {
		exporter, err = logsTo(ctx, protocol)
	} else {
		exporter, err = autoexport.NewLogExporter(ctx)
	}
	if err != nil {
		return err
	}
	exporter = quietLogs{exporter, secrets()}
	t.logs = sdklog.NewLoggerProvider(sdklog.WithResource(about), sdklog.WithProcessor(sdklog.NewBatchProcessor(exporter)))
	t.close = append(t.close, t.logs.Shutdown)
	return nil
}

// Handler writes records with the ids of their traces, and passes them on by
// OTLP where that is asked for. What goes wrong with exporters is written there
// too, but is not passed on: three lines at once, then one in ten seconds.
func (t *Telemetry) Handler(next slog.Handler) slog.Handler {
	h := &traced{next: next}
	log, limit := slog.New(next), rate.NewLimiter(rate.Every(10*time.Second), 3)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		if limit.Allow() {
			log.Warn("telemetry was not sent", "error", outbound.Told(err, secrets()...))
		}
	}))
	if t.logs != nil {
		h.also = otelslog.NewHandler(Scope, otelslog.WithLoggerProvider(t.logs))
	}
	return h
}

// traced adds trace_id and span_id.
type traced struct {
	next slog.Handler
	also slog.Handler // nil: none
}

// Enabled implements [slog.Handler].
func (h *traced) Enabled(ctx context.Context, l slog.Level) bool { return h.next.Enabled(ctx, l) }

// Handle implements [slog.Handler].
func (h *traced) Handle(ctx context.Context, r slog.Record) error {
	var err error
	if h.also != nil {
		err = h.also.Handle(ctx, r.Clone())
	}
	if s := trace.SpanContextFromContext(ctx); s.IsValid() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", s.TraceID().String()), slog.String("span_id", s.SpanID().String()))
	}
	return errors.Join(err, h.next.Handle(ctx, r))
}

// WithAttrs implements [slog.Handler].
func (h *traced) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.with(func(x slog.Handler) slog.Handler { return x.WithAttrs(attrs) })
}

// WithGroup implements [slog.Handler].
func (h *traced) WithGroup(name string) slog.Handler {
	return h.with(func(x slog.Handler) slog.Handler { return x.WithGroup(name) })
}

func (h *traced) with(f func(slog.Handler) slog.Handler) slog.Handler {
	out := &traced{next: f(h.next)}
	if h.also != nil {
		out.also = f(h.also)
	}
	return out
}
