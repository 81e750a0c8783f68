package inspect

import (
	"archive/zip"
	"bytes"
	"hash/crc32"
	"strings"
	"testing"

	"howett.net/plist"
)

const window = 16 << 20

// scan writes a file to a scanner, so many bytes at a time, and checks what it
// holds meanwhile.
func scan(t testing.TB, b []byte, step int, window int64) (Build, bool, error) {
	t.Helper()
	s := NewScanner(window)
	for len(b) > 0 {
		n := min(step, len(b))
		if wrote, err := s.Write(b[:n]); wrote != n || err != nil {
			t.Fatal(wrote, err)
		}
		b = b[n:]
		if len(s.held) > maxMeta+2*scanChunk {
			t.Fatalf("%d bytes held", len(s.held))
		}
	}
	s.End()
	return s.Build()
}

func TestStreamsOfRealTools(t *testing.T) {
	for name, pack := range zippers {
		t.Run(name, func(t *testing.T) {
			dir := tree(t, appFiles(t, plist.BinaryFormat, nil))
			pack(t, dir)
			b := load(t, dir, "App.ipa")
			for _, step := range []int{7, 4096, len(b)} {
				if got, ok, err := scan(t, b, step, window); got != demo || !ok || err != nil {
					t.Errorf("%d at a time: %+v, %v, %v", step, got, ok, err)
				}
			}
		})
	}
}

func TestStreamsOfInstallerPackages(t *testing.T) {
	for _, compression := range []string{"none", "gzip", "bzip2"} {
		for _, c := range installers {
			b := xarOf(t, compression, c.files)
			for _, step := range []int{1 + len(b)/10_000, len(b)} {
				got, ok, err := scan(t, b, step, window)
				if reasonOf(err) != c.reason || ok != (err == nil) || ok && got != demoPackage {
					t.Errorf("%s, %s, %d at a time: %+v, %v", c.name, compression, step, got, err)
				}
			}
		}
	}
}

