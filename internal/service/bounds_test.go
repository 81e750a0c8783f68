package service

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	testflightv1 "github.com/asc-gateway/asc-gateway/gen/asc/testflight/v1"
	catalogv1 "github.com/asc-gateway/asc-gateway/gen/ascgateway/catalog/v1"
	"github.com/asc-gateway/asc-gateway/internal/asc"
	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// counted is an upstream that counts the pages asked for.
type counted struct {
	client  *asc.Client // tells what fits
	queries []string
}

func (c *counted) Do(context.Context, *asc.Call) (*asc.Response, error) {
	return &asc.Response{Status: 200, Body: []byte(`{"data":[]}`)}, nil
}
func (c *counted) Open(context.Context, *asc.Call) (*asc.File, error) { return nil, nil }
func (c *counted) OpenURL(context.Context, string) (*asc.File, error) { return nil, nil }
func (c *counted) Room(call *asc.Call) int                            { return c.client.Room(call) }
func (c *counted) Pages(_ context.Context, call *asc.Call, _ asc.Cursor, _ func(*asc.Response) (asc.PageRead, error)) (asc.Cursor, error) {
	c.queries = append(c.queries, call.Query)
	return asc.Cursor{}, nil
}

type noTokens struct{ asc.TokenSource }

func engine(t testing.TB) (*Engine, *counted) {
	t.Helper()
	client, err := asc.New(asc.Config{}, asc.Deps{Tokens: noTokens{}})
	if err != nil {
		t.Fatal(err)
	}
	up := &counted{client: client}
	e, err := New(up, nil, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close(); client.Close() })
	return e, up
}

func ids(n, length int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("%0*d", length, i))
	}
	return list
}

// TestAListWith40000IDs is refused before anything is sent, at once.
func TestAListWith40000IDs(t *testing.T) {
	e, up := engine(t)
	m := e.Lookup(testflightv1.BuildsService_ListBuilds_FullMethodName)
	req := &testflightv1.ListBuildsRequest{Filter: &testflightv1.ListBuildsRequest_Filter{Id: ids(40_000, 10)}}
	_ = e.Check(m, &testflightv1.ListBuildsRequest{}) // makes the validator, which takes a while
	begun := time.Now()
	_, err := e.Unary(t.Context(), "team", m, req)
	took := time.Since(begun)
	t.Logf("refused after %v", took)
	f := fault.As(err)
	if f.Kind != fault.InvalidArgument || len(f.Violations) != 1 || f.Violations[0].Field != "filter.id" ||
		!strings.Contains(f.Message, "200") || !strings.Contains(f.Message, "40000") || len(up.queries) > 0 {
		t.Errorf("got %v %+v", err, f.Violations)
	}
	if took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	req.Filter.Id = ids(countedValues+1, 10)
	if _, err := e.Unary(t.Context(), "team", m, req); !strings.Contains(fault.As(err).Message, "more than 50000") {
		t.Errorf("got %v", err)
	}
}

// TestDoublesCountOnce, in a message and in Apple's syntax.
func TestDoublesCountOnce(t *testing.T) {
	e, up := engine(t)
	m := e.Lookup(testflightv1.BuildsService_ListBuilds_FullMethodName)
	for _, c := range []struct {
		name  string
		ids   []string
		value int // what is sent
	}{
		{"none", ids(3, 10), 3},
		{"few", []string{"a", "b", "a", "a"}, 2},
		{"the bound", slices.Concat(ids(200, 10), ids(200, 10), ids(200, 10)), 200},
		{"one more", ids(201, 10), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			up.queries = nil
			apple := m.Input.New()
			errApple := m.ParseQuery("filter[id]="+strings.Join(c.ids, ","), apple)
			req := &testflightv1.ListBuildsRequest{Filter: &testflightv1.ListBuildsRequest_Filter{Id: c.ids}}
			_, err := e.Unary(t.Context(), "team", m, req)
			for face, err := range map[string]error{"message": err, "query": errApple} {
				if (err == nil) != (c.value > 0) || err != nil && fault.As(err).Kind != fault.InvalidArgument {
					t.Errorf("%s: %v", face, err)
				}
			}
			if errApple != nil && !strings.Contains(errApple.Error(), "filter[id]") {
				t.Errorf("the parameter is not named: %v", errApple)
			}
			if n := len(apple.Interface().(*testflightv1.ListBuildsRequest).GetFilter().GetId()); n != c.value && c.value > 0 {
				t.Errorf("%d values were read", n)
			}
			sent := 0
			for _, q := range up.queries {
				sent += strings.Count(q, ",") + 1
			}
			if sent != c.value {
				t.Errorf("%d values were sent, want %d", sent, c.value)
			}
		})
	}
}

