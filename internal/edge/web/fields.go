package web

import (
	"fmt"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"github.com/asc-gateway/asc-gateway/internal/jsonapi"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// place is where a field of a request is sent over REST.
type place int

const (
	inPayload place = iota // of a body, where there is one
	inPath
	inQuery
)

func roleOf(fd protoreflect.FieldDescriptor) place {
	switch fieldOf(fd).GetRole() {
	case optionsv1.Role_ROLE_ID:
		return inPath
	case optionsv1.Role_ROLE_FILTER, optionsv1.Role_ROLE_EXISTS, optionsv1.Role_ROLE_INCLUDE, optionsv1.Role_ROLE_FIELDS,
		optionsv1.Role_ROLE_SORT, optionsv1.Role_ROLE_LIMIT, optionsv1.Role_ROLE_PARAMETER:
		return inQuery
	}
	switch fd.Name() {
	case "page_size", "page_token", "extra_query":
		return inQuery
	}
	return inPayload
}

// Row describes a field.
type Row struct {
	Name       string // path of the proto field: "filter.app"
	Apple      string // Apple's name: "filter[app]"
	Type       string
	Rules      []string // "required", "may be null", "at most 512 bytes"
	Values     []string // that are allowed
	Deprecated bool
}

// Section is the fields of one place.
type Section struct {
	Title, Note string
	Own         bool // of the gateway's own: its fields have JSON names, none of Apple's
	Rows        []Row
}

// rowDepth is how deep objects within objects are listed.
const rowDepth = 4

// requestSections lists the fields of a request by their place.
func requestSections(m *service.Method) []Section {
	path := Section{Title: "Path"}
	query := Section{Title: "Query", Note: "Over REST by Apple's name, over gRPC by the field's."}
	body := Section{
		Title: "Body",
		Note:  "Over REST, a key with null clears the value, and no key leaves it alone. Over gRPC, name the field in clear.",
	}
	own := Section{Title: "The gateway's own"}
	fields := m.Desc.Input().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		o := fieldOf(fd)
		switch {
		case ownText(fd) != "":
			own.Rows = append(own.Rows, ownRow(m, fd))
		case roleOf(fd) == inPath:
			r := rowOf(fd, string(fd.Name()), "{id}")
			path.Rows = append(path.Rows, r)
		case roleOf(fd) == inQuery:
			query.Rows = append(query.Rows, queryRows(m, fd, o.GetRole())...)
		default:
			body.Rows = append(body.Rows, bodyRows(fd, "", "", 0)...)
		}
	}
	var list []Section
	for _, s := range []Section{path, query, body, own} {
		if len(s.Rows) > 0 {
			list = append(list, s)
		}
	}
	return list
}

// ownTexts says what the gateway's own fields do.
var ownTexts = map[string]string{
	"page_size":     "How many at most. Above Apple's limit the gateway asks several times.",
	"page_token":    "next_page_token of the page before.",
	"extra":         "What this version's protos do not define, as JSON text by name.",
	"extra_query":   "Query parameters that this version's protos do not define.",
	"clear":         "Fields to set to null.",
	"request_id":    "Names this create, so that it can be sent again safely within an hour.",
	"validate_only": "Check everything, send nothing. It costs nothing.",
}

func ownText(fd protoreflect.FieldDescriptor) string {
	if fieldOf(fd) != nil {
		return ""
	}
	return ownTexts[string(fd.Name())]
}

func ownRow(m *service.Method, fd protoreflect.FieldDescriptor) Row {
	r := rowOf(fd, string(fd.Name()), fd.JSONName())
	switch r.Name {
	case "page_size":
		r.Apple = "limit"
		if most := m.Options.GetQuery().GetPageLimit(); most > 0 {
			r.Rules = append(r.Rules, fmt.Sprintf("Apple's limit: %d", most))
		}
	case "page_token":
		r.Apple = "cursor"
	}
	r.Rules = append(r.Rules, ownText(fd))
	return r
}

// queryRows lists the parameters of a field.
func queryRows(m *service.Method, fd protoreflect.FieldDescriptor, role optionsv1.Role) (rows []Row) {
	q, name := m.Options.GetQuery(), string(fd.Name())
	switch role {
	case optionsv1.Role_ROLE_FILTER, optionsv1.Role_ROLE_EXISTS:
		for i := range fd.Message().Fields().Len() {
			inner := fd.Message().Fields().Get(i)
			rows = append(rows, rowOf(inner, name+"."+string(inner.Name()), name+"["+appleName(inner)+"]"))
		}
		return rows
	case optionsv1.Role_ROLE_FIELDS:
		for _, f := range q.GetFieldsets() {
			rows = append(
				rows,
				Row{
					Name:   name + "." + f.GetType(),
					Apple:  "fields[" + f.GetType() + "]",
					Type:   "list of names",
					Values: fieldNames(f),
				},
			)
		}
		return rows
	case optionsv1.Role_ROLE_LIMIT:
		for _, l := range q.GetRelationLimits() {
			rows = append(rows, Row{Name: name + "." + l.GetName(), Apple: "limit[" + l.GetName() + "]", Type: "int32",
				Rules: []string{fmt.Sprintf("1 to %d", l.GetMaximum())}})
		}
		return rows
	}
	r := rowOf(fd, name, appleName(fd))
	switch role {
	case optionsv1.Role_ROLE_INCLUDE:
		r.Values = q.GetInclude()
	case optionsv1.Role_ROLE_SORT:
		r.Values = q.GetSort()
	}
	return []Row{r}
}

