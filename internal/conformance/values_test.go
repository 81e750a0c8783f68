package conformance

import (
	"time"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
)

var moment = time.Date(2026, 1, 28, 6, 1, 32, 745_000_000, time.UTC)

// scalar is a valid value of a field that holds no message.
func scalar(fd protoreflect.FieldDescriptor) protoreflect.Value {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(1)
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(1)
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(1.5)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(2)
	}
	switch optionsOf(fd).GetFormat() {
	case optionsv1.Format_FORMAT_DATE:
		return protoreflect.ValueOfString("2026-01-28")
	case optionsv1.Format_FORMAT_DECIMAL:
		return protoreflect.ValueOfString("1.50")
	case optionsv1.Format_FORMAT_DURATION:
		return protoreflect.ValueOfString("P7D")
	case optionsv1.Format_FORMAT_URI:
		return protoreflect.ValueOfString("https://example.com/a?b=c")
	case optionsv1.Format_FORMAT_EMAIL:
		return protoreflect.ValueOfString("someone@example.com")
	}
	return protoreflect.ValueOfString("some \"text\" & <more> – ünïcode")
}
