// Package table reads the files of Apple's reports: gzip around UTF-8 lines of
// cells that tabs part. Nothing is quoted: a quote is data. The header row of the
// file is its schema; what comes around the table in finance reports is told apart.
//
// It reads in constant memory, and answers every file that is none with a fault
// that names the line.
package table

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/klauspost/compress/gzip"
)

// Reasons.
const (
	ReasonMalformed = "REPORT_MALFORMED" // a line is none of the report
	ReasonTruncated = "REPORT_TRUNCATED" // the file ends too early, or its checksum is wrong
)

// Bounds of a file.
const (
	MaxLineBytes = 64 << 10
	MaxColumns   = 256
	maxPreamble  = 32 // lines ahead of the header
	maxLayers    = 2  // of gzip: the file's own, and one of the transport
)

// Grammar is what a report has beside header and rows.
type Grammar struct {
	// Preamble: lines of a name and a value stand ahead of the header.
	Preamble bool
	// Trailer: the rows end at a line that is blank, or whose first cell is blank or
	// begins with Total_. What follows are sums.
	Trailer bool
	// Explained: the line after the header may say in words what the columns mean.
	Explained bool
	// Short: cells that are blank at the end of a row may be left out.
	Short bool
}

// The grammars.
var (
	Plain         = Grammar{}
	Financial     = Grammar{Preamble: true, Trailer: true, Short: true}
	FinanceDetail = Financial
	Installs      = Grammar{Preamble: true, Explained: true}
)

// Pair is a line of a preamble.
type Pair struct{ Name, Value string }

// Reader reads the rows of a file.
type Reader struct {
	Columns  []string // as the header spells them
	Preamble []Pair

	grammar Grammar
	lines   *bufio.Reader
	line    int // number of the line that was read last, from 1
	cells   [][]byte
	begun   bool // a line after the header was read
	ended   bool
}

// bom is a byte order mark.
var bom = []byte("\xef\xbb\xbf")

// NewReader unpacks a file and reads it up to its header. A file that is not
// packed is read as it is.
func NewReader(file io.Reader, g Grammar) (*Reader, error) {
	lines := bufio.NewReaderSize(file, MaxLineBytes)
	for range maxLayers {
		magic, err := lines.Peek(2)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, unpacked(err)
		}
		if !bytes.Equal(magic, []byte{0x1f, 0x8b}) {
			break
		}
		z, err := gzip.NewReader(lines)
		if err != nil {
			return nil, unpacked(err)
		}
		lines = bufio.NewReaderSize(z, MaxLineBytes)
	}
	r := &Reader{grammar: g, lines: lines}
	if start, err := lines.Peek(len(bom)); err == nil && bytes.Equal(start, bom) {
		_, _ = lines.Discard(len(bom)) // they were peeked at
	}
	return r, r.header()
}

// header reads up to the header row, which is the first line of three cells or
// more where a preamble may stand ahead of it.
func (r *Reader) header() error {
	for {
		line, err := r.next()
		if errors.Is(err, io.EOF) {
			return r.malformed("the file has no header")
		}
		if err != nil {
			return err
		}
		if blank(line) {
			continue
		}
		if err := r.split(line); err != nil {
			return err
		}
		if !r.grammar.Preamble || filled(r.cells) > 2 {
			break
		}
		if filled(r.cells) == 0 {
			continue
		}
		if len(r.Preamble) == maxPreamble {
			return r.malformed("the file has no header")
		}
		p := Pair{Name: string(Trim(r.cells[0]))}
		if len(r.cells) > 1 {
			p.Value = string(Trim(r.cells[1]))
		} else if name, value, ok := strings.Cut(p.Name, ": "); ok { // reports of installs: Region: European Union
			p = Pair{Name: name, Value: value}
		}
		r.Preamble = append(r.Preamble, p)
	}
	seen := map[string]bool{}
	for _, c := range r.cells {
		name := string(Trim(c))
		if name != "" && seen[Name(name)] {
			return r.malformed("a column stands twice in the header")
		}
		seen[Name(name)] = true
		r.Columns = append(r.Columns, name)
	}
	return nil
}

