package service

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// MaxPageSize is how many resources one answer holds at most, unless Apple
// itself gives more at once.
const MaxPageSize = 2000

// pageToken is what a token holds: a place, and which request it belongs to.
// Nothing in it can widen a request: path and filters come from the request.
type pageToken struct {
	Cursor string `json:"c,omitempty"`
	Limit  int    `json:"l,omitempty"`
	Part   int    `json:"p,omitempty"` // of a query that was split
	Hash   []byte `json:"h"`
}

// list reads as many pages as the request wants, of as many parts as its query
// must be split into.
func (e *Engine) list(ctx context.Context, m *Method, req proto.Message, p *prepared, out proto.Message) error {
	msg := req.ProtoReflect()
	want := int(msg.Get(m.pageSize).Int())
	if want < 0 {
		return fault.Invalid("page_size", "must not be negative")
	}
	want = min(want, max(MaxPageSize, int(m.Query.page)))
	hash := p.hash(m)
	token, err := parseToken(msg.Get(m.pageToken).String(), hash)
	if err != nil {
		return err
	}
	parts := e.split(p)
	if token.Part >= len(parts) {
		return invalidToken()
	}
	at := asc.Cursor{At: token.Cursor, Limit: token.Limit}
	if token.Cursor == "" {
		at.Limit = min(want, int(m.Query.page))
	}
	held, spent := 0, &asc.Spent{}
	for part := token.Part; part < len(parts); part++ {
		if ctx.Err() != nil {
			return asc.Ended(ctx)
		}
		call := p.call
		call.Query, call.Spent = parts[part], spent
		next, err := e.upstream.Pages(ctx, &call, at, max(want, 1), func(res *asc.Response) (asc.PageRead, error) {
			page, err := e.decode(m, res, out)
			held += page.Items
			return asc.PageRead{Next: page.Next, Items: held, Rows: page.Items}, err
		})
		if err != nil {
			return err
		}
		switch {
		case next.At != "":
			setToken(m, out, pageToken{Cursor: next.At, Limit: next.Limit, Part: part, Hash: hash})
			part = len(parts)
		case (held >= max(want, 1) || spent.Late()) && part+1 < len(parts):
			setToken(m, out, pageToken{Part: part + 1, Hash: hash})
			part = len(parts)
		}
		at = asc.Cursor{Limit: min(want, int(m.Query.page))}
	}
	if len(parts) > 1 && m.total != nil {
		out.ProtoReflect().Clear(m.total) // it was that of a part
	}
	return nil
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
	if err != nil || json.Unmarshal(b, &t) != nil || t.Part < 0 || t.Limit < 0 || !slices.Equal(t.Hash, hash) {
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

// split makes several queries of one whose URL would be too long, by cutting
// its longest list of filter values. Each value is written once: the work grows
// with the query's length, which is bounded by the values that a filter takes.
func (e *Engine) split(p *prepared) []string {
	room := e.upstream.Room(&p.call)
	longest := longestFilter(p.pairs)
	if len(p.call.Query) <= room || longest < 0 {
		return []string{p.call.Query} // one that is still too long is refused by asc
	}
	pairs, all := slices.Clone(p.pairs), p.pairs[longest].values
	pairs[longest].values = nil
	room -= len(joined(pairs))
	var out []string
	for first := 0; first < len(all); {
		next, size := first, 0
		for next < len(all) && size+len(all[next]) <= room {
			size += len(all[next]) + len(",")
			next++
		}
		if next == first {
			return []string{p.call.Query} // not even one value fits
		}
		pairs[longest].values = all[first:next]
		out = append(out, joined(pairs))
		first = next
	}
	return out
}

// longestFilter is the index of the filter with the most values, -1 if none has
// several.
func longestFilter(pairs []pair) int {
	longest := -1
	for i, x := range pairs {
		if strings.HasPrefix(x.name, "filter[") && len(x.values) > 1 && (longest < 0 || len(x.values) > len(pairs[longest].values)) {
			longest = i
		}
	}
	return longest
}
