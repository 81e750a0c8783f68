package sandbox

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of docs/sandbox.md anew")

// TestDocs holds the tables of docs/sandbox.md to the behaviors.
func TestDocs(t *testing.T) {
	const name = "../docs/sandbox.md"
	have, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(World{})
	if err != nil {
		t.Fatal(err)
	}
	want := between(t, string(have), "acts", actTable(s))
	want = between(t, want, "states", stateTable(s))
	if want == string(have) {
		return
	}
	if !*update {
		t.Fatal("the tables of docs/sandbox.md are stale: go test ./sandbox -run TestDocs -update")
	}
	if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// between puts a table between the marks of its name.
func between(t *testing.T, text, mark, table string) string {
	t.Helper()
	start := strings.Index(text, "<!-- "+mark+":")
	if start < 0 {
		t.Fatalf("docs/sandbox.md has no mark %q", mark)
	}
	head, rest, _ := strings.Cut(text[start:], "\n")
	_, tail, ok := strings.Cut(rest, "<!-- end -->")
	if !ok {
		t.Fatalf("docs/sandbox.md has no end of %q", mark)
	}
	return text[:start] + head + "\n\n" + table + "\n<!-- end -->" + tail
}

func actTable(s *Sandbox) string {
	var b strings.Builder
	b.WriteString("| type | act | what happens | with |\n| --- | --- | --- | --- |\n")
	for _, typ := range slices.Sorted(maps.Keys(s.behaviors)) {
		for _, o := range s.offers(typ) {
			fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", typ, o.Do, o.Does, strings.Join(o.With, ", "))
		}
	}
	return b.String()
}

// stateTable has one row for all types that move alike.
func stateTable(s *Sandbox) string {
	types, rows := map[string][]string{}, []string{}
	for _, typ := range slices.Sorted(maps.Keys(s.behaviors)) {
		for _, m := range s.behaviors[typ].machines {
			for _, move := range m.moves {
				row := fmt.Sprintf("%s | %s | %s | %s | %s |\n", strings.TrimSuffix(m.attr+"."+m.inside, "."),
					cmp.Or(strings.Join(move.from, ", "), "any"), move.to, move.on, move.source)
				if types[row] == nil {
					rows = append(rows, row)
				}
				types[row] = append(types[row], typ)
			}
		}
	}
	var b strings.Builder
	b.WriteString("| type | attribute | from | to | on | source |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, row := range rows {
		b.WriteString("| " + strings.Join(types[row], ", ") + " | " + row)
	}
	return b.String()
}
