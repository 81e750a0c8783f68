package service

import (
	"errors"

	"buf.build/go/protovalidate"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// invalid turns protovalidate's findings into ours. A required field whose value
// is told by extra is not missing.
func invalid(err error, msg protoreflect.Message) error {
	var v *protovalidate.ValidationError
	if !errors.As(err, &v) {
		return err
	}
	out := fault.New(fault.InvalidArgument, fault.ReasonInvalidRequest, "the request is not valid")
	for _, x := range v.Violations {
		if x.Proto.GetRuleId() == "required" && excused(msg, x) {
			continue
		}
		path, what := protovalidate.FieldPathString(x.Proto.GetField()), x.Proto.GetMessage()
		if out.Violations == nil {
			out.Message = path + ": " + what
		}
		out.Violations = append(out.Violations, fault.Violation{Field: path, Description: what})
	}
	if out.Violations == nil {
		return nil
	}
	return out
}

// excused says whether a required field that is missing is told by extra of its
// message.
func excused(msg protoreflect.Message, v *protovalidate.Violation) bool {
	elements := v.Proto.GetField().GetElements()
	for i, el := range elements {
		fd := msg.Descriptor().Fields().ByNumber(protoreflect.FieldNumber(el.GetFieldNumber()))
		switch {
		case fd == nil:
			return false
		case i == len(elements)-1:
			return toldByExtra(msg, fd)
		case fd.Message() == nil || fd.IsMap():
			return false
		case fd.IsList():
			list, at := msg.Get(fd).List(), int(el.GetIndex())
			if at >= list.Len() {
				return false
			}
			msg = list.Get(at).Message()
		default:
			msg = msg.Get(fd).Message()
		}
	}
	return false
}
