package replay

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// state of a create.
type state byte

const (
	claimed state = 'c' // nothing was sent, and without another step nothing will be
	sent    state = 's' // it may have been sent, or be about to be
	done    state = 'd' // it was carried out: here is the answer
	unknown state = 'u' // it was sent, and no answer tells, or none is kept
)

// owner is who wrote an entry: one attempt, never used again.
type owner [16]byte

func newOwner() (o owner) {
	_, _ = rand.Read(o[:]) // never fails
	return o
}

// head is how entries of the owner begin, whatever their state.
func (o owner) head() []byte { return append([]byte{format}, o[:]...) }

// entry is what is stored: format, whose, state, when, what was asked, the answer.
type entry struct {
	owner  owner
	state  state
	at     time.Time // when the state began, by its owner's clock
	asked  [sha256.Size]byte
	answer []byte
}

// Form of an entry.
const (
	format    = '1'
	stateAt   = 1 + len(owner{})
	headBytes = stateAt + 1 + 8 + sha256.Size
	maxAnswer = 1 << 20 // a longer answer is not kept
	maxEntry  = headBytes + maxAnswer
)

// clockSkew is how far the clock of another replica may be ahead.
const clockSkew = 5 * time.Minute

// head is how the entry begins in its state.
func (e entry) head() []byte { return append(e.owner.head(), byte(e.state)) }

func (e entry) bytes() []byte {
	b := make([]byte, 0, headBytes+len(e.answer))
	b = append(b, e.head()...)
	b = binary.BigEndian.AppendUint64(b, uint64(e.at.UnixMilli()))
	b = append(b, e.asked[:]...)
	return append(b, e.answer...)
}

// parse reads an entry. Only the forms above are believed: only what is done has
// an answer, and nothing is older than it can be, or in the future.
func parse(b []byte, now time.Time) (e entry, ok bool) {
	if len(b) < headBytes || len(b) > maxEntry || b[0] != format {
		return e, false
	}
	copy(e.owner[:], b[1:stateAt])
	e.state, e.at = state(b[stateAt]), time.UnixMilli(int64(binary.BigEndian.Uint64(b[stateAt+1:])))
	copy(e.asked[:], b[stateAt+9:headBytes])
	e.answer = b[headBytes:]
	if age := now.Sub(e.at); age < -clockSkew || age > 2*Window {
		return e, false
	}
	if !bytes.ContainsRune([]byte("csdu"), rune(e.state)) {
		return e, false
	}
	return e, e.state == done || len(e.answer) == 0
}
