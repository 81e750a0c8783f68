package jsonapi

import (
	"errors"
	"strings"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
)

var errTooMany = errors.New("jsonapi: more resources than one answer may hold")

// relationship reads a member of relationships: its linkage and its total.
// Links are dropped.
func (d *decoder) relationship(p *messagePlan, name string, m protoreflect.Message, x extras) error {
	f := p.rels[name]
	if f == nil || d.peek() != '{' {
		if d.null() {
			return nil
		}
		return d.unknownRelationship(x, name)
	}
	start, depth := d.i, d.depth
	fits := true
	err := d.object(func(key string) (err error) {
		switch key {
		case "data":
			var ok bool
			ok, err = d.linkage(f, m)
			fits = fits && ok
			return err
		case "meta":
			return d.relationshipMeta(f, m, x, "relationships."+name+".meta")
		case "links":
			_, err = d.skip()
			return err
		}
		return d.keepUnlessNull(x, "relationships."+name+"."+key)
	})
	if err == nil && !fits {
		d.i, d.depth = start, depth
		m.Clear(f.fd)
		x.drop("relationships." + name + ".")
		return d.keep(x, "relationships."+name)
	}
	return err
}

// unknownRelationship keeps a relationship that says more than links.
func (d *decoder) unknownRelationship(x extras, name string) error {
	start, depth, says := d.i, d.depth, d.peek() != '{'
	if !says {
		if err := d.object(func(key string) error { says = says || key != "links"; _, err := d.skip(); return err }); err != nil {
			return err
		}
		if !says {
			return nil
		}
		d.i, d.depth = start, depth
	}
	return d.keep(x, "relationships."+name)
}

// relationshipMeta keeps the total of a to-many relationship; what else meta
// says goes to extra.
func (d *decoder) relationshipMeta(f *fieldPlan, m protoreflect.Message, x extras, at string) error {
	if d.peek() != '{' {
		return d.keepUnlessNull(x, at)
	}
	return d.object(func(key string) error {
		total := f.fd.Message().Fields().ByName("total")
		if key != "paging" || total == nil {
			return d.keepUnlessNull(x, at+"."+key)
		}
		n, ok, err := d.paging()
		if ok {
			m.Mutable(f.fd).Message().Set(total, protoreflect.ValueOfInt32(n))
		}
		return err
	})
}

// linkage reads the data of a relationship into ToOne or ToMany.
func (d *decoder) linkage(f *fieldPlan, m protoreflect.Message) (fits bool, err error) {
	rel := m.Mutable(f.fd).Message()
	if f.kind == kindToOne {
		if d.null() {
			return true, nil
		}
		id, ok, err := d.identifier(f.target)
		if ok {
			rel.Set(rel.Descriptor().Fields().ByName("id"), protoreflect.ValueOfString(id))
		}
		return ok, err
	}
	if d.null() {
		return true, nil
	}
	if d.peek() != '[' {
		_, err = d.skip()
		return false, err
	}
	ids := rel.Mutable(rel.Descriptor().Fields().ByName("ids")).List()
	fits = true
	err = d.array(func(int) error {
		id, ok, err := d.identifier(f.target)
		if ok {
			ids.Append(protoreflect.ValueOfString(id))
		}
		fits = fits && ok
		return err
	})
	return fits, err
}

// identifier reads a resource identifier object. It fits when it has the type
// expected and nothing but type and id.
func (d *decoder) identifier(target string) (id string, fits bool, err error) {
	if d.peek() != '{' {
		_, err = d.skip()
		return "", false, err
	}
	fits = true
	err = d.object(func(key string) (err error) {
		if key != "id" && key != "type" || d.peek() != '"' {
			fits = fits && key == "links"
			_, err = d.skip()
			return err
		}
		s, err := d.string()
		if key == "id" {
			id = s
		} else if target != "" && s != target {
			fits = false
		}
		return err
	})
	return id, fits && id != "", err
}

// linkageData reads the primary data of a relationship's own document.
func (d *decoder) linkageData(p *messagePlan, f *fieldPlan, m protoreflect.Message) error {
	start, depth := d.i, d.depth
	if !f.fd.IsList() {
		id, fits, err := d.identifier(f.target)
		if err != nil || !fits {
			d.i, d.depth = start, depth
			return d.keep(d.extras(p, m), "data")
		}
		m.Set(f.fd, protoreflect.ValueOfString(id))
		return nil
	}
	if d.peek() != '[' {
		return d.keep(d.extras(p, m), "data")
	}
	list := m.Mutable(f.fd).List()
	for i := range list.Len() {
		d.repeated(list.Get(i).String())
	}
	return d.array(func(i int) error {
		if d.page.Items++; d.page.Items > maxItems {
			return errTooMany
		}
		start, depth := d.i, d.depth
		id, fits, err := d.identifier(f.target)
		if err != nil {
			return err
		}
		if !fits && d.window.has(i) {
			d.i, d.depth = start, depth
			return d.keepElement(d.extras(p, m), "data")
		}
		if fits && !d.repeated(id) && d.window.has(i) {
			list.Append(protoreflect.ValueOfString(id))
		}
		return nil
	})
}

