package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/files"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// maxKeptBytes bounds the file of a token: the gateway's tokens have at most 4096
// bytes.
const maxKeptBytes = 16 << 10

// tokenKept is how long a file of tokens is of use. Apple: about a week.
const tokenKept = 8 * 24 * time.Hour

// tokenFile keeps the token with which an upload goes on after a break. Its name is
// made of the gateway, the team, the file as it is now, and what is uploaded.
type tokenFile struct {
	name string
	err  error // there is no place for it
}

// keptToken is what the file holds.
type keptToken struct {
	Token     string `json:"resume_token"`
	Committed int64  `json:"committed_size"`
}

// tokenFor is the place of the token of an upload.
func (a *asker) tokenFor(f *sendFile, target proto.Message) (*tokenFile, error) {
	dir, err := a.deps.CacheDir()
	if err != nil {
		return &tokenFile{err: err}, nil
	}
	what, err := protojson.Marshal(target)
	if err != nil {
		return nil, err
	}
	var compact any // protojson's spaces are not always the same
	if err := json.Unmarshal(what, &compact); err != nil {
		return nil, err
	}
	b, err := json.Marshal([]any{a.conn.Address, a.conn.Team, f.abs, f.size(), f.info.ModTime().UnixNano(), compact})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(b)
	return &tokenFile{name: filepath.Join(dir, "asc-gateway", "uploads", hex.EncodeToString(sum[:16])+".json")}, nil
}

// read is the token of an upload that was interrupted, "" if there is none that can
// be read: then it begins anew.
func (t *tokenFile) read() keptToken {
	var k keptToken
	if t.err != nil {
		return k
	}
	b, err := files.Read(t.name, maxKeptBytes)
	if err != nil || json.Unmarshal(b, &k) != nil {
		return keptToken{}
	}
	return k
}

// write keeps a token in a file that only the user can read.
func (t *tokenFile) write(k keptToken) error {
	if t.err != nil {
		return t.err
	}
	dir := filepath.Dir(t.name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	b, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return replaceFile(t.name, append(b, '\n'))
}

// remove forgets the token, and those of others that are too old to be of use.
func (t *tokenFile) remove() {
	if t.err != nil {
		return
	}
	_ = os.Remove(t.name)
	old, _ := filepath.Glob(filepath.Join(filepath.Dir(t.name), "*"))
	for _, name := range old {
		if info, err := os.Lstat(name); err == nil && info.Mode().IsRegular() &&
			time.Since(info.ModTime()) > tokenKept {
			_ = os.Remove(name)
		}
	}
}

// replaceFile writes a new file that only the user can read, and puts it in place of
// an old one.
func replaceFile(name string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".asc-gateway-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
