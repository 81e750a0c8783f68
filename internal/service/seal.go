package service

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"github.com/asc-gateway/asc-gateway/internal/secrets"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// tokenLife is how long a page token is good.
const tokenLife = 24 * time.Hour

// A sealed page token is base64 of a MAC, an expiry and the token itself. The MAC
// binds it to the principal, the team and the method; the token inside holds a
// hash of the rest of the request.
const (
	macBytes    = 16
	expiryBytes = 8
)

// parts are what a token's MAC is of.
func parts(ctx context.Context, team string, m *Method, rest []byte) [][]byte {
	return [][]byte{[]byte(asc.CallerOf(ctx).ID), []byte(team), []byte(m.FullName), rest}
}

// unsealed is a request with the page token inside the one that its caller
// brought. The request itself is not changed.
func (e *Engine) unsealed(ctx context.Context, team string, m *Method, req proto.Message) (proto.Message, error) {
	if m.pageToken == nil {
		return req, nil
	}
	text := req.ProtoReflect().Get(m.pageToken).String()
	if text == "" {
		return req, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) < macBytes+expiryBytes ||
		!e.secrets.Verify(secrets.PageTokens, b[:macBytes], parts(ctx, team, m, b[macBytes:])...) {
		return nil, invalidToken()
	}
	expires, inner := binary.BigEndian.Uint64(b[macBytes:]), b[macBytes+expiryBytes:]
	if e.now().Unix() > int64(expires) {
		f := fault.Invalid("page_token", "has expired after %v: begin with the first page", tokenLife)
		fault.As(f).Reason = fault.ReasonInvalidPageToken
		return nil, f
	}
	return with(req, m.pageToken, base64.RawURLEncoding.EncodeToString(inner)), nil
}

// sealed is an answer with a page token that only its caller can use. The answer
// itself, which others may have too, is not changed.
func (e *Engine) sealed(ctx context.Context, team string, m *Method, res proto.Message) proto.Message {
	if m.nextToken == nil {
		return res
	}
	text := res.ProtoReflect().Get(m.nextToken).String()
	if text == "" {
		return res
	}
	inner, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil { // it was made in this process
		panic(err)
	}
	rest := append(binary.BigEndian.AppendUint64(nil, uint64(e.now().Add(tokenLife).Unix())), inner...)
	mac := e.secrets.MAC(secrets.PageTokens, parts(ctx, team, m, rest)...)
	return with(res, m.nextToken, base64.RawURLEncoding.EncodeToString(append(mac, rest...)))
}

// with is a message with another text in one field. Its other fields are shared.
func with(m proto.Message, fd protoreflect.FieldDescriptor, text string) proto.Message {
	from := m.ProtoReflect()
	to := from.New()
	from.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		to.Set(fd, v)
		return true
	})
	to.SetUnknown(from.GetUnknown())
	to.Set(fd, protoreflect.ValueOfString(text))
	return to.Interface()
}
