package service

import (
	"strings"
	"unicode"
)

// words splits a name, a path or a phrase into lower-case words: at what is no
// letter or digit, and where a capital begins a word: "inAppPurchases" has three.
func words(text string) (out []string) {
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		out = append(out, camelWords(part)...)
	}
	return out
}

func camelWords(s string) (out []string) {
	runes := []rune(s)
	start := 0
	for i := 1; i < len(runes); i++ {
		begins := unicode.IsUpper(runes[i]) &&
			(!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1]))
		if begins {
			out = append(out, strings.ToLower(string(runes[start:i])))
			start = i
		}
	}
	return append(out, strings.ToLower(string(runes[start:])))
}

// stemmed are the endings that words of one family differ by, longest first:
// "invitations", "invite" and "inviting" all become "invit".
var stemmed = []string{"ations", "ation", "ings", "ing", "ed", "e"}

// shortestStem is what must be left of a word.
const shortestStem = 4

// singular is a noun without its plural ending.
func singular(w string) string {
	switch {
	case len(w) < 3 || strings.HasSuffix(w, "ss") || strings.HasSuffix(w, "us") || strings.HasSuffix(w, "is"):
		return w
	case strings.HasSuffix(w, "ies") && len(w) > 4:
		return w[:len(w)-3] + "y"
	case hasAnySuffix(w, "sses", "xes", "ches", "shes", "uses"):
		return w[:len(w)-2]
	}
	return strings.TrimSuffix(w, "s")
}

func hasAnySuffix(s string, endings ...string) bool {
	for _, e := range endings {
		if strings.HasSuffix(s, e) {
			return true
		}
	}
	return false
}

// stem is what the words of one family have in common.
func stem(w string) string {
	w = singular(w)
	for _, ending := range stemmed {
		if s, ok := strings.CutSuffix(w, ending); ok && len(s) >= shortestStem {
			return s
		}
	}
	return w
}
