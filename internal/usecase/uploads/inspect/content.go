package inspect

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"
)

// HeadSize is how many bytes of a file's beginning [Look] wants, or the whole file
// if it is smaller. It holds the metadata that cameras and editors put before a
// picture's size, and the index of a short video that has it in front.
const HeadSize = 256 << 10

// Type is what a file is by its content.
type Type string

// The types that are told apart.
const (
	Unknown Type = ""
	PNG     Type = "PNG"
	JPEG    Type = "JPEG"
	GIF     Type = "GIF"
	WebP    Type = "WebP"
	TIFF    Type = "TIFF"
	HEIC    Type = "HEIC" // and AVIF: a still picture in a container like MP4's
	MP4     Type = "MP4"
	MOV     Type = "QuickTime"
	M4V     Type = "M4V"
	PDF     Type = "PDF"
	RTF     Type = "RTF"
	ZIP     Type = "ZIP" // an .ipa, and documents such as .docx and .pages, are zips too
	XAR     Type = "XAR" // a .pkg
	AAR     Type = "Apple Archive"
	Plist   Type = "property list"
	JSON    Type = "JSON"
	GeoJSON Type = "GeoJSON"
)

// Content is what a file's beginning tells.
type Content struct {
	Name          string
	Size          int64 // bytes
	Type          Type
	Width, Height int           // pixels as shown; 0: not known
	Alpha         bool          // a PNG that can be transparent
	Duration      time.Duration // of a video; 0: not known
}

// Look tells what a file is by its first bytes, HeadSize or all. The name only goes
// into the answer.
func Look(name string, head []byte, size int64) Content {
	head = head[:min(len(head), HeadSize)]
	c := Content{Name: name, Size: size, Type: typeOf(head)}
	switch c.Type {
	case PNG:
		c.lookPNG(head)
	case JPEG:
		c.lookJPEG(head)
	case MP4, MOV, M4V:
		c.lookMovie(head)
	}
	return c
}

// magics are how files of a type begin.
var magics = []struct {
	start string
	is    Type
}{
	{"\x89PNG\r\n\x1a\n", PNG},
	{"\xff\xd8\xff", JPEG},
	{"GIF87a", GIF},
	{"GIF89a", GIF},
	{"II*\x00", TIFF},
	{"MM\x00*", TIFF},
	{zipLocal, ZIP},
	{zipEnd, ZIP}, // an empty one
	{xarMagic, XAR},
	{"{\\rtf", RTF},
	{plistMagic, Plist},
	{"AA01", AAR},
	{"YAA1", AAR}, // its former name
	{"AEA1", AAR}, // encrypted
	{"pbze", AAR}, // packed with LZFSE
	{"pbz4", AAR}, // with LZ4
	{"pbzb", AAR}, // with LZBITMAP
	{"pbzx", AAR}, // with LZMA
	{"pbzz", AAR}, // with zlib
	{"pbz-", AAR}, // not packed
}

// maxPDFOffset is how far into a file a PDF's header may stand. Adobe: PDF
// reference 1.7, implementation note 13.
const maxPDFOffset = 1024

func typeOf(head []byte) Type {
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.start)) {
			return m.is
		}
	}
	switch {
	case len(head) >= 12 && string(head[:4]) == "RIFF" && string(head[8:12]) == "WEBP":
		return WebP
	case len(head) >= 8 && string(head[4:8]) == "ftyp":
		return brand(head)
	case len(head) >= 8 && isQuickTime(string(head[4:8])):
		return MOV
	case bytes.Contains(head[:min(len(head), maxPDFOffset)], []byte("%PDF-")):
		return PDF
	}
	return textType(bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n"))
}

// textType tells JSON and XML property lists; text has no space before it.
func textType(text []byte) Type {
	switch {
	case bytes.HasPrefix(text, []byte("<")):
		start := text[:min(len(text), 1024)]
		if bytes.Contains(start, []byte("<plist")) || bytes.Contains(start, []byte("<!DOCTYPE plist")) {
			return Plist
		}
	case bytes.HasPrefix(text, []byte("{")), bytes.HasPrefix(text, []byte("[")):
		return jsonType(text)
	}
	return Unknown
}

// geoTypes are the values of "type" in a GeoJSON object. RFC 7946, section 1.4.
const geoTypes = " Point MultiPoint LineString MultiLineString Polygon MultiPolygon GeometryCollection Feature " +
	"FeatureCollection "

// jsonType tells GeoJSON by the object's own "type", if that is at hand. What is no
// JSON within its first tokens is unknown; the rest is not checked.
func jsonType(text []byte) Type {
	const enough = 4
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	depth, key, isKey := 0, "", false
	for n := 0; ; n++ {
		token, err := d.Token()
		switch {
		case err == nil:
		case n >= enough, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return JSON
		default:
			return Unknown
		}
		isKey = depth == 1 && !isKey && text[0] == '{'
		switch t := token.(type) {
		case json.Delim:
			if t == '{' || t == '[' {
				depth++
			} else {
				depth--
			}
		case string:
			if isKey {
				key = t
			} else if depth == 1 && key == "type" && strings.Contains(geoTypes, " "+t+" ") {
				return GeoJSON
			}
		}
	}
}
