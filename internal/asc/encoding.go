package asc

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// coding is what a name in Content-Encoding stands for.
type coding uint8

const (
	unknownCoding coding = iota // cannot be undone here
	noCoding                    // a label: nothing was done to the body
	gzipCoding
	deflateCoding // zlib, or bare deflate as some servers send it
)

// codings are the names that are known. Whatever is missing is unknown: a file is
// passed on as it is, with the name told; a JSON document is read if its bytes
// are JSON all the same.
var codings = map[string]coding{
	"":            noCoding,
	"identity":    noCoding,
	"agzip":       noCoding, // Apple's reports: the body is the .gz file itself
	"aws-chunked": noCoding, // left over from how a file was stored
	"binary":      noCoding,
	"none":        noCoding,
	"utf-8":       noCoding,
	"gzip":        gzipCoding,
	"x-gzip":      gzipCoding,
	"deflate":     deflateCoding,
}

// maxCodings bounds how many encodings of one body are undone.
const maxCodings = 4

// peekBytes is how much of a body is looked at before it is unpacked.
const peekBytes = 4 << 10

// content is a body, unpacked as far as it could be.
type content struct {
	r     io.Reader
	left  string // the encodings that are still on it, "" if none
	as    bool   // the bytes are as they came, so that Content-Length holds
	bytes *bufio.Reader
}

// namesOf are the encodings that the header names, in the order in which they
// were put on.
func namesOf(h http.Header) (names []string) {
	for _, line := range h.Values("Content-Encoding") {
		for name := range strings.SplitSeq(line, ",") {
			names = append(names, strings.ToLower(strings.TrimSpace(name)))
		}
	}
	return names
}

// openFile undoes the encodings of a file. What is itself a gzip file by its
// media type stays one: an encoding is undone only if a gzip file is inside.
func openFile(res *http.Response) (content, error) {
	c, err := unpack(res, isGzip(res.Header.Get("Content-Type")))
	if err != nil {
		err = broken(err, "the file broke off")
	}
	return c, err
}

// openText undoes the encodings of a document. Its bytes count for more than the
// header's name: gzip is undone under any, and JSON is JSON.
func openText(res *http.Response) (content, error) {
	c, err := unpack(res, false)
	if err != nil || res.Header.Get("Content-Encoding") == "" || c.left == "" && !c.as {
		return c, err
	}
	head, err := c.peek()
	switch {
	case err != nil:
		return c, err
	case hasGzip(head):
		c.left = ""
		return c, c.gunzip(false)
	case looksLikeJSON(head) || len(head) == 0:
		c.left = ""
	}
	return c, nil
}

// openStored takes a file as it is stored, so that its checksum holds: gzip is
// the file's own form there.
func openStored(res *http.Response) content {
	left := slices.DeleteFunc(namesOf(res.Header), func(name string) bool {
		return codings[name] == noCoding || codings[name] == gzipCoding
	})
	return content{r: res.Body, as: true, left: strings.Join(left, ", ")}
}

// unpack undoes encodings, the last one first, up to one that is not known.
func unpack(res *http.Response, gzipFile bool) (content, error) {
	c := content{r: res.Body, as: true}
	names := slices.DeleteFunc(namesOf(res.Header), func(name string) bool { return codings[name] == noCoding })
	undone := 0
	for i, name := range slices.Backward(names) {
		kind := codings[name]
		if kind == unknownCoding || undone == maxCodings {
			c.left = strings.Join(names[:i+1], ", ")
			return c, nil
		}
		undone++
		head, err := c.peek()
		switch {
		case err != nil:
		case kind == gzipCoding && hasGzip(head):
			err = c.gunzip(gzipFile)
		case kind == deflateCoding && !looksLikeJSON(head) && !hasGzip(head):
			err = c.inflate(head)
		}
		if err != nil {
			return c, err
		}
	}
	return c, nil
}

// peek looks at the body's first bytes.
func (c *content) peek() ([]byte, error) {
	if c.r != io.Reader(c.bytes) {
		c.bytes = bufio.NewReaderSize(c.r, peekBytes)
		c.r = c.bytes
	}
	head, err := c.bytes.Peek(peekBytes)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return head, err
}

// gunzip undoes gzip. wantGzip: only if a gzip file comes out.
func (c *content) gunzip(wantGzip bool) error {
	head, _ := c.bytes.Peek(peekBytes) // it was looked at before
	if wantGzip && !gzipInside(head) {
		return nil
	}
	z, err := gzip.NewReader(c.bytes)
	if err != nil {
		return broken(err, "the answer is no valid gzip")
	}
	c.r, c.as = z, false
	return nil
}

// gzipInside says whether a gzip file holds another.
func gzipInside(head []byte) bool {
	z, err := gzip.NewReader(bytes.NewReader(head))
	if err != nil {
		return false
	}
	inner := make([]byte, len(gzipMagic))
	_, err = io.ReadFull(z, inner)
	return err == nil && hasGzip(inner)
}

// inflate undoes deflate. A body that is neither form of it stays as it is.
func (c *content) inflate(head []byte) error {
	if _, err := zlib.NewReader(bytes.NewReader(head)); err == nil {
		z, err := zlib.NewReader(c.bytes)
		if err != nil {
			return broken(err, "the answer is no valid deflate")
		}
		c.r, c.as = z, false
		return nil
	}
	var corrupt flate.CorruptInputError
	_, err := io.Copy(io.Discard, io.LimitReader(flate.NewReader(bytes.NewReader(head)), peekBytes))
	if errors.As(err, &corrupt) || len(head) == 0 {
		return nil
	}
	c.r, c.as = flate.NewReader(c.bytes), false
	return nil
}

// gzipMagic begins every gzip file.
var gzipMagic = []byte{0x1f, 0x8b}

func hasGzip(head []byte) bool { return bytes.HasPrefix(head, gzipMagic) }

func looksLikeJSON(head []byte) bool {
	head = bytes.TrimLeft(head, "\ufeff \t\r\n")
	return len(head) > 0 && (head[0] == '{' || head[0] == '[')
}

// isGzip says whether a media type is that of a gzip file.
func isGzip(contentType string) bool {
	media, _, _ := mime.ParseMediaType(contentType)
	return strings.HasSuffix(media, "gzip")
}
