package restrict

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/access"
	"github.com/asc-gateway/asc-gateway/internal/service"
)

var update = flag.Bool("update", false, "write table.tsv anew")

// methods are all of Apple's operations.
func methods(t testing.TB) (list []*access.Method) {
	t.Helper()
	entries, _, err := service.Entries()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, &access.Method{FullName: e.FullName, Verb: e.Verb, Template: e.Template, Area: e.Area(),
			Type: e.Type, Shape: e.Shape, Describe: e.Desc})
	}
	return list
}

func newTable(t testing.TB) *Table {
	t.Helper()
	table, err := New(methods(t))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// TestTable compares the rules with the committed table: a change of Apple's
// document, or of the facts in types.go, shows there for a person to judge.
func TestTable(t *testing.T) {
	table := newTable(t)
	counts := map[Kind]int{}
	for _, r := range table.Rules {
		counts[r.Kind]++
		if r.By == "" {
			t.Errorf("%s: nothing is said to decide it", r.Method.Name())
		}
	}
	t.Logf("%d methods: %v; %d types walkable", len(table.Rules), counts, len(table.Walkable()))
	if *update {
		if err := os.WriteFile("table.tsv", []byte(table.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("table.tsv")
	if err != nil {
		t.Fatal(err)
	}
	if got := table.String(); got != string(want) {
		old := strings.Split(string(want), "\n")
		for line := range strings.SplitSeq(got, "\n") {
			if !slices.Contains(old, line) {
				t.Errorf("not in table.tsv: %s", line)
			}
		}
		t.Error("table.tsv is not what the descriptors say: look at every change, then run this test with -update")
	}
}

// TestEveryFilterIsClassified holds types.go complete: a filter that nobody has
// looked at is refused to callers that are kept to apps.
func TestEveryFilterIsClassified(t *testing.T) {
	used := map[string]bool{}
	for _, r := range newTable(t).Rules {
		for _, f := range r.request.filters {
			used[f.name] = true
			if f.fd.Kind().String() != "string" || f.name == "id" {
				continue
			}
			if (filterTypes[f.name] != "") == slices.Contains(plainFilters, f.name) {
				t.Errorf("filter %s of %s: put it into filterTypes or plainFilters", f.name, r.Method.Name())
			}
		}
	}
	for name := range filterTypes {
		if !used[name] {
			t.Errorf("filterTypes names %s, which no operation has", name)
		}
	}
}

// TestCrossingsExist finds names in types.go that Apple no longer has.
func TestCrossingsExist(t *testing.T) {
	g := newTable(t).graph
	for typ, relations := range crossings {
		for name := range relations {
			if _, ok := g.relations[typ][name]; !ok && typ != "betaTesters" {
				t.Errorf("crossings names %s.%s, which is not there", typ, name)
			}
		}
	}
}
