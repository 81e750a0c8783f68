package service

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	testflightv1 "github.com/asc-gateway/asc-gateway/gen/asc/testflight/v1"
	"github.com/asc-gateway/asc-gateway/internal/asc"
)

// shelf is an App Store Connect with a list of builds that does not change. A
// cursor with another limit than its own reads the first page again, as Apple's
// do.
type shelf struct {
	rows     []int // ids
	untold   bool  // the total is not told
	pastEnd  bool  // the last page offers a next one
	included bool  // two builds have an app
	requests int
	limits   []int
}

func (s *shelf) RoundTrip(r *http.Request) (*http.Response, error) {
	s.requests++
	q := r.URL.Query()
	limit, _ := strconv.Atoi(q.Get("limit"))
	s.limits = append(s.limits, limit)
	if limit == 0 {
		limit = 50
	}
	status, from := 200, 0
	if limit > 200 {
		status = 400
	}
	if at, of, ok := strings.Cut(q.Get("cursor"), "."); ok && of == strconv.Itoa(limit) {
		from, _ = strconv.Atoi(at)
	}
	from = min(from, len(s.rows))
	to := min(from+limit, len(s.rows))
	var b strings.Builder
	b.WriteString(`{"data":[`)
	comma := ""
	for _, id := range s.rows[from:to] {
		fmt.Fprintf(&b, `%s{"type":"builds","id":"%d"`, comma, id)
		if s.included {
			fmt.Fprintf(&b, `,"relationships":{"app":{"data":{"type":"apps","id":"a%d"}}}`, id/2)
		}
		b.WriteString(`}`)
		comma = ","
	}
	b.WriteString(`]`)
	if s.included {
		b.WriteString(`,"included":[`)
		for i, id := range s.rows[from:to] {
			if i > 0 && id%2 == 1 {
				continue
			}
			if i > 0 {
				b.WriteString(`,`)
			}
			fmt.Fprintf(&b, `{"type":"apps","id":"a%d"}`, id/2)
		}
		b.WriteString(`]`)
	}
	b.WriteString(`,"links":{"self":"x"`)
	if to < len(s.rows) || s.pastEnd && to > from {
		fmt.Fprintf(&b, `,"next":"https://x/v1/builds?cursor=%d.%d&limit=%d"`, to, limit, limit)
	}
	b.WriteString(`}`)
	if !s.untold {
		fmt.Fprintf(&b, `,"meta":{"paging":{"total":%d,"limit":%d}}`, len(s.rows), limit)
	}
	b.WriteString(`}`)
	return &http.Response{StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r, ContentLength: -1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(b.String()))}, nil
}

// oneToken is a team with one key.
type oneToken struct{ asc.TokenSource }

func (oneToken) Candidates(asc.Need) ([]asc.Candidate, error) {
	return []asc.Candidate{{KeyID: "k"}}, nil
}
func (oneToken) Token(context.Context, string, string) (asc.Token, error) {
	return asc.Token{Team: "team", KeyID: "k", Bearer: "b"}, nil
}
func (oneToken) Report(asc.Token, asc.Answer) bool { return false }

// newShelf is an engine in front of a shelf.
func newShelf(t testing.TB, s *shelf) *Engine {
	t.Helper()
	client, err := asc.New(asc.Config{}, asc.Deps{Tokens: oneToken{}, Transport: s})
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(client, nil, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close(); client.Close() })
	return e
}

func numbers(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// walked is what a caller got who followed the tokens to the end.
type walked struct {
	pages []int // how many rows each had
	ids   []string
	sizes []int // asked for
}

// follow asks for sizes in turn, the last one again and again.
func follow(t testing.TB, e *Engine, sizes ...int) (w walked) {
	t.Helper()
	m := e.Lookup(testflightv1.BuildsService_ListBuilds_FullMethodName)
	req := &testflightv1.ListBuildsRequest{}
	for i := 0; ; i++ {
		req.PageSize = int32(sizes[min(i, len(sizes)-1)])
		out, err := e.Unary(t.Context(), "team", m, req)
		if err != nil || i > 5000 {
			t.Fatalf("page %d of sizes %v: %v", i, sizes, err)
		}
		res := out.(*testflightv1.ListBuildsResponse)
		w.sizes = append(w.sizes, int(req.PageSize))
		w.pages = append(w.pages, len(res.GetBuilds()))
		for _, b := range res.GetBuilds() {
			w.ids = append(w.ids, b.GetId())
		}
		if res.GetNextPageToken() == "" {
			return w
		}
		req.PageToken = res.GetNextPageToken()
	}
}

// whole checks that every row came once, in order, and no page had more than
// asked.
func (w walked) whole(t testing.TB, rows int) {
	t.Helper()
	if len(w.ids) != rows {
		t.Errorf("%d rows of %d", len(w.ids), rows)
	}
	for i, id := range w.ids {
		if id != strconv.Itoa(i) {
			t.Fatalf("row %d is %s", i, id)
		}
	}
	for i, n := range w.pages {
		if w.sizes[i] > 0 && n > w.sizes[i] {
			t.Errorf("page %d has %d rows, %d were asked for", i, n, w.sizes[i])
		}
	}
}

// least is how many requests a walk of pages of one size takes at least: a
// request brings at most 200 rows, and no more than the answer may hold.
func least(rows, size int) int {
	most := min(size, 200)
	return max(1, (rows+most-1)/most)
}

// TestPageSizes: every size, with and without totals; the walk is whole and
// costs the least.
func TestPageSizes(t *testing.T) {
	sizes := append(numbers(451)[1:], 999, 1000, 1999, 2000, 5000)
	for _, c := range []struct {
		name string
		shelf
		more  int // requests beyond the least
		every int // size is tried
	}{
		{"450 rows", shelf{rows: numbers(450)}, 0, 1},
		{"450 rows, no total", shelf{rows: numbers(450), untold: true}, 0, 11},
		{"400 rows and a next page past the end", shelf{rows: numbers(400), pastEnd: true}, 1, 7},
		{"2,500 rows", shelf{rows: numbers(2500)}, 0, 41},
		{"none", shelf{}, 0, 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.shelf
			e := newShelf(t, &s)
			all := 0
			for i, size := range sizes {
				if i%c.every != c.every-1 && size <= 450 {
					continue
				}
				s.requests = 0
				w := follow(t, e, size)
				w.whole(t, len(s.rows))
				if low := least(len(s.rows), size); s.requests < low || s.requests > low+c.more {
					t.Errorf("size %d: %d requests, the least is %d", size, s.requests, low)
				}
				all += s.requests
			}
			t.Logf("%d requests", all)
		})
	}
}

