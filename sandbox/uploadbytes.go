package sandbox

import (
	"bytes"
	"crypto/md5"
	"encoding"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
)

// Files up to heldWhole are held until their commit, and looked at as a whole. Of
// larger ones only what arrives early is held: the rest goes into the sum at once.
const (
	heldWhole = 64 << 20
	headBytes = 4 << 10 // of a larger file that are looked at
)

// upload is a file on its way: parts arrive in any order, without a token.
type upload struct {
	secret string // in the URLs
	parts  []part // in their order: they tile the file
	hashed int    // parts of a large file that are in sum, and no longer held
	sum    []byte // state of the MD5 of those
	sums   []string
	head   []byte // of a large file
}

type part struct {
	offset, length int64
	data           []byte // nil until it is there, and again when it is hashed
}

// errHashed says that a part of a large file cannot be replaced any more.
var errHashed = errors.New(
	"this part of a large file came before, with other bytes, and was hashed: reserve the file anew")

// check says why an upload that comes from outside cannot go on.
func (u *upload) check() error {
	switch {
	case len(u.parts) == 0:
		return errors.New("it has no parts")
	case u.hashed < 0 || u.hashed > len(u.parts) || len(u.sums) != u.hashed || (u.sum == nil) != (u.hashed == 0):
		return fmt.Errorf("%d of %d parts are hashed, with %d sums", u.hashed, len(u.parts), len(u.sums))
	}
	end := int64(0)
	for i, p := range u.parts {
		if p.offset != end || p.length <= 0 || p.data != nil && int64(len(p.data)) != p.length {
			return fmt.Errorf("part %d does not follow the one before, or has not its length", i+1)
		}
		end += p.length
	}
	_, err := restored(u.sum)
	return err
}

// size is how many bytes an upload holds.
func (u *upload) size() (n int64) {
	for _, p := range u.parts {
		n += int64(len(p.data))
	}
	return n
}

// large says whether a file is hashed as it arrives.
func (u *upload) large() bool {
	last := u.parts[len(u.parts)-1]
	return last.offset+last.length > heldWhole
}

// take puts the bytes of a part in their place. A part that comes again replaces
// what was there.
func (u *upload) take(i int, data []byte) error {
	if i < u.hashed {
		if u.sums[i] != md5Of(data) {
			return errHashed
		}
		return nil
	}
	u.parts[i].data = data
	for u.large() && u.hashed < len(u.parts) && u.parts[u.hashed].data != nil {
		next := &u.parts[u.hashed]
		if u.hashed == 0 {
			u.head = bytes.Clone(next.data[:min(len(next.data), headBytes)])
		}
		h := mustRestore(u.sum)
		h.Write(next.data)
		u.sum = stateOf(h)
		u.sums = append(u.sums, md5Of(next.data))
		u.hashed, next.data = u.hashed+1, nil
	}
	return nil
}

// complete says whether all parts are there.
func (u *upload) complete() bool {
	for _, p := range u.parts[u.hashed:] {
		if p.data == nil {
			return false
		}
	}
	return true
}

// file is all of a complete upload, as far as it is held: all of a small file, the
// beginning of a large one.
func (u *upload) file() []byte {
	if u.large() {
		return u.head
	}
	var b bytes.Buffer
	for _, p := range u.parts {
		b.Write(p.data)
	}
	return b.Bytes()
}

// problem is Apple's code for what is wrong with the bytes, "" if nothing is.
func (u *upload) problem(want string) string {
	if !u.complete() {
		return "FILE_INCOMPLETE"
	}
	if want == "" {
		return ""
	}
	h := mustRestore(u.sum)
	for _, p := range u.parts[u.hashed:] {
		h.Write(p.data)
	}
	if !strings.EqualFold(want, hex.EncodeToString(h.Sum(nil))) {
		return "FILE_CHECKSUM_MISMATCH"
	}
	return ""
}

func md5Of(data []byte) string {
	sum := md5.Sum(data)
	return hex.EncodeToString(sum[:])
}

// restored is the MD5 that goes on from a state; a new one if there is none.
func restored(state []byte) (hash.Hash, error) {
	h := md5.New()
	if state == nil {
		return h, nil
	}
	return h, h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state)
}

// mustRestore is restored, of a state that [upload.check] or stateOf has seen.
func mustRestore(state []byte) hash.Hash {
	h, err := restored(state)
	if err != nil {
		panic("sandbox: the state of an MD5: " + err.Error())
	}
	return h
}

func stateOf(h hash.Hash) []byte {
	state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		panic("sandbox: the state of an MD5: " + err.Error())
	}
	return state
}
