package uploads

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	typesv1 "github.com/asc-gateway/asc-gateway/gen/asc/types/v1"
	uploadsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/uploads/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

var kindsOnce = sync.OnceValues(findKinds)

// StartOf makes a start of words, such as a query has: type is the JSON:API type
// ("builds" for a build), waitFor, strict, sha256, md5, resumeToken and offset are of
// the start, all others are attributes of the resource, and relationships with the
// id of what they name. The file's size is length, where fileSize does not say it.
func StartOf(words url.Values, length int64) (*uploadsv1.UploadStart, error) {
	all, err := kindsOnce()
	if err != nil {
		return nil, err
	}
	start := &uploadsv1.UploadStart{ResumeToken: words.Get("resumeToken"), Sha256: words.Get("sha256"), Md5: words.Get("md5")}
	if start.Strict, err = truth("strict", words.Get("strict")); err != nil {
		return nil, err
	}
	if w := words.Get("waitFor"); w != "" {
		n, ok := uploadsv1.WaitForEnum_WaitFor_value[w]
		if !ok || n == 0 {
			return nil, fault.Invalid("waitFor", "want COMMITTED or PROCESSED")
		}
		start.WaitFor = uploadsv1.WaitForEnum_WaitFor(n)
	}
	rest := url.Values{}
	for name, values := range words {
		switch {
		case len(values) > 1:
			return nil, fault.Invalid(name, "stands twice")
		case !slices.Contains([]string{"type", "waitFor", "strict", "sha256", "md5", "resumeToken", "offset"}, name):
			rest[name] = values
		}
	}
	if start.ResumeToken != "" {
		if len(rest) > 0 {
			return nil, fault.Invalid(first(rest), "no such parameter beside resumeToken")
		}
		return start, nil
	}
	if !rest.Has("fileSize") {
		if length < 0 {
			return nil, fault.Invalid("fileSize", "the length of the file is not told: send Content-Length, or fileSize")
		}
		rest.Set("fileSize", strconv.FormatInt(length, 10))
	}
	start.Target, err = all.target(words.Get("type"), rest)
	return start, err
}

// first is the name that comes first, for messages.
func first(words url.Values) string {
	names := make([]string, 0, len(words))
	for n := range words {
		names = append(names, n)
	}
	return slices.Min(names)
}

func truth(name, value string) (bool, error) {
	if value == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(value)
	if err != nil {
		return false, fault.Invalid(name, "want true or false")
	}
	return b, nil
}

// target finds the kind of a type whose request has all these words. Two versions
// of a resource have one type: their relationships have other names.
func (all *kinds) target(typ string, words url.Values) (*uploadsv1.Target, error) {
	t := &uploadsv1.Target{}
	if typ == "builds" {
		b := &uploadsv1.BuildTarget{}
		t.What = &uploadsv1.Target_Build{Build: b}
		return t, fill(b.ProtoReflect(), words)
	}
	var last error
	for _, k := range slices.Backward(all.list) { // the newer version first
		if k.typ != typ {
			continue
		}
		m := t.ProtoReflect().NewField(k.target).Message()
		if last = fill(m, words); last != nil {
			continue
		}
		if last = k.check(m); last != nil {
			continue
		}
		t.ProtoReflect().Set(k.target, protoreflect.ValueOfMessage(m))
		return t, nil
	}
	if last == nil {
		last = fault.Invalid("type", "want one of %s", strings.Join(all.types(), ", "))
	}
	return nil, last
}

// types are the JSON:API types of all files, and builds.
func (all *kinds) types() []string {
	names := []string{"builds"}
	for _, k := range all.list {
		if !slices.Contains(names, k.typ) {
			names = append(names, k.typ)
		}
	}
	slices.Sort(names)
	return names
}

// fill sets the fields of a request from words.
func fill(m protoreflect.Message, words url.Values) error {
	for name, values := range words {
		fd := m.Descriptor().Fields().ByJSONName(name)
		if fd == nil {
			fd = m.Descriptor().Fields().ByTextName(name)
		}
		if fd == nil || fd.Number() >= 2001 || fd.IsList() || fd.IsMap() {
			return fault.Invalid(name, "no such parameter for this type")
		}
		v, err := valueOf(fd, values[0])
		if err != nil {
			return fault.Invalid(name, "%s", err.Error())
		}
		m.Set(fd, v)
	}
	return nil
}

// valueOf reads a word as a field takes it.
func valueOf(fd protoreflect.FieldDescriptor, s string) (protoreflect.Value, error) {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(s), nil
	case protoreflect.Int64Kind:
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return protoreflect.Value{}, fmt.Errorf("want a whole number")
		}
		return protoreflect.ValueOfInt64(n), nil
	case protoreflect.BoolKind:
		b, err := strconv.ParseBool(s)
		if err != nil {
			return protoreflect.Value{}, fmt.Errorf("want true or false")
		}
		return protoreflect.ValueOfBool(b), nil
	case protoreflect.EnumKind:
		return enumOf(fd, s)
	case protoreflect.MessageKind:
		if fd.Message().FullName() == "asc.types.v1.ToOne" && s != "" {
			return protoreflect.ValueOfMessage((&typesv1.ToOne{Id: proto.String(s)}).ProtoReflect()), nil
		}
	}
	return protoreflect.Value{}, fmt.Errorf("cannot be said here: use gRPC")
}

// enumOf reads a value as Apple spells it.
func enumOf(fd protoreflect.FieldDescriptor, s string) (protoreflect.Value, error) {
	var names []string
	values := fd.Enum().Values()
	for i := range values.Len() {
		v := values.Get(i)
		o, _ := proto.GetExtension(v.Options(), optionsv1.E_Value).(*optionsv1.EnumValue)
		name := string(v.Name())
		if o.GetName() != "" {
			name = o.GetName()
		}
		if v.Number() > 1 && name == s {
			return protoreflect.ValueOfEnum(v.Number()), nil
		}
		if v.Number() > 1 {
			names = append(names, name)
		}
	}
	return protoreflect.Value{}, fmt.Errorf("want %s", strings.Join(names, ", "))
}
