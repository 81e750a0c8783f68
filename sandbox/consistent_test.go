package sandbox

import "testing"

// TestANewWorldIsConsistent: nothing of one app is tied to another's, and every
// relationship has its other side.
func TestANewWorldIsConsistent(t *testing.T) {
	for _, w := range []World{{}, {Empty: true}} {
		s, err := Open(w)
		if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range s.Check() {
			t.Error(wrong)
		}
	}
}
