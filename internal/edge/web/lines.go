package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/jsonapi"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// appleURL is where Apple's own request would go.
const appleURL = "https://api.appstoreconnect.apple.com"

// tokenVariable is the environment variable that lines take the token from.
const tokenVariable = "ASC_GATEWAY_TOKEN"

// Line is a call in one language.
type Line struct {
	Title string
	Text  string
}

// caller is what lines need to know of the gateway.
type caller struct {
	base  string // "http://127.0.0.1:8080"
	grpc  string // "127.0.0.1:9090"
	token bool   // a token is needed
}

// example is a sample request of an operation, in all its forms.
type example struct {
	method *service.Method
	msg    protoreflect.Message
	short  string // the method's name, or with its service where the name is not its alone
	path   string // "/v1/apps/APP_ID"
	query  string // "filter[app]=APP_ID&limit=5", escaped but for brackets
	body   string // of the gateway's request over REST, JSON with line breaks; "": none
	whole  string // of the request over gRPC, JSON in one line
	watch  bool   // the answer is a stream of messages
	apple  string // body of Apple's request, JSON with line breaks; "": none
}

// newExample makes the sample of an operation.
func newExample(m *service.Method, short string) (*example, error) {
	x := &example{method: m, msg: sample(m), short: short}
	call, err := m.Preview(x.msg.Interface())
	if err != nil {
		return nil, err
	}
	x.path, x.query = call.Path, strings.NewReplacer("%5B", "[", "%5D", "]").Replace(call.Query)
	if x.msg.Descriptor().Fields().ByName("page_size") != nil {
		x.query = strings.TrimPrefix(fmt.Sprintf("%s&limit=%d", x.query, samplePage), "&")
	}
	whole, err := marshal(x.msg)
	if err != nil {
		return nil, err
	}
	x.whole = string(whole)
	if !m.HasBody {
		return x, nil
	}
	x.apple = indented(call.Body)
	body := m.Input.New()
	x.msg.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if inBody(fd) {
			body.Set(fd, v)
		}
		return true
	})
	b, err := marshal(body)
	x.body = indented(b)
	return x, err
}

// inBody says whether a field of a request is sent in the body over REST.
func inBody(fd protoreflect.FieldDescriptor) bool {
	switch roleOf(fd) {
	case inPath, inQuery:
		return false
	}
	return true
}

// marshal writes JSON with Apple's names, in one line.
func marshal(m protoreflect.Message) ([]byte, error) {
	b, err := protojson.Marshal(m.Interface())
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer // protojson's own spaces come and go
	err = json.Compact(&out, b)
	return out.Bytes(), err
}

func indented(b []byte) string {
	var out bytes.Buffer
	if json.Indent(&out, b, "", "  ") != nil {
		return string(b)
	}
	return out.String()
}

// target is the path with its query.
func (x *example) target() string {
	if x.query == "" {
		return x.path
	}
	return x.path + "?" + x.query
}

// url is the address for libraries that do not take brackets.
func (x *example) url(base string) string {
	if x.query == "" {
		return base + x.path
	}
	values := strings.Split(x.query, "&")
	for i, v := range values {
		name, value, _ := strings.Cut(v, "=")
		values[i] = url.QueryEscape(name) + "=" + value
	}
	return base + x.path + "?" + strings.Join(values, "&")
}

// lines are the calls in all languages.
func (x *example) lines(c caller) []Line {
	if x.method.Desc.IsStreamingClient() {
		return x.sent(c)
	}
	if x.path == "" { // no REST
		return []Line{{"gateway call", x.call()}, {"grpcurl", x.grpcurl(c)}, {"Go", x.goProgram(c)}}
	}
	return []Line{
		{"gateway call", x.call()},
		{"curl", x.curl(c)},
		{"grpcurl", x.grpcurl(c)},
		{"Go", x.goProgram(c)},
		{"Node", x.node(c)},
		{"Python", x.python(c)},
	}
}

