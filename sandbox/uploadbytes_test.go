package sandbox

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"testing"
)

// largeFile is an upload that is hashed as it arrives, and its bytes by part.
func largeFile() (u *upload, data [][]byte, sum string) {
	const n, length = 9, heldWhole / 8
	u = &upload{}
	h := md5.New()
	for i := range n {
		u.parts = append(u.parts, part{offset: int64(i * length), length: length})
		data = append(data, bytes.Repeat([]byte{byte('a' + i)}, length))
		h.Write(data[i])
	}
	return u, data, hex.EncodeToString(h.Sum(nil))
}

// TestLargeFilesAreHashedAsTheyArrive: only what comes early is held.
func TestLargeFilesAreHashedAsTheyArrive(t *testing.T) {
	u, data, sum := largeFile()
	length := int64(len(data[0]))
	for _, x := range []struct {
		part int
		held int64 // parts, afterwards
	}{{0, 0}, {2, 1}, {4, 2}, {1, 1}, {3, 0}, {8, 1}, {8, 1}, {7, 2}, {6, 3}} {
		if err := u.take(x.part, data[x.part]); err != nil {
			t.Fatal(err)
		}
		if held := u.size() / length; held != x.held {
			t.Errorf("after part %d: %d parts are held, want %d", x.part, held, x.held)
		}
	}
	if u.problem(sum) != "FILE_INCOMPLETE" {
		t.Error("without part 5 it is complete")
	}
	if err := u.take(5, data[5]); err != nil || u.size() != 0 {
		t.Fatal(err, u.size())
	}
	if got := u.problem(sum); got != "" {
		t.Error(got)
	}
	if got := u.problem(sum[1:] + "0"); got != "FILE_CHECKSUM_MISMATCH" {
		t.Error(got)
	}
	if string(u.file()) != string(data[0][:headBytes]) {
		t.Error("the beginning is not kept")
	}
}

// TestPartsOfLargeFilesComeAgain: the same bytes are taken, others can no longer be.
func TestPartsOfLargeFilesComeAgain(t *testing.T) {
	u, data, sum := largeFile()
	early := bytes.Repeat([]byte{'x'}, len(data[0]))
	for _, x := range []struct {
		part  int
		bytes []byte
		err   error
	}{{0, data[0], nil}, {0, data[0], nil}, {0, data[1], errHashed}, {2, early, nil}, {2, data[2], nil}} {
		if err := u.take(x.part, x.bytes); !errors.Is(err, x.err) {
			t.Errorf("part %d: %v, want %v", x.part, err, x.err)
		}
	}
	for i := range data {
		if err := u.take(i, data[i]); err != nil {
			t.Fatal(err)
		}
	}
	if got := u.problem(sum); got != "" {
		t.Error(got)
	}
}

// TestUploadsFromOutsideAreChecked: a snapshot that somebody wrote cannot hold an
// upload that would stop the sandbox later.
func TestUploadsFromOutsideAreChecked(t *testing.T) {
	sound, data, _ := largeFile()
	if err := sound.take(0, data[0]); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name string
		u    upload
		ok   bool
	}{
		{"as it was", *sound, true},
		{"small, nothing hashed", upload{parts: sound.parts}, true},
		{"no parts", upload{}, false},
		{"more hashed than there are", upload{parts: sound.parts[:1], hashed: 2, sum: sound.sum, sums: make([]string, 2)}, false},
		{"hashed, without sums", upload{parts: sound.parts, hashed: 1, sum: sound.sum}, false},
		{"hashed, without a state", upload{parts: sound.parts, hashed: 1, sums: sound.sums}, false},
		{"a state that is none", upload{parts: sound.parts, hashed: 1, sums: sound.sums, sum: []byte("x")}, false},
	} {
		if err := x.u.check(); (err == nil) != x.ok {
			t.Errorf("%s: %v", x.name, err)
		}
	}
}
