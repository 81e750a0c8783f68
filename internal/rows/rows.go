// Package rows writes the rows of reports, which come in messages of many, as lines
// of JSON, as CSV, or as Parquet.
package rows

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"slices"

	reportsv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/reports/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Format is how rows are written.
type Format struct{ Name, ContentType string }

// The formats.
var (
	NDJSON  = Format{"ndjson", "application/x-ndjson"}
	CSV     = Format{"csv", "text/csv"}
	Parquet = Format{"parquet", "application/vnd.apache.parquet"}
)

// Formats are all of them.
var Formats = []Format{NDJSON, CSV, Parquet}

// In says whether messages of a kind hold the rows of a report.
func In(md protoreflect.MessageDescriptor) bool {
	fd := md.Fields().ByName("file")
	return fd != nil && fd.Message() != nil &&
		fd.Message().FullName() == (&reportsv1.ReportFile{}).ProtoReflect().Descriptor().FullName()
}

// File is the file that a message begins, nil if it begins none.
func File(m proto.Message) *reportsv1.ReportFile {
	if x, ok := m.(interface{ GetFile() *reportsv1.ReportFile }); ok {
		return x.GetFile()
	}
	return nil
}

// Writer writes the rows of messages.
type Writer struct {
	to      sink
	columns []string // nil until the first row
	fields  []protoreflect.FieldDescriptor
	rest    protoreflect.FieldDescriptor // map of other columns, nil: none
	named   []string                     // columns of a file whose rows have no fields
	cells   []string                     // of one row: reused
	n       int64
	leftOut int64
}

// sink takes rows: as many cells as there are columns, and what has none. It keeps
// neither.
type sink interface {
	begin(columns []string) error
	row(cells []string, rest map[string]string) error
	flush() error
	close() error
}

// restColumn holds, as JSON, the cells that have no column of their own.
const restColumn = "extra"

// New makes a writer of a format.
func New(f Format, w io.Writer) *Writer {
	switch f {
	case CSV:
		return &Writer{to: &csvSink{w: csv.NewWriter(w)}}
	case Parquet:
		return &Writer{to: newParquet(w)}
	}
	return &Writer{to: &jsonSink{w: w}}
}

// Rows is how many rows have been written.
func (w *Writer) Rows() int64 { return w.n }

// LeftOut is how many rows are not among them: those of other apps than the caller's.
func (w *Writer) LeftOut() int64 { return w.leftOut }

// Write writes the rows of a message.
func (w *Writer) Write(m proto.Message) error {
	if f := File(m); f != nil && w.columns == nil {
		w.named = f.GetColumns()
	}
	if x, ok := m.(interface{ GetLeftOut() int64 }); ok {
		w.leftOut += x.GetLeftOut()
	}
	var err error
	m.ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if !fd.IsList() || fd.Message() == nil {
			return true
		}
		for i := range v.List().Len() {
			if err = w.row(v.List().Get(i).Message()); err != nil {
				return false
			}
		}
		return true
	})
	if err != nil {
		return err
	}
	return w.to.flush()
}

// Close writes what is left.
func (w *Writer) Close() error {
	if w.columns == nil {
		if err := w.to.begin([]string{"report_date"}); err != nil {
			return err
		}
	}
	return w.to.close()
}

func (w *Writer) begin(md protoreflect.MessageDescriptor) error {
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if fd.IsMap() {
			w.rest = fd
			continue
		}
		w.fields = append(w.fields, fd)
		w.columns = append(w.columns, string(fd.Name()))
	}
	if len(w.fields) > 1 {
		w.named = nil
	}
	w.named = slices.DeleteFunc(
		slices.Clone(w.named),
		func(c string) bool { return slices.Contains(w.columns, c) || c == restColumn },
	)
	w.columns = append(w.columns, w.named...)
	return w.to.begin(w.columns)
}

func (w *Writer) row(m protoreflect.Message) error {
	if w.columns == nil {
		if err := w.begin(m.Descriptor()); err != nil {
			return err
		}
	}
	w.n++
	cells := w.cells[:0]
	for _, fd := range w.fields {
		cells = append(cells, m.Get(fd).String())
	}
	var rest map[string]string // most rows have none
	if w.rest != nil && m.Has(w.rest) {
		rest = map[string]string{}
		m.Get(w.rest).Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
			rest[k.String()] = v.String()
			return true
		})
	}
	for _, name := range w.named {
		cells = append(cells, rest[name])
		delete(rest, name)
	}
	w.cells = cells
	return w.to.row(cells, rest)
}

// jsonSink writes an object a line. Cells that are blank are left out.
type jsonSink struct {
	w    io.Writer
	keys [][]byte
	buf  []byte
}

func (s *jsonSink) begin(columns []string) error {
	for _, c := range columns {
		s.keys = append(s.keys, append(appendText(nil, c), ':'))
	}
	return nil
}

func (s *jsonSink) row(cells []string, rest map[string]string) error {
	s.buf = append(s.buf, '{')
	first := true
	for i, c := range cells {
		if c == "" {
			continue
		}
		if !first {
			s.buf = append(s.buf, ',')
		}
		first = false
		s.buf = appendText(append(s.buf, s.keys[i]...), c)
	}
	if len(rest) > 0 {
		if !first {
			s.buf = append(s.buf, ',')
		}
		s.buf = append(append(s.buf, `"`+restColumn+`":`...), object(rest)...)
	}
	s.buf = append(s.buf, '}', '\n')
	return nil
}

func (s *jsonSink) flush() error {
	_, err := s.w.Write(s.buf)
	s.buf = s.buf[:0]
	return err
}

func (s *jsonSink) close() error { return s.flush() }

// appendText appends a string as JSON.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // a string has JSON
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// object is a map as JSON, sorted by its keys.
func object(m map[string]string) []byte {
	b, _ := json.Marshal(m) // strings have JSON
	return b
}

// csvSink writes CSV as RFC 4180 has it, with a header.
type csvSink struct{ w *csv.Writer }

func (s *csvSink) begin(columns []string) error {
	return s.w.Write(append(slices.Clone(columns), restColumn))
}

func (s *csvSink) row(cells []string, rest map[string]string) error {
	extra := ""
	if len(rest) > 0 {
		extra = string(object(rest))
	}
	return s.w.Write(append(cells, extra))
}

func (s *csvSink) flush() error {
	s.w.Flush()
	return s.w.Error()
}

func (s *csvSink) close() error { return s.flush() }
