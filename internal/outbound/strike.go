package outbound

import (
	"regexp"
	"strings"
	"unicode"
)

// Bounds of texts that others wrote.
const (
	maxTextBytes = 4 << 10 // that are looked at
	maxTold      = 300     // bytes that are kept
	window       = 8       // bytes of a secret that are never kept
	struck       = "[struck out]"
)

// opaque is what looks like a token, a hash or a key, in whatever encoding.
var opaque = regexp.MustCompile(`[A-Za-z0-9_+=-]{24,}`)

// Strike makes a text that a server may have written fit for logs and errors:
// every 8 bytes in a row that stand in one of the secrets are struck out, and so
// is whatever looks like a token; control characters become spaces; what is over
// 300 bytes is cut.
func Strike(text string, secrets ...string) string {
	if len(text) > maxTextBytes {
		text = strings.TrimRightFunc(text[:maxTextBytes], func(r rune) bool { return !unicode.IsSpace(r) })
	}
	text = strings.ToValidUTF8(text, "")
	for _, s := range secrets {
		text = strike(text, s)
	}
	text = opaque.ReplaceAllString(text, struck)
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
	if len(text) > maxTold {
		text = strings.ToValidUTF8(text[:maxTold], "") + "…"
	}
	return text
}

// strike takes out of a text what it has in common with a secret.
func strike(text, secret string) string {
	n := min(window, len(secret))
	if n == 0 {
		return text
	}
	var out strings.Builder
	kept := 0
	for i := 0; i+n <= len(text); {
		if !strings.Contains(secret, text[i:i+n]) {
			i++
			continue
		}
		end := i + n
		for end < len(text) && strings.Contains(secret, text[end-n+1:end+1]) {
			end++
		}
		out.WriteString(text[kept:i] + struck)
		i, kept = end, end
	}
	return out.String() + text[kept:]
}
