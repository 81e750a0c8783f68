package reports

import (
	"errors"
	"io"
	"slices"

	reportsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/reports/v1"
	"github.com/asc-gateway/asc-gateway/internal/usecase/reports/table"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Bounds of a message.
const (
	batchRows  = 500
	batchBytes = 256 << 10
)

// aliases are other spellings of columns.
var aliases = map[string]string{"sales_or_return": "sale_or_return", "app_apple_id": "app_apple_identifier",
	"app_apple_identifier": "app_apple_id"}

// sheet writes rows into messages of a stream. They are encoded as they will travel:
// a row costs no objects of its own.
type sheet struct {
	make func() proto.Message // a response
	send func(proto.Message) error

	field protowire.Number // of the rows, in the response
	row   protoreflect.MessageDescriptor
	rest  protowire.Number // of the map that holds other columns, in a row

	file    *reportsv1.ReportFile // until it is sent
	buf     []byte
	rows    int
	scratch []byte
}

// newSheet makes a sheet for rows in one field of the response.
func newSheet(make func() proto.Message, field string, send func(proto.Message) error) *sheet {
	fd := make().ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(field))
	s := &sheet{make: make, send: send, field: fd.Number(), row: fd.Message()}
	for _, name := range []protoreflect.Name{"extra", "cells"} {
		if rest := s.row.Fields().ByName(name); rest != nil {
			s.rest = rest.Number()
		}
	}
	return s
}

// column is where the cells of a column go.
type column struct {
	field protowire.Number // 0: into the map, by name
	name  string
	date  bool
}

// columns finds the fields of a file's columns, by their names.
func (s *sheet) columns(header []string) []column {
	list, taken := make([]column, len(header)), map[protowire.Number]bool{}
	place := func(i int, name string) {
		fd := s.row.Fields().ByName(protoreflect.Name(name))
		if fd == nil || fd.Kind() != protoreflect.StringKind || fd.IsMap() || fd.Number() == 1 || taken[fd.Number()] {
			return
		}
		list[i].field, taken[fd.Number()] = fd.Number(), true
	}
	for i, h := range header {
		name := table.Name(h)
		list[i] = column{name: h, date: table.IsDate(name)}
		place(i, name)
	}
	for i, h := range header {
		if list[i].field == 0 {
			place(i, aliases[table.Name(h)])
		}
	}
	return list
}

// begin is called ahead of the rows of a file.
func (s *sheet) begin(file *reportsv1.ReportFile) { s.file = file }

// add encodes a row.
func (s *sheet) add(date string, columns []column, cells [][]byte) error {
	b := s.scratch[:0]
	b = protowire.AppendTag(b, 1, protowire.BytesType)
	b = protowire.AppendString(b, date)
	var iso [16]byte
	for i, cell := range cells {
		if cell = table.Trim(cell); len(cell) == 0 {
			continue
		}
		c := &columns[i]
		if c.date {
			cell = table.AppendDate(iso[:0], cell)
		}
		if c.field != 0 {
			b = protowire.AppendTag(b, c.field, protowire.BytesType)
			b = protowire.AppendBytes(b, cell)
			continue
		}
		b = protowire.AppendTag(b, s.rest, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(2+protowire.SizeBytes(len(c.name))+protowire.SizeBytes(len(cell))))
		b = protowire.AppendTag(b, 1, protowire.BytesType)
		b = protowire.AppendString(b, c.name)
		b = protowire.AppendTag(b, 2, protowire.BytesType)
		b = protowire.AppendBytes(b, cell)
	}
	s.scratch = b
	if s.rows > 0 && len(s.buf)+len(b) > batchBytes {
		if err := s.flush(nil); err != nil {
			return err
		}
	}
	s.buf = protowire.AppendTag(s.buf, s.field, protowire.BytesType)
	s.buf = protowire.AppendBytes(s.buf, b)
	if s.rows++; s.rows >= batchRows {
		return s.flush(nil)
	}
	return nil
}

// flush sends what there is. with may add to the message.
func (s *sheet) flush(with func(proto.Message)) error {
	if s.rows == 0 && s.file == nil && with == nil {
		return nil
	}
	m := s.make()
	// Rows are given as they are encoded, which is how they travel: the server decodes
	// them where a message does not.
	m.ProtoReflect().SetUnknown(slices.Clone(s.buf))
	if s.file != nil {
		m.ProtoReflect().Set(m.ProtoReflect().Descriptor().Fields().ByName("file"),
			protoreflect.ValueOfMessage(s.file.ProtoReflect()))
	}
	if with != nil {
		with(m)
	}
	s.file, s.rows, s.buf = nil, 0, s.buf[:0]
	return s.send(m)
}

// read writes the rows of a file. keep says which are wanted, nil: all.
func (s *sheet) read(r *table.Reader, date string, keep func([][]byte) (bool, error)) error {
	columns := s.columns(r.Columns)
	for {
		cells, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && keep != nil {
			var wanted bool
			if wanted, err = keep(cells); err == nil && !wanted {
				continue
			}
		}
		if err == nil {
			err = s.add(date, columns, cells)
		}
		if err != nil {
			return err
		}
	}
}
