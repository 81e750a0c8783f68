//go:build fleet

package conformance

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// ipa is an .ipa of any size that is nowhere kept: its bytes are made when they are
// read. It is a zip with an app's Info.plist first, and one file of random bytes.
type ipa struct {
	head, tail []byte // of the zip
	body       body
	sum        string // SHA-256 in hexadecimal digits
}

// block is the length of a run of random bytes. Each run begins elsewhere in
// [random], so that no two of a file are equal.
const block = 1 << 20

var random = func() []byte {
	b := make([]byte, 2*block)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // never fails
	return b
}()

// body is so many random bytes. Other seeds make other bytes.
type body struct{ size, seed int64 }

// ReadAt implements [io.ReaderAt].
func (b body) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) && off < b.size {
		i, at := off/block, off%block
		from := (i*4099 + b.seed*104_729) % block
		c := copy(p[n:], random[from+at:from+min(block, b.size-i*block)])
		n, off = n+c, off+int64(c)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

const infoPlist = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
	<key>CFBundleIdentifier</key><string>com.example.trailmix</string>
	<key>CFBundleShortVersionString</key><string>%s</string>
	<key>CFBundleVersion</key><string>%d</string>
	<key>CFBundleSupportedPlatforms</key><array><string>iPhoneOS</string></array>
</dict></plist>
`

// newIPA makes a build with an app of so many bytes.
func newIPA(t *testing.T, version string, number int, size int64) *ipa {
	t.Helper()
	f := &ipa{body: body{size, int64(number)}}
	crc := crc32.NewIEEE()
	must(t)(io.Copy(crc, io.NewSectionReader(f.body, 0, size)))
	ends := &zipEnds{sum: sha256.New(), keep: &bytes.Buffer{}}
	z := zip.NewWriter(ends)
	info, err := z.Create("Payload/Trail.app/Info.plist")
	if err != nil {
		t.Fatal(err)
	}
	must(t)(fmt.Fprintf(info, infoPlist, version, number))
	app, err := z.CreateRaw(&zip.FileHeader{Name: "Payload/Trail.app/Trail", Method: zip.Store, CRC32: crc.Sum32(),
		CompressedSize64: uint64(size), UncompressedSize64: uint64(size)})
	if err != nil {
		t.Fatal(err)
	}
	must(t)(0, z.Flush())
	f.head, ends.keep = ends.keep.Bytes(), nil
	must(t)(io.Copy(app, io.NewSectionReader(f.body, 0, size)))
	must(t)(0, z.Flush())
	ends.keep = &bytes.Buffer{}
	must(t)(0, z.Close())
	f.tail, f.sum = ends.keep.Bytes(), hex.EncodeToString(ends.sum.Sum(nil))
	return f
}

// must ends the test with the error of a call.
func must(t *testing.T) func(any, error) {
	t.Helper()
	return func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// zipEnds hashes a zip, and keeps it while it is told to.
type zipEnds struct {
	sum  hash.Hash
	keep *bytes.Buffer // nil: it keeps nothing
}

// Write implements [io.Writer].
func (e *zipEnds) Write(p []byte) (int, error) {
	if e.keep != nil {
		e.keep.Write(p)
	}
	return e.sum.Write(p)
}

func (f *ipa) size() int64 { return int64(len(f.head)) + f.body.size + int64(len(f.tail)) }

// ReadAt implements [io.ReaderAt].
func (f *ipa) ReadAt(p []byte, off int64) (n int, err error) {
	for _, piece := range []interface {
		io.ReaderAt
		Size() int64
	}{bytes.NewReader(f.head), io.NewSectionReader(f.body, 0, f.body.size), bytes.NewReader(f.tail)} {
		if size := piece.Size(); off >= size {
			off -= size
			continue
		}
		c, err := piece.ReadAt(p[n:], off)
		if n += c; err != nil && err != io.EOF {
			return n, err
		}
		if off = 0; n == len(p) {
			return n, nil
		}
	}
	return n, io.EOF
}

// from reads the file from an offset on.
func (f *ipa) from(offset int64) *io.SectionReader {
	return io.NewSectionReader(f, offset, f.size()-offset)
}

// digest is the SHA-256 of a part.
func (f *ipa) digest(t *testing.T, offset, length int64) string {
	t.Helper()
	h := sha256.New()
	must(t)(io.Copy(h, io.NewSectionReader(f, offset, length)))
	return hex.EncodeToString(h.Sum(nil))
}

// TestMadeBuild: what the uploads are made of is a zip, with the bytes that its
// digest says, however it is read.
func TestMadeBuild(t *testing.T) {
	f := newIPA(t, "1.2", 3, 3*block+5)
	if got := f.digest(t, 0, f.size()); got != f.sum {
		t.Errorf("%s, want %s", got, f.sum)
	}
	if a, b := f.digest(t, block+77, 1000), newIPA(t, "1.2", 4, 3*block+5).digest(t, block+77, 1000); a == b {
		t.Error("two builds have equal bytes")
	}
	z, err := zip.NewReader(f, f.size())
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range z.File {
		r, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r) // which compares the checksum
		if err != nil ||
			strings.HasSuffix(file.Name, ".plist") && !strings.Contains(string(b), "<string>1.2</string>") {
			t.Errorf("%s: %v", file.Name, err)
		}
	}
}
