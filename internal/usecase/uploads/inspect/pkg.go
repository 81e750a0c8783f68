package inspect

import (
	"bytes"
	"cmp"
	"compress/bzip2"
	"compress/zlib"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A xar is a header of at least 28 bytes (the magic, its own length, a version, the
// packed and the plain length of the table of contents, a checksum's kind), the
// table in zlib's form, and the heap with the files. Offsets in the table count
// from the heap's beginning.
const (
	xarMagic        = "xar!"
	xarHeaderLength = 28
)

const (
	maxContents      = 4 << 20 // bytes of the plain table: a product archive with 3,000 files has less
	maxPackages      = 16      // component packages that are looked into
	maxBundles       = 1000    // apps that a Distribution or a PackageInfo names
	maxHeaderLength  = 4 << 10
	maxFilesNested   = 32 // in folders; deeper ones are not wanted, and their XML is deeper than maxDepth
	distributionFile = "Distribution"
	packageInfoFile  = "PackageInfo"
)

// xarHeader is where a xar's table and its heap are.
type xarHeader struct{ contents, contentsLength, heap int64 }

func parseXarHeader(b []byte) (xarHeader, error) {
	length, version := int64(binary.BigEndian.Uint16(b[4:])), binary.BigEndian.Uint16(b[6:])
	packed := binary.BigEndian.Uint64(b[8:])
	if version != 1 || length < xarHeaderLength || length > maxHeaderLength {
		return xarHeader{}, unreadable("its xar header is wrong")
	}
	if packed > maxMeta {
		return xarHeader{}, unreadable("its table of contents has more than %d bytes", maxMeta)
	}
	return xarHeader{contents: length, contentsLength: int64(packed), heap: length + int64(packed)}, nil
}

// heapFile is a file in a xar's heap.
type heapFile struct {
	name                 string
	offset, length, size int64 // from the heap's beginning; packed and plain bytes
	encoding             string
	info                 []heapFile // of a folder: its PackageInfo
}

// unpack returns what is in the file, of which packed are the bytes.
func (f heapFile) unpack(packed []byte) ([]byte, error) {
	var r io.Reader = bytes.NewReader(packed)
	switch f.encoding {
	case "", "application/octet-stream":
	case "application/x-gzip": // the name is wrong in all xar files: it is zlib's form
		z, err := zlib.NewReader(r)
		if err != nil {
			return nil, unreadable("a file that describes it is damaged")
		}
		r = z
	case "application/x-bzip2":
		r = bzip2.NewReader(r)
	default:
		return nil, unreadable("a file that describes it is packed with something other than zlib and bzip2")
	}
	return readAll(r, f.size)
}

// contents are the files of a xar that describe it.
type contents struct {
	distribution []heapFile // at most one
	// PackageInfo: of a component package, or of the packages in a product archive, as they follow in the heap.
	infos []heapFile
}

// bounded refuses files that have more than maxMeta bytes together.
func (c *contents) bounded() error {
	packed, plain := int64(maxMeta), int64(maxMeta)
	for _, f := range slices.Concat(c.distribution, c.infos) {
		if f.length > packed || f.size > plain {
			return tooLarge()
		}
		packed, plain = packed-f.length, plain-f.size
	}
	return nil
}

func byOffset(a, b heapFile) int { return cmp.Compare(a.offset, b.offset) }

// readContents reads the packed table of contents.
func readContents(packed []byte) (contents, error) {
	z, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		return contents{}, unreadable("its table of contents is damaged")
	}
	x := newXMLReader(io.LimitReader(z, maxContents))
	var c contents
	var open []heapFile // the file and the folders around it
	for {
		token, err := x.next()
		if errors.Is(err, io.EOF) {
			slices.SortStableFunc(c.infos, byOffset)
			return c, c.bounded()
		}
		if err != nil {
			return contents{}, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if t.Name.Local == "file" {
				if open = append(open, heapFile{}); len(open) > maxFilesNested {
					return contents{}, unreadable("the folders in it are nested more than %d deep", maxFilesNested)
				}
			} else if len(open) > 0 {
				if err := open[len(open)-1].take(x, t); err != nil {
					return contents{}, err
				}
			}
		case xml.EndElement:
			if t.Name.Local == "file" && len(open) > 0 {
				if err := c.close(open); err != nil {
					return contents{}, err
				}
				open = open[:len(open)-1]
			}
		}
	}
}

// take reads an element of the file's description.
func (f *heapFile) take(x *xmlReader, e xml.StartElement) (err error) {
	switch {
	case x.within("file", "name"):
		f.name, err = x.text()
	case x.within("file", "data", "offset"):
		f.offset, err = x.number()
	case x.within("file", "data", "length"):
		f.length, err = x.number()
	case x.within("file", "data", "size"):
		f.size, err = x.number()
	case x.within("file", "data", "encoding"):
		f.encoding = attribute(e, "style")
	}
	return err
}

// number reads a count of bytes up to the end of the element.
func (x *xmlReader) number() (int64, error) {
	s, err := x.text()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 63)
	if err != nil || n > math.MaxInt64/2 { // so that a position in the heap does not overflow
		return 0, unreadable("a number in its table of contents is wrong")
	}
	return int64(n), nil
}

// close keeps the innermost open file, which is complete, if it is wanted.
func (c *contents) close(open []heapFile) error {
	f := open[len(open)-1]
	switch {
	case len(open) == 1 && f.name == distributionFile:
		if c.distribution = append(c.distribution, f); len(c.distribution) > 1 {
			return unreadable("it has two files of the name %s", distributionFile)
		}
	case len(open) == 1 && f.name == packageInfoFile:
		c.infos = append(c.infos, f)
	case len(open) == 1:
		c.infos = append(c.infos, f.info...)
	case len(open) == 2 && f.name == packageInfoFile:
		folder := &open[0]
		if folder.info = append(folder.info, f); len(folder.info) > 1 {
			return unreadable("a package in it has two files of the name %s", packageInfoFile)
		}
	}
	if len(c.infos) > maxPackages {
		return unreadable("it has more than %d packages", maxPackages)
	}
	return nil
}

// readXar looks into the Distribution, and into each PackageInfo if that one does
// not tell.
func readXar(r io.ReaderAt, size int64) (Build, error) {
	var b [xarHeaderLength]byte
	if err := readFull(r, b[:], 0); err != nil {
		return Build{}, err
	}
	h, err := parseXarHeader(b[:])
	if err != nil {
		return Build{}, err
	}
	packed, err := readPart(r, h.contents, h.contentsLength, size)
	if err != nil {
		return Build{}, err
	}
	c, err := readContents(packed)
	if err != nil {
		return Build{}, err
	}
	var d descriptions
	for _, f := range append(c.distribution, c.infos...) {
		packed, err := readPart(r, h.heap+f.offset, f.length, size)
		if err != nil {
			return Build{}, err
		}
		if err := d.add(f, packed); err != nil {
			return Build{}, err
		}
		if d.enough() {
			break
		}
	}
	return d.build()
}
