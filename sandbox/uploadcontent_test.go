package sandbox

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"strings"
	"testing"
	"time"
)

// pictureOf is a PNG, of a size and without an alpha channel or with one.
func pictureOf(t *testing.T, width, height int, alpha bool) string {
	t.Helper()
	var b bytes.Buffer
	var m image.Image = image.NewGray(image.Rect(0, 0, width, height))
	if alpha {
		m = image.NewNRGBA(image.Rect(0, 0, width, height))
	}
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// sendFile reserves a file, sends its parts and commits it; it tells the path of
// the resource.
func (c *client) sendFile(t *testing.T, path, typ, attributes, relationships, file string) string {
	t.Helper()
	attributes = strings.TrimPrefix(attributes+fmt.Sprintf(`,"fileName":"f","fileSize":%d`, len(file)), ",")
	made := c.data(t, "POST", path, resource(typ, "", attributes, relationships))
	operations, _ := at(made, "attributes", "uploadOperations").([]any)
	for _, operation := range operations {
		from, n := int(at(operation, "offset").(float64)), int(at(operation, "length").(float64))
		if w := c.raw("PUT", c.local(at(operation, "url")), file[from:from+n]); w.Code != 200 {
			t.Fatal(w.Code, w.Body)
		}
	}
	id := made["id"].(string)
	c.data(t, "PATCH", path+"/"+id, resource(typ, id, `"uploaded":true`, ""))
	return path + "/" + id
}

// editableSet is the screenshot set of a version that can be changed.
func (c *client) editableSet(t *testing.T, displayType string) string {
	t.Helper()
	version := c.data(t, "POST", "/v1/appStoreVersions", resource("appStoreVersions", "",
		`"platform":"IOS","versionString":"9.0"`, to("app", "apps", trailMix)))["id"].(string)
	localization := c.data(t, "POST", "/v1/appStoreVersionLocalizations", resource("appStoreVersionLocalizations", "",
		`"locale":"fi"`, to("appStoreVersion", "appStoreVersions", version)))["id"].(string)
	return c.data(t, "POST", "/v1/appScreenshotSets", resource("appScreenshotSets", "",
		fmt.Sprintf(`"screenshotDisplayType":%q`, displayType),
		to("appStoreVersionLocalization", "appStoreVersionLocalizations", localization)))["id"].(string)
}

func TestPicturesAreMeasured(t *testing.T) {
	c := newClient(t, World{NoAuth: true, Processing: time.Minute})
	set := to("appScreenshotSet", "appScreenshotSets", c.editableSet(t, "APP_IPHONE_65"))
	right := pictureOf(t, 1242, 2688, false)
	for _, x := range []struct{ name, file, state, code string }{
		{"upright", right, "COMPLETE", ""},
		{"turned", pictureOf(t, 2688, 1242, false), "COMPLETE", ""},
		{"of another display", pictureOf(t, 1290, 2796, false), "FAILED", "IMAGE_INCORRECT_DIMENSIONS"},
		{"with an alpha channel", pictureOf(t, 1242, 2688, true), "FAILED", "IMAGE_ALPHA_NOT_ALLOWED"},
		{"cut short", right[:len(right)-20], "FAILED", "IMG_APPEARS_CORRUPT"},
		{"no picture", "a text", "FAILED", "IMG_BAD_FORMAT"},
	} {
		path := c.sendFile(t, "/v1/appScreenshots", "appScreenshots", "", set, x.file)
		if got := at(c.data(t, "GET", path, ""), "attributes", "assetDeliveryState", "state"); got != "UPLOAD_COMPLETE" {
			t.Errorf("%s: at first %v", x.name, got)
		}
		c.now = c.now.Add(time.Minute)
		shot := c.data(t, "GET", path, "")
		delivery, shown := at(shot, "attributes", "assetDeliveryState"), at(shot, "attributes", "imageAsset")
		if code, _ := at(delivery, "errors", 0, "code").(string); at(delivery, "state") != x.state || code != x.code {
			t.Errorf("%s: %v", x.name, delivery)
		}
		if (shown != nil) != (x.state == "COMPLETE") {
			t.Errorf("%s: %v", x.name, shown)
		}
		if x.name == "turned" && (at(shown, "width") != 2688.0 || at(shown, "height") != 1242.0) {
			t.Errorf("%v", shown)
		}
	}
}

// TestWhatEachFileMustHold uploads the right content and wrong content of each kind.
func TestWhatEachFileMustHold(t *testing.T) {
	c := newClient(t, World{NoAuth: true, HourLimit: 1 << 20})
	event := to("appEventLocalization", "appEventLocalizations", c.IDs("appEventLocalizations")[0])
	library := to("assetLibrary", "appAssetLibraries", c.IDs("appAssetLibraries")[0])
	game := to("localization", "gameCenterAchievementLocalizations", c.IDs("gameCenterAchievementLocalizations")[0])
	version := c.data(t, "POST", "/v1/appStoreVersions", resource("appStoreVersions", "",
		`"platform":"IOS","versionString":"9.0"`, to("app", "apps", trailMix)))["id"].(string)
	page := c.data(t, "POST", "/v1/appScreenshotSets", resource("appScreenshotSets", "",
		`"screenshotDisplayType":"APP_IPHONE_55"`,
		to("appCustomProductPageLocalization", "appCustomProductPageLocalizations",
			c.IDs("appCustomProductPageLocalizations")[0])))["id"].(string)
	const ring = `[[0,0],[0,1],[1,1],[0,0]]`
	for _, x := range []struct {
		name, path, typ, attributes, of, state string
		right, wrong                           string
	}{
		{"an event card", "/v1/appEventScreenshots", "appEventScreenshots", `"appEventAssetType":"EVENT_CARD"`, event,
			"assetDeliveryState", pictureOf(t, 1920, 1080, false), pictureOf(t, 1080, 1920, false)},
		{"an event page", "/v1/appEventScreenshots", "appEventScreenshots", `"appEventAssetType":"EVENT_DETAILS_PAGE"`, event,
			"assetDeliveryState", pictureOf(t, 1080, 1920, false), pictureOf(t, 1920, 1080, false)},
		{"a clip's picture", "/v1/appClipAdvancedExperienceImages", "appClipAdvancedExperienceImages", "", "",
			"assetDeliveryState", pictureOf(t, 1800, 1200, false), pictureOf(t, 1800, 1200, true)},
		{"a purchase's picture", "/v1/inAppPurchaseImages", "inAppPurchaseImages", "",
			to("inAppPurchase", "inAppPurchases", c.IDs("inAppPurchases")[0]), "state",
			pictureOf(t, 1024, 1024, false), pictureOf(t, 1024, 1023, false)},
		{"an achievement's picture", "/v2/gameCenterAchievementImages", "gameCenterAchievementImages", "", game,
			"assetDeliveryState", pictureOf(t, 512, 512, true), pictureOf(t, 256, 256, true)},
		{"an activity's picture", "/v1/gameCenterActivityImages", "gameCenterActivityImages", "",
			to("localization", "gameCenterActivityLocalizations", c.IDs("gameCenterActivityLocalizations")[0]),
			"assetDeliveryState", pictureOf(t, 1024, 1024, false), pictureOf(t, 1024, 1000, false)},
		{"a screenshot of a product page", "/v1/appScreenshots", "appScreenshots", "",
			to("appScreenshotSet", "appScreenshotSets", page), "assetDeliveryState", pictureOf(t, 1242, 2208, false), pictureOf(t, 1290, 2796, false)},
		{"a screenshot in the library", "/v1/appAssetLibraryImages", "appAssetLibraryImages",
			`"category":"APP_SCREENSHOTS_AND_PREVIEWS"`, library, "state", pictureOf(t, 2007, 2853, false), "x"},
		{"a header in the library", "/v1/appAssetLibraryImages", "appAssetLibraryImages",
			`"category":"CREATIVE_ASSETS"`, library, "state", pictureOf(t, 3840, 1646, false), pictureOf(t, 2007, 2853, false)},
		{"a clip of an event", "/v1/appEventVideoClips", "appEventVideoClips", `"appEventAssetType":"EVENT_CARD"`, event,
			"videoDeliveryState", "\x00\x00\x00\x18ftypmp42 and more", "no video at all"},
		{"a routing coverage", "/v1/routingAppCoverages", "routingAppCoverages", "",
			to("appStoreVersion", "appStoreVersions", version), "assetDeliveryState",
			`{"type":"MultiPolygon","coordinates":[[` + ring + `]]}`,
			`{"type":"MultiPolygon","coordinates":[[` + ring + `,` + ring + `]]}`},
	} {
		for file, want := range map[string]string{x.right: c.uploads[c.facts.schemas[x.typ][0]].done, x.wrong: "FAILED"} {
			path := c.sendFile(t, x.path, x.typ, x.attributes, x.of, file)
			state := at(c.data(t, "GET", path, ""), "attributes", x.state)
			if in := at(state, "state"); in != nil {
				state = in
			}
			if state != want {
				t.Errorf("%s of %d bytes: %v, want %s", x.name, len(file), state, want)
			}
		}
	}
}

// TestVideosAndTheLibraryTakeTwoSteps: a video is processed after its delivery, and
// what is in the library is complete before it can be submitted.
func TestVideosAndTheLibraryTakeTwoSteps(t *testing.T) {
	c := newClient(t, World{NoAuth: true, Processing: time.Minute})
	const movie = "\x00\x00\x00\x18ftypmp42"
	event := to("appEventLocalization", "appEventLocalizations", c.IDs("appEventLocalizations")[0])
	library := to("assetLibrary", "appAssetLibraries", c.IDs("appAssetLibraries")[0])
	clip := c.sendFile(
		t,
		"/v1/appEventVideoClips",
		"appEventVideoClips",
		`"appEventAssetType":"EVENT_CARD"`,
		event,
		movie,
	)
	asset := c.sendFile(t, "/v1/appAssetLibraryVideos", "appAssetLibraryVideos",
		`"category":"APP_SCREENSHOTS_AND_PREVIEWS"`, library, movie)
	see := func() [3]any {
		of := c.data(t, "GET", clip, "")["attributes"]
		return [3]any{at(of, "assetDeliveryState", "state"), at(of, "videoDeliveryState", "state"),
			at(c.data(t, "GET", asset, ""), "attributes", "state")}
	}
	for _, want := range [][3]any{
		{"UPLOAD_COMPLETE", "UPLOAD_COMPLETE", "UPLOAD_COMPLETE"},
		{"COMPLETE", "PROCESSING", "COMPLETE"},
		{"COMPLETE", "COMPLETE", "PREPARE_FOR_SUBMISSION"},
	} {
		if got := see(); got != want {
			t.Errorf("%v, want %v", got, want)
		}
		c.now = c.now.Add(time.Minute)
	}
	frame := func() any {
		return at(c.data(t, "GET", clip, ""), "attributes", "previewFrameImage", "state", "state")
	}
	id := clip[strings.LastIndex(clip, "/")+1:]
	c.data(t, "PATCH", clip, resource("appEventVideoClips", id, `"previewFrameTimeCode":"00:00:02:00"`, ""))
	if got := frame(); got != "PROCESSING" {
		t.Errorf("another poster frame is %v", got)
	}
	c.now = c.now.Add(time.Minute)
	if got := frame(); got != "COMPLETE" {
		t.Errorf("after its time it is %v", got)
	}
}
