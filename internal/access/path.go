package access

import (
	"errors"
	"strings"
)

// Errors of [Segments].
var (
	errPathForm     = errors.New("a path begins with a slash and has no empty segment")
	errPathDots     = errors.New("a path has no dot segments")
	errPathEncoding = errors.New("a path has no broken percent-encoding")
	errPathChar     = errors.New(`a segment of a path has no semicolon, backslash, control or non-ASCII character, ` +
		`and no encoded slash, dot, percent, question mark or number sign`)
)

// Segments splits the path of a request to Apple, as it stands in the request
// line, into its decoded segments: "/v1/apps/1" has "v1", "apps" and "1"; "/" has
// none.
//
// It refuses every path that two programs could read differently, so that what
// is decided of the segments holds for whoever reads the path next. Its errors
// do not quote the path.
func Segments(escaped string) ([]string, error) {
	if escaped == "/" {
		return nil, nil
	}
	if !strings.HasPrefix(escaped, "/") {
		return nil, errPathForm
	}
	segments := strings.Split(escaped[1:], "/")
	for i, s := range segments {
		decoded, err := segment(s)
		if err != nil {
			return nil, err
		}
		segments[i] = decoded
	}
	return segments, nil
}

// segment decodes one segment.
func segment(s string) (string, error) {
	switch s {
	case "":
		return "", errPathForm
	case ".", "..":
		return "", errPathDots
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c, refused := s[i], `;\?#`
		if c == '%' {
			if i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
				return "", errPathEncoding
			}
			c, refused = unhex(s[i+1])<<4|unhex(s[i+2]), `;\?#/.%`
			i += 2
		} else if c == ' ' {
			return "", errPathChar
		}
		if c < ' ' || c >= 0x7f || strings.IndexByte(refused, c) >= 0 {
			return "", errPathChar
		}
		b.WriteByte(c)
	}
	return b.String(), nil
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	}
	return c - 'A' + 10
}
