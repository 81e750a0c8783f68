package openapi

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

const jsonType = "application/json"

// apple describes one of Apple's operations.
func (b *builder) apple(md protoreflect.MethodDescriptor) {
	rule, _ := proto.GetExtension(md.Options(), annotations.E_Http).(*annotations.HttpRule)
	o, _ := proto.GetExtension(md.Options(), optionsv1.E_Method).(*optionsv1.Method)
	verb, path := route(rule)
	if o == nil || verb == "" {
		return // the engine refuses it
	}
	op := b.operation(md)
	op["summary"] = string(md.Name()) + " (Apple: " + verb + " " + path + ", " + o.GetOperationId() + ")"
	op["responses"] = responses(o.GetStatus(), b.success(md, o))
	var params []object
	if strings.Contains(path, "{id}") {
		params = append(params, b.pathParameter(md.Input().Fields().ByName("id")))
	}
	op["parameters"] = slices.Concat(params, b.query(md.Input(), o.GetQuery()), commonHeaders())
	if rule.GetBody() != "" {
		op["requestBody"] = object{"required": true, "content": content(jsonType, b.body(md.Input(), inQuery))}
	}
	b.add(path, verb, md, op)
}

// operation is what is said of every method.
func (b *builder) operation(md protoreflect.MethodDescriptor) object {
	op := object{"operationId": string(md.FullName()), "tags": []string{string(md.Parent().Name())}}
	if text := b.comments.Of(md); text != "" {
		op["description"] = text
	}
	if o, ok := md.Options().(*descriptorpb.MethodOptions); ok && o.GetDeprecated() {
		op["deprecated"] = true
	}
	return op
}

// responses are a success and all failures.
func responses(status int32, success object) object {
	if status == 0 {
		status = http.StatusOK
	}
	failed := object{"$ref": "#/components/responses/Error"}
	return object{strconv.Itoa(int(status)): success, "4XX": failed, "5XX": failed}
}

// success is the answer of an operation of Apple's.
func (b *builder) success(md protoreflect.MethodDescriptor, o *optionsv1.Method) object {
	if o.GetStatus() == http.StatusNoContent {
		return object{"description": "It is done; there is no body"}
	}
	media := object{}
	for _, p := range o.GetProduces() {
		if p != jsonType {
			media[p] = object{"schema": object{"description": "The file as Apple sends it, byte for byte"}}
		}
	}
	if md.IsStreamingServer() {
		return object{"description": "A file", "content": media}
	}
	media[jsonType] = object{"schema": b.answer(md.Output())}
	return object{"description": "Success", "content": media}
}

// inQuery says whether a field of a request is no part of its body.
func inQuery(fd protoreflect.FieldDescriptor) bool {
	switch fieldOptions(fd).GetRole() {
	case optionsv1.Role_ROLE_ID, optionsv1.Role_ROLE_FILTER, optionsv1.Role_ROLE_EXISTS, optionsv1.Role_ROLE_INCLUDE,
		optionsv1.Role_ROLE_FIELDS, optionsv1.Role_ROLE_SORT, optionsv1.Role_ROLE_LIMIT, optionsv1.Role_ROLE_PARAMETER:
		return true
	}
	return fd.Name() == "extra_query"
}

// own describes a method of a service of the gateway's own, if REST serves it.
func (b *builder) own(md protoreflect.MethodDescriptor) {
	rule, _ := proto.GetExtension(md.Options(), annotations.E_Http).(*annotations.HttpRule)
	verb, path := route(rule)
	if verb == "" {
		return
	}
	op := b.operation(md)
	op["summary"] = string(md.Name()) + " (" + verb + " " + path + ")"
	if md.IsStreamingClient() {
		b.file(path, verb, md, op)
		return
	}
	op["responses"] = responses(http.StatusOK, b.ownSuccess(md))
	var params []object
	inPath := func(fd protoreflect.FieldDescriptor) bool { return strings.Contains(path, "{"+string(fd.Name())+"}") }
	for i := range md.Input().Fields().Len() {
		switch fd := md.Input().Fields().Get(i); {
		case inPath(fd):
			params = append(params, b.pathParameter(fd))
		case rule.GetBody() == "" && (fd.Message() == nil || wellKnown(fd.Message()) != nil):
			params = append(params, b.parameter(fd.JSONName(), fd, object{"explode": true}))
		}
	}
	op["parameters"] = slices.Concat(params, commonHeaders())
	if rule.GetBody() != "" {
		op["requestBody"] = object{"required": true, "content": content(jsonType, b.body(md.Input(), inPath))}
	}
	b.add(path, verb, md, op)
}

// file describes a method that takes a plain file. Which words its query takes
// depends on the type: docs/uploads.md lists them.
func (b *builder) file(path, verb string, md protoreflect.MethodDescriptor, op object) {
	word := func(name, about string, required bool) object {
		return object{"name": name, "in": "query", "required": required, "description": about, "schema": object{"type": "string"}}
	}
	op["parameters"] = slices.Concat([]object{
		word("type", "JSON:API type of the resource, such as appScreenshots; builds for a build", false),
		word("fileName", "Name of the file", false),
		word("fileSize", "Bytes; needed where Content-Length does not tell them", false),
		word("waitFor", "COMMITTED or PROCESSED", false),
		word("strict", "true: what is not as the resource takes it is an error", false),
		word("sha256", "Of the file, in hexadecimal digits", false),
		word("md5", "Of the file, in hexadecimal digits", false),
		word("resumeToken", "Goes on with an upload", false),
		word("offset", "Where the body begins in the file, with resumeToken", false),
		{"name": "attributes", "in": "query", "style": "form", "explode": true, "schema": object{"type": "object",
			"additionalProperties": object{"type": "string"}},
			"description": "Attributes of the resource, and its relationships with the id of what they name: appScreenshotSet=ID"},
	}, commonHeaders())
	op["requestBody"] = object{"required": true, "content": content("application/octet-stream",
		object{"type": "string", "format": "binary"})}
	media := content("application/x-ndjson", b.answer(md.Output()))
	media[jsonType] = object{"schema": b.answer(md.Output().Fields().ByName("result").Message())}
	op["responses"] = responses(http.StatusCreated, object{"description": "The file is uploaded", "content": media})
	b.add(path, verb, md, op)
}

// ownSuccess is an answer: a message, a message a line, or a file.
func (b *builder) ownSuccess(md protoreflect.MethodDescriptor) object {
	switch {
	case !md.IsStreamingServer():
		return object{"description": "Success", "content": content(jsonType, b.answer(md.Output()))}
	case md.Output().Fields().ByName("data") != nil:
		return object{"description": "A file", "content": content("*/*", object{"description": "The file, byte for byte"})}
	}
	return object{
		"description": "A message a line, each as soon as it is there; an error that comes later is a line " +
			"with the member error",
		"content": content("application/x-ndjson", b.answer(md.Output())),
	}
}

func route(rule *annotations.HttpRule) (verb, path string) {
	switch p := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		return "GET", p.Get
	case *annotations.HttpRule_Post:
		return "POST", p.Post
	case *annotations.HttpRule_Put:
		return "PUT", p.Put
	case *annotations.HttpRule_Patch:
		return "PATCH", p.Patch
	case *annotations.HttpRule_Delete:
		return "DELETE", p.Delete
	}
	return "", ""
}
