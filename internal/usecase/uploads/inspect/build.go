// Package inspect tells what is inside a file that is about to be uploaded: which
// app and version a build holds, the size of a picture, and whether Apple takes it
// for the purpose.
//
// It reads bytes that a stranger made. Every length is checked before it is used,
// memory and time are bounded whatever a file claims, and what is wrong is a
// [fault.Error] that quotes nothing of the file. It knows no request, no resource
// and no network.
package inspect

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// Reasons of this package's errors about builds.
const (
	ReasonUnknownFile = "BUILD_FILE_UNKNOWN"       // neither an .ipa nor a .pkg
	ReasonUnreadable  = "BUILD_FILE_UNREADABLE"    // damaged, encrypted, or beyond the bounds here
	ReasonNoApp       = "BUILD_FILE_HAS_NO_APP"    // no app, or one that does not say its id and versions
	ReasonSeveralApps = "BUILD_FILE_HAS_MANY_APPS" // it does not follow which of them is meant
	ReasonTooLate     = "BUILD_INFO_TOO_LATE"      // not within the first bytes of a stream
)

// Formats of builds.
const (
	FormatIPA = "ipa"
	FormatPKG = "pkg"
)

// maxMeta bounds the files within an archive that are read whole: an Info.plist; a
// Distribution and each PackageInfo together. Real ones have a few KiB.
const maxMeta = 4 << 20

// Build is what a build says about itself, and what Apple wants to know before it
// takes the file (POST /v1/buildUploads, POST /v1/buildUploadFiles).
type Build struct {
	BundleID string // CFBundleIdentifier
	Version  string // CFBundleShortVersionString, such as 1.4.2
	Number   string // CFBundleVersion, such as 341
	Platform string // IOS, MAC_OS, TV_OS or VISION_OS; "": the file does not say
	Format   string // FormatIPA or FormatPKG
	UTI      string // com.apple.ipa or com.apple.pkg
}

// ReadBuild reads what an .ipa (a zip with Payload/NAME.app/Info.plist) or a .pkg
// (a xar with a Distribution or a PackageInfo) says. An .ipa must have exactly one
// app; those nested in it (extensions, Watch apps, App Clips) do not count. Of a
// .pkg with several apps, it is the one with the product's id.
func ReadBuild(r io.ReaderAt, size int64) (Build, error) {
	var magic [4]byte
	if size < int64(len(magic)) {
		return Build{}, unknownFile()
	}
	if err := readFull(r, magic[:], 0); err != nil {
		return Build{}, err
	}
	switch string(magic[:]) {
	case zipLocal:
		return readZip(r, size)
	case xarMagic:
		return readXar(r, size)
	}
	return Build{}, unknownFile()
}

func unknownFile() error {
	return fault.New(fault.InvalidArgument, ReasonUnknownFile, "the file is neither an .ipa (zip) nor a .pkg (xar)")
}

func unreadable(format string, args ...any) error {
	return fault.New(fault.InvalidArgument, ReasonUnreadable, "the build cannot be read: "+format, args...)
}

func noApp(format string, args ...any) error {
	return fault.New(fault.InvalidArgument, ReasonNoApp, format, args...)
}

func severalApps(format string, args ...any) error {
	return fault.New(fault.InvalidArgument, ReasonSeveralApps, format, args...)
}

// readFull fills b. A file that ends too early is unreadable; other errors are the
// reader's own.
func readFull(r io.ReaderAt, b []byte, at int64) error {
	n, err := r.ReadAt(b, at)
	switch {
	case n == len(b):
		return nil
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return unreadable("it is cut short")
	}
	return fmt.Errorf("reading the build: %w", err)
}

// readPart reads n bytes, at most maxMeta, of a file of so many.
func readPart(r io.ReaderAt, at, n, size int64) ([]byte, error) {
	if n > maxMeta {
		return nil, tooLarge()
	}
	if at > size || n > size-at {
		return nil, unreadable("it is cut short")
	}
	b := make([]byte, n)
	return b, readFull(r, b, at)
}

func tooLarge() error {
	return unreadable("what describes it has more than %d bytes", maxMeta)
}

// readAll reads what an archive says has exactly so many bytes, at most maxMeta.
func readAll(r io.Reader, size int64) ([]byte, error) {
	if size > maxMeta {
		return nil, tooLarge()
	}
	var b bytes.Buffer // grows with what is there, not with what is claimed
	n, err := b.ReadFrom(io.LimitReader(r, size+1))
	if err != nil || n != size {
		return nil, unreadable("a file that describes it is damaged")
	}
	return b.Bytes(), nil
}

// maxValue bounds an id or a version in bytes. Apple: CFBundleIdentifier has at
// most 155 characters, a version 18.
const maxValue = 255

// checked refuses what lacks a value that Apple wants, or has one that is no
// plain text.
func (b Build) checked() (Build, error) {
	for _, f := range [...]struct{ name, value string }{
		{"CFBundleIdentifier", b.BundleID},
		{"CFBundleShortVersionString", b.Version},
		{"CFBundleVersion", b.Number},
	} {
		if f.value == "" {
			return Build{}, noApp("the app in the file has no %s", f.name)
		}
		odd := func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }
		if len(f.value) > maxValue || strings.ContainsFunc(f.value, odd) {
			return Build{}, noApp("the app's %s is longer than %d bytes or no plain text", f.name, maxValue)
		}
	}
	return b, nil
}
