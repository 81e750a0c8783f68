package openapi

import (
	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// together describes what must be sent together, one of some combinations. The
// members are then described apart, as NAME.Members, because generators of
// clients understand "these members, with those required" and little else.
func (b *builder) together(md protoreflect.MessageDescriptor, name string) {
	choices, _ := proto.GetExtension(md.Options(), optionsv1.E_Choice).([]*optionsv1.Choice)
	if len(choices) == 0 {
		return
	}
	members := name + ".Members"
	b.schemas[members] = b.schemas[name]
	var all []object
	for _, c := range choices {
		var either []object
		for _, combination := range c.GetAnyOf() {
			either = append(either, object{"allOf": []object{reference(members)},
				"required": jsonNames(md, combination.GetFields())})
		}
		all = append(all, object{"anyOf": either})
	}
	s := object{"allOf": all}
	if len(all) == 1 {
		s = all[0]
	}
	if text := b.comments.Of(md); text != "" {
		s["description"] = text
	}
	b.schemas[name] = s
}

func jsonNames(md protoreflect.MessageDescriptor, fields []string) []string {
	out := []string{}
	for _, name := range fields {
		if fd := md.Fields().ByName(protoreflect.Name(name)); fd != nil {
			out = append(out, fd.JSONName())
		}
	}
	return out
}
