package service

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"

	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// pageToken is what a token holds: a place, and which request it belongs to.
// Nothing in it can widen a request: path and filters come from the request.
type pageToken struct {
	place
	Part int    `json:"p,omitempty"` // of a query that was split
	Hash []byte `json:"h"`
}

// hash names the request, page parameters apart.
func (p *prepared) hash(m *Method) []byte {
	sum := sha256.Sum256([]byte(p.call.Team + "\n" + m.FullName + "\n" + p.call.Path + "\n" + p.call.Query))
	return sum[:8]
}

func setToken(m *Method, out proto.Message, t pageToken) {
	b, _ := json.Marshal(t) // strings, numbers and bytes always marshal
	out.ProtoReflect().Set(m.nextToken, protoreflect.ValueOfString(base64.RawURLEncoding.EncodeToString(b)))
}

func parseToken(s string, hash []byte) (t pageToken, err error) {
	if s == "" {
		return t, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || json.Unmarshal(b, &t) != nil || t.Part < 0 || !t.place.valid() || !slices.Equal(t.Hash, hash) {
		return pageToken{}, invalidToken()
	}
	return t, nil
}

func invalidToken() error {
	err := fault.Invalid("page_token", "is not next_page_token of a page of this very request")
	f := fault.As(err)
	f.Reason = fault.ReasonInvalidPageToken
	return f
}
