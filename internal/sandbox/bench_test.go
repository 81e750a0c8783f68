package sandbox

import "testing"

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		if _, err := New(Config{NoAuth: true}); err != nil {
			b.Fatal(err)
		}
	}
}
