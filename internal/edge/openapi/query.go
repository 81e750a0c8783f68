package openapi

import (
	"slices"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"github.com/asc-gateway/asc-gateway/internal/service"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// query describes the parameters of an operation in Apple's own syntax: lists
// are joined by commas.
func (b *builder) query(md protoreflect.MessageDescriptor, o *optionsv1.Query) (params []object) {
	fields := md.Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		name := appleName(fd)
		switch fieldOptions(fd).GetRole() {
		case optionsv1.Role_ROLE_FILTER, optionsv1.Role_ROLE_EXISTS:
			for j := range fd.Message().Fields().Len() {
				inner := fd.Message().Fields().Get(j)
				params = append(params, b.parameter(name+"["+appleName(inner)+"]", inner, nil))
			}
		case optionsv1.Role_ROLE_INCLUDE:
			params = append(params, words(name, "Relationships whose resources are included", oneOf(o.GetInclude())))
		case optionsv1.Role_ROLE_SORT:
			params = append(params, words(name, "What to sort by; a leading - means descending", oneOf(o.GetSort())))
		case optionsv1.Role_ROLE_PARAMETER:
			params = append(params, b.parameter(name, fd, nil))
		}
	}
	for _, f := range o.GetFieldsets() {
		about := "The attributes and relationships to return of " + f.GetType()
		params = append(params, words("fields["+f.GetType()+"]", about, b.fieldNames(f)))
	}
	for _, l := range o.GetRelationLimits() {
		params = append(params, number("limit["+l.GetName()+"]", "How many of "+l.GetName()+" to include", l.GetMaximum()))
	}
	if fields.ByName("page_size") != nil {
		about := "How many to return. Above Apple's own limit the gateway reads several pages."
		params = append(params,
			number("limit", about, max(o.GetPageLimit(), service.MaxPageSize)),
			object{"name": "cursor", "in": "query", "schema": object{"type": "string", "maxLength": 4096},
				"description": "nextPageToken of the page before; the other parameters must be the same"})
	}
	if fields.ByName("extra_query") != nil {
		params = append(params, object{"name": "extra_query", "in": "query", "style": "deepObject", "explode": true,
			"schema":      object{"type": "object", "additionalProperties": object{"type": "string"}},
			"description": "Parameters that this document does not know, as extra_query[NAME]=VALUE"})
	}
	return params
}

// words describes a parameter that is a list of words.
func words(name, description string, items object) object {
	return object{"name": name, "in": "query", "description": description, "style": "form", "explode": false,
		"schema": object{"type": "array", "items": items}}
}

// oneOf describes a string that is one of some; any, if none is known.
func oneOf(values []string) object {
	if len(values) == 0 {
		return object{"type": "string"}
	}
	return object{"type": "string", "enum": values}
}

// fieldNames describes what a sparse fieldset may hold. Those of a resource are
// described once a document.
func (b *builder) fieldNames(f *optionsv1.Fieldset) object {
	if f.GetResource() == "" {
		return oneOf(f.GetNames())
	}
	full := "asc.resources.v1." + f.GetResource()
	name := full + ".FieldName"
	if b.schemas[name] != nil {
		return reference(name)
	}
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(full))
	if err != nil {
		return object{"type": "string"} // the engine does not start without it
	}
	list := []string{}
	fields := d.(protoreflect.MessageDescriptor).Fields()
	for i := range fields.Len() {
		switch roleOf(fields.Get(i)) {
		case optionsv1.Role_ROLE_ATTRIBUTE, optionsv1.Role_ROLE_RELATIONSHIP:
			list = append(list, appleName(fields.Get(i)))
		}
	}
	slices.Sort(list)
	b.schemas[name] = object{"type": "string", "enum": slices.Compact(list),
		"description": "An attribute or relationship of " + f.GetResource()}
	return reference(name)
}

func number(name, description string, maximum int32) object {
	schema := object{"type": "integer", "format": "int32", "minimum": 1}
	if maximum > 0 {
		schema["maximum"] = maximum
	}
	return object{"name": name, "in": "query", "description": description, "schema": schema}
}

// parameter describes one that is a field. style overrides how lists are
// written: joined by commas, if it is nil.
func (b *builder) parameter(name string, fd protoreflect.FieldDescriptor, style object) object {
	schema := b.value(fd, queries)
	p := object{"name": name, "in": "query", "schema": schema}
	if text := b.comments.Of(fd); text != "" {
		p["description"] = text
	}
	if fd.IsList() {
		p["style"], p["explode"] = "form", style["explode"] == true
		p["schema"] = object{"type": "array", "items": schema}
	}
	if isRequired(fd) {
		p["required"] = true
	}
	if isDeprecated(fd) {
		p["deprecated"] = true
	}
	return p
}

func (b *builder) pathParameter(fd protoreflect.FieldDescriptor) object {
	return object{"name": string(fd.Name()), "in": "path", "required": true, "description": b.comments.Of(fd),
		"schema": object{"type": "string", "minLength": 1, "maxLength": 512}}
}

func commonHeaders() []object {
	return []object{{"$ref": "#/components/parameters/Team"}, {"$ref": "#/components/parameters/Priority"}}
}

// appleName is Apple's name of a field.
func appleName(fd protoreflect.FieldDescriptor) string {
	if name := fieldOptions(fd).GetName(); name != "" {
		return name
	}
	return fd.JSONName()
}
