package inspect

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
)

// maxDirectory bounds a zip's directory in bytes: an app of 300,000 files has one
// half as large. It is read in one pass and never held.
const maxDirectory = 64 << 20

// directory is where a zip lists its files.
type directory struct{ offset, length int64 }

// findDirectory finds it by the record at the file's end.
func findDirectory(r io.ReaderAt, size int64) (directory, error) {
	end, at, err := findEnd(r, size)
	if err != nil {
		return directory{}, err
	}
	d := directory{offset: int64(le.Uint32(end[16:])), length: int64(le.Uint32(end[12:]))}
	if d.offset == math.MaxUint32 || d.length == math.MaxUint32 || le.Uint16(end[10:]) == math.MaxUint16 {
		if d, at, err = d.zip64(r, at); err != nil {
			return directory{}, err
		}
	}
	if d.offset > at || d.length > at-d.offset {
		return directory{}, unreadable("the position of its zip directory is wrong")
	}
	if d.length > maxDirectory {
		return directory{}, unreadable("its zip directory has more than %d bytes", maxDirectory)
	}
	return d, nil
}

// zip64 is the directory by the larger record that stands before the end record,
// if there is one, and where that record begins.
func (d directory) zip64(r io.ReaderAt, end int64) (directory, int64, error) {
	var locator [locator64Length]byte
	if end < int64(len(locator)) {
		return d, end, nil
	}
	if err := readFull(r, locator[:], end-int64(len(locator))); err != nil {
		return d, 0, err
	}
	if string(locator[:4]) != zip64Locator {
		return d, end, nil
	}
	at := le.Uint64(locator[8:])
	if at > uint64(end) {
		return d, 0, unreadable("the position of its zip directory is wrong")
	}
	var record [end64Length]byte
	if err := readFull(r, record[:], int64(at)); err != nil {
		return d, 0, err
	}
	length, offset := le.Uint64(record[40:]), le.Uint64(record[48:])
	if string(record[:4]) != zip64End || length > at || offset > at {
		return d, 0, unreadable("the position of its zip directory is wrong")
	}
	return directory{offset: int64(offset), length: int64(length)}, int64(at), nil
}

// infoPlist finds the Info.plist of the only app.
func (d directory) infoPlist(r io.ReaderAt) (member, error) {
	b := bufio.NewReaderSize(io.NewSectionReader(r, d.offset, d.length), 64<<10)
	var found *member
	var only string
	for {
		m, err := nextMember(b)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return member{}, err
		}
		app, info := appIn(m.name)
		if app == "" {
			continue
		}
		if only != "" && app != only {
			return member{}, severalApps("the file has more than one app in Payload")
		}
		only = app
		if !info {
			continue
		}
		if found != nil {
			return member{}, unreadable("it has two files of the name Info.plist")
		}
		found = &m
	}
	if found == nil {
		return member{}, noApp("the file has no Payload/NAME.app/Info.plist")
	}
	return *found, nil
}

// nextMember reads an entry of the directory. The error is io.EOF after the last.
func nextMember(b *bufio.Reader) (member, error) {
	var fixed [centralLength]byte
	if _, err := io.ReadFull(b, fixed[:]); err != nil {
		return member{}, inDirectory(err)
	}
	if string(fixed[:4]) != zipCentral {
		return member{}, unreadable("its zip directory is damaged")
	}
	names := make([]byte, int(le.Uint16(fixed[28:]))+int(le.Uint16(fixed[30:])))
	if _, err := io.ReadFull(b, names); err != nil {
		return member{}, inDirectory(noEOF(err))
	}
	if _, err := b.Discard(int(le.Uint16(fixed[32:]))); err != nil {
		return member{}, inDirectory(noEOF(err))
	}
	n := le.Uint16(fixed[28:])
	m := member{name: string(names[:n]), offset: int64(le.Uint32(fixed[42:]))}
	return m, m.parse(fixed[8:], names[n:])
}

// noEOF is for where more must follow.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func inDirectory(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return unreadable("its zip directory is damaged")
	case errors.Is(err, io.EOF):
		return io.EOF
	}
	return fmt.Errorf("reading the build: %w", err)
}
