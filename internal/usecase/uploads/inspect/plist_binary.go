package inspect

import (
	"encoding/binary"
	"slices"
	"unicode/utf16"
)

// plistMagic begins Apple's binary property lists. Their form is: the magic, the
// objects, a table with the offset of each object, and a trailer of 32 bytes.
const plistMagic = "bplist00"

const plistTrailer = 32

// Kinds of objects: the upper half of their first byte. The lower half is the
// length; 15 says that an integer with the length follows.
const (
	plistInteger = 0x1
	plistASCII   = 0x5
	plistUTF16   = 0x6
	plistArray   = 0xa
	plistDict    = 0xd
)

// binaryPlist reads objects by their number. No length is taken for true before it
// is seen to fit in the bytes that are there.
type binaryPlist struct {
	b          []byte
	table      []byte // offsets
	offsetSize int    // bytes of an offset
	refSize    int    // bytes of an object's number
	count      uint64 // of objects
}

func damagedPlist() error { return unreadable("its Info.plist is a damaged binary property list") }

func openBinaryPlist(b []byte) (p *binaryPlist, top uint64, err error) {
	end := len(b) - plistTrailer
	if end < len(plistMagic) {
		return nil, 0, damagedPlist()
	}
	trailer := b[end:]
	p = &binaryPlist{b: b[:end], offsetSize: int(trailer[6]), refSize: int(trailer[7])}
	p.count = binary.BigEndian.Uint64(trailer[8:])
	at := binary.BigEndian.Uint64(trailer[24:])
	sizes := p.offsetSize >= 1 && p.offsetSize <= 8 && p.refSize >= 1 && p.refSize <= 8
	if !sizes || at > uint64(end) || p.count > (uint64(end)-at)/uint64(p.offsetSize) {
		return nil, 0, damagedPlist()
	}
	p.table = b[at:end]
	return p, binary.BigEndian.Uint64(trailer[16:]), nil
}

// number is a big-endian number of at most 8 bytes.
func number(b []byte) (n uint64) {
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}

// object is an object's kind, its length, and the bytes that follow.
func (p *binaryPlist) object(ref uint64) (kind byte, length uint64, rest []byte, err error) {
	if ref >= p.count {
		return 0, 0, nil, damagedPlist()
	}
	entry := p.table[ref*uint64(p.offsetSize):]
	at := number(entry[:p.offsetSize])
	if at >= uint64(len(p.b)) {
		return 0, 0, nil, damagedPlist()
	}
	rest = p.b[at:]
	kind, length, rest = rest[0]>>4, uint64(rest[0]&0xf), rest[1:]
	if length < 0xf || kind < plistInteger+1 {
		return kind, length, rest, nil
	}
	if len(rest) == 0 || rest[0]>>4 != plistInteger || rest[0]&0xf > 3 {
		return 0, 0, nil, damagedPlist()
	}
	n := 1 << (rest[0] & 0xf)
	if len(rest) < 1+n {
		return 0, 0, nil, damagedPlist()
	}
	return kind, number(rest[1 : 1+n]), rest[1+n:], nil
}

// refs are the first bytes of rest as numbers of objects.
func (p *binaryPlist) refs(rest []byte, count uint64) ([]byte, []byte, error) {
	if count > uint64(len(rest)/p.refSize) {
		return nil, nil, damagedPlist()
	}
	n := int(count) * p.refSize
	return rest[:n], rest[n:], nil
}

func (p *binaryPlist) ref(refs []byte, i int) uint64 {
	return number(refs[i*p.refSize : (i+1)*p.refSize])
}

// text is an object that is a string of at most maxText bytes. ok is false if it is
// something else.
func (p *binaryPlist) text(ref uint64) (s string, ok bool, err error) {
	kind, length, rest, err := p.object(ref)
	if err != nil || kind != plistASCII && kind != plistUTF16 {
		return "", false, err
	}
	if length > maxText {
		return "", false, nil
	}
	if kind == plistASCII {
		if length > uint64(len(rest)) {
			return "", false, damagedPlist()
		}
		return string(rest[:length]), true, nil
	}
	if 2*length > uint64(len(rest)) {
		return "", false, damagedPlist()
	}
	units := make([]uint16, length)
	for i := range units {
		units[i] = binary.BigEndian.Uint16(rest[2*i:])
	}
	return string(utf16.Decode(units)), true, nil
}

// key is an object that is a string of ASCII, "" if it is something else. No key of ours is longer
// than maxKey, so that a long one is not copied.
func (p *binaryPlist) key(ref uint64) (string, error) {
	const maxKey = 64
	kind, length, rest, err := p.object(ref)
	if err != nil || kind != plistASCII || length > maxKey || length > uint64(len(rest)) {
		return "", err
	}
	return string(rest[:length]), nil
}

func (i info) readBinary(b []byte) error {
	p, top, err := openBinaryPlist(b)
	if err != nil {
		return err
	}
	kind, count, rest, err := p.object(top)
	if err != nil {
		return err
	}
	if kind != plistDict {
		return noPlist()
	}
	keys, rest, err := p.refs(rest, count)
	if err != nil {
		return err
	}
	values, _, err := p.refs(rest, count)
	if err != nil {
		return err
	}
	for n := range int(count) {
		key, err := p.key(p.ref(keys, n))
		if err != nil {
			return err
		}
		if err := i.readBinaryValue(p, key, p.ref(values, n)); err != nil {
			return err
		}
	}
	return nil
}

func (i info) readBinaryValue(p *binaryPlist, key string, ref uint64) error {
	switch {
	case slices.Contains(infoTexts, key):
		s, ok, err := p.text(ref)
		if err != nil || !ok {
			return err
		}
		return i.setText(key, s)
	case slices.Contains(infoLists, key):
		list, err := p.list(ref)
		if err != nil {
			return err
		}
		return i.setList(key, list)
	}
	return nil
}

// list is an object that is an array of strings; nil if it is something else.
func (p *binaryPlist) list(ref uint64) ([]string, error) {
	kind, count, rest, err := p.object(ref)
	if err != nil || kind != plistArray {
		return nil, err
	}
	if count > maxList {
		return nil, longList()
	}
	refs, _, err := p.refs(rest, count)
	if err != nil {
		return nil, err
	}
	var list []string
	for n := range int(count) {
		s, ok, err := p.text(p.ref(refs, n))
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, s)
		}
	}
	return list, nil
}
