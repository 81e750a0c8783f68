package jsonapi

import (
	"fmt"
	"strings"
	"testing"

	testflightv1 "github.com/asc-gateway/asc-gateway/gen/asc/testflight/v1"
)

// TestWindow: which rows, and which included resources, come of a document.
func TestWindow(t *testing.T) {
	row := func(id, app, groups string) string {
		return fmt.Sprintf(`{"type":"builds","id":%q,"relationships":{"app":{"data":{"type":"apps","id":%q}},"betaGroups":{"data":[%s]}}}`, id, app, groups)
	}
	group := func(id string) string { return `{"type":"betaGroups","id":"` + id + `"}` }
	const apps = `{"type":"apps","id":"a1"},{"type":"apps","id":"a2"},{"type":"apps","id":"a9"}`
	three := row("1", "a1", group("g1")) + "," + row("2", "a2", group("g1")+","+group("g2")) + "," + row("3", "a1", "")
	for _, c := range []struct {
		name, data, included string
		window               Window
		rows, apps, groups   string
		items                int
	}{
		{"all", three, apps, Window{}, "1 2 3", "a1 a2 a9", "", 3},
		{"the first: what nobody points to stays", three, apps, Window{Count: 1}, "1", "a1 a9", "", 3},
		{"the second", three, apps + "," + group("g1") + "," + group("g2"), Window{From: 1, Count: 1}, "2", "a2 a9", "g1 g2", 3},
		{"the last", three, apps + "," + group("g1"), Window{From: 2}, "3", "a1 a9", "", 3},
		{"past the end", three, apps, Window{From: 7, Count: 2}, "", "a9", "", 3},
		{"a row that stood before the window", three + "," + row("1", "a1", ""), apps, Window{From: 2}, "3", "a1 a9", "", 4},
		{"what an included resource points to stays", three, `{"type":"apps","id":"a2","relationships":{"betaGroups":{"data":[` + group("g1") + `]}}},` + group("g1"),
			Window{From: 1, Count: 1}, "2", "a2", "g1", 3},
		{"a row that points to something unknown", `{"type":"builds","id":"1","relationships":{"new":{"data":{"type":"apps","id":"a2"}}}},` + row("2", "a2", ""), apps,
			Window{Count: 1}, "1", "a1 a2 a9", "", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := &testflightv1.ListBuildsResponse{}
			page, err := (&Codec{}).DecodeWindow([]byte(`{"data":[`+c.data+`],"included":[`+c.included+`]}`), out, c.window)
			if err != nil || page.Items != c.items {
				t.Fatalf("%+v %v", page, err)
			}
			var rows, apps, groups []string
			for _, b := range out.GetBuilds() {
				rows = append(rows, b.GetId())
			}
			for _, a := range out.GetIncluded().GetApps() {
				apps = append(apps, a.GetId())
			}
			for _, g := range out.GetIncluded().GetBetaGroups() {
				groups = append(groups, g.GetId())
			}
			if strings.Join(rows, " ") != c.rows || strings.Join(apps, " ") != c.apps || strings.Join(groups, " ") != c.groups {
				t.Errorf("rows %v apps %v groups %v, want %q %q %q", rows, apps, groups, c.rows, c.apps, c.groups)
			}
		})
	}
}

// TestWindowOfLinkages: the same of a list of identifiers.
func TestWindowOfLinkages(t *testing.T) {
	out := &testflightv1.ListBetaGroupBuildIdsResponse{}
	var data []string
	for _, id := range []string{"1", "2", "2", "3", "1", "4"} {
		data = append(data, `{"type":"builds","id":"`+id+`"}`)
	}
	page, err := (&Codec{}).DecodeWindow([]byte(`{"data":[`+strings.Join(data, ",")+`]}`), out, Window{From: 2, Count: 3})
	if got := fmt.Sprint(out.GetIds()); err != nil || page.Items != 6 || got != "[3]" {
		t.Errorf("%s %+v %v", got, page, err)
	}
}
