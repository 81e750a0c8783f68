package inspect

import (
	"bufio"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

const (
	maxDepth = 64        // of elements within each other
	maxToken = 256 << 10 // bytes of a tag or of a text; encoding/xml needs about 16 times as much for attributes
	maxText  = 4 << 10   // of a text that is wanted
)

var errTokenTooLong = errors.New("XML: a tag or a text is too long")

// xmlReader reads XML with bounds. encoding/xml expands no entity but those of XML
// itself, and loads nothing.
type xmlReader struct {
	d     *xml.Decoder
	src   *tokenSource
	stack []string // names of the open elements
}

// tokenSource gives encoding/xml the bytes of one token at most.
type tokenSource struct {
	b    *bufio.Reader
	left int
}

func (s *tokenSource) ReadByte() (byte, error) {
	if s.left == 0 {
		return 0, errTokenTooLong
	}
	s.left--
	return s.b.ReadByte()
}

// Read is there for the type's sake: encoding/xml prefers ReadByte.
func (s *tokenSource) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, errTokenTooLong
	}
	n, err := s.b.Read(p[:min(len(p), s.left)])
	s.left -= n
	return n, err
}

func newXMLReader(r io.Reader) *xmlReader {
	src := &tokenSource{b: bufio.NewReader(r)}
	return &xmlReader{d: xml.NewDecoder(src), src: src}
}

// next is the next token. The error is io.EOF at the end.
func (x *xmlReader) next() (xml.Token, error) {
	x.src.left = maxToken
	token, err := x.d.Token()
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	if err != nil {
		return nil, unreadable("a file that describes it is no XML, or too large")
	}
	switch t := token.(type) {
	case xml.StartElement:
		if len(x.stack) == maxDepth {
			return nil, unreadable("the XML in it is nested more than %d deep", maxDepth)
		}
		x.stack = append(x.stack, t.Name.Local)
	case xml.EndElement:
		x.stack = x.stack[:len(x.stack)-1]
	}
	return token, nil
}

// within says whether the innermost open elements have these names, innermost
// last.
func (x *xmlReader) within(names ...string) bool {
	n := len(x.stack) - len(names)
	if n < 0 {
		return false
	}
	for i, name := range names {
		if x.stack[n+i] != name {
			return false
		}
	}
	return true
}

// text reads up to the end of the element that was opened last, which holds text
// only.
func (x *xmlReader) text() (string, error) {
	var b strings.Builder
	for {
		token, err := x.next()
		if err != nil {
			return "", err
		}
		switch t := token.(type) {
		case xml.CharData:
			if b.Write(t); b.Len() > maxText {
				return "", unreadable("a value in it has more than %d bytes", maxText)
			}
		case xml.StartElement:
			return "", unreadable("the XML in it has an element where a text belongs")
		case xml.EndElement:
			return b.String(), nil
		}
	}
}

// skip reads up to the end of the element that was opened last.
func (x *xmlReader) skip() error {
	for depth := len(x.stack); len(x.stack) >= depth; {
		if _, err := x.next(); err != nil {
			return err
		}
	}
	return nil
}

// attribute is "" if the element does not have it.
func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}
