package uploads

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"hash"
)

// digest is what is known of the bytes that have passed: SHA-256 for the audit, and
// MD5 where Apple or the caller wants it.
type digest struct {
	sha, md5 hash.Hash // md5 nil: nobody wants it
}

func newDigest(withMD5 bool) *digest {
	d := &digest{sha: sha256.New()}
	if withMD5 {
		d.md5 = md5.New()
	}
	return d
}

// Write implements [io.Writer]. It never fails.
func (d *digest) Write(p []byte) (int, error) {
	d.sha.Write(p)
	if d.md5 != nil {
		d.md5.Write(p)
	}
	return len(p), nil
}

// sums are the digests in hexadecimal digits; md5 is empty where nobody wants it.
func (d *digest) sums() (sha, md string) {
	if d.md5 != nil {
		md = hex.EncodeToString(d.md5.Sum(nil))
	}
	return hex.EncodeToString(d.sha.Sum(nil)), md
}

// digestState is a digest on its way, as a token holds it.
type digestState struct {
	SHA []byte `json:"s"`
	MD5 []byte `json:"m,omitempty"`
}

func (d *digest) state() (s digestState) {
	s.SHA = stateOfHash(d.sha)
	if d.md5 != nil {
		s.MD5 = stateOfHash(d.md5)
	}
	return s
}

func stateOfHash(h hash.Hash) []byte {
	b, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil { // never of the hashes above
		panic("uploads: " + err.Error())
	}
	return b
}

// restore goes on from a state.
func (s digestState) restore() (*digest, error) {
	d := newDigest(s.MD5 != nil)
	if err := d.sha.(encoding.BinaryUnmarshaler).UnmarshalBinary(s.SHA); err != nil {
		return nil, err
	}
	if d.md5 != nil {
		if err := d.md5.(encoding.BinaryUnmarshaler).UnmarshalBinary(s.MD5); err != nil {
			return nil, err
		}
	}
	return d, nil
}
