package table

import (
	"strings"
	"unicode"
)

// Name is a column's name in one spelling: provider_country of "Provider Country".
func Name(column string) string {
	var b strings.Builder
	gap := false
	for _, r := range column {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			gap = b.Len() > 0
			continue
		}
		if gap {
			b.WriteByte('_')
			gap = false
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// IsDate says whether a column, by its [Name], holds dates.
func IsDate(name string) bool {
	for word := range strings.SplitSeq(name, "_") {
		if word == "date" {
			return true
		}
	}
	return false
}

// AppendDate appends a date as YYYY-MM-DD where it is written MM/DD/YYYY, else as it
// is.
func AppendDate(b, cell []byte) []byte {
	if len(cell) != 10 || cell[2] != '/' || cell[5] != '/' {
		return append(b, cell...)
	}
	for i, c := range cell {
		if i != 2 && i != 5 && (c < '0' || c > '9') {
			return append(b, cell...)
		}
	}
	b = append(append(b, cell[6:]...), '-')
	b = append(append(b, cell[:2]...), '-')
	return append(b, cell[3:5]...)
}
