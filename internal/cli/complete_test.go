package cli

import (
	"slices"
	"strings"
	"testing"
)

func TestCompletion(t *testing.T) {
	complete := completeCall(testDeps)
	for _, c := range []struct {
		name, args, word, want string
	}{
		{"a method", "", "ListBuil", "ListBuilds"},
		{"a method in lower case", "", "listbuilds", "ListBuilds"},
		{"a verb", "", "PA", "PATCH"},
		{"a path", "GET", "/v1/buil", "/v1/builds/{id}"},
		{"a field", "ListBuilds", "pa", "page_size="},
		{"a field with fields", "ListBuilds", "fil", "filter."},
		{"a relationship", "CreateBetaGroup", "ap", "app="},
		{"a field of a filter", "ListBuilds", "filter.proc", "filter.processing_state="},
		{"an enum's value", "ListBuilds", "filter.processing_state=V", "filter.processing_state=VALID"},
		{"a second value", "ListBuilds", "filter.processing_state=VALID,F", "filter.processing_state=VALID,FAILED"},
		{"a bool", "CreateBetaGroup", "is_internal_group=", "is_internal_group=true"},
		{"include", "ListBuilds", "include=app", "include=appStoreVersion"},
		{"sort", "ListBuilds", "sort=-up", "sort=-uploadedDate"},
		{"a type of fields", "ListBuilds", "fields.app", "fields.apps="},
		{"names of a fieldset", "ListBuilds", "fields.apps=name,bun", "fields.apps=name,bundleId"},
		{"a limit", "ListBuilds", "limit.ic", "limit.icons="},
		{"clear", "UpdateBetaGroup", "clear=public_link_l", "clear=public_link_limit"},
		{"after Apple's path", "GET /v1/builds", "filter.ap", "filter.app="},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _ := complete(nil, strings.Fields(c.args), c.word)
			if !slices.ContainsFunc(got, func(s string) bool { word, _, _ := strings.Cut(s, "\t"); return word == c.want }) {
				t.Errorf("got %q, want %q among them", got, c.want)
			}
		})
	}
	if got, _ := complete(nil, []string{"nonsense"}, "x"); got != nil {
		t.Errorf("got %q", got)
	}
}
