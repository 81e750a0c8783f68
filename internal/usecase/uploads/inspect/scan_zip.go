package inspect

import "bytes"

// zipWalker goes from local header to local header, up to an app's Info.plist.
type zipWalker struct {
	app string // that was seen

	// The file whose body is being passed, nil between files.
	file   *member
	wanted bool  // it is the Info.plist: all of its body stays
	open   bool  // its length is not known: a descriptor follows, and so does a signature
	passed int64 // bytes of the body before those that are looked at
	looked int   // bytes of those that were searched and stay
}

func (w *zipWalker) next(b []byte) (int64, *Build, error) {
	switch {
	case w.file == nil:
		used, err := w.header(b)
		return used, nil, err
	case w.open:
		return w.search(b)
	case w.wanted:
		if int64(len(b)) < w.file.packed {
			return more, nil, nil
		}
		return w.found(b[:w.file.packed])
	}
	return w.descriptor(b)
}

// header reads a local header. Of a body whose length it tells, it passes what is
// not wanted.
func (w *zipWalker) header(b []byte) (int64, error) {
	if len(b) < localLength || string(b[:4]) != zipLocal {
		return more, ended(b)
	}
	n, extra := int(le.Uint16(b[26:])), int(le.Uint16(b[28:]))
	length := localLength + n + extra
	if len(b) < length {
		return more, nil
	}
	m := member{name: string(b[localLength : localLength+n])}
	if err := m.parse(b[6:], b[localLength+n:length]); err != nil {
		return 0, err
	}
	app, info := appIn(m.name)
	if app != "" && w.app != "" && app != w.app {
		return 0, severalApps("the file has more than one app in Payload")
	}
	if app != "" {
		w.app = app
	}
	described := m.flags&flagDescriptor != 0
	open := described && (info || m.packed == 0) // some writers tell the length before, but not the checksum
	switch {
	case info && m.packed > maxMeta:
		return 0, tooLarge()
	case info || open:
		*w = zipWalker{app: w.app, file: &m, wanted: info, open: open}
		return int64(length), nil
	case m.packed > maxPacked:
		return 0, unreadable("a size in it is wrong")
	case described:
		*w = zipWalker{app: w.app, file: &m}
	}
	return int64(length) + m.packed, nil
}

// maxPacked bounds what a file in a zip can claim, so that sums do not overflow.
const maxPacked = 1 << 62

// ended says why no file follows: more bytes may (nil), the directory does, or what
// does is no zip.
func ended(b []byte) error {
	if len(b) < 4 {
		return nil
	}
	switch string(b[:4]) {
	case zipLocal:
		return nil
	case zipCentral, zipEnd:
		return noApp("the file has no Payload/NAME.app/Info.plist")
	}
	return unreadable("its files do not follow each other")
}

// Lengths of a data descriptor: checksum, packed and plain size in 4 or 8 bytes
// each, all of it after a signature or not. PKWARE: APPNOTE.TXT 4.3.9.
var descriptors = [...]struct {
	length int
	signed bool
	wide   bool
}{
	{12, false, false},
	{16, true, false},
	{20, false, true},
	{24, true, true},
}

const maxDescriptor = 24

// descriptor passes the one after a body whose length was known before.
func (w *zipWalker) descriptor(b []byte) (int64, *Build, error) {
	if len(b) < maxDescriptor+4 {
		return more, nil, nil
	}
	for _, d := range descriptors {
		if startsRecord(b[d.length:]) {
			w.file = nil
			return int64(d.length), nil, nil
		}
	}
	return 0, nil, unreadable("its files do not follow each other")
}

func startsRecord(b []byte) bool {
	return bytes.HasPrefix(b, []byte(zipLocal)) || bytes.HasPrefix(b, []byte(zipCentral))
}

// search looks for the end of a body of unknown length: a descriptor that tells the
// length so far, with the next record behind. Nothing is unpacked for it, so that it
// costs no more than reading; a file that is made to be misread has lied to its
// owner only.
func (w *zipWalker) search(b []byte) (int64, *Build, error) {
	for i := w.looked; ; i++ {
		n := bytes.Index(b[i:], []byte("PK"))
		if n < 0 {
			break
		}
		if i += n; !startsRecord(b[i:]) {
			continue
		}
		length, ok := w.describedBy(b[:i])
		if !ok {
			continue
		}
		if w.wanted {
			return w.found(b[:length])
		}
		w.file = nil
		return int64(i), nil, nil
	}
	if !w.wanted {
		used := len(b) - maxDescriptor - 3 // what can be the beginning of both stays
		if used <= 0 {
			return more, nil, nil
		}
		w.passed += int64(used)
		return int64(used), nil, nil
	}
	if w.looked = max(0, len(b)-3); w.looked > maxMeta+maxDescriptor {
		return 0, nil, tooLarge()
	}
	return more, nil, nil
}

// describedBy takes the end of b for a descriptor of the body before it, and says
// how much of b is body.
func (w *zipWalker) describedBy(b []byte) (length int, ok bool) {
	for _, d := range descriptors {
		length = len(b) - d.length
		if length < 0 {
			return 0, false
		}
		fields := b[length:]
		if d.signed {
			if string(fields[:4]) != zipDescriptor {
				continue
			}
			fields = fields[4:]
		}
		packed, size := uint64(le.Uint32(fields[4:])), uint64(le.Uint32(fields[8:]))
		if d.wide {
			packed, size = le.Uint64(fields[4:]), le.Uint64(fields[12:])
		}
		if packed == uint64(w.passed)+uint64(length) && size <= maxPacked {
			w.file.crc, w.file.packed, w.file.size = le.Uint32(fields), int64(packed), int64(size)
			return length, true
		}
	}
	return 0, false
}

func (w *zipWalker) found(packed []byte) (int64, *Build, error) {
	b, err := w.file.unpack(packed)
	if err != nil {
		return 0, nil, err
	}
	build, err := buildOfInfo(b)
	if err != nil {
		return 0, nil, err
	}
	return 0, &build, nil
}
