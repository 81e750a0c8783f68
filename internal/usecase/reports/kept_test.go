package reports

import (
	"context"
	"errors"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/fault"
)

// ofApps keeps everyone to apps.
type ofApps struct {
	apps, skus []string
	err        error
	asked      int
}

func (o *ofApps) Kept(ctx context.Context) (context.Context, []string) { return ctx, o.apps }
func (o *ofApps) SKUs(context.Context) ([]string, error) {
	o.asked++
	return o.skus, o.err
}

func cellsOf(cells ...string) (out [][]byte) {
	for _, c := range cells {
		out = append(out, []byte(c))
	}
	return out
}

// TestRowsOfApps: by Apple's id, and by the SKU of a purchase's app, which is asked
// for once; without either, nothing is given.
func TestRowsOfApps(t *testing.T) {
	o := &ofApps{apps: []string{"1", "2"}, skus: []string{"ONE"}}
	_, k := New(Deps{Owners: o}).keptTo(t.Context())
	for range 2 {
		wanted, err := k.rows(t.Context(), []string{"SKU", "Apple Identifier", "Parent Identifier"})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			cells [][]byte
			want  bool
		}{
			{cellsOf("ONE", "1", " "), true}, {cellsOf("x", "7", "ONE"), true}, {cellsOf("x", " 2", ""), true},
			{cellsOf("ONE", "7", " "), false}, {cellsOf("ONE", "", ""), false}, {cellsOf("1", "11", "TWO"), false},
		} {
			if got, err := wanted(c.cells); got != c.want || err != nil {
				t.Errorf("%q: %v %v", c.cells, got, err)
			}
		}
	}
	if n := k.take(); o.asked != 1 || n != 6 || k.take() != 0 {
		t.Errorf("SKUs were asked for %d times, %d rows left out", o.asked, n)
	}
	if _, err := k.rows(t.Context(), []string{"Units", "SKU"}); fault.As(err).Reason != ReasonNoApps {
		t.Errorf("rows that do not say whose they are: %v", err)
	}
	o.err = errors.New("away")
	_, k = New(Deps{Owners: o}).keptTo(t.Context())
	if _, err := k.rows(t.Context(), []string{"Apple Identifier", "Parent Identifier"}); !errors.Is(err, o.err) {
		t.Errorf("%v", err)
	}
	o.apps = nil
	if _, k := New(Deps{Owners: o}).keptTo(t.Context()); k != nil {
		t.Error("a caller that is kept to nothing is kept")
	}
}
