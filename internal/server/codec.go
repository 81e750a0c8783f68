package server

import (
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec that is bounded here
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// Bounds on a request message, beside its bytes: an empty submessage takes two
// bytes on the wire and a hundred in memory.
const (
	MaxElements = 20_000 // fields set, list elements and map entries, nested ones included
	maxDepth    = 100
)

// bounded is a message that is read within bounds.
type bounded struct {
	proto.Message
	err error // why it was not
}

// codec is gRPC's for protobuf, which counts the elements of a [bounded] message
// before it makes any.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2("proto")} }

// Unmarshal implements [encoding.CodecV2]. Why a message was not read stands in
// it: an error of a codec's would reach the caller as INTERNAL.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	into, ok := v.(*bounded)
	if !ok {
		return c.CodecV2.Unmarshal(data, v)
	}
	b := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer b.Free()
	left := MaxElements
	if into.err = count(b.ReadOnlyData(), into.ProtoReflect().Descriptor(), &left, maxDepth); into.err != nil {
		return nil
	}
	if err := proto.Unmarshal(b.ReadOnlyData(), into.Message); err != nil {
		into.err = fault.New(
			fault.InvalidArgument,
			fault.ReasonInvalidRequest,
			"the message cannot be decoded",
		).WithCause(
			err,
		)
	}
	return nil
}

// count takes the elements of an encoded message from what is left. What is no
// valid message is left to the decoder.
func count(b []byte, md protoreflect.MessageDescriptor, left *int, depth int) error {
	if depth == 0 {
		return fault.New(fault.InvalidArgument, fault.ReasonTooManyElements, "the message is nested deeper than %d", maxDepth)
	}
	fields := md.Fields()
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil
		}
		if *left--; *left < 0 {
			return tooMany()
		}
		b = b[n:]
		if kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(number, kind, b); n < 0 {
				return nil
			}
			b = b[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(b)
		if n < 0 {
			return nil
		}
		b = b[n:]
		fd := fields.ByNumber(number)
		switch {
		case fd == nil:
		case fd.Message() != nil:
			if err := count(value, fd.Message(), left, depth-1); err != nil {
				return err
			}
		case fd.IsList() && fd.Kind() != protoreflect.StringKind && fd.Kind() != protoreflect.BytesKind:
			if *left -= len(value) / 8; *left < 0 { // a packed list: at most eight times its bytes in memory
				return tooMany()
			}
		}
	}
	return nil
}

func tooMany() error {
	return fault.New(
		fault.InvalidArgument,
		fault.ReasonTooManyElements,
		"the message has more than %d elements",
		MaxElements,
	)
}