// TestOnePageOfAll: what fits into one page comes in one, where Apple tells the
// total.
func TestOnePageOfAll(t *testing.T) {
	for _, c := range []struct {
		rows, size     int
		pages, reqests int
	}{
		{230, 250, 1, 2}, {250, 250, 1, 2}, {251, 250, 2, 2}, {450, 450, 1, 3}, {450, 250, 2, 3}, {999, 999, 1, 5}, {1, 2000, 1, 1}, {2000, 2000, 1, 10},
	} {
		s := &shelf{rows: numbers(c.rows)}
		e := newShelf(t, s)
		w := follow(t, e, c.size)
		w.whole(t, c.rows)
		if len(w.pages) != c.pages || s.requests != c.reqests {
			t.Errorf("%d rows, size %d: pages %v, %d requests", c.rows, c.size, w.pages, s.requests)
		}
	}
}

// TestChangedPageSizes: sizes that change between pages.
func TestChangedPageSizes(t *testing.T) {
	for _, c := range []struct {
		name  string
		sizes []int
		pages []int
		most  int // requests
	}{
		{"smaller", []int{200, 10, 200}, []int{200, 10, 190, 50}, 4},
		{"larger", []int{10, 200}, []int{10, 190, 200, 50}, 4},
		{"one, then all", []int{1, 2000}, []int{1, 449}, 4},
		{"asked with a size, then without", []int{100, 0}, []int{100, 100, 100, 100, 50}, 5},
		{"asked without, then with a size", []int{0, 200}, []int{50, 150, 200, 50}, 4},
		{"one below Apple's limit, then at it", []int{199, 200}, []int{199, 199, 52}, 3},
	} {
		for _, untold := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, total untold: %v", c.name, untold), func(t *testing.T) {
				s := &shelf{rows: numbers(450), untold: untold}
				w := follow(t, newShelf(t, s), c.sizes...)
				w.whole(t, 450)
				t.Logf("pages %v, limits %v", w.pages, s.limits)
				if !untold && !slices.Equal(w.pages, c.pages) || s.requests > c.most+1 || !untold && s.requests > c.most {
					t.Errorf("pages %v, want %v; %d requests with limits %v", w.pages, c.pages, s.requests, s.limits)
				}
			})
		}
	}
}

// ideal is how many requests the walk would take if a cursor were good with any
// limit.
func ideal(rows int, sizes []int) (requests int) {
	for i := 0; rows > 0; i++ {
		size := sizes[min(i, len(sizes)-1)]
		read := min(size, max(size/200*200, min(size, 200)), rows)
		if rows <= size {
			read = rows
		}
		requests += (read + 199) / 200
		rows -= read
	}
	return max(requests, 1)
}

// TestRandomPageSizes: sizes that change at random, of lists that tell their
// total or not, repeat rows, and offer a page past the end.
func TestRandomPageSizes(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	s := &shelf{}
	e := newShelf(t, s)
	requests, best, worst := 0, 0, 0.0
	for range 400 {
		rows := r.IntN(1500)
		*s = shelf{rows: numbers(rows), untold: r.IntN(2) == 0, pastEnd: r.IntN(2) == 0}
		var sizes []int
		for range 1 + r.IntN(12) {
			sizes = append(sizes, 1+r.IntN(1+r.IntN(600)))
		}
		sizes = append(sizes, 20+r.IntN(500))
		w := follow(t, e, sizes...)
		w.whole(t, rows)
		low := ideal(rows, sizes)
		requests, best = requests+s.requests, best+low
		worst = max(worst, float64(s.requests)/float64(low))
		if t.Failed() {
			t.Fatalf("rows %d sizes %v", rows, sizes)
		}
	}
	t.Logf("%d requests; %d if cursors were good with any limit; worst walk %.2f times", requests, best, worst)
	if float64(requests) > 1.5*float64(best) {
		t.Errorf("%d requests, %d would do", requests, best)
	}
}

