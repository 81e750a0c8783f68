package inspect

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"slices"
	"strings"
	"testing"
	"time"
)

func look(b []byte) Content {
	c := Look("x", b, int64(len(b)))
	c.Name, c.Size = "", 0
	return c
}

// TestFilesOfFFmpeg looks at files that ffmpeg 5.1 made, which are in testdata: a
// video with its index in front, one with a track of sound before, one that is
// turned by its matrix, one with its index at the end, and pictures.
func TestFilesOfFFmpeg(t *testing.T) {
	for name, want := range map[string]Content{
		"preview.mp4":     {Type: MP4, Width: 886, Height: 1920, Duration: 16 * time.Second},
		"sound-first.m4v": {Type: M4V, Width: 886, Height: 1920, Duration: 16 * time.Second},
		"turned.mov":      {Type: MOV, Width: 1080, Height: 1920, Duration: 31 * time.Second},
		"index-last.mp4":  {Type: MP4, Width: 320, Height: 240, Duration: 2 * time.Second}, // all of it is at hand
		"shot.jpg":        {Type: JPEG, Width: 640, Height: 920},
		"glass.png":       {Type: PNG, Width: 64, Height: 32, Alpha: true},
		"palette.png":     {Type: PNG, Width: 64, Height: 32},
		"clear.png":       {Type: PNG, Width: 64, Height: 32, Alpha: true}, // a palette with tRNS
	} {
		b := load(t, "testdata", name)
		if got := look(b); got != want {
			t.Errorf("%s: %+v", name, got)
		}
		for n := range b[:min(len(b), 3000)] {
			got := look(b[:n])
			if got.Width > want.Width || got.Height > want.Height || got.Duration > want.Duration {
				t.Fatalf("%s, %d bytes of it: %+v", name, n, got)
			}
		}
	}
	if got := look(load(t, "testdata", "index-last.mp4")[:900]); got != (Content{Type: MP4}) {
		t.Errorf("an index that is not at hand: %+v", got)
	}
}

