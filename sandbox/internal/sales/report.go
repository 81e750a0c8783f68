package sales

import (
	"bufio"
	"io"
	"strconv"
	"strings"
)

// table writes rows of a report: cells between tabs, lines that end with a line feed,
// nothing quoted. What would break a row becomes a blank.
type table struct {
	w    *bufio.Writer
	line []byte
	rows int
	err  error
}

// firstRows are sent at once: who only wants to know whether there are rows waits for no
// more.
const firstRows = 8

func newTable(w io.Writer) *table { return &table{w: bufio.NewWriterSize(w, 64<<10)} }

var plain = strings.NewReplacer("\t", " ", "\n", " ", "\r", " ")

// short writes one line without the empty cells at its end.
func (t *table) short(cells ...string) {
	for len(cells) > 0 && cells[len(cells)-1] == "" {
		cells = cells[:len(cells)-1]
	}
	t.row(cells...)
}

// row writes one line.
func (t *table) row(cells ...string) {
	if t.err != nil {
		return
	}
	t.line = t.line[:0]
	for i, c := range cells {
		if i > 0 {
			t.line = append(t.line, '\t')
		}
		if strings.ContainsAny(c, "\t\r\n") {
			c = plain.Replace(c)
		}
		t.line = append(t.line, c...)
	}
	t.rows++
	if _, t.err = t.w.Write(append(t.line, '\n')); t.err == nil && t.rows == firstRows {
		t.err = t.w.Flush()
	}
}

// end writes what is left and says what went wrong.
func (t *table) end() error {
	if t.err == nil {
		t.err = t.w.Flush()
	}
	return t.err
}

// blank is how Apple leaves a cell of the sales reports empty.
const blank = " "

// or is a text, or another where it is empty.
func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// yes is "Yes", or blank.
func yes(b bool) string {
	if b {
		return "Yes"
	}
	return blank
}

// String is money with two decimals, three where they are needed.
func (a Money) String() string {
	sign := ""
	if a < 0 {
		sign, a = "-", -a
	}
	digits := strconv.FormatInt(int64(a%1000)+1000, 10)[1:]
	return sign + strconv.FormatInt(int64(a/1000), 10) + "." + strings.TrimSuffix(digits, "0")
}

// tally adds up lines that are alike.
type tally struct {
	units map[Line]int
	order []Line
}

func (y *tally) add(l Line, units int) {
	if y.units == nil {
		y.units = map[Line]int{}
	}
	if _, there := y.units[l]; !there {
		y.order = append(y.order, l)
	}
	y.units[l] += units
}

// sums yields the lines of a span, product by product and territory by territory, after
// shape has made alike what is to be added up; it says no to what is left out. It ends
// when each says no.
func (m *Market) sums(s Span, shape func(l *Line) bool, each func(l Line, units int) bool) {
	for p := range m.Products {
		for i := range m.Territories {
			var y tally
			m.Lines(p, &m.Territories[i], s, func(l Line, units int) {
				if shape(&l) {
					y.add(l, units)
				}
			})
			for _, l := range y.order {
				if !each(l, y.units[l]) {
					return
				}
			}
		}
	}
}

// overall adds up the days of a line.
func overall(l *Line) bool {
	l.Day = 0
	return true
}

// long is money with three decimals.
func (a Money) long() string {
	s := a.String()
	if s[len(s)-3] == '.' {
		s += "0"
	}
	return s
}

// ParseMoney reads a decimal number with at most three decimals: "0.99".
func ParseMoney(text string) (Money, bool) {
	whole, decimals, _ := strings.Cut(text, ".")
	const most = 3
	if whole == "" || len(whole) > 12 || len(decimals) > most {
		return 0, false
	}
	n, err := strconv.ParseInt(whole+decimals+strings.Repeat("0", most-len(decimals)), 10, 64)
	return Money(n), err == nil
}