// Next reads a row: as many cells as there are columns, which are valid until the
// next call. Its error is [io.EOF] after the last row.
func (r *Reader) Next() ([][]byte, error) {
	for !r.ended {
		line, err := r.next()
		if err != nil {
			return nil, err
		}
		if r.grammar.Trailer && trailer(line) {
			break
		}
		if blank(line) {
			continue
		}
		if err := r.split(line); err != nil {
			return nil, err
		}
		if r.grammar.Explained && !r.begun && !numeric(r.cells[len(r.cells)-1]) {
			r.begun = true
			continue
		}
		r.begun = true
		return r.row()
	}
	r.ended = true
	// The rest is read too: only its end tells that the file is whole.
	if _, err := io.Copy(io.Discard, r.lines); err != nil {
		return nil, unpacked(err)
	}
	return nil, io.EOF
}

func (r *Reader) row() ([][]byte, error) {
	switch n := len(r.cells); {
	case n > len(r.Columns):
		return nil, r.malformed("%d cells for %d columns", n, len(r.Columns))
	case n < len(r.Columns) && !r.grammar.Short:
		return nil, r.malformed("%d cells for %d columns", n, len(r.Columns))
	}
	for len(r.cells) < len(r.Columns) {
		r.cells = append(r.cells, nil)
	}
	return r.cells, nil
}

// Line is the number of the line that was read last, from 1.
func (r *Reader) Line() int { return r.line }

// next reads a line without its end.
func (r *Reader) next() ([]byte, error) {
	line, err := r.lines.ReadSlice('\n')
	r.line++
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, r.malformed("the line is longer than %d bytes", MaxLineBytes)
	case errors.Is(err, io.EOF) && len(line) > 0:
	case errors.Is(err, io.EOF):
		return nil, io.EOF
	case err != nil:
		return nil, unpacked(err)
	}
	line = bytes.TrimSuffix(line, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if !utf8.Valid(line) {
		line = bytes.ToValidUTF8(line, []byte("\uFFFD"))
	}
	return line, nil
}

// split parts a line at its tabs.
func (r *Reader) split(line []byte) error {
	r.cells = r.cells[:0]
	for {
		if len(r.cells) == MaxColumns {
			return r.malformed("the line has more than %d cells", MaxColumns)
		}
		i := bytes.IndexByte(line, '\t')
		if i < 0 {
			r.cells = append(r.cells, line)
			return nil
		}
		r.cells = append(r.cells, line[:i])
		line = line[i+1:]
	}
}

// blank says whether a line has nothing, not even cells.
func blank(line []byte) bool { return len(Trim(line)) == 0 }

// trailer says whether a line ends the rows.
func trailer(line []byte) bool {
	first, _, _ := bytes.Cut(line, []byte("\t"))
	return len(Trim(first)) == 0 || bytes.HasPrefix(first, []byte("Total_"))
}

// numeric says whether a cell is a count: the last cell of every row is, where columns
// are explained.
func numeric(cell []byte) bool {
	cell = Trim(cell)
	return len(cell) == 0 || len(bytes.Trim(cell, "-0123456789.")) == 0
}

// filled is how many cells are not blank.
func filled(cells [][]byte) (n int) {
	for _, c := range cells {
		if len(Trim(c)) > 0 {
			n++
		}
	}
	return n
}

// Trim takes spaces off a cell. Apple writes blank cells as one space too.
func Trim(cell []byte) []byte {
	for len(cell) > 0 && cell[0] == ' ' {
		cell = cell[1:]
	}
	for len(cell) > 0 && cell[len(cell)-1] == ' ' {
		cell = cell[:len(cell)-1]
	}
	return cell
}

func (r *Reader) malformed(format string, args ...any) error {
	return fault.New(fault.Unavailable, ReasonMalformed, "Apple's report, line %d: "+format,
		append([]any{r.line}, args...)...)
}

// unpacked is the fault of a file that cannot be read to its end.
func unpacked(err error) error {
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gzip.ErrChecksum) ||
		errors.Is(err, gzip.ErrHeader) || strings.HasPrefix(err.Error(), "flate: ") {
		return fault.New(fault.Unavailable, ReasonTruncated, "Apple's report is cut off or damaged").WithCause(err)
	}
	return err
}
