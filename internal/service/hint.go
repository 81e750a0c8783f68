package service

import (
	"fmt"
	"slices"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/near"
)

// Hint is "; did you mean X?" with the right word that comes nearest to a wrong
// one, or "" if none is near.
func Hint(wrong string, right []string) string { return hint(wrong, right) }

func hint(wrong string, right []string) string {
	if len(right) == 0 || len(wrong) > 100 {
		return ""
	}
	right = slices.Sorted(slices.Values(right))
	best, least := "", 1<<30
	for _, r := range right {
		if d, ok := likely(strings.ToLower(wrong), strings.ToLower(r)); ok && d < least {
			best, least = r, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// likely says whether a word can be meant by another, and how far they are apart.
// Of parameters such as filter[version] the key decides, for what they share says
// nothing; a key without its filter is near.
func likely(wrong, right string) (d int, ok bool) {
	kind, key, keyed := strings.Cut(right, "[")
	if keyed && wrong == strings.TrimSuffix(key, "]") {
		return 1, true
	}
	if rest, same := strings.CutPrefix(wrong, kind+"["); keyed && same {
		wrong, right = rest, key
	}
	d = near.Distance(wrong, right)
	return d, d <= min(3, max(1, min(len(wrong), len(right))/3))
}

// Newer says why a value that is not among the known ones of an enum is taken for
// a slip, or "" if it is taken for one that is newer than Apple's document and may
// be sent. A slip differs in case or punctuation, or by a letter or two; another
// number or another word is new. by names the way to send such a value all the
// same.
func Newer(s string, known []string, by string) (why string) {
	slices.Sort(known)
	small := slices.ContainsFunc(known, func(k string) bool { return strings.ToUpper(k) != k })
	if !wordlike(s) || !small && strings.ToUpper(s) != s {
		return fmt.Sprintf("%q is no value of it%s", clip(s), hint(s, known))
	}
	for _, k := range known {
		if slip(s, k) {
			return fmt.Sprintf("%q is no value of it; did you mean %s? A new value so near to it is sent by %s", clip(s), k, by)
		}
	}
	return ""
}

// wordlike says whether a text has the form of an enum value.
func wordlike(s string) bool {
	return s != "" && len(s) <= 100 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune("_.-", r)
	})
}

func slip(s, known string) bool {
	if letters(s, true) == letters(known, true) {
		return true
	}
	if letters(s, false) == letters(known, false) || digits(s) != digits(known) ||
		strings.Count(s, "_") != strings.Count(known, "_") {
		return false
	}
	switch n := min(len(s), len(known)); {
	case n < 5: // P1D, P1Y
		return false
	case n < 8:
		return near.Distance(s, known) <= 1
	}
	return near.Distance(s, known) <= 2
}

// letters are the letters of a value, and its digits, without case and
// punctuation.
func letters(s string, withDigits bool) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z', withDigits && r >= '0' && r <= '9':
			return r
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		}
		return -1
	}, s)
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}
