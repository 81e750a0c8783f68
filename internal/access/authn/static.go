package authn

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/files"
)

// tokenPrefix makes static tokens known to scanners for secrets.
const tokenPrefix = "ascgw_"

// StaticToken is a token that a small shop gives to a caller. Only its hash is
// configured. A plain SHA-256 will do: a token has 256 random bits, which no
// dictionary holds.
type StaticToken struct {
	Name    string `json:"name"`
	SHA256  string `json:"sha256"`  // hexadecimal, of the whole token; or
	File    string `json:"file"`    // a file that holds the token itself: see [FirstToken]
	Expires string `json:"expires"` // "2027-01-31": the last day; "": never
}

type staticToken struct {
	principal *access.Principal
	sum       [sha256.Size]byte
	expires   time.Time
}

// NewToken makes a static token and its hash.
func NewToken() (token, sum string) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	token = tokenPrefix + base64.RawURLEncoding.EncodeToString(b[:])
	h := sha256.Sum256([]byte(token))
	return token, hex.EncodeToString(h[:])
}

// FirstToken makes a static token in a file, unless the file is there already:
// then it says false. It follows a symbolic link to a file, and makes none
// through a link.
func FirstToken(name string) (created bool, err error) {
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return false, err
	}
	token, _ := NewToken()
	if err := files.Create(name, []byte(token+"\n")); err != nil {
		return false, err
	}
	return true, nil
}

func readTokens(list []StaticToken) (out []staticToken, err error) {
	var errs []error
	names := map[string]bool{}
	for i, t := range list {
		s := staticToken{principal: &access.Principal{ID: "token:" + t.Name}}
		if t.Name == "" || names[t.Name] {
			errs = append(errs, fmt.Errorf("tokens[%d]: want a name of its own", i))
		}
		names[t.Name] = true
		sum, err := t.sum()
		if err != nil {
			errs = append(errs, fmt.Errorf("tokens[%d]: %w", i, err))
			continue
		}
		copy(s.sum[:], sum)
		if t.Expires != "" {
			day, err := time.Parse(time.DateOnly, t.Expires)
			if err != nil {
				errs = append(errs, fmt.Errorf("tokens[%d].expires: want a date such as 2027-01-31", i))
			}
			s.expires = day.AddDate(0, 0, 1)
		}
		out = append(out, s)
	}
	return out, errors.Join(errs...)
}

// sum is the token's hash, configured or made from its file.
func (t StaticToken) sum() ([]byte, error) {
	if t.File != "" && t.SHA256 == "" {
		b, err := files.Read(t.File, 1024)
		if err != nil {
			return nil, fmt.Errorf("file: %w", err)
		}
		token := string(trimmed(b))
		if len(token) < len(tokenPrefix)+32 || token[:len(tokenPrefix)] != tokenPrefix {
			return nil, errors.New("file: holds no token: `gateway token new` makes one")
		}
		sum := sha256.Sum256([]byte(token))
		return sum[:], nil
	}
	sum, err := hex.DecodeString(t.SHA256)
	if err != nil || len(sum) != sha256.Size || t.File != "" {
		return nil, errors.New("want either sha256, in 64 hexadecimal digits, or file: `gateway token new` makes them")
	}
	return sum, nil
}

// static finds the token with a hash. All are compared, in constant time.
func (b *believed) static(sum [sha256.Size]byte, now time.Time) (*access.Principal, error) {
	var found *staticToken
	for i := range b.tokens {
		if subtle.ConstantTimeCompare(b.tokens[i].sum[:], sum[:]) == 1 {
			found = &b.tokens[i]
		}
	}
	switch {
	case found == nil:
		return nil, refused(errors.New("no such static token"))
	case !found.expires.IsZero() && !now.Before(found.expires):
		return nil, fault.New(fault.Unauthenticated, ReasonTokenExpired, "the token has expired")
	}
	return found.principal, nil
}
