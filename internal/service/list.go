package service

import (
	"context"
	"slices"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/proto"
)

// MaxPageSize is how many resources one answer holds at most, unless Apple
// itself gives more at once.
const MaxPageSize = 2000

// list reads one answer's worth of rows: of the query, or of the parts that it
// must be split into.
func (e *Engine) list(ctx context.Context, m *Method, req proto.Message, p *prepared, out proto.Message) error {
	msg := req.ProtoReflect()
	size := int(msg.Get(m.pageSize).Int())
	if size < 0 {
		return fault.Invalid("page_size", "must not be negative")
	}
	size = min(size, max(MaxPageSize, int(m.Query.page)))
	hash := p.hash(m)
	token, err := parseToken(msg.Get(m.pageToken).String(), hash)
	if err != nil {
		return err
	}
	parts := e.split(p)
	if token.Part >= len(parts) {
		return invalidToken()
	}
	w := &walk{engine: e, method: m, out: out, size: size, place: token.place}
	w.place.fit(size, int(m.Query.page))
	spent := &asc.Spent{}
	for part := token.Part; part < len(parts); part++ {
		if ctx.Err() != nil {
			return asc.Ended(ctx)
		}
		call := p.call
		call.Query, call.Spent = parts[part], spent
		more, err := w.part(ctx, &call)
		if err != nil {
			return err
		}
		if more {
			setToken(m, out, pageToken{place: w.place, Part: part, Hash: hash})
			break
		}
		if part+1 == len(parts) {
			break
		}
		w.nextPart()
		if w.full() || spent.Late() {
			setToken(m, out, pageToken{Part: part + 1, Hash: hash})
			break
		}
	}
	if len(parts) > 1 && m.total != nil {
		out.ProtoReflect().Clear(m.total) // it was that of a part
	}
	return nil
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
		if strings.HasPrefix(x.name, "filter[") && len(x.values) > 1 &&
			(longest < 0 || len(x.values) > len(pairs[longest].values)) {
			longest = i
		}
	}
	return longest
}
