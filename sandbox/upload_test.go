package sandbox

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"
)

// local cuts a URL of the sandbox down to what httptest wants.
func (c *client) local(url any) string { return strings.TrimPrefix(url.(string), "http://example.com") }

func sumOf(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

func (c *client) screenshot(t *testing.T, size int) map[string]any {
	t.Helper()
	return c.data(
		t,
		"POST",
		"/v1/appScreenshots",
		resource("appScreenshots", "", fmt.Sprintf(`"fileName":"a.png","fileSize":%d`, size),
			to("appScreenshotSet", "appScreenshotSets", c.IDs("appScreenshotSets")[0])),
	)
}

func TestUploads(t *testing.T) {
	for _, x := range []struct {
		name      string
		parts     []string // sent, in this order, "" being left out
		checksum  string
		state     string
		errorCode string
	}{
		{"all parts, in order", []string{"0:byt", "1:es"}, sumOf("bytes"), "COMPLETE", ""},
		{"all parts, the last first", []string{"1:es", "0:byt"}, sumOf("bytes"), "COMPLETE", ""},
		{"a part twice", []string{"0:xxx", "0:byt", "1:es"}, sumOf("bytes"), "COMPLETE", ""},
		{"no checksum", []string{"0:byt", "1:es"}, "", "COMPLETE", ""},
		{"another checksum", []string{"0:byt", "1:es"}, sumOf("other"), "FAILED", "FILE_CHECKSUM_MISMATCH"},
		{"a part is missing", []string{"1:es"}, sumOf("bytes"), "FAILED", "FILE_INCOMPLETE"},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := newClient(t, World{NoAuth: true, NoRules: true, PartBytes: 3, Processing: time.Minute})
			shot := c.screenshot(t, 5)
			if state := at(shot, "attributes", "assetDeliveryState", "state"); state != "AWAITING_UPLOAD" {
				t.Errorf("reserved: %v", state)
			}
			for _, p := range x.parts {
				operation := at(shot, "attributes", "uploadOperations", int(p[0]-'0'))
				if w := c.raw("PUT", c.local(at(operation, "url")), p[2:]); w.Code != 200 ||
					at(operation, "length") != float64(len(p)-2) {
					t.Fatalf("%s: %d %s, %v", p, w.Code, w.Body, operation)
				}
			}
			path := "/v1/appScreenshots/" + shot["id"].(string)
			c.data(
				t,
				"PATCH",
				path,
				resource(
					"appScreenshots",
					shot["id"].(string),
					fmt.Sprintf(`"uploaded":true,"sourceFileChecksum":%q`, x.checksum),
					"",
				),
			)
			state := func() any { return at(c.data(t, "GET", path, ""), "attributes", "assetDeliveryState", "state") }
			if got := state(); x.state == "COMPLETE" && got != "UPLOAD_COMPLETE" {
				t.Errorf("while it is processed: %v", got)
			}
			c.now = c.now.Add(time.Minute)
			got := c.data(t, "GET", path, "")
			if state() != x.state ||
				x.errorCode != "" && at(got, "attributes", "assetDeliveryState", "errors", 0, "code") != x.errorCode ||
				at(got, "attributes", "uploadOperations") != nil {
				t.Errorf("%v", got["attributes"])
			}
		})
	}
}

func TestUploadURLsAreSignedAndWantNoToken(t *testing.T) {
	c := newClient(t, World{NoAuth: true, NoRules: true})
	url := c.local(at(c.screenshot(t, 5), "attributes", "uploadOperations", 0, "url"))
	for _, x := range []struct {
		name, url, body, token string
		status                 int
	}{
		{"another signature", url + "0", "bytes", "", 403},
		{"a part that is not there", strings.Replace(url, "/1?", "/2?", 1), "bytes", "", 403},
		{"too short", url, "byte", "", 400},
		{"too long", url, "bytes and more", "", 400},
		{"with a token", url, "bytes", "Bearer x", 400},
		{"right", url, "bytes", "", 200},
	} {
		headers := []string{}
		if x.token != "" {
			headers = []string{"Authorization", x.token}
		}
		if w := c.raw("PUT", x.url, x.body, headers...); w.Code != x.status {
			t.Errorf("%s: %d %s", x.name, w.Code, w.Body)
		}
	}
}

func TestFilesMustHaveASize(t *testing.T) {
	c := newClient(t, World{NoAuth: true, NoRules: true})
	for _, size := range []string{"0", "-1", "1e3", "9007199254740991", "1.5"} {
		status, _, doc := c.send(
			"POST",
			"/v1/appScreenshots",
			resource(
				"appScreenshots",
				"",
				`"fileName":"a","fileSize":`+size,
				to("appScreenshotSet", "appScreenshotSets", c.IDs("appScreenshotSets")[0]),
			),
		)
		if status != 409 || at(doc, "errors", 0, "source", "pointer") != "/data/attributes/fileSize" {
			t.Errorf("%s: %d %v", size, status, doc)
		}
	}
}

func TestAnUploadedBuildIsProcessed(t *testing.T) {
	c := newClient(t, World{NoAuth: true, Processing: time.Minute})
	app := c.IDs("apps")[0]
	up := c.data(
		t,
		"POST",
		"/v1/buildUploads",
		resource(
			"buildUploads",
			"",
			`"cfBundleShortVersionString":"3.0","cfBundleVersion":"77","platform":"IOS"`,
			to("app", "apps", app),
		),
	)
	file := c.data(
		t,
		"POST",
		"/v1/buildUploadFiles",
		resource(
			"buildUploadFiles",
			"",
			`"assetType":"ASSET","fileName":"a.ipa","fileSize":3,"uti":"com.apple.ipa"`,
			to("buildUpload", "buildUploads", up["id"].(string)),
		),
	)
	operation := at(file, "attributes", "uploadOperations", 0)
	if at(operation, "partNumber") != float64(1) || at(operation, "expiration") == nil {
		t.Errorf("%v", operation)
	}
	c.raw("PUT", c.local(at(operation, "url")), "ipa")
	commit := func(algorithm string) (int, map[string]any) {
		status, _, doc := c.send(
			"PATCH",
			"/v1/buildUploadFiles/"+file["id"].(string),
			resource(
				"buildUploadFiles",
				file["id"].(string),
				fmt.Sprintf(
					`"uploaded":true,"sourceFileChecksums":{"file":{"hash":%q,"algorithm":%q}}`,
					sumOf("ipa"),
					algorithm,
				),
				"",
			),
		)
		return status, doc
	}
	if status, doc := commit("SHA_256"); status != 409 {
		t.Errorf("%d %v", status, doc)
	}
	if status, doc := commit("MD5"); status != 200 {
		t.Fatalf("%d %v", status, doc)
	}
	build := func() any {
		_, _, doc := c.send(
			"GET",
			"/v1/builds?filter[version]=77&filter[app]="+app+"&filter[preReleaseVersion.version]=3.0",
			"",
		)
		return at(doc, "data", 0, "attributes", "processingState")
	}
	for _, want := range []any{nil, "PROCESSING", "VALID"} {
		if got := build(); got != want {
			t.Errorf("%v, want %v", got, want)
		}
		c.now = c.now.Add(time.Minute)
	}
	if state := at(c.data(t, "GET", "/v1/buildUploads/"+up["id"].(string)+"?include=build", ""), "attributes", "state", "state"); state != "COMPLETE" {
		t.Errorf("%v", state)
	}
}