// TestEveryListOfAQueryIsBounded: include, sort and fields too.
func TestEveryListOfAQueryIsBounded(t *testing.T) {
	m := method(t, "builds_getCollection")
	for _, in := range []string{"include=", "sort=", "fields[builds]=", "filter[version]="} {
		into := m.Input.New()
		if err := m.ParseQuery(in+strings.Join(ids(201, 4), ","), into); fault.As(err).Kind != fault.InvalidArgument || !strings.Contains(err.Error(), "at most 200") {
			t.Errorf("%s: %v", in, err)
		}
	}
	// Doubles of a list whose words are known are sent once.
	into := m.Input.New()
	if err := m.ParseQuery("include="+strings.Repeat("app,", 5000)+"app", into); err != nil {
		t.Fatal(err)
	}
	pairs, err := m.Query.encode(into)
	if err != nil || joined(pairs) != "include=app" {
		t.Errorf("%s %v", joined(pairs), err)
	}
}

// TestSplit cuts queries of any form: each part fits, and all values are there in
// their order.
func TestSplit(t *testing.T) {
	e, up := engine(t)
	r := rand.New(rand.NewPCG(1, 2))
	most := 0
	for range 500 {
		var values []string
		for range 1 + r.IntN(asc.MaxFilterValues) {
			values = append(values, strings.Repeat("x", 1+r.IntN(1+r.IntN(maxValueBytes))))
		}
		p := &prepared{call: asc.Call{Path: "/v1/builds"}, pairs: []pair{{"include", []string{"app"}}, {"filter[id]", values}, {"sort", []string{"-version"}}}}
		p.call.Query = joined(p.pairs)
		parts := e.split(p)
		var got []string
		for _, part := range parts {
			if len(part) > up.Room(&p.call) {
				t.Fatalf("a part of %d bytes does not fit", len(part))
			}
			_, rest, _ := strings.Cut(part, "filter%5Bid%5D=")
			list, _, _ := strings.Cut(rest, "&")
			got = append(got, strings.Split(list, ",")...)
			if !strings.HasPrefix(part, "include=app&") || !strings.HasSuffix(part, "&sort=-version") {
				t.Fatalf("got %.100s", part)
			}
		}
		if !slices.Equal(got, values) {
			t.Fatalf("%d values of %d came out", len(got), len(values))
		}
		most = max(most, len(parts))
	}
	t.Logf("at most %d parts of 500 queries", most)
	huge := &prepared{call: asc.Call{Path: "/v1/builds"}, pairs: []pair{{"filter[id]", []string{strings.Repeat("x", 5000), "y"}}}}
	huge.call.Query = joined(huge.pairs)
	if parts := e.split(huge); len(parts) != 1 || parts[0] != huge.call.Query {
		t.Errorf("%d parts", len(parts))
	}
}

// TestAListStopsWithItsCaller: nothing is asked for whoever has left.
func TestAListStopsWithItsCaller(t *testing.T) {
	e, up := engine(t)
	m := e.Lookup(testflightv1.BuildsService_ListBuilds_FullMethodName)
	req := &testflightv1.ListBuildsRequest{Filter: &testflightv1.ListBuildsRequest_Filter{Id: ids(200, 100)}}
	if _, err := e.Unary(t.Context(), "team", m, req); err != nil || len(up.queries) < 2 {
		t.Fatalf("%d parts, %v", len(up.queries), err)
	}
	up.queries = nil
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Unary(ctx, "team", m, req); fault.As(err).Kind != fault.Canceled || len(up.queries) > 0 {
		t.Errorf("%v after %d requests", err, len(up.queries))
	}
}

func TestASearchIsBounded(t *testing.T) {
	e, _ := engine(t)
	c := NewCatalog(e)
	for words, right := range map[int]bool{1: true, 80: true, 100: false, 300_000: false} {
		begun := time.Now()
		_, err := c.SearchOperations(t.Context(), &catalogv1.SearchOperationsRequest{Query: strings.Repeat("v1 ", words)})
		if (err == nil) != right || time.Since(begun) > 5*time.Second {
			t.Errorf("%d words: %v after %v", words, err, time.Since(begun))
		}
	}
}
