package gateway

import (
	"encoding/json"
	"fmt"
	"image/color"
	"net/url"
	"strings"
	"testing"

	"github.com/asc-gateway/asc-gateway/sandbox"
)

// TestUploadRights: an upload is made with the rights of who asks, its token works
// for nobody else, and it stands on record with what the file was.
func TestUploadRights(t *testing.T) {
	rules := fmt.Sprintf(jobRule, "job", "ci", `"job:Upload"`, "all") +
		fmt.Sprintf(jobRule, "other", "qa", `"job:Upload"`, "all") +
		fmt.Sprintf(jobRule, "reads", "reader", "read", "all") +
		fmt.Sprintf(jobRule, "half", "half", `"ascgateway.uploads.v1.UploadService/Upload"`, "all")
	g := newGuarded(t, sandbox.World{NoRules: true, PartBytes: 1000}, rules, "ci", "qa", "reader", "half")
	file := picture(t, 64, 64, color.Black)
	set := g.sandbox.IDs("appScreenshotSets")[0]
	words := url.Values{"type": {"appScreenshots"}, "appScreenshotSet": {set}, "fileName": {"shot.png"}}
	for who, want := range map[string]int{"ci": 201, "reader": 403, "half": 403} {
		if code, b := g.post(t, words, file, g.as(who)...); code != want {
			t.Errorf("%s: %d %s", who, code, b)
		}
	}
	g.records.mu.Lock()
	found := false
	for _, r := range g.records.list {
		if r.Method == "ascgateway.uploads.v1.UploadService/Upload" && r.Outcome == "OK" {
			found = strings.HasPrefix(r.Detail, "shot.png, ") && strings.Contains(r.Detail, " bytes, sha256 ")
		}
	}
	if !found {
		t.Errorf("the file is not on record: %v", g.records.list)
	}
	g.records.mu.Unlock()
	_, b := g.post(t, words, file, append(g.as("ci"), "Accept", "application/x-ndjson")...)
	var line struct{ Progress struct{ ResumeToken string } }
	for l := range strings.Lines(string(b)) {
		if json.Unmarshal([]byte(l), &line) == nil && line.Progress.ResumeToken != "" {
			break
		}
	}
	token := line.Progress.ResumeToken
	if token == "" {
		t.Fatalf("%s", b)
	}
	if code, b := g.post(t, url.Values{"resumeToken": {token}}, nil, g.as("qa")...); code != 400 || !strings.Contains(string(b), "INVALID_RESUME_TOKEN") {
		t.Errorf("another caller goes on with it: %d %s", code, b)
	}
	if code, b := g.post(t, url.Values{"resumeToken": {token}}, nil, g.as("ci")...); code != 201 {
		t.Errorf("its own caller: %d %s", code, b)
	}
}

// TestUploadIsKeptToApps: a caller that is kept to an app uploads into nothing of
// another.
func TestUploadIsKeptToApps(t *testing.T) {
	g := newGuarded(t, sandbox.World{NoRules: true}, fmt.Sprintf(jobRule, "all", "root", "read, write", "all"), "root", "ci")
	apps := g.sandbox.IDs("apps")
	file := picture(t, 64, 64, color.Black)
	status := map[string][]int{}
	for _, app := range apps[:2] {
		g.policy(fmt.Sprintf(jobRule, "all", "root", "read, write", "all") +
			fmt.Sprintf(jobRule, "one", "ci", `"job:Upload"`, `["`+app+`"]`))
		for _, set := range g.sandbox.IDs("appScreenshotSets") {
			words := url.Values{"type": {"appScreenshots"}, "appScreenshotSet": {set}, "fileName": {"shot.png"}}
			code, _ := g.post(t, words, file, g.as("ci")...)
			status[set] = append(status[set], code)
		}
	}
	taken, refused := 0, 0
	for set, codes := range status {
		for _, c := range codes {
			switch c {
			case 201:
				taken++
			case 403, 404:
				refused++
			default:
				t.Errorf("%s: %v", set, codes)
			}
		}
		if codes[0] == 201 && codes[1] == 201 {
			t.Errorf("%s is of both apps", set)
		}
	}
	if taken == 0 || refused == 0 {
		t.Errorf("%d taken, %d refused", taken, refused)
	}
}
