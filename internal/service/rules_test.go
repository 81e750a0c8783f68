package service

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"buf.build/go/protovalidate"
	tokensv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/tokens/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// TestRulesAsProtovalidate sends wrong requests of every method to the rules and
// to protovalidate: both must find the same, in the same order.
func TestRulesAsProtovalidate(t *testing.T) {
	judge, err := protovalidate.New()
	if err != nil {
		t.Fatal(err)
	}
	entries, _, err := Entries()
	if err != nil {
		t.Fatal(err)
	}
	wrong := 0
	for _, e := range entries {
		m, err := e.Plan()
		if err != nil {
			t.Fatal(err)
		}
		for _, values := range []struct {
			name  string
			text  string
			n     int64
			depth int
		}{
			{"nothing", "", 0, 0},
			{"good values", "x", 1, 5},
			{"empty values", "", 0, 3},
			{"values that are too large", strings.Repeat("x", 70_000), 1 << 30, 3},
			{"negative values", "x", -1, 3},
		} {
			req := m.Input.New()
			fillAll(req, values.text, values.n, values.depth)
			got, want := foundBy(m.rules.check(req)), judged(t, judge, req.Interface())
			if !slices.Equal(got, want) {
				t.Errorf("%s, %s:\n%q\nprotovalidate:\n%q", m.FullName, values.name, got, want)
			}
			wrong += len(want)
		}
	}
	if wrong < 1000 {
		t.Errorf("only %d violations: the requests are not wrong enough", wrong)
	}
	t.Logf("%d violations in requests of %d methods", wrong, len(entries))
}

// fillAll sets every field, as deep as it says.
func fillAll(m protoreflect.Message, text string, n int64, depth int) {
	if depth == 0 {
		return
	}
	for i := range m.Descriptor().Fields().Len() {
		fd := m.Descriptor().Fields().Get(i)
		switch {
		case fd.IsMap() && fd.MapValue().Message() != nil:
			v := m.Mutable(fd).Map().NewValue()
			fillAll(v.Message(), text, n, depth-1)
			m.Mutable(fd).Map().Set(protoreflect.ValueOfString("k").MapKey(), v)
		case fd.IsMap():
		case fd.IsList() && fd.Message() != nil:
			fillAll(m.Mutable(fd).List().AppendMutable().Message(), text, n, depth-1)
			m.Mutable(fd).List().AppendMutable()
		case fd.IsList():
		case fd.Message() != nil:
			fillAll(m.Mutable(fd).Message(), text, n, depth-1)
		case fd.Kind() == protoreflect.StringKind:
			m.Set(fd, protoreflect.ValueOfString(text))
		case fd.Kind() == protoreflect.Int32Kind:
			m.Set(fd, protoreflect.ValueOfInt32(int32(n)))
		case fd.Kind() == protoreflect.Int64Kind:
			m.Set(fd, protoreflect.ValueOfInt64(n))
		}
	}
}

func foundBy(err error) (list []string) {
	if err == nil {
		return nil
	}
	for _, v := range fault.As(err).Violations {
		list = append(list, v.Field+": "+v.Description)
	}
	return list
}

func judged(t *testing.T, judge protovalidate.Validator, req proto.Message) (list []string) {
	err := judge.Validate(req)
	var v *protovalidate.ValidationError
	if err != nil && !errors.As(err, &v) {
		t.Fatal(err)
	}
	if v == nil {
		return nil
	}
	for _, x := range v.Violations {
		list = append(list, protovalidate.FieldPathString(x.Proto.GetField())+": "+x.Proto.GetMessage())
	}
	return list
}

// TestRulesUnknown refuses a rule that is not known, instead of not checking it.
func TestRulesUnknown(t *testing.T) {
	_, err := newRules((&tokensv1.MintTokenRequest{}).ProtoReflect().Descriptor(), map[protoreflect.FullName]*rules{})
	if err == nil || !strings.Contains(err.Error(), "has a rule that is not known here") {
		t.Errorf("%v", err)
	}
}
