package jsonapi

import (
	"errors"
	"strconv"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"
)

// maxItems bounds the primary data of one answer, and maxExtra what a message
// may keep of things unknown, in bytes.
const (
	maxItems = 20_000
	maxExtra = 1 << 20
)

// Page is what an answer says about itself.
type Page struct {
	Next  string // links.next, "" on the last page
	Items int    // resources of the primary data, repeated ones included
	Extra int    // things the messages had no place for
}

// decoder reads one document.
type decoder struct {
	scanner
	page    Page
	window  Window
	outside []protoreflect.Message // rows that the window leaves out
	path    []byte                 // within the resource, for keys of extra
	seen    map[string]bool
	had     map[protoreflect.FullName]map[string]bool // ids of included resources of earlier pages, by list
	arrays  map[string][]byte                         // arrays for extra, by key
}

// Decode reads a JSON:API document into a response message. Lists are appended
// to, so that several pages can be read into one message; rows that are there
// already are left out.
func (c *Codec) Decode(body []byte, into proto.Message) (Page, error) {
	return c.DecodeWindow(body, into, Window{})
}

// read reads the whole document.
func (d *decoder) read(p *messagePlan, m protoreflect.Message) (err error) {
	if f := p.withRole(optionsv1.Role_ROLE_BODY); f != nil {
		err = d.whole(p, f, m)
	} else {
		err = d.document(p, m)
	}
	if err == nil {
		err = errors.Join(d.end(), d.putArrays(d.extras(p, m)))
	}
	return err
}

func (p *messagePlan) withRole(r optionsv1.Role) *fieldPlan {
	for _, f := range p.fields {
		if f.role == r {
			return f
		}
	}
	return nil
}

// whole reads JSON that is no JSON:API document.
func (d *decoder) whole(p *messagePlan, f *fieldPlan, m protoreflect.Message) error {
	x := d.extras(p, m)
	return d.members(f.message, m.Mutable(f.fd).Message(), x)
}

func (d *decoder) document(p *messagePlan, m protoreflect.Message) error {
	return d.object(func(key string) error {
		switch key {
		case "data":
			return d.data(p, m)
		case "included":
			return d.included(p, m)
		case "links":
			return d.links()
		case "meta":
			return d.meta(p, m)
		case "jsonapi":
			_, err := d.skip()
			return err
		}
		return d.keep(d.extras(p, m), key)
	})
}

// links keeps links.next.
func (d *decoder) links() error {
	if d.peek() != '{' {
		_, err := d.skip()
		return err
	}
	return d.object(func(key string) (err error) {
		if key == "next" && d.peek() == '"' {
			d.page.Next, err = d.string()
			return err
		}
		_, err = d.skip()
		return err
	})
}

// meta keeps meta.paging.total; other members of meta go to extra.
func (d *decoder) meta(p *messagePlan, m protoreflect.Message) error {
	if d.peek() != '{' {
		_, err := d.skip()
		return err
	}
	return d.object(func(key string) error {
		if key != "paging" {
			return d.keep(d.extras(p, m), "meta."+key)
		}
		total, ok, err := d.paging()
		if fd := p.md.Fields().ByName("total_size"); ok && fd != nil {
			m.Set(fd, protoreflect.ValueOfInt32(total))
		}
		return err
	})
}

// paging reads {"total": n, …}.
func (d *decoder) paging() (total int32, ok bool, err error) {
	if d.peek() != '{' {
		_, err = d.skip()
		return 0, false, err
	}
	err = d.object(func(key string) error {
		raw, err := d.skip()
		if n, isInt := parseInt(raw, 32); key == "total" && isInt {
			total, ok = int32(n), true
		}
		return err
	})
	return total, ok, err
}

// data reads the primary data: resources, linkages or metrics.
func (d *decoder) data(p *messagePlan, m protoreflect.Message) error {
	f := p.withRole(optionsv1.Role_ROLE_DATA)
	linkage := p.withRole(optionsv1.Role_ROLE_LINKAGE)
	switch {
	case d.null():
		return nil
	case linkage != nil:
		return d.linkageData(p, linkage, m)
	case f == nil:
		return d.keep(d.extras(p, m), "data")
	case f.fd.IsList():
		if d.peek() != '[' {
			return d.keep(d.extras(p, m), "data")
		}
		return d.rows(f, m, d.extras(p, m))
	}
	if d.peek() != '{' {
		return d.keep(d.extras(p, m), "data")
	}
	return d.row(f.message, m.Mutable(f.fd).Message(), d.extras(p, m), 0)
}

