package apispec

import (
	"fmt"
	"strings"
	"testing"
)

// withParameters is a small document whose one list takes these parameters.
func withParameters(parameters string) string {
	return fmt.Sprintf(`{"openapi":"3.0.1","info":{"version":"1"},"paths":{"/v1/things":{"get":{"tags":["Things"],"operationId":"things_getCollection",
	"parameters":[%s],"responses":{"200":{"content":{"application/json":{"schema":{"type":"object"}}}}}}}},"components":{"schemas":{}}}`, parameters)
}

// TestDiff says what a newer document brings, one kind of change a row.
func TestDiff(t *testing.T) {
	list := func(name, values string) string {
		return fmt.Sprintf(`{"name":%q,"in":"query","schema":{"type":"array","items":{"type":"string","enum":[%s]}}}`, name, values)
	}
	limit := func(most int) string {
		return fmt.Sprintf(`{"name":"limit","in":"query","schema":{"type":"integer","maximum":%d}}`, most)
	}
	request := func(data string) string { return composed(plainThing, plainCreate+data, "") }
	for _, c := range []struct{ name, before, after, want string }{
		{"a value of fields is gone", withParameters(list("fields[things]", `"a","b"`)), withParameters(list("fields[things]", `"a"`)),
			"[- true value of parameter things_getCollection fields[things]: b]"},
		{"a value of include is new", withParameters(list("include", `"a"`)), withParameters(list("include", `"a","b"`)),
			"[+ false value of parameter things_getCollection include: b]"},
		{"a filter became required", withParameters(list("filter[a]", `"A"`)), withParameters(strings.Replace(list("filter[a]", `"A"`), `"in"`, `"required":true,"in"`, 1)),
			"[+ true required things_getCollection filter[a]]"},
		{"a new filter is required: what breaks stands first", withParameters(""), withParameters(strings.Replace(list("filter[a]", `"A"`), `"in"`, `"required":true,"in"`, 1)),
			"[+ true required things_getCollection filter[a] + false parameter things_getCollection filter[a]: array]"},
		{"a limit is lower", withParameters(limit(200)), withParameters(limit(50)), "[~ true limit things_getCollection limit maximum: 200 → 50]"},
		{"a limit is higher", withParameters(limit(50)), withParameters(limit(200)), "[~ false limit things_getCollection limit maximum: 50 → 200]"},
		{"a member of a request became required", request(`}`), strings.Replace(request(`}`), `"size":{"type":"integer"}}`, `"size":{"type":"integer"}},"required":["size"]`, 1),
			"[+ true required ThingCreateRequest.data.attributes.size]"},
		{"a combination is asked for", request(`}`), request(`,"anyOf":[{"properties":{"attributes":{"required":["name"]}}},{"properties":{"attributes":{"required":["size"]}}}]}`),
			"[+ true choice ThingCreateRequest.data: name; size]"},
		{"a kind has changed", request(`}`), strings.Replace(request(`}`), `"size":{"type":"integer"}`, `"size":{"type":"string"}`, 1),
			"[~ true member ThingCreateRequest.data.attributes.size: integer → string]"},
		{"an operation is gone, and what belongs to it with it", withParameters(limit(50)), strings.Replace(withParameters(limit(50)), "things_getCollection", "others_getCollection", 1),
			"[- true operation things_getCollection + false operation others_getCollection: GET /v1/things]"},
		{"deprecated", withParameters(""), strings.Replace(withParameters(""), `"tags"`, `"deprecated":true,"tags"`, 1), "[+ false deprecated things_getCollection]"},
	} {
		before, _, err := Read([]byte(c.before), nil)
		if err != nil {
			t.Fatal(err)
		}
		after, _, err := Read([]byte(c.after), nil)
		if err != nil {
			t.Fatal(err)
		}
		var said []string
		for _, x := range Diff(before, after) {
			said = append(said, fmt.Sprintf("%s %v %s", x.Kind, x.Breaks, x.What))
		}
		if got := "[" + strings.Join(said, " ") + "]"; got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}
