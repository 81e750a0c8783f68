package jsonapi

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds the nesting of documents. Apple's deepest is about 20.
const maxDepth = 100

var (
	errSyntax = errors.New("jsonapi: malformed JSON")
	errDepth  = errors.New("jsonapi: JSON is nested too deeply")
)

// scanner walks JSON text without building anything. Strings without escapes
// are parts of the text, not copies.
type scanner struct {
	s     string
	i     int
	depth int
}

// peek returns the first byte of the next token, 0 at the end.
func (s *scanner) peek() byte {
	for s.i < len(s.s) {
		switch c := s.s[s.i]; c {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return c
		}
	}
	return 0
}

// object calls member for each member, which must consume the value.
func (s *scanner) object(member func(key string) error) error {
	if s.peek() != '{' {
		return errSyntax
	}
	return s.list('}', func() error {
		key, err := s.string()
		if err != nil {
			return err
		}
		if s.peek() != ':' {
			return errSyntax
		}
		s.i++
		return member(key)
	})
}

// array calls element for each element, which must consume it.
func (s *scanner) array(element func(i int) error) error {
	if s.peek() != '[' {
		return errSyntax
	}
	n := 0
	return s.list(']', func() error { n++; return element(n - 1) })
}

// list walks what stands between an opening byte and its end.
func (s *scanner) list(end byte, item func() error) error {
	if s.depth++; s.depth > maxDepth {
		return errDepth
	}
	s.i++
	if s.peek() == end {
		s.i++
		s.depth--
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.i++
		case end:
			s.i++
			s.depth--
			return nil
		default:
			return errSyntax
		}
	}
}

// string reads a string token.
func (s *scanner) string() (string, error) {
	if s.peek() != '"' {
		return "", errSyntax
	}
	start := s.i + 1
	end := strings.IndexByte(s.s[start:], '"')
	if end < 0 {
		return "", errSyntax
	}
	text := s.s[start : start+end]
	if plain(text) {
		s.i = start + end + 1
		return text, nil
	}
	return s.escaped(start)
}

// plain says whether the text is its own meaning: no escape, no control
// character, and valid UTF-8.
func plain(text string) bool {
	ascii := true
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '\\' || c < ' ' {
			return false
		}
		if c >= utf8.RuneSelf {
			ascii = false
		}
	}
	return ascii || utf8.ValidString(text)
}

// escaped reads a string with escapes. Invalid UTF-8 and lone surrogates
// become U+FFFD, as encoding/json does.
func (s *scanner) escaped(start int) (string, error) {
	var b strings.Builder
	for i := start; i < len(s.s); {
		switch c := s.s[i]; {
		case c == '"':
			s.i = i + 1
			return b.String(), nil
		case c < ' ':
			return "", errSyntax
		case c == '\\':
			n, ok := unescape(&b, s.s[i:])
			if !ok {
				return "", errSyntax
			}
			i += n
		default:
			r, n := utf8.DecodeRuneInString(s.s[i:])
			b.WriteRune(r)
			i += n
		}
	}
	return "", errSyntax
}

// unescape writes what the escape at the start of text means, and returns its
// length.
func unescape(b *strings.Builder, text string) (n int, ok bool) {
	if len(text) < 2 {
		return 0, false
	}
	if at := strings.IndexByte(`"\/bfnrt`, text[1]); at >= 0 {
		b.WriteByte("\"\\/\b\f\n\r\t"[at])
		return 2, true
	}
	r, ok := hex4(text)
	if !ok {
		return 0, false
	}
	if utf16.IsSurrogate(r) {
		if low, ok := hex4(text[6:]); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				b.WriteRune(pair)
				return 12, true
			}
		}
		r = utf8.RuneError
	}
	b.WriteRune(r)
	return 6, true
}

func hex4(text string) (rune, bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	var r rune
	for i := 2; i < 6; i++ {
		c := text[i]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// number reads a number token as its text.
func (s *scanner) number() (string, error) {
	s.peek()
	start := s.i
	if s.i < len(s.s) && s.s[s.i] == '-' {
		s.i++
	}
	intStart := s.i
	s.digits()
	if s.i == intStart || s.s[intStart] == '0' && s.i > intStart+1 {
		return "", errSyntax
	}
	if s.i < len(s.s) && s.s[s.i] == '.' {
		s.i++
		if s.digits() == 0 {
			return "", errSyntax
		}
	}
	if s.i < len(s.s) && (s.s[s.i] == 'e' || s.s[s.i] == 'E') {
		s.i++
		if s.i < len(s.s) && (s.s[s.i] == '+' || s.s[s.i] == '-') {
			s.i++
		}
		if s.digits() == 0 {
			return "", errSyntax
		}
	}
	return s.s[start:s.i], nil
}

func (s *scanner) digits() (n int) {
	for s.i < len(s.s) && s.s[s.i] >= '0' && s.s[s.i] <= '9' {
		s.i++
		n++
	}
	return n
}

// literal reads true, false or null.
func (s *scanner) literal(word string) error {
	if !strings.HasPrefix(s.s[s.i:], word) {
		return errSyntax
	}
	s.i += len(word)
	return nil
}

// null consumes a null, if there is one.
func (s *scanner) null() bool {
	return s.peek() == 'n' && s.literal("null") == nil
}

// bool reads true or false.
func (s *scanner) bool() (bool, error) {
	if s.peek() == 't' {
		return true, s.literal("true")
	}
	return false, s.literal("false")
}

// skip reads any value and returns its text.
func (s *scanner) skip() (raw string, err error) {
	c := s.peek()
	start := s.i
	switch {
	case c == '{':
		err = s.object(func(string) error { _, err := s.skip(); return err })
	case c == '[':
		err = s.array(func(int) error { _, err := s.skip(); return err })
	case c == '"':
		_, err = s.string()
	case c == 't' || c == 'f':
		_, err = s.bool()
	case c == 'n':
		err = s.literal("null")
	default:
		_, err = s.number()
	}
	return s.s[start:s.i], err
}

// end makes sure that nothing but space is left.
func (s *scanner) end() error {
	if s.peek() != 0 || s.i < len(s.s) {
		return errSyntax
	}
	return nil
}

// AppendString appends a JSON string to b. Bytes that are no UTF-8 become U+FFFD.
func AppendString(b []byte, s string) []byte { return appendString(b, s) }

// appendString writes a JSON string.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || n != 1 {
				i += n
				continue
			}
			b = append(append(b, s[start:i]...), "\ufffd"...)
			i++
			start = i
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	return append(append(b, s[start:]...), '"')
}

// parseInt reads an integer of the given width, also written as 1.0 or 1e3.
func parseInt(text string, bits int) (int64, bool) {
	if n, err := strconv.ParseInt(text, 10, bits); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f != float64(int64(f)) || f > 1<<53 || f < -(1<<53) {
		return 0, false
	}
	n := int64(f)
	return n, bits == 64 || n == int64(int32(n))
}
