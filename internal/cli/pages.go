package cli

import (
	"context"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// pages asks for one page after the other. As jsonl, what each page holds is
// written at once; else all of it is one answer.
func (c *caller) pages(ctx context.Context, conn grpc.ClientConnInterface, m *method, req proto.Message) error {
	ask := req.ProtoReflect().Descriptor().Fields().ByName("page_token")
	next := m.desc.Output().Fields().ByName("next_page_token")
	if ask == nil || next == nil {
		return usagef("%s: --all is for methods with pages", m.rpc())
	}
	all, err := newMessage(m.desc.Output())
	if err != nil {
		return err
	}
	count := counter{w: c.stderr, on: isTerminal(c.stderr)}
	defer count.end()
	data := dataOf(m.desc.Output())
	for page := 1; ; page++ {
		res, err := newMessage(m.desc.Output())
		if err != nil {
			return err
		}
		if err := conn.Invoke(ctx, "/"+m.fullName(), req, res); err != nil {
			count.end()
			return calledBack(m, err)
		}
		r := res.ProtoReflect()
		token := r.Get(next).String()
		if token != "" && token == req.ProtoReflect().Get(ask).String() {
			return fmt.Errorf("%s: page %d names itself as the next one", m.rpc(), page)
		}
		count.page(page, r, data)
		r.Clear(next)
		if c.output == "jsonl" {
			if err := c.lines(r); err != nil {
				return err
			}
		} else {
			join(all.ProtoReflect(), r)
		}
		if token == "" {
			break
		}
		req.ProtoReflect().Set(ask, protoreflect.ValueOfString(token))
	}
	count.end()
	if c.output == "jsonl" {
		return nil
	}
	return c.print(all)
}

// join adds a page to what is there. What several pages include is there once.
func join(all, page protoreflect.Message) {
	proto.Merge(all.Interface(), page.Interface())
	if fd := all.Descriptor().Fields().ByName("included"); fd != nil && fd.Message() != nil && all.Has(fd) {
		inner := all.Mutable(fd).Message()
		inner.Range(func(list protoreflect.FieldDescriptor, v protoreflect.Value) bool {
			if list.IsList() && list.Message() != nil {
				once(v.List(), list.Message().Fields().ByName("id"))
			}
			return true
		})
	}
}

// once removes resources whose id stands earlier in the list.
func once(list protoreflect.List, id protoreflect.FieldDescriptor) {
	if id == nil {
		return
	}
	seen, kept := map[string]bool{}, 0
	for i := range list.Len() {
		el := list.Get(i)
		if key := el.Message().Get(id).String(); !seen[key] {
			seen[key] = true
			list.Set(kept, el)
			kept++
		}
	}
	list.Truncate(kept)
}

// counter tells on a terminal how far it is.
type counter struct {
	w    io.Writer
	on   bool
	rows int
	open bool
}

func (c *counter) page(n int, m protoreflect.Message, data protoreflect.FieldDescriptor) {
	if data != nil && data.IsList() {
		c.rows += m.Get(data).List().Len()
	}
	if !c.on {
		return
	}
	of := ""
	if fd := m.Descriptor().Fields().ByName("total_size"); fd != nil && m.Has(fd) {
		of = fmt.Sprintf(" of %d", m.Get(fd).Int())
	}
	fmt.Fprintf(c.w, "\rpage %d, %d%s", n, c.rows, of)
	c.open = true
}

func (c *counter) end() {
	if c.open {
		fmt.Fprintln(c.w)
		c.open = false
	}
}
