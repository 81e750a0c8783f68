package jsonapi

import (
	"strconv"
	"strings"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Pointers tells what Apple says about a request's document in terms of the
// request's fields.
type Pointers struct {
	plan    *messagePlan
	msg     protoreflect.Message
	created []created // as they stand in the document's included
	local   *strings.Replacer
}

// Pointers makes the pointers of a request: of one that was sent.
func (c *Codec) Pointers(request proto.Message) *Pointers {
	m := request.ProtoReflect()
	p := &Pointers{plan: c.plan(m.Descriptor()), msg: m}
	e := &encoder{codec: c, note: func(c created) { p.created = append(p.created, c) }}
	e.document(m, "")
	names := make([]string, 0, 2*len(p.created))
	for _, c := range p.created {
		names = append(names, c.localID, c.path)
	}
	p.local = strings.NewReplacer(names...)
	return p
}

// Text replaces the local ids in a text, which the gateway made, by the fields
// that they stand for.
func (p *Pointers) Text(s string) string {
	if len(p.created) == 0 || !strings.Contains(s, "${") {
		return s
	}
	return p.local.Replace(s)
}

// Field turns a JSON Pointer into the proto field path that it is about:
//
//	/data/attributes/name                               name
//	/data/relationships/bundleId/data/id                bundle_id
//	/data/relationships/devices/data/2                  devices.ids[2]
//	/data/1/id, of a relationship's document            builds.ids[1]
//	/included/17/relationships/subscriptionPricePoint   prices.create[17].subscription_price_point
//
// It returns "" where the message has no such field.
func (p *Pointers) Field(pointer string) string {
	parts := strings.Split(strings.Trim(pointer, "/"), "/")
	if parts[0] == "included" && len(parts) > 1 {
		i, err := strconv.Atoi(parts[1])
		if err != nil || i < 0 || i >= len(p.created) {
			return ""
		}
		c := p.created[i]
		if field := member(c.plan, c.msg, parts[2:]); field != "" {
			return c.path + "." + field
		}
		return c.path
	}
	if parts[0] == "data" {
		parts = parts[1:]
	}
	if f := p.plan.withRole(optionsv1.Role_ROLE_LINKAGE); f != nil {
		return string(f.fd.Name()) + linked(f, p.msg, parts)
	}
	if len(parts) > 0 && parts[0] == "id" {
		return "id"
	}
	return member(p.plan, p.msg, parts)
}

// member finds what a pointer within a resource object is about.
func member(p *messagePlan, m protoreflect.Message, parts []string) string {
	if len(parts) < 2 {
		return ""
	}
	name, rest := parts[1], parts[2:]
	switch parts[0] {
	case "attributes":
		if f := p.byName[name]; f != nil && f.role == optionsv1.Role_ROLE_ATTRIBUTE {
			return string(f.fd.Name()) + inside(f, rest)
		}
	case "relationships":
		name = "relationships." + name
		if f := p.rels[parts[1]]; f != nil {
			if len(rest) > 0 && rest[0] == "data" {
				rest = rest[1:]
			}
			return string(f.fd.Name()) + linked(f, m, rest)
		}
	default:
		return ""
	}
	if p.extra != nil && m.Get(p.extra).Map().Has(protoreflect.ValueOfString(name).MapKey()) {
		return "extra[" + strconv.Quote(name) + "]"
	}
	return ""
}

// inside is the rest of the path into an attribute.
func inside(f *fieldPlan, parts []string) (path string) {
	for _, name := range parts {
		if i, err := strconv.Atoi(name); err == nil {
			path += "[" + strconv.Itoa(i) + "]"
			continue
		}
		if f.message == nil {
			break
		}
		if f = f.message.byName[name]; f == nil {
			break
		}
		path += "." + string(f.fd.Name())
	}
	return path
}

// linked is the rest of the path into a to-many linkage: which id, or which
// object to create. parts follow data.
func linked(f *fieldPlan, m protoreflect.Message, parts []string) string {
	if len(parts) == 0 || f.kind != kindToMany {
		return ""
	}
	i, err := strconv.Atoi(parts[0])
	if err != nil || i < 0 {
		return ""
	}
	ids := 0
	if fd := f.fd.Message().Fields().ByName("ids"); m.Has(f.fd) {
		ids = m.Get(f.fd).Message().Get(fd).List().Len()
	}
	if i >= ids && f.message != nil {
		return ".create[" + strconv.Itoa(i-ids) + "]"
	}
	return ".ids[" + strconv.Itoa(i) + "]"
}
