package config

import (
	"slices"
	"strings"
)

// near says which of the right names comes nearest, if one is near.
func near(wrong string, right []string) string {
	slices.Sort(right)
	best, least := "", 1<<30
	for _, r := range right {
		if d := distance(strings.ToLower(clip(wrong)), r); d < least {
			best, least = r, d
		}
	}
	switch {
	case best != "" && least <= max(2, len(wrong)/3):
		return "; did you mean " + best + "?"
	case len(right) > 0 && len(right) <= 20:
		return "; there are " + strings.Join(right, ", ")
	}
	return ""
}

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
