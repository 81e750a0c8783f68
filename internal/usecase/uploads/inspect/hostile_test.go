package inspect

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"

	"howett.net/plist"
)

// zipOf makes a zip of names and contents, in this order, with data descriptors.
func zipOf(t testing.TB, method uint16, pairs ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(pairs); i += 2 {
		m, err := w.CreateHeader(&zip.FileHeader{Name: pairs[i], Method: method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(m, pairs[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// rawZip makes a zip of one file, of which a caller says everything.
func rawZip(t testing.TB, h zip.FileHeader, packed []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	m, err := w.CreateRaw(&h)
	if err == nil {
		_, err = m.Write(packed)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func deflated(t testing.TB, r io.Reader) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err == nil {
		_, err = io.Copy(w, r)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// edited is a copy of b in which each `from`, which must be there, is `to`.
func edited(t testing.TB, b []byte, from, to string) []byte {
	t.Helper()
	if len(from) != len(to) || !bytes.Contains(b, []byte(from)) {
		t.Fatalf("%q cannot become %q", from, to)
	}
	return bytes.ReplaceAll(b, []byte(from), []byte(to))
}

// patched is a copy of b with these bytes at an offset, from the end if negative.
func patched(b []byte, at int, with ...byte) []byte {
	if at < 0 {
		at += len(b)
	}
	return slices.Replace(slices.Clone(b), at, at+len(with), with...)
}

const infoName = "Payload/Demo.app/Info.plist"

// hostile is a file, and the reason of the error that it gets.
type hostile struct {
	b      []byte
	reason string
}

// hostileZips are files that begin like an .ipa, and the reason that each gets.
func hostileZips(t testing.TB) map[string]hostile {
	good := plistOf(t, plist.XMLFormat, nil)
	plain := zipOf(t, zip.Deflate, infoName, good)
	twice := strings.Replace(good, "<dict>", "<dict><key>CFBundleVersion</key><string>1</string>", 1)
	deep := strings.Repeat("<array>", maxDepth-1) + strings.Repeat("</array>", maxDepth-1)
	zeros := deflated(t, io.LimitReader(zeroes{}, 100<<20))
	header := func(size uint64, sum uint32, method, flags uint16) zip.FileHeader {
		return zip.FileHeader{Name: infoName, Method: method, Flags: flags, CRC32: sum, UncompressedSize64: size}
	}
	goodSum := crc32.ChecksumIEEE([]byte(good))
	raw := func(h zip.FileHeader, packed []byte) []byte {
		h.CompressedSize64 = uint64(len(packed))
		return rawZip(t, h, packed)
	}
	size := uint64(len(good))
	packed := deflated(t, strings.NewReader(good))
	return map[string]hostile{
		"no app": {
			zipOf(t, zip.Deflate, "Payload/readme.txt", "x", "Demo.app/Info.plist", good),
			ReasonNoApp,
		},
		"no Info.plist":    {zipOf(t, zip.Deflate, "Payload/Demo.app/Demo", "x"), ReasonNoApp},
		"only nested ones": {zipOf(t, zip.Deflate, "Payload/Demo.app/Watch/W.app/Info.plist", good), ReasonNoApp},
		"a Mac's app":      {zipOf(t, zip.Deflate, "Payload/Demo.app/Contents/Info.plist", good), ReasonNoApp},
		"an empty list":    {zipOf(t, zip.Deflate, infoName, "<plist><dict/></plist>"), ReasonNoApp},
		"no list":          {zipOf(t, zip.Deflate, infoName, "CFBundleIdentifier = x;"), ReasonUnreadable},
		"nothing":          {zipOf(t, zip.Deflate, infoName, ""), ReasonUnreadable},
		"an array":         {zipOf(t, zip.Deflate, infoName, "<plist><array/></plist>"), ReasonUnreadable},
		"a value twice":    {zipOf(t, zip.Deflate, infoName, twice), ReasonUnreadable},
		"XML 65 deep": {
			zipOf(t, zip.Deflate, infoName, strings.Replace(good, "<dict>", "<dict><key>k</key>"+deep, 1)),
			ReasonUnreadable,
		},
		"XML cut": {zipOf(t, zip.Deflate, infoName, good[:len(good)/2]), ReasonUnreadable},
		"deep XML": {
			zipOf(t, zip.Deflate, infoName, "<plist><dict>"+strings.Repeat("<array>", 300_000)),
			ReasonUnreadable,
		},
		"a bomb":            {raw(header(100<<20, 0, methodDeflate, 0), zeros), ReasonUnreadable},
		"a hidden bomb":     {raw(header(1000, 0, methodDeflate, 0), zeros), ReasonUnreadable},
		"a wrong checksum":  {raw(header(size, goodSum+1, methodDeflate, 0), packed), ReasonUnreadable},
		"a wrong size":      {raw(header(size+1, goodSum, methodDeflate, 0), packed), ReasonUnreadable},
		"encrypted":         {raw(header(size, goodSum, methodDeflate, flagEncrypted), packed), ReasonUnreadable},
		"another method":    {raw(header(size, goodSum, 93, 0), packed), ReasonUnreadable},
		"damaged":           {raw(header(size, goodSum, methodDeflate, 0), packed[:len(packed)/2]), ReasonUnreadable},
		"cut in the middle": {plain[:len(plain)/4], ReasonUnreadable},
	}
}

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestHostileApps(t *testing.T) {
	cases := hostileZips(t)
	good := plistOf(t, plist.BinaryFormat, nil)
	plain := zipOf(t, zip.Deflate, infoName, good)
	directory := bytes.Index(plain, []byte(zipCentral)) - len(plain)
	add := func(name string, b []byte, reason string) {
		cases[name] = hostile{b, reason}
	}
	// What only the directory tells.
	add("two apps", zipOf(t, zip.Deflate, infoName, good, "Payload/Other.app/Info.plist", good), ReasonSeveralApps)
	add(
		"two apps, one without Info.plist",
		zipOf(t, zip.Deflate, infoName, good, "Payload/Other.app/x", ""),
		ReasonSeveralApps,
	)
	add("two of one name", zipOf(t, zip.Deflate, infoName, good, infoName, good), ReasonUnreadable)
	add("cut", plain[:len(plain)-1], ReasonUnreadable)
	add("a directory elsewhere", patched(plain, -6, 0xf0, 0xff, 0xff, 0x7f), ReasonUnreadable)
	add("a directory that is too long", patched(plain, -10, 0xf0, 0xff, 0xff, 0x7f), ReasonUnreadable)
	add("zip64 without its record", patched(plain, -6, 0xff, 0xff, 0xff, 0xff), ReasonUnreadable)
	for _, at := range []uint64{1 << 63, 1<<64 - 1, uint64(len(plain))} {
		locator := le.AppendUint64([]byte(zip64Locator+"\x00\x00\x00\x00"), at)
		end := patched(plain[len(plain)-endLength:], 16, 0xff, 0xff, 0xff, 0xff)
		add(fmt.Sprintf("a zip64 record at %d", at),
			slices.Concat(plain[:len(plain)-endLength], locator, []byte{1, 0, 0, 0}, end), ReasonUnreadable)
	}
	add("a file elsewhere", patched(plain, directory+42, 0xf0, 0xff, 0xff, 0x7f), ReasonUnreadable)
	add("a file at another's place", patched(plain, directory+42, 1), ReasonUnreadable)
	add("a file that is too long", patched(plain, directory+20, 0xff, 0xff, 0x3f, 0), ReasonUnreadable)
	add("a name without end", patched(plain, directory+28, 0xff, 0xff), ReasonUnreadable)
	add("no entry in the directory", patched(plain, directory, 'x'), ReasonUnreadable)
	add("two names", patched(plain, 0, edited(t, plain[:200], "Demo.app", "Xemo.app")...), ReasonUnreadable)
	for name, c := range cases {
		if got, err := ReadBuild(bytes.NewReader(c.b), int64(len(c.b))); reasonOf(err) != c.reason {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for _, text := range []string{"", "PK\x03", "text", "\x1f\x8b\x08\x00"} {
		if _, err := ReadBuild(strings.NewReader(text), int64(len(text))); reasonOf(err) != ReasonUnknownFile {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// brokenDisk fails after some bytes.
type brokenDisk struct {
	b    []byte
	from int64
}

var errDisk = errors.New("the disk is broken")

func (d brokenDisk) ReadAt(p []byte, at int64) (int, error) {
	if at+int64(len(p)) > d.from {
		return 0, errDisk
	}
	return copy(p, d.b[at:]), nil
}

// TestReadersErrors keeps a reader's error apart from what is wrong with a file.
func TestReadersErrors(t *testing.T) {
	b := zipOf(t, zip.Deflate, infoName, plistOf(t, plist.BinaryFormat, nil))
	for _, from := range []int64{0, 100, int64(len(b)) - 1} {
		if _, err := ReadBuild(brokenDisk{b, from}, int64(len(b))); !errors.Is(err, errDisk) {
			t.Errorf("%d: %v", from, err)
		}
	}
	if _, err := ReadBuild(bytes.NewReader(b), int64(len(b))+100); reasonOf(err) != ReasonUnreadable {
		t.Errorf("a file that is shorter than said: %v", err)
	}
}

// binaryOf makes a binary property list of objects with 32-bit offsets and numbers;
// the first is the top.
func binaryOf(objects ...string) []byte {
	b := []byte(plistMagic)
	var table []byte
	for _, o := range objects {
		table = binary.BigEndian.AppendUint32(table, uint32(len(b)))
		b = append(b, o...)
	}
	at := len(b)
	b = append(b, table...)
	b = append(b, 0, 0, 0, 0, 0, 0, 4, 4)
	b = binary.BigEndian.AppendUint64(b, uint64(len(objects)))
	b = binary.BigEndian.AppendUint64(b, 0)
	return binary.BigEndian.AppendUint64(b, uint64(at))
}

func TestHostileBinaryPropertyLists(t *testing.T) {
	const key, one = "\x5f\x10\x0fCFBundleVersion", "\x00\x00\x00\x01"
	const two = "\x00\x00\x00\x02"
	const platforms = "\x5f\x10\x1aCFBundleSupportedPlatforms"
	with := func(key, value string) []byte { return binaryOf("\xd1"+one+two, key, value) }
	good := with(key, "\x513")
	i, err := readInfo(good)
	if err != nil || i.text["CFBundleVersion"] != "3" {
		t.Fatalf("%+v, %v", i, err)
	}
	for name, b := range map[string][]byte{
		"cut":                     good[:len(good)-1],
		"only the magic":          []byte(plistMagic),
		"a table elsewhere":       patched(good, -1, 0xff),
		"a table before":          patched(good, -8, 0x80),
		"more objects than bytes": patched(good, -24, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff),
		"offsets of no bytes":     patched(good, -26, 0),
		"offsets of 200 bytes":    patched(good, -26, 200),
		"numbers of no bytes":     patched(good, -25, 0),
		"a top that is not there": patched(good, -9, 9),
		"a string as top":         patched(good, -9, 1),
		"a dictionary that is itself the key's value": binaryOf("\xd2"+one+one+"\x00\x00\x00\x00\x00\x00\x00\x09", key),
		"a long dictionary":                           binaryOf("\xdf\x13\x7f\xff\xff\xff\xff\xff\xff\xff" + one + one),
		"a length of no integer":                      binaryOf("\xdf\x51" + one + one),
		"a length of 16 bytes":                        binaryOf("\xdf\x14" + one + one),
		"a length that is cut":                        binaryOf("\xdf\x13"),
		"a string beyond the end":                     with(key, "\x5f\x11\x0f\xff"),
		"UTF-16 beyond the end":                       with(key, "\x6f\x11\x0f\xff"),
		"a list of 100 million":                       with(platforms, "\xaf\x12\x05\xf5\xe1\x00"),
		"a list beyond the end":                       with(platforms, "\xaf\x10\x10"),
		"a list of what is not there":                 with(platforms, "\xa1\x00\x00\x00\x63"),
		"a value twice":                               binaryOf("\xd2"+one+one+two+two, key, "\x513"),
	} {
		if _, err := readInfo(b); reasonOf(err) != ReasonUnreadable {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A value that is a list of itself is no string: it counts as none.
	if i, err := readInfo(binaryOf("\xd1"+one+"\x00\x00\x00\x00", key)); err != nil || i.text["CFBundleVersion"] != "" {
		t.Errorf("%+v, %v", i, err)
	}
	i, err = readInfo(with(platforms, "\xa2\x00\x00\x00\x02\x00\x00\x00\x02"))
	if err != nil || len(i.list["CFBundleSupportedPlatforms"]) != 0 {
		t.Errorf("%+v, %v", i, err)
	}
}

// TestManyReferencesTakeNoMemory reads 4 MiB in which every object is a dictionary
// of all others: a reader that builds a tree would make 10^11 values of it.
func TestManyReferencesTakeNoMemory(t *testing.T) {
	const count = 300_000
	var b bytes.Buffer
	b.WriteString(plistMagic + "\xdf\x12")
	b.Write(binary.BigEndian.AppendUint32(nil, count))
	for n := range uint32(2 * count) {
		b.Write(binary.BigEndian.AppendUint32(nil, n%count))
	}
	at := b.Len()
	for range count {
		b.Write([]byte{0, 0, 0, 8})
	}
	b.Write([]byte{0, 0, 0, 0, 0, 0, 4, 4})
	for _, n := range []uint64{count, 0, uint64(at)} {
		b.Write(binary.BigEndian.AppendUint64(nil, n))
	}
	if b.Len() > maxMeta {
		t.Fatal("more than an Info.plist can have")
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := readInfo(b.Bytes())
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; err != nil || n > 64<<10 {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func FuzzBuild(f *testing.F) {
	for _, format := range []int{plist.XMLFormat, plist.BinaryFormat} {
		changes := map[string]any{"Long": nil}
		f.Add(zipOf(f, zip.Deflate, infoName, plistOf(f, format, changes)))
		f.Add(zipOf(f, zip.Store, infoName, plistOf(f, format, changes)))
	}
	f.Add(xarOf(f, "none", map[string]string{"Distribution": distributionOf("com.example.demo", demoBundle)}))
	f.Add(xarOf(f, "gzip", installers[3].files))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := ReadBuild(bytes.NewReader(b), int64(len(b)))
		if reason := reasonOf(err); strings.HasPrefix(reason, "untyped") {
			t.Error(reason)
		}
		if err == nil && (got.BundleID == "" || got.Version == "" || got.Number == "" || got.UTI == "") {
			t.Errorf("%+v", got)
		}
	})
}

// FuzzInfo reads property lists by themselves: within a zip, a checksum would hide
// most from the fuzzer.
func FuzzInfo(f *testing.F) {
	for _, format := range []int{plist.XMLFormat, plist.BinaryFormat} {
		f.Add([]byte(plistOf(f, format, map[string]any{"Long": nil})))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := readInfo(b); strings.HasPrefix(reasonOf(err), "untyped") {
			t.Error(err)
		}
	})
}
