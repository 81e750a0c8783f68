package sandbox

import "testing"

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		if _, err := Open(World{NoAuth: true}); err != nil {
			b.Fatal(err)
		}
	}
}
