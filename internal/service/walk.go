package service

import (
	"context"

	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/jsonapi"
	"google.golang.org/protobuf/proto"
)

// place is a place in a list of Apple's. A cursor of Apple's is good only with
// the limit that it came with, so a place inside a page of Apple's is that page
// and a number of rows to skip.
type place struct {
	Cursor string `json:"c,omitempty"` // "": the first page
	Limit  int    `json:"l,omitempty"` // of Apple's pages; 0: Apple's default
	Skip   int    `json:"s,omitempty"` // rows from the cursor on that earlier answers held
	Row    int    `json:"r,omitempty"` // how many rows earlier answers held, from the first row on
	Total  int    `json:"t,omitempty"` // how many rows there are; 0: Apple did not say
}

func (p place) valid() bool { return p.Limit >= 0 && p.Skip >= 0 && p.Row >= 0 && p.Total >= 0 }

// fit chooses the limit for answers of so many rows: the size itself, or Apple's
// greatest limit. A list that was begun with another limit goes on with that one,
// unless to begin anew and to skip what earlier answers held costs fewer requests.
func (p *place) fit(size, most int) {
	fresh := place{Limit: min(size, most), Skip: p.Row, Row: p.Row, Total: p.Total}
	if p.Row == 0 && p.Cursor == "" {
		*p = fresh
		return
	}
	if size == 0 || p.Limit == 0 {
		return
	}
	rest := p.Total - p.Row
	if rest <= 0 { // not known
		rest = size
	}
	if fresh.requests(size, rest) < p.requests(size, rest) {
		*p = fresh
	}
}

// requests is how many requests it takes to read the next rest rows in answers
// of at most size rows.
func (p *place) requests(size, rest int) int {
	block := func(rows int) int { return (rows + size - 1) / size } // answers that a page of Apple's makes
	passed, first := p.Skip/p.Limit, p.Limit-p.Skip%p.Limit
	if rest <= first {
		return passed + block(rest)
	}
	rest -= first
	return passed + block(first) + rest/p.Limit*block(p.Limit) + block(rest%p.Limit)
}

// walk reads one answer's worth of rows.
type walk struct {
	engine *Engine
	method *Method
	out    proto.Message
	size   int // how many rows the answer may hold; 0: one page of Apple's
	held   int // how many it holds, doubles included
	place  place
	cut    bool // the place is inside the page that was read last
}

// nextPart begins the list of the next part of a query.
func (w *walk) nextPart() {
	w.place = place{}
	w.place.fit(max(w.size-w.held, 0), int(w.method.Query.page))
	if w.method.total != nil {
		w.out.ProtoReflect().Clear(w.method.total)
	}
}

// full says that the answer may hold no more rows.
func (w *walk) full() bool { return w.held > 0 && w.held >= w.size }

// part reads of one list until the answer is done or the list ends.
func (w *walk) part(ctx context.Context, call *asc.Call) (more bool, err error) {
	next, err := w.engine.upstream.Pages(ctx, call, asc.Cursor{At: w.place.Cursor, Limit: w.place.Limit}, w.page)
	return w.cut || next.At != "", err
}

// page reads a page of Apple's.
func (w *walk) page(res *asc.Response) (asc.PageRead, error) {
	window := jsonapi.Window{From: w.place.Skip}
	if w.size > 0 {
		window.Count = w.size - w.held
	}
	page, err := w.engine.decodeWindow(w.method, res, w.out, window)
	if err != nil {
		return asc.PageRead{}, err
	}
	kept := max(page.Items-window.From, 0)
	w.cut = window.Count > 0 && kept > window.Count
	if w.cut {
		kept = window.Count
		w.place.Skip += kept
	} else {
		next, _ := asc.NextCursor(page.Next)
		w.place.Cursor, w.place.Limit, w.place.Skip = next.At, next.Limit, max(window.From-page.Items, 0)
	}
	w.held, w.place.Row = w.held+kept, w.place.Row+kept
	if fd := w.method.total; fd != nil {
		w.place.Total = int(w.out.ProtoReflect().Get(fd).Int())
	}
	return asc.PageRead{Next: page.Next, Rows: page.Items, Kept: kept, Enough: w.enough()}, nil
}

// enough says that the next page of Apple's is left to the next answer. It is
// read only if it fits whole: what is cut off would have to be read again.
func (w *walk) enough() bool {
	switch room := w.size - w.held; {
	case w.held == 0:
		return false
	case w.cut, room <= 0:
		return true
	case w.place.Limit > 0 && w.place.Limit <= room:
		return false
	default:
		return w.place.Total == 0 || w.place.Total-w.place.Row > room
	}
}
