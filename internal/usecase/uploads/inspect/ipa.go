package inspect

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math"
	"strings"
)

// Signatures of a zip's records. PKWARE: APPNOTE.TXT 4.3.
const (
	zipLocal      = "PK\x03\x04" // before each file
	zipCentral    = "PK\x01\x02" // a file in the directory at the end
	zipDescriptor = "PK\x07\x08" // after a file whose size was not known before
	zipEnd        = "PK\x05\x06"
	zip64End      = "PK\x06\x06"
	zip64Locator  = "PK\x06\x07"
)

// Lengths of those records without names, extra fields and comments.
const (
	localLength     = 30
	centralLength   = 46
	endLength       = 22
	end64Length     = 56
	locator64Length = 20
)

const (
	flagEncrypted  = 1 << 0
	flagDescriptor = 1 << 3

	methodStored  = 0
	methodDeflate = 8
)

var le = binary.LittleEndian

// member is a file of a zip, as a local header or the directory describes it.
type member struct {
	name         string
	flags        uint16
	method       uint16
	crc          uint32
	packed, size int64
	offset       int64 // of its local header; only the directory says it
}

// parse reads the part of a member's description that local headers and the
// directory have alike: 26 bytes from the flags on, then the extra fields.
func (m *member) parse(fixed, extra []byte) error {
	m.flags, m.method = le.Uint16(fixed), le.Uint16(fixed[2:])
	m.crc = le.Uint32(fixed[8:])
	m.packed, m.size = int64(le.Uint32(fixed[12:])), int64(le.Uint32(fixed[16:]))
	for len(extra) >= 4 {
		id, n := le.Uint16(extra), int(le.Uint16(extra[2:]))
		if extra = extra[4:]; n > len(extra) {
			return nil // padding, as some tools write it
		}
		if id == 1 { // zip64: only what does not fit in 32 bits, in this order
			field := extra[:n]
			for _, v := range []*int64{&m.size, &m.packed, &m.offset} {
				if *v != math.MaxUint32 {
					continue
				}
				if len(field) < 8 || le.Uint64(field) > math.MaxInt64 {
					return unreadable("a size in its zip directory is wrong")
				}
				*v, field = int64(le.Uint64(field)), field[8:]
			}
			return nil
		}
		extra = extra[n:]
	}
	return nil
}

// unpack returns what is in the member, of which packed are the bytes.
func (m *member) unpack(packed []byte) ([]byte, error) {
	if m.flags&flagEncrypted != 0 {
		return nil, unreadable("its Info.plist is encrypted")
	}
	var r io.Reader = bytes.NewReader(packed)
	switch m.method {
	case methodStored:
	case methodDeflate:
		r = flate.NewReader(r)
	default:
		return nil, unreadable("its Info.plist is packed with method %d; it can be 0 (stored) or 8 (deflate)", m.method)
	}
	b, err := readAll(r, m.size)
	if err != nil {
		return nil, err
	}
	if crc32.ChecksumIEEE(b) != m.crc {
		return nil, unreadable("the checksum of its Info.plist is wrong")
	}
	return b, nil
}

// appIn is the app directly in Payload that a name belongs to, such as Demo.app, ""
// if to none. It says whether the name is that of the app's own Info.plist.
func appIn(name string) (app string, info bool) {
	name, ok := strings.CutPrefix(strings.TrimPrefix(name, "./"), "Payload/")
	app, rest, _ := strings.Cut(name, "/")
	if !ok || !strings.HasSuffix(app, ".app") {
		return "", false
	}
	return app, rest == "Info.plist"
}

// buildOfInfo is the build of an .ipa's Info.plist.
func buildOfInfo(b []byte) (Build, error) {
	info, err := readInfo(b)
	if err != nil {
		return Build{}, err
	}
	platform, err := info.platform()
	if err != nil {
		return Build{}, err
	}
	return Build{
		BundleID: info.text["CFBundleIdentifier"],
		Version:  info.text["CFBundleShortVersionString"],
		Number:   info.text["CFBundleVersion"],
		Platform: platform,
		Format:   FormatIPA,
		UTI:      "com.apple.ipa",
	}.checked()
}

// readZip looks the Info.plist up in the zip's directory.
func readZip(r io.ReaderAt, size int64) (Build, error) {
	d, err := findDirectory(r, size)
	if err != nil {
		return Build{}, err
	}
	m, err := d.infoPlist(r)
	if err != nil {
		return Build{}, err
	}
	head := make([]byte, localLength+len(m.name))
	if m.offset > size-int64(len(head)) {
		return Build{}, unreadable("a position in its zip directory is wrong")
	}
	if err := readFull(r, head, m.offset); err != nil {
		return Build{}, err
	}
	if string(head[:4]) != zipLocal || int(le.Uint16(head[26:])) != len(m.name) ||
		string(head[localLength:]) != m.name {
		return Build{}, unreadable("its zip directory and its files differ")
	}
	start := m.offset + int64(len(head)) + int64(le.Uint16(head[28:]))
	packed, err := readPart(r, start, m.packed, size)
	if err != nil {
		return Build{}, err
	}
	b, err := m.unpack(packed)
	if err != nil {
		return Build{}, err
	}
	return buildOfInfo(b)
}

// findEnd returns the end record of a zip, and where it stands: it is the last
// thing in the file but a comment of at most 65,535 bytes.
func findEnd(r io.ReaderAt, size int64) (record []byte, at int64, err error) {
	tail := make([]byte, min(size, endLength+math.MaxUint16))
	if err := readFull(r, tail, size-int64(len(tail))); err != nil {
		return nil, 0, err
	}
	for n := len(tail); ; {
		n = bytes.LastIndex(tail[:n], []byte(zipEnd))
		if n < 0 {
			return nil, 0, unreadable("it has no zip directory: is it cut short?")
		}
		if rest := tail[n:]; len(rest) >= endLength && int(le.Uint16(rest[20:])) <= len(rest)-endLength {
			return rest[:endLength], size - int64(len(rest)), nil
		}
	}
}
