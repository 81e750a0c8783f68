package jsonapi

import (
	"slices"
	"strconv"
	"strings"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// extraTree is a resource's extra, sorted by the places that its keys name. What
// the decoder keeps under a key, the encoder writes back to the same place.
type extraTree struct {
	attributes    *extraNode
	relationships *extraNode
}

// extraNode is what extra holds for one place of a request. A nil node holds
// nothing.
type extraNode struct {
	text    string                // JSON text of the place itself, "" if none
	key     string                // as the caller wrote it
	used    bool                  // the text has been written
	members []extraMember         // members of this object that have no field
	inside  map[string]*extraNode // by Apple's name of a field, or index
}

// extraMember is a member of an object that has no field.
type extraMember struct{ name, text string }

func (x *extraTree) attribute(f *fieldPlan) *extraNode {
	if x == nil {
		return nil
	}
	return x.attributes.inside[f.name]
}

func (x *extraTree) relationship(f *fieldPlan) *extraNode {
	if x == nil {
		return nil
	}
	return x.relationships.inside[f.name]
}

func (n *extraNode) member(f *fieldPlan) *extraNode {
	if n == nil {
		return nil
	}
	return n.inside[f.name]
}

func (n *extraNode) element(i int) *extraNode {
	if n == nil {
		return nil
	}
	return n.inside[strconv.Itoa(i)]
}

func (n *extraNode) has() bool { return n != nil && n.text != "" }

func (n *extraNode) isString() bool { return n.has() && n.text[0] == '"' }

// write returns the text, which is then used. What it held inside is part of it.
func (n *extraNode) write() string {
	n.used, n.inside = true, nil
	return n.text
}

// appendMembers writes the members that have no field.
func (n *extraNode) appendMembers(b []byte) []byte {
	if n == nil {
		return b
	}
	for _, m := range n.members {
		b = append(key(b, m.name), m.text...)
	}
	return b
}

func (n *extraNode) child(name string) *extraNode {
	c := n.inside[name]
	if c == nil {
		c = &extraNode{}
		if n.inside == nil {
			n.inside = map[string]*extraNode{}
		}
		n.inside[name] = c
	}
	return c
}

// extraOf reads the extra of a resource that is to be written, nil if it is
// empty.
func (e *encoder) extraOf(p *messagePlan, m protoreflect.Message) *extraTree {
	if p.extra == nil || m.Get(p.extra).Map().Len() == 0 {
		return nil
	}
	x := &extraTree{attributes: &extraNode{}, relationships: &extraNode{}}
	values := m.Get(p.extra).Map()
	keys := make([]string, 0, values.Len())
	values.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool { keys = append(keys, k.String()); return true })
	slices.Sort(keys)
	for _, k := range keys {
		text := strings.TrimSpace(values.Get(protoreflect.ValueOfString(k).MapKey()).String())
		s := scanner{s: text}
		if _, err := s.skip(); err != nil || s.end() != nil || len(text) > maxExtra {
			e.violate("extra", "%q is not JSON text", bounded(k))
			continue
		}
		if what := x.put(p, k, text); what != "" {
			e.violate("extra", "%q %s", bounded(k), what)
		}
	}
	x.relationships.gatherMeta()
	return x
}

// put sorts one key in, or says what is wrong with it.
func (x *extraTree) put(p *messagePlan, k, text string) (what string) {
	if name, ok := strings.CutPrefix(k, "relationships."); ok {
		return x.relationships.putRelationship(p, k, name, text)
	}
	head, _, _ := strings.Cut(k, ".")
	if f := p.named(head); f != nil && f.role != optionsv1.Role_ROLE_ATTRIBUTE {
		return "has a field of its own"
	}
	return x.attributes.put(p, k, k, text)
}

// put finds the place that the rest of a key names, below a node of plan p.
func (n *extraNode) put(p *messagePlan, k, rest, text string) (what string) {
	for {
		head, tail, deeper := strings.Cut(rest, ".")
		f := p.named(head)
		if f == nil {
			n.members = append(n.members, extraMember{rest, text})
			return ""
		}
		n = n.child(f.name)
		for f != nil && f.fd.IsList() && deeper {
			var index string
			index, tail, deeper = strings.Cut(tail, ".")
			if i, err := strconv.Atoi(index); err != nil || i < 0 || strconv.Itoa(i) != index {
				return "names no place of the request"
			}
			n = n.child(index)
			if f.kind != kindList {
				break
			}
			f = f.message.fields[0]
		}
		switch {
		case !deeper && n.text != "":
			return "is told twice"
		case !deeper:
			n.key, n.text = k, text
			return ""
		case f.kind != kindObject:
			return "names no place of the request"
		}
		p, rest = f.message, tail
	}
}

// putRelationship sorts in what is told of a relationship: all of it, or a
// member beside its data.
func (n *extraNode) putRelationship(p *messagePlan, k, name, text string) (what string) {
	head, member, deeper := strings.Cut(name, ".")
	f := p.named(head)
	switch {
	case f == nil:
		n.members = append(n.members, extraMember{name, text})
		return ""
	case f.role != optionsv1.Role_ROLE_RELATIONSHIP || deeper && (member == "data" || member == ""):
		return "has a field of its own"
	}
	n = n.child(f.name)
	switch {
	case deeper:
		n.members = append(n.members, extraMember{member, text})
	case n.text != "":
		return "is told twice"
	default:
		n.key, n.text = k, text
	}
	return ""
}

// gatherMeta makes one member of each relationship's meta.NAME.
func (n *extraNode) gatherMeta() {
	for _, rel := range n.inside {
		var meta []byte
		var others []extraMember
		for _, m := range rel.members {
			if name, ok := strings.CutPrefix(m.name, "meta."); ok {
				meta = append(key(meta, name), m.text...)
			} else {
				others = append(others, m)
			}
		}
		if meta != nil {
			others = append(others, extraMember{"meta", "{" + string(meta) + "}"})
		}
		rel.members = others
	}
}

// misfit is the text that extra holds for a field that is not set: a new value
// of an enum, or a value of a kind that the field cannot hold. What the field
// can say must be said by the field.
func (e *encoder) misfit(f *fieldPlan, m protoreflect.Message) (raw string, ok bool) {
	if !e.extra.has() {
		return "", false
	}
	d := &decoder{scanner: scanner{s: e.extra.text}}
	if err := d.value(f, m.New(), extras{}, f.name); err == nil && d.page.Extra == 0 {
		return "", false // it is reported as one that was not written
	}
	return e.extra.write(), true
}

func (e *encoder) misfitRelationship(f *fieldPlan, m protoreflect.Message) (raw string, ok bool) {
	if !e.extra.has() {
		return "", false
	}
	d := &decoder{scanner: scanner{s: e.extra.text}}
	p := e.codec.plan(m.Descriptor())
	if err := d.relationship(p, f.name, m.New(), extras{}); err == nil && d.page.Extra == 0 {
		return "", false
	}
	e.extra.members = nil // part of the text
	return e.extra.write(), true
}

// unwritten reports the keys of extra that have no place in the request.
func (e *encoder) unwritten(x *extraTree) {
	var keys []string
	x.attributes.unused(&keys)
	x.relationships.unused(&keys)
	slices.Sort(keys)
	for _, k := range keys {
		e.violate("extra", "%q has a field of its own: the text of a new enum value stands beside UNKNOWN", bounded(k))
	}
}

func (n *extraNode) unused(keys *[]string) {
	if n.has() && !n.used {
		*keys = append(*keys, n.key)
	}
	for _, c := range n.inside {
		c.unused(keys)
	}
}
