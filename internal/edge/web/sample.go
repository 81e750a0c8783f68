package web

import (
	"strings"
	"unicode"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// samplePage is how many a sample asks for.
const samplePage = 5

// sampleDepth ends the nesting of samples.
const sampleDepth = 8

// sample is a small request of an operation that is right by itself: what must
// be sent is there, with placeholders such as APP_ID for ids.
func sample(m *service.Method) protoreflect.Message {
	msg := m.Input.New()
	fields := msg.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		switch o := fieldOf(fd); o.GetRole() {
		case optionsv1.Role_ROLE_ID:
			msg.Set(fd, protoreflect.ValueOfString(placeholder(rootType(m.Template))))
		case optionsv1.Role_ROLE_FILTER, optionsv1.Role_ROLE_EXISTS:
			sampleFilter(msg, fd)
		default:
			if o.GetRequired() {
				sampleField(msg, fd, 0)
			}
		}
	}
	if fd := fields.ByName("page_size"); fd != nil {
		msg.Set(fd, protoreflect.ValueOfInt32(samplePage))
	}
	sampleChoices(msg, 0)
	if fd := fields.ByName("game_center_detail"); fd != nil && fields.ByName("game_center_group") != nil {
		sampleField(msg, fd, 0) // of an app or of a group of apps: Apple wants one, and its document does not say so
	}
	if m.HasBody && !hasBody(msg) {
		sampleFirst(msg, 0)
	}
	return msg
}

// sampleFilter sets the filters that must be there, and that of the app.
func sampleFilter(msg protoreflect.Message, fd protoreflect.FieldDescriptor) {
	inner := fd.Message().Fields()
	for i := range inner.Len() {
		f := inner.Get(i)
		if fieldOf(f).GetRequired() || f.Name() == "app" && f.Kind() == protoreflect.StringKind {
			sampleField(msg.Mutable(fd).Message(), f, 1)
		}
	}
}

// sampleField sets one field.
func sampleField(msg protoreflect.Message, fd protoreflect.FieldDescriptor, depth int) {
	if depth > sampleDepth || msg.Has(fd) {
		return
	}
	switch {
	case fd.IsMap():
	case fd.IsList() && fd.Message() != nil:
		sampleMessage(msg.Mutable(fd).List().AppendMutable().Message(), fd, depth+1)
	case fd.IsList():
		msg.Mutable(fd).List().Append(sampleValue(fd))
	case fd.Message() != nil:
		sampleMessage(msg.Mutable(fd).Message(), fd, depth+1)
	default:
		msg.Set(fd, sampleValue(fd))
	}
}

// sampleMessage fills a relationship with an id, a time with a time, and any
// other message with what must be in it.
func sampleMessage(msg protoreflect.Message, fd protoreflect.FieldDescriptor, depth int) {
	fields := msg.Descriptor().Fields()
	id := protoreflect.ValueOfString(placeholder(fieldOf(fd).GetType()))
	switch {
	case msg.Descriptor().FullName() == "google.protobuf.Timestamp":
		msg.Set(fields.ByName("seconds"), protoreflect.ValueOfInt64(sampleTime))
		return
	case isRelation(fd) && fields.ByName("ids") != nil:
		msg.Mutable(fields.ByName("ids")).List().Append(id)
		return
	case isRelation(fd) && fields.ByName("id") != nil:
		msg.Set(fields.ByName("id"), id)
		return
	case fields.ByName("create") != nil:
		sampleField(msg, fields.ByName("create"), depth)
		return
	}
	for i := range fields.Len() {
		if fieldOf(fields.Get(i)).GetRequired() {
			sampleField(msg, fields.Get(i), depth)
		}
	}
	sampleChoices(msg, depth)
	if !hasAny(msg) {
		sampleFirst(msg, depth)
	}
}

// sampleTime is 2026-06-01T12:00:00Z.
const sampleTime = 1780315200

func isRelation(fd protoreflect.FieldDescriptor) bool {
	role := fieldOf(fd).GetRole()
	return role == optionsv1.Role_ROLE_RELATIONSHIP || role == optionsv1.Role_ROLE_LINKAGE
}

// sampleChoices sets the first combination of each choice.
func sampleChoices(msg protoreflect.Message, depth int) {
	choices, _ := proto.GetExtension(msg.Descriptor().Options(), optionsv1.E_Choice).([]*optionsv1.Choice)
	for _, c := range choices {
		for _, name := range c.GetAnyOf()[0].GetFields() {
			if fd := msg.Descriptor().Fields().ByName(protoreflect.Name(name)); fd != nil {
				sampleField(msg, fd, depth)
			}
		}
	}
}

// sampleFirst sets the first member of a body or an object: an update of nothing
// would show nothing.
func sampleFirst(msg protoreflect.Message, depth int) {
	fields := msg.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		o := fieldOf(fd)
		own := o == nil && fd.Number() > 2000
		if own || fd.IsMap() || o.GetRole() == optionsv1.Role_ROLE_ID || deprecated(fd.Options()) {
			continue
		}
		sampleField(msg, fd, depth)
		return
	}
}