// included sorts the included resources into the lists of their types. The
// operation picks the message; a type without one is kept in extra.
func (d *decoder) included(p *messagePlan, m protoreflect.Message) error {
	f := p.withRole(optionsv1.Role_ROLE_INCLUDED)
	if d.null() {
		return nil
	}
	if d.peek() != '[' {
		return d.keep(d.extras(p, m), "included")
	}
	n := 0
	return d.array(func(int) error {
		if n++; n > maxItems {
			return errTooMany
		}
		typ, err := d.peekType()
		if err != nil {
			return err
		}
		var of *fieldPlan
		if f != nil {
			of = f.message.target(typ)
		}
		if of == nil {
			return d.keepElement(d.extras(p, m), "included."+typ)
		}
		list := m.Mutable(f.fd).Message().Mutable(of.fd).List()
		el := list.NewElement()
		if err := d.resource(of.message, el.Message()); err != nil {
			return err
		}
		if !d.includedBefore(list, of, el) {
			list.Append(el)
		}
		return nil
	})
}

// includedBefore says whether another page has included the resource.
func (d *decoder) includedBefore(list protoreflect.List, f *fieldPlan, el protoreflect.Value) bool {
	id := f.message.byName["id"].fd
	had, known := d.had[f.fd.FullName()]
	if !known {
		had = make(map[string]bool, list.Len())
		for i := range list.Len() {
			had[list.Get(i).Message().Get(id).String()] = true
		}
		if d.had == nil {
			d.had = map[protoreflect.FullName]map[string]bool{}
		}
		d.had[f.fd.FullName()] = had
	}
	return had[el.Message().Get(id).String()]
}

func (p *messagePlan) target(typ string) *fieldPlan {
	for _, f := range p.fields {
		if f.target == typ {
			return f
		}
	}
	return nil
}

// peekType finds the type of the resource object ahead without consuming it.
func (d *decoder) peekType() (typ string, err error) {
	if d.peek() != '{' {
		return "", nil
	}
	ahead := d.scanner
	found := errors.New("found")
	err = ahead.object(func(key string) error {
		if key != "type" || ahead.peek() != '"' {
			_, err := ahead.skip()
			return err
		}
		if typ, err = ahead.string(); err != nil {
			return err
		}
		return found
	})
	if errors.Is(err, found) {
		err = nil
	}
	return typ, err
}

// extras is where a message keeps what it has no field for.
type extras struct {
	m  protoreflect.Message
	fd protoreflect.FieldDescriptor
}

func (d *decoder) extras(p *messagePlan, m protoreflect.Message) extras { return extras{m, p.extra} }

var errTooMuchExtra = errors.New("jsonapi: more unknown data than one answer may hold")

// keep consumes a value and keeps its text under the path of what is read.
func (d *decoder) keep(x extras, key string) error {
	raw, err := d.skip()
	if err != nil {
		return err
	}
	path := len(d.path)
	d.push(key)
	err = x.put(d, string(d.path), raw)
	d.path = d.path[:path]
	return err
}

func (d *decoder) keepUnlessNull(x extras, key string) error {
	if d.null() {
		return nil
	}
	return d.keep(x, key)
}

// drop removes what is kept under keys with a prefix.
func (x extras) drop(prefix string) {
	if x.fd == nil || !x.m.Has(x.fd) {
		return
	}
	kept := x.m.Mutable(x.fd).Map()
	kept.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
		if strings.HasPrefix(k.String(), prefix) {
			kept.Clear(k)
		}
		return true
	})
}

// keepElement is keep for one of several elements: they make an array, which is
// put together when the document has been read.
func (d *decoder) keepElement(x extras, key string) error {
	raw, err := d.skip()
	if err != nil || x.fd == nil {
		return err
	}
	d.page.Extra++
	if len(d.arrays[key])+len(raw) > maxExtra {
		return errTooMuchExtra
	}
	if d.arrays == nil {
		d.arrays = map[string][]byte{}
	}
	if text := d.arrays[key]; len(text) > 0 {
		raw = "," + raw
	}
	d.arrays[key] = append(d.arrays[key], raw...)
	return nil
}

// putArrays puts the arrays of [decoder.keepElement] into extra, after what
// other pages have left there.
func (d *decoder) putArrays(x extras) error {
	for key, text := range d.arrays {
		before := "["
		if old := x.m.Mutable(x.fd).Map().Get(protoreflect.ValueOfString(key).MapKey()); old.IsValid() {
			before = strings.TrimSuffix(old.String(), "]") + ","
		}
		raw := before + string(text) + "]"
		if len(raw) > maxExtra {
			return errTooMuchExtra
		}
		x.m.Mutable(x.fd).Map().Set(protoreflect.ValueOfString(key).MapKey(), protoreflect.ValueOfString(raw))
	}
	return nil
}

func (x extras) put(d *decoder, key, raw string) error {
	d.page.Extra++
	if x.fd == nil {
		return nil
	}
	if len(raw) > maxExtra {
		return errTooMuchExtra
	}
	x.m.Mutable(x.fd).Map().Set(protoreflect.ValueOfString(key).MapKey(), protoreflect.ValueOfString(raw))
	return nil
}
