package cli

import (
	"encoding/json"
	"io"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxColumns is how many columns a table has, unless they are named.
const maxColumns = 8

// maxCell is how many characters a cell has at most on a terminal.
const maxCell = 48

// table writes the resources of an answer as a table, or one as a list of fields.
func (c *caller) table(m protoreflect.Message) error {
	w := tabwriter.NewWriter(c.stdout, 0, 4, 2, ' ', 0)
	fd := dataOf(m.Descriptor())
	switch {
	case fd == nil:
		c.record(w, m)
	case !fd.IsList() && fd.Message() != nil:
		c.record(w, m.Get(fd).Message())
	case fd.Message() == nil && fd.IsList():
		for i := range m.Get(fd).List().Len() {
			_, _ = io.WriteString(w, printable(m.Get(fd).List().Get(i).String())+"\n")
		}
	case fd.Message() == nil:
		c.record(w, m)
	default:
		if err := c.rows(w, m.Get(fd).List(), fd.Message()); err != nil {
			return err
		}
	}
	return w.Flush()
}

// record writes a field a line.
func (c *caller) record(w io.Writer, m protoreflect.Message) {
	for i := range m.Descriptor().Fields().Len() {
		if fd := m.Descriptor().Fields().Get(i); m.Has(fd) {
			_, _ = io.WriteString(w, string(fd.Name())+"\t"+c.cell(fd, m)+"\n")
		}
	}
}

func (c *caller) rows(w io.Writer, list protoreflect.List, md protoreflect.MessageDescriptor) error {
	columns, err := c.columnsOf(list, md)
	if err != nil {
		return err
	}
	var head []string
	for _, fd := range columns {
		head = append(head, strings.ToUpper(string(fd.Name())))
	}
	_, _ = io.WriteString(w, strings.Join(head, "\t")+"\n")
	for i := range list.Len() {
		var cells []string
		for _, fd := range columns {
			cells = append(cells, c.cell(fd, list.Get(i).Message()))
		}
		_, _ = io.WriteString(w, strings.Join(cells, "\t")+"\n") // tabwriter keeps the error until it is flushed
	}
	return nil
}

// columnsOf are the columns that are named, or the first ones that a row has a
// short value in.
func (c *caller) columnsOf(
	list protoreflect.List, md protoreflect.MessageDescriptor,
) (columns []protoreflect.FieldDescriptor, err error) {
	for _, name := range c.columns {
		fd := named(md, name)
		if fd == nil {
			return nil, unknownField(md, []string{name}, name)
		}
		columns = append(columns, fd)
	}
	if len(columns) > 0 {
		return columns, nil
	}
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if !short(fd) {
			continue
		}
		there := false
		for j := range list.Len() {
			there = there || list.Get(j).Message().Has(fd)
		}
		if there && len(columns) < maxColumns {
			columns = append(columns, fd)
		}
	}
	return columns, nil
}

// short says whether a field's values fit a column.
func short(fd protoreflect.FieldDescriptor) bool {
	switch {
	case fd.IsList() || fd.IsMap() || optionsOf(fd).GetFormat() == optionsv1.Format_FORMAT_URI:
		return false
	case fd.Message() == nil:
		return true
	}
	return wellKnown(fd.Message().FullName()) || only(fd.Message()) != nil
}

// cell is a value for people to read. On a terminal it is cut short.
func (c *caller) cell(fd protoreflect.FieldDescriptor, m protoreflect.Message) string {
	if !m.Has(fd) {
		return ""
	}
	text := ""
	if inner := m.Get(fd); !fd.IsMap() && !fd.IsList() && fd.Message() != nil && only(fd.Message()) != nil {
		key := only(fd.Message())
		text = plain(key, inner.Message().Get(key))
	} else {
		text = plain(fd, inner)
	}
	text = printable(text)
	if isTerminal(c.stdout) && utf8.RuneCountInString(text) > maxCell {
		text = string([]rune(text)[:maxCell-1]) + "…"
	}
	return text
}

// plain is a value as JSON, without the quotes of a single text.
func plain(fd protoreflect.FieldDescriptor, v protoreflect.Value) string {
	b, err := appendValue(nil, fd, v)
	if err != nil {
		return ""
	}
	var text string
	if json.Unmarshal(b, &text) == nil {
		return text
	}
	var words []string
	if json.Unmarshal(b, &words) == nil {
		return strings.Join(words, ",")
	}
	return string(b)
}
