package server

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestDeadlinesAreShaved(t *testing.T) {
	for left, kept := range map[time.Duration]bool{50 * time.Millisecond: false, 500 * time.Millisecond: true, time.Minute: true} {
		ctx, cancel := context.WithTimeout(t.Context(), left)
		defer cancel()
		shorter, stop, err := shaved(ctx)
		if (err == nil) != kept {
			t.Errorf("%v: %v", left, err)
			continue
		}
		if !kept {
			continue
		}
		defer stop()
		before, _ := ctx.Deadline()
		after, _ := shorter.Deadline()
		if d := before.Sub(after); d <= 0 || d > maxShave {
			t.Errorf("%v: answered %v before", left, d)
		}
	}
	if ctx, _, err := shaved(t.Context()); err != nil || ctx != t.Context() {
		t.Error("no deadline stays none")
	}
}

func TestPanicsAndPlainErrorsTellNothing(t *testing.T) {
	s := &Server{log: slog.New(slog.DiscardHandler)}
	for name, handler := range map[string]grpc.UnaryHandler{
		"panic": func(context.Context, any) (any, error) { panic("secret") },
		"error": func(context.Context, any) (any, error) { return nil, errors.New("secret") },
	} {
		_, err := s.unary(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: "/grpc.health.v1.Health/Check"}, handler)
		if st := status.Convert(err); st.Code() != codes.Internal || st.Message() != "internal error" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