func TestHostileStreams(t *testing.T) {
	for name, c := range hostileZips(t) {
		for _, step := range []int{13 + len(c.b)/1000, len(c.b)} {
			if got, ok, err := scan(t, c.b, step, window); ok || reasonOf(err) != c.reason {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
		}
	}
	for name, c := range hostileXars(t) {
		for _, step := range []int{13 + len(c.b)/1000, len(c.b)} {
			if got, ok, err := scan(t, c.b, step, window); ok || reasonOf(err) != c.reason {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
		}
	}
	good := plistOf(t, plist.XMLFormat, nil)
	plain := zipOf(t, zip.Deflate, infoName, good)
	for name, c := range map[string]hostile{
		"text":                   {[]byte("text"), ReasonUnknownFile},
		"nothing":                {nil, ReasonUnreadable},
		"three bytes":            {[]byte("PK\x03"), ReasonUnreadable},
		"another app before":     {zipOf(t, zip.Store, "Payload/X.app/x", "y", infoName, good), ReasonSeveralApps},
		"what is no header":      {append(zipOf(t, zip.Store, "a", "b")[:50], make([]byte, 100)...), ReasonUnreadable},
		"a length of 2^63":       {raw64(1<<63 - 1), ReasonUnreadable},
		"a length beyond":        {raw64(1 << 40), ReasonUnreadable},
		"a list without its end": {append(bytes.Clone(plain[:70]), make([]byte, 5<<20)...), ReasonUnreadable},
	} {
		if got, ok, err := scan(t, c.b, 1<<20, window); ok || reasonOf(err) != c.reason {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// raw64 is a local header in zip64's form whose body has so many bytes.
func raw64(n uint64) []byte {
	b := append([]byte(zipLocal), make([]byte, localLength-4)...)
	copy(b[18:], "\xff\xff\xff\xff\xff\xff\xff\xff")
	b[26], b[28] = 1, 20
	b = append(b, "x\x01\x00\x10\x00"...)
	b = le.AppendUint64(le.AppendUint64(b, n), n)
	return append(b, make([]byte, 1000)...)
}

// TestDescriptors reads a zip whose lengths stand behind each file, in all forms
// that tools write, after bodies that hold zips themselves.
func TestDescriptors(t *testing.T) {
	info := plistOf(t, plist.BinaryFormat, map[string]any{"Long": nil})
	other := string(zipOf(t, zip.Store, "Payload/X.app/Info.plist", "x", "y", strings.Repeat("PK\x03\x04", 100)))
	for _, d := range []struct{ signed, wide bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
		for _, told := range []bool{false, true} { // in the local header too, as some writers do
			var b []byte
			for _, f := range [][2]string{{"a", ""}, {"Payload/Demo.app/a", other}, {infoName, info}, {"z", ""}} {
				header := append([]byte(zipLocal), make([]byte, localLength-4)...)
				header[6], header[26] = flagDescriptor, byte(len(f[0]))
				if told {
					le.PutUint32(header[18:], uint32(len(f[1])))
					le.PutUint32(header[22:], uint32(len(f[1])))
				}
				b = append(append(append(b, header...), f[0]...), f[1]...)
				if d.signed {
					b = append(b, zipDescriptor...)
				}
				b = le.AppendUint32(b, crc32.ChecksumIEEE([]byte(f[1])))
				for range 2 {
					if d.wide {
						b = le.AppendUint64(b, uint64(len(f[1])))
					} else {
						b = le.AppendUint32(b, uint32(len(f[1])))
					}
				}
			}
			for _, step := range []int{1, 29, len(b)} {
				if got, ok, err := scan(t, b, step, window); got != demo || !ok || err != nil {
					t.Errorf("%+v, told before: %v, %d at a time: %+v, %v", d, told, step, got, err)
				}
			}
		}
	}
}

// TestWindow says so when the description is not in the first bytes.
func TestWindow(t *testing.T) {
	good := plistOf(t, plist.BinaryFormat, nil)
	b := zipOf(t, zip.Store, "Payload/Demo.app/Demo", strings.Repeat("\x00", 1<<20), infoName, good)
	for _, c := range []struct {
		window int64
		reason string
	}{
		{0, ReasonTooLate}, {3, ReasonTooLate}, {1 << 20, ReasonTooLate}, {int64(len(b)), ""}, {1 << 40, ""},
	} {
		got, ok, err := scan(t, b, 1000, c.window)
		if reasonOf(err) != c.reason || ok != (c.reason == "") || ok && got != demo {
			t.Errorf("%d: %+v, %v", c.window, got, err)
		}
	}
	// A xar says where things are: nobody has to wait for them.
	x := rawXar(xarFile("Distribution", 20<<20, 10, 10, "application/octet-stream"), nil)
	s := NewScanner(window)
	if _, err := s.Write(x); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := s.Build(); ok || reasonOf(err) != ReasonTooLate {
		t.Errorf("a Distribution at 20 MiB: %v", err)
	}
}

// TestNotYet tells neither a build nor an error while more can come.
func TestNotYet(t *testing.T) {
	b := zipOf(
		t,
		zip.Deflate,
		"Payload/Demo.app/Demo",
		strings.Repeat("x", 1000),
		infoName,
		plistOf(t, plist.BinaryFormat, nil),
	)
	s := NewScanner(window)
	for n := range b {
		if _, ok, err := s.Build(); ok || err != nil {
			if n < 200 || err != nil {
				t.Fatalf("after %d bytes: %v", n, err)
			}
			break
		}
		if _, err := s.Write(b[n : n+1]); err != nil {
			t.Fatal(err)
		}
	}
	if got, ok, err := s.Build(); got != demo || !ok || err != nil {
		t.Errorf("%+v, %v, %v", got, ok, err)
	}
}

func FuzzScanner(f *testing.F) {
	for _, format := range []int{plist.XMLFormat, plist.BinaryFormat} {
		f.Add(zipOf(f, zip.Deflate, "a", "b", infoName, plistOf(f, format, map[string]any{"Long": nil})), 7)
	}
	f.Add(xarOf(f, "none", installers[3].files), 100)
	f.Add(raw64(10), 50)
	good := plistOf(f, plist.BinaryFormat, map[string]any{"Long": nil})
	header := zip.FileHeader{Name: infoName, CRC32: crc32.ChecksumIEEE([]byte(good))}
	header.CompressedSize64, header.UncompressedSize64 = uint64(len(good)), uint64(len(good))
	f.Add(rawZip(f, header, []byte(good)), 1000)
	f.Add(rawXar(xarFile("Distribution", 5, 10, 10, "application/octet-stream"), make([]byte, 20)), 1)
	f.Fuzz(func(t *testing.T, b []byte, step int) {
		one, ok, err := scan(t, b, max(1, step), 1<<20)
		if strings.HasPrefix(reasonOf(err), "untyped") || ok != (err == nil) {
			t.Error(ok, err)
		}
		if all, _, allErr := scan(t, b, len(b), 1<<20); one != all || reasonOf(err) != reasonOf(allErr) {
			t.Errorf("%d at a time: %+v, %v; at once: %+v, %v", step, one, err, all, allErr)
		}
	})
}
