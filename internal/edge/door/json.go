package door

import "github.com/asc-gateway/asc-gateway/internal/fault"

// Bounds on a JSON document, beside its bytes: two bytes of text can be a
// hundred in memory.
const (
	maxElements = 20_000 // values and keys
	maxDepth    = 100
)

// CheckJSON counts what a JSON document holds, before anything is made of it.
// What is no valid JSON is left to the decoder.
func CheckJSON(b []byte) error {
	elements, depth := 0, 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i = endOfString(b, i)
		case '{', '[':
			elements++
			depth++
		case '}', ']':
			depth--
		case ',', ':':
			elements++
		}
		if elements > maxElements {
			return fault.New(
				fault.InvalidArgument,
				fault.ReasonTooManyElements,
				"the body has more than %d elements",
				maxElements,
			)
		}
		if depth > maxDepth {
			return fault.New(fault.InvalidArgument, fault.ReasonTooManyElements, "the body is nested deeper than %d", maxDepth)
		}
	}
	return nil
}

// endOfString is where the string ends that begins at i.
func endOfString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return i
}
