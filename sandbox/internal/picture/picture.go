// Package picture measures pictures as App Store Connect does: a file is decoded
// as a whole, so that what only begins like a picture is none. It knows nothing
// of the API's resources.
package picture

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	_ "image/jpeg" // Apple takes PNG and JPEG
	_ "image/png"
)

// Picture is what a file shows.
type Picture struct {
	Size
	Alpha bool // it has an alpha channel, or a transparent color
}

// Size is in pixels.
type Size struct{ Width, Height int }

// turned is a picture's size after a quarter turn.
func (s Size) turned() Size { return Size{s.Height, s.Width} }

// mostPixels bounds what is decoded: twice the largest size that Apple takes.
const mostPixels = 32 << 20

// ErrTooLarge says that a picture has more pixels than any that Apple takes. Its
// size is told, its content was not looked at.
var ErrTooLarge = errors.New("the picture has too many pixels")

// Measure decodes a PNG or a JPEG.
func Measure(data []byte) (Picture, error) {
	c, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return Picture{}, err
	}
	p := Picture{Size: Size{c.Width, c.Height}, Alpha: hasAlpha(c.ColorModel)}
	if int64(c.Width)*int64(c.Height) > mostPixels {
		return p, ErrTooLarge
	}
	_, _, err = image.Decode(bytes.NewReader(data))
	return p, err
}

// hasAlpha says whether pictures of a color model can be transparent. The decoder
// of PNG uses the models that are not premultiplied only where there is an alpha
// channel.
func hasAlpha(m color.Model) bool {
	if palette, ok := m.(color.Palette); ok {
		for _, c := range palette {
			if _, _, _, a := c.RGBA(); a != 0xFFFF {
				return true
			}
		}
		return false
	}
	return m == color.NRGBAModel || m == color.NRGBA64Model
}
