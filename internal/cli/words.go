package cli

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// hint says which of the right words comes nearest, if one is near.
func hint(wrong string, right []string) string {
	best, least := "", 1<<30
	if len(wrong) > 200 {
		return ""
	}
	for _, r := range right {
		if d := distance(strings.ToLower(wrong), strings.ToLower(r)); d < least || d == least && r < best {
			best, least = r, d
		}
	}
	if best == "" || least > max(2, len(wrong)/3) {
		return ""
	}
	return "; did you mean " + best + "?"
}

// Hint says which of the right words comes nearest, "" if none is near.
func Hint(wrong string, right []string) string { return hint(wrong, right) }

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

// clip shortens what a message quotes, and takes out what a terminal would obey.
func clip(s string) string {
	s = printable(s)
	if len(s) <= 120 {
		return s
	}
	cut := 120
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// printable replaces control characters: texts of Apple's could hold sequences
// that a terminal obeys.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, string(utf8.RuneError)))
}

// sortedKeys are the keys of a map, sorted.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