// TestRepeatedRows: an answer holds a row once, and none is lost.
func TestRepeatedRows(t *testing.T) {
	var rows []int
	for i := range 500 {
		rows = append(rows, i)
		if i%7 == 0 {
			rows = append(rows, i/2, i)
		}
	}
	s := &shelf{rows: rows}
	e := newShelf(t, s)
	for _, sizes := range [][]int{{1}, {7}, {10, 200}, {200, 7}, {250}, {199, 30, 2000}, {13, 450}, {2000}} {
		w := follow(t, e, sizes...)
		seen := map[string]bool{}
		for i, n := range w.pages {
			page := slices.Clone(w.ids[:n])
			w.ids = w.ids[n:]
			slices.Sort(page)
			if len(slices.Compact(page)) != n || n > w.sizes[i] {
				t.Errorf("sizes %v: page %d of %d rows repeats some", sizes, i, n)
			}
			for _, id := range page {
				seen[id] = true
			}
		}
		if len(seen) != 500 {
			t.Errorf("sizes %v: %d rows of 500", sizes, len(seen))
		}
	}
}

// TestWhatIsIncludedGoesWithItsRows: an answer that has a part of Apple's page
// holds what its own rows point to.
func TestWhatIsIncludedGoesWithItsRows(t *testing.T) {
	s := &shelf{rows: numbers(40), included: true}
	e := newShelf(t, s)
	m := e.Lookup(testflightv1.BuildsService_ListBuilds_FullMethodName)
	req := &testflightv1.ListBuildsRequest{Include: []string{"app"}, PageSize: 20}
	for _, want := range []struct {
		size int32
		apps []string
	}{
		{20, []string{"a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9"}},
		{3, []string{"a10", "a11"}},
		{4, []string{"a11", "a12", "a13"}},
		{1, []string{"a13"}},
	} {
		req.PageSize = want.size
		out, err := e.Unary(t.Context(), "team", m, req)
		if err != nil {
			t.Fatal(err)
		}
		res := out.(*testflightv1.ListBuildsResponse)
		var apps []string
		for _, a := range res.GetIncluded().GetApps() {
			apps = append(apps, a.GetId())
		}
		if !slices.Equal(apps, want.apps) || len(res.GetBuilds()) != int(want.size) {
			t.Errorf("%d builds with apps %v, want %v", len(res.GetBuilds()), apps, want.apps)
		}
		req.PageToken = res.GetNextPageToken()
	}
}

// TestFit chooses between the limit that a list was begun with and a new one.
func TestFit(t *testing.T) {
	for _, c := range []struct {
		name       string
		place      place
		size, most int
		limit      int
		anew       bool
	}{
		{"the first page", place{}, 50, 200, 50, false},
		{"the first page, Apple's size", place{}, 0, 200, 0, false},
		{"the first page, above Apple's limit", place{}, 250, 200, 200, false},
		{"price points", place{}, 5000, 8000, 5000, false},
		{"the same size", place{Cursor: "c", Limit: 50, Row: 50, Total: 500}, 50, 200, 50, false},
		{"no size any more", place{Cursor: "c", Limit: 50, Row: 50, Total: 500}, 0, 200, 50, false},
		{"smaller", place{Cursor: "c", Limit: 200, Row: 200, Total: 450}, 10, 200, 200, false},
		{"larger, near the beginning", place{Cursor: "c", Limit: 1, Row: 1, Total: 450}, 200, 200, 200, true},
		{"larger, near the end", place{Cursor: "c", Limit: 50, Row: 400, Total: 450}, 200, 200, 50, false},
		{"larger, far away", place{Cursor: "c", Limit: 100, Row: 4000, Total: 5000}, 200, 200, 100, false},
		{"larger, the rest is not known", place{Cursor: "c", Limit: 10, Row: 20}, 200, 200, 200, true},
		{"a limit that Apple did not tell", place{Cursor: "c", Row: 20, Total: 500}, 200, 200, 0, false},
		{"inside the first page", place{Limit: 200, Skip: 10, Row: 10, Total: 450}, 100, 200, 200, false},
		{"on the way to a place", place{Cursor: "c", Limit: 200, Skip: 900, Row: 1100, Total: 1500}, 200, 200, 200, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := c.place
			p.fit(c.size, c.most)
			if anew := p.Cursor == "" && c.place.Cursor != ""; p.Limit != c.limit || anew != c.anew || p.Row != c.place.Row || anew && p.Skip != p.Row {
				t.Errorf("%+v", p)
			}
		})
	}
}
