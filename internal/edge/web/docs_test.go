package web_test

import (
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/internal/access/authn"
)

func TestSearchPage(t *testing.T) {
	w := newWorld(t, authn.Config{})
	for _, c := range []struct{ name, path, want string }{
		{"a search", "/docs?q=ListBuilds", "/docs/asc.testflight.v1.BuildsService/ListBuilds"},
		{"within an area", "/docs?q=List+Builds&area=testflight", "/docs/asc.testflight.v1.BuildsService/ListBuilds"},
		{"an area", "/docs?area=webhooks", "/docs/asc.webhooks.v1."},
		{"nothing", "/docs?q=qqqqxyz", "No operation fits"},
		{"what is sent back is text", "/docs?q=%3Cscript%3Ex", "&lt;script&gt;x"},
		{"too long", "/docs?q=" + strings.Repeat("x", 300), "at most 256 bytes"},
		{"no search", "/docs", "/docs?area=testflight"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, _, body := w.get(t, c.path)
			if status != 200 || !strings.Contains(body, c.want) || strings.Contains(body, "<script>x") {
				t.Errorf("%d without %s", status, c.want)
			}
		})
	}
	_, _, whole := w.get(t, "/docs?q=ListBuilds")
	_, _, part := w.get(t, "/docs?q=ListBuilds&part=results")
	if strings.Contains(part, "<html") || !strings.Contains(whole, strings.TrimSpace(part)) {
		t.Errorf("the part is not that of the page: %.200s", part)
	}
}

// TestOperationPage reads the page of one operation for all that it promises.
func TestOperationPage(t *testing.T) {
	w := newWorld(t, authn.Config{})
	status, _, body := w.get(t, "/docs/asc.testflight.v1.BetaGroupsService/CreateBetaGroup")
	if status != 200 {
		t.Fatal(status)
	}
	body = html.UnescapeString(body)
	for _, want := range []string{
		"POST https://api.appstoreconnect.apple.com/v1/betaGroups", `"relationships": {`, // Apple's request
		"POST " + w.url + "/v1/betaGroups", `"id": "APP_ID"`, // ours
		"required", "may be null", "of type apps", "at most 128 bytes", "feedbackEnabled", // fields
		"OUTCOME_UNKNOWN", "REQUEST_ID_REUSED", // errors
		"One request", "PARENT", "changes nothing", // quota and policy, of which the last must be missing
		"gateway call CreateBetaGroup name=Example app.id=APP_ID",
		"testflightv1.NewBetaGroupsServiceClient(conn).CreateBetaGroup",
	} {
		if has := strings.Contains(body, want); has == (want == "changes nothing") {
			t.Errorf("%q: %v", want, has)
		}
	}
	if status, _, _ := w.get(t, "/docs/asc.testflight.v1.BetaGroupsService/Nothing"); status != 404 {
		t.Errorf("no operation: %d", status)
	}
}

var lineOf = regexp.MustCompile(`(?s)data-line="([^"]+)">(.*?)</code>`)

// linesOf are the lines of an operation's page, by language.
func (w *world) linesOf(t testing.TB, fullName string) map[string]string {
	t.Helper()
	status, body := w.page(t, "/docs"+fullName)
	if status != 200 {
		t.Fatalf("%s: %d %s", fullName, status, body)
	}
	lines := map[string]string{}
	for _, m := range lineOf.FindAllStringSubmatch(body, -1) {
		lines[m[1]] = html.UnescapeString(m[2])
	}
	if streamed := strings.HasSuffix(fullName, "/Upload") || strings.HasSuffix(fullName, "/ReplaceAssets"); len(lines) != 6 && !streamed {
		t.Fatalf("%s: %d lines", fullName, len(lines))
	}
	return lines
}

// withIDs puts ids of the sandbox where placeholders stand.
func (w *world) withIDs(line string) string {
	line = strings.ReplaceAll(line, "VENDOR_NUMBER", "80012345")
	return placeholder.ReplaceAllStringFunc(line, func(word string) string {
		for _, typ := range types(word) {
			ids := w.sandbox.IDs(typ)
			if typ == "users" {
				ids = ids[1:] // the first is the account holder, whose roles stay
			}
			if len(ids) > 0 {
				return url.PathEscape(ids[0])
			}
		}
		return word
	})
}

var placeholder = regexp.MustCompile(`\b[A-Z][A-Z0-9_]*_ID\b`)

// types are the types that a placeholder may stand for: APP_ID is one of apps.
func types(word string) []string {
	parts := strings.Split(strings.ToLower(strings.TrimSuffix(word, "_ID")), "_")
	for i := range parts[1:] {
		parts[i+1] = strings.ToUpper(parts[i+1][:1]) + parts[i+1][1:]
	}
	name := strings.Join(parts, "")
	return []string{name + "s", strings.TrimSuffix(name, "y") + "ies", name, fmt.Sprint(name, "es")}
}
