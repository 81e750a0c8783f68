package rest

import (
	"errors"
	"net/url"
	"regexp"
	"strings"

	optionsv1 "github.com/asc-gateway/asc-gateway/gen/asc/options/v1"
	"github.com/asc-gateway/asc-gateway/internal/fault"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// spelled tells an error's fields as a caller over REST writes them: by their
// JSON names, and parameters of Apple's paths as Apple writes them. The error
// given is not changed: other callers may have the same.
func (rt *route) spelled(err error) error {
	var f *fault.Error
	if rt.input == nil || !errors.As(err, &f) || len(f.Violations) == 0 && f.Upstream == nil {
		return err
	}
	c := *f
	c.Violations = make([]fault.Violation, len(f.Violations))
	for i, v := range f.Violations {
		old := v.Field
		v.Field, v.Description = rt.fieldName(old), rt.inText(v.Description)
		c.Violations[i] = v
		if rest, ok := strings.CutPrefix(c.Message, old+": "); ok && i == 0 {
			c.Message = v.Field + ": " + rest
		}
	}
	c.Message = rt.inText(c.Message)
	if f.Upstream != nil {
		up := *f.Upstream
		up.Errors = rt.inErrors(f.Upstream.Errors)
		c.Upstream = &up
	}
	return &c
}

// created finds field paths of objects created inline in a text: the engine puts
// them in the place of local ids.
var created = regexp.MustCompile(`[a-z0-9_]+(\[\d+\])?(\.[a-z0-9_]+(\[\d+\])?)*\.create(\[\d+\])?`)

func (rt *route) inText(s string) string {
	if !strings.Contains(s, ".create") {
		return s
	}
	return created.ReplaceAllStringFunc(s, rt.fieldName)
}

func (rt *route) inErrors(errs []fault.APIError) []fault.APIError {
	out := make([]fault.APIError, len(errs))
	for i, a := range errs {
		a.Title, a.Detail = rt.inText(a.Title), rt.inText(a.Detail)
		if len(a.Associated) > 0 {
			associated := make(map[string][]fault.APIError, len(a.Associated))
			for path, list := range a.Associated {
				associated[path] = rt.inErrors(list)
			}
			a.Associated = associated
		}
		out[i] = a
	}
	return out
}

// fieldName is the name over REST of a proto field path. What is no path of the
// request stays as it is.
func (rt *route) fieldName(path string) string {
	if rt.apples {
		switch path {
		case "page_size":
			return "limit"
		case "page_token":
			return "cursor"
		}
		for _, kind := range []string{"fields", "limit"} {
			if key, ok := strings.CutPrefix(path, kind+`["`); ok {
				return kind + "[" + strings.TrimSuffix(key, `"]`) + "]"
			}
		}
		outer, inner, nested := strings.Cut(path, ".")
		if fd := rt.input().Fields().ByTextName(outer); nested && fd != nil && fd.Message() != nil {
			role, in := fieldOptions(fd).GetRole(), fd.Message().Fields().ByTextName(inner)
			if in != nil && (role == optionsv1.Role_ROLE_FILTER || role == optionsv1.Role_ROLE_EXISTS) {
				return appleName(fd) + "[" + appleName(in) + "]"
			}
		}
	}
	return jsonPath(rt.input(), path)
}

// jsonPath writes a proto field path in JSON names.
func jsonPath(md protoreflect.MessageDescriptor, path string) string {
	parts := strings.Split(path, ".")
	for i, part := range parts {
		if md == nil {
			break
		}
		name, index, indexed := strings.Cut(part, "[")
		fd := fieldNamed(md, name)
		if fd == nil {
			break
		}
		parts[i] = fd.JSONName()
		if indexed {
			parts[i] += "[" + index
		}
		if md = fd.Message(); fd.IsMap() {
			md = nil
		}
	}
	return strings.Join(parts, ".")
}

// ownNames takes the page parameters of an own path under all names that callers
// know them by: nextPageToken, as the answer calls it, and cursor and limit, as on
// Apple's paths.
func ownNames(values url.Values, md protoreflect.MessageDescriptor) url.Values {
	for own, others := range map[protoreflect.Name][]string{
		"page_token": {"cursor", "nextPageToken", "next_page_token"},
		"page_size":  {"limit"},
	} {
		if md.Fields().ByName(own) == nil {
			continue
		}
		for _, other := range others {
			if given, ok := values[other]; ok && fieldNamed(md, other) == nil {
				values[string(own)] = append(values[string(own)], given...)
				delete(values, other)
			}
		}
	}
	return values
}
