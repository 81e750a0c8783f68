package sandbox

import (
	"slices"
	"testing"
)

// TestMachinesSpeakTheDocumentsWords: every state of every machine is a value of
// its attribute, and every row says where it stands.
func TestMachinesSpeakTheDocumentsWords(t *testing.T) {
	f, err := loadFacts()
	if err != nil {
		t.Fatal(err)
	}
	for typ, b := range behaviors() {
		for _, m := range b.machines {
			a := f.attr(typ, m.attr)
			if a == nil {
				t.Errorf("%s has no attribute %s", typ, m.attr)
				continue
			}
			a = f.resolve(a)
			if m.inside != "" {
				if a = a.field(m.inside); a == nil {
					t.Errorf("%s.%s has no member %s", typ, m.attr, m.inside)
					continue
				}
				a = f.resolve(a)
			}
			values := append(slices.Clone(f.enum(a.Enum)), newerValues[typ+"."+m.attr]...)
			for _, row := range m.moves {
				for _, state := range append(slices.Clone(row.from), row.to) {
					if !slices.Contains(values, state) {
						t.Errorf("%s.%s: %q is no value of the document: %v", typ, m.attr, state, values)
					}
				}
				if row.source == "" {
					t.Errorf("%s.%s: %s has no source", typ, m.attr, row.on)
				}
			}
		}
	}
}