func pngOf(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPictures(t *testing.T) {
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, image.NewGray(image.Rect(0, 0, 40, 30)), nil); err != nil {
		t.Fatal(err)
	}
	segment := func(marker byte, n int) string {
		return "\xff" + string(
			[]byte{marker, byte((n + 2) >> 8), byte(n + 2)},
		) + strings.Repeat(
			"\xff\xc0\x00\x11",
			n/4,
		)
	}
	camera := []byte("\xff\xd8" + segment(0xe1, 60_000) + "\xff\xff\xff" + segment(0xe2, 60_000) + segment(0xc4, 8) +
		"\xff\x01" + photo.String()[2:])
	opaque := image.NewRGBA(image.Rect(0, 0, 4, 2))
	for i := 3; i < len(opaque.Pix); i += 4 {
		opaque.Pix[i] = 0xff
	}
	plain := pngOf(t, opaque)
	xcode := slices.Concat(plain[:8], []byte("\x00\x00\x00\x04CgBI\x50\x00\x20\x06\x2c\xb8\x77\x66"), plain[8:])
	rect := image.Rect(0, 0, 4, 2)
	for _, c := range []struct {
		name string
		b    []byte
		want Content
	}{
		{"an opaque PNG", plain, Content{Type: PNG, Width: 4, Height: 2}},
		{"Xcode's PNG", xcode, Content{Type: PNG, Width: 4, Height: 2}},
		{"a PNG with alpha", pngOf(t, image.NewRGBA(rect)), Content{Type: PNG, Width: 4, Height: 2, Alpha: true}},
		{"16 bits", pngOf(t, image.NewNRGBA64(rect)), Content{Type: PNG, Width: 4, Height: 2, Alpha: true}},
		{"gray", pngOf(t, image.NewGray(rect)), Content{Type: PNG, Width: 4, Height: 2}},
		{
			"a palette", pngOf(t, image.NewPaletted(rect, color.Palette{color.Black})),
			Content{Type: PNG, Width: 4, Height: 2},
		},
		{
			"a transparent palette", pngOf(t, image.NewPaletted(rect, color.Palette{color.Transparent})),
			Content{Type: PNG, Width: 4, Height: 2, Alpha: true},
		},
		{"a PNG's beginning", plain[:20], Content{Type: PNG}},
		{"a JPEG", photo.Bytes(), Content{Type: JPEG, Width: 40, Height: 30}},
		{"a JPEG of a camera", camera, Content{Type: JPEG, Width: 40, Height: 30}},
		{"a JPEG's beginning", camera[:70_000], Content{Type: JPEG}},
		{"a JPEG without a frame", []byte("\xff\xd8\xff\xd9\xff\xc0\x00\x11\x08\x00\x01\x00\x01"), Content{Type: JPEG}},
		{"a JPEG with a wrong length", []byte("\xff\xd8\xff\xe0\x00\x00\x00\x00\x00\x00"), Content{Type: JPEG}},
	} {
		if got := look(c.b); got != c.want {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// box is one of MP4.
func box(name string, body ...string) string {
	text := strings.Join(body, "")
	return string(binary.BigEndian.AppendUint32(nil, uint32(8+len(text)))) + name + text
}

func TestMovies(t *testing.T) {
	be := func(n uint64, bytes int) string { return string(binary.BigEndian.AppendUint64(nil, n)[8-bytes:]) }
	header := func(scale, units uint64) string {
		return box(
			"mvhd",
			"\x01\x00\x00\x00",
			be(0, 8),
			be(0, 8),
			be(scale, 4),
			be(units, 8),
			strings.Repeat("\x00", 80),
		)
	}
	track := func(width, height uint64) string { // of the second version
		return box(
			"trak",
			box("tkhd", "\x01\x00\x00\x07", strings.Repeat("\x00", 48), be(1<<16, 4), strings.Repeat("\x00", 32),
				be(width<<16, 4), be(height<<16, 4)),
		)
	}
	large := func(name, body string) string { return be(1, 4) + name + be(uint64(16+len(body)), 8) + body }
	for _, c := range []struct {
		name, text string
		want       Content
	}{
		{"64-bit times", box("ftyp", "mp42") + box("moov", header(600, 600*20+300), track(0, 0), track(1920, 1080)),
			Content{Type: MP4, Width: 1920, Height: 1080, Duration: 20*time.Second + 500*time.Millisecond}},
		{"64-bit sizes", box("ftyp", "qt  ") + large("free", "x") + large("moov", header(1, 3)+track(2, 1)),
			Content{Type: MOV, Width: 2, Height: 1, Duration: 3 * time.Second}},
		{"before ftyp", box("wide") + be(0, 4) + "mdat" + "pixels", Content{Type: MOV}},
		{
			"an index to the end", box("ftyp", "isom") + be(0, 4) + "moov" + track(4, 3),
			Content{Type: MP4, Width: 4, Height: 3},
		},
		{"no scale", box("ftyp", "isom") + box("moov", header(0, 1)), Content{Type: MP4}},
		{"eternity", box("ftyp", "isom") + box("moov", header(1, 1<<63)), Content{Type: MP4}},
		{
			"a box that is smaller than its head", box("ftyp", "isom") + be(7, 4) + "moov" + track(4, 3),
			Content{Type: MP4},
		},
		{
			"a box that overflows", box("ftyp", "isom") + be(1, 4) + "free" + be(1<<64-1, 8) + track(4, 3),
			Content{Type: MP4},
		},
		{"a picture of a phone", box("ftyp", "heic\x00\x00\x00\x00"), Content{Type: HEIC}},
		{"AVIF", box("ftyp", "avif\x00\x00\x00\x00"), Content{Type: HEIC}},
	} {
		if got := look([]byte(c.text)); got != c.want {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestTypes(t *testing.T) {
	for _, c := range []struct {
		text string
		want Type
	}{
		{"", Unknown},
		{"hello", Unknown},
		{"%PDF-1.7\n", PDF},
		{"\r\n junk %PDF-1.4", PDF},
		{strings.Repeat("x", 2000) + "%PDF-1.4", Unknown},
		{"{\\rtf1\\ansi", RTF},
		{"PK\x03\x04", ZIP},
		{"PK\x05\x06" + strings.Repeat("\x00", 18), ZIP},
		{"xar!\x00\x1c", XAR},
		{"AA01", AAR},
		{"pbze\x00", AAR},
		{"pbz?\x00", Unknown},
		{"GIF89a", GIF},
		{"RIFF\x00\x00\x00\x00WEBPVP8 ", WebP},
		{"RIFF\x00\x00\x00\x00AVI LIST", Unknown},
		{"II*\x00", TIFF},
		{"bplist00", Plist},
		{"<?xml version=\"1.0\"?>\n<!DOCTYPE plist PUBLIC", Plist},
		{"\ufeff<plist version=\"1.0\">", Plist},
		{"<?xml version=\"1.0\"?><html>", Unknown},
		{"{}", JSON},
		{" [1, 2", JSON},
		{"[section]\nkey = 1", Unknown},
		{"{ key = value; }", Unknown},
		{`{"a": {"type": "Point"}}`, JSON},
		{`{"type": "object", "title": "Point"}`, JSON},
		{`["type", "Point"]`, JSON},
		{`{"type": "MultiPolygon", "coordinates": [[[[1, 2`, GeoJSON},
		{
			"\ufeff\n{\"crs\": {\"a\": [\"type\"]}, \"name\": \"type\", \"x\": null, \"type\": \"FeatureCollection\"}",
			GeoJSON,
		},
		{`{"type": "Multi Polygon"}`, JSON},
		{`{"type": "Point LineString"}`, JSON},
		{strings.Repeat("[", 200_000), JSON},
	} {
		if got := look([]byte(c.text)).Type; got != c.want {
			t.Errorf("%.40q: %q", c.text, got)
		}
	}
}

func FuzzLook(f *testing.F) {
	for _, name := range []string{"sound-first.m4v", "turned.mov", "shot.jpg", "glass.png"} {
		f.Add(load(f, "testdata", name)[:174])
	}
	f.Add([]byte(`{"crs": [], "type": "Feature"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := Look("a.png", b, int64(len(b)))
		if c.Width < 0 || c.Height < 0 || c.Duration < 0 {
			t.Errorf("%+v", c)
		}
		for _, rule := range []Rule{ScreenshotRule("APP_IPHONE_67"), PreviewRule("IPHONE_67"), ReviewScreenshot} {
			for _, p := range Problems(rule, c) {
				if p.Code == "" || p.Message == "" {
					t.Errorf("%+v", p)
				}
			}
		}
	})
}
