package jsonapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	testflightv1 "github.com/asc-gateway/asc-gateway/gen/asc/testflight/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// TestManyIncludedResourcesOverPages: what pages include is matched by id, in time
// that grows with their number.
func TestManyIncludedResourcesOverPages(t *testing.T) {
	const n, pages = 10_000, 3
	page := func(from int) []byte {
		var b strings.Builder
		b.WriteString(`{"data":[],"included":[`)
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `{"type":"apps","id":"%d"}`, from+i)
		}
		b.WriteString(`]}`)
		return []byte(b.String())
	}
	c, into := &Codec{}, &testflightv1.ListBuildsResponse{}
	begun := time.Now()
	for i := range pages {
		if _, err := c.Decode(page(i*n/2), into); err != nil { // half of it was on the page before
			t.Fatal(err)
		}
	}
	took := time.Since(begun)
	t.Logf("%d resources of %d pages in %v", n*pages, pages, took)
	if got := len(into.GetIncluded().GetApps()); got != n*(pages+1)/2 || took > 5*time.Second {
		t.Errorf("%d resources after %v", got, took)
	}
}

// TestManyElementsWithoutAField are put together once, over pages too.
func TestManyElementsWithoutAField(t *testing.T) {
	const n = 15_000
	body := `{"data":[],"included":[` + strings.Repeat(`{"type":"unicorns","id":"u"},`, n-1) + `{"type":"unicorns","id":"u"}]}`
	c, into := &Codec{}, &testflightv1.ListBuildsResponse{}
	begun := time.Now()
	for range 2 {
		if _, err := c.Decode([]byte(body), into); err != nil {
			t.Fatal(err)
		}
	}
	took := time.Since(begun)
	var kept []any
	if err := json.Unmarshal([]byte(into.GetExtra()["included.unicorns"]), &kept); err != nil || len(kept) != 2*n || took > 5*time.Second {
		t.Errorf("%d elements after %v: %v", len(kept), took, err)
	}
	t.Logf("%d elements in %v", len(kept), took)
	if _, err := c.Decode([]byte(body), into); !errors.Is(err, errTooMuchExtra) {
		t.Errorf("it is kept without bound: %v", err)
	}
}

// TestViolationsAreBounded: a request that is wrong a hundred thousand times is
// told so a hundred times.
func TestViolationsAreBounded(t *testing.T) {
	req := &testflightv1.UpdateBuildRequest{Id: "b", Clear: slices.Repeat([]string{"nonsense"}, 100_000)}
	_, err := (&Codec{}).Encode(req, "builds")
	if n := len(fault.As(err).Violations); n != maxViolations {
		t.Errorf("%d violations", n)
	}
}
