package sandbox

import (
	"encoding/json"
	"slices"

	"github.com/asc-gateway/asc-gateway/sandbox/internal/picture"
)

// look says what is wrong with the content of a file, as Apple's code, and the size
// of a picture. The codes of pictures were seen in public reports; those of videos
// and GeoJSON are the sandbox's own. Without rules everything is taken.
func (c *call) look(o *object, u *upload) (code string, size picture.Size) {
	rule := c.s.uploadRule(o.typ, "")
	if rule == nil || c.s.cfg.NoRules {
		return "", picture.Size{}
	}
	switch rule.content {
	case anything:
		return "", picture.Size{}
	case video:
		return videoProblem(u.file()), picture.Size{}
	case coverage:
		return coverageProblem(u), picture.Size{}
	}
	if u.large() {
		return "IMAGE_TOOL_FAILURE", picture.Size{}
	}
	p, err := picture.Measure(u.file())
	switch {
	case p.Width > 0 && !c.fits(o, rule.content, p.Size):
		return "IMAGE_INCORRECT_DIMENSIONS", picture.Size{}
	case err != nil && p.Width > 0:
		return "IMG_APPEARS_CORRUPT", picture.Size{}
	case err != nil:
		return "IMG_BAD_FORMAT", picture.Size{}
	case p.Alpha && rule.content != gamePicture:
		return "IMAGE_ALPHA_NOT_ALLOWED", picture.Size{}
	}
	return "", p.Size
}

// fits says whether a picture has a size that its resource takes. Apple: screenshot
// specifications; in-app events; App Clip experiences; promoting in-app purchases;
// Game Center images.
func (c *call) fits(o *object, what content, s picture.Size) bool {
	switch what {
	case screenshot:
		set := c.s.store.one(o, "appScreenshotSet")
		return set == nil || picture.Screenshot(set.text("screenshotDisplayType"), s)
	case reviewShot:
		return picture.AnyScreenshot(s)
	case eventPicture:
		if o.text("appEventAssetType") == "EVENT_CARD" {
			return s == eventCard
		}
		return s == eventPage
	case clipPicture:
		return s == picture.Size{Width: 1800, Height: 1200}
	case productPicture:
		return s == picture.Size{Width: 1024, Height: 1024}
	case gamePicture:
		return s == picture.Size{Width: 1024, Height: 1024} || s == picture.Size{Width: 512, Height: 512}
	case libraryPicture:
		if o.text("category") == creativeCategory {
			return picture.Creative(s) || s == eventCard || s == eventPage
		}
		return picture.AnyScreenshot(s)
	}
	return true
}

// natural is the size of a believable picture of a content.
func natural(what content) picture.Size {
	switch what {
	case eventPicture:
		return picture.Size{Width: 1920, Height: 1080}
	case clipPicture:
		return picture.Size{Width: 1800, Height: 1200}
	case productPicture, gamePicture:
		return picture.Size{Width: 1024, Height: 1024}
	}
	return picture.Natural("APP_IPHONE_67")
}

// videoProblem wants a file of the QuickTime family: MP4, MOV or M4V begin with the
// length of a first box and its kind.
func videoProblem(file []byte) string {
	if len(file) >= 8 && slices.Contains([]string{"ftyp", "moov", "mdat", "wide", "free"}, string(file[4:8])) {
		return ""
	}
	return "VIDEO_INVALID"
}

// coverageProblem wants GeoJSON: one MultiPolygon of one polygon without holes.
// Apple: routing app coverage.
func coverageProblem(u *upload) string {
	var doc struct {
		Type        string
		Coordinates [][][][]float64
	}
	if u.large() || json.Unmarshal(u.file(), &doc) != nil || doc.Type != "MultiPolygon" ||
		len(doc.Coordinates) != 1 || len(doc.Coordinates[0]) != 1 || len(doc.Coordinates[0][0]) < 4 {
		return "GEO_JSON_INVALID"
	}
	return ""
}
