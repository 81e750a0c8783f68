package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Marks of values whose Go type JSON does not tell: {"go:int": "3"}. An object with
// such a single member of its own is marked too.
const (
	markPrefix  = "go:"
	markInt     = "go:int"
	markInt64   = "go:int64"
	markFloat   = "go:float64"
	markStrings = "go:strings"
	markMap     = "go:map"
	markOther   = "go:other" // of no known type; unpack refuses it
)

// pack is a plain value as JSON from which unpack makes the same Go value again:
// bare numbers are json.Number, as they came in a body.
func pack(v any) any {
	switch v := v.(type) {
	case int:
		return map[string]any{markInt: strconv.Itoa(v)}
	case int64:
		return map[string]any{markInt64: strconv.FormatInt(v, 10)}
	case float64:
		return map[string]any{markFloat: strconv.FormatFloat(v, 'g', -1, 64)}
	case []string:
		return map[string]any{markStrings: append([]string{}, v...)}
	case []any:
		list := make([]any, len(v))
		for i, x := range v {
			list[i] = pack(x)
		}
		return list
	case map[string]any:
		if marked(v) {
			return map[string]any{markMap: packMembers(v)}
		}
		return packMembers(v)
	case nil, bool, string, json.Number:
		return v
	}
	return map[string]any{markOther: fmt.Sprintf("%T", v)}
}

// packMembers packs each member of a map, nil if the map is.
func packMembers(m map[string]any) map[string]any {
	if m == nil {
		return nil
	}
	out := make(map[string]any, len(m))
	for name, v := range m {
		out[name] = pack(v)
	}
	return out
}

// marked says whether an object looks like a marked value.
func marked(m map[string]any) bool {
	return len(m) == 1 && strings.HasPrefix(slices.Collect(maps.Keys(m))[0], markPrefix)
}

// unpack is the value that was packed.
func unpack(v any) (any, error) {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i, x := range v {
			var err error
			if list[i], err = unpack(x); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]any:
		if !marked(v) {
			return unpackMembers(v)
		}
		for mark, x := range v {
			return unmark(mark, x)
		}
	}
	return v, nil
}

func unpackMembers(m map[string]any) (map[string]any, error) {
	if m == nil {
		return map[string]any{}, nil
	}
	out := make(map[string]any, len(m))
	for name, v := range m {
		var err error
		if out[name], err = unpack(v); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return out, nil
}

func unmark(mark string, v any) (any, error) {
	text, _ := v.(string)
	switch mark {
	case markInt:
		return strconv.Atoi(text)
	case markInt64:
		return strconv.ParseInt(text, 10, 64)
	case markFloat:
		return strconv.ParseFloat(text, 64)
	case markMap:
		if m, ok := v.(map[string]any); ok {
			return unpackMembers(m)
		}
	case markStrings:
		list, ok := v.([]any)
		out := make([]string, len(list))
		for i, x := range list {
			s, isText := x.(string)
			out[i], ok = s, ok && isText
		}
		if ok {
			return out, nil
		}
	}
	return nil, fmt.Errorf("%q is no value of a snapshot", mark)
}
