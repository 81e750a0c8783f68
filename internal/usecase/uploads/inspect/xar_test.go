package inspect

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

// rawXar makes a xar of the XML of files and a heap.
func rawXar(files string, heap []byte) []byte {
	var toc bytes.Buffer
	w := zlib.NewWriter(&toc)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><xar><toc>%s</toc></xar>`, files)
	w.Close()
	b := binary.BigEndian.AppendUint32([]byte(xarMagic), 28<<16|1)
	b = binary.BigEndian.AppendUint64(b, uint64(toc.Len()))
	b = binary.BigEndian.AppendUint64(b, 1000)
	b = binary.BigEndian.AppendUint32(b, 1)
	return append(append(b, toc.Bytes()...), heap...)
}

// xarFile is a file with its data before its name, as Apple's xar writes it.
func xarFile(name string, offset, length, size any, encoding string) string {
	return fmt.Sprintf(
		`<file id="1"><data><length>%v</length><encoding style=%q/><offset>%v</offset><size>%v</size></data>`+
			`<ea id="0"><name>com.apple.x</name><offset>1</offset><length>2</length><size>3</size></ea>`+
			`<type>file</type><name>%s</name></file>`,
		length,
		encoding,
		offset,
		size,
		name,
	)
}

func hostileXars(t testing.TB) map[string]hostile {
	const stored, packed = "application/octet-stream", "application/x-gzip"
	text := distributionOf("com.example.demo", demoBundle)
	n := len(text)
	heap := []byte(text)
	file := func(name string) string { return xarFile(name, 0, n, n, stored) }
	plain := rawXar(file("Distribution"), heap)
	bomb := func() []byte {
		var b bytes.Buffer
		w := zlib.NewWriter(&b)
		for range 100 {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				t.Fatal(err)
			}
		}
		w.Close()
		return b.Bytes()
	}()
	return map[string]hostile{
		"a wrong version":         {patched(plain, 7, 9), ReasonUnreadable},
		"a short header":          {patched(plain, 5, 8), ReasonUnreadable},
		"a long header":           {patched(plain, 4, 0xff), ReasonUnreadable},
		"a huge table":            {patched(plain, 8, 0x7f), ReasonUnreadable},
		"a negative table":        {patched(plain, 8, 0xff), ReasonUnreadable},
		"a table that is cut":     {plain[:40], ReasonUnreadable},
		"a table that is damaged": {patched(plain, 30, 0, 0, 0), ReasonUnreadable},
		"a table that is a bomb": {
			rawXar(strings.Repeat("<file/>", 4<<20), nil), ReasonUnreadable,
		},
		"folders without end": {rawXar(strings.Repeat("<file>", 100_000), nil), ReasonUnreadable},
		"a negative offset":   {rawXar(xarFile("Distribution", -5, n, n, stored), heap), ReasonUnreadable},
		"an offset of 2^63":   {rawXar(xarFile("Distribution", uint64(1)<<63, n, n, stored), heap), ReasonUnreadable},
		"an offset of 2^64": {
			rawXar(xarFile("Distribution", "18446744073709551616", n, n, stored), heap),
			ReasonUnreadable,
		},
		"no number":         {rawXar(xarFile("Distribution", "x", n, n, stored), heap), ReasonUnreadable},
		"a length beyond":   {rawXar(xarFile("Distribution", 0, n+1, n+1, stored), heap), ReasonUnreadable},
		"a length of 5 MiB": {rawXar(xarFile("Distribution", 0, 5<<20, n, stored), heap), ReasonUnreadable},
		"a size of 5 MiB":   {rawXar(xarFile("Distribution", 0, n, 5<<20, stored), heap), ReasonUnreadable},
		"another size":      {rawXar(xarFile("Distribution", 0, n, n-1, stored), heap), ReasonUnreadable},
		"no zlib":           {rawXar(xarFile("Distribution", 0, n, n, packed), heap), ReasonUnreadable},
		"a bomb":            {rawXar(xarFile("Distribution", 0, len(bomb), 1000, packed), bomb), ReasonUnreadable},
		"two Distributions": {rawXar(file("Distribution")+file("Distribution"), heap), ReasonUnreadable},
		"two of a package": {
			rawXar("<file>"+file("PackageInfo")+file("PackageInfo")+"<name>a.pkg</name></file>", heap),
			ReasonUnreadable,
		},
		"many packages": {
			rawXar(strings.Repeat("<file>"+file("PackageInfo")+"<name>a.pkg</name></file>", 17), heap),
			ReasonUnreadable,
		},
		"two of 3 MiB": {
			rawXar(xarFile("Distribution", 0, n, 3<<20, packed)+xarFile("PackageInfo", n, n, 3<<20, packed), heap),
			ReasonUnreadable,
		},
		"a name without end": {
			rawXar("<file><name>"+strings.Repeat("x", 5000)+"</name></file>", nil),
			ReasonUnreadable,
		},
		"an element for a name": {rawXar("<file><name><b/></name></file>", nil), ReasonUnreadable},
		"nothing":               {rawXar("", nil), ReasonNoApp},
		"only resources":        {rawXar(file("Resources"), heap), ReasonNoApp},
		"deep":                  {rawXar("<file><file>"+file("PackageInfo")+"</file></file>", heap), ReasonNoApp},
	}
}

func TestHostilePackages(t *testing.T) {
	for name, c := range hostileXars(t) {
		if got, err := ReadBuild(bytes.NewReader(c.b), int64(len(c.b))); reasonOf(err) != c.reason {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	text := distributionOf("com.example.demo", demoBundle)
	b := rawXar(xarFile("Distribution", 0, len(text), len(text), "application/octet-stream"), []byte(text))
	if got, err := ReadBuild(bytes.NewReader(b), int64(len(b))); got != demoPackage || err != nil {
		t.Errorf("what is right: %+v, %v", got, err)
	}
}

// TestOverlappingFiles are read where they can be: not in a stream, which has passed
// them.
func TestOverlappingFiles(t *testing.T) {
	text := packageInfoOf("com.example.demo", demoBundle)
	info := xarFile("PackageInfo", 0, len(text), len(text), "application/octet-stream")
	next := packageInfoOf("com.example.next", bundle("Next.app", "com.example.next", "9.9.9", "999"))
	b := rawXar("<file>"+info+"<name>a.pkg</name></file><file>"+info+"<name>b.pkg</name></file>", []byte(text+next))
	if got, err := ReadBuild(bytes.NewReader(b), int64(len(b))); got != demoPackage || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	if _, ok, err := scan(t, b, len(b), window); ok || reasonOf(err) != ReasonUnreadable {
		t.Errorf("%v, %v", ok, err)
	}
}

// FuzzPackage reads a xar of any table and heap, whole and in a stream: both find
// the same, but for files that overlap, or that the stream ends before.
func FuzzPackage(f *testing.F) {
	text := packageInfoOf("com.example.demo", demoBundle)
	info := xarFile("PackageInfo", 0, len(text), len(text), "application/octet-stream")
	f.Add(info, []byte(text))
	f.Add("<file>"+info+"<name>a.pkg</name></file>"+xarFile("Distribution", 9, 9, 9, ""), []byte(text))
	f.Add(xarFile("Distribution", 0, len(text), 9, "application/x-bzip2"), []byte(text))
	f.Fuzz(func(t *testing.T, files string, heap []byte) {
		b := rawXar(files, heap)
		whole, err := ReadBuild(bytes.NewReader(b), int64(len(b)))
		if strings.HasPrefix(reasonOf(err), "untyped") {
			t.Fatal(err)
		}
		streamed, ok, streamErr := scan(t, b, 100, 1<<20)
		if ok != (streamErr == nil) || ok && (streamed != whole || err != nil) {
			t.Errorf("%+v, %v; in a stream %+v, %v", whole, err, streamed, streamErr)
		}
		if reason := reasonOf(streamErr); err == nil && !ok && reason != ReasonUnreadable && reason != ReasonTooLate {
			t.Errorf("%+v; in a stream %v", whole, streamErr)
		}
	})
}
