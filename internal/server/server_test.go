package server

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access/authn"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/guard"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/structpb"
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

// stranger is a stream of a caller that nobody knows.
type stranger struct{ grpc.ServerStream }

func (stranger) Context() context.Context { return context.Background() }

func TestPanicsAndPlainErrorsTellNothing(t *testing.T) {
	a, err := authn.New(authn.Config{}, authn.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	s := &Server{log: log, guard: guard.New(guard.Deps{Authn: a, Log: log})}
	for name, handler := range map[string]grpc.StreamHandler{
		"panic": func(any, grpc.ServerStream) error { panic("secret") },
		"error": func(any, grpc.ServerStream) error { return errors.New("secret") },
	} {
		err := s.stream(nil, stranger{}, "/grpc.health.v1.Health/Check", grpc.StreamDesc{}, handler)
		if st := status.Convert(err); st.Code() != codes.Internal || st.Message() != "internal error" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestElementsAreCounted holds small messages that would be large in memory.
func TestElementsAreCounted(t *testing.T) {
	list := func(n int) []byte { return bytes.Repeat([]byte{0x0a, 0x00}, n) } // n empty messages or strings in field 1
	nested := []byte{}
	for range maxDepth + 1 {
		nested = protowire.AppendBytes(protowire.AppendTag(nil, 6, protowire.BytesType), // list_value
			protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), nested)) // values
	}
	for _, c := range []struct {
		name string
		wire []byte
		into proto.Message
		want string
	}{
		{"within", list(MaxElements), &structpb.ListValue{}, ""},
		{"too many messages", list(MaxElements + 1), &structpb.ListValue{}, fault.ReasonTooManyElements},
		{"too many strings", list(MaxElements + 1), &fieldmaskpb.FieldMask{}, fault.ReasonTooManyElements},
		{"too many unknown fields", bytes.Repeat([]byte{0xf8, 0x01, 0x00}, MaxElements+1), &structpb.ListValue{}, fault.ReasonTooManyElements},
		{"too deep", nested, &structpb.Value{}, fault.ReasonTooManyElements},
		{"cut short", []byte{0x0a, 0x05}, &structpb.ListValue{}, fault.ReasonInvalidRequest},
	} {
		b := &bounded{Message: c.into}
		err := newCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(c.wire)}, b)
		if err != nil || reasonOf(b.err) != c.want {
			t.Errorf("%s: %v, %v, want %q", c.name, err, b.err, c.want)
		}
	}
}

func reasonOf(err error) string {
	if err == nil {
		return ""
	}
	return fault.As(err).Reason
}

func FuzzCount(f *testing.F) {
	f.Add([]byte{0x0a, 0x02, 0x1a, 0x00})
	f.Fuzz(func(t *testing.T, b []byte) {
		left := MaxElements
		err := count(b, (&structpb.ListValue{}).ProtoReflect().Descriptor(), &left, maxDepth)
		if err == nil && proto.Unmarshal(b, &structpb.ListValue{}) == nil && left < MaxElements-len(b) {
			t.Errorf("%d elements in %d bytes", MaxElements-left, len(b))
		}
	})
}