func hasBody(msg protoreflect.Message) (found bool) {
	msg.Range(func(fd protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		switch fieldOf(fd).GetRole() {
		case optionsv1.Role_ROLE_ATTRIBUTE,
			optionsv1.Role_ROLE_RELATIONSHIP,
			optionsv1.Role_ROLE_LINKAGE,
			optionsv1.Role_ROLE_BODY:
			found = true
		}
		return !found
	})
	return found
}

func hasAny(msg protoreflect.Message) (found bool) {
	msg.Range(func(protoreflect.FieldDescriptor, protoreflect.Value) bool { found = true; return false })
	return found
}

// sampleValue is a value of a field that is no message.
func sampleValue(fd protoreflect.FieldDescriptor) protoreflect.Value {
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
		return protoreflect.ValueOfEnum(sampleEnum(fd.Enum()))
	}
	return protoreflect.ValueOfString(sampleText(fd))
}

func sampleEnum(ed protoreflect.EnumDescriptor) protoreflect.EnumNumber {
	for i := range ed.Values().Len() {
		if v := ed.Values().Get(i); v.Number() > 1 && !deprecated(v.Options()) {
			return v.Number()
		}
	}
	return 1
}

// sampleText is a text that a reader takes for what it is.
func sampleText(fd protoreflect.FieldDescriptor) string {
	o := fieldOf(fd)
	switch o.GetFormat() {
	case optionsv1.Format_FORMAT_DATE:
		return "2026-06-01"
	case optionsv1.Format_FORMAT_DECIMAL:
		return "1.99"
	case optionsv1.Format_FORMAT_DURATION:
		return "P7D"
	case optionsv1.Format_FORMAT_URI:
		return "https://example.com/"
	case optionsv1.Format_FORMAT_EMAIL:
		return "ada@example.org"
	}
	name := string(fd.Name())
	if one := fd.ContainingOneof(); one != nil && !one.IsSynthetic() { // of the gateway's own: what it names is an id
		return strings.ToUpper(name) + "_ID"
	}
	if o.GetRole() == optionsv1.Role_ROLE_FILTER && name == "app" {
		return placeholder("apps")
	}
	for _, known := range sampleTexts {
		if strings.Contains(name, known[0]) {
			return known[1]
		}
	}
	if o.GetRole() == optionsv1.Role_ROLE_FILTER || name == "id" || strings.HasSuffix(name, "_id") {
		return strings.ToUpper(name)
	}
	return "Example"
}

// sampleTexts are by a part of the field's name, the first that fits.
var sampleTexts = [][2]string{
	{"locale", "en-US"},
	{"email", "ada@example.org"},
	{"url", "https://example.com/"},
	{"uri", "https://example.com/"},
	{"identifier", "com.example.app"},
	{"bundle_id", "com.example.app"},
	{"udid", "00008030-000A1B2C3D4E5F60"},
	{"checksum", "d41d8cd98f00b204e9800998ecf8427e"},
	{"file_name", "example.png"},
	{"version_string", "1.0"},
	{"version", "1.0"},
	{"vendor_number", "VENDOR_NUMBER"},
	{"report_date", "2026-05"},
	{"date", "2026-06-01"},
	{"csr_content", "CSR_IN_PEM"},
	{"phone", "+15555550100"},
	{"username", "ada@example.org"},
	{"region_code", "US"},
	{"vendor_id", "VENDOR_ID"},
}

// placeholder is what stands for an id of a JSON:API type: "APP_ID".
func placeholder(typ string) string {
	if typ == "" {
		return "ID"
	}
	var b strings.Builder
	for i, r := range singular(typ) {
		if i > 0 && unicode.IsUpper(r) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToUpper(r))
	}
	return b.String() + "_ID"
}

func singular(typ string) string {
	switch {
	case strings.HasSuffix(typ, "ies"):
		return strings.TrimSuffix(typ, "ies") + "y"
	case strings.HasSuffix(typ, "ss"), !strings.HasSuffix(typ, "s"):
		return typ
	}
	return strings.TrimSuffix(typ, "s")
}

// rootType is the type that a path begins with: /v1/{type}/….
func rootType(template string) string {
	parts := strings.Split(template, "/")
	if len(parts) < 3 {
		return ""
	}
	return parts[2]
}

func fieldOf(fd protoreflect.FieldDescriptor) *optionsv1.Field {
	o, _ := proto.GetExtension(fd.Options(), optionsv1.E_Field).(*optionsv1.Field)
	return o
}

func deprecated(o protoreflect.ProtoMessage) bool {
	d, ok := o.(interface{ GetDeprecated() bool })
	return ok && d.GetDeprecated()
}
