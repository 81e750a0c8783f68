package inspect

import (
	"encoding/binary"
	"math"
	"time"
)

// brand tells the containers that begin with `ftyp` apart by their major brand.
// ISO/IEC 14496-12, section 4.3.
func brand(head []byte) Type {
	if len(head) < 12 {
		return MP4
	}
	switch b := string(head[8:12]); b {
	case "qt  ":
		return MOV
	case "M4V ", "M4VH", "M4VP":
		return M4V
	case "heic", "heix", "heim", "heis", "mif1", "msf1", "avif", "avis":
		return HEIC
	}
	return MP4
}

// isQuickTime says whether a file that begins with this box is a movie of the time
// before `ftyp`.
func isQuickTime(box string) bool {
	switch box {
	case "moov", "mdat", "wide", "pnot":
		return true
	}
	return false
}

// boxes calls f for each box in b: its name and what of it is at hand. f says
// whether to go on.
func boxes(b []byte, f func(name string, body []byte) bool) {
	for len(b) >= 8 {
		n, header := uint64(binary.BigEndian.Uint32(b)), uint64(8)
		name := string(b[4:8])
		switch {
		case n == 0: // to the file's end
			n = math.MaxUint64
		case n == 1 && len(b) >= 16:
			n, header = binary.BigEndian.Uint64(b[8:]), 16
		}
		if n < header {
			return
		}
		end := min(n, uint64(len(b)))
		if !f(name, b[header:end]) {
			return
		}
		b = b[end:]
	}
}

// lookMovie reads `moov`, as much of it as is at hand. It often stands at the end
// of the file: then nothing is known.
func (c *Content) lookMovie(head []byte) {
	boxes(head, func(name string, body []byte) bool {
		if name == "moov" {
			boxes(body, c.lookMovieBox)
		}
		return name != "moov"
	})
}

func (c *Content) lookMovieBox(name string, body []byte) bool {
	switch name {
	case "mvhd":
		c.Duration = duration(body)
	case "trak":
		if c.Width == 0 {
			c.lookTrack(body)
		}
	}
	return true
}

// duration reads a movie header: a version (of which the second has 64-bit times),
// flags, two dates, the units in a second, and the duration in these units.
func duration(b []byte) time.Duration {
	var scale, units uint64
	switch {
	case len(b) >= 20 && b[0] == 0:
		scale, units = uint64(binary.BigEndian.Uint32(b[12:])), uint64(binary.BigEndian.Uint32(b[16:]))
		if units == math.MaxUint32 {
			return 0 // not known
		}
	case len(b) >= 32 && b[0] == 1:
		scale, units = uint64(binary.BigEndian.Uint32(b[20:])), binary.BigEndian.Uint64(b[24:])
	}
	const longest = 1000 * 60 * 60 // seconds
	if scale == 0 || units/scale > longest {
		return 0
	}
	return time.Duration(units/scale)*time.Second + time.Duration(units%scale)*time.Second/time.Duration(scale)
}

// lookTrack takes the size of a track that has one: those of sound have 0 × 0.
func (c *Content) lookTrack(track []byte) {
	boxes(track, func(name string, body []byte) bool {
		if name == "tkhd" {
			c.lookTrackHeader(body)
		}
		return name != "tkhd"
	})
}

// lookTrackHeader reads the last 44 bytes of a track header: a matrix of nine
// fields, width and height, all in 16.16 fixed point. A matrix that turns the
// picture by 90° has 0 in its first field.
func (c *Content) lookTrackHeader(b []byte) {
	length := 84
	if len(b) > 0 && b[0] == 1 {
		length = 96
	}
	if len(b) < length {
		return
	}
	b = b[length-44:]
	width, height := binary.BigEndian.Uint32(b[36:])>>16, binary.BigEndian.Uint32(b[40:])>>16
	if turned := binary.BigEndian.Uint32(b) == 0 && binary.BigEndian.Uint32(b[4:]) != 0; turned {
		width, height = height, width
	}
	c.setSize(width, height)
}
