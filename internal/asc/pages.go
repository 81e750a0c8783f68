package asc

import (
	"context"
	"net/url"
	"strconv"
)

// Bounds on reading several pages for one caller.
const (
	maxPages      = 100
	maxPagesBytes = 3 << 20
)

// Cursor is a place in a list. Apple's cursors mean nothing without the limit
// they came with.
type Cursor struct {
	At    string // "" is the first page
	Limit int    // 0: Apple's default
}

// PageRead is what a consumer says about the page it has read.
type PageRead struct {
	Next   string // links.next
	Rows   int    // how many rows the page had
	Kept   int    // how many of them are part of the answer
	Enough bool   // no further page is wanted
}

// Pages reads pages until the consumer has enough, the list ends, the pages that
// it kept rows of have enough bytes, or half of [Config.CallTimeout] is used,
// which bounds all of them together. The cursor returned begins the page after
// the last one read; it is "" at the end of the list.
//
// Of links.next only cursor and limit are believed: path and filters are always
// those of the call. Apple sometimes offers a next page past the end, or the same
// one again: both end the list.
func (c *Client) Pages(
	ctx context.Context, call *Call, at Cursor, consume func(*Response) (PageRead, error),
) (next Cursor, err error) {
	seen := map[string]bool{at.At: true}
	bytes := 0
	shared := *call
	if shared.Spent == nil {
		shared.Spent = &Spent{}
	}
	for range maxPages {
		page := shared
		page.Query = pageQuery(call.Query, at)
		res, err := c.Do(ctx, &page)
		if err != nil {
			return Cursor{}, err
		}
		read, err := consume(res)
		if err != nil {
			return Cursor{}, err
		}
		next, _ = NextCursor(read.Next)
		if read.Kept > 0 {
			bytes += len(res.Body)
		}
		if next.At == "" || seen[next.At] || read.Rows == 0 {
			return Cursor{}, nil
		}
		if read.Enough || bytes >= maxPagesBytes || shared.Spent.Late() {
			return next, nil
		}
		at = next
		seen[next.At] = true
	}
	return next, nil
}

// pageQuery adds cursor and limit. A cursor without its limit would read the
// first page again.
func pageQuery(query string, at Cursor) string {
	if at.Limit > 0 {
		query = join(query, "limit="+strconv.Itoa(at.Limit))
	}
	if at.At != "" {
		query = join(query, "cursor="+url.QueryEscape(at.At))
	}
	return query
}

func join(query, param string) string {
	if query == "" {
		return param
	}
	return query + "&" + param
}

// maxCursorBytes bounds a cursor; Apple's have about 20 bytes.
const maxCursorBytes = 1024

// NextCursor finds the cursor in links.next, and the limit beside it.
func NextCursor(link string) (next Cursor, ok bool) {
	u, err := url.Parse(link)
	if err != nil {
		return Cursor{}, false
	}
	q := u.Query()
	next.At = q.Get("cursor")
	if next.At == "" || len(next.At) > maxCursorBytes {
		return Cursor{}, false
	}
	if n, err := strconv.Atoi(q.Get("limit")); err == nil && n > 0 && n < 1<<20 {
		next.Limit = n
	}
	return next, true
}

// pageRoom is room for limit and cursor, which are added to a query page by page.
const pageRoom = 64

// Room is how many bytes of query a call's URL has room for.
func (c *Client) Room(call *Call) int {
	return MaxURLBytes - len(c.base.String()) - len(call.Path) - len("?") - pageRoom
}
