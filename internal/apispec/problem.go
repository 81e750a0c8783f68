package apispec

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing a person must look at.
type Problem struct {
	Where string // "BundleId.platform", "apps_getCollection", "patch bundle-id-services"
	What  string
}

func (p Problem) String() string { return p.Where + ": " + p.What }

// Problems is all of them, as one error.
type Problems []Problem

// Error lists the problems sorted, one a line.
func (ps Problems) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d problem(s):", len(ps))
	for _, p := range ps.sorted() {
		b.WriteString("\n  " + p.String())
	}
	return b.String()
}

func (ps Problems) sorted() []Problem {
	out := slices.Clone([]Problem(ps))
	slices.SortFunc(out, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Where, b.Where), cmp.Compare(a.What, b.What))
	})
	return slices.Compact(out)
}