// sent are the calls of a method whose caller sends a file. A message alone would
// do nothing.
func (x *example) sent(c caller) []Line {
	if x.short != "Upload" {
		return []Line{{"gateway upload", "gateway upload screenshots --version-localization APP_STORE_VERSION_LOCALIZATION_ID *.png"}}
	}
	words := []string{"curl -gs"}
	if c.token {
		words = append(words, `-H "Authorization: Bearer $`+tokenVariable+`"`)
	}
	words = append(words, "--data-binary @shot.png -H 'Content-Type: application/octet-stream'",
		quoted(c.base+"/ascgateway/v1/uploads?type=appScreenshots&appScreenshotSet=APP_SCREENSHOT_SET_ID&fileName=shot.png"))
	return []Line{
		{"gateway upload", "gateway upload file shot.png --type appScreenshots --set appScreenshotSet=APP_SCREENSHOT_SET_ID"},
		{"curl", strings.Join(words, " \\\n  ")},
	}
}

func (x *example) curl(c caller) string {
	words := []string{"curl -gs"}
	switch {
	case x.method.Stream:
		words[0] = "curl -gsOJ"
	case x.watch:
		words[0] = "curl -gsN"
	}
	if x.method.Verb != "GET" {
		words[0] += " -X " + x.method.Verb
	}
	if c.token {
		words = append(words, `-H "Authorization: Bearer $`+tokenVariable+`"`)
	}
	words = append(words, quoted(c.base+x.target()))
	if x.method.HasBody {
		words = append(words, "-H 'Content-Type: application/json'", "-d "+quoted(x.body))
	}
	return strings.Join(words, " \\\n  ")
}

func (x *example) grpcurl(c caller) string {
	words := []string{"grpcurl"}
	if strings.HasPrefix(c.base, "http://") {
		words[0] += " -plaintext"
	}
	if c.token {
		words = append(words, `-H "authorization: Bearer $`+tokenVariable+`"`)
	}
	if x.whole != "{}" {
		words = append(words, "-d "+quoted(x.whole))
	}
	return strings.Join(append(words, c.grpc+" "+strings.TrimPrefix(x.method.FullName, "/")), " \\\n  ")
}

// call is the line for the gateway's own program.
func (x *example) call() string {
	return strings.Join(append([]string{"gateway call", x.short}, arguments(x.msg, "")...), " ")
}

// arguments are FIELD=VALUE of every field that is set, in order.
func arguments(m protoreflect.Message, prefix string) (list []string) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if !m.Has(fd) || fd.IsMap() {
			continue
		}
		name, v := prefix+string(fd.Name()), m.Get(fd)
		switch {
		case fd.IsList() && fd.Message() != nil:
			for j := range v.List().Len() {
				list = append(list, messageArguments(v.List().Get(j).Message(), fmt.Sprintf("%s.%d", name, j))...)
			}
		case fd.IsList():
			var words []string
			for j := range v.List().Len() {
				words = append(words, scalarText(fd, v.List().Get(j)))
			}
			list = append(list, name+"="+word(strings.Join(words, ",")))
		case fd.Message() != nil:
			list = append(list, messageArguments(v.Message(), name)...)
		default:
			list = append(list, name+"="+word(scalarText(fd, v)))
		}
	}
	return list
}

func messageArguments(m protoreflect.Message, name string) []string {
	if m.Descriptor().ParentFile().Package() == "google.protobuf" {
		if b, err := marshal(m); err == nil {
			return []string{name + "=" + word(strings.Trim(string(b), `"`))}
		}
	}
	if list := arguments(m, name+"."); len(list) > 0 {
		return list
	}
	return []string{name + "={}"}
}

func scalarText(fd protoreflect.FieldDescriptor, v protoreflect.Value) string {
	if fd.Enum() != nil {
		if ev := fd.Enum().Values().ByNumber(v.Enum()); ev != nil {
			return jsonapi.EnumValueName(ev)
		}
	}
	return v.String()
}

// quoted is a word for a shell.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// word is quoted where a shell would not take it as it is.
func word(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-.,:/@+=", r))
	}) {
		return s
	}
	return quoted(s)
}
