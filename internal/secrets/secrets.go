// Package secrets holds the one secret that all replicas share. It keys page
// tokens, and whatever else the gateway gives out and must recognise again.
//
// The file has one or two lines, each 32 random bytes in base64. The first line
// makes, both recognise: so a secret is rotated without a gap. A key is derived
// for each use by HKDF (RFC 5869), so that what one use gives away helps nobody
// with another.
package secrets

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/asc-gateway/asc-gateway/internal/files"
)

// Size is the length of a secret, in bytes.
const Size = 32

const (
	maxFileBytes = 1024
	maxSecrets   = 2
)

// Use is what a key is for.
type Use string

// The uses.
const (
	PageTokens   Use = "page tokens"
	Operations   Use = "operations"    // what the store keeps of them
	Answers      Use = "answers"       // to creates with a request_id, in the store
	ResumeTokens Use = "resume tokens" // of streams that go on after a break
	Uploads      Use = "uploads"       // tokens by which they go on
	Reports      Use = "reports"       // files that are kept on disk
)

// uses lists them all: their keys are derived once.
var uses = []Use{PageTokens, Operations, Answers, ResumeTokens, Uploads, Reports}

// Secrets derives keys. It is safe for concurrent use, and prints nothing.
type Secrets struct{ current atomic.Pointer[[]derived] }

// derived are the keys of one secret.
type derived map[Use][]byte

// New makes a secret that ends with the process.
func New() *Secrets {
	s := &Secrets{}
	s.set([][]byte{random()})
	return s
}

// Open reads a file of secrets, or makes one where there is none.
func Open(name string) (s *Secrets, created bool, err error) {
	if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		if err := write(name, [][]byte{random()}); err != nil {
			return nil, false, err
		}
		created = true
	}
	s = &Secrets{}
	return s, created, s.Reload(name)
}

// Reload reads a file again. After an error the secrets are as before.
func (s *Secrets) Reload(name string) error {
	list, err := read(name)
	if err != nil {
		return err
	}
	s.set(list)
	return nil
}

// Rotate puts a new secret first and keeps the one that was first. Replicas read
// the file before the new one is used for what must last.
func Rotate(name string) error {
	list, err := read(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(list) > 0 {
		list = list[:1]
	}
	return write(name, append([][]byte{random()}, list...))
}

func random() []byte {
	b := make([]byte, Size)
	_, _ = rand.Read(b) // never fails
	return b
}

func (s *Secrets) set(list [][]byte) {
	all := make([]derived, len(list))
	for i, secret := range list {
		all[i] = derived{}
		for _, u := range uses {
			key, err := hkdf.Key(sha256.New, secret, nil, "asc-gateway "+string(u), Size)
			if err != nil { // only for lengths that are not ours
				panic(err)
			}
			all[i][u] = key
		}
	}
	s.current.Store(&all)
}

// MAC authenticates parts for a use: 16 bytes of HMAC-SHA256.
func (s *Secrets) MAC(use Use, parts ...[]byte) []byte {
	return mac((*s.current.Load())[0][use], parts)
}

// Verify says whether a MAC is one that [Secrets.MAC] made of the same parts.
func (s *Secrets) Verify(use Use, given []byte, parts ...[]byte) bool {
	ok := false
	for _, d := range *s.current.Load() {
		ok = hmac.Equal(given, mac(d[use], parts)) || ok
	}
	return ok
}

// ErrSealed says that something was sealed with a secret that is gone, for another
// use or place, or was damaged.
var ErrSealed = errors.New("it was sealed with a secret that is no longer there, or is damaged")

// Seal encrypts data for a use: AES-256-GCM with a nonce of its own, which stands
// ahead. It opens only together with the same place, such as the id of a row.
func (s *Secrets) Seal(use Use, place string, data []byte) []byte {
	return aead((*s.current.Load())[0][use]).Seal(nil, nil, data, []byte(place))
}

// Unseal decrypts what [Secrets.Seal] made with this secret or the one before.
func (s *Secrets) Unseal(use Use, place string, sealed []byte) ([]byte, error) {
	for _, d := range *s.current.Load() {
		if data, err := aead(d[use]).Open(nil, nil, sealed, []byte(place)); err == nil {
			return data, nil
		}
	}
	return nil, ErrSealed
}

// aead makes nonces itself.
func aead(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil { // only for lengths that are not ours
		panic(err)
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return gcm
}

const macBytes = 16

// mac keeps the parts apart by their lengths.
func mac(key []byte, parts [][]byte) []byte {
	h := hmac.New(sha256.New, key)
	var n [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write(p)
	}
	return h.Sum(nil)[:macBytes]
}

// read returns the secrets of a file.
func read(name string) (list [][]byte, err error) {
	info, b, err := files.ReadInfo(name, maxFileBytes)
	if err != nil {
		return nil, err
	}
	if files.Mode(info)&0o027 != 0 {
		return nil, fmt.Errorf("%s: others can read or change it: chmod 600", name)
	}
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		secret, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil || len(secret) != Size {
			return nil, fmt.Errorf(
				"%s: a line is no secret: want %d bytes in base64, such as `openssl rand -base64 %d` prints",
				name,
				Size,
				Size,
			)
		}
		list = append(list, secret)
	}
	if len(list) == 0 || len(list) > maxSecrets {
		return nil, fmt.Errorf("%s: holds %d secrets: want one, or two while it is rotated", name, len(list))
	}
	return list, nil
}

// write puts secrets into a file at once: a reader sees the old ones or the new
// ones.
func write(name string, list [][]byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), ".secrets-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone if all went well
	var text strings.Builder
	for _, secret := range list {
		text.WriteString(base64.StdEncoding.EncodeToString(secret) + "\n")
	}
	_, err = f.WriteString(text.String())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
