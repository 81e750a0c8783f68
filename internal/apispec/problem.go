package apispec

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing a person must look at.
type Problem struct {
	Where string // "BundleId.platform", "apps_getCollection", "patch bundle-id-services", or a JSON Pointer
	What  string
}

func (p Problem) String() string { return strings.ReplaceAll(p.Where+": "+p.What, "\n", " ") }

// Problems is all of them, as one error.
type Problems []Problem

// Error lists the problems sorted, each once and on a line of its own: as many
// lines as it says.
func (ps Problems) Error() string {
	var b strings.Builder
	all := ps.sorted()
	fmt.Fprintf(&b, "%d problem(s):", len(all))
	for _, p := range all {
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