// fieldNames are the names that a fieldset allows.
func fieldNames(f *optionsv1.Fieldset) (names []string) {
	if f.GetResource() == "" {
		return f.GetNames()
	}
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName("asc.resources.v1." + f.GetResource()))
	md, ok := d.(protoreflect.MessageDescriptor)
	if err != nil || !ok {
		return nil
	}
	for i := range md.Fields().Len() {
		switch fd := md.Fields().Get(i); fieldOf(fd).GetRole() {
		case optionsv1.Role_ROLE_ATTRIBUTE, optionsv1.Role_ROLE_RELATIONSHIP:
			names = append(names, appleName(fd))
		}
	}
	return names
}

// bodyRows lists a field, and those of the object that it holds.
func bodyRows(fd protoreflect.FieldDescriptor, name, apple string, depth int) []Row {
	name, apple = name+string(fd.Name()), apple+appleName(fd)
	rows := []Row{rowOf(fd, name, apple)}
	md := fd.Message()
	if md == nil || fd.IsMap() || depth >= rowDepth || md.ParentFile().Package() == "google.protobuf" {
		return rows
	}
	if strings.HasPrefix(string(md.FullName()), "asc.types.v1.To") { // ToOne and ToMany
		return rows
	}
	if fd.IsList() {
		name, apple = name+"[]", apple+"[]"
	}
	for i := range md.Fields().Len() {
		if inner := md.Fields().Get(i); inner.Message() != md && ownTexts[string(inner.Name())] == "" {
			rows = append(rows, bodyRows(inner, name+".", apple+".", depth+1)...)
		}
	}
	return rows
}

// answerSections lists the fields of a response.
func answerSections(m *service.Method) []Section {
	if m.Stream {
		return []Section{
			{
				Title: "A file",
				Note: "Content type: " + strings.Join(
					m.Options.GetProduces(),
					", ",
				) + ". Over gRPC it comes in parts, a description first.",
			},
		}
	}
	main, page := Section{Title: "Answer"}, Section{Title: "Beside it"}
	fields := m.Desc.Output().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		switch fieldOf(fd).GetRole() {
		case optionsv1.Role_ROLE_DATA, optionsv1.Role_ROLE_LINKAGE, optionsv1.Role_ROLE_BODY:
			rows := bodyRows(fd, "", "", rowDepth-2)
			for j := range rows[1:] { // Apple has no name for the whole
				_, rows[j+1].Apple, _ = strings.Cut(rows[j+1].Apple, ".")
			}
			rows[0].Apple = ""
			main.Rows = append(main.Rows, rows...)
		case optionsv1.Role_ROLE_INCLUDED:
			for j := range fd.Message().Fields().Len() {
				inner := fd.Message().Fields().Get(j)
				page.Rows = append(page.Rows, rowOf(inner, "included."+string(inner.Name()), "included: "+fieldOf(inner).GetType()))
			}
		default:
			page.Rows = append(page.Rows, rowOf(fd, string(fd.Name()), ""))
		}
	}
	var list []Section
	for _, s := range []Section{main, page} {
		if len(s.Rows) > 0 {
			list = append(list, s)
		}
	}
	return list
}

// rowOf describes a field by itself.
func rowOf(fd protoreflect.FieldDescriptor, name, apple string) Row {
	o := fieldOf(fd)
	r := Row{Name: name, Apple: apple, Type: typeText(fd), Deprecated: deprecated(fd.Options())}
	if o.GetRequired() {
		r.Rules = append(r.Rules, "required")
	}
	if o.GetNullable() {
		r.Rules = append(r.Rules, "may be null")
	}
	if o.GetType() != "" {
		r.Rules = append(r.Rules, "of type "+o.GetType())
	}
	rules, _ := proto.GetExtension(fd.Options(), validate.E_Field).(*validate.FieldRules)
	if most := rules.GetString().GetMaxBytes(); most > 0 {
		r.Rules = append(r.Rules, fmt.Sprintf("at most %d bytes", most))
	}
	if fd.Enum() != nil {
		for i := range fd.Enum().Values().Len() {
			if v := fd.Enum().Values().Get(i); v.Number() > 1 {
				r.Values = append(r.Values, jsonapi.EnumValueName(v))
			}
		}
	}
	return r
}

var formats = map[optionsv1.Format]string{
	optionsv1.Format_FORMAT_DATE:     "date, YYYY-MM-DD",
	optionsv1.Format_FORMAT_DECIMAL:  "decimal, as text",
	optionsv1.Format_FORMAT_DURATION: "duration, as P7D",
	optionsv1.Format_FORMAT_URI:      "URI",
	optionsv1.Format_FORMAT_EMAIL:    "e-mail address",
}

// typeText is the type in words.
func typeText(fd protoreflect.FieldDescriptor) string {
	text := fd.Kind().String()
	switch {
	case fd.IsMap():
		return "map of texts"
	case fieldOf(fd).GetFormat() != 0:
		text = formats[fieldOf(fd).GetFormat()]
	case fd.Enum() != nil:
		text = "enum"
	case fd.Message() != nil:
		text = messageText(fd.Message())
	}
	if fd.IsList() {
		return "list of " + text
	}
	return text
}

func messageText(md protoreflect.MessageDescriptor) string {
	switch md.FullName() {
	case "google.protobuf.Timestamp":
		return "time, RFC 3339"
	case "google.protobuf.Duration":
		return "duration, as 90s"
	case "google.protobuf.Value":
		return "any JSON"
	case "asc.types.v1.ToOne":
		return "id"
	case "asc.types.v1.ToMany":
		return "ids"
	}
	return string(md.Name())
}

// appleName is Apple's name of a field.
func appleName(fd protoreflect.FieldDescriptor) string {
	if name := fieldOf(fd).GetName(); name != "" {
		return name
	}
	return fd.JSONName()
}
