package apispec

import (
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// operation reports what of an operation would be passed over: a second JSON
// document beside the first, and media types that are neither JSON nor a file.
func (c *composer) operation(at string, op *Operation) {
	for _, where := range op.references {
		c.problem(at+where, "a reference here cannot be read")
	}
	if op.answers > 1 {
		c.problem(at+"/responses", "has %d answers of success with content", op.answers)
	}
	for where, contents := range map[string]Map[*Schema]{"/requestBody/content": op.Bodies, "/responses": op.Contents} {
		var json *Schema
		for ct, s := range contents.All() {
			switch {
			case s == nil:
				c.problem(at+where, "%s has no schema", ct)
			case !isJSON(ct) && (where != "/responses" || !slices.Contains(fileTypes, ct)):
				c.problem(at+where, "media type %s is neither JSON nor a known kind of file", ct)
			case isJSON(ct) && json != nil && !equalSchemas(s, json):
				c.problem(at+where, "%s has another schema than the JSON before it", ct)
			case isJSON(ct):
				json = s
			}
		}
	}
}

func isJSON(contentType string) bool {
	return contentType == "application/json" || strings.HasSuffix(contentType, "+json")
}

// pathParameters reports parameters of a path that are not the {id} in it.
func pathParameters(path string, list *yaml.Node) (problems []Problem) {
	for i, p := range list.Content {
		name, in := member(p, "name"), member(p, "in")
		if name == nil || in == nil || in.Value != "path" || name.Value != "id" || !strings.Contains(path, "{id}") {
			problems = append(problems, Problem{pointer("paths", path, "parameters", strconv.Itoa(i)),
				"a parameter of the path that is not its {id} cannot be read"})
		}
	}
	return problems
}

// pointer is a JSON Pointer.
func pointer(segments ...string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteString("/" + strings.ReplaceAll(strings.ReplaceAll(s, "~", "~0"), "/", "~1"))
	}
	return b.String()
}
