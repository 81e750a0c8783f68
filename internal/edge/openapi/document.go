package openapi

import (
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/comments"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// builder makes one document.
type builder struct {
	comments *comments.Set
	paths    object
	schemas  object
	tags     []object
	tagged   map[string]bool
}

// document describes the operations of an area.
func (d *Describer) document(area string, set *comments.Set) object {
	b := &builder{comments: set, paths: object{}, schemas: object{}, tagged: map[string]bool{}}
	for _, md := range d.methods(area) {
		b.apple(md)
	}
	if area == Gateway {
		for _, sd := range d.own {
			for i := range sd.Methods().Len() {
				b.own(sd.Methods().Get(i))
			}
		}
	}
	b.status()
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title":       title(area),
			"version":     "v1",
			"description": "Made from the descriptors by which the gateway serves the calls. " + newerValues,
			"license":     object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		"servers":  []object{{"url": "/", "description": "The gateway that serves this document"}},
		"security": []object{{"bearer": []string{}}, {"mutualTLS": []string{}}},
		"tags":     b.tags,
		"paths":    b.paths,
		"components": object{
			"schemas":         b.schemas,
			"parameters":      headers(),
			"responses":       object{"Error": failure()},
			"securitySchemes": schemes(),
		},
	}
}

// schemes are the ways to say who calls.
func schemes() object {
	return object{
		"bearer": object{"type": "http", "scheme": "bearer",
			"description": "A static token, an OIDC token, or a token that a tool key signed"},
		"mutualTLS": object{"type": "mutualTLS",
			"description": "A client certificate, where the gateway is set up for them"},
	}
}

const newerValues = "A value of an enum that Apple added later is UNKNOWN, and its text stands in `extra` of its object; " +
	"a gateway of a later version knows it by its name."

// add puts an operation at its path.
func (b *builder) add(path, verb string, md protoreflect.MethodDescriptor, op object) {
	item, _ := b.paths[path].(object)
	if item == nil {
		item = object{}
		b.paths[path] = item
	}
	item[strings.ToLower(verb)] = op
	tag := string(md.Parent().Name())
	if !b.tagged[tag] {
		b.tagged[tag] = true
		b.tags = append(b.tags, object{"name": tag, "description": b.comments.Of(md.Parent())})
	}
}

// headers are those that every operation takes.
func headers() object {
	return object{
		"Team": object{"name": "Asc-Team", "in": "header", "schema": object{"type": "string", "maxLength": 128},
			"description": "The team in whose name the call is made. Needed where the caller may choose among several."},
		"Priority": object{"name": "Asc-Priority", "in": "header",
			"schema":      object{"type": "string", "enum": []string{"interactive", "default", "batch"}},
			"description": "The class in which the call waits for quota; policy bounds it."},
	}
}

// failure is the answer of every call that fails.
func failure() object {
	return object{"description": "The call failed: a google.rpc.Status with every detail",
		"headers": object{"Retry-After": object{"schema": object{"type": "integer", "minimum": 0},
			"description": "Seconds until the call may be repeated"}},
		"content": content("application/json", reference("google.rpc.Status"))}
}

// status describes google.rpc.Status, whose details hold any message: these are
// the ones that the gateway sends.
func (b *builder) status() {
	var details []object
	for _, m := range []proto.Message{
		&errdetails.ErrorInfo{}, &errdetails.BadRequest{}, &errdetails.PreconditionFailure{},
		&errdetails.RetryInfo{}, &errdetails.QuotaFailure{}, &errdetails.Help{},
	} {
		md := m.ProtoReflect().Descriptor()
		ref := b.message(md, answers)
		described := b.schemas[string(md.FullName())].(object)
		described["properties"].(object)["@type"] = object{"const": "type.googleapis.com/" + string(md.FullName())}
		described["required"] = []string{"@type"}
		details = append(details, ref)
	}
	b.schemas["google.rpc.Status"] = object{"type": "object", "required": []string{"code"}, "properties": object{
		"code": object{
			"type":        "integer",
			"format":      "int32",
			"description": "A value of google.rpc.Code, such as 5 for NOT_FOUND",
		},
		"message": object{"type": "string", "description": "For people"},
		"details": object{"type": "array", "items": object{"anyOf": details},
			"description": "The first ErrorInfo holds the reason, by which programs decide"},
	}}
}

func reference(name string) object { return object{"$ref": "#/components/schemas/" + name} }

func content(mediaType string, schema object) object {
	return object{mediaType: object{"schema": schema}}
}
