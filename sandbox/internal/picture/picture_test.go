package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"testing"
)

func pngOf(t *testing.T, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func opaque(w, h int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := 3; i < len(m.Pix); i += 4 {
		m.Pix[i] = 0xFF
	}
	return m
}

// huge says that it is a picture of very many pixels, and has none.
func huge(t *testing.T) []byte {
	b := pngOf(t, opaque(1, 1))
	binary.BigEndian.PutUint32(b[16:], 60_000)
	binary.BigEndian.PutUint32(b[20:], 60_000)
	binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(b[12:29]))
	return b
}

func TestMeasure(t *testing.T) {
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, opaque(40, 30), nil); err != nil {
		t.Fatal(err)
	}
	seen := opaque(4, 2)
	glass := image.NewNRGBA(image.Rect(0, 0, 4, 2))
	palette := image.NewPaletted(image.Rect(0, 0, 4, 2), color.Palette{color.White, color.Transparent})
	for _, x := range []struct {
		name  string
		data  []byte
		size  Size
		alpha bool
		fails bool
	}{
		{"a PNG", pngOf(t, seen), Size{4, 2}, false, false},
		{"a PNG with an alpha channel", pngOf(t, glass), Size{4, 2}, true, false},
		{"a PNG with a transparent color", pngOf(t, palette), Size{4, 2}, true, false},
		{"a gray PNG", pngOf(t, image.NewGray(image.Rect(0, 0, 5, 5))), Size{5, 5}, false, false},
		{"a JPEG", photo.Bytes(), Size{40, 30}, false, false},
		{"a PNG cut short", pngOf(t, seen)[:50], Size{4, 2}, false, true},
		{"a JPEG cut short", photo.Bytes()[:photo.Len()-20], Size{40, 30}, false, true},
		{"a text", []byte("a picture"), Size{}, false, true},
		{"nothing", nil, Size{}, false, true},
	} {
		p, err := Measure(x.data)
		if p.Size != x.size || p.Alpha != x.alpha || (err != nil) != x.fails {
			t.Errorf("%s: %+v, %v", x.name, p, err)
		}
	}
	if p, err := Measure(huge(t)); !errors.Is(err, ErrTooLarge) || p.Width != 60_000 {
		t.Errorf("a huge one: %+v, %v", p, err)
	}
}

func TestSizesOfScreenshots(t *testing.T) {
	for _, x := range []struct {
		displayType string
		size        Size
		takes       bool
	}{
		{"APP_IPHONE_67", Size{1290, 2796}, true},
		{"APP_IPHONE_67", Size{2796, 1290}, true},
		{"APP_IPHONE_67", Size{1284, 2778}, false}, // of the 6.5-inch display
		{"APP_IPHONE_65", Size{1284, 2778}, true},
		{"IMESSAGE_APP_IPHONE_65", Size{1284, 2778}, true},
		{"APP_IPHONE_40", Size{1136, 600}, true},
		{"APP_DESKTOP", Size{2880, 1800}, true},
		{"APP_DESKTOP", Size{1800, 2880}, false},
		{"APP_WATCH_ULTRA", Size{502, 410}, false},
		{"APP_IPHONE_69", Size{1320, 2868}, false}, // there is no such type
	} {
		if got := Screenshot(x.displayType, x.size); got != x.takes {
			t.Errorf("%s %v: %v", x.displayType, x.size, got)
		}
	}
	for displayType := range screenshots {
		if !Screenshot(displayType, Natural(displayType)) || !AnyScreenshot(Natural(displayType)) {
			t.Errorf("%s does not take %v", displayType, Natural(displayType))
		}
	}
	if !AnyScreenshot(Size{2007, 2853}) || AnyScreenshot(Size{1000, 1000}) {
		t.Error("sizes of any display")
	}
}

func TestSizesOfCreativeAssets(t *testing.T) {
	for size, takes := range map[Size]bool{
		{3840, 1646}: true, {1920, 1280}: true, {3840, 2560}: true, {2400, 1600}: true,
		{1800, 1200}: false, {4500, 3000}: false, {1646, 3840}: false,
	} {
		if Creative(size) != takes {
			t.Errorf("%v", size)
		}
	}
}
