package inspect

import (
	"encoding/binary"
	"math"
)

// lookPNG reads the header, and the chunks up to the pixels for tRNS. Xcode's own
// form has a chunk CgBI before the header. W3C: PNG specification, section 11.
func (c *Content) lookPNG(head []byte) {
	const headerLength = 13
	for rest := head[8:]; len(rest) >= 8; {
		n, kind := binary.BigEndian.Uint32(rest), string(rest[4:8])
		rest = rest[8:]
		switch {
		case kind == "IHDR" && n == headerLength && len(rest) >= headerLength:
			c.setSize(binary.BigEndian.Uint32(rest), binary.BigEndian.Uint32(rest[4:]))
			c.Alpha = rest[9] == 4 || rest[9] == 6 // gray or color, each with alpha
		case kind == "tRNS":
			c.Alpha = true
		case kind == "IDAT", kind == "IEND":
			return
		}
		const checksum = 4
		if uint64(n)+checksum > uint64(len(rest)) {
			return
		}
		rest = rest[n+checksum:]
	}
}

// lookJPEG walks the segments to the frame header. ITU-T T.81, annex B.
func (c *Content) lookJPEG(head []byte) {
	for rest := head[2:]; len(rest) >= 4; {
		if rest[0] != 0xff {
			return
		}
		marker := rest[1]
		switch {
		case marker == 0xff: // a fill byte
			rest = rest[1:]
			continue
		case marker == 0x01, marker >= 0xd0 && marker <= 0xd8: // markers without a segment
			rest = rest[2:]
			continue
		case marker == 0xd9, marker == 0xda: // the end, or the pixels
			return
		}
		n := int(binary.BigEndian.Uint16(rest[2:]))
		if isFrame(marker) && len(rest) >= 9 {
			c.setSize(uint32(binary.BigEndian.Uint16(rest[7:])), uint32(binary.BigEndian.Uint16(rest[5:])))
			return
		}
		if n < 2 || 2+n > len(rest) {
			return
		}
		rest = rest[2+n:]
	}
}

// isFrame says whether a JPEG marker is one of SOF0 to SOF15. The other three of
// that range are tables (DHT, JPG, DAC).
func isFrame(marker byte) bool {
	return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc
}

// setSize ignores what cannot be a size.
func (c *Content) setSize(width, height uint32) {
	if width <= math.MaxInt32 && height <= math.MaxInt32 {
		c.Width, c.Height = int(width), int(height)
	}
}
