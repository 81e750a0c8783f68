package inspect

import "github.com/asc-gateway/asc-gateway/internal/fault"

// scanChunk is how much of a long write is looked at in one go, in bytes.
const scanChunk = 64 << 10

// Scanner finds what [ReadBuild] finds while a file's bytes arrive, from the first
// on. It holds one file that describes the build, at most 4 MiB packed and as much
// unpacked, whatever the window. It is not for use by several goroutines at once.
//
// The directory of a zip is at its end, so a Scanner cannot know what else there
// is: it takes the first app's Info.plist, and does not see a second app after it.
type Scanner struct {
	window int64
	walk   walker
	seen   int64  // bytes written, at most window
	skip   int64  // bytes to pass over
	held   []byte // bytes that the walker has seen and not used yet
	build  *Build
	err    error
}

// A walker looks at the bytes from its position on. It says how many of them it is
// done with, which can be more than are there: then it sees those after them next.
// Or it says that it wants to see more of them. At last it says what the build is.
type walker interface {
	next(b []byte) (used int64, build *Build, err error)
}

// more is what a walker says instead of how many bytes it is done with.
const more = -1

// NewScanner makes a scanner that gives up after so many bytes of the file: those
// that the caller can hold until it knows what the build is.
func NewScanner(window int64) *Scanner { return &Scanner{window: window} }

// Write takes the file's next bytes. It never fails: [Scanner.Build] does.
func (s *Scanner) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && !s.settled() {
		chunk := p[:min(int64(len(p)), scanChunk, s.window-s.seen)]
		s.seen += int64(len(chunk))
		p = p[len(chunk):]
		if s.take(chunk); s.seen >= s.window && !s.settled() {
			s.err = tooLate(s.window)
		}
	}
	if s.settled() {
		s.walk, s.held = nil, nil
	}
	return n, nil
}

// Build is what is known: the build; an error if it will not be found, with
// ReasonTooLate if it can still be in the rest of the file; or false if more bytes
// are needed.
func (s *Scanner) Build() (Build, bool, error) {
	if s.build == nil {
		return Build{}, false, s.err
	}
	return *s.build, true, nil
}

// End says that no more bytes come: what is not known by now is an error.
func (s *Scanner) End() {
	if !s.settled() {
		s.err = unreadable("it is cut short")
	}
}

func (s *Scanner) settled() bool { return s.build != nil || s.err != nil }

func (s *Scanner) take(b []byte) {
	passed := min(s.skip, int64(len(b)))
	s.skip -= passed
	b = b[passed:]
	if len(s.held) > 0 {
		s.held = append(s.held, b...)
		b = s.held
	}
	for s.skip == 0 && !s.settled() {
		used, err := s.step(b)
		if err != nil {
			s.err = err
			return
		}
		if used == more {
			break
		}
		passed := min(used, int64(len(b)))
		s.skip = used - passed
		b = b[passed:]
	}
	s.held = append(s.held[:0], b...)
}

func (s *Scanner) step(b []byte) (used int64, err error) {
	if s.walk == nil {
		if len(b) < len(zipLocal) {
			return more, nil
		}
		switch string(b[:len(zipLocal)]) {
		case zipLocal:
			s.walk = &zipWalker{}
		case xarMagic:
			s.walk = &xarWalker{window: s.window}
		default:
			return 0, unknownFile()
		}
	}
	used, s.build, err = s.walk.next(b)
	return used, err
}

func tooLate(window int64) error {
	return fault.New(fault.InvalidArgument, ReasonTooLate,
		"what the app says about itself is not within the first %d bytes of the file", window)
}
