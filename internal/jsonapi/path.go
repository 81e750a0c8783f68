package jsonapi

import (
	"strconv"
	"strings"
)

// MaxIDBytes bounds the ids that callers send.
const MaxIDBytes = 512

// CheckID says what is wrong with an id sent by a caller, "" if nothing is. An
// id becomes part of a path: nothing in it may mean anything there, not even
// after being decoded once more.
func CheckID(id string) string {
	switch {
	case id == "":
		return "an id must not be empty"
	case len(id) > MaxIDBytes:
		return "an id has at most " + strconv.Itoa(MaxIDBytes) + " bytes"
	case id == "." || id == "..":
		return "an id must not be a dot segment"
	}
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c == 0x7f || strings.IndexByte(`/\?#%`, c) >= 0 {
			return "an id must not hold space, control characters or any of / \\ ? # %"
		}
	}
	return ""
}
