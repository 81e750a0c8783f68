package jsonapi

import (
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
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

// FieldPath turns Apple's JSON Pointer into a request document into the path of
// the proto field that it is about: "/data/attributes/name" → "name",
// "/data/relationships/bundleId/data" → "bundle_id". It returns "" where the
// message has no such field.
func (c *Codec) FieldPath(request proto.Message, pointer string) string {
	p := c.plan(request.ProtoReflect().Descriptor())
	parts := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	if len(parts) > 0 && parts[0] == "data" {
		parts = parts[1:]
	}
	if len(parts) == 0 {
		return ""
	}
	if parts[0] == "id" {
		return "id"
	}
	if parts[0] != "attributes" && parts[0] != "relationships" || len(parts) < 2 {
		return ""
	}
	var out []string
	for _, name := range parts[1:] {
		if n, err := strconv.Atoi(name); err == nil && len(out) > 0 {
			out[len(out)-1] += "[" + strconv.Itoa(n) + "]"
			continue
		}
		if p == nil {
			break
		}
		f := p.named(name)
		if f == nil {
			break
		}
		out = append(out, string(f.fd.Name()))
		p = f.message
	}
	return strings.Join(out, ".")
}
