package jsonapi

import (
	"strings"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Window says which rows of a document's primary data are wanted.
type Window struct {
	From  int // rows before this one are left out; the first is 0
	Count int // of rows; 0: all that follow
}

func (w Window) has(i int) bool { return i >= w.From && (w.Count == 0 || i-w.From < w.Count) }

// DecodeWindow is [Codec.Decode] of some rows. [Page.Items] counts all rows. A
// row that repeats one before the window is left out as well, and so are the
// included resources that only rows outside the window point to.
func (c *Codec) DecodeWindow(body []byte, into proto.Message, w Window) (Page, error) {
	m := into.ProtoReflect()
	p := c.plan(m.Descriptor())
	d := &decoder{scanner: scanner{s: string(body)}, window: w}
	err := d.read(p, m)
	if err == nil && len(d.outside) > 0 {
		d.withdraw(p, m)
	}
	return d.page, err
}

// withdraw removes the included resources that only rows outside point to.
func (d *decoder) withdraw(p *messagePlan, m protoreflect.Message) {
	rows, included := p.withRole(optionsv1.Role_ROLE_DATA), p.withRole(optionsv1.Role_ROLE_INCLUDED)
	if rows == nil || included == nil || !rows.fd.IsList() || !m.Has(included.fd) {
		return
	}
	theirs, ours := map[string]bool{}, map[string]bool{}
	for _, row := range d.outside {
		rows.message.related(row, theirs)
	}
	list := m.Get(rows.fd).List()
	for i := range list.Len() {
		if !rows.message.related(list.Get(i).Message(), ours) {
			return // it points to what cannot be told
		}
	}
	in := m.Mutable(included.fd).Message()
	for known := -1; known < len(ours); { // what stays may point to more
		known = len(ours)
		included.message.each(in, func(f *fieldPlan, el protoreflect.Message, id string) {
			if ours[id] || !theirs[id] {
				f.message.related(el, ours)
			}
		})
	}
	for _, f := range included.message.fields {
		if f.message == nil || !f.fd.IsList() || !in.Has(f.fd) {
			continue
		}
		f.keepIf(in, func(id string) bool { return ours[id] || !theirs[id] })
	}
}

// related adds the ids that a resource's relationships point to. It says whether
// these are all: extra may hold others.
func (p *messagePlan) related(m protoreflect.Message, ids map[string]bool) (all bool) {
	all = true
	for _, f := range p.rels {
		if !m.Has(f.fd) {
			continue
		}
		rel := m.Get(f.fd).Message()
		if fd := rel.Descriptor().Fields().ByName("ids"); f.kind == kindToMany && fd != nil {
			list := rel.Get(fd).List()
			for i := range list.Len() {
				ids[list.Get(i).String()] = true
			}
		} else if fd := rel.Descriptor().Fields().ByName("id"); f.kind == kindToOne && fd != nil {
			ids[rel.Get(fd).String()] = true
		}
	}
	if p.extra != nil {
		m.Get(p.extra).Map().Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
			all = all && !strings.HasPrefix(k.String(), "relationships.")
			return all
		})
	}
	return all
}

// each goes through the resources of all lists of a message.
func (p *messagePlan) each(m protoreflect.Message, visit func(f *fieldPlan, el protoreflect.Message, id string)) {
	for _, f := range p.fields {
		if f.message == nil || !f.fd.IsList() || !m.Has(f.fd) {
			continue
		}
		list, id := m.Get(f.fd).List(), f.message.byName["id"]
		for i := 0; id != nil && i < list.Len(); i++ {
			el := list.Get(i).Message()
			visit(f, el, el.Get(id.fd).String())
		}
	}
}

// keepIf keeps the resources of a list whose ids are wanted.
func (f *fieldPlan) keepIf(m protoreflect.Message, wanted func(id string) bool) {
	list, id := m.Mutable(f.fd).List(), f.message.byName["id"]
	if id == nil {
		return
	}
	n := 0
	for i := range list.Len() {
		if el := list.Get(i); wanted(el.Message().Get(id.fd).String()) {
			list.Set(n, el)
			n++
		}
	}
	list.Truncate(n)
}
