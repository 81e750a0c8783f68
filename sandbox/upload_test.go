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

// TestUploadsExpire: after a week nothing can be sent and nothing committed. Both
// kinds of operations say when.
func TestUploadsExpire(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	attachment := func() (path, id, url string) {
		made := c.data(t, "POST", "/v1/appClipAdvancedExperienceImages",
			resource("appClipAdvancedExperienceImages", "", `"fileName":"a","fileSize":3`, ""))
		id = made["id"].(string)
		return "/v1/appClipAdvancedExperienceImages/" + id, id, c.local(
			at(made, "attributes", "uploadOperations", 0, "url"),
		)
	}
	path, id, url := attachment()
	end := c.now.Add(uploadLife)
	if !strings.Contains(url, fmt.Sprintf("Expires=%d", end.Unix())) {
		t.Errorf("%s does not tell its end", url)
	}
	if w := c.raw("PUT", url, "abc"); w.Code != 200 {
		t.Fatal(w.Code, w.Body)
	}
	c.now = end.Add(-time.Second)
	if w := c.raw("PUT", url, "abc"); w.Code != 200 {
		t.Errorf("just before the end: %d %s", w.Code, w.Body)
	}
	c.now = end.Add(time.Second)
	if w := c.raw("PUT", url, "abc"); w.Code != 403 {
		t.Errorf("after the end: %d %s", w.Code, w.Body)
	}
	commit := resource("appClipAdvancedExperienceImages", id, `"uploaded":true`, "")
	if status, _, doc := c.send("PATCH", path, commit); status != 409 ||
		code(doc) != "STATE_ERROR.ENTITY_STATE_INVALID" {
		t.Errorf("a commit after the end: %d %v", status, doc)
	}
	if c.store.bytes != 0 {
		t.Errorf("%d bytes are held still", c.store.bytes)
	}
}

func TestFilesAreCommittedOnce(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	path := c.sendFile(t, "/v1/appClipAdvancedExperienceImages", "appClipAdvancedExperienceImages", "", "",
		pictureOf(t, 1800, 1200, false))
	id := path[strings.LastIndex(path, "/")+1:]
	again := resource("appClipAdvancedExperienceImages", id, `"uploaded":true`, "")
	if status, _, doc := c.send("PATCH", path, again); status != 409 ||
		code(doc) != "STATE_ERROR.ENTITY_STATE_INVALID" {
		t.Errorf("%d %v", status, doc)
	}
	if w := c.raw("DELETE", path, ""); w.Code != 405 {
		t.Errorf("deleted: %d %s", w.Code, w.Body)
	}
}

// TestFilesOfOneOwner: a picture of a Game Center activity is of a localization or
// of a version, and a purchase has one review screenshot.
func TestFilesOfOneOwner(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	localization := to("localization", "gameCenterActivityLocalizations", c.IDs("gameCenterActivityLocalizations")[0])
	version := to("version", "gameCenterActivityVersions", c.IDs("gameCenterActivityVersions")[0])
	purchase := to("inAppPurchaseV2", "inAppPurchases", c.IDs("inAppPurchases")[0])
	for _, x := range []struct {
		name, typ, of string
		status        int
		code          string
	}{
		{"a localization", "gameCenterActivityImages", localization, 201, ""},
		{"a version", "gameCenterActivityImages", version, 201, ""},
		{"both", "gameCenterActivityImages", localization + "," + version, 409, "ENTITY_ERROR.RELATIONSHIP.INVALID"},
		{"neither", "gameCenterActivityImages", "", 409, "ENTITY_ERROR.RELATIONSHIP.REQUIRED"},
		{"a second one", "inAppPurchaseAppStoreReviewScreenshots", purchase, 409, "STATE_ERROR.ENTITY_STATE_INVALID"},
	} {
		status, _, doc := c.send("POST", "/v1/"+x.typ, resource(x.typ, "", `"fileName":"a.png","fileSize":5`, x.of))
		if status != x.status || code(doc) != x.code {
			t.Errorf("%s: %d %v", x.name, status, doc)
		}
	}
}

// TestTheOrderOfASet is that of its relationship, which is replaced as a whole; it
// takes ten.
func TestTheOrderOfASet(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	set := c.editableSet(t, "APP_IPHONE_65")
	reserve := resource("appScreenshots", "", `"fileName":"a.png","fileSize":5`,
		to("appScreenshotSet", "appScreenshotSets", set))
	var list []string
	for range mostScreenshots {
		id := c.data(t, "POST", "/v1/appScreenshots", reserve)["id"].(string)
		list = append([]string{fmt.Sprintf(`{"type":"appScreenshots","id":%q}`, id)}, list...)
	}
	if status, _, doc := c.send("POST", "/v1/appScreenshots", reserve); status != 409 {
		t.Errorf("one more: %d %v", status, doc)
	}
	order := "/v1/appScreenshotSets/" + set + "/relationships/appScreenshots"
	if status, _, doc := c.send("PATCH", order, `{"data":[`+strings.Join(list, ",")+`]}`); status != 204 {
		t.Fatal(status, doc)
	}
	_, _, doc := c.send("GET", "/v1/appScreenshotSets/"+set+"/appScreenshots", "")
	if first, _ := at(doc, "data", 0, "id").(string); !strings.Contains(list[0], first) || first == "" {
		t.Errorf("%s is first, want %s", first, list[0])
	}
}

// TestSeededFilesAreUploaded: no file of a new world waits for bytes that nobody
// will send, and each has one owner.
func TestSeededFilesAreUploaded(t *testing.T) {
	c := newClient(t, World{NoAuth: true})
	for schema, rule := range c.uploads {
		for _, o := range c.store.all(c.facts.Types[schema].Type) {
			for _, name := range rule.state {
				state := o.text(name)
				if name != ownState {
					state = (machine{attr: name, inside: "state"}).state(o)
				}
				if state != rule.done && state != "APPROVED" || o.attrs["uploadOperations"] != nil {
					t.Errorf("%s %s: %s is %s, operations %v", o.typ, o.id, name, state, o.attrs["uploadOperations"])
				}
			}
			owners := 0
			for _, rel := range rule.oneOf {
				owners += len(o.rels[rel])
			}
			if len(rule.oneOf) > 0 && owners != 1 {
				t.Errorf("%s %s has %d owners", o.typ, o.id, owners)
			}
		}
	}
}
