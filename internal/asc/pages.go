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

// PageRead is what a consumer says about the page it has read.
type PageRead struct {
	Next  string // links.next
	Items int    // how many are held now, over all pages
	Rows  int    // how many this page had
}

// Pages reads pages until it has want items, the last page, or enough bytes.
// The consumer reads each body, and leaves out rows that it holds already. The
// cursor returned begins where reading stopped, "" at the end.
//
// Of links.next only the cursor is believed: path and filters are always those
// of the call. Apple sometimes offers a next page past the end, or the same one
// again: both end the reading.
func (c *Client) Pages(ctx context.Context, call *Call, cursor string, limit, want int, consume func(*Response) (PageRead, error)) (next string, err error) {
	seen := map[string]bool{cursor: true}
	bytes := 0
	for range maxPages {
		page := *call
		page.Query = pageQuery(call.Query, cursor, limit)
		res, err := c.Do(ctx, &page)
		if err != nil {
			return "", err
		}
		read, err := consume(res)
		if err != nil {
			return "", err
		}
		next, _ = NextCursor(read.Next)
		bytes += len(res.Body)
		if next == "" || seen[next] || read.Rows == 0 {
			return "", nil
		}
		if read.Items >= want || bytes >= maxPagesBytes {
			return next, nil
		}
		cursor = next
		seen[next] = true
	}
	return next, nil
}

// pageQuery adds cursor and limit. A cursor without its limit would read the
// first page again.
func pageQuery(query, cursor string, limit int) string {
	if limit > 0 {
		query = join(query, "limit="+strconv.Itoa(limit))
	}
	if cursor != "" {
		query = join(query, "cursor="+url.QueryEscape(cursor))
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

// NextCursor finds the cursor in links.next.
func NextCursor(link string) (cursor string, ok bool) {
	u, err := url.Parse(link)
	if err != nil {
		return "", false
	}
	cursor = u.Query().Get("cursor")
	return cursor, cursor != "" && len(cursor) <= maxCursorBytes
}

// Fits says whether a call's URL is short enough to be sent.
func (c *Client) Fits(call *Call) bool {
	// Room for limit and cursor.
	return len(c.base.String())+len(call.Path)+1+len(call.Query)+64 <= MaxURLBytes
}