// rows appends the resources to a list, leaving out those it holds.
func (d *decoder) rows(f *fieldPlan, m protoreflect.Message, x extras) error {
	list := m.Mutable(f.fd).List()
	idField := f.fd.Message().Fields().ByName("id")
	if list.Len() > 0 && idField != nil {
		d.seen = make(map[string]bool, list.Len())
		for i := range list.Len() {
			d.seen[list.Get(i).Message().Get(idField).String()] = true
		}
	}
	return d.array(func(i int) error {
		if d.page.Items++; d.page.Items > maxItems {
			return errTooMany
		}
		if d.peek() != '{' {
			_, err := d.skip()
			return err
		}
		el := list.NewElement()
		if err := d.row(f.message, el.Message(), x, i); err != nil {
			return err
		}
		before := idField != nil && d.repeated(el.Message().Get(idField).String())
		switch {
		case !d.window.has(i):
			d.outside = append(d.outside, el.Message())
		case !before:
			list.Append(el)
		}
		return nil
	})
}

// repeated notes a row's id and says whether it was there before.
func (d *decoder) repeated(id string) bool {
	if d.seen == nil {
		d.seen = map[string]bool{}
	}
	if id == "" || !d.seen[id] {
		d.seen[id] = true
		return false
	}
	return true
}

// row reads one element of the primary data. A row of metrics has no extra of
// its own: the response keeps what it has no field for.
func (d *decoder) row(p *messagePlan, m protoreflect.Message, x extras, i int) error {
	if p.typ != "" {
		return d.resource(p, m)
	}
	d.path = append(d.path[:0], "data."...)
	d.path = strconv.AppendInt(d.path, int64(i), 10)
	err := d.members(p, m, x)
	d.path = d.path[:0]
	return err
}

// resource reads a resource object.
func (d *decoder) resource(p *messagePlan, m protoreflect.Message) error {
	x := d.extras(p, m)
	d.path = d.path[:0]
	return d.object(func(key string) error {
		switch key {
		case "id":
			return d.value(p.byName["id"], m, x, "id")
		case "attributes":
			if d.peek() == '{' {
				return d.members(p, m, x)
			}
		case "relationships":
			if d.peek() == '{' {
				return d.object(func(name string) error { return d.relationship(p, name, m, x) })
			}
		case "links":
			_, err := d.skip()
			return err
		case "type":
			start := d.i
			if t, err := d.string(); err == nil && t == p.typ {
				return nil
			}
			d.i = start
		}
		if d.null() {
			return nil
		}
		return d.keep(x, key)
	})
}

// members reads the members of an object into the fields of a message.
func (d *decoder) members(p *messagePlan, m protoreflect.Message, x extras) error {
	return d.object(func(key string) error {
		f := p.byName[key]
		if f == nil || f.role == optionsv1.Role_ROLE_ID {
			if key == "links" && p.typ == "" {
				_, err := d.skip()
				return err
			}
			if d.null() && f == nil {
				return nil
			}
			return d.keep(x, key)
		}
		return d.value(f, m, x, key)
	})
}

// value reads one value into a field. A value that does not fit is kept whole
// in extra.
func (d *decoder) value(f *fieldPlan, m protoreflect.Message, x extras, key string) error {
	if d.null() {
		return nil
	}
	start, depth, path := d.i, d.depth, len(d.path)
	d.push(key)
	fits, err := d.into(f, m, x)
	d.path = d.path[:path]
	if err == nil && fits {
		return nil
	}
	d.i, d.depth = start, depth
	m.Clear(f.fd)
	return d.keep(x, key)
}

func (d *decoder) push(key string) {
	if len(d.path) > 0 {
		d.path = append(d.path, '.')
	}
	d.path = append(d.path, key...)
}

func (d *decoder) into(f *fieldPlan, m protoreflect.Message, x extras) (fits bool, err error) {
	switch {
	case f.kind == kindMap:
		return d.stringMap(m.Mutable(f.fd).Map())
	case f.kind == kindObject && !f.fd.IsList():
		if d.peek() != '{' {
			return false, nil
		}
		return true, d.members(f.message, m.Mutable(f.fd).Message(), x)
	case f.fd.IsList():
		return d.elements(f, m.Mutable(f.fd).List(), x)
	}
	v, fits, err := d.single(f, x)
	if fits && err == nil {
		m.Set(f.fd, v)
	}
	return fits, err
}

