package guard

import (
	"context"
	"log/slog"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Event tells of a call that has ended, in one record: who, what, how it ended,
// how long it took and what it cost. It names no resource.
func Event(ctx context.Context, log *slog.Logger, method, requestID string, begun time.Time, err error) {
	level, code, reason := slog.LevelInfo, "OK", ""
	if err != nil {
		f := fault.As(err)
		code, reason = f.Kind.String(), f.Reason
		if f.Kind == fault.Internal {
			level = slog.LevelError
		}
	}
	made := asc.MadeIn(ctx)
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		attributes := make([]attribute.KeyValue, 0, 5)
		for _, a := range [...][2]string{
			{"ascgateway.cache", made.Cache},
			{"ascgateway.key_id", made.KeyID},
			{"ascgateway.request_id", made.RequestID},
			{"ascgateway.reason", reason},
		} {
			if a[1] != "" {
				attributes = append(attributes, attribute.String(a[0], a[1]))
			}
		}
		if made.Attempts > 0 {
			attributes = append(attributes, attribute.Int64("ascgateway.waited_ms", made.Waited.Milliseconds()))
		}
		span.SetAttributes(attributes...)
		if level == slog.LevelError {
			span.SetStatus(codes.Error, reason)
		}
	}
	if !log.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 16)
	attrs = append(
		attrs,
		slog.String("method", method),
		slog.String("code", code),
		slog.Duration("duration", time.Since(begun)),
	)
	add := func(name, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(name, value))
		}
	}
	add("reason", reason)
	if who := access.FromContext(ctx); who != nil {
		add("principal", who.ID)
	}
	add("team", Team(ctx))
	add("class", asc.CallerOf(ctx).Priority)
	add("cache", made.Cache)
	add("request_id", clipped(requestID))
	if made.Attempts > 0 {
		add("key", made.KeyID)
		add("apple_request_id", made.RequestID)
		attrs = append(
			attrs,
			slog.Int("attempts", made.Attempts),
			slog.Duration("waited", made.Waited),
			slog.Int("remaining", made.Remaining),
		)
	}
	log.LogAttrs(ctx, level, "call", attrs...)
}

// maxRequestID bounds what a caller's x-request-id puts into the log.
const maxRequestID = 128

func clipped(s string) string {
	if len(s) > maxRequestID {
		return s[:maxRequestID]
	}
	return s
}
