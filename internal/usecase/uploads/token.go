package uploads

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// tokenLife is how long a token works where Apple does not say when the operations
// end. Apple: about a week.
const tokenLife = 7 * 24 * time.Hour

// resume is what a token holds: all that another replica must know to go on.
type resume struct {
	Kind    string      `json:"k"` // Apple's schema
	ID      string      `json:"i"`
	Parent  string      `json:"p,omitempty"` // id of the buildUploads resource
	App     string      `json:"a,omitempty"` // id, of a build
	Owner   string      `json:"o,omitempty"` // id of what the file belongs to
	By      string      `json:"b,omitempty"` // relationship that names it
	Name    string      `json:"n"`
	Size    int64       `json:"z"`
	Offset  int64       `json:"f"`           // bytes from the beginning that Apple has
	Digest  digestState `json:"d"`           // of those
	Direct  bool        `json:"x,omitempty"` // the caller sends the bytes itself
	SHA256  string      `json:"w,omitempty"` // as the caller announced it
	Expires int64       `json:"e"`           // Unix seconds
}

// place binds a token to who may use it, and for what.
func (s *Service) place(ctx context.Context) string {
	team, caller := s.deps.Caller(ctx)
	b, _ := json.Marshal([]string{"uploads", team, caller}) // never fails
	return string(b)
}

// seal makes a token.
func (s *Service) seal(place string, r *resume) string {
	b, _ := json.Marshal(r) // never fails
	return base64.RawURLEncoding.EncodeToString(s.deps.Sealing.Seal(place, b))
}

// unseal reads a token of this caller.
func (s *Service) unseal(ctx context.Context, token string) (*resume, error) {
	invalid := fault.New(fault.InvalidArgument, ReasonToken, "the token is of another caller or team, or damaged")
	sealed, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return nil, invalid.WithCause(err)
	}
	b, err := s.deps.Sealing.Unseal(s.place(ctx), sealed)
	if err != nil {
		return nil, invalid.WithCause(err)
	}
	r := &resume{}
	if err := json.Unmarshal(b, r); err != nil {
		return nil, invalid.WithCause(err)
	}
	if time.Now().Unix() > r.Expires {
		return nil, fault.New(fault.InvalidArgument, ReasonToken, "the upload has expired: begin again")
	}
	return r, nil
}