func (d *decoder) elements(f *fieldPlan, list protoreflect.List, x extras) (fits bool, err error) {
	if d.peek() != '[' {
		return false, nil
	}
	fits = true
	path := len(d.path)
	err = d.array(func(i int) error {
		d.path = append(d.path[:path], '.')
		d.path = strconv.AppendInt(d.path, int64(i), 10)
		ok, err := d.element(f, list, x)
		if !ok && err == nil {
			_, err = d.skip()
		}
		fits = fits && ok
		return err
	})
	d.path = d.path[:path]
	return fits, err
}

func (d *decoder) element(f *fieldPlan, list protoreflect.List, x extras) (fits bool, err error) {
	switch f.kind {
	case kindObject:
		if d.peek() != '{' {
			return false, nil
		}
		el := list.NewElement()
		err = d.members(f.message, el.Message(), x)
		list.Append(el)
		return true, err
	case kindList:
		el := list.NewElement()
		inner := f.message.fields[0]
		fits, err = d.elements(inner, el.Message().Mutable(inner.fd).List(), x)
		list.Append(el)
		return fits, err
	}
	v, fits, err := d.single(f, x)
	if fits && err == nil {
		list.Append(v)
	}
	return fits, err
}

// single reads a scalar, enum, time or free value.
func (d *decoder) single(f *fieldPlan, x extras) (v protoreflect.Value, fits bool, err error) {
	c := d.peek()
	switch f.kind {
	case kindString, kindEnum, kindTime:
		if c != '"' {
			return v, false, nil
		}
		return d.text(f, x)
	case kindBool:
		if c != 't' && c != 'f' {
			return v, false, nil
		}
		b, err := d.bool()
		return protoreflect.ValueOfBool(b), true, err
	case kindInt32, kindInt64, kindDouble:
		if c != '-' && (c < '0' || c > '9') {
			return v, false, nil
		}
		return d.numeric(f.kind)
	case kindValue:
		raw, err := d.skip()
		if err != nil {
			return v, false, err
		}
		any := &structpb.Value{}
		fits := protojson.Unmarshal([]byte(raw), any) == nil
		return protoreflect.ValueOfMessage(any.ProtoReflect()), fits, nil
	}
	return v, false, nil
}

func (d *decoder) text(f *fieldPlan, x extras) (v protoreflect.Value, fits bool, err error) {
	start := d.i
	s, err := d.string()
	if err != nil {
		return v, false, err
	}
	switch f.kind {
	case kindTime:
		ts, ok := parseTime(s)
		if !ok && f.date {
			ts, ok = parseDate(s)
		}
		if !ok {
			return v, false, nil // extra keeps it
		}
		return protoreflect.ValueOfMessage(ts.ProtoReflect()), true, nil
	case kindEnum:
		n, ok := f.enum.byName[s]
		if !ok {
			n = unknown
			x.put(d, string(d.path), d.s[start:d.i])
		}
		return protoreflect.ValueOfEnum(n), true, nil
	}
	return protoreflect.ValueOfString(s), true, nil
}

func (d *decoder) numeric(k kind) (v protoreflect.Value, fits bool, err error) {
	text, err := d.number()
	if err != nil {
		return v, false, err
	}
	switch k {
	case kindInt32:
		n, ok := parseInt(text, 32)
		return protoreflect.ValueOfInt32(int32(n)), ok, nil
	case kindInt64:
		n, ok := parseInt(text, 64)
		return protoreflect.ValueOfInt64(n), ok, nil
	}
	n, err := strconv.ParseFloat(text, 64)
	return protoreflect.ValueOfFloat64(n), err == nil, nil
}

func (d *decoder) stringMap(m protoreflect.Map) (fits bool, err error) {
	if d.peek() != '{' {
		return false, nil
	}
	fits = true
	err = d.object(func(key string) error {
		if d.peek() != '"' {
			fits = false
			_, err := d.skip()
			return err
		}
		s, err := d.string()
		m.Set(protoreflect.ValueOfString(key).MapKey(), protoreflect.ValueOfString(s))
		return err
	})
	return fits, err
}
