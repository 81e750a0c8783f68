package rows

import (
	"io"

	"github.com/parquet-go/parquet-go"
)

// groupRows is how many rows are kept in memory until they are written.
const groupRows = 10_000

// parquetSink writes Parquet: every column is an optional string, since decimals are
// exact there too.
type parquetSink struct {
	to    io.Writer
	w     *parquet.GenericWriter[any]
	index []int // of the columns: Parquet sorts them by name
	held  int
}

func newParquet(w io.Writer) *parquetSink { return &parquetSink{to: w} }

func (s *parquetSink) begin(columns []string) error {
	group := parquet.Group{restColumn: parquet.Optional(parquet.String())}
	for _, c := range columns {
		group[c] = parquet.Optional(parquet.String())
	}
	schema := parquet.NewSchema("report", group)
	place := map[string]int{}
	for i, path := range schema.Columns() {
		place[path[0]] = i
	}
	for _, c := range append(append([]string{}, columns...), restColumn) {
		s.index = append(s.index, place[c])
	}
	s.w = parquet.NewGenericWriter[any](
		s.to,
		schema,
		parquet.Compression(&parquet.Snappy),
		parquet.WriteBufferSize(64<<10),
	)
	return nil
}

func (s *parquetSink) row(cells []string, rest map[string]string) error {
	extra := ""
	if len(rest) > 0 {
		extra = string(object(rest))
	}
	row := make(parquet.Row, len(s.index))
	for i, c := range append(cells, extra) {
		at := s.index[i]
		if row[at] = parquet.NullValue().Level(0, 0, at); c != "" {
			row[at] = parquet.ValueOf(c).Level(0, 1, at)
		}
	}
	if _, err := s.w.WriteRows([]parquet.Row{row}); err != nil {
		return err
	}
	if s.held++; s.held < groupRows {
		return nil
	}
	s.held = 0
	return s.w.Flush()
}

// flush waits for a group to be full.
func (s *parquetSink) flush() error { return nil }

func (s *parquetSink) close() error { return s.w.Close() }
