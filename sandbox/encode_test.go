package sandbox

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"testing"
)

// TestAppendJSON: the bytes are those of encoding/json.
func TestAppendJSON(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var value func(depth int) any
	value = func(depth int) any {
		switch n := rng.IntN(10); {
		case n == 0:
			return nil
		case n == 1:
			return rng.IntN(2) == 0
		case n == 2:
			return rng.IntN(1 << 30)
		case n == 3:
			return json.Number("9007199254740993.50")
		case n == 4:
			return rng.Float64()
		case n == 5:
			return []string{"plain", "ü", "\u2028", "<&>", "\"\\", "\x00", "\xff", "\U0001F600", ""}[rng.IntN(9)]
		case n == 6:
			return []string{"a", "b"}
		case depth > 4:
			return int64(-1)
		case n == 7:
			return []any{value(depth + 1), value(depth + 1)}
		}
		return map[string]any{"b": value(depth + 1), "a": value(depth + 1), "ü<": value(depth + 1)}
	}
	for range 2000 {
		v := value(0)
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		if err := e.Encode(v); err != nil {
			t.Fatal(err)
		}
		if got := append(appendJSON(nil, v), '\n'); !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("%s\nwant %s", got, want.Bytes())
		}
	}
}
